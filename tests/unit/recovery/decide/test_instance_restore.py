# SPDX-License-Identifier: Apache-2.0
"""How instances get their former state back, as tables: a snapshot in, steps out."""

import dataclasses

import pytest

from nova_ha.model.actions import RestoreState, Wait
from nova_ha.model.reasons import Code
from nova_ha.model.restore_tags import TAGS
from nova_ha.recovery.decide.instance_restore import before_clearing
from nova_ha.recovery.memory.timing import MANY, SETTLE
from tests.unit.worlds import (
    NOW,
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


def restoring(one, *hosts, **more):
    """What is decided about one tagged instance."""
    return [s for s in decided(*hosts, restoring=(one,), **more) if s.host == "compute-2" or getattr(s, "instance", 0)]


def elsewhere(vm_state="active", noted="stopped", power_state="running", **more):
    return instance(vm_state=vm_state, noted=noted, power_state=power_state, **{"host": "compute-2", **more})


@pytest.mark.parametrize(
    ("noted", "vm_state", "power_state", "move"),
    [
        ("stopped", "active", "running", "stop"),
        ("stopped", "active", "none", "stop"),
        ("stopped", "active", "shutdown", "stop"),
        ("stopped", "stopped", "shutdown", "untag"),
        ("stopped", "error", "running", "activate"),
        ("stopped", "error", "shutdown", "activate"),
        ("paused", "active", "running", "pause"),
        ("paused", "active", "shutdown", "reboot"),
        ("paused", "active", "none", "reboot"),
        ("paused", "stopped", "shutdown", "reboot"),
        ("paused", "paused", "paused", "untag"),
        ("paused", "error", "running", "reboot"),  # restarted in place: its guest is not there
        ("paused", "error", "shutdown", "reboot"),
        ("running", "active", "running", "untag"),
        ("running", "active", "shutdown", "reboot"),
        ("running", "active", "none", "reboot"),
        ("running", "active", "paused", "reboot"),
        ("running", "stopped", "shutdown", "reboot"),
        ("running", "error", "shutdown", "reboot"),
        ("running", "error", "running", "reboot"),
        ("running", "paused", "paused", "untag"),  # its owner has done something else with it
        ("stopped", "paused", "paused", "untag"),
        ("stopped", "suspended", "shutdown", "untag"),
        ("paused", "suspended", "shutdown", "untag"),
    ],
)
def test_each_move_towards_the_noted_state(noted, vm_state, power_state, move):
    (found,) = restoring(elsewhere(vm_state, noted, power_state))
    assert isinstance(found, RestoreState) and found.move == move and found.reason


# How each move that worked leaves an instance, by what was measured.
EFFECTS = {
    "stop": {"vm_state": "stopped", "power_state": "shutdown"},
    "pause": {"vm_state": "paused", "power_state": "paused"},
    "reboot": {"vm_state": "active", "power_state": "running"},
    "activate": {"vm_state": "active"},
    "untag": {"tags": frozenset()},
}
AFTERWARDS = {"stopped": "stopped", "paused": "paused", "running": "active"}


@pytest.mark.parametrize("noted", ["stopped", "paused", "running"])
@pytest.mark.parametrize("vm_state", ["active", "stopped", "error"])
@pytest.mark.parametrize("power_state", ["running", "shutdown", "none", "paused", "crashed"])
def test_the_moves_lead_to_the_noted_state_and_end(noted, vm_state, power_state):
    one, moves = elsewhere(vm_state, noted, power_state), []
    while one.tags:
        (found,) = restoring(one)
        moves.append(found.move)
        assert len(moves) <= 4, moves
        one = dataclasses.replace(one, **EFFECTS[found.move])
    assert one.vm_state == AFTERWARDS[noted], moves


def test_what_was_stopped_is_never_started():
    for vm_state in ("active", "stopped", "error"):
        for power_state in ("running", "shutdown", "none", "crashed", "paused"):
            (found,) = restoring(elsewhere(vm_state, "stopped", power_state))
            assert found.move in ("stop", "untag", "activate")


@pytest.mark.parametrize(
    "services",
    [
        [living("compute-2", up=False)],
        [service("compute-2")],
        [living("compute-3")],
    ],
)
def test_nothing_is_asked_of_a_host_that_does_not_report(services):
    assert restoring(elsewhere(), services=services) == []


def test_nothing_is_asked_of_a_dead_host():
    dead = host(name="compute-2", instances=[elsewhere(noted="stopped", power_state="shutdown")])
    found = decided(dead, restoring=(elsewhere(),), services=[living("compute-3")])
    assert kinds(found) == ["Evacuate"]
    # Nova may hold it to be up for another minute.
    odd = host(name="compute-2", service_=living("compute-2"))
    found = decided(odd, restoring=(elsewhere(),), dead={"compute-2"})
    assert kinds(found) == ["DisableHost"]


@pytest.mark.parametrize("task_state", ["rebuild_spawning", "rebooting_hard", "powering-off", "deleting", "migrating"])
@pytest.mark.parametrize("noted", ["stopped", "paused", "running"])
def test_what_somebody_works_on_is_let_be(task_state, noted):
    assert kinds(restoring(elsewhere(task_state=task_state, noted=noted))) == ["Wait"]


@pytest.mark.parametrize(
    ("records", "seconds", "kind"),
    [
        ([], 0, "RestoreState"),
        ([record(7, "done")], 0, "RestoreState"),
        ([record(7, "completed")], 0, "RestoreState"),
        ([record(7, "pre-migrating")], 0, "Wait"),  # Nova clears the task before the record says done
        ([record(7, "accepted")], 0, "Wait"),
        ([record(7, "done"), record(8, "pre-migrating")], 0, "Wait"),  # a second one of it may be about to fail
        ([record(7, "accepted", destination=None), record(6, "done")], 0, "RestoreState"),
        ([record(7, "accepted", destination="compute-3"), record(6, "done")], 0, "RestoreState"),
        ([record(7, "pre-migrating", instance="i9")], 0, "RestoreState"),
        ([record(6, "pre-migrating"), record(7, "done")], SETTLE, "RestoreState"),  # stays so until its source is back
        ([record(7, "accepted")], SETTLE - 1, "Wait"),
        ([record(7, "accepted")], SETTLE, "RestoreState"),
    ],
)
def test_an_evacuation_is_over_before_its_instance_is_restored(records, seconds, kind):
    source, memory = host(evacuations=records), nothing_asked()
    memory.observe(source, NOW)
    memory.observe(source, NOW + seconds)
    found = restoring(elsewhere(), source, memory=memory, now=NOW + seconds)
    assert kinds(step for step in found if getattr(step, "instance", None)) == [kind]


def test_a_move_is_given_time():
    memory = nothing_asked()
    memory.moved("i1", NOW, "asked to stop")
    until = memory.get("i1").until
    assert NOW + 2 <= until <= NOW + 10
    assert kinds(restoring(elsewhere(), memory=memory, now=until - 0.1)) == ["Wait"]
    assert kinds(restoring(elsewhere(), memory=memory, now=until)) == ["RestoreState"]


@pytest.mark.parametrize(("task_state", "under_way"), [("reboot_started_hard", True), (None, False)])
def test_what_nova_is_at_work_on_is_looked_at_soon(task_state, under_way):
    memory = nothing_asked()
    memory.moved("i1", NOW, "to be rebooted")
    one = elsewhere(noted="running", vm_state="stopped", task_state=task_state)
    (found,) = restoring(one, memory=memory, now=NOW + 0.1)
    assert found.under_way is under_way


@pytest.mark.parametrize(("moves", "needs_operator"), [(MANY - 1, False), (MANY, True)])
def test_a_state_that_is_not_reached_is_an_operators_to_look_at_in_the_end(moves, needs_operator):
    memory = nothing_asked()
    for _ in range(moves):
        memory.moved("i1", NOW, "asked to pause")
    one = elsewhere(noted=None, tags=frozenset({TAGS["paused"], "mine"}))
    (found,) = restoring(one, memory=memory, now=NOW + 1)
    assert (type(found), found.needs_operator) == (Wait, needs_operator)
    way_out = "openstack server unset --tag nova-ha:restore=paused i1"
    expected = (Code.RESTORE_FAILED, way_out) if needs_operator else (Code.RESTORING, None)
    assert (found.code, found.command) == expected
    # It goes on all the same.
    assert kinds(restoring(one, memory=memory, now=NOW + 1e6)) == ["RestoreState"]


@pytest.mark.parametrize("outcome", ["accepted", "unclear"])
def test_the_request_that_brought_it_here_is_over(outcome):
    memory = nothing_asked()
    memory.sending("i1", 0)
    if outcome == "accepted":
        memory.accepted("i1", NOW)
    else:
        memory.unclear("i1", NOW, "timed out")
    assert kinds(restoring(elsewhere(), memory=memory, now=NOW + 1)) == ["RestoreState"]


def test_a_move_that_was_refused_is_tried_again_later():
    memory = nothing_asked()
    memory.failed("i1", NOW, "409")
    until = memory.get("i1").until
    assert kinds(restoring(elsewhere(), memory=memory, now=until - 0.1)) == ["Wait"]
    assert kinds(restoring(elsewhere(), memory=memory, now=until)) == ["RestoreState"]


@pytest.mark.parametrize(
    ("hosts", "told_of"),
    [
        ([host(evacuations=[record(7, "done")])], "compute-1"),
        ([host(name="c1", service_=service("compute-1"), evacuations=[record(7, "done")])], "c1"),
        ([host("no", name="c2", service_=living("compute-2"), reported_for=99.0)], "c2"),
        ([], "compute-2"),
    ],
)
def test_what_is_restored_is_told_of_the_host_that_it_was_recovered_from(hosts, told_of):
    found = [s for s in decided(*hosts, restoring=(elsewhere(),)) if getattr(s, "instance", None)]
    assert [(type(step), step.host) for step in found] == [(RestoreState, told_of)]


AWAY = host("no", name="compute-7")
BACK = host("no", name="compute-7", reported_for=1.0)


@pytest.mark.parametrize(
    ("one", "records", "others", "counts"),
    [
        (elsewhere(host="compute-1"), [], [], True),
        (elsewhere(), [record(7, "done")], [], True),
        (elsewhere(), [record(7, "failed")], [], True),
        (elsewhere(), [], [], True),  # when no other host is missing, all that are left
        (elsewhere(), [], [BACK], True),
        (elsewhere(), [], [AWAY], False),
        (elsewhere(), [record(7, "done", instance="i2")], [AWAY], False),
        (elsewhere(), [record(7, "done")], [AWAY], True),
        (elsewhere(host="compute-1"), [], [AWAY], True),
        (elsewhere("stopped", power_state="shutdown"), [record(7, "done")], [AWAY], True),  # to be settled
        (elsewhere("stopped", None, "shutdown", reached="stopped"), [record(7, "done")], [AWAY], False),
        (elsewhere("stopped", None, "shutdown", reached="stopped"), [record(7, "done")], [], True),
        (elsewhere("rescued"), [record(7, "done")], [], False),
        (elsewhere("shelved_offloaded", host=None), [record(7, "done")], [], False),
        (elsewhere(host="compute-9"), [record(7, "done")], [], False),  # which is down
    ],
)
def test_which_of_them_keep_a_hosts_flag(one, records, others, counts):
    source = host("no", service_=living("compute-1"), evacuations=records)
    assert before_clearing(source, world(source, *others, restoring=(one,))) == ([one] if counts else [])


def about_it(one, *hosts, **more):
    return [step for step in restoring(one, *hosts, **more) if getattr(step, "instance", None)]


@pytest.mark.parametrize(
    ("other", "move"), [(AWAY, "settle"), (host(name="compute-7"), "settle"), (BACK, "untag"), (None, "untag")]
)
@pytest.mark.parametrize(("noted", "is_so"), [("stopped", "shutdown"), ("paused", "paused"), ("running", "running")])
def test_a_note_stays_until_no_host_can_break_the_instance_any_more(other, move, noted, is_so):
    restored = elsewhere(AFTERWARDS[noted], noted, is_so)
    (found,) = about_it(restored, *([other] if other else []))
    assert found.move == move


@pytest.mark.parametrize(("other", "move"), [(AWAY, "settle"), (BACK, "untag")])
def test_what_a_move_has_led_to_is_noted_at_once(other, move):
    """Its owner may stop it the moment after: that must not look like a move that failed."""
    memory = nothing_asked()
    memory.moved("i1", NOW, "to be rebooted")
    one = elsewhere(noted="running")
    assert [step.move for step in restoring(one, other, memory=memory, now=NOW + 0.1)] == [move]
    # What Nova refused is not asked for all the time.
    memory.failed("i1", NOW, "HTTP 409")
    assert kinds(restoring(one, other, memory=memory, now=NOW + 0.1)) == ["Wait"]


@pytest.mark.parametrize(
    ("reached", "vm_state", "power_state", "other", "move"),
    [
        ("stopped", "stopped", "shutdown", AWAY, None),
        ("stopped", "stopped", "shutdown", BACK, "untag"),
        ("stopped", "active", "running", AWAY, "untag"),  # its owner has started it
        ("paused", "active", "running", AWAY, "untag"),
        ("running", "stopped", "shutdown", AWAY, "untag"),
        ("running", "active", "running", AWAY, None),
        ("stopped", "error", "none", AWAY, None),  # to be healed, or its owner's to see to
        ("stopped", "error", "none", BACK, None),
    ],
)
def test_what_was_reached_is_only_remembered(reached, vm_state, power_state, other, move):
    one = elsewhere(vm_state, None, power_state, reached=reached)
    assert [step.move for step in about_it(one, other)] == ([move] if move else [])


def test_what_is_to_be_done_goes_before_what_was_reached():
    (found,) = about_it(elsewhere("active", "stopped", reached="running"), AWAY)
    assert found.move == "stop"


@pytest.mark.parametrize(
    ("noted", "before", "owner"),
    [
        ("stopped", ("stopped", "shutdown"), ("active", "running")),
        ("paused", ("paused", "paused"), ("active", "running")),
        ("running", ("active", "running"), ("stopped", "shutdown")),
    ],
)
def test_a_restored_instance_is_its_owners_again(noted, before, owner):
    """Some host may be away for weeks; its owner does not wait for that."""
    (settled,) = about_it(elsewhere(*before[:1], noted, *before[1:]), AWAY)
    assert settled.move == "settle"
    for vm_state, power_state in (before, owner, owner):
        one = elsewhere(vm_state, None, power_state, reached=noted)
        assert not [step for step in about_it(one, AWAY) if step.move != "untag"]


@pytest.mark.parametrize("vm_state", ["rescued", "resized", "building", "shelved"])
def test_a_tag_that_nova_would_not_take_off_is_not_asked_to_be(vm_state):
    assert not [step for step in restoring(elsewhere(vm_state)) if isinstance(step, RestoreState)]


def test_all_wait_steps_say_what_for():
    (found,) = restoring(elsewhere(task_state="powering-off"))
    assert isinstance(found, Wait) and found.instance.id == "i1" and found.code == Code.RESTORING
