# SPDX-License-Identifier: Apache-2.0
"""Which evacuations are sent now, as tables: order, groups and limits over all hosts."""

import dataclasses

import pytest

from nova_ha.model import request as outcomes
from nova_ha.model.actions import Evacuate, Wait
from nova_ha.model.evacuate_request import OVER, Requests
from nova_ha.model.reasons import Code
from nova_ha.policy.priorities import Order
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import FAILED_FOR_GOOD, LIVELY
from tests.unit.worlds import (
    NOW,
    decided,
    host,
    instance,
    kinds,
    living,
    nothing_asked,
    record,
    request,
    service,
    world,
)


def crowd(name="compute-1", many=10, flying=0, **more):
    """A dead host with instances, of which so many are on their way to compute-9."""
    every = [instance(f"{name}-{n}", host=name, **more) for n in range(many + flying)]
    records = [record(n + 1, "accepted", every[n].id, "compute-9", name) for n in range(flying)]
    return host(name=name, service_=service(name), instances=every, evacuations=records)


def sent(steps):
    return [step for step in steps if isinstance(step, Evacuate)]


def held(steps, code):
    return [step for step in steps if isinstance(step, Wait) and step.code == code]


OTHERS = [living("compute-8"), living("compute-9")]


def sending(*hosts, **more):
    return decided(*hosts, **{"services": OTHERS, **more})


# Limits


@pytest.mark.parametrize(
    ("many", "flying", "window", "now_sent"),
    [
        (10, 0, 40, 10),
        (10, 0, 4, 4),
        (10, 0, 1, 1),
        (10, 0, 0, 0),  # Nova asked to be let alone for a while
        (10, 3, 4, 1),
        (10, 4, 4, 0),
        (10, 9, 4, 0),
        (0, 3, 4, 0),
    ],
)
def test_no_more_are_in_flight_than_may_be(many, flying, window, now_sent):
    found = sending(crowd(many=many, flying=flying), window=window)
    assert len(sent(found)) == now_sent
    assert len(held(found, Code.IN_FLIGHT_LIMIT)) == many - now_sent
    assert len(found) == many + flying


@pytest.mark.parametrize(
    ("flying", "seconds", "now_sent"),
    [
        (0, 0, 40),
        (30, 0, 10),  # a quarter is free
        (31, 0, 0),  # wait for more to end: each time costs a look at the whole world
        (39, 0, 0),
        (39, LIVELY - 1, 0),
        (31, LIVELY, 9),  # they do not end: every place counts
        (39, LIVELY, 1),
        (40, LIVELY, 0),
    ],
)
def test_places_are_filled_up_many_at_a_time_while_evacuations_come_and_go(flying, seconds, now_sent):
    seen, memory = crowd(many=60, flying=flying), nothing_asked()
    memory.observe(seen, NOW)
    assert len(sent(sending(seen, memory=memory, window=40, now=NOW + seconds))) == now_sent


def test_the_last_ones_are_sent_at_once():
    seen, memory = crowd(many=5, flying=35), nothing_asked()
    memory.observe(seen, NOW)
    assert len(sent(sending(seen, memory=memory, window=40))) == 5


def test_the_limit_holds_over_all_hosts_and_is_shared_fairly():
    found = sending(crowd("compute-1", 9, 1), crowd("compute-2", 9, 1), window=8)
    # Two are in flight already.
    assert [step.host for step in sent(found)] == ["compute-1", "compute-2"] * 3
    assert len(found) == 20


@pytest.mark.parametrize(
    ("window", "now_sent"),
    [(5, ["compute-2"]), (7, ["compute-2", "compute-3", "compute-1"])],
)
def test_the_host_with_the_least_in_flight_comes_first(window, now_sent):
    hosts = [crowd("compute-1", 5, 3), crowd("compute-2", 5, 0), crowd("compute-3", 5, 1)]
    memory = nothing_asked()
    for each in hosts:
        memory.observe(each, NOW)
    found = sending(*hosts, memory=memory, window=window, now=NOW + LIVELY)
    assert [step.host for step in sent(found)] == now_sent


@pytest.mark.parametrize(
    ("limit", "flying", "now_sent"), [(0, 0, 10), (3, 0, 3), (3, 1, 2), (3, 3, 0), (3, 5, 0), (99, 0, 10)]
)
def test_the_limit_of_a_source_host(limit, flying, now_sent):
    found = sending(crowd(flying=flying), rules=Rules(in_flight_per_source=limit))
    assert len(sent(found)) == now_sent


def test_a_source_host_at_its_limit_keeps_no_other_back():
    rules = Rules(in_flight_per_source=2)
    found = sending(crowd("compute-1", 9, 2), crowd("compute-2", 9, 1), rules=rules)
    assert [step.host for step in sent(found)] == ["compute-2"]
    waiting = [step.host for step in held(found, Code.SOURCE_LIMIT)]
    assert (waiting.count("compute-1"), waiting.count("compute-2")) == (9, 8)


