# SPDX-License-Identifier: Apache-2.0
"""Steps about instances in the hands of workers: with real threads where that matters."""

import concurrent.futures
import threading
import types

import pytest

from nova_ha.cloud import nova
from nova_ha.model.actions import (
    CancelQueuedEvacuation,
    Evacuate,
    FinishDeletion,
    PrepareInstance,
    RepairInstanceState,
    RestoreState,
)
from nova_ha.recovery.act.actions.base import Answer
from nova_ha.recovery.act.workers import FRESH, Errands, NotSent
from tests.unit.doubles import FakeCloud
from tests.unit.worlds import NOW, OURS, instance

LIMIT = 10  # seconds


class HeldWorkers(concurrent.futures.Executor):
    """Workers in the caller's thread, which begin when told to."""

    def __init__(self):
        self._given = []

    def submit(self, fn, *args):
        self._given.append((fn, args))

    def work(self):
        for fn, args in self._given:
            fn(*args)
        self._given.clear()


class Stage:
    """Errands with fakes all around."""

    def __init__(self, workers=None, **answers):
        self.cloud = FakeCloud(failing=answers)
        self.claims = types.SimpleNamespace(flags={"compute-1": OURS})
        self.workers = workers or HeldWorkers()
        self.stopping = threading.Event()
        self.now = NOW
        self.errands = Errands(self.cloud, self.claims, self.workers, self.stopping, lambda: self.now)

    def give(self, kind, number=1, host="compute-1", **details):
        vm_state = "paused" if kind is PrepareInstance else "active"
        self.errands.give(kind(host, "because", instance(number, vm_state=vm_state), **details))

    def asked(self):
        """What was asked of the cloud, as (method, id of the instance)."""
        return [change[:2] for change in self.cloud.changes]

    def outcome(self):
        """The Answer of the only step that is over."""
        ((_, outcome),) = self.errands.collect()
        return outcome.result(timeout=0)


def test_a_step_is_carried_out_and_its_answer_collected_once():
    stage = Stage()
    stage.give(PrepareInstance, restore="paused")
    assert stage.errands.collect() == [] and stage.asked() == []
    stage.workers.work()
    assert stage.asked() == [("tag", "i1"), ("reset_state", "i1")]
    assert stage.outcome() == Answer("req-2", 0.0)
    assert stage.errands.collect() == []


def test_an_instance_is_busy_until_its_outcome_is_collected():
    stage = Stage()
    stage.give(FinishDeletion)
    assert stage.errands.busy("i1") and not stage.errands.busy("i2")
    stage.workers.work()
    assert stage.errands.busy("i1") and stage.errands.any()
    stage.errands.collect()
    assert not stage.errands.busy("i1") and not stage.errands.any()


def test_evacuations_go_first_and_else_it_is_in_the_order_given():
    stage = Stage()
    for number, kind in enumerate([FinishDeletion, CancelQueuedEvacuation, Evacuate, RepairInstanceState, Evacuate]):
        stage.give(kind, number)
    stage.workers.work()
    assert [id for _, id in stage.asked()] == ["i2", "i4", "i0", "i1", "i3"]


@pytest.mark.parametrize(
    ("kind", "from_it"),
    [
        (Evacuate, True),
        (PrepareInstance, True),
        (FinishDeletion, True),
        (RepairInstanceState, False),
        (RestoreState, False),
    ],
)
def test_what_is_done_with_instances_of_a_dead_host_is_told_from_what_is_done_elsewhere(kind, from_it):
    stage = Stage()
    stage.give(kind)
    assert stage.errands.any_from("compute-1") is from_it
    assert not stage.errands.any_from("compute-2")
    stage.workers.work()
    stage.errands.collect()
    assert not stage.errands.any_from("compute-1")


def test_looking_again_is_worth_while_once_all_but_evacuations_is_done():
    stage = Stage()
    assert not stage.errands.changed()
    stage.give(Evacuate, 1)
    stage.workers.work()
    assert not stage.errands.changed()
    stage.give(FinishDeletion, 2)
    stage.give(FinishDeletion, 3)
    assert not stage.errands.changed()
    stage.workers.work()
    assert stage.errands.changed()
    stage.errands.collect()
    assert not stage.errands.changed()


# What is not sent


def gone_stale(stage):
    stage.now += FRESH + 0.1


def fenced_again(stage):
    stage.claims.flags = {"compute-1": "yes"}


