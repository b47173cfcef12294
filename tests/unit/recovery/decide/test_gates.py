# SPDX-License-Identifier: Apache-2.0
"""An evacuation passes the same gates, in the same order; what holds it back shows as a Wait with that gate's code."""

import logging

import pytest

from nova_ha.model.actions import Evacuate
from nova_ha.model.reasons import Code
from nova_ha.policy.priorities import Order
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import planner
from nova_ha.reporting.status_report import Account
from tests.unit.worlds import NOW, OURS, decided, host, instance, living, nothing_asked

# What holds the evacuation of i1 back, by the code that tells; in the order of the gates.
OBSTACLES = [
    Code.NO_HOST,
    Code.REQUEST_UNANSWERED,
    Code.STORAGE_DELAY,
    Code.START_INTERLOCK,
    Code.GROUP_ORDER,
    Code.IN_FLIGHT_LIMIT,
]


def with_obstacles(codes):
    """The steps about i1, of group "second", when these stand in the way of its evacuation."""
    memory = nothing_asked()
    if Code.REQUEST_UNANSWERED in codes:
        memory.sending("i1", 0)
        memory.unclear("i1", NOW - 1000, "no answer")
        memory.observe_services({}, NOW)  # Nova answers again just now
    groups = {"metadata": {"nova-ha:group": "second"}}
    on_host = [instance(1, **groups)]
    if Code.GROUP_ORDER in codes:
        on_host.append(instance(2, metadata={"nova-ha:group": "first"}))
    others = [host("no", name="compute-9", inherited=True)] if Code.START_INTERLOCK in codes else []
    delay = 30 if Code.STORAGE_DELAY in codes else 0
    return decided(
        host(instances=on_host),
        *others,
        memory=memory,
        rules=Rules(order=Order(groups=("first", "second")), evacuate_delay=delay),
        services=[] if Code.NO_HOST in codes else [living("compute-2")],
        window=0 if Code.IN_FLIGHT_LIMIT in codes else 40,
    )


@pytest.mark.parametrize("passed", range(len(OBSTACLES)))
def test_the_first_gate_that_holds_an_evacuation_back_tells_why(passed):
    for codes in (OBSTACLES[passed:], [OBSTACLES[passed]]):
        steps = with_obstacles(codes)
        account = Account(logging.getLogger("nova-ha.gates"), clock=lambda: 0.0)
        account.hosts({"compute-1": OURS}, steps, lambda instance: None)
        shown = account.as_dict()["hosts"]["compute-1"]["instances"]["i1"]
        assert (shown["doing"], shown["code"]) == ("wait", OBSTACLES[passed])


def test_nothing_else_holds_it_back():
    assert [type(step) for step in with_obstacles([])] == [Evacuate]
    assert len(planner.GATES) == len(OBSTACLES)


def test_how_many_come_from_one_host_is_a_limit_of_the_same_gate():
    found = decided(host(instances=[instance(1), instance(2)]), rules=Rules(in_flight_per_source=1))
    assert [getattr(step, "code", None) for step in found] == [None, Code.SOURCE_LIMIT]
