# SPDX-License-Identifier: Apache-2.0
"""Recovered hosts that may have instances queued, and these instances: whose turn it is, as tables."""

import dataclasses

import pytest

from nova_ha.model.actions import AllowStart, BlockStart, Evacuate, FinishRecovery, Wait
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Services
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import planner, start_interlock
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import SETTLE, STOPPING
from tests.unit.worlds import (
    NOW,
    OURS,
    decided,
    host,
    instance,
    kinds,
    living,
    nothing_asked,
    record,
    service,
    world,
)

OTHERS = [living("compute-3")]
BROKEN = instance(vm_state="error", task_state="rebuilding", host="compute-3")


def sent(*destinations, memory=None, of="i1"):
    """Attempts that have seen an instance to be sent to these hosts long ago; None: to one that never showed."""
    memory = memory or nothing_asked()
    for number, destination in enumerate(destinations, 1):
        seen = record(number, "accepted", instance=of, destination=destination, source="compute-9")
        for moment in (NOW - 900, NOW - 900 + SETTLE):
            memory.sees_record(seen, moment)
    return memory


def other(value="no", online=False, flagged_for=0.0, name="compute-2", **more):
    """A recovered host that has not reported."""
    return host(value, name=name, online=online, flagged_for=flagged_for, **more)


def source(*instances, **more):
    return host(instances=instances or [instance()], **more)


def about(found, name):
    """The steps about a host itself."""
    return [step for step in found if step.host == name and not getattr(step, "instance", None)]


def evacuations(found):
    return [type(step).__name__ for step in found if getattr(step, "instance", None)]


@pytest.mark.parametrize(
    ("value", "online", "flagged_for", "evacuated", "about_it"),
    [
        ("no", False, 0.0, "Wait", [Wait, BlockStart]),
        ("no", False, 9999.0, "Wait", [Wait, BlockStart]),
        ("no", True, 0.0, "Wait", [Wait]),  # just starting
        ("no", True, start_interlock.TURN - 1, "Wait", [Wait]),
        ("no", True, start_interlock.TURN, "Wait", [Wait, BlockStart]),
        ("restart", False, STOPPING, "Evacuate", [Wait]),
        ("restart", False, 9999.0, "Evacuate", [Wait]),
        ("restart", True, 0.0, "Wait", [Wait]),  # just being stopped
        ("restart", True, 9.9, "Wait", [Wait]),
        ("restart", True, 10.0, "Evacuate", [Wait]),
        ("restart", True, start_interlock.TURN - 1, "Evacuate", [Wait]),
        ("restart", True, start_interlock.TURN, "Wait", [AllowStart]),
    ],
)
@pytest.mark.parametrize("doubt", ["sent there", "sent nobody knows where", "by another engine"])
def test_a_host_and_an_instance_that_may_be_queued_there_take_turns(
    doubt, value, online, flagged_for, evacuated, about_it
):
    memory = {"sent there": sent("compute-2"), "sent nobody knows where": sent(None)}.get(doubt, nothing_asked())
    one = other(value, online, flagged_for, inherited=doubt == "by another engine")
    found = decided(source(), one, memory=memory, services=OTHERS)
    assert evacuations(found) == [evacuated]
    assert [type(step) for step in about(found, "compute-2")] == about_it


@pytest.mark.parametrize("online", [True, False])
def test_a_host_that_is_not_known_to_be_stopped_may_take_up_what_is_queued_there(online):
    """A start that is under way is not interrupted; and one whose connection is lost is not off before it is fenced."""
    one = other("restart", online, 9999.0, stopped_for=None)
    found = decided(source(), one, memory=sent("compute-2"), services=OTHERS)
    assert evacuations(found) == ["Wait"] and kinds(about(found, "compute-2")) == ["Wait"]