def taken_by_another(stage):
    stage.claims.flags = {"compute-1": "control-3@99"}


def flag_deleted(stage):
    stage.claims.flags = {}


def told_to_stop(stage):
    stage.stopping.set()


@pytest.mark.parametrize("kind", [Evacuate, PrepareInstance, FinishDeletion, RestoreState, RepairInstanceState])
@pytest.mark.parametrize("meanwhile", [gone_stale, fenced_again, taken_by_another, flag_deleted, told_to_stop])
def test_what_may_have_become_wrong_is_not_sent(meanwhile, kind):
    stage = Stage()
    stage.give(kind, **({"move": "stop"} if kind is RestoreState else {}))
    meanwhile(stage)
    stage.workers.work()
    assert stage.asked() == []
    with pytest.raises(NotSent):
        stage.outcome()


def test_what_is_done_with_an_instance_that_no_flagged_host_is_told_of_is_sent():
    stage = Stage()
    stage.give(RestoreState, host="c7.example.org", move="stop")
    stage.workers.work()
    assert stage.asked() == [("stop", "i1")]


def test_what_waits_when_nova_is_busy_is_not_sent_but_what_is_decided_afterwards_is():
    stage = Stage(delete=nova.Busy("too many requests"))
    for number in (1, 2, 3):
        stage.give(FinishDeletion, number)
    stage.workers.work()
    assert stage.asked() == [("delete", "i1")]
    assert [type(outcome.exception()) for _, outcome in stage.errands.collect()] == [nova.Busy, NotSent, NotSent]
    stage.now += 0.1
    stage.give(CancelQueuedEvacuation, 2)
    stage.workers.work()
    assert stage.asked()[1:] == [("reset_state", "i2")]


# Failures in the middle


def test_what_was_not_noted_because_nova_is_away_is_not_reset():
    stage = Stage(tag=nova.Unreachable("away"))
    stage.give(PrepareInstance, restore="paused")
    stage.workers.work()
    assert stage.asked() == [("tag", "i1")]
    with pytest.raises(nova.Unreachable):
        stage.outcome()


@pytest.mark.parametrize(("status", "goes_on"), [(400, True), (403, True), (404, True), (409, False)])
def test_an_instance_that_cannot_be_tagged_is_made_ready_without_a_note(status, goes_on):
    refused = nova.Refused("the number of tags exceeded the limit", status)
    stage = Stage(tag=refused)
    stage.give(PrepareInstance, restore="paused")
    stage.workers.work()
    assert stage.asked() == [("tag", "i1"), ("reset_state", "i1")][: 1 + goes_on]
    if goes_on:
        assert stage.outcome() == Answer("req-2", 0.0, refused)
    else:
        with pytest.raises(nova.Refused):
            stage.outcome()


def test_what_takes_long_is_not_cut_off_in_the_middle():
    """A broken instance that is active, and not noted yet, would be taken for one that its owner had started."""
    stage = Stage()
    stage.cloud.failing["reset_state"] = lambda: gone_stale(stage)
    broken = instance(vm_state="error", reached="stopped")
    stage.errands.give(RepairInstanceState("compute-1", "because", broken))
    stage.workers.work()
    assert [name for name, _ in stage.asked()] == ["reset_state", "tag", "untag"]
    assert stage.outcome().took == pytest.approx(FRESH + 0.1)


def test_any_other_exception_is_the_collectors():
    stage = Stage(delete=ZeroDivisionError())
    stage.give(FinishDeletion)
    stage.workers.work()
    with pytest.raises(ZeroDivisionError):
        stage.outcome()


# Side by side


def test_many_are_carried_out_side_by_side_each_once():
    meeting = threading.Barrier(4)
    with concurrent.futures.ThreadPoolExecutor(4) as workers:
        stage = Stage(workers, delete=lambda: meeting.wait(LIMIT))
        for number in range(400):
            stage.give(FinishDeletion, number)
    assert sorted(stage.asked()) == sorted(("delete", f"i{number}") for number in range(400))
    assert len([outcome.result(timeout=0) for _, outcome in stage.errands.collect()]) == 400


def test_who_gives_does_not_wait():
    gate = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        stage = Stage(workers, delete=lambda: gate.wait(LIMIT))
        for number in range(3):
            stage.give(FinishDeletion, number)
        assert stage.errands.collect() == [] and not stage.errands.changed()
        gate.set()
    assert stage.errands.changed() and len(stage.errands.collect()) == 3
