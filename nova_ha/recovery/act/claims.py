# SPDX-License-Identifier: Apache-2.0
"""The flags, and which of the hosts that carry them are this engine's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Set

from nova_ha.cluster.pacemaker import Cluster
from nova_ha.config import loader
from nova_ha.model import flag, pauses
from nova_ha.model.pauses import Pause


class Claims:
    """Reads the flags once a pass; takes hosts up and closes them.

    Every change is made only if the flag is still what it was, so a host that is fenced anew meanwhile stays flagged.

    :param epoch: seconds since the epoch
    """

    def __init__(self, cluster: Cluster, epoch: Callable[[], float] = time.time) -> None:
        self._cluster = cluster
        self._epoch = epoch
        self._known_node: str | None = None
        self._flags: dict[str, str] = {}
        self._own: dict[str, str] = {}  # host -> the claim that this engine made
        self._left: dict[str, str] = {}  # host -> its flag as this engine left it
        self._met: set[str] = set()  # hosts of which it is known whether another engine had taken them up
        self._inherited: set[str] = set()  # hosts to which another engine may have sent instances
        self._vanished: set[str] = set()

    def read(self) -> Mapping[str, str]:
        """Read the flags; returns them as ``{host: value}``.

        :raises cluster.ClusterError: the cluster is away
        """
        self._node()
        before, self._flags = self._flags, self._cluster.flags()
        self._vanished |= set(before) - set(self._flags)
        self._own = {host: value for host, value in self._own.items() if self._flags.get(host) == value}
        self._left = {host: value for host, value in self._left.items() if self._flags.get(host) == value}
        foreign = {host for host, value in self._flags.items() if not flag.is_new(value) and host not in self._left}
        self._met &= set(self._flags)
        self._inherited = (self._inherited & set(self._flags)) | foreign
        return self._flags

    def _node(self) -> str:
        """This control node's name in the cluster, asked for once."""
        self._known_node = self._known_node or self._cluster.local_node()
        return self._known_node

    @property
    def flags(self) -> Mapping[str, str]:
        """The flags as last read, with the changes made since."""
        return self._flags

    @property
    def vanished(self) -> set[str]:
        """The hosts whose flag somebody else has deleted, until ``seen_to``."""
        return self._vanished

    def seen_to(self, hosts: Set[str]) -> None:
        """That these hosts' flags have vanished is dealt with."""
        self._vanished -= hosts

    @property
    def own(self) -> Mapping[str, str]:
        """The claims that this engine made and that stand, as ``{host: value}``."""
        return self._own

    def ours(self) -> dict[str, str]:
        """The flags of the hosts to see to: claimed by this engine, or recovered by any."""
        return {h: value for h, value in self._flags.items() if value in flag.OVER or value == self._own.get(h)}

    def meets(self, hosts: Iterable[str], forced_down: Iterable[str]) -> None:
        """Learn of hosts that are flagged whether another engine had taken them up before this one saw their flags.

        A host that is fenced once more loses its claim; but it is forced down then.

        :param hosts: those that are flagged
        :param forced_down: those of them that are forced down in Nova
        """
        self._inherited |= set(forced_down) - self._met
        self._met |= set(hosts)

    @property
    def inherited(self) -> set[str]:
        """The hosts to which another engine may have sent instances that this one does not know of.

        Those that another engine had taken up, and those that were flagged while there were such.
        """
        return self._inherited

    def pauses(self) -> list[Pause]:
        """Which new recoveries an operator puts off now.

        :raises pauses.UnknownPause: it cannot be read what stands there
        :raises cluster.ClusterError: the cluster is away
        """
        return pauses.standing(pauses.read(self._cluster.pauses()), self._epoch())

    def are_free(self) -> bool:
        """Whether any host is neither recovered nor ours."""
        return len(self.ours()) < len(self._flags)

    def rivals(self, resource: str) -> set[str]:
        """Control nodes on which another engine is active that may have made a claim in our flags.

        Other resources' engines count, too, unless their flag is known to be another. The cluster is asked only where
        a claim that is not this engine's stands.

        :param resource: name of the resource that supervises this engine
        """
        claims = (value for host, value in self._flags.items() if value != self._own.get(host))
        claimants = {flag.claimant(value) for value in claims} - {None}
        if not claimants:
            return set()
        active = self._cluster.active("NovaEvacuate")
        found = active.pop(resource, set()) - {self._node()}
        others = {other: nodes for other, nodes in active.items() if nodes & claimants}
        parameters = self._cluster.resource_parameters("NovaEvacuate") if others else {}
        for other, nodes in others.items():
            known = loader.attribute(parameters[other]) if other in parameters else None
            if known in (None, self._cluster.attribute):
                found |= nodes
        return found

    def of_others(self) -> set[str]:
        """The hosts that have a flag that another resource's engine goes by.

        :raises cluster.ClusterError: the cluster is away
        """
        every = map(loader.attribute, self._cluster.resource_parameters("NovaEvacuate").values())
        others = {attribute for attribute in every if attribute is not None} - {self._cluster.attribute}
        return {host for attribute in sorted(others) for host in self._cluster.flagged(attribute)}

    def take(self, host: str, old: str) -> bool:
        """Claim a host whose flag was ``old``; returns whether it is ours now."""
        self._inherited |= {host} if self._inherited else set()
        return self._swap(host, old, flag.claim(self._node(), self._epoch()))

    def close(self, host: str, value: str = flag.RECOVERED) -> bool:
        """Set the flag of a host of ours to one that says recovered; returns whether that was done."""
        return self._swap(host, self._own[host], value)

    def change(self, host: str, old: str, new: str) -> bool:
        """Change the flag of a recovered host; returns whether that was done."""
        return self._swap(host, old, new)

    def clear(self, host: str) -> bool:
        """Delete the flag of a recovered host; returns whether that was done."""
        cleared = self._cluster.swap_flag(host, flag.RECOVERED, None)
        if cleared:
            self._flags = {name: value for name, value in self._flags.items() if name != host}
        return cleared

    def _swap(self, host: str, old: str, new: str) -> bool:
        changed = self._cluster.swap_flag(host, old, new)
        if changed:
            # Workers read the flags meanwhile: what they see is never half changed.
            self._flags = {**self._flags, host: new}
            own = {**self._own, host: new}
            self._own = {name: value for name, value in own.items() if value not in flag.OVER}
            self._left[host] = new
        return changed
