# SPDX-License-Identifier: Apache-2.0
"""What the engine learns from the outcome of a step about an instance: when to go on with it, and what to tell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from nova_ha.cloud import nova
from nova_ha.model import instance_states
from nova_ha.model.actions import (
    CancelQueuedEvacuation,
    ConfirmResize,
    Evacuate,
    FinishDeletion,
    InstanceAction,
    PrepareInstance,
    RepairInstanceState,
    RestoreState,
)
from nova_ha.model.reasons import Code
from nova_ha.model.request import AWAY, CONFLICT, FORBIDDEN, REFUSED, UNKNOWN
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.act.workers import Answer, NotSent
from nova_ha.recovery.memory.requests import Attempts
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account

# Seconds after which a deletion that did not take the instance away is asked for again, and likewise a healing.
LOOK_AGAIN = 30.0

# Why Nova refuses, by HTTP status. 400: it holds the host to be alive, or the destination not to be; 409: it does
# something else with the instance just now.
_BY_STATUS = {400: CONFLICT, 409: CONFLICT, 403: FORBIDDEN, 413: FORBIDDEN}

_DONE = {
    Evacuate: Event.EVACUATION_ACCEPTED,
    PrepareInstance: Event.INSTANCE_PREPARED,
    ConfirmResize: Event.RESIZE_CONFIRMED,
    CancelQueuedEvacuation: Event.QUEUED_EVACUATION_CANCELLED,
    FinishDeletion: Event.DELETION_FINISHED,
    RestoreState: Event.RESTORE_STEP_DONE,
    RepairInstanceState: Event.INSTANCE_STATE_REPAIRED,
}


class Outcomes:
    """Where outcomes are remembered.

    :param clock: monotonic seconds
    """

    def __init__(self, attempts: Attempts, pace: Pace, account: Account, clock: Callable[[], float]) -> None:
        self._attempts = attempts
        self._pace = pace
        self._account = account
        self._clock = clock

    def learn(self, step: InstanceAction, outcome: Future[Answer]) -> None:
        """Learn what became of a step."""
        evacuation = isinstance(step, Evacuate)
        try:
            answer = outcome.result()
        except NotSent as error:
            if evacuation:
                self._attempts.later(step.instance.id, self._clock(), 0.0, str(error))
        except nova.CloudError as error:
            self._failed(step.instance.id, error, evacuation)
            if isinstance(step, RestoreState) and isinstance(error, nova.Refused):
                self._attempts.count_effort(step.instance.id)
            what, why = Event.INSTANCE_STEP_FAILED, f"{step.reason}; but {error}"
            if evacuation:
                what, why = Event.EVACUATION_NOT_ACCEPTED, str(error)
            attempt = self._attempts.get(step.instance.id)
            self._account.event(what, step.host, step.instance.id, None, why, attempt.code if attempt else None)
        else:
            self._done(step, answer)

    def _failed(self, instance: str, error: nova.CloudError, evacuation: bool) -> None:
        now = self._clock()
        if isinstance(error, nova.Busy):
            self._pace.busy(now, error.retry_after)
            reason = f"Nova asks to slow down: {error}"
            self._attempts.later(instance, now, self._pace.paused(now), reason, code=Code.CLOUD_BUSY)
        elif evacuation and isinstance(error, nova.Unreachable) and error.sent:
            # All else may simply be asked for once more.
            self._attempts.unclear(instance, now, f"no clear answer: {error}", error.hung)
            self._pace.unanswered(now)
        else:
            for_ever = evacuation and isinstance(error, nova.Refused) and instance_states.refusal(str(error))
            self._attempts.failed(instance, now, str(error), REFUSED if for_ever else cause(error))

    def _done(self, step: InstanceAction, answer: Answer) -> None:
        instance, now = step.instance.id, self._clock()
        if isinstance(step, Evacuate):
            self._pace.accepted(now, answer.took)
            self._attempts.accepted(instance, now)
        elif isinstance(step, ConfirmResize):
            # It shows in the instance's state once it is done; until then, and if it never is, it counts as a failure.
            self._attempts.failed(instance, now, "its resize was to be confirmed", CONFLICT)
        elif isinstance(step, (FinishDeletion, RepairInstanceState)):
            self._attempts.count_effort(instance)
            reason = "its deletion was asked for" if isinstance(step, FinishDeletion) else step.reason
            self._attempts.later(instance, now, LOOK_AGAIN, reason)
        elif isinstance(step, RestoreState) and step.move not in ("settle", "untag"):
            self._attempts.moved(instance, now, step.reason)
        elif isinstance(step, PrepareInstance) and answer.refused is not None:
            self._attempts.not_notable(instance)
            reason = f"that it is to be {step.restore} again cannot be noted on it: {answer.refused}"
            self._account.event(Event.STATE_NOT_NOTED, step.host, instance, None, reason)
        reason = f"{step.move}: {step.reason}" if isinstance(step, RestoreState) else step.reason
        self._account.event(_DONE[type(step)], step.host, instance, answer.request, reason)


def cause(error: nova.CloudError) -> Code:
    """Why a request failed, one of ``requests.BACKOFFS``, by what the cloud answered."""
    if isinstance(error, nova.Refused):
        return _BY_STATUS.get(error.status, UNKNOWN)
    return AWAY
