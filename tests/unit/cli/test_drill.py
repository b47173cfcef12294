# SPDX-License-Identifier: Apache-2.0
"""A drill of a host: on paper, and by what its recovery would take; it is recorded, and changes nothing of the host."""

import dataclasses
import functools
import json
import time

import pytest

from nova_ha.checks import gather
from nova_ha.cli import drill as view
from nova_ha.cloud import survey
from nova_ha.cloud.errors import Refused, Unreachable
from nova_ha.config import loader
from nova_ha.fencing.power_agent import PowerError
from nova_ha.model.drills import read
from tests.unit.checks import clusters
from tests.unit.doubles import given
from tests.unit.worlds import living

HOST = "compute-2"


class Cluster(clusters.Cluster):
    """A cluster whose host is well.

    :ivar fences: the fencing devices that this node may use
    :ivar passed: what is kept of drills
    """

    def __init__(self):
        super().__init__()
        self.passed = {}
        for node in list(self.cib.iter("node")):
            self.attribute(node.get("uname"), "evacuate", None)
        self.fences = ["fence-nova", f"ipmi-{HOST}"]

    def __call__(self, command, timeout):
        if self.away:
            return 102, "", "Connection to the CIB manager failed"
        if command[0] == "stonith_admin":
            return 0, "".join(f"{each}\n" for each in self.fences) + f"{len(self.fences)} fence devices found\n", ""
        if command[0] == "crm_attribute":
            self.passed[command[2]] = command[-1]
            return 0, "", ""
        if command[:3] == ["cibadmin", "--query", "--xpath"] and "//nodes/node" in command[3]:
            return self._nodes(command[3])
        if command[:3] == ["cibadmin", "--query", "--xpath"] and "crm_config" in command[3]:
            return 105, "", ""
        if command[0] == "attrd_updater" and "nova-ha-status" in command[2]:
            return 105, "", ""
        return super().__call__(command, timeout)

    def _nodes(self, xpath):
        nodes = list(self.cib.iter("node"))
        if "[instance_attributes" in xpath:
            wanted = xpath.partition('@name="')[2].partition('"')[0]
            found = [each for each in nodes if any(pair.get("name") == wanted for pair in each.iter("nvpair"))]
        elif 'not(@type="remote")' in xpath:
            found = [each for each in nodes if each.get("type") != "remote"]
        else:
            found = [each for each in nodes if f'"{each.get("uname")}"' in xpath]
        return (0, clusters._wrapped(found), "") if found else (105, "", "")


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def cloud(monkeypatch):
    found = clusters.Cloud()
    found.known[HOST] = living(HOST)
    found.answers["reaches"] = None
    monkeypatch.setattr(survey, "CloudSurvey", lambda _access: found)
    monkeypatch.setattr(loader, "access", lambda _conf: None)
    monkeypatch.setattr(gather, "facts", functools.partial(gather.facts, connect=lambda _conf: found))
    return found


@pytest.fixture(autouse=True)
def power(monkeypatch):
    """What each fence agent says of the host's power; an exception is raised."""
    said = {"fence_ipmilan": "on", "fence_compute": None}
    monkeypatch.setattr(view, "power_status", lambda agent, _parameters, host: host == HOST and given(said[agent]))
    return said


@pytest.fixture
def drill(command, cluster, cloud, keeper, noted):
    """Drills the host; returns the exit code, and what is told."""

    def run(*words):
        code, out, _err = command(cluster, "drill", HOST, *words, "--json")
        told = json.loads(out)
        assert noted[-1].startswith(f'operator_ordered: host={HOST} order="drill --level {told["level"]}: ')
        return code, told

    return run


def phases(told):
    return {each["name"]: each["ok"] for each in told["phases"]}


def test_on_paper_nothing_is_asked_of_devices_and_nothing_is_kept(drill, cluster, cloud):
    code, told = drill()
    assert (code, told["passed"]) == (0, True), told
    assert set(phases(told).values()) == {True}
    assert cluster.passed == {} and ("reaches", HOST) not in cloud.asked


