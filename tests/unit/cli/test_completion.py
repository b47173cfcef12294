# SPDX-License-Identifier: Apache-2.0
"""What bash completes of nova-ha is what its parser takes."""

import pathlib
import subprocess

import pytest

from nova_ha.cli import main

FILE = pathlib.Path(__file__).resolve().parents[3] / "tools/completion/nova-ha"
PARSER = main._parser()
(COMMANDS,) = [action.choices for action in PARSER._actions if isinstance(action.choices, dict)]
# As cibadmin answers for two, and for one.
NODES = '<xpath-query><node id="c1" type="remote" uname="compute-1"/>\n<node uname="compute-2" type="remote" id="2">\n'


def completed(*words, nodes=NODES):
    """What is offered for the last of some words."""
    line = " ".join(f'"{word}"' for word in ("nova-ha", *words))
    script = (
        f"cibadmin() {{ printf %s '{nodes}'; }}\nsource {FILE}\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words)}\n"
        '_nova_ha\nprintf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def long(parser):
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


def test_the_commands_and_the_options_before_them():
    assert completed("") == {*COMMANDS, *long(PARSER)}
    assert completed("--no-color", "--resource", "x", "st") == {"status"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command(command):
    assert completed(command, "-") == long(COMMANDS[command])


WITHOUT = {"check", "collect", "keeper", "notify", "metrics", "exporter"}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - WITHOUT))
def test_hosts_are_the_cluster_s_remote_nodes(command):
    assert completed(command, "comp") == {"compute-1", "compute-2"}
    assert completed(command, "comp", nodes="") == set()


def test_a_name_is_not_taken_for_a_command(tmp_path):
    """Root on a compute host can write what it likes into the cluster's configuration."""
    for name in (f"$(touch${{IFS}}{tmp_path}/made)", f"`touch {tmp_path}/made`"):
        assert completed("plan", "", nodes=f'<node uname="{name}" type="remote"/>\n') == set()
    assert not (tmp_path / "made").exists()


def test_where_a_number_or_a_name_is_wanted_nothing_is_offered():
    assert completed("plan", "--failures", "") == completed("--resource", "") == set()
