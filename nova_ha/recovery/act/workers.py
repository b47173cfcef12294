# SPDX-License-Identifier: Apache-2.0
"""Steps about instances, which workers carry out side by side while the main thread looks and decides.

A worker touches nothing but the cloud and what is here. What follows from its answers, the main thread learns when it
collects them (``results``); until then nothing else is done with the instance.
"""

from __future__ import annotations

import dataclasses
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from nova_ha.cloud import nova
from nova_ha.model.actions import InstanceAction
from nova_ha.recovery.act.actions import registry
from nova_ha.recovery.act.actions.base import Answer, InstanceExecutor
from nova_ha.recovery.act.claims import Claims

# Seconds for which what was seen of an instance is good enough to act on: longer in the queue, and it is looked at
# again.
FRESH = 15.0

_CONFLICT = 409


class NotSent(Exception):
    """A step's requests were not sent after all: it must be decided on anew."""


@dataclasses.dataclass(frozen=True)
class _Errand:
    """A step in the workers' hands.

    :param flag: its host's flag when it was decided
    :param decided: when that was (monotonic seconds)
    :param executor: knows what to ask for
    """

    step: InstanceAction
    flag: str | None
    decided: float
    executor: InstanceExecutor[Any]
    outcome: Future[Answer] = dataclasses.field(default_factory=Future)


class Errands:
    """What the workers have to do; its methods are the main thread's.

    :param stopping: once it is set, nothing more is sent
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        cloud: nova.Nova,
        claims: Claims,
        workers: Executor,
        stopping: threading.Event,
        clock: Callable[[], float],
    ) -> None:
        self._cloud = cloud
        self._claims = claims
        self._workers = workers
        self._stopping = stopping
        self._clock = clock
        self._waiting: queue.PriorityQueue[tuple[bool, int, _Errand]] = queue.PriorityQueue()  # by rank and number
        self._numbers = itertools.count()
        self._out: dict[str, _Errand] = {}  # by the instance's id
        self._busy_at = float("-inf")  # when Nova said last that it has too much to do

    def give(self, step: InstanceAction) -> None:
        """Have a step carried out; what brings guests back goes first. Its instance must not be ``busy``."""
        executor = registry.of_instance_action(step)
        errand = _Errand(step, self._claims.flags.get(step.host), self._clock(), executor)
        self._out[step.instance.id] = errand
        self._waiting.put((not executor.starts_guest, next(self._numbers), errand))
        self._workers.submit(self._run_next)

    def busy(self, instance: str) -> bool:
        """Whether something is being done with an instance id."""
        return instance in self._out

    def any_from(self, host: str) -> bool:
        """Whether something is being done with an instance of a dead host."""
        return any(errand.step.host == host and errand.executor.is_of_dead_host for errand in self._out.values())

    def any(self) -> bool:
        """Whether anything is being done, or waits to be collected."""
        return bool(self._out)

    def changed(self) -> bool:
        """Whether everything but evacuations is done, so that looking again is worth while.

        An evacuation changes nothing for a while; of the rest, one look for all of it costs Nova the least.
        """
        others = [errand for errand in self._out.values() if not errand.executor.starts_guest]
        return bool(others) and all(errand.outcome.done() for errand in others)

    def collect(self) -> list[tuple[InstanceAction, Future[Answer]]]:
        """The steps that are over since the last time.

        The future may hold a NotSent or a ``nova.CloudError`` instead.
        """
        over = [errand for errand in self._out.values() if errand.outcome.done()]
        for errand in over:
            del self._out[errand.step.instance.id]
        return [(errand.step, errand.outcome) for errand in over]

    # In the workers

    def _run_next(self) -> None:
        _, _, errand = self._waiting.get_nowait()
        try:
            errand.outcome.set_result(self._carry_out(errand))
        except Exception as error:  # the main thread's to judge
            errand.outcome.set_exception(error)

    def _carry_out(self, errand: _Errand) -> Answer:
        self._check(errand)
        begun = self._clock()
        request: str | None = None
        refused: nova.Refused | None = None
        for call in errand.executor.calls(errand.step):
            try:
                request = call.send(self._cloud, errand.step.instance)
            except nova.Busy:
                self._busy_at = self._clock()
                raise
            except nova.Refused as error:
                if not call.optional or error.status == _CONFLICT:
                    raise
                refused = error
        return Answer(request, self._clock() - begun, refused)

    def _check(self, errand: _Errand) -> None:
        """Once for all calls of a step: cut off in the middle, it may leave what takes longer to put right.

        :raises NotSent: meanwhile it may have become wrong
        """
        if self._stopping.is_set() or self._claims.flags.get(errand.step.host) != errand.flag:
            raise NotSent("not sent: the host is not this engine's any more")
        if errand.decided <= self._busy_at:
            raise NotSent("not sent: Nova asks to slow down")
        if self._clock() - errand.decided > FRESH:
            raise NotSent("not sent: it had to wait so long that it must be looked at anew")