@pytest.mark.parametrize(("times", "turn"), [(0, 120), (1, 240), (3, 960), (4, 1920), (9, 1920)])
def test_a_hosts_turn_is_longer_each_time(times, turn):
    for flagged_for, steps in ((turn - 1, [Wait]), (turn, [Wait, BlockStart])):
        memory = sent("compute-2")
        for _ in range(times):
            memory.flags.turn_is_over("compute-2")
        found = decided(source(), other("no", True, flagged_for), memory=memory, services=OTHERS)
        assert [type(step) for step in about(found, "compute-2")] == steps


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("value", ["no", "restart"])
@pytest.mark.parametrize("memory", [nothing_asked(), sent("compute-3"), sent("compute-2", of="i2")])
def test_what_cannot_be_queued_there_waits_for_no_host(memory, value, online):
    found = decided(source(), other(value, online, 20.0), memory=memory, services=OTHERS)
    assert evacuations(found) == ["Evacuate"]
    assert kinds(about(found, "compute-2")) == ["Wait" if value == "no" else "AllowStart"]


@pytest.mark.parametrize("more", [{"reported_for": 0.0}, {"service_": living("compute-2")}])
def test_a_host_that_is_back_has_taken_up_what_was_queued(more):
    found = decided(source(), other(inherited=True, **more), memory=sent("compute-2"), services=OTHERS)
    assert evacuations(found) == ["Evacuate"]


def test_all_hosts_where_an_instance_may_be_queued_are_held_back_at_once():
    hosts = [other(), other(name="compute-4"), other(name="compute-5")]
    found = decided(source(), *hosts, memory=sent("compute-2", "compute-4"), services=OTHERS)
    assert sorted(step.host for step in found if isinstance(step, BlockStart)) == ["compute-2", "compute-4"]


# What keeps a host from starting


@pytest.mark.parametrize(
    ("status", "destination", "age", "starts"),
    [
        ("accepted", None, 0, "not here"),  # likewise
        ("pre-migrating", "compute-3", 0, False),
        ("pre-migrating", "compute-2", 0, True),  # there itself
        ("pre-migrating", "compute-7", 0, True),  # which is dead
        ("pre-migrating", "compute-3", 700, "not here"),  # stuck: what is elsewhere by now has only left it behind
        ("accepted", None, 700, True),
        ("failed", "compute-3", 0, True),
    ],
)
@pytest.mark.parametrize("here", [True, False])
def test_a_host_starts_once_the_instance_is_not_in_flight_any_more(here, status, destination, age, starts):
    """Be it under a record of the host that it is on, or of one that it was on before."""
    flight = record(7, status, destination=destination)
    memory = sent("compute-2")
    dead = host(instances=[instance(vm_state="building")], evacuations=[flight], live_migrations=())
    if not here:
        gone = {"i1": instance(host="compute-3")}
        dead = dataclasses.replace(dead, instances=(), whereabouts=gone)
    memory.observe(dead, NOW - age)
    dead_ones = {"compute-1", "compute-7"}
    found = decided(dead, other("restart", True, 20.0), memory=memory, services=OTHERS, dead=dead_ones)
    starts = not here if starts == "not here" else starts
    waits = [step for step in about(found, "compute-2") if "is just being evacuated" in step.reason]
    assert not waits if starts else waits


@pytest.mark.parametrize(
    ("others", "dead", "unread", "starts"),
    [
        ([], {"compute-1"}, [], True),
        ([], {"compute-1"}, ["compute-9"], False),
        ([service("compute-7")], {"compute-1", "compute-7"}, [], True),
        ([living("compute-3")], {"compute-1"}, [], False),
        # Cut off from Nova, as far as anybody knows: it may be at work with the instance.
        ([living("compute-3", up=False)], {"compute-1"}, [], False),
    ],
)
def test_an_evacuation_that_no_host_can_have_begun_does_not_keep_one_from_starting(others, dead, unread, starts):
    """All hosts have died: it is queued at one of them, and goes on when that starts."""
    flight = record(7, "accepted", destination=None)
    lost = host(instances=[instance()], evacuations=[flight], live_migrations=())
    memory = nothing_asked()
    for moment in (NOW - 100, NOW - 100 + SETTLE):
        memory.observe(lost, moment)
    seen = world(lost, other("restart", True, 20.0), services=others, dead=dead, selection=Selection())
    seen = dataclasses.replace(seen, services=Services(seen.services, unread))
    found = planner.steps(Situation(seen, memory, Rules(), NOW), 40)
    assert kinds(about(found, "compute-2")) == ["AllowStart" if starts else "Wait"]


