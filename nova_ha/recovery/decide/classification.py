# SPDX-License-Identifier: Apache-2.0
"""What each evacuation is by all that is known of it, told once a pass; every decision goes by that: pure.

Nova's record alone does not tell: one is taken over by a later request, another is left behind for ever, and one whose
request was lost says the same as one that waits for its turn. docs/architecture.md has the states as a table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from nova_ha.model import snapshot
from nova_ha.model.evacuate_request import OVER, SENT, Requests
from nova_ha.model.snapshot import FINISHED, Host, Migration, World
from nova_ha.recovery.memory.requests import Memory


class State(enum.Enum):
    """How an evacuation stands. The first that is so counts, in this order."""

    OVER = "over"
    """Its record says that it has failed, or that its former host has cleaned up after it."""
    ARRIVED = "arrived"
    """Its record says that its instance is on another host; its former one has still to clean up after it."""
    DIED_WITH_HOST = "died with host"
    """Its destination died in the middle of it: nobody goes on with it, also when that host is back."""
    STRAY = "stray"
    """Its record belongs to no evacuation: all that was asked for its instance is over or lost."""
    CUT_OFF = "cut off"
    """nova-compute was started anew on its destination, which had begun with it: its guest may run there."""
    LOST = "lost"
    """Nobody is at work on it, but one host may have begun with it: its guest may run there."""
    STUCK = "stuck"
    """It has not moved for ``stuck_after``, and nothing tells why: somebody may be at work on it."""
    RUNNING = "running"
    """Its destination has begun with it."""
    QUEUED = "queued"
    """It waits for the conductor, the scheduler or its destination."""


# Those that Nova calls so.
ENDED = frozenset({State.OVER, State.ARRIVED})
# Those of which a guest may come, or may have come unseen: no other is asked for elsewhere meanwhile.
GOING_ON = frozenset({State.CUT_OFF, State.LOST, State.STUCK, State.RUNNING, State.QUEUED})

_NOWHERE: frozenset[str] = frozenset()


class Evacuation(NamedTuple):
    """An evacuation, by whomever it was asked for.

    :param record: Nova's of it
    :param age: seconds for which its record has been seen to say what it says
    :param is_late: whether that is ``stuck_after`` or more; false of one that has ended
    :param is_overtaken: whether a later one of its instance has arrived; false of one that has ended
    :param is_cut_off: whether nova-compute was started anew on its destination since that had begun with it
    :param is_lost: whether it is lost by other evidence
    :param lost_at: the hosts that may have begun with what was asked for its instance, all of which is over or lost
    """

    record: Migration
    state: State
    age: float
    is_late: bool = False
    is_overtaken: bool = False
    is_cut_off: bool = False
    is_lost: bool = False
    lost_at: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether its record does not say that it has ended."""
        return self.state not in ENDED

    @property
    def is_begun(self) -> bool:
        """Whether its record says that its destination has begun with it, and has not ended it."""
        return self.is_open and _is_begun(self.record)


def state(
    record: Migration,
    *,
    has_died: bool = False,
    is_stray: bool = False,
    is_cut_off: bool = False,
    is_lost: bool = False,
    is_late: bool = False,
) -> State:
    """How an evacuation stands, by its record and by what has been seen; see ``State`` and ``Evacuation``."""
    if not record.in_flight:
        return State.ARRIVED if record.status == "done" else State.OVER
    if has_died:
        return State.DIED_WITH_HOST
    if is_stray:
        return State.STRAY
    if is_cut_off:
        return State.CUT_OFF
    if is_lost:
        return State.LOST
    if is_late:
        return State.STUCK
    return State.RUNNING if _is_begun(record) else State.QUEUED


def of_host(host: Host, world: World, memory: Memory, stuck_after: float, now: float) -> tuple[Evacuation, ...]:
    """The evacuations away from a host, oldest first.

    :param stuck_after: seconds
    :param now: monotonic seconds
    """
    opened = [record for record in host.evacuations if record.in_flight]
    died = {record.id for record in opened if _has_died(record, world, memory)}
    strays = {record.id for record in opened if memory.is_stray(record)}
    flights = snapshot.by_instance(r for r in opened if r.id not in died and r.id not in strays)
    lost_at = {instance: memory.lost_at(instance, mine, now) for instance, mine in flights.items()}
    arrived = {r.instance: r.id for r in host.evacuations if r.status in FINISHED} if opened else {}
    found = []
    for record in host.evacuations:
        age = memory.age(record, now)
        if not record.in_flight:
            found.append(Evacuation(record, state(record), age))
            continue
        where = lost_at.get(record.instance, _NOWHERE)
        is_late, is_cut_off = age >= stuck_after, _is_begun(record) and memory.was_cut_off(record, now)
        is_lost = bool(where) or (is_late and _is_given_up(record, host.requests, memory, now))
        how = state(
            record,
            has_died=record.id in died,
            is_stray=record.id in strays,
            is_cut_off=is_cut_off,
            is_lost=is_lost,
            is_late=is_late,
        )
        is_overtaken = record.id < arrived.get(record.instance, 0)
        found.append(Evacuation(record, how, age, is_late, is_overtaken, is_cut_off, is_lost, where))
    return tuple(found)


def _is_begun(record: Migration) -> bool:
    return record.status != "accepted"


def _has_died(record: Migration, world: World, memory: Memory) -> bool:
    is_dead = record.destination in world.dead and _is_begun(record)
    return is_dead or memory.ended_with_its_host(record)


def _is_given_up(record: Migration, requests: Mapping[str, Requests], memory: Memory, now: float) -> bool:
    """Whether nobody is at work on one that is late: its destination was silent, or has long gone on with later ones.

    A record may name a destination from the start, as it was asked for: only the requests tell who has it.
    """
    if _is_begun(record):
        return memory.was_down(record)
    known = requests.get(record.instance)
    if known is None or any(request.stage not in (SENT, OVER) for request in known.all):
        # One that runs was not passed over, though its record was read too early to say so.
        return False
    handed_on = [request for request in known.all if request.stage == SENT]
    return bool(handed_on) and memory.was_passed(record, handed_on, now)
