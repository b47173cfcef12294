# SPDX-License-Identifier: Apache-2.0
"""Two labs on one machine: nothing that is one's own is the other's, and the machine is put back by the last one."""

import json
import runpy

import pytest

from tests.lab import lab, runtime, settings
from tests.lab.progress import Progress
from tests.lab.shell import LabError

FORMER = {"net/ipv4/ip_forward": "0", "fs/inotify/max_user_instances": "128"}


@pytest.fixture
def of_number(monkeypatch):
    """The names of ``settings`` in a program that is told the number."""

    def read(number):
        monkeypatch.setenv("NOVA_HA_LAB_NUMBER", number)
        return runpy.run_path(settings.__file__)

    return read


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of its own, that this program has prepared for lab 0; returns the directory of its links."""
    links, sysctls = tmp_path / "links", tmp_path / "sysctls"
    for name, value in FORMER.items():
        (sysctls / name).parent.mkdir(parents=True, exist_ok=True)
        (sysctls / name).write_text(f"{value}\n")
    links.mkdir()

    def ip(_ip, _link, action, *words, **_options):
        if action == "add" and "type" in words:
            (links / words[0]).touch()
        elif action == "delete":
            (links / words[0]).unlink()

    monkeypatch.setattr(settings, "MACHINE_FILE", tmp_path / "machine.json")
    monkeypatch.setattr(runtime, "NETWORKS", tmp_path / "networks")
    monkeypatch.setattr(runtime, "require", lambda: None)
    monkeypatch.setattr(runtime, "run", ip)
    monkeypatch.setattr(runtime, "_link_exists", lambda name: (links / name).exists())
    monkeypatch.setattr(runtime, "_sysctl", lambda name: sysctls / name)
    runtime.prepare()
    return links


def sysctls():
    return {name: runtime._sysctl(name).read_text().strip() for name in FORMER}


def test_names_of_the_two_differ(of_number):
    one, other = of_number("0"), of_number("1")
    own = ("CLUSTER_NAME", "NETWORK", "BRIDGE", "PREFIX", "ANCHOR", "RUN", "SETTINGS_FILE", "SECRETS_FILE", "POWER_LOG")
    assert [name for name in own if one[name] == other[name]] == []
    assert one["CACHE"] == other["CACHE"]


def test_no_container_of_one_is_asked_for_by_the_other(of_number):
    one, other = of_number("0")["container"], of_number("1")["container"]
    assert not other("cloud").startswith(one(""))
    assert not one("cloud").startswith(other(""))


@pytest.mark.parametrize("number", ["2", "-1", "a", ""])
def test_a_number_that_is_none_is_refused(of_number, number):
    with pytest.raises(ValueError, match="NOVA_HA_LAB_NUMBER"):
        of_number(number)


@pytest.mark.parametrize("number", ["0", "1"])
def test_links_have_names_that_the_kernel_takes(of_number, number):
    names = of_number(number)
    assert all(len(name) <= 15 for name in (names["BRIDGE"], names["ANCHOR"] + "2"))


def test_the_last_lab_puts_the_machine_back(machine):
    assert sysctls()["fs/inotify/max_user_instances"] == "1024"
    runtime.restore()
    assert sysctls() == FORMER
    assert not settings.MACHINE_FILE.exists()


def test_a_lab_that_leaves_another_one_changes_nothing_of_the_machine(machine):
    (machine / settings.BRIDGES[1 - settings.NUMBER]).touch()
    runtime.restore()
    assert sysctls()["fs/inotify/max_user_instances"] == "1024"
    assert json.loads(settings.MACHINE_FILE.read_text()) == FORMER
    assert not (machine / settings.BRIDGE).exists()


def test_what_another_lab_uses_is_not_wiped(machine, monkeypatch):
    (machine / settings.BRIDGES[1 - settings.NUMBER]).touch()
    monkeypatch.setattr(lab, "down", lambda *_: pytest.fail("was taken down"))
    with pytest.raises(LabError, match=f"lab {1 - settings.NUMBER} is up"):
        lab.wipe(settings.Settings(), Progress())
