# SPDX-License-Identifier: Apache-2.0
"""The mass failure guard: when too many hosts are flagged at once, new recoveries wait for an operator's word.

Safety rule 6. So many deaths at once are more likely a network or a power feed of the cluster's own than so many dead
hosts, or more than what is left of the cloud can carry. What runs goes on; only hosts that nobody has taken up are
held.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from nova_ha.model import flag


@dataclasses.dataclass(frozen=True)
class Guard:
    """From which number on it is a mass.

    :param max_hosts: more flagged hosts than this; 0: no such limit
    :param max_share: more than this percentage of all compute hosts; 100: no such limit
    :param max_aggregate_share: more than this percentage of the hosts of one aggregate; 100: no such limit
    :param least: fewer flagged hosts than this are never a mass, so that a small cloud is not held for two
    """

    max_hosts: int = 0
    max_share: int = 50
    max_aggregate_share: int = 100
    least: int = 3

    @classmethod
    def from_options(cls, options: Mapping[str, int]) -> Guard:
        """From the ``guard`` section of the configuration."""
        return cls(**{field.name: options[field.name] for field in dataclasses.fields(cls)})

    def held(
        self,
        standing: Mapping[str, str],
        compute_hosts: Collection[str],
        aggregates: Mapping[str, Collection[str]],
    ) -> dict[str, str]:
        """Which hosts must not be taken up, as ``{host: why}``.

        :param standing: ``{Nova's host name: flag value}`` of all hosts whose flag stands
        :param compute_hosts: Nova's names of all compute hosts
        :param aggregates: ``{name: Nova's names of its hosts}``
        """
        whole = self._mass(standing, compute_hosts, self.max_share, self.max_hosts, "of the cloud's compute hosts")
        found = {}
        for host, value in standing.items():
            if value != flag.FLAGGED:
                continue  # taken up already, or an operator said go
            reasons = [whole] + [
                self._mass(standing, members, self.max_aggregate_share, 0, f"of aggregate {name}")
                for name, members in sorted(aggregates.items())
                if host in members
            ]
            reason = next(filter(None, reasons), None)
            if reason:
                found[host] = f"{reason}: held until an operator lets it go or the number falls"
        return found

    def _mass(
        self, standing: Mapping[str, str], members: Collection[str], share: int, most: int, of_what: str
    ) -> str | None:
        """Why the flagged hosts among some are too many, or None."""
        flagged = sum(host in members for host in standing)
        if flagged < self.least:
            return None
        if most and flagged > most:
            return f"{flagged} hosts are flagged at once, and max_hosts is {most}"
        if flagged * 100 > share * len(members):
            are = "is" if flagged == 1 else "are"
            return f"{flagged} of {len(members)} {of_what} {are} flagged at once, more than {share} %"
        return None
