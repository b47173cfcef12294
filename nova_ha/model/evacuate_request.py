# SPDX-License-Identifier: Apache-2.0
"""What Nova's instance actions tell of the requests to evacuate an instance, by whomever."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Event:
    """One event of a request, as its process wrote it: without a finish the process is at work on it, or is gone.

    :param start: Nova's time (ISO 8601)
    :param finish: likewise, None if it has none
    :param failed: whether it ended badly
    :param host: where the process runs that is at work on it; None if Nova does not tell
    :param found_no_host: whether Nova tells that it failed because the scheduler found none: nothing is claimed for it
    :param may_run: whether Nova tells that it failed though the guest may run on its host
    """

    start: str
    finish: str | None = None
    failed: bool = False
    host: str | None = None
    found_no_host: bool = False
    may_run: bool = False


# Letters of a time of Nova's up to its whole seconds.
_SECONDS = len("2026-11-30T05:46:20")

# How far an evacuate request has come. QUEUED: recorded, on its way to the conductor; SCHEDULING: with the conductor,
# which waits for the scheduler; SENT: on its way to its destination; RUNNING: its destination has begun; OVER.
QUEUED, SCHEDULING, SENT, RUNNING, OVER = "queued", "scheduling", "sent", "running", "over"


@dataclasses.dataclass(frozen=True)
class Request:
    """One evacuate request, by whomever, as Nova's instance actions tell of it.

    :param id: Nova's id of it
    :param at: Nova's time of it (ISO 8601)
    :param conductor: the event ``rebuild_server``
    :param compute: the event ``compute_rebuild_instance``
    """

    id: str
    at: str
    conductor: Event | None = None
    compute: Event | None = None

    @property
    def stage(self) -> str:
        """QUEUED, SCHEDULING, SENT, RUNNING or OVER (measured on Nova 34, see docs/exactly-once.md)."""
        if self.compute is not None:
            return RUNNING if self.compute.finish is None else OVER
        if self.conductor is None:
            return QUEUED
        if self.conductor.finish is None:
            return SCHEDULING
        return OVER if self.conductor.failed else SENT

    def has_arrived_elsewhere(self, host: str | None, since: str) -> bool:
        """Whether its instance went by it to another host than this one: Nova tells so last, after all else.

        :param since: no earlier than at this time of Nova's: before that it may have come here by way of another
        """
        event = self.compute
        if event is None or event.finish is None or event.failed:
            return False
        return event.finish >= since and event.host != host

    @property
    def is_scheduled(self) -> bool:
        """Whether the scheduler has answered it."""
        if self.compute is not None:
            return True
        if self.conductor is None or self.conductor.finish is None:
            return False
        return self.conductor.found_no_host or not self.conductor.failed


@dataclasses.dataclass(frozen=True)
class Requests:
    """What has been asked for one instance.

    :param all: oldest first
    :param claims: Nova's names of the hosts that have something claimed for it in Placement, its own, too; None if that
        is not known
    :param reset: Nova's time of the last reset of its state by somebody else (ISO 8601), None if there was none
    :param read_at: when that was read (monotonic seconds)
    """

    all: tuple[Request, ...] = ()
    claims: frozenset[str] | None = None
    reset: str | None = None
    read_at: float = 0.0

    @property
    def is_claimed(self) -> bool:
        """Whether it matters what is claimed: one of them is with the scheduler, or past it and not begun."""
        return any(request.stage in (SCHEDULING, SENT) for request in self.all)

    def was_reset_after(self, moment: str) -> bool:
        """Whether somebody else has reset the instance's state in a later second than a moment of Nova's."""
        return (self.reset or "")[:_SECONDS] > moment[:_SECONDS]