@pytest.mark.parametrize(("limit", "services", "now_sent"), [(1, OTHERS, 2), (2, OTHERS, 4), (3, [OTHERS[0]], 3)])
def test_a_small_limit_of_destination_hosts_is_used(limit, services, now_sent):
    found = decided(crowd(), services=services, rules=Rules(in_flight_per_destination=limit))
    assert len(sent(found)) == now_sent


@pytest.mark.parametrize(
    ("limit", "services", "flying", "now_sent"),
    [
        (0, OTHERS, 0, 10),
        (1, OTHERS, 0, 2),
        (2, OTHERS, 0, 4),
        (2, OTHERS, 3, 1),
        (2, [living("compute-9")], 0, 2),
        (2, [living("compute-9"), living("compute-8", up=False)], 0, 2),
        (2, [living("compute-9"), living("compute-8", enabled=False, reason="x")], 0, 2),
        (30, OTHERS, 0, 10),
    ],
)
def test_the_limit_of_destination_hosts(limit, services, flying, now_sent):
    rules = Rules(in_flight_per_destination=limit)
    found = decided(crowd(flying=flying), services=services, rules=rules)
    assert len(sent(found)) == now_sent


@pytest.mark.parametrize(
    ("status", "destination", "dead", "counts"),
    [
        ("accepted", None, set(), True),
        ("accepted", "compute-9", set(), True),
        ("pre-migrating", "compute-9", set(), True),
        ("what-is-this", "compute-9", set(), True),
        ("pre-migrating", "compute-9", {"compute-9"}, False),
        ("done", "compute-9", set(), False),
        ("completed", "compute-9", set(), False),
        ("failed", "compute-9", set(), False),
        ("error", None, set(), False),
        ("cancelled", None, set(), False),
    ],
)
def test_what_is_in_flight(status, destination, dead, counts):
    seen = host(instances=[instance()], evacuations=[record(7, status, destination=destination)])
    found = Situation(world(seen, dead={"compute-1"} | dead), nothing_asked(), Rules(), NOW).in_flight
    assert found == ({("i1", "compute-1", destination)} if counts else set())


def test_a_request_without_a_record_is_in_flight():
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.sending("i2", 0)
    memory.unclear("i2", NOW, "timed out")
    memory.sending("i3", 0)
    memory.accepted("i3", NOW)
    memory.sending("i4", 0)
    memory.failed("i4", NOW, "refused")
    seen = host(instances=[instance(n) for n in range(1, 5)])
    assert {i for i, _, _ in Situation(world(seen), memory, Rules(), NOW).in_flight} == {"i1", "i2", "i3"}
    memory.sending("i9", 0)  # of an instance that is gone
    assert "i9" not in {i for i, _, _ in Situation(world(seen), memory, Rules(), NOW).in_flight}


def test_an_evacuation_counts_once_however_it_is_known():
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.unclear("i1", NOW, "timed out")
    seen = host(instances=[instance()], evacuations=[record(7, "accepted")])
    assert len(Situation(world(seen), memory, Rules(), NOW).in_flight) == 1


@pytest.mark.parametrize(
    "over",
    [
        # The older one of a repeated evacuation stays as it is until its source is back.
        host(instances=[instance(2)], evacuations=[record(7, "pre-migrating"), record(8, "done")]),
        # What a returned host has left, for which it is to start again or an operator is asked.
        host("no", evacuations=[record(7, "accepted")], reported_for=99.0),
    ],
)
def test_a_record_that_never_ends_is_not_in_flight(over):
    assert Situation(world(over), nothing_asked(), Rules(), NOW).in_flight == set()


# Order


def test_priorities_go_first():
    every = [instance(n, metadata={"nova-ha:priority": str(p)}) for n, p in enumerate((0, 5, -1, 9, 5))]
    found = sending(host(instances=every), window=4)
    assert [step.instance.id for step in sent(found)] == ["i3", "i1", "i4", "i0"]


# Groups

GROUPS = Rules(order=Order(groups=("db", "web")), group_patience=300.0)


def member(number, group=None, **more):
    metadata = {"nova-ha:group": group} if group else {}
    return instance(number, metadata=metadata, **more)


def grouped(*instances, evacuations=(), rules=GROUPS, **more):
    return sending(host(instances=list(instances), evacuations=evacuations), rules=rules, **more)


@pytest.mark.parametrize(
    ("groups", "now_sent"),
    [
        (["db", "web", None], ["i0"]),
        (["web", None], ["i0"]),
        ([None, None], ["i0", "i1"]),
        (["db", "db", "web"], ["i0", "i1"]),
        (["DB", "web"], ["i0"]),
        (["other", None], ["i0", "i1"]),
        (["other", "web"], ["i1"]),
    ],
)
def test_a_group_waits_for_the_one_before(groups, now_sent):
    found = grouped(*(member(n, group) for n, group in enumerate(groups)))
    assert [step.instance.id for step in sent(found)] == now_sent
    assert len(held(found, Code.GROUP_ORDER)) == len(groups) - len(now_sent)