@pytest.mark.parametrize(
    ("late", "memory", "waits"),
    [
        ({"i1"}, sent("compute-2"), True),
        ({"i1"}, sent(None), True),
        ({"i1"}, sent("compute-3"), False),
        ({"i2"}, sent("compute-2"), False),
        (set(), sent("compute-2"), False),
    ],
)
@pytest.mark.parametrize(("flagged_for", "needs_operator"), [(20.0, False), (899.0, False), (900.0, True)])
def test_a_host_does_not_start_before_what_may_be_queued_there_is_healed(
    late, memory, waits, flagged_for, needs_operator
):
    one = other("restart", True, flagged_for)
    (step,) = about(decided(one, memory=memory, services=OTHERS, late=frozenset(late)), "compute-2")
    assert isinstance(step, Wait if waits else AllowStart)
    if waits:
        command = "openstack server set --state active i1" if needs_operator else None
        assert (step.code, step.needs_operator, step.command) == (Code.LATE_REQUEST, needs_operator, command)


@pytest.mark.parametrize(
    ("memory", "inherited", "step"),
    [
        (sent("compute-2"), False, "Wait"),
        (sent(None), False, "Wait"),
        (sent("compute-3"), False, "Evacuate"),
        (nothing_asked(), False, "Evacuate"),
        (nothing_asked(), True, "Wait"),  # the engine before this one may have sent it there
    ],
)
def test_an_instance_waits_for_a_host_where_it_may_be_queued_and_whose_flag_was_deleted(memory, inherited, step):
    found = decided(
        source(inherited=inherited),
        memory=memory,
        services=[*OTHERS, service("compute-2")],
        unflagged=frozenset({"compute-2"}),
    )
    assert evacuations(found) == [step]


@pytest.mark.parametrize("value", ["restart", OURS])
def test_no_host_starts_while_another_engine_has_claims(value):
    found = decided(other(value, True, 20.0, live_migrations=()), services=OTHERS, contested=True)
    (step,) = about(found, "compute-2")
    assert step.held if isinstance(step, FinishRecovery) else step.code == Code.START_INTERLOCK


def test_a_host_does_not_start_while_some_host_is_at_work_with_the_instance():
    memory = sent("compute-2")
    for moment, task_state in ((NOW - 700, "rebuilding"), (NOW - 690, "rebuild_spawning")):
        dead = source(instance(task_state=task_state))
        memory.observe(dead, moment)
    found = decided(dead, other("restart", True, 20.0), memory=memory, services=OTHERS)
    assert kinds(about(found, "compute-2")) == ["Wait"]


@pytest.mark.parametrize(("online", "value", "kind"), [(False, "restart", "Wait"), (True, "restart", "AllowStart")])
def test_a_host_that_is_off_is_held_back_as_long_as_an_instance_is_to_be_evacuated(online, value, kind):
    memory = sent("compute-2")
    memory.later("i1", NOW, 60.0, "no room")
    found = decided(source(), other(value, online, 20.0), memory=memory, services=OTHERS)
    assert evacuations(found) == ["Wait"]
    assert kinds(about(found, "compute-2")) == [kind]


def closing(**more):
    """A dead host of which nothing is left."""
    return host(name="compute-2", **more)


@pytest.mark.parametrize(
    ("memory", "more", "held"),
    [
        (nothing_asked(), {}, False),
        (sent(None), {}, True),
        (nothing_asked(), {"inherited": True}, True),
    ],
)
def test_a_host_is_closed_without_being_let_start_if_an_instance_that_may_be_queued_there_is_evacuated(
    memory, more, held
):
    found = decided(source(), closing(**more), memory=memory, services=OTHERS)
    (close,) = about(found, "compute-2")
    assert isinstance(close, FinishRecovery) and close.held is held
    assert evacuations(found) == ["Evacuate"]


# Hosts that may have the same instance


@pytest.mark.parametrize(
    ("destinations", "inherited", "same"),
    [
        ([], False, False),
        (["compute-1"], False, False),
        (["compute-1", "compute-2"], False, True),
        (["compute-1", None], False, True),
        ([None], False, False),
        ([None, None], False, True),
        (["compute-1", "compute-3"], False, False),
        ([], True, True),
    ],
)
def test_of_two_hosts_with_the_same_instance_one_starts_after_the_other(destinations, inherited, same):
    pair = [host(name=name, inherited=inherited) for name in ("compute-1", "compute-2")]
    found = decided(*pair, memory=sent(*destinations), services=OTHERS)
    assert [(step.host, step.held) for step in found] == [("compute-1", False), ("compute-2", same)]


