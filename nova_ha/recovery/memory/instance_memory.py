# SPDX-License-Identifier: Apache-2.0
"""What is known of each instance: what it was seen to do, what was asked for it, and what became of that; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import NamedTuple, Optional

from nova_ha.model import instance_states
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.request import SENDING, Attempt
from nova_ha.model.snapshot import Instance, Migration

# What a record says: its id, its status, and its destination.
Said = tuple[int, str, Optional[str]]


class Lost(NamedTuple):
    """What was asked for an instance is over or lost.

    :param hosts: those that may have begun with it; none if surely nobody has
    :param records: what its records in flight said then; if nobody has begun with it, those of them that are strays
    """

    hosts: frozenset[str] = frozenset()
    records: frozenset[Said] = frozenset()


@dataclasses.dataclass
class InstanceMemory:
    """What is known of an instance; of a service, by the id of which ``attempt`` is kept as well, no more than that.

    Kept as long as a look shows the instance (or the service) where it matters: on a flagged host, to be restored, or
    broken; a request that is being sent is kept beyond that, until its answer is there.

    :param attempt: what was last asked for it
    :param asked_at: when that was, None if this engine has not evacuated it
    :param hangs: whether Nova hung with an evacuation of it that this engine asked for
    :param efforts: how often something was asked for to bring it into the state it should have
    :param is_notable: whether, as far as is known, Nova lets it be tagged
    :param pending_since: since when it is to be recovered, None if it is not
    :param idle_since: since when it is in error with nothing being done to it, None if it is not
    :param is_begun: whether a host has begun to start it, by its task; None if it has not been looked at
    :param begun_since: since when that is so, or not; None: before it was looked at
    :param requests: ids of the requests for it, as they were last read
    :param lost: what these have proved to be lost; None if they prove nothing, or it was asked for since
    :param untold_by: the host that failed to make it last, and may run its guest; None if there is none
    :param explained: its newest record of an evacuation that failed on a host, of which it was read or seen why
    """

    attempt: Attempt | None = None
    asked_at: float | None = None
    hangs: bool = False
    efforts: int = 0
    is_notable: bool = True
    pending_since: float | None = None
    idle_since: float | None = None
    is_begun: bool | None = None
    begun_since: float | None = None
    requests: frozenset[str] = frozenset()
    lost: Lost | None = None
    untold_by: str | None = None
    explained: int = 0

    def of_use(self) -> InstanceMemory | None:
        """What is to be kept of it once no look shows it any more, None if nothing is."""
        is_sent = self.attempt is not None and self.attempt.outcome == SENDING
        return InstanceMemory(self.attempt) if is_sent else None

    def ends_pause(self, now: float) -> bool:
        """Have what failed be asked for again at once; returns whether it would have been only after a pause.

        :param now: monotonic seconds
        """
        if self.attempt is None or not self.attempt.is_paused(now):
            return False
        self.attempt = dataclasses.replace(self.attempt, until=now)
        return True

    # What is seen

    def sees(self, instance: Instance, records: Collection[Migration], now: float) -> None:
        """Learn from what Nova shows of it on a dead host.

        :param records: of its evacuations away from that host
        """
        if self.pending_since is None:
            self.pending_since = now
        begun = instance.task_state in instance_states.BEGUN
        if self.is_begun is not None and self.is_begun != begun:
            self.begun_since = now
        self.is_begun = begun
        if instance.task_state is not None or instance.vm_state != "error":
            self.idle_since = None
            return
        self.idle_since = now if self.idle_since is None else self.idle_since
        self._sees_end(instance, records)

    def _sees_end(self, instance: Instance, records: Collection[Migration]) -> None:
        """Recognize that it is in error though its destination may run its guest.

        Only that host's own answer to a later request tells it; that the scheduler found no host does not.
        """
        failed = failed_on_host(records)
        if not instance.fault or not failed or not _is_newest(failed[-1], records):
            return
        self.explained = failed[-1].id
        self.untold_by = (failed[-1].destination or "") if instance_states.may_run(instance.fault) else None

    def sees_failure(self, known: Requests, failed: Migration) -> None:
        """Learn from the requests for it whether the last host that ended one may run its guest.

        :param failed: its newest record of one that failed on a host
        """
        self.explained = failed.id
        ended = [request.compute for request in known.all if request.compute and request.compute.finish]
        if ended and ended[-1].may_run:
            self.untold_by = ended[-1].host or failed.destination or ""

    # What is known

    def unexplained(self, instance: Instance, records: Collection[Migration]) -> str | None:
        """The host of which it is not known why it has failed last to make it, or None.

        Later requests may have come to no host since, which is all that Nova tells of the instance then. An engine that
        was not there before reads the requests, once.
        """
        if instance.vm_state != "error" or instance.task_state is not None:
            return None
        failed = failed_on_host(records)
        if not failed:
            return None
        tells = bool(instance.fault) and _is_newest(failed[-1], records)
        known = tells or failed[-1].id <= self.explained
        return None if known else failed[-1].destination

    def idle_for(self, now: float) -> float:
        """For how many seconds it has been in error on a dead host, with nothing being done to it.

        Whoever evacuates it leaves it so when that has failed, as does an operator who resets its state: the word that
        nobody goes on with it. One that is active with no task may be waiting for its destination's lock, for minutes:
        its guest runs there (measured).
        """
        return 0.0 if self.idle_since is None else now - self.idle_since

    def begun_for(self, now: float) -> float | None:
        """For how many seconds it has been seen to be started elsewhere while it is on a dead host.

        None if it is not, or was so already when it was first seen.
        """
        return now - self.begun_since if self.is_begun and self.begun_since is not None else None


def failed_on_host(records: Iterable[Migration]) -> list[Migration]:
    """Those of evacuations that a host has begun, and that failed."""
    return [record for record in records if record.status == "failed" and record.destination]


def _is_newest(record: Migration, records: Iterable[Migration]) -> bool:
    """Whether no later evacuation has one: then the instance's fault is of this one."""
    return all(other.id <= record.id for other in records)
