# SPDX-License-Identifier: Apache-2.0
"""What this engine remembers of flagged hosts as a whole: how often they were let start, and what was ordered; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable


@dataclasses.dataclass
class _Known:
    """What is remembered of one.

    :param records: ids of the records that it named when they were last read
    :param starts: how often its nova-compute was made to start once more
    :param turns: how often it was held back after it had had its turn to start
    :param ended: its flag when an operator ordered that its recovery be ended; "" if nobody has
    """

    records: frozenset[int] = frozenset()
    starts: int = 0
    turns: int = 0
    ended: str = ""


class Flags:
    """All of them, by the cluster's names of the hosts. Each is kept as long as its flag is this engine's."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Known] = {}

    def keep(self, hosts: Collection[str]) -> None:
        """Forget all hosts but these."""
        self._hosts = {host: known for host, known in self._hosts.items() if host in hosts}

    def sees_records(self, host: str, ids: Iterable[int]) -> None:
        """Learn which records a host names."""
        self._of(host).records = frozenset(ids)

    def records(self) -> frozenset[int]:
        """The ids of all records that any of them names."""
        return frozenset().union(*(known.records for known in self._hosts.values()))

    def starts_again(self, host: str) -> None:
        """A host's nova-compute is to be stopped, and to start once more."""
        self._of(host).starts += 1

    def starts(self, host: str) -> int:
        """How often that was so."""
        return self._hosts[host].starts if host in self._hosts else 0

    def turn_is_over(self, host: str) -> None:
        """A recovered host that may have been starting is to stop, for the sake of an instance or of another host."""
        self._of(host).turns += 1

    def turns(self, host: str) -> int:
        """How often that was so."""
        return self._hosts[host].turns if host in self._hosts else 0

    def end(self, host: str, claim: str) -> None:
        """An operator has ordered that a host's recovery be ended.

        :param claim: its flag
        """
        self._of(host).ended = claim

    def is_ended(self, host: str, claim: str) -> bool:
        """Whether that was ordered of this recovery."""
        return host in self._hosts and self._hosts[host].ended == claim

    def _of(self, host: str) -> _Known:
        return self._hosts.setdefault(host, _Known())