@pytest.mark.parametrize(
    ("first", "records", "goes"),
    [
        (member(1, "db", vm_state="deleted"), [], True),  # left for good
        (member(1, "db", vm_state="shelved"), [], True),
        (member(1, "db", vm_state="paused"), [], False),  # has to be made ready first
        (member(1, "db"), [record(7, "accepted")], False),
        (member(1, "db"), [record(7, "failed")], False),
        (member(1, "db", vm_state="mystery"), [], True),  # an operator has to look
        (member(1, "db", task_state="deleting"), [], False),
    ],
)
def test_what_a_group_waits_for(first, records, goes):
    found = grouped(first, member(2, "web"), evacuations=records)
    assert ("i2" in [step.instance.id for step in sent(found)]) is goes


def test_a_group_waits_for_one_on_another_host():
    other = host(name="compute-2", instances=[dataclasses.replace(member(2, "web"), host="compute-2")])
    flying = record(7, "accepted", destination="compute-9")
    found = sending(host(instances=[member(1, "db")], evacuations=[flying]), other, rules=GROUPS)
    assert sent(found) == []
    assert held(found, Code.GROUP_ORDER)


@pytest.mark.parametrize(("failures", "goes"), [(1, False), (FAILED_FOR_GOOD - 1, False), (FAILED_FOR_GOOD, True)])
@pytest.mark.parametrize(
    "cause", [outcomes.NO_ROOM, outcomes.SPAWN, outcomes.CONFLICT, outcomes.FORBIDDEN, outcomes.UNKNOWN]
)
def test_what_has_failed_for_good_keeps_nobody_back(failures, goes, cause):
    memory = nothing_asked()
    for _ in range(failures):
        memory.sending("i1", 0)
        memory.failed("i1", NOW, "it failed", cause)
    found = grouped(member(1, "db"), member(2, "web"), memory=memory)
    assert ("i2" in [step.instance.id for step in sent(found)]) is goes


def test_a_cloud_that_was_away_does_not_mix_the_groups():
    memory = nothing_asked()
    for _ in range(10):
        memory.failed("i1", NOW - 999, "connection refused", outcomes.AWAY)
        memory.failed("i2", NOW - 999, "connection refused", outcomes.AWAY)
    assert [step.instance.id for step in sent(grouped(member(1, "db"), member(2, "web"), memory=memory))] == ["i1"]


@pytest.mark.parametrize(("seconds", "goes"), [(0, False), (300, False), (301, True)])
def test_a_group_does_not_wait_for_ever(seconds, goes):
    memory = nothing_asked()
    seen = host(instances=[member(1, "db"), member(2, "web")], evacuations=[record(7, "accepted")])
    memory.observe(seen, NOW)
    found = decided(seen, memory=memory, rules=GROUPS, services=OTHERS, now=NOW + seconds)
    assert ("i2" in [step.instance.id for step in sent(found)]) is goes


def test_a_group_does_not_wait_for_ever_for_a_former_state():
    """An engine that took over has never seen the instance on a dead host."""
    unrestored = member(1, "db", host="compute-9", noted="paused", task_state="rebooting_hard")
    seen, memory = host(instances=[member(2, "web")]), nothing_asked()
    for seconds in range(0, 1000, 10):
        memory.observe(seen, NOW + seconds)
    found = decided(seen, memory=memory, rules=GROUPS, services=OTHERS, restoring=(unrestored,), now=NOW + 1000)
    assert [step.instance.id for step in sent(found)] == ["i2"]


def test_without_groups_nothing_waits_for_one():
    found = sending(host(instances=[member(1, "db"), member(2, "web")], evacuations=[record(7, "accepted")]))
    assert [step.instance.id for step in sent(found)] == ["i2"]


# All steps


def test_no_step_is_lost_and_none_is_made():
    every = [
        instance(n, state, metadata={"nova-ha:group": g})
        for n, (state, g) in enumerate(
            [("active", "db"), ("active", "web"), ("paused", "db"), ("deleted", ""), ("mystery", ""), ("active", "")]
        )
    ]
    found = sending(host(instances=every), host("no", name="compute-2"), rules=GROUPS, window=1)
    assert sorted(step.instance.id for step in found if getattr(step, "instance", None)) == [f"i{n}" for n in range(6)]
    assert kinds(found)[0] == "Evacuate" and kinds(found).count("Evacuate") == 1
    assert len(found) == 7


def test_what_is_asked_for_once_more_does_not_stand_in_its_own_way():
    lost = record(7, "accepted", "i1", None)
    sitting = host(instances=[instance(1, vm_state="error")], evacuations=[lost])
    memory = nothing_asked()
    memory.observe(sitting, NOW)
    known = Requests((request(1, OVER),), read_at=NOW)  # which has failed: the record is a leftover
    memory.observe_requests(world(dataclasses.replace(sitting, requests={"i1": known})), NOW)
    rules = Rules(in_flight_per_destination=1)
    (step,) = decided(sitting, memory=memory, rules=rules, services=[living("compute-9")], now=NOW + 71)
    assert isinstance(step, Evacuate)
