# SPDX-License-Identifier: Apache-2.0
"""What is remembered and told of each outcome of a step about an instance."""

import concurrent.futures
import logging

import pytest

from nova_ha.cloud import nova
from nova_ha.model import actions as step_types
from nova_ha.model import request as outcomes
from nova_ha.model.reasons import Code
from nova_ha.recovery.act import results
from nova_ha.recovery.act.actions.base import Answer, cause
from nova_ha.recovery.act.actions.calls import LOOK_AGAIN
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.act.workers import NotSent
from nova_ha.recovery.memory import timing
from nova_ha.reporting.events import INSTANCE, REQUEST, Event
from tests.unit.doubles import FakeAccount
from tests.unit.worlds import NOW, instance, nothing_asked

TOOK = Answer("req-1", 0.2)

STEPS = [
    (step_types.Evacuate, {}),
    (step_types.PrepareInstance, {"restore": "paused"}),
    (step_types.ConfirmResize, {}),
    (step_types.CancelQueuedEvacuation, {}),
    (step_types.FinishDeletion, {}),
    (step_types.RestoreState, {"move": "stop"}),
    (step_types.RestoreState, {"move": "untag"}),
    (step_types.RepairInstanceState, {}),
]


class Learned:
    """What is known after an outcome.

    :param outcome: an Answer, or what was raised instead
    """

    def __init__(self, kind, outcome, **details):
        self.memory, self.pace, self.account = nothing_asked(), Pace(40), FakeAccount()
        if kind is step_types.Evacuate:
            self.memory.sending("i1", 0)
        future = concurrent.futures.Future()
        (future.set_exception if isinstance(outcome, Exception) else future.set_result)(outcome)
        step = kind("compute-1", "because", instance(), **details)
        results.Outcomes(self.memory, self.pace, self.account, lambda: NOW).learn(step, future)
        self.attempt = self.memory.get("i1")


@pytest.mark.parametrize(("kind", "details"), STEPS)
def test_what_was_done_is_told_with_novas_request(kind, details):
    ((event, *about, reason, code),) = Learned(kind, TOOK, **details).account.events
    assert (event.level, event.fields, code) == (logging.INFO, (INSTANCE, REQUEST), None)
    assert about == ["compute-1", "i1", "req-1"]
    assert reason == (f"{details['move']}: because" if kind is step_types.RestoreState else "because")


@pytest.mark.parametrize(
    ("kind", "details", "outcome", "pause", "failures"),
    [
        (step_types.Evacuate, {}, outcomes.ACCEPTED, timing.SETTLE, 0),
        (step_types.ConfirmResize, {}, outcomes.FAILED, 5, 1),  # it shows once it is done
        (step_types.FinishDeletion, {}, outcomes.FAILED, LOOK_AGAIN, 0),
        (step_types.RepairInstanceState, {}, outcomes.FAILED, LOOK_AGAIN, 0),
        (step_types.RestoreState, {"move": "stop"}, outcomes.FAILED, 5, 0),
        (step_types.RestoreState, {"move": "reboot"}, outcomes.FAILED, 5, 0),
    ],
)
def test_what_was_asked_for_is_given_time(kind, details, outcome, pause, failures):
    attempt = Learned(kind, TOOK, **details).attempt
    assert (attempt.outcome, attempt.failures) == (outcome, failures)
    assert attempt.until == pytest.approx(NOW + pause, rel=0.3)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (step_types.PrepareInstance, {"restore": "paused"}),
        (step_types.CancelQueuedEvacuation, {}),
        (step_types.RestoreState, {"move": "settle"}),
        (step_types.RestoreState, {"move": "untag"}),
    ],
)
def test_what_shows_at_once_is_gone_on_with_at_once(kind, details):
    assert Learned(kind, TOOK, **details).attempt is None


VTPM = "Operation 'evacuate' not supported for vTPM-enabled instance (i1). (HTTP 400, request req-1)"


@pytest.mark.parametrize(
    ("kind", "details", "error", "why"),
    [
        (step_types.Evacuate, {}, nova.Refused(VTPM, 400), outcomes.REFUSED),
        (step_types.Evacuate, {}, nova.Refused(VTPM, 409), outcomes.REFUSED),
        (step_types.Evacuate, {}, nova.Refused("Cannot 'evacuate' instance i1 while", 409), outcomes.CONFLICT),
        (step_types.Evacuate, {}, nova.Refused("Feature not supported until computes", 409), outcomes.CONFLICT),
        (step_types.RestoreState, {"move": "pause"}, nova.Refused(VTPM, 400), outcomes.CONFLICT),
    ],
)
def test_what_nova_refuses_for_ever_is_told_from_the_rest(kind, details, error, why):
    attempt = Learned(kind, error, **details).attempt
    assert (attempt.outcome, attempt.cause) == (outcomes.FAILED, why)
    assert (attempt.until == NOW) is (why == outcomes.REFUSED)  # nothing is awaited


