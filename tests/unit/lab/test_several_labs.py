# SPDX-License-Identifier: Apache-2.0
"""Labs on one machine: nothing that is one's own is another's, and the machine is put back by the last one."""

import itertools
import json
import runpy
import shutil
import subprocess

import pytest

from tests.lab import lab, runtime, settings
from tests.lab.progress import Progress
from tests.lab.shell import LabError

OTHER = (settings.NUMBER + 1) % settings.LABS
TWO = list(itertools.permutations(map(str, range(settings.LABS)), 2))
# What an ordinary machine has, and one whose other lab is up.
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "192.0.2.0/24", "dev": "eth0"},
    {"type": "local", "dst": "127.0.0.0/8", "dev": "lo", "table": "local"},
    {"dst": f"{settings.PREFIXES[OTHER]}.0/24", "dev": settings.BRIDGES[OTHER]},
]
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
    """A machine of its own, that has been prepared for a lab; returns a function that adds a link, given its MAC."""
    links, sysctls = tmp_path / "links", tmp_path / "sysctls"
    for name, value in FORMER.items():
        (sysctls / name).parent.mkdir(parents=True, exist_ok=True)
        (sysctls / name).write_text(f"{value}\n")
    links.mkdir()

    def add(link, mac):
        (links / link).mkdir()
        (links / link / "address").write_text(f"{mac}\n")

    def ip(*words):
        if words[1:3] == ("link", "add"):
            add(words[3], words[5] if words[4] == "address" else "")
        elif words[1:3] == ("link", "delete"):
            shutil.rmtree(links / words[3])
        return subprocess.CompletedProcess(words, 0, stdout=json.dumps(ROUTES))

    monkeypatch.setattr(settings, "MACHINE_FILE", tmp_path / "machine.json")
    monkeypatch.setattr(runtime, "NETWORKS", tmp_path / "networks")
    monkeypatch.setattr(runtime, "require", lambda: None)
    monkeypatch.setattr(runtime, "run", ip)
    monkeypatch.setattr(runtime, "LINKS", links)
    monkeypatch.setattr(runtime, "_sysctl", lambda name: sysctls / name)
    runtime.prepare()
    return add


def sysctls():
    return {name: runtime._sysctl(name).read_text().strip() for name in FORMER}


@pytest.mark.parametrize("two", TWO, ids="-".join)
def test_names_of_any_two_differ(of_number, two):
    one, other = map(of_number, two)
    own = ("CLUSTER_NAME", "NETWORK", "BRIDGE", "PREFIX", "ANCHOR", "RUN", "SETTINGS_FILE", "SECRETS_FILE", "POWER_LOG")
    assert [name for name in own if one[name] == other[name]] == []
    assert one["CACHE"] == other["CACHE"]


@pytest.mark.parametrize("two", TWO, ids="-".join)
def test_no_container_of_one_is_asked_for_by_another(of_number, two):
    one, other = (of_number(number)["container"] for number in two)
    assert not other("cloud").startswith(one(""))


@pytest.mark.parametrize("number", ["3", "-1", "a", ""])
def test_a_number_that_is_none_is_refused(of_number, number):
    with pytest.raises(ValueError, match="NOVA_HA_LAB_NUMBER"):
        of_number(number)


@pytest.mark.parametrize("number", map(str, range(settings.LABS)))
def test_links_have_names_that_the_kernel_takes(of_number, number):
    names = of_number(number)
    assert all(len(name) <= 15 for name in (names["BRIDGE"], names["ANCHOR"] + "2"))


def test_the_last_lab_puts_the_machine_back(machine):
    assert sysctls()["fs/inotify/max_user_instances"] == "1024"
    runtime.restore()
    assert sysctls() == FORMER
    assert not settings.MACHINE_FILE.exists()


def test_a_lab_that_leaves_another_one_changes_nothing_of_the_machine(machine):
    machine(settings.BRIDGES[OTHER], settings.mac(f"{settings.PREFIXES[OTHER]}.1"))
    runtime.restore()
    assert sysctls()["fs/inotify/max_user_instances"] == "1024"
    assert json.loads(settings.MACHINE_FILE.read_text()) == FORMER
    assert runtime.labs() == [OTHER]


def test_what_another_lab_uses_is_not_wiped(machine, monkeypatch):
    machine(settings.BRIDGES[OTHER], settings.mac(f"{settings.PREFIXES[OTHER]}.1"))
    monkeypatch.setattr(lab, "down", lambda *_: pytest.fail("was taken down"))
    with pytest.raises(LabError, match=f"lab {OTHER} is up"):
        lab.wipe(settings.Settings(), Progress())


def test_a_bridge_of_somebody_elses_is_named_and_left_alone(machine):
    runtime.restore()
    machine(settings.BRIDGE, "02:42:ac:11:00:02")
    with pytest.raises(LabError, match=settings.BRIDGE):
        runtime.prepare()
    assert sysctls() == FORMER
    runtime.restore()
    assert (runtime.LINKS / settings.BRIDGE / "address").read_text() == "02:42:ac:11:00:02\n"


def test_a_lab_that_is_up_is_no_obstacle_to_itself(machine):
    runtime.prepare()
    assert runtime.labs() == [settings.NUMBER]


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "172.30.0.0/16", "dev": "docker0"},
        {"dst": f"{settings.PREFIX}.0/24", "dev": "eth1"},
        {"dst": f"{settings.PREFIX}.21", "dev": "tun0"},
        {"type": "unreachable", "dst": f"{settings.PREFIX}.0/24"},
    ],
)
def test_a_network_that_is_in_use_is_named_and_left_alone(machine, monkeypatch, route):
    runtime.restore()
    monkeypatch.setitem(globals(), "ROUTES", [*ROUTES, route])
    with pytest.raises(LabError) as refused:
        runtime.prepare()
    assert route["dst"] in str(refused.value)
    assert runtime.labs() == []
    assert sysctls() == FORMER


@pytest.mark.parametrize("destination", ["172.16.0.0/12", "128.0.0.0/1"])
def test_a_route_to_half_the_world_is_no_obstacle(destination):
    assert runtime.others_routes([*ROUTES, {"dst": destination, "dev": "tun0"}]) == []
