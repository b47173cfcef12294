# SPDX-License-Identifier: Apache-2.0
"""The one door to Pacemaker: flags, remote nodes, and where a resource runs, and since which start.

How its programs are run, and what of the environment they see: ``tools``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import Optional
from xml.etree.ElementTree import Element

from nova_ha.cluster import cib
from nova_ha.cluster.errors import ClusterError, NotInstalled, UnknownNode
from nova_ha.cluster.tools import Runner, Tools, run
from nova_ha.model import flag, hostnames

__all__ = ["Change", "Cluster", "ClusterError", "NotInstalled", "Runner", "UnknownNode", "last_change", "run"]

# The CIB on disk, of which only the time of last change is looked at: it tells when a query is worth while.
CIB_FILE = "/var/lib/pacemaker/cib/cib.xml"

# What the alert agent (tools/alert_nova_ha.sh) touches after each fencing, as Pacemaker's user; likewise.
ALERT_FILE = "/run/crm/nova-ha-fencing"

# When something last changed, for who compares it with what it was.
Change = tuple[Optional[int], Optional[int]]

# What XPath has for a host's name with small letters. XPath 1.0 knows no function for that.
_UNAME = f'translate(@uname, "{hostnames.UPPER}", "{hostnames.LOWER}")'

# Seconds that all levels of a host's fencing may take together: a BMC that hangs has a minute by default
# (stonith-timeout), and may be tried twice.
FENCING_PATIENCE = 300.0

# How Pacemaker's properties say yes, in small letters.
_TRUE = ("true", "on", "yes", "y", "1")


class Cluster(Tools):
    """What nova-ha reads from and writes to the cluster.

    :param attribute: the node attribute that serves as the flag
    :param timeout: seconds that one of Pacemaker's programs may take
    :param runner: see ``run``
    """

    def __init__(self, attribute: str = flag.ATTRIBUTE, timeout: float = 20, runner: Runner = run) -> None:
        super().__init__(timeout, runner)
        self._attribute = attribute

    @property
    def attribute(self) -> str:
        """Name of the node attribute that is the flag."""
        return self._attribute

    def flags(self) -> dict[str, str]:
        """The flags of all hosts that have one, as ``{host: value}``.

        :raises ClusterError: Pacemaker does not answer
        """
        return {cib.required(node, "uname"): self._value(node) for node in self._having(self._attribute)}

    def flagged(self, attribute: str) -> set[str]:
        """Names of the hosts that have a flag of another attribute.

        :raises ClusterError: Pacemaker does not answer
        """
        return {cib.required(node, "uname") for node in self._having(attribute)}

    def flag(self, host: str) -> str | None:
        """One host's flag, or None.

        :raises ClusterError: Pacemaker does not answer
        """
        flags = self.flags()
        alike = (value for name, value in flags.items() if hostnames.fold(name) == hostnames.fold(host))
        return flags.get(host, next(alike, None))

    def set_flag(self, host: str, value: str) -> None:
        """Write a host's flag, whatever it was.

        :raises ClusterError: it is not known to be written
        """
        command = ["crm_attribute", "--node", host, "--name", self._attribute, "--lifetime", "forever"]
        self._demand(command + ["--update", value], f"flag of {host} not set to {value!r}")

    def swap_flag(self, host: str, old: str | None, new: str | None) -> bool:
        """Change a host's flag from ``old`` to ``new`` (None: none), unless somebody else changed it first.

        The comparison is made by the CIB manager itself, in one step with the change: a host that is fenced
        anew while the engine closes its recovery keeps the new flag.

        :return: whether it was changed
        :raises ClusterError: Pacemaker does not answer, so that nothing is known
        """
        which = f"//nodes/node[@uname={cib.literal(host)}]"
        node = self._query(which)
        if old is None and new is not None and node and not self._pairs(node[0]):
            absent = f"[not(instance_attributes/nvpair[@name={cib.literal(self._attribute)}])]"
            # Not by a look: what is an order may have been taken up by then.
            return self._merge(which + absent, cib.with_pair(node[0], "instance_attributes", self._attribute, new))
        pair = next((pair for pair in self._pairs(node[0]) if pair.get("value") == old), None) if node else None
        if old is None or pair is None:
            return False
        guarded = f"{which}//nvpair[@id={cib.literal(cib.required(pair, 'id'))}][@value={cib.literal(old)}]"
        self._swap(pair, guarded, new)
        # Deleting what does not match counts as success, so only a look tells whether it was ours to change.
        return self.flag(host) == new

    def pauses(self) -> str | None:
        """Which new recoveries an operator has put off, as ``model.pauses`` writes it; None: none.

        :raises ClusterError: Pacemaker does not answer
        """
        pairs = self._query(self._pauses_xpath())
        return pairs[0].get("value") if pairs else None

    def swap_pauses(self, old: str | None, new: str | None) -> bool:
        """Change what an operator has put off (None: nothing), unless somebody else changed it first.

        :return: whether it was changed
        :raises ClusterError: Pacemaker does not answer, so that nothing is known
        """
        pairs = self._query(self._pauses_xpath())
        if (pairs[0].get("value") if pairs else None) != old:
            return False
        if pairs:
            self._swap(pairs[0], f"{self._pauses_xpath()}[@value={cib.literal(old or '')}]", new)
        elif new is not None:
            command = ["crm_attribute", "--type", "crm_config", "--name", self._pauses_name, "--update", new]
            self._demand(command, f"{self._pauses_name} not set")
        return self.pauses() == new

    @property
    def _pauses_name(self) -> str:
        return f"{self._attribute}-paused"

    def _pauses_xpath(self) -> str:
        return f"//crm_config//nvpair[@name={cib.literal(self._pauses_name)}]"

    def fence(self, host: str) -> None:
        """Have the cluster fence a host by its own devices, as it does with one that is lost; returns when it has.

        :raises ClusterError: it could not, or not in time
        """
        command = ["stonith_admin", "--reboot", host, "--timeout", f"{FENCING_PATIENCE:.0f}"]
        code, _out, err = self._run(command, FENCING_PATIENCE + self._timeout)
        if code != 0:
            said = " ".join(err.split()) or f"exit code {code}"
            raise ClusterError(f"{host} is not fenced: {said}. Why: pcs stonith history show {host}")

    def remote_nodes(self) -> list[str]:
        """Names of all remote nodes that the configuration knows, running or not.

        :raises ClusterError: Pacemaker does not answer
        """
        return sorted(cib.required(node, "uname") for node in self._query('//nodes/node[@type="remote"]'))

    def control_nodes(self) -> list[str]:
        """Names of all other nodes that the configuration knows, running or not.

        :raises ClusterError: Pacemaker does not answer
        """
        return sorted(cib.required(node, "uname") for node in self._query('//nodes/node[not(@type="remote")]'))

    def resolve(self, name: str, domain: str | None = None) -> str:
        """The cluster's own name of a host; see ``hostnames.resolve``.

        :raises UnknownNode: no node, or several, could be meant
        :raises ClusterError: Pacemaker does not answer
        """
        label, whole = hostnames.label(name), hostnames.fold(name)
        # Only those that can be meant, however many hosts there are.
        alike = (f"{_UNAME}={cib.literal(each)}" for each in (whole, label))
        which = f"{' or '.join(alike)} or starts-with({_UNAME},{cib.literal(label + '.')})"
        known = [cib.required(node, "uname") for node in self._query(f"//nodes/node[{which}]")]
        # By its full name a host of that domain asks for itself, whose name in the cluster may be short.
        names = (name, label) if domain and whole == hostnames.fold(f"{label}.{domain}") else (name,)
        try:
            found = next(filter(None, (hostnames.resolve(each, known, domain) for each in names)), None)
        except hostnames.AmbiguousName as error:
            raise UnknownNode(str(error)) from error
        if found is None:
            raise UnknownNode(f"the cluster knows no node {name!r}")
        return found

    @property
    def runner(self) -> Runner:
        """Runs Pacemaker's programs, for other doors to the same cluster."""
        return self._run

    def active_on(self, resource: str) -> set[str]:
        """Names of the nodes on which the cluster holds a resource to be active.

        :raises ClusterError: Pacemaker does not answer
        """
        return {
            cib.required(node, "name")
            for found in self._status("resources").iter("resource")
            if found.get("id") == resource and found.get("active") == "true"
            for node in found.findall("node")
        }

    def active(self, agent: str) -> dict[str, set[str]]:
        """Where resources of one of our agents are active, as ``{resource: names of nodes}``.

        Those that are gone from the configuration and not stopped yet are among them.

        :param agent: ``NovaEvacuate``, say
        :raises ClusterError: Pacemaker does not answer
        """
        nodes: dict[str, set[str]] = {}
        for found in self._status("resources").iter("resource"):
            # Before 2.1 Pacemaker wrote ocf::openstack:NovaEvacuate.
            is_ours = found.get("resource_agent", "").endswith(f":openstack:{agent}")
            if is_ours and found.get("active") == "true":
                names = (cib.required(node, "name") for node in found.findall("node"))
                nodes.setdefault(cib.required(found, "id"), set()).update(names)
        return nodes

    def online(self) -> set[str]:
        """Names of the nodes that the cluster has online and does not hold for lost, control nodes and remote nodes.

        :raises ClusterError: Pacemaker does not answer
        """
        return {
            cib.required(node, "name")
            for node, connected in self._nodes()
            if connected and not cib.is_true(node, "unclean")
        }

    def adrift(self) -> set[str]:
        """Names of the remote nodes that the cluster has no connection to, and does not mean to fence.

        :raises ClusterError: Pacemaker does not answer
        """
        return {
            cib.required(node, "name")
            for node, connected in self._nodes()
            if cib.is_remote(node) and not connected and not cib.is_true(node, "unclean")
        }

    def resource_parameters(self, agent: str) -> dict[str, dict[str, str]]:
        """The parameters of every resource of one of our agents, as ``{resource: {name: value}}``.

        :param agent: ``NovaEvacuate`` or ``NovaCompute``
        :raises ClusterError: Pacemaker does not answer
        """
        which = f'//resources//primitive[@class="ocf"][@provider="openstack"][@type={cib.literal(agent)}]'
        return {
            cib.required(found, "id"): {
                name: pair.get("value", "")
                for pair in found.findall("instance_attributes/nvpair")
                if (name := pair.get("name")) is not None
            }
            for found in self._query(which)
        }

    def starts(self, agent: str, hosts: Iterable[str]) -> dict[str, str]:
        """By which start of the cluster's a resource of one of our agents runs on each of some hosts.

        :param agent: ``NovaCompute``, say
        :param hosts: their names, short or full; hosts that are named alike may be answered for, too
        :return: ``{cluster's name of a host: what tells that start from any other}``; FOUND_RUNNING where the cluster
            has forgotten it (by a cleanup, or because it had lost the host) and then found the resource running. Left
            out are hosts on which it does not run, or is just being stopped or started; and all of them where Pacemaker
            may not look before it starts something: it would call it a start when that runs
        :raises ClusterError: Pacemaker does not answer
        """
        labels = " ".join(sorted({hostnames.label(host) for host in hosts}))
        # The operations alone would not do: of a remote node's, they name the control node that holds its connection.
        label = f'concat(" ", substring-before(concat({_UNAME}, "."), "."), " ")'
        states = f"/cib/status/node_state[contains({cib.literal(f' {labels} ')}, {label})]"
        answer = self._query(f'{states}|/cib/configuration/crm_config//nvpair[@name="enable-startup-probes"]')
        if any(each.get("value", "").lower() not in _TRUE for each in answer if each.tag == "nvpair"):
            return {}
        found = {
            cib.required(node, "uname"): cib.start_on_record(resource)
            for node in answer
            for resource in node.iter("lrm_resource")
            if (resource.get("provider"), resource.get("type")) == ("openstack", agent)
        }
        return {host: start for host, start in found.items() if start is not None}

    def stopped(self, hosts: Collection[str]) -> set[str]:
        """Of some hosts, those on which the cluster's records prove that nova-compute does not run.

        Of one that was fenced, and has not been there since (``node_fenced``, which Pacemaker sets to 0 when a remote
        node comes up): nothing was started there. Of any other: the last operation on record is a stop that succeeded,
        or a look that found it not running. Pacemaker notes that it begins an operation before it does. Without a
        record nothing is known: an operator can have the cluster forget it.

        :param hosts: the cluster's names of them
        :raises ClusterError: Pacemaker does not answer
        """
        wanted = " or ".join(f"@uname={cib.literal(host)}" for host in sorted(hosts))
        found = set()
        for node in self._query(f"/cib/status/node_state[{wanted}]"):
            off = [cib.is_off(resource) for resource in node.iter("lrm_resource") if cib.runs_compute(resource)]
            if node.get("node_fenced", "0") != "0" or (off and all(off)):
                found.add(cib.required(node, "uname"))
        return found

    def local_node(self) -> str:
        """The name by which the cluster knows this node.

        :raises ClusterError: Pacemaker does not answer
        """
        return self._demand(["crm_node", "--name"], "name of this node not known").strip()

    def orders(self) -> Cluster:
        """The door to the node attribute by which operators order something of the engine; see ``model.orders``."""
        return self.beside("order")

    def beside(self, name: str) -> Cluster:
        """The door to another attribute of hosts, beside their flag; see ``model.maintenance``, ``model.drills``."""
        return Cluster(f"{self._attribute}-{name}", self._timeout, self._run)

    def _having(self, attribute: str) -> list[Element]:
        """The nodes that have an attribute."""
        # One xpath for all: with thousands of hosts, only those that carry the attribute are sent and parsed.
        return self._query(f"//nodes/node[instance_attributes/nvpair[@name={cib.literal(attribute)}]]")

    def _nodes(self) -> list[tuple[Element, bool]]:
        return cib.nodes_reached(self._status("nodes,resources"))

    def _pairs(self, node: Element) -> list[Element]:
        return [pair for pair in node.iter("nvpair") if pair.get("name") == self._attribute]

    def _value(self, node: Element) -> str:
        return self._pairs(node)[0].get("value", "")


def last_change() -> Change:
    """When this node's copy of the configuration last changed, and when something was fenced last, as far as is known.

    A hint that costs next to nothing, so that a flag is seen at once without asking Pacemaker all the time;
    who relies on it must ask anyway now and then.
    """
    return _changed(CIB_FILE), _changed(ALERT_FILE)


def _changed(path: str) -> int | None:
    """When a file last changed, in nanoseconds; None if it cannot be told."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
