# SPDX-License-Identifier: Apache-2.0
"""Instances that have failed while their hosts live: whose word counts, what is asked, and how often."""

import dataclasses

import pytest

from nova_ha.cloud import nova
from nova_ha.cluster.errors import ClusterError
from nova_ha.model.actions import RestartInstance, Wait
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.instance_failures import InstanceFailure, Kind, written
from nova_ha.model.nova_actions import By, NovaAction
from nova_ha.model.reasons import Code
from nova_ha.policy.instance_restarts import InstanceRules
from nova_ha.recovery.failed_instances import LOOK_AGAIN, FailedInstances
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.observe.observer import Observer
from tests.unit.doubles import FakeAccount, FakeCloud, FakeCluster, given
from tests.unit.worlds import instance, living

NOW, EPOCH = 1000.0, 1_800_000_000.0
RULES = InstanceRules(restart=True)
ONE, TWO = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))
CREATED = NovaAction("create", EPOCH - 9000, By.ANOTHER)


class Reports:
    """Has what hosts tell."""

    def __init__(self, told):
        self.told = told
        self.wanted = None

    def want(self, wanted):
        self.wanted = wanted

    def newest(self):
        return self.told


class Side:
    """The engine's side of it: two hosts, with an instance each."""

    def __init__(self, **told):
        self.now = NOW
        self.reports = Reports({host.replace("_", "-"): text for host, text in told.items()})
        self.cloud = FakeCloud(living("compute-1"), living("compute-2"))
        self.cloud.selected = Selection()
        for number, host in ((1, "compute-1"), (2, "compute-2")):
            here = dataclasses.replace(instance(number, host=host), id=(ONE, TWO)[number - 1])
            self.cloud.on[host] = [here]
            self.cloud.actions[here.id] = (CREATED,)
        self.cluster = FakeCluster()
        self.cluster.nodes = {"compute-1", "compute-2"}
        self.memory = Memory(jitter=lambda: 1.0)
        self.account = FakeAccount()
        self.failed = FailedInstances(
            self.cloud,
            self.cluster,
            Observer(self.cloud, None, lambda: self.now),
            self.memory,
            self.account,
            map,
            lambda: self.now,
            lambda: EPOCH + self.now - NOW,
        )
        self.failed.reports = self.reports

    def steps(self, flagged=(), rules=RULES, later=0.0):
        self.now += later
        return self.failed.steps(rules, flagged)


def text(id=ONE, kind=Kind.CRASHED, episode="0000abcd", since=EPOCH - 1):
    return written([InstanceFailure(id, kind, int(since), episode)], 9999)


def test_what_a_host_tells_of_an_instance_of_its_own_is_seen_to():
    side = Side(compute_1=text(), compute_2="1")
    (found,) = side.steps()
    assert isinstance(found, RestartInstance)
    assert (found.host, found.instance.id, side.failed.instances) == ("compute-1", ONE, {ONE})
    assert side.reports.wanted is True


@pytest.mark.parametrize("told", [text(TWO), text("00000000-0000-0000-0000-000000000009")])
def test_of_what_is_not_on_it_a_host_has_no_say(told):
    side = Side(compute_1=told)
    assert (side.steps(), side.failed.instances) == ([], frozenset())


def _flagged(side):
    return ["compute-1"]


def _offline(side):
    side.cluster.nodes = {"compute-2"}
    return []


def _down(side):
    side.cloud.known["compute-1"] = living("compute-1", up=False)
    return []


def _forced_down(side):
    side.cloud.known["compute-1"] = dataclasses.replace(living("compute-1"), forced_down=True)
    return []


def _unknown(side):
    del side.cloud.known["compute-1"]
    return []


def test_what_a_host_makes_up_costs_nova_no_more_than_a_list_of_what_is_there():
    made_up = [InstanceFailure(f"i-{number}", Kind.CRASHED, int(EPOCH), f"{number:08x}") for number in range(500)]
    side = Side(compute_1=written(made_up, 60_000))
    assert side.steps() == []
    assert len(side.cloud.asked) <= 4


@pytest.mark.parametrize("state", [_flagged, _offline, _down, _forced_down, _unknown])
def test_a_host_that_may_be_dead_has_no_say(state):
    side = Side(compute_1=text())
    assert side.steps(state(side)) == []


def test_what_cannot_be_understood_is_told_and_the_rest_is_seen_to():
    side = Side(compute_1=text() + ";'\"><", compute_2="9")
    unclear, other, found = side.steps()
    assert [each.code for each in (unclear, other)] == [Code.REPORT_UNCLEAR] * 2
    assert unclear.needs_operator and isinstance(found, RestartInstance)


def test_two_hosts_that_tell_of_the_same_episode_are_both_seen_to():
    """By chance, or since somebody has made it up."""
    side = Side(compute_1=text(), compute_2=text(TWO))
    assert {(found.host, found.instance.id) for found in side.steps()} == {("compute-1", ONE), ("compute-2", TWO)}


@pytest.mark.parametrize("part", ["cloud", "cluster"])
def test_a_cloud_or_a_cluster_that_is_away_holds_nothing_else_up(part, caplog):
    side = Side(compute_1=text())
    away = {"cloud": nova.Unreachable("Nova does not answer"), "cluster": ClusterError("Pacemaker does not answer")}
    if part == "cloud":
        side.cloud.services = lambda: given(away[part])
    else:
        side.cluster.failing = away[part]
    assert [side.steps(), side.steps()] == [[], []]
    assert caplog.text.count("does not answer") == 1


def test_a_failure_is_told_once_and_its_next_one_again():
    side = Side(compute_1=text())
    for told in (text(), "1", text()):
        side.reports.told = {"compute-1": told}
        side.steps(later=LOOK_AGAIN)
    side.reports.told = {"compute-1": text(episode="0000abce")}
    side.steps()
    assert [(event.value, about[1]) for event, *about in side.account.events] == [("instance_failed", ONE)] * 2


def test_nova_is_not_asked_at_each_pass_about_what_is_left():
    rules = dataclasses.replace(RULES, failures=frozenset())
    side = Side(compute_1=text())
    side.steps(rules=rules)
    asked = len(side.cloud.asked)
    side.steps(rules=rules, later=LOOK_AGAIN - 1)
    assert len(side.cloud.asked) == asked
    side.steps(rules=rules, later=1)
    assert len(side.cloud.asked) > asked


def test_what_was_asked_for_is_not_asked_for_again():
    side = Side(compute_1=text())
    (found,) = side.steps()
    side.memory.sending(found.instance.id, 0)
    (found,) = side.steps()
    assert isinstance(found, Wait) and found.code == Code.SENDING


def test_one_of_which_nova_does_not_tell_keeps_no_other_waiting(caplog):
    side = Side(compute_1=text(), compute_2=text(TWO, episode="0000abce"))
    side.cloud.actions[ONE] = nova.Unreachable("Nova does not answer")
    (found,) = side.steps()
    assert found.instance.id == TWO
    assert "does not answer" in caplog.text
    side.cloud.actions[ONE] = (CREATED,)
    assert len(side.steps(later=LOOK_AGAIN)) == 2


def test_without_a_rule_nothing_is_read():
    side = Side()
    assert side.steps(rules=InstanceRules()) == []
    assert (side.reports.wanted, side.cloud.asked) == (False, [])
