# SPDX-License-Identifier: Apache-2.0
"""Which instances of this host have failed: what libvirt says, one thing after the other, folded into that. Pure.

An instance whose QEMU is gone has failed only if its guest was seen to run before. Of a restart of whoever keeps this,
what is remembered survives in a ``Memory``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Callable

from nova_ha.detect.verdicts import Life, Verdict
from nova_ha.model import instance_failures
from nova_ha.model.instance_failures import InstanceFailure, Kind

# Questions in a row that a guest agent which had answered leaves unanswered when its guest hangs.
SILENCES = 3

_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Memory:
    """What outlives a restart.

    :param running: ids of the instances whose guests were seen to run, and have not ended in an orderly way since
    :param failures: those that have not ended yet
    """

    running: frozenset[str] = frozenset()
    failures: tuple[InstanceFailure, ...] = ()

    def written(self) -> str:
        """As a file keeps it."""
        failures = instance_failures.written(self.failures, 10**9)
        return json.dumps({"schema": _SCHEMA, "running": sorted(self.running), "failures": failures})

    @classmethod
    def read(cls, text: str) -> Memory:
        """What ``written`` has written; nothing of what another version has, or was left half written."""
        try:
            kept: Any = json.loads(text)
            if kept["schema"] != _SCHEMA:
                return cls()
            return cls(frozenset(map(str, kept["running"])), instance_failures.read(kept["failures"]).failures)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()


class Tracker:
    """All instances of this host.

    :param memory: of the one before
    :param clock: seconds since the epoch
    :param episodes: makes a new episode's id
    :param asks: whether guest agents are asked: a hang that the one before had found is no news otherwise
    :ivar is_sure: whether it has been told how all instances stand: what is remembered may be over
    """

    def __init__(
        self, memory: Memory, clock: Callable[[], float], episodes: Callable[[], str], asks: bool = False
    ) -> None:
        self._clock = clock
        self._episodes = episodes
        self._running = set(memory.running)
        self._failures = {each.instance: each for each in memory.failures if asks or each.kind is not Kind.HUNG}
        # How often each guest agent that had answered has not since.
        self._silences: dict[str, int] = {}
        self.is_sure = False

    @property
    def failures(self) -> tuple[InstanceFailure, ...]:
        """Those that have not ended."""
        return tuple(self._failures.values())

    @property
    def memory(self) -> Memory:
        """What is to be kept."""
        return Memory(frozenset(self._running), self.failures)

    def tell(self, instance: str, *verdicts: Verdict) -> None:
        """Something was heard of an instance: all of it at once, the oldest first."""
        for what, detail in verdicts:
            if isinstance(what, Kind):
                self._fails(instance, what, detail)
            elif what is Life.RUNS:
                self._running.add(instance)
                if not self._is(instance, Kind.HUNG):
                    self._recovers(instance)
            elif what is not Life.UNTOLD:
                self._silences.pop(instance, None)
                self._recovers(instance)
                if what is Life.OVER:
                    self._running.discard(instance)

    def tell_all(self, verdicts: Mapping[str, Verdict]) -> None:
        """How all instances of this host stand now, by id: any other is gone."""
        for instance, verdict in verdicts.items():
            self.tell(instance, verdict)
        for instance in (self._running | self._failures.keys()) - verdicts.keys():
            self.tell(instance, Verdict(Life.OVER))
        self.is_sure = True

    def agent_answers(self, instance: str) -> None:
        """A guest agent has answered."""
        self._silences[instance] = 0
        if self._is(instance, Kind.HUNG):
            self._recovers(instance)

    def agent_is_silent(self, instance: str) -> None:
        """A guest agent that was asked has not answered in time."""
        if instance in self._silences:
            self._silences[instance] += 1
            if self._silences[instance] >= SILENCES:
                self._fails(instance, Kind.HUNG, "guest-agent")

    def agent_left(self, instance: str) -> None:
        """A guest agent has ended, as it does when its guest is shut down or reset: its silence says nothing."""
        self._silences.pop(instance, None)
        if self._is(instance, Kind.HUNG):
            self._recovers(instance)

    def agents_lost(self) -> None:
        """Whether a guest agent has ended is not known any more: each has to answer once more to be missed."""
        self._silences.clear()

    def _is(self, instance: str, kind: Kind) -> bool:
        known = self._failures.get(instance)
        return known is not None and known.kind is kind

    def _fails(self, instance: str, kind: Kind, detail: str) -> None:
        known = self._failures.get(instance)
        if kind is Kind.CRASHED and known is None and instance not in self._running:
            return
        detail = instance_failures.plain(detail)
        if known and (known.kind is kind or _ends_as(known.kind, kind)):
            # The reason may come after the state.
            if detail and not known.detail and known.kind is kind:
                self._failures[instance] = dataclasses.replace(known, detail=detail)
            return
        self._silences.pop(instance, None)
        self._failures[instance] = InstanceFailure(instance, kind, int(self._clock()), self._episodes(), detail)

    def _recovers(self, instance: str) -> None:
        self._failures.pop(instance, None)


def _ends_as(known: Kind, kind: Kind) -> bool:
    """Whether a failure goes on under another name: libvirt ends the QEMU of a guest that panicked."""
    return known is Kind.PANICKED and kind is Kind.CRASHED
