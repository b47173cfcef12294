# SPDX-License-Identifier: Apache-2.0
"""How far the recovery of each host is: since when, and how many of its instances have arrived elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from nova_ha.reporting.events import Event


@dataclasses.dataclass
class _Recovery:
    begun: float
    back: set[str] = dataclasses.field(default_factory=set)


class Progress:
    """Known from the events. What an engine on another node has seen before is not known to this one."""

    def __init__(self) -> None:
        self._recoveries: dict[str, _Recovery] = {}

    def see(self, event: str, host: str, instance: str | None, now: float) -> None:
        """Learn from an event.

        :param now: its time, seconds since the epoch
        """
        if event == Event.HOST_CLAIMED:
            self._recoveries[host] = _Recovery(now)
        elif event == Event.INSTANCE_EVACUATED and instance is not None:
            self._recoveries.setdefault(host, _Recovery(now)).back.add(instance)
        elif event == Event.FLAG_CLEARED:
            self._recoveries.pop(host, None)

    def keep(self, hosts: Collection[str]) -> None:
        """Forget all hosts but these."""
        self._recoveries = {host: known for host, known in self._recoveries.items() if host in hosts}

    def begun(self, host: str) -> float | None:
        """When a host was taken up, seconds since the epoch; None if that is not known."""
        known = self._recoveries.get(host)
        return known.begun if known else None

    def back(self, host: str) -> int:
        """How many of its instances have arrived elsewhere since."""
        known = self._recoveries.get(host)
        return len(known.back) if known else 0
