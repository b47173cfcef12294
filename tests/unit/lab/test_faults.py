# SPDX-License-Identifier: Apache-2.0
"""Faults and the power of hosts: what is done, in which order, and what the records say."""

import json
import pathlib
import subprocess

import pytest

from tests.lab import bmc, chassis, cluster, faults, nodes, power, settings
from tests.lab.cloud import units
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for


class Hosts:
    """Containers that are but states; remembers what was done to them."""

    def __init__(self, **states):
        self.states = states
        self.done = []

    def act(self, name, becomes=None):
        def deed(node):
            self.done.append(name)
            self.states[node] = becomes or self.states[node]

        return deed


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    there = Hosts(a="running", b="exited", c="paused")
    deeds = {"kill": "exited", "start": "running", "pause": "paused", "unpause": "running", "plug": "", "unplug": ""}
    for name, becomes in deeds.items():
        monkeypatch.setattr(nodes, name, there.act(name, becomes))
    monkeypatch.setattr(nodes, "state", there.states.get)
    monkeypatch.setattr(settings, "RUN", tmp_path)
    monkeypatch.setattr(settings, "POWER_LOG", tmp_path / "records" / "power")
    monkeypatch.setattr(settings, "FAULT_LOG", tmp_path / "records" / "faults")
    monkeypatch.setattr(faults, "STANDING", tmp_path / "faults")
    monkeypatch.setattr(bmc, "DIRECTORY", tmp_path)
    for name in there.states:
        (tmp_path / name).mkdir()
    return there


def records(file, *keys):
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [tuple(line[key] for key in keys) for line in lines]


def test_a_power_cut_is_silent_and_a_kill_is_not(hosts):
    faults.power_cut("a")
    assert hosts.done == ["unplug", "kill"]
    power.power_on("a", by="bmc")
    faults.kill("a")
    assert hosts.done == ["unplug", "kill", "start", "kill"]


def test_a_frozen_host_draws_power(hosts):
    power.power_off("c", by="bmc")
    assert hosts.states["c"] == "exited"


def test_only_changes_of_power_are_recorded(hosts):
    power.power_off("b", by="bmc")
    power.power_on("a", by="bmc")
    assert records(settings.POWER_LOG, "host") == []
    power.power_on("b", by="bmc")
    power.power_off("b", by="fault:kill")
    assert records(settings.POWER_LOG, "host", "event", "by") == [("b", "on", "bmc"), ("b", "off", "fault:kill")]


@pytest.mark.parametrize(("at_once", "done"), [(False, ["stop"]), (True, ["kill", "stop"])])
def test_a_stopped_service_stays_so_until_the_fault_ends(hosts, monkeypatch, at_once, done):
    monkeypatch.setattr(nodes, "execute", lambda node, *command, **options: hosts.done.append(command[1]))
    faults.stop_service("keystone", at_once=at_once)
    assert hosts.done == done
    faults.end_all(None)
    assert hosts.done == [*done, "start"]
    assert records(settings.FAULT_LOG, "target", "phase") == [("cloud/keystone", "begin"), ("cloud/keystone", "end")]


def test_a_frozen_service_is_thawed_when_the_fault_ends(hosts, monkeypatch):
    monkeypatch.setattr(nodes, "execute", lambda node, *command, **options: hosts.done.append((node, command[2])))
    faults.freeze_service("nova-scheduler")
    assert hosts.done == [("cloud", "--signal=STOP")]
    faults.end_all(None)
    assert hosts.done[1:] == [("cloud", "--signal=CONT")]
    faults.end_all(None)
    assert len(hosts.done) == 2


def test_what_is_starved_is_stopped_again_and_again_until_it_is_fed(hosts, monkeypatch):
    ran = []
    monkeypatch.setattr(nodes, "execute", lambda node, *command, stdin=None, **options: ran.append((command, stdin)))
    with subprocess.Popen(["sleep", "60"]) as victim:
        monkeypatch.setattr(faults, "_signal_command", lambda unit, name: ("kill", f"-{name}", str(victim.pid)))
        faults.starve("nova-conductor", away=0.2, runs=0.2)
        try:
            with subprocess.Popen(["sh", "-c", ran[0][1]]) as starver:
                for state in ("T", "S", "T"):
                    wait_for(f"state {state}", lambda state=state: _state(victim) == state, 5, 0.01)
                starver.terminate()
            # Asleep again, or just about to be.
            assert _state(victim) in ("S", "R")
        finally:
            victim.kill()
    faults.end_all(None)
    assert ran[1][0] == ("systemctl", "stop", "lab-starver-*")
    assert records(settings.FAULT_LOG, "fault", "target", "phase") == [
        ("starve", "cloud", "begin"),
        ("starve", "cloud", "end"),
    ]


def test_with_nothing_named_all_of_a_node_is_starved(hosts, monkeypatch):
    said = []
    monkeypatch.setattr(nodes, "execute", lambda *words, stdin=None, **options: said.append(stdin))
    faults.starve()
    faults.starve(node="compute-2")
    assert all(f"--signal=STOP {unit}" in said[0] for unit in units.SERVICES)
    assert "kill -STOP" in said[1]


