# SPDX-License-Identifier: Apache-2.0
"""Which hosts are out of service because of us, though no flag says so, and what an operator is told of them."""

import pytest

from nova_ha.model.reasons import Code
from nova_ha.recovery.decide import unflagged
from tests.unit.worlds import living, service

MARKED = service("c1", reason="nova-ha: being recovered")
NODES = {"node-1": "c1"}


@pytest.mark.parametrize(
    ("one", "nodes", "flagged", "told"),
    [
        (MARKED, NODES, (), True),
        (service("c1", reason="nova-ha: being recovered; reserve: s1"), NODES, (), True),
        # Somebody un-forced it.
        (service("c1", forced_down=False, reason="nova-ha: being recovered"), NODES, (), True),
        (MARKED, NODES, NODES, False),
        (MARKED, {}, (), False),  # it may be another cluster's
        (living("c1"), NODES, (), False),
        (service("c1", reason="broken fan"), NODES, (), False),
        (service("c1", reason="nova-ha: reserved"), NODES, (), False),
    ],
)
def test_a_host_that_carries_our_mark_and_no_flag_is_told_of(one, nodes, flagged, told):
    found = unflagged.alarms({"c1": one, "c2": living("c2")}, nodes, dict(flagged), "evacuate")
    assert [(step.host, step.needs_operator) for step in found] == ([("node-1", True)] if told else [])


def test_the_way_out_is_told():
    (found,) = unflagged.alarms({"c1": MARKED}, NODES, {}, "flagged")
    assert found.code == Code.FLAG_DELETED
    assert found.command == "nova-ha end node-1"


@pytest.mark.parametrize(
    ("others", "nodes", "taken_out", "told"),
    [
        # No other host of Nova's is unknown to the cluster: there is no other cluster.
        ([living("c2")], {"node-2": "c2"}, {}, "c1"),
        ([], {}, {}, "c1"),
        ([living("c2"), living("c3")], {"node-2": "c2"}, {}, None),
        # This engine had seen its flag.
        ([living("c2"), living("c3")], {"node-2": "c2"}, {"c1": "node-1"}, "node-1"),
    ],
)
def test_a_host_that_was_removed_from_the_cluster_is_told_of_if_it_was_this_clusters(others, nodes, taken_out, told):
    services = {each.host: each for each in [MARKED, *others]}
    found = unflagged.alarms(services, nodes, {}, "flagged", taken_out)
    assert [step.host for step in found] == ([told] if told else [])
    assert [(step.code, step.command) for step in found] == (
        [(Code.REMOVED_FROM_CLUSTER, "openstack server list --all-projects --host c1")] if told else []
    )
    assert all("--name flagged --lifetime forever --update yes" in step.reason for step in found)


@pytest.mark.parametrize(
    ("then", "stands"),
    [
        (service("c1", enabled=True, reason=None), True),
        (service("c1", reason="broken fan"), True),
        (service("c1", forced_down=False), True),  # the mark
        (service("c1", forced_down=False, reason="broken fan"), False),
        (living("c1"), False),
    ],
)
def test_a_service_that_was_taken_out_is_remembered_until_it_is_back(then, stands):
    taken_out = unflagged.TakenOut()
    taken_out.sees("node-1", service("c1", reason=None))
    taken_out.sees("node-2", living("c2"))
    assert taken_out.standing({}) == {}
    assert taken_out.standing({"c1": then, "c2": service("c2")}) == ({"c1": "node-1"} if stands else {})
    # Once it was back, an operator may do with it what he likes.
    assert bool(taken_out.standing({"c1": service("c1", reason=None)})) is stands


def test_a_service_that_was_taken_out_without_a_mark_is_told_of():
    unmarked = {"c1": service("c1", enabled=True, reason=None), "c2": living("c2")}
    assert [step.host for step in unflagged.alarms(unmarked, NODES, {}, "evacuate", {"c1": "node-1"})] == ["node-1"]
    assert unflagged.alarms(unmarked, NODES, NODES, "evacuate", {"c1": "node-1"}) == []
