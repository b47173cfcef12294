# SPDX-License-Identifier: Apache-2.0
"""The cluster's connections to its remote nodes, by which a host is taken out of the cluster, and brought back.

A connection is a resource of its own (``ocf:pacemaker:remote``) that is named as the node. One that is disabled
(``target-role=Stopped``, as ``pcs resource disable`` has it) is stopped after all that runs on the node, nova-compute
first; the node is neither watched nor fenced until it is enabled, and keeps its permanent attributes (measured,
Pacemaker 2.1.5). Neither standby nor an unmanaged connection would do: a node in standby is watched still, and fenced
when it reboots; and what is unmanaged is not stopped, nor started after the reboot.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from nova_ha.cluster import cib
from nova_ha.cluster.tools import Tools
from nova_ha.model import hostnames

_ROLE, _STOPPED = "target-role", "Stopped"


class Connections(Tools):
    """Every method raises ``ClusterError`` where Pacemaker does not answer."""

    def is_disabled(self, host: str) -> bool | None:
        """Whether the connection to a host is disabled; None: it has none of its own.

        :param host: the cluster's name of it
        """
        found = self._connection(host)
        return None if found is None else _is_disabled(found)

    def disable(self, host: str) -> bool:
        """Disable it; returns whether it is disabled then: somebody else may have given it another role first."""
        found = self._connection(host)
        if found is not None and not _is_disabled(found):
            pair = _pair(found)
            if pair is not None:
                self._swap(pair, self._guarded(host, pair), _STOPPED)
            else:
                absent = f"{_xpath(host)}[not(meta_attributes/nvpair[@name={cib.literal(_ROLE)}])]"
                self._merge(absent, cib.with_pair(found, "meta_attributes", _ROLE, _STOPPED))
        return self.is_disabled(host) is True

    def enable(self, host: str) -> bool:
        """Enable it; returns whether it is enabled then."""
        found = self._connection(host)
        pair = _pair(found) if found is not None and _is_disabled(found) else None
        if pair is not None:
            self._swap(pair, self._guarded(host, pair), None)
        return self.is_disabled(host) is False

    def has_stopped(self, host: str) -> bool:
        """Whether the cluster has stopped all that ran on a host, and the connection to it, and need not fence it."""
        status = self._status("nodes,resources")
        folded = hostnames.fold(host)
        nodes = [node for node in status.findall("nodes/node") if hostnames.fold(node.get("name", "")) == folded]
        roles = {each.get("role") for each in status.iter("resource") if hostnames.fold(each.get("id", "")) == folded}
        return roles <= {_STOPPED} and not any(cib.is_true(node, what) for node in nodes for what in _ALIVE)

    def _connection(self, host: str) -> Element | None:
        found = self._query(_xpath(host))
        return found[0] if found else None

    @staticmethod
    def _guarded(host: str, pair: Element) -> str:
        id, value = (cib.literal(cib.required(pair, name)) for name in ("id", "value"))
        return f"{_xpath(host)}//nvpair[@id={id}][@value={value}]"


# What crm_mon says of a node that the cluster has to do with.
_ALIVE = ("online", "unclean", "pending")


def _xpath(host: str) -> str:
    return f'//primitive[@class="ocf"][@provider="pacemaker"][@type="remote"][@id={cib.literal(host)}]'


def _pair(connection: Element) -> Element | None:
    return next((pair for pair in connection.findall("meta_attributes/nvpair") if pair.get("name") == _ROLE), None)


def _is_disabled(connection: Element) -> bool:
    pair = _pair(connection)
    return pair is not None and pair.get("value", "").lower() == _STOPPED.lower()
