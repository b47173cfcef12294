# SPDX-License-Identifier: Apache-2.0
"""Which hosts have been seen dead, silent, or alive though they are held to be dead: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nova_ha.model.snapshot import Service
from nova_ha.recovery.memory.evidence import Evidence
from nova_ha.recovery.memory.timing import LIFE_REPORTS, LIFE_WITHIN


class HostLife(Evidence):
    """What hosts' reports to Nova have shown, beside their flags."""

    def __init__(self) -> None:
        super().__init__()
        self._dead: dict[str, float] = {}  # host that is flagged, and so held to be dead -> since when it was seen so
        self._down: dict[str, float] = {}  # host -> when it was last seen not to report
        # host that is held to be dead -> (Nova's time of its last report, when that was seen to move)
        self._reports: dict[str, tuple[str | None, tuple[float, ...]]] = {}
        # host that was held to be dead, and has not reported since -> what its service said when it was that last
        self._unheard: dict[str, tuple[bool, str | None]] = {}
        self._living: set[str] = set()  # hosts that are held to be dead, and are proved to live

    def sees_services(self, services: Mapping[str, Service], now: float) -> None:
        """Learn which hosts report.

        :param services: by Nova's names of their hosts
        """
        self._down.update(dict.fromkeys((name for name, service in services.items() if not service.up), now))
        self._see_unheard(services)
        self.sees_reports(services, now)
        self._see_living(services, now)

    def _see_unheard(self, services: Mapping[str, Service]) -> None:
        """Learn which hosts that were dead have not reported since: what is queued there they take up before that."""
        reports = {host: (service.up, service.last_report) for host, service in services.items()}
        for host in reports.keys() & self._unheard.keys() - self._dead.keys():
            if reports[host] != self._unheard[host]:
                del self._unheard[host]
        self._unheard.update((host, reports[host]) for host in self._dead.keys() - self._living if host in reports)

    def _see_living(self, services: Mapping[str, Service], now: float) -> None:
        """Learn which hosts that are held to be dead go on reporting."""
        before, self._reports = self._reports, {}
        self._living &= self._dead.keys()
        for host in self._dead.keys() & services.keys():
            report = services[host].last_report
            former, moves = before.get(host, (report, ()))
            moves = (*moves, now)[-LIFE_REPORTS:] if report != former else moves
            self._reports[host] = report, moves
            if len(moves) == LIFE_REPORTS and moves[-1] - moves[0] <= LIFE_WITHIN:
                self._living.add(host)

    @property
    def living(self) -> frozenset[str]:
        """Nova's names of the hosts that are flagged, and live: their nova-compute goes on reporting."""
        return frozenset(self._living)

    @property
    def unheard(self) -> frozenset[str]:
        """Nova's names of the hosts that were held to be dead, and have not reported since they are not."""
        return frozenset(self._unheard)

    def is_flagged_anew(self, host: str) -> None:
        """A host was fenced, whatever was seen of it before: it is dead, until the contrary shows."""
        self._reports.pop(host, None)
        self._living.discard(host)

    def sees_dead(self, dead: Iterable[str], now: float) -> None:
        """Remember since when hosts are proved dead."""
        self._dead = {host: self._dead.get(host, now) for host in dead}

    def forget_hosts(self) -> None:
        """Nothing is flagged any more."""
        for memory in (self._dead, self._down, self._reports, self._unheard):
            memory.clear()
        self._living.clear()
