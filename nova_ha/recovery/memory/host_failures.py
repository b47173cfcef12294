# SPDX-License-Identifier: Apache-2.0
"""Hosts that failed to evacuate an instance to them, and may run its guest all the same: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set

from nova_ha.model import instance_states
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.snapshot import Instance, Migration
from nova_ha.recovery.memory.host_life import HostLife


class HostFailures(HostLife):
    """Which host has failed last to make an instance, and why, where that is known."""

    def __init__(self) -> None:
        super().__init__()
        self._untold: dict[str, str] = {}  # instance id -> the host that failed, and may run its guest
        # instance id -> its newest record of an evacuation that failed on a host, of which it was read or seen why
        self._explained: dict[str, int] = {}

    def sees_end(self, instance: Instance, records: Collection[Migration]) -> None:
        """Recognize that an instance is in error though its destination may run its guest.

        Only that host's own answer to a later request tells it; that the scheduler found no host does not.
        """
        if instance.vm_state != "error" or instance.task_state is not None:
            return
        failed = _failed_on_host(records)
        if not instance.fault or not failed or not _is_newest(failed[-1], records):
            return
        self._explained[instance.id] = failed[-1].id
        if instance_states.may_run(instance.fault):
            self._untold[instance.id] = failed[-1].destination or ""
        else:
            self._untold.pop(instance.id, None)

    def unexplained(self, instance: Instance, records: Collection[Migration]) -> str | None:
        """The host of which it is not known why it has failed last to make an instance, or None.

        Later requests may have come to no host since, which is all that Nova tells of the instance then. An engine that
        was not there before reads the requests, once.
        """
        failed = _failed_on_host(records)
        if not failed or instance.vm_state != "error" or instance.task_state is not None:
            return None
        tells = bool(instance.fault) and _is_newest(failed[-1], records)
        known = tells or failed[-1].id <= self._explained.get(instance.id, 0)
        return None if known else failed[-1].destination

    def sees_failures(
        self, instance: Instance, known: Requests, records: Iterable[Migration], seen: Mapping[int, float]
    ) -> None:
        """Learn from the requests for an instance whether the last host that ended one may run its guest.

        :param seen: ``{id of a record: when it was first seen}``
        """
        failed = _failed_on_host(records)
        if not failed or known.read_at < seen[failed[-1].id]:
            return
        self._explained[instance.id] = failed[-1].id
        ended = [request.compute for request in known.all if request.compute and request.compute.finish]
        if ended and ended[-1].may_run:
            self._untold[instance.id] = ended[-1].host or failed[-1].destination or ""

    def untold_by(self, instance: str) -> str | None:
        """The host that may run a guest of an instance's id though it has failed, or None."""
        return self._untold.get(instance)

    def keep_failures(self, instances: Set[str]) -> None:
        """Forget all instances but those with these ids."""
        self._untold = {i: host for i, host in self._untold.items() if i in instances}
        self._explained = {i: id for i, id in self._explained.items() if i in instances}


def _failed_on_host(records: Iterable[Migration]) -> list[Migration]:
    return [record for record in records if record.status == "failed" and record.destination]


def _is_newest(record: Migration, records: Iterable[Migration]) -> bool:
    """Whether no later evacuation has one: then the instance's fault is of this one."""
    return all(other.id <= record.id for other in records)
