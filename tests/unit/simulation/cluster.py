# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory: flags, which nodes are there, and when it started nova-compute on them."""

from nova_ha import flag
from nova_ha.cluster import FOUND_RUNNING, ClusterError
from tests.unit.simulation.process import Tripwire


class SimulatedCluster:
    """Flags, who runs an engine, which nodes are online, and the last start of nova-compute on each."""

    def __init__(self):
        self.values = {}
        self.active = set()  # control nodes on which the cluster holds an engine to be active
        self.known = ()  # remote nodes
        self.nodes = set()  # those that are online
        self.looks = 0  # how often an engine asked for these
        self.asked_what_is_adrift = 0
        self.starts = {}  # remote node -> its last start of nova-compute, if nothing has been done with that since
        self.off = set()  # remote nodes of which its records prove that nova-compute does not run there
        self.runs_nova_compute = True  # whether nova-compute is a resource of the cluster's
        self.refuses_starts = False  # whether it does not say what starts there were
        self.asked_for_starts = 0  # how often it was asked which
        self._started = 0
        self.history = []  # (host, new value) of each change by an engine
        self.tripwire = Tripwire()
        self.judge = lambda host, old, flags: None  # told of each claim by an engine, and what flags it had read
        self.away = False
        self.next_swaps = []  # "ok", "lost", "dropped": what becomes of the next changes of flags by an engine

    def seen_from(self, node):
        """The cluster as an engine on one control node knows it: stands in for ``cluster.Cluster``."""
        return _View(self, node)

    def fence(self, host):
        """fence_compute has proved a host's power off."""
        self.values[host] = flag.FLAGGED
        self.off.add(host)

    def started(self, host):
        """The cluster has started nova-compute on a host."""
        self._started += 1
        self.starts[host] = f"start {self._started}"

    def starting(self, host):
        """It has begun to start it there, and does not know yet how that ends."""
        self.starts.pop(host, None)
        self.off.discard(host)

    def stopped(self, host):
        """It has stopped it there."""
        self.starts.pop(host, None)
        self.off.add(host)

    def lost(self, host):
        """It has no connection to a host any more."""
        self.nodes.discard(host)
        self.starts.pop(host, None)

    def forgets(self, host):
        """An operator has it forget what it knew of a host."""
        self.starting(host)

    def reaches(self, host):
        """A host is there, and a probe has found that nova-compute does not run."""
        self.nodes.add(host)
        self.off.add(host)

    def cleanup(self):
        """An operator has the cluster forget what it knows of its resources, and look."""
        self.starts = dict.fromkeys(self.starts, FOUND_RUNNING)

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
    attribute = flag.ATTRIBUTE

    def __init__(self, cluster, node):
        self._cluster = cluster
        self._node = node
        self._read = {}  # the flags as it has read them

    def local_node(self):
        return self._node

    def flags(self):
        self._read = dict(self._asked().values)
        return dict(self._read)

    def flag(self, host):
        return self._asked().values.get(host)

    def remote_nodes(self):
        return sorted(self._asked().known)

    def active(self, _agent):
        return {"nova-evacuate": set(self._asked().active)}

    def online(self):
        self._asked().looks += 1
        return set(self._cluster.nodes)

    def adrift(self):
        self._asked().asked_what_is_adrift += 1
        return set(self._asked().known) - self._cluster.nodes

    def stopped(self, hosts):
        return self._asked().off & set(hosts)

    def starts(self, _agent, hosts):
        cluster = self._asked()
        cluster.asked_for_starts += 1
        if cluster.refuses_starts:
            raise ClusterError("the cluster's configuration cannot be read: no such function")
        return {host: cluster.starts[host] for host in hosts & set(cluster.starts) if cluster.runs_nova_compute}

    def swap_flag(self, host, old, new):
        cluster = self._asked()
        if flag.claimant(new):
            cluster.judge(host, old, self._read)
        answer = cluster.next_swaps.pop(0) if cluster.next_swaps else "ok"
        swapped = answer != "lost" and cluster.tripwire.around(lambda: cluster.swap(host, old, new))
        if answer != "ok":
            raise ClusterError("cibadmin did not answer within 20 s")
        return swapped

    def _asked(self):
        if self._cluster.away:
            raise ClusterError("the cluster's configuration cannot be read")
        return self._cluster
