# SPDX-License-Identifier: Apache-2.0
"""Planned work: whether a host may be taken into maintenance, and back; in which steps; which instance moves next."""

import pytest

from nova_ha.model import maintenance
from nova_ha.model.maintenance import Maintenance
from nova_ha.policy import planned_work
from nova_ha.policy.planned_work import COLD, LIVE, Manner, Moves, Work
from tests.unit.worlds import instance, living, service

HOST = "compute-1"
RECORD = Maintenance(1000, "alice@control-1", "kernel")
OURS = maintenance.disabled_reason(RECORD)


def work(flag=None, record=None, disabled=False, online=True, service_=None, instances=()):
    return Work(HOST, flag, record, disabled, online, service_ or living(HOST), tuple(instances))


def out(**more):
    """One that is in maintenance."""
    return work(**{"record": RECORD, "disabled": True, "online": False, "service_": disabled(), **more})


def disabled(reason=OURS, **more):
    return living(HOST, enabled=False, reason=reason, **more)


def due(steps):
    return [step.name for step in steps if step.is_due]


# Whether it may be


@pytest.mark.parametrize("flag", ["yes", "go", "control-2@7", "no", "restart", "gibberish"])
def test_a_flagged_host_is_refused(flag):
    assert "nova-ha status" in planned_work.refusal(work(flag=flag))


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (work(disabled=None), "connection"),
        (work(online=False), "nova-ha evacuate"),
        (work(service_=service(HOST)), "nova-ha end"),
    ],
)
def test_what_could_not_be_brought_back_or_is_dead_is_refused(found, word):
    assert word in planned_work.refusal(found)


@pytest.mark.parametrize("found", [work(), out(), work(record=RECORD), work(disabled=True, online=False)])
def test_a_host_that_is_well_or_is_on_its_way_may_be_taken_into_maintenance(found):
    assert planned_work.refusal(found) is None


@pytest.mark.parametrize(
    ("found", "word"), [(out(flag="yes"), "under way"), (out(flag="control-2@7"), "under way"), (work(), "not in")]
)
def test_what_may_not_be_taken_out_of_maintenance(found, word):
    assert word in planned_work.refusal_of_return(found)


@pytest.mark.parametrize("flag", [None, "no", "restart"])
def test_a_recovered_host_returns_by_the_end_of_its_maintenance(flag):
    assert planned_work.refusal_of_return(out(flag=flag)) is None


# In which steps


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (work(), ["record", "service", "instances", "connection"]),
        (work(service_=disabled("bad RAM")), ["record", "service", "instances", "connection"]),
        (work(record=RECORD, service_=disabled()), ["instances", "connection"]),
        (work(record=RECORD), ["service", "instances", "connection"]),
        (out(), []),
        (out(record=None), ["record"]),
    ],
)
def test_what_is_still_to_be_done(found, steps):
    assert due(planned_work.begin(found, RECORD, Manner())) == steps


@pytest.mark.parametrize(
    ("found", "steps", "after"),
    [
        (out(), ["connection", "service", "record"], "enabled"),
        (out(record=Maintenance(1, "a", "b", "bad RAM")), ["connection", "service", "record"], "disabled (bad RAM)"),
        (work(record=RECORD, service_=disabled()), ["service", "record"], "enabled"),
        (out(service_=disabled("bad disk")), ["connection", "service", "record"], "disabled (bad disk)"),
        (out(service_=living(HOST)), ["connection", "service", "record"], "enabled"),
    ],
)
def test_the_way_back_gives_the_service_its_former_state(found, steps, after):
    found = planned_work.end(found)
    assert due(found) == steps
    assert [step.after for step in found if step.name == "service"] == [after]


@pytest.mark.parametrize(
    ("found", "is_back"),
    [
        (work(service_=disabled(report="t1")), True),
        (work(service_=disabled(report="t0")), False),
        (work(online=False, service_=disabled(report="t1")), False),
        (work(service_=disabled(report="t1", up=False)), False),
        (work(flag="no", service_=disabled(report="t1")), False),
        (work(service_=service(HOST, up=True, report="t1", forced_down=False)), False),
    ],
)
def test_a_host_is_back_when_its_nova_compute_has_reported_since(found, is_back):
    assert planned_work.is_back(found, "t0") is is_back


# Which instance moves next


BOTH = Manner(live=True, cold=True)


def moves(instances, manner=BOTH, moved=(), asked=(), refused=(), flying=()):
    return planned_work.moves(instances, moved, dict(asked), dict(refused), flying, manner)


def test_so_many_move_at_once():
    every = [instance(1), instance(2, "paused"), instance(3, "stopped")]
    assert moves(every, Manner(True, True, at_once=2)) == Moves({"i1": LIVE, "i2": LIVE}, [], 1, {})
    on_its_way = instance(1, task_state="migrating")
    assert moves([on_its_way, *every[1:]], asked={"i1": LIVE}) == Moves({}, [], 3, {})
    assert moves(every[1:], asked={"i1": LIVE}, flying=["i1"]) == Moves({}, [], 3, {})
    assert moves(every[1:], asked={"i1": LIVE}) == Moves({"i2": LIVE}, [], 1, {})


@pytest.mark.parametrize(
    ("manner", "asked", "left"),
    [
        (Manner(), {}, {"i1", "i2", "i3"}),
        (Manner(live=True), {"i1": LIVE}, {"i2", "i3"}),
        (Manner(cold=True), {"i2": COLD}, {"i1", "i3"}),
    ],
)
def test_what_is_not_asked_for_stays(manner, asked, left):
    found = moves([instance(1), instance(2, "stopped"), instance(3, "rescued")], manner)
    assert (found.ask, set(found.left)) == (asked, left)


def test_what_nova_does_not_take_or_what_ended_in_vain_stays_with_its_reason():
    found = moves([instance(1), instance(2, fault="No valid host")], asked={"i2": LIVE}, refused={"i1": "vTPM"})
    assert not found.ask and not found.waiting
    assert found.left["i1"] == "vTPM"
    assert "No valid host" in found.left["i2"]


def test_what_is_busy_is_waited_for_whatever_is_left_behind():
    found = moves([instance(1, task_state="powering-off")], Manner(leave=True))
    assert found == Moves({}, [], 1, {})


def test_what_comes_to_the_host_is_waited_for():
    assert moves([], flying=["i9"]).waiting == 1


def test_a_cold_migration_is_confirmed_and_waited_for_until_it_is():
    on_its_way = instance(1, "stopped", "resize_migrating", host="compute-2")
    assert moves([], moved=[on_its_way], asked={"i1": COLD}) == Moves({}, [], 1, {})
    assert moves([], moved=[instance(1, "resized", host="compute-2")], asked={"i1": COLD}) == Moves({}, ["i1"], 1, {})
    assert moves([], moved=[instance(1, "stopped", host="compute-2")], asked={"i1": COLD}) == Moves({}, [], 0, {})
