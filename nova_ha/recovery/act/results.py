# SPDX-License-Identifier: Apache-2.0
"""What the engine learns from the outcome of an action about an instance: when to go on with it, and what to tell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from nova_ha.cloud import nova
from nova_ha.model.actions import InstanceAction
from nova_ha.recovery.act.actions import registry
from nova_ha.recovery.act.actions.base import Answer, InstanceTools
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.act.workers import NotSent
from nova_ha.recovery.memory.requests import Memory
from nova_ha.reporting.status_report import Account


class Outcomes:
    """Where outcomes are remembered.

    :param clock: monotonic seconds
    """

    def __init__(self, memory: Memory, pace: Pace, account: Account, clock: Callable[[], float]) -> None:
        self._memory = memory
        self._pace = pace
        self._account = account
        self._clock = clock

    def learn(self, action: InstanceAction, outcome: Future[Answer]) -> None:
        """Learn what became of an action."""
        executor, instance = registry.of_instance_action(action), action.instance.id
        tools = InstanceTools(self._memory, self._pace, self._account, self._clock())
        try:
            answer = outcome.result()
        except NotSent as error:
            executor.not_sent(action, str(error), tools)
        except nova.CloudError as error:
            executor.failed(action, error, tools)
            attempt = self._memory.get(instance)
            why, code = executor.told_of_failure(action, error), attempt.code if attempt else None
            self._account.event(executor.not_done, action.host, instance, None, why, code)
        else:
            executor.taken(action, answer, tools)
            self._account.event(executor.done, action.host, instance, answer.request, executor.told(action))