def test_where_an_instance_was_asked_for_twice_one_host_starts_after_the_other():
    """The second request may be queued at any host that has died since."""
    twice = (record(7, "accepted"), record(8, "accepted", destination=None))
    first = other(name="compute-1", reported_for=0.0, evacuations=twice)
    pair = [other("restart", True, 20.0, name=name) for name in ("compute-4", "compute-5")]
    found = decided(first, *pair, services=OTHERS)
    assert [kinds(about(found, name)) for name in ("compute-4", "compute-5")] == [["AllowStart"], ["Wait"]]


@pytest.mark.parametrize(
    ("first", "second", "steps_of_first", "step_of_second"),  # the one that starts, or may; and the one held back
    [
        (other("no", False), other("restart", False, 20.0), ["Wait"], "Wait"),
        (other("no", False), other("restart", True, 20.0), ["Wait", "BlockStart"], "Wait"),
        (other("no", True, 20.0), other("restart", True, 20.0), ["Wait"], "Wait"),
        (other("no", True, start_interlock.TURN), other("restart", True, 20.0), ["Wait", "BlockStart"], "Wait"),
        (other("restart", True, 20.0), other("restart", True, 20.0), ["AllowStart"], "Wait"),
        (other("no", True, reported_for=0.0), other("restart", True, 20.0), ["Wait"], "AllowStart"),
        (other("no", True, reported_for=0.0, broken=((BROKEN, 0.0),)), other("restart"), ["Wait"], "Wait"),
    ],
)
def test_the_one_that_is_there_comes_back_first(first, second, steps_of_first, step_of_second):
    first = dataclasses.replace(first, evacuations=(record(9, "done", instance="i9", source="compute-2"),))
    second = dataclasses.replace(second, name="compute-4", service=host(name="compute-4").service)
    second = dataclasses.replace(second, flagged_for=20.0)
    found = decided(first, second, memory=sent("compute-2", "compute-4"), services=OTHERS)
    assert kinds(about(found, "compute-2")) == steps_of_first
    assert kinds(about(found, "compute-4")) == [step_of_second]


def test_what_waits_for_a_host_does_not_keep_it_from_starting():
    lost = record(7, "accepted", destination=None)
    seen = world(source(evacuations=[lost]), other("restart", True, start_interlock.TURN))
    evacuate, start = Evacuate("compute-1", "it is lost", instance()), AllowStart("compute-2", "stopped")
    ((wait,),), others = start_interlock.taken(
        [[evacuate]], [start], Situation(seen, sent("compute-2"), Rules(), NOW)
    )
    assert isinstance(wait, Wait) and others == [start]


# Whether it must be known which hosts the cluster reaches


@pytest.mark.parametrize(
    ("hosts", "memory", "matters"),
    [
        ([source()], sent("compute-2"), False),
        ([source(), other()], nothing_asked(), False),
        ([source(), other()], sent("compute-2"), True),
        ([source(), other()], sent(None), True),
        ([source(), other("restart")], sent("compute-2"), True),
        ([source(), other(inherited=True)], nothing_asked(), True),
        ([source(), other(inherited=True, reported_for=0.0)], sent("compute-2"), False),
        ([host(), other(inherited=True)], sent("compute-2"), False),
        ([other(), other(name="compute-4")], nothing_asked(), False),
        ([other("restart"), other(name="compute-4")], nothing_asked(), True),
        ([other("restart"), host(OURS)], nothing_asked(), True),
        ([source(), dataclasses.replace(other(inherited=True), service=None)], nothing_asked(), False),
    ],
)
def test_when_it_matters_which_hosts_the_cluster_reaches(hosts, memory, matters):
    assert start_interlock.matter(Situation(world(*hosts), memory, Rules(), NOW)) is matters


def test_the_steps_are_the_same_where_nothing_matters():
    steps = [[Wait("compute-1", "w", Code.EVACUATING, instance())]], [AllowStart("compute-2", "l")]
    seen = world(source(), other("restart"))
    assert start_interlock.taken(*steps, Situation(seen, nothing_asked(), Rules(), NOW)) == steps
