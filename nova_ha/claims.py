# SPDX-License-Identifier: Apache-2.0
"""The flags, and which of the hosts that carry them are this engine's."""

import time

from nova_ha import flag


class Claims:
    """Reads the flags once a pass; takes hosts up and closes them.

    Every change is made only if the flag is still what it was, so a host that is fenced anew meanwhile stays flagged.

    :param cluster: a ``cluster.Cluster``
    """

    def __init__(self, cluster):
        self._cluster = cluster
        self._node = None  # this control node's name in the cluster
        self._flags = {}
        self._own = {}  # host -> the claim that this engine made

    def read(self):
        """Read the flags; returns them as ``{host: value}``.

        :raises cluster.ClusterError: the cluster is away
        """
        self._node = self._node or self._cluster.local_node()
        self._flags = self._cluster.flags()
        self._own = {host: value for host, value in self._own.items() if self._flags.get(host) == value}
        return self._flags

    @property
    def flags(self):
        """The flags as last read, with the changes made since."""
        return self._flags

    @property
    def own(self):
        """The claims that this engine made and that stand, as ``{host: value}``."""
        return self._own

    def ours(self):
        """The flags of the hosts to see to: claimed by this engine, or recovered by any."""
        return {h: value for h, value in self._flags.items() if value in flag.OVER or value == self._own.get(h)}

    def are_free(self):
        """Whether any host is neither recovered nor ours."""
        return len(self.ours()) < len(self._flags)

    def rivals(self, resource):
        """Control nodes, other than this, on which an engine is active, as far as the flags make that of interest.

        :param resource: name of the resource that supervises engines
        """
        foreign = any(flag.claimant(value) not in (None, self._node) for value in self._flags.values())
        return self._cluster.active_on(resource) - {self._node} if foreign else set()

    def take(self, host, old):
        """Claim a host whose flag was ``old``; returns whether it is ours now."""
        return self._swap(host, old, flag.claim(self._node, time.time()))

    def close(self, host):
        """Set the flag of a host of ours to recovered; returns whether that was done."""
        return self._swap(host, self._own[host], flag.RECOVERED)

    def change(self, host, old, new):
        """Change the flag of a recovered host; returns whether that was done."""
        return self._swap(host, old, new)

    def _swap(self, host, old, new):
        changed = self._cluster.swap_flag(host, old, new)
        if changed:
            # Workers read the flags meanwhile: what they see is never half changed.
            self._flags = {**self._flags, host: new}
            own = {**self._own, host: new}
            self._own = {name: value for name, value in own.items() if value not in flag.OVER}
        return changed
