# SPDX-License-Identifier: Apache-2.0
"""How programs are run in the lab's hosts: by the containers' own runtime, where that is runc."""

import subprocess

import pytest

from tests.lab import nodes, runtime, settings, shell
from tests.lab.shell import LabError

NODE = "control-1"
IDENT = "5fcea158f317"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Programs are not run: which would have been, with what input, is in ``.ran``; runc is podman's runtime."""
    made = Machine()
    monkeypatch.setattr(subprocess, "run", made.run)
    monkeypatch.setattr(nodes, "IDS", tmp_path / "ids")
    monkeypatch.setattr(runtime, "CONTAINERS_CONF", tmp_path / "containers.conf")
    runtime.CONTAINERS_CONF.write_text('runtime = "runc"\n')
    return made


class Machine:
    def __init__(self):
        self.ran = []
        self.ident = IDENT
        self.code = 0

    def run(self, command, input=None, **_):
        self.ran.append((tuple(command), input))
        if command[1:3] == ["container", "inspect"]:
            return subprocess.CompletedProcess(command, 0 if self.ident else 125, f"{self.ident}\n", "")
        return subprocess.CompletedProcess(command, self.code, "", "it would not do")

    def programs(self):
        return [(command, given) for command, given in self.ran if "inspect" not in command]


def test_runc_is_asked_itself_and_what_it_is_told_the_program_to_read_is_never_ours(machine):
    nodes.execute(NODE, "crm_mon", "-1")
    nodes.execute(NODE, "sh", stdin="true\n")
    assert machine.programs() == [
        (("runc", "exec", IDENT, "crm_mon", "-1"), ""),
        (("runc", "exec", IDENT, "sh"), "true\n"),
    ]


def test_the_id_is_asked_for_once(machine):
    for _ in range(3):
        nodes.execute(NODE, "true")
    assert len(machine.ran) == 1 + 3


def test_the_id_of_a_container_that_was_removed_is_not_used_for_the_next_one(machine):
    nodes.execute(NODE, "true")
    nodes.remove(NODE)
    machine.ident = "another"
    nodes.execute(NODE, "true")
    assert machine.ran[-1][0] == ("runc", "exec", "another", "true")


@pytest.mark.parametrize("missing", ["runc", "the container"])
def test_podman_is_asked_without(machine, missing):
    if missing == "runc":
        runtime.CONTAINERS_CONF.write_text('runtime = "crun"\n')
    else:
        machine.ident = ""
    nodes.execute(NODE, "sh", stdin="true\n")
    nodes.execute(NODE, "true")
    assert machine.programs() == [
        (("podman", "exec", "--interactive", settings.container(NODE), "sh"), "true\n"),
        (("podman", "exec", settings.container(NODE), "true"), None),
    ]


def test_an_error_names_the_host_and_what_a_person_would_type(machine):
    machine.code = 255
    with pytest.raises(LabError, match=f"^podman exec {settings.container(NODE)} true: exit code 255: it would not do"):
        nodes.execute(NODE, "true")
    assert nodes.execute(NODE, "true", check=False).returncode == 255


def test_an_error_names_a_command_by_its_own_words_otherwise(machine):
    machine.code = 1
    with pytest.raises(LabError, match="^ip link: exit code 1"):
        shell.run("ip", "link")
