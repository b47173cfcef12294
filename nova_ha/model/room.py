# SPDX-License-Identifier: Apache-2.0
"""How much room compute hosts have, and how much is used of it, by Placement's resource classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

# What every instance needs of its host. Of other classes only the flavor tells.
VCPU, MEMORY, DISK = "VCPU", "MEMORY_MB", "DISK_GB"
CLASSES = (VCPU, MEMORY, DISK)


@dataclasses.dataclass(frozen=True)
class HostRoom:
    """One host.

    :param used: what its instances take, by class
    :param free: what is left for others, allocation ratios counted; a class that it does not have is not in it
    """

    used: Mapping[str, int]
    free: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Room:
    """All hosts, by Nova's names of them."""

    hosts: Mapping[str, HostRoom] = dataclasses.field(default_factory=dict)

    def free_elsewhere(self, than: Iterable[str], among: Iterable[str]) -> dict[str, int]:
        """What is free in all on some hosts but others, by class.

        :param than: the others
        :param among: hosts that could take instances
        """
        known = [self.hosts[name] for name in set(among) - set(than) if name in self.hosts]
        return {kind: sum(each.free.get(kind, 0) for each in known) for kind in CLASSES}


@dataclasses.dataclass(frozen=True)
class Demand:
    """What an instance needs that would be evacuated if its host were lost.

    :param host: Nova's name of its host
    :param zone: the availability zone that it is in
    :param needs: by class, of ``CLASSES``
    :param unclear: what it needs beside that, which Placement's numbers do not tell; None: nothing
    """

    id: str
    name: str
    host: str
    zone: str | None
    needs: Mapping[str, int]
    unclear: str | None = None