@pytest.mark.parametrize(("refused", "notable"), [(None, True), (nova.Refused("too many tags", 400), False)])
def test_an_instance_that_cannot_be_tagged_is_remembered(refused, notable):
    learned = Learned(step_types.PrepareInstance, Answer("req-1", 0.2, refused), restore="paused")
    assert learned.memory.is_notable("i1") is notable
    told = [event[0] for event in learned.account.events]
    assert told == [Event.STATE_NOT_NOTED] * (not notable) + [Event.INSTANCE_PREPARED]


# What fails


@pytest.mark.parametrize(("kind", "details"), STEPS)
@pytest.mark.parametrize("error", [nova.Unreachable("it is away", False), nova.Refused("conflict", 409)])
def test_what_fails_is_told_and_tried_later(kind, details, error):
    learned = Learned(kind, error, **details)
    ((event, host, about, request, reason, code),) = learned.account.events
    assert event == (Event.EVACUATION_NOT_ACCEPTED if kind is step_types.Evacuate else Event.INSTANCE_STEP_FAILED)
    assert (host, about, request, code) == ("compute-1", "i1", None, cause(error))
    assert str(error) in reason
    assert learned.attempt.until > NOW and learned.attempt.outcome == outcomes.FAILED
    assert learned.attempt.cause == cause(error)


def test_a_cloud_that_has_too_much_to_do_is_why_nothing_is_asked():
    assert Learned(step_types.Evacuate, nova.Busy("too many requests", 9.0)).attempt.code == Code.CLOUD_BUSY


@pytest.mark.parametrize(("kind", "details"), STEPS)
def test_after_an_answer_that_is_lost_an_evacuation_alone_is_not_repeated_soon(kind, details):
    attempt = Learned(kind, nova.Unreachable("the connection broke"), **details).attempt
    evacuation = kind is step_types.Evacuate
    assert attempt.outcome == (outcomes.UNCLEAR if evacuation else outcomes.FAILED)
    assert (attempt.until - NOW >= timing.SETTLE) is evacuation


@pytest.mark.parametrize(("kind", "details"), STEPS)
def test_a_nova_that_is_busy_slows_down_everything_and_is_no_failure(kind, details):
    learned = Learned(kind, nova.Busy("too many requests", retry_after=20.0), **details)
    assert learned.pace.paused(NOW) == 20.0 and learned.pace.window == 20
    assert learned.attempt.until == NOW + 20.0 and learned.attempt.failures == 0


@pytest.mark.parametrize(("kind", "details"), STEPS)
def test_what_was_not_sent_is_decided_on_anew_and_nothing_is_told(kind, details):
    learned = Learned(kind, NotSent("it had to wait"), **details)
    assert learned.account.events == []
    if kind is step_types.Evacuate:
        assert (learned.attempt.outcome, learned.attempt.until) == (outcomes.FAILED, NOW)
    else:
        assert learned.attempt is None


def test_only_evacuations_tell_how_fast_more_of_them_may_be_sent():
    for kind, details in STEPS:
        learned = Learned(kind, Answer("req-1", 60.0), **details)
        assert learned.pace.window == (20 if kind is step_types.Evacuate else 40)


@pytest.mark.parametrize(("sent", "window"), [(True, 20), (False, 40)])
def test_a_nova_that_does_not_answer_an_evacuation_that_it_has_is_asked_for_fewer(sent, window):
    for kind, details in STEPS:
        learned = Learned(kind, nova.Unreachable("timed out", sent=sent), **details)
        assert learned.pace.window == (window if kind is step_types.Evacuate else 40)


@pytest.mark.parametrize(
    ("outcome", "moves"), [(TOOK, 1), (nova.Refused("no", 409), 1), (nova.Unreachable("gone", sent=False), 0)]
)
def test_how_often_a_former_state_was_asked_for_is_counted(outcome, moves):
    assert Learned(step_types.RestoreState, outcome, move="pause").memory.efforts("i1") == moves
    assert Learned(step_types.Evacuate, outcome).memory.efforts("i1") == 0


@pytest.mark.parametrize("kind", [step_types.FinishDeletion, step_types.RepairInstanceState])
@pytest.mark.parametrize("outcome", [TOOK, nova.Refused("no", 409)])
def test_how_often_a_deletion_or_a_healing_was_asked_for_is_counted(kind, outcome):
    assert Learned(kind, outcome).memory.in_vain("i1") == 1


def test_what_is_nobodys_fault_outside_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        Learned(step_types.FinishDeletion, ZeroDivisionError())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (nova.Refused("", 400), outcomes.CONFLICT),
        (nova.Refused("", 403), outcomes.FORBIDDEN),
        (nova.Refused("", 404), outcomes.UNKNOWN),
        (nova.Refused("", 409), outcomes.CONFLICT),
        (nova.Refused("", 413), outcomes.FORBIDDEN),
        (nova.Refused("", 418), outcomes.UNKNOWN),
        (nova.Unreachable(""), outcomes.AWAY),
        (nova.Busy(""), outcomes.AWAY),
        (nova.Misconfigured(""), outcomes.AWAY),
    ],
)
def test_causes_are_told_apart(error, expected):
    assert cause(error) == expected
    assert expected in timing.BACKOFFS
