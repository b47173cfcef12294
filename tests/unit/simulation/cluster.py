# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory: flags, and which nodes are there."""

from nova_ha import flag
from nova_ha.cluster import ClusterError
from tests.unit.simulation.process import Tripwire


class SimulatedCluster:
    """Flags, who runs an engine, and which nodes are online."""

    def __init__(self):
        self.values = {}
        self.active = set()  # control nodes on which the cluster holds an engine to be active
        self.nodes = set()  # remote nodes that are online
        self.looks = 0  # how often an engine asked for these
        self.history = []  # (host, new value) of each change by an engine
        self.tripwire = Tripwire()
        self.away = False
        self.next_swaps = []  # "ok", "lost", "dropped": what becomes of the next changes of flags by an engine

    def seen_from(self, node):
        """The cluster as an engine on one control node knows it: stands in for ``cluster.Cluster``."""
        return _View(self, node)

    def fence(self, host):
        """fence_compute has proved a host's power off."""
        self.values[host] = flag.FLAGGED

    def go(self, host):
        """An operator lets a held host go."""
        if self.values.get(host) == flag.FLAGGED:
            self.values[host] = flag.GO

    def stands(self, host):
        """Whether a host must stay out of service."""
        return flag.stands(self.values.get(host))

    def is_dead(self, host):
        """Whether a host's power was proved off, and it is not recovered yet."""
        return flag.is_dead(self.values.get(host))

    def swap(self, host, old, new):
        """Change a flag if it is what it is thought to be."""
        if self.values.get(host) != old:
            return False
        self.history.append((host, new))
        if new is None:
            del self.values[host]
        else:
            self.values[host] = new
        return True


class _View:
    def __init__(self, cluster, node):
        self._cluster = cluster
        self._node = node

    def local_node(self):
        return self._node

    def flags(self):
        return dict(self._asked().values)

    def flag(self, host):
        return self._asked().values.get(host)

    def active_on(self, _resource):
        return set(self._asked().active)

    def online(self):
        self._asked().looks += 1
        return set(self._cluster.nodes)

    def swap_flag(self, host, old, new):
        cluster = self._asked()
        answer = cluster.next_swaps.pop(0) if cluster.next_swaps else "ok"
        swapped = answer != "lost" and cluster.tripwire.around(lambda: cluster.swap(host, old, new))
        if answer != "ok":
            raise ClusterError("cibadmin did not answer within 20 s")
        return swapped

    def _asked(self):
        if self._cluster.away:
            raise ClusterError("the cluster's configuration cannot be read")
        return self._cluster