def test_what_it_takes_is_asked_for_and_that_it_was_passed_is_kept(drill, cluster, cloud):
    code, told = drill("--level", "1")
    assert (code, told["passed"], told["node"]) == (0, True, "control-1")
    asked = phases(told)
    assert asked["fencing fence-nova"] and asked[f"fencing ipmi-{HOST}"] and asked["cloud"] and asked["bus"]
    assert (asked["from control-2"], asked["from control-3"]) == (None, None)
    assert ("reaches", HOST) in cloud.asked
    assert read(cluster.passed[HOST]).level == 1


def test_a_device_that_does_not_answer_is_wrong(drill, cluster, power):
    power["fence_ipmilan"] = PowerError("timed out")
    code, told = drill("--level", "1")
    assert (code, told["passed"], cluster.passed) == (4, False, {})
    assert [(each["name"], each["text"]) for each in told["phases"] if each["ok"] is False] == [
        (f"fencing ipmi-{HOST}", "timed out")
    ]


@pytest.mark.parametrize(("online", "ok"), [("true", False), ("false", True)])
def test_a_device_that_has_a_living_host_off_is_another_s(drill, cluster, power, online, ok):
    power["fence_ipmilan"] = "off"
    cluster.node(HOST, online=online)
    assert phases(drill("--level", "1")[1])[f"fencing ipmi-{HOST}"] is ok


def test_no_device_is_wrong(drill, cluster):
    cluster.fences = []
    assert phases(drill("--level", "1")[1])["fencing"] is False


@pytest.mark.parametrize("failure", [Refused("compute service is down", 400), Unreachable("no answer in time")])
def test_a_nova_compute_that_does_not_answer_is_wrong(drill, cloud, failure):
    cloud.answers["reaches"] = failure
    assert phases(drill("--level", "1")[1])["bus"] is False


def test_a_host_that_nova_does_not_have_up_is_wrong_on_paper(drill, cloud):
    cloud.known[HOST] = dataclasses.replace(cloud.known[HOST], up=False)
    code, told = drill()
    assert (code, phases(told)["service"]) == (4, False)


@pytest.mark.parametrize(
    ("order", "ok"),
    [("drill --level 1: passed", True), ("drill --level 1: not passed", None), ("drill --level 0: passed", None)],
)
def test_what_another_node_has_passed_counts(drill, kept, order, ok):
    event = dict.fromkeys(("instance", "request", "code", "command"))
    about = {"time": time.time() - 60, "level": "info", "event": "operator_ordered", "host": HOST}
    kept.append("orders", "control-2", [{**event, **about, "reason": f"{order} by root@control-2: no reason given"}])
    assert phases(drill("--level", "1")[1])["from control-2"] is ok


def test_people_are_told_in_a_table(command, cluster, cloud, keeper, noted, power):
    power["fence_ipmilan"] = PowerError("timed out")
    code, out, err = command(cluster, "drill", HOST, "--level", "1")
    assert (code, err) == (4, "")
    assert f"\n{HOST}: level 1, from control-1: NOT PASSED\n" in out
    assert "WRONG" in out


def test_a_cloud_that_is_away_is_wrong_and_the_devices_are_asked_all_the_same(drill, cloud):
    def away():
        raise Unreachable("https://keystone does not answer")

    cloud.answers["connect"] = away
    code, told = drill("--level", "1")
    found = phases(told)
    assert (code, found["service"], found["cloud"], found["bus"]) == (4, False, False, None)
    assert found[f"fencing ipmi-{HOST}"] is True


def test_a_host_that_the_cluster_does_not_know_is_told(command, cluster, cloud, keeper):
    code, _out, err = command(cluster, "drill", "compute-77")
    assert (code, err.count("\n")) == (1, 1)
