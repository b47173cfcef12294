# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha plan --all`` prints, and how it ends."""

import dataclasses
import json
import subprocess

import pytest

from nova_ha.cli import losses, main
from nova_ha.cloud import errors
from nova_ha.cloud.demands import Sized
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.room import HostRoom, Room
from nova_ha.model.snapshot import Services
from nova_ha.rundir.engine_state import RunState
from tests import schemas
from tests.unit.agent_programs import TREE
from tests.unit.cli.scenes import RESOURCE, Pacemaker, event
from tests.unit.doubles import given
from tests.unit.worlds import instance, service

HOSTS = ("compute-1", "compute-2", "compute-3")


class Cloud:
    """Stands in for ``cloud.survey.CloudSurvey``."""

    def __init__(self, room=4):
        alive = service("compute-1", up=True, forced_down=False, enabled=True, reason=None)
        self.known = Services({host: dataclasses.replace(alive, host=host, zone="nova") for host in HOSTS})
        self.free = dict.fromkeys(HOSTS, room)
        self.on = []
        self.groups = {}
        self.selected = Selection(False)

    def add(self, number, host, memory=1, unclear=None, **more):
        body = dataclasses.replace(instance(number, host=host), zone="nova", **more)
        self.on.append(Sized(body, {"VCPU": 1, "MEMORY_MB": memory, "DISK_GB": 1}, unclear))

    def connect(self):
        return given(self.known)

    def aggregates(self):
        return {"rack": frozenset(HOSTS)}

    def selection(self, tag):
        return self.selected

    def room(self):
        return Room({host: HostRoom({}, {"VCPU": 100, "MEMORY_MB": free}) for host, free in self.free.items()})

    def everything(self):
        return self.on

    def grouped(self):
        return given(self.groups)


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud()
    monkeypatch.setattr(losses, "connect", lambda conf: found)
    return found


@pytest.fixture
def command(tmp_path, capsys, monkeypatch, cloud):
    """Runs nova-ha plan; returns exit code, standard output and standard error."""
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def run(*arguments, pacemaker=None):
        known = pacemaker or Pacemaker()
        code = main.main(["plan", *arguments], known, str(tmp_path), str(tmp_path / "nova-ha.conf"))
        out, err = capsys.readouterr()
        if "--json" in arguments and out:
            schemas.check("losses", json.loads(out))
        return code, out, err

    return run


def test_all_find_room(command, cloud):
    cloud.add(1, "compute-1")
    cloud.add(2, "compute-2")
    code, out, err = command("--all")
    assert (code, err) == (0, "")
    assert " ".join(out.split()).startswith(
        "If any one host were lost now (nothing has been changed): 3 compute hosts: 0 with instances without room"
    )
    assert "compute-1  1          1         1     0        0            not known\n" in out


def test_what_finds_no_room_is_named_and_is_the_exit_code(command, cloud):
    cloud.add(1, "compute-1")
    cloud.add(2, "compute-2", memory=9)
    code, out, _err = command("--all")
    assert code == losses.NOT_ALL_FIT
    rows = [line for line in out.splitlines() if line.startswith("compute")]
    assert rows[0].split()[:6] == ["compute-2", "1", "1", "0", "1", "0"]
    assert "    no_room: no host that is left has room for it: web-2\n" in out


def test_what_is_not_evacuated_needs_no_room(command, cloud):
    cloud.add(1, "compute-1", memory=99, vm_state="shelved")
    cloud.add(2, "compute-1", memory=99, metadata={"evacuable": "false"})
    cloud.add(3, "compute-1", memory=99, extra_specs={"hw:tpm_version": "2.0"})
    code, out, _err = command("--all", "--json")
    (loss,) = [each for each in json.loads(out)["losses"] if each["hosts"] == ["compute-1"]]
    assert (code, loss["instances"], loss["evacuate"], loss["no_room"]) == (0, 3, 0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.add(1, "compute-1", unclear="it needs a PCI device"), "it needs a PCI device"),
        (lambda c: (c.add(1, "compute-1"), c.groups.update(i1="anti-affinity")), "server group has the policy"),
        (lambda c: (c.add(1, "compute-1", image="m"), setattr(c, "selected", Selection(False, None, "x"))), "Glance"),
    ],
)
def test_what_cannot_be_told_is_said_so(command, cloud, change, reason):
    change(cloud)
    code, out, _err = command("--all", "--json")
    (loss,) = [each for each in json.loads(out)["losses"] if each["hosts"] == ["compute-1"]]
    assert (code, loss["cannot_tell"], loss["doubts"][0]["verdict"]) == (0, 1, "cannot_tell")
    assert reason in loss["doubts"][0]["reason"]


def test_server_groups_that_cannot_be_read_are_told(command, cloud):
    cloud.groups = errors.Refused("Policy doesn't allow it", 403)
    code, out, _err = command("--all")
    assert code == 0
    assert "Server groups could not be read (Policy doesn't allow it)" in " ".join(out.split())


def test_only_hosts_that_nova_may_use_take_instances(command, cloud):
    cloud.add(1, "compute-1")
    cloud.known["compute-2"] = dataclasses.replace(cloud.known["compute-2"], enabled=False)
    cloud.known["compute-3"] = dataclasses.replace(cloud.known["compute-3"], up=False)
    code, out, _err = command("--all", "--json")
    found = json.loads(out)
    assert (code, found["hosts"]) == (losses.NOT_ALL_FIT, 2)


def test_two_at_once(command, cloud):
    for number, host in enumerate(HOSTS):
        cloud.add(number, host, memory=3)
    assert command("--all", "--json")[0] == 0
    code, out, _err = command("--all", "--failures", "2", "--json")
    found = json.loads(out)
    assert (code, found["failures"], found["combinations"], found["looked_at"]) == (3, 2, 3, 3)
    assert len(found["losses"]) == 3
    _code, out, _err = command("--all", "--failures", "2")
    assert "If any 2 hosts were lost now" in out and "compute-1 compute-2  2 " in out
    code, out, _err = command("--all", "--failures", "9")
    assert (code, out) == (0, "There are only 3 compute hosts.\n")


def test_the_time_is_that_of_evacuations_on_record(command, cloud, tmp_path):
    state = RunState(RESOURCE, str(tmp_path))
    state.create()
    events = []
    for number, seconds in ((1, 10), (2, 30), (3, 20)):
        events.append(event(number=number, time=1000.0))
        events.append(event("instance_evacuated", number=number, time=1000.0 + seconds))
    state.report("working", "r", hosts={}, events=events)
    for number in range(25):
        cloud.add(number, "compute-1", memory=0)
    _code, out, _err = command("--all", "--json")
    (loss,) = [each for each in json.loads(out)["losses"] if each["hosts"] == ["compute-1"]]
    # Twenty for each of the two that are left, all at once.
    assert loss["seconds"] == 20.0


@pytest.mark.parametrize(
    "arguments",
    [[], ["--all", "compute-1"], ["--failures", "2", "compute-1"], ["--all", "--failures", "0"], ["--failures", "x"]],
)
def test_wrong_usage_is_one_line(arguments):
    done = subprocess.run([TREE / "tools/nova-ha", "plan", *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "(see --help)" in done.stderr


def test_a_cloud_that_does_not_answer_is_one_line(command, cloud):
    cloud.known = errors.Unreachable("connection\nrefused")
    assert command("--all") == (1, "", "nova-ha: connection refused\n")
