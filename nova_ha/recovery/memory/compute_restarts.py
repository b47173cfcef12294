# SPDX-License-Identifier: Apache-2.0
"""Which evacuations were cut off because nova-compute was started anew where they had begun: pure.

Nova does not show a nova-compute that died in the middle of an evacuation and was back within a minute: the record says
the same for ever, and so does one that is merely slow (measured). Pacemaker knows when it last started nova-compute.
No clocks are compared: a start is only told from another one. The start that is read after an evacuation was seen begun
is the last that there was by then (Pacemaker notes that it stops nova-compute before it starts it anew, seconds before
that takes up anything). When another one is read later, whichever process had begun the evacuation is gone, and the
evacuation with it: nobody takes that up again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_ha.model.snapshot import FOUND_RUNNING, Migration, World
from nova_ha.recovery.memory.timing import RESTARTS_LATER, RESTARTS_SOON


@dataclasses.dataclass
class _Begun:
    """What is known of an evacuation that its destination has begun.

    :param destination: Nova's name of it
    :param since: when it was first seen so
    :param start: the first start of the destination's nova-compute that was read after that; FOUND_RUNNING will do, for
        what was found running is not started before it has ended
    :param cut_off: when another one was first read
    """

    destination: str
    since: float
    start: str | None = None
    cut_off: float | None = None


class Restarts:
    """What the starts of nova-compute tell of the evacuations that have begun."""

    def __init__(self) -> None:
        self._begun: dict[tuple[int, str, str | None], _Begun] = {}  # by what a record says, see ``_key``
        self._looked = float("-inf")  # when the starts were last read

    def observe(self, world: World, now: float) -> None:
        """Learn which evacuations have begun, and forget those that have ended or moved."""
        before, self._begun = self._begun, {}
        for host in world.hosts:
            present = {instance.id for instance in host.instances if host.evacuations}
            for record in host.evacuations:
                destination = record.destination
                if destination is None or destination in world.dead:
                    continue
                if record.in_flight and record.status != "accepted" and record.instance in present:
                    key = _key(record)
                    self._begun[key] = before.get(key) or _Begun(destination, now)

    def asks_for(self, now: float) -> set[str]:
        """Nova's names of the hosts whose starts should be read now; none if that does not matter, or not yet."""
        waited = now - self._looked
        fresh = waited >= RESTARTS_SOON and any(begun.since > self._looked for begun in self._begun.values())
        slow = waited >= RESTARTS_LATER and any(
            now - begun.since >= RESTARTS_LATER and begun.cut_off is None for begun in self._begun.values()
        )
        return {begun.destination for begun in self._begun.values()} if fresh or slow else set()

    def learn(self, starts: Mapping[str, str], now: float) -> None:
        """Compare the starts that have been read, after ``observe``, with those that were read before.

        :param starts: ``{Nova's host name: what tells its nova-compute's last start from any other}``; hosts of which
            that is not known are left out
        """
        self._looked = now
        for begun in self._begun.values():
            start = starts.get(begun.destination)
            if begun.start is None:
                begun.start = start
            elif start not in (None, FOUND_RUNNING, begun.start) and begun.cut_off is None:
                begun.cut_off = now

    def cut_off_for(self, record: Migration, now: float) -> float:
        """For how many seconds an evacuation has been known to be cut off; 0 if it is not."""
        begun = self._begun.get(_key(record))
        return now - begun.cut_off if begun is not None and begun.cut_off is not None else 0.0

    def still_runs(self, record: Migration) -> bool:
        """Whether the nova-compute that has begun with an evacuation is known not to have been started anew since."""
        begun = self._begun.get(_key(record))
        return begun is not None and begun.start is not None and begun.cut_off is None


def _key(record: Migration) -> tuple[int, str, str | None]:
    return record.id, record.status, record.destination