def test_a_start_is_held_until_the_fault_ends(hosts, monkeypatch, tmp_path):
    dropin, held = tmp_path / "unit.d" / "hold.conf", tmp_path / "held"
    monkeypatch.setattr(faults, "_HOLDING", dropin)
    monkeypatch.setattr(faults, "_HELD", held)
    monkeypatch.setattr(faults, "_HOLDING_LINES", f"ExecStartPre=while test -e {held}; do sleep 0.1; done")

    def execute(node, *command, stdin=None):
        script = command[-1].replace("systemctl daemon-reload", ":")
        subprocess.run(["sh", "-c", script], input=stdin or "", text=True, check=True)

    monkeypatch.setattr(nodes, "execute", execute)
    faults.hold_start("a")
    with subprocess.Popen(["sh", "-c", dropin.read_text().partition("=")[2]]) as start:
        assert start.poll() is None
        faults.end_all(None)
        assert start.wait(5) == 0
    assert not dropin.exists()
    assert records(settings.FAULT_LOG, "fault", "target") == [("hold-start", "a")] * 2


@pytest.mark.parametrize(("node", "ended"), [("a", [("a", "rm", "-f", "/run/clock")]), ("b", [])])
def test_a_clock_is_wrong_until_the_fault_ends_or_the_node_is_switched_off(hosts, monkeypatch, node, ended):
    monkeypatch.setattr(nodes, "execute", lambda *command: hosts.done.append(command))
    faults.jump_clock(node, -3600)
    assert hosts.done == [(node, "sh", "-c", "echo -3600 >/run/clock")]
    faults.end_all(None)
    assert hosts.done[1:] == ended
    assert not faults.end_all(None)


def test_a_frozen_engine_and_bmcs_are_mended_when_the_faults_end(hosts, monkeypatch):
    monkeypatch.setattr(nodes, "execute", lambda node, *command, **options: hosts.done.append((node, command[2][:9])))
    monkeypatch.setattr(bmc, "stop", lambda chosen, node: hosts.done.append(("stop", node)))
    monkeypatch.setattr(bmc, "start", lambda chosen, node: hosts.done.append(("start", node)))
    faults.freeze_engine("a")
    faults.stop_bmc("b")
    faults.impair_bmc("c", lies=True)
    assert hosts.done == [("a", "kill -STO"), ("stop", "b")]
    assert bmc.impairment("c")["lies"]
    faults.end_all(None)
    assert hosts.done[2:] == [("start", "b"), ("a", "kill -CON")]
    assert bmc.impairment("c") == bmc.SOUND


def test_what_an_operator_did_is_taken_back_when_the_faults_end(hosts, monkeypatch):
    monkeypatch.setattr(cluster, "pcs", lambda chosen, *words: hosts.done.append(words))
    faults.standby(None, "a")
    faults.ban_engine(None, "b")
    assert hosts.done == [("node", "standby", "a"), ("resource", "ban", cluster.ENGINE, "b")]
    faults.end_all(None)
    assert hosts.done[2:] == [("node", "unstandby", "a"), ("resource", "clear", cluster.ENGINE, "b")]


@pytest.mark.parametrize(
    ("wrong", "refused", "becomes"),
    [({}, False, "exited"), ({"refuses": True}, True, "running"), ({"lies": True}, False, "running")],
)
def test_a_bmc_does_what_it_is_told_unless_it_was_impaired(hosts, wrong, refused, becomes):
    bmc.impair("a", **wrong)
    try:
        chassis.main("a", "set", "power", "0")
    except LabError:
        assert refused
    else:
        assert not refused
    assert hosts.states["a"] == becomes


def test_a_bmc_that_lies_about_what_it_did_shows_the_truth(hosts, capsys):
    bmc.impair("a", lies=True)
    chassis.main("a", "set", "power", "0")
    chassis.main("a", "get", "power")
    assert capsys.readouterr().out == "power:1\n"


def test_end_all_ends_what_stands_and_nothing_else(hosts):
    faults.hang("a")
    faults.cut_network("c")
    faults.power_cut("b")
    assert faults.end_all(None)
    assert not faults.end_all(None)
    assert hosts.states == {"a": "running", "b": "exited", "c": "paused"}
    assert hosts.done == ["pause", "unplug", "unpause", "plug"]
    ended = [record for record in records(settings.FAULT_LOG, "fault", "target", "phase") if record[2] == "end"]
    assert ended == [("power-cut", "b", "end"), ("hang", "a", "end"), ("network", "c", "end")]


def test_a_fault_that_cannot_be_ended_stands_and_does_not_keep_the_others_from_it(hosts, monkeypatch):
    faults.hang("a")
    faults.cut_network("c")
    monkeypatch.setattr(nodes, "unpause", _fail)
    with pytest.raises(LabError, match="hang of a: in vain"):
        faults.end_all(None)
    assert hosts.done[-1] == "plug"
    assert [marker.name for marker in faults.STANDING.glob("*")] == ["hang:a"]


def test_a_stopped_cluster_is_started_before_what_needs_one_is_ended(hosts, monkeypatch):
    monkeypatch.setattr(cluster, "pcs", lambda chosen, *words: hosts.done.append(words[1]))
    monkeypatch.setattr(cluster, "stop", lambda chosen: hosts.done.append("stop"))
    monkeypatch.setattr(cluster, "start", lambda chosen: hosts.done.append("start"))
    faults.ban_engine(None, "b")
    faults.stop_cluster(None)
    faults.end_all(None)
    assert hosts.done == ["ban", "stop", "start", "clear"]


def _fail(node):
    raise LabError("in vain")


def _state(process):
    """The letter that the kernel has for it: T is stopped, S sleeps."""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
