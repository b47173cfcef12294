# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory: flags, which nodes are there, and when it started nova-compute on them."""

from nova_ha.cluster.pacemaker import ClusterError
from nova_ha.model import flag, hostnames
from nova_ha.model.snapshot import FOUND_RUNNING
from tests.unit.simulation.process import Tripwire

# What the first engine's resource is called.
RESOURCE = "nova-evacuate"


class SimulatedCluster:
    """Flags, who runs an engine, which nodes are online, and the last start of nova-compute on each.

    What is asked of it about a host is by Nova's name of that; what it keeps is by its own.
    """

    def __init__(self):
        self.values = {}
        self.names = {}  # Nova's name of a host -> its own, if that is another; None if the host is no node (any more)
        self.active = set()  # control nodes on which the cluster holds an engine to be active
        self.others = {}  # resource beside the first one -> the control nodes on which its engine is active
        self.parameters = {RESOURCE: {}}  # resource -> its parameters
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
        self.put_off = None  # what an operator has put off
        self.ordered = {}  # its name of a host -> what an operator orders about it
        self.away = False
        self.next_swaps = []  # "ok", "lost", "dropped": what becomes of the next changes of flags by an engine

    def seen_from(self, node, attribute=flag.ATTRIBUTE):
        """The cluster as an engine on one control node knows it: stands in for ``pacemaker.Cluster``.

        :param attribute: the engine's flag; of any other than the usual one there is none
        """
        return _View(self, node, attribute)

    def node(self, host):
        """Its name of a host, None if that is no node."""
        return self.names.get(host, host)

    def is_node(self, host):
        """Whether it has a host at all."""
        return self.node(host) is not None

    def has(self, host):
        """Whether it is connected to a host."""
        return self.node(host) in self.nodes

    def removes(self, host, with_its_flag=True):
        """An operator removes a host from it.

        :param with_its_flag: the node's entry, and so its flag, goes; else it stays, and the host is not connected to
        """
        node = self.node(host)
        self.lost(host)
        if with_its_flag:
            self.forgets_entry(node)
        self.names[host] = None

    def forgets_entry(self, node):
        """A node's entry is deleted; returns the flag that it had, or None."""
        self.off.discard(node)
        self.known = tuple(known for known in self.known if known != node)
        self.ordered.pop(node, None)
        return self.values.pop(node, None)

    def joins(self, host, name=None):
        """An operator adds a host that is no node, under Nova's name of it, or another."""
        self.names[host] = name or host
        self.known = tuple(sorted({*self.known, self.names[host]}))

    def fence(self, host):
        """fence_compute has proved a host's power off."""
        self.values[self.node(host)] = flag.FLAGGED
        self.off.add(self.node(host))

    def started(self, host):
        """The cluster has started nova-compute on a host."""
        self._started += 1
        self.starts[self.node(host)] = f"start {self._started}"

    def starting(self, host):
        """It has begun to start it there, and does not know yet how that ends."""
        self.starts.pop(self.node(host), None)
        self.off.discard(self.node(host))

    def stopped(self, host):
        """It has stopped it there."""
        self.starts.pop(self.node(host), None)
        self.off.add(self.node(host))

    def lost(self, host):
        """It has no connection to a host any more."""
        self.nodes.discard(self.node(host))
        self.starts.pop(self.node(host), None)

    def forgets(self, host):
        """An operator has it forget what it knew of a host."""
        self.starting(host)

    def reaches(self, host):
        """A host is there, and a probe has found that nova-compute does not run."""
        self.nodes.add(self.node(host))
        self.off.add(self.node(host))

    def cleanup(self):
        """An operator has the cluster forget what it knows of its resources, and look."""
        self.starts = dict.fromkeys(self.starts, FOUND_RUNNING)

    def go(self, node):
        """An operator lets a held host go."""
        if self.values.get(node) == flag.FLAGGED:
            self.values[node] = flag.GO

    def stands(self, host):
        """Whether a host must stay out of service."""
        return any(map(flag.stands, self._flags(host)))

    def is_dead(self, host):
        """Whether a host's power was proved off, and it is not recovered yet."""
        return any(map(flag.is_dead, self._flags(host)))

    def keeps_off(self, host):
        """Whether it starts no nova-compute on a host: it goes by the flag of the name by which it has that."""
        return flag.stands(self.values.get(self.node(host)))

    def is_flagged(self, host):
        """Whether any name of a host has a flag."""
        return bool(self._flags(host))

    def _flags(self, host):
        """Those under any name of a host, also an old one."""
        return [value for node, value in self.values.items() if hostnames.label(node) == hostnames.label(host)]

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
    def __init__(self, cluster, node, attribute):
        self.attribute = attribute
        self._cluster = cluster
        self._node = node
        self._read = {}  # the flags as it has read them

    def local_node(self):
        return self._node

    def flags(self):
        self._read = dict(self._values())
        return dict(self._read)

    def flagged(self, attribute):
        return set(self._asked().values) if attribute == flag.ATTRIBUTE else set()

    def flag(self, host):
        return self._values().get(host)

    def pauses(self):
        return self._asked().put_off

    def orders(self):
        return _Orders(self._cluster)

    def remote_nodes(self):
        return sorted(self._asked().known)

    def active(self, _agent):
        every = {RESOURCE: self._asked().active, **self._cluster.others}
        return {resource: set(nodes) for resource, nodes in every.items() if nodes}

    def resource_parameters(self, _agent):
        return {resource: dict(known) for resource, known in self._asked().parameters.items()}

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

    def _values(self):
        return self._asked().values if self.attribute == flag.ATTRIBUTE else {}

    def _asked(self):
        if self._cluster.away:
            raise ClusterError("the cluster's configuration cannot be read")
        return self._cluster


class _Orders:
    """The door to the node attribute by which operators order something of the engine."""

    def __init__(self, cluster):
        self._cluster = cluster

    def flags(self):
        if self._cluster.away:
            raise ClusterError("the cluster's configuration cannot be read")
        return dict(self._cluster.ordered)

    def swap_flag(self, host, old, new):
        if self._cluster.ordered.get(host) != old or new is not None:
            return False
        del self._cluster.ordered[host]
        return True
