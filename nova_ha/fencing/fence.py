# SPDX-License-Identifier: Apache-2.0
"""What it means to fence a compute host: its power is proved off, and then it is flagged.

Nothing here talks to the cloud: a fence must not hang because the cloud's API is down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_ha.cluster.pacemaker import Cluster, ClusterError, UnknownNode
from nova_ha.fencing import shared_power
from nova_ha.fencing.power_agent import PowerAgent, PowerError
from nova_ha.fencing.topology import Misconfigured
from nova_ha.model import flag, hostnames

# By this name the cluster's configuration knows the devices that only flag.
AGENT = "fence_compute"

# These cut no power: the one flags, the other only has a level fail where the network does.
CUTS_NOTHING = {AGENT, "fence_heuristics_ping"}

_APART = "give each host a device with an address of its own, or its own plug in pcmk_host_map"

# No name of a host or of a plug is longer.
_LONGEST_NAME = 255


class FenceError(Exception):
    """A host is not fenced, or its state cannot be told; the text is one line for an operator."""


def target(cluster: Cluster, name: str | None, plug: str, domain: str | None = None) -> str:
    """The cluster's own name of the host that is to be fenced.
    :param name: the host's name as Pacemaker gives it beside the plug, None if it does not
    :param plug: what the host is called otherwise: by its BMC, by Nova, or as a power agent's plug; the name if there
        is no other
    :param domain: DNS domain of the hosts, where names differ in it
    :raises cluster.UnknownNode: no node, or several, could be meant
    :raises FenceError: name and plug mean two hosts, or one of them cannot be a name
    :raises cluster.ClusterError: Pacemaker does not answer
    """
    for text in (name or plug, plug):
        if not text.isprintable() or len(text) > _LONGEST_NAME:
            raise FenceError(f"{text[:80]!r}{'...' if text[80:] else ''} cannot be the name of a host")
    host = cluster.resolve(name or plug, domain)
    if plug not in (name, host):
        try:
            other = cluster.resolve(plug, domain)
        except UnknownNode:
            return host
        if other != host:
            raise FenceError(
                f"Pacemaker wants {host} fenced, and its plug {plug!r} is the name of another host, {other}: "
                "see to pcmk_host_map"
            )
    return host


def _demand_last(host: str, levels: Sequence[list[str]]) -> None:
    """Demand that no device comes after ours: it may be the one that cuts the host's other power supply.

    :param levels: of the host, each as the agents of its devices
    """
    if any(AGENT in level[:-1] for level in levels):
        raise FenceError(f"{host} is not flagged: in a fencing level of {host} a device comes after fence_compute")


class Recorder:
    """The second device of a topology level: the first one powers the host off, this one flags it."""

    def __init__(self, cluster: shared_power.Devices) -> None:
        self._cluster = cluster

    def off(self, host: str, name: str | None = None) -> None:
        """Flag the host once its power is proved off, and prove that it is flagged by reading the flag back.

        It is flagged even if it is flagged already: a host that dies while it is recovered must be recovered anew.

        :param host: the cluster's own name of it
        :param name: its name as Pacemaker gives it, by which it has chosen the fencing levels; None if it gives none
        :raises FenceError: one of the two is not proved
        """
        try:
            self._prove_off(host, self._levels(host, name or host))
            self._cluster.set_flag(host, flag.FLAGGED)
            # Between the two the engine may have claimed it.
            if not flag.is_dead(self._cluster.flag(host)):
                raise FenceError(f"{host} is not flagged, though Pacemaker took the flag")
        except ClusterError as error:
            raise FenceError(f"{host} is not known to be flagged: {error}") from error

    def _prove_off(self, host: str, levels: list[list[str]]) -> None:
        """Demand that the host's fencing topology has cut its power before it came to this device.

        Pacemaker asks the devices of a level one after the other, and the next only when the one before succeeded. A
        device that only flags, alone or first in a level, would flag a host that lives. Where no level is for the host,
        Pacemaker may take it alone.
        """
        levels = [level for level in levels if AGENT in level]
        if not levels or any(set(level[: level.index(AGENT)]) <= CUTS_NOTHING for level in levels):
            raise FenceError(
                f"{host} is not flagged: record_only proves nothing by itself, it must come after a device that cuts "
                f"the power, in one fencing level of {host} (and come first in none). See pcs stonith level, or crm "
                "configure show type:fencing_topology; a target-pattern is a POSIX extended regular expression"
            )
        _demand_last(host, levels)

    def _levels(self, host: str, name: str) -> list[list[str]]:
        """The fencing levels by which Pacemaker may fence a host, each as the agents of its devices.

        :raises FenceError: it cannot be told which they are
        """
        try:
            levels = self._cluster.fencing_levels(name)
        except Misconfigured as error:
            raise FenceError(f"{host} is not flagged: {error}") from error
        named = {device for level in levels for device in level}
        agents = self._cluster.fence_agents(named) if named else {}
        if unknown := sorted(named - set(agents)):
            raise FenceError(
                f"{host} is not flagged: a fencing level of {host} has {unknown[0]!r}, which is no fencing device "
                "of the cluster's configuration, so that nothing is known of it: correct the level's devices"
            )
        return [[agents[device] for device in level] for level in levels]

    def validate(self) -> None:
        """Nothing: no parameter of a device that only flags says where anything is."""

    def on(self, host: str) -> None:
        """Nothing: the flag stays for as long as the recovery needs it."""

    def status(self, host: str) -> str:
        """``off`` while the flag stands, else ``on``.

        :raises FenceError: it cannot be told
        """
        try:
            return "off" if flag.is_dead(self._cluster.flag(host)) else "on"
        except ClusterError as error:
            raise FenceError(str(error)) from error

    def hosts(self) -> dict[str, str]:
        """The hosts that this device can fence: all remote nodes, as ``{name: status}``.

        :raises FenceError: Pacemaker does not answer
        """
        try:
            flags = self._cluster.flags()
            return {host: "off" if flag.is_dead(flags.get(host)) else "on" for host in self._cluster.remote_nodes()}
        except ClusterError as error:
            raise FenceError(str(error)) from error

    def monitor(self) -> None:
        """Look whether Pacemaker's configuration can be read.

        :raises FenceError: it cannot
        """
        Recorder.hosts(self)


class PowerSwitch(Recorder):
    """A device on its own: it powers the host off through another fence agent, and then flags it.

    :param parameters: of this device, by name, as far as they say whose power it is; see ``shared_power``
    :param plug: what the power agent is to know the host by, None if no host is meant
    """

    def __init__(
        self,
        cluster: shared_power.Devices,
        power: PowerAgent,
        parameters: Mapping[str, str | None],
        plug: str | None = None,
    ) -> None:
        super().__init__(cluster)
        self._power = power
        self._parameters = parameters
        self._plug = plug

    def _prove_off(self, host: str, levels: list[list[str]]) -> None:
        """Power the host off, and prove it; but not if its power could be another host's, or is only a part of it."""
        _demand_last(host, levels)
        if not levels:
            self._demand_one_power(host)
        try:
            others = self._together(host).get(self._plug, set()) - {hostnames.fold(host)}
            if others:
                raise FenceError(
                    f"{host} is not powered off: by the devices' parameters its power is that of "
                    f"{', '.join(sorted(others))}, too; {_APART}"
                )
            self._power.off()
        except PowerError as error:
            raise FenceError(f"{host} is not proved to be off, and is not flagged: {error}") from error

    def _demand_one_power(self, host: str) -> None:
        """Demand that a host without levels has only one power: of two, Pacemaker would cut only one."""
        powers = len(self._cluster.powers(AGENT, host))
        if powers > 1:
            raise FenceError(
                f"{host} is not powered off: no fencing level is for it, so that Pacemaker takes one of its {powers} "
                "devices alone, and another power may stay on. Add levels (pcs stonith level add): one for each device "
                "if it cuts all power, else one with the agents of all powers, and then fence_compute record_only=1"
            )

    def _together(self, *wanted: str) -> dict[str | None, set[str]]:
        """The hosts behind the power agent's address, by plug; by this device's own plug if plugs do not matter.

        :param wanted: the host that is to be powered, if one is
        """
        behind = self._cluster.behind(AGENT, self._parameters)
        by_plug = shared_power.is_by_plug(self._parameters)
        if not by_plug and len({host for host, _plug in behind} | {*wanted}) > 1:
            by_plug = not self._power.serves_one()
        found = shared_power.together(behind, by_plug)
        return found if by_plug else {self._plug: found.get(None, set())}

    def validate(self) -> None:
        """Have the power agent look at what it would be given.

        :raises FenceError: it will not do
        """
        try:
            self._power.validate()
        except PowerError as error:
            raise FenceError(str(error)) from error

    def on(self, host: str) -> None:
        """Power the host on, and prove it.

        :raises FenceError: it is not proved
        """
        try:
            self._power.on()
        except PowerError as error:
            raise FenceError(f"{host} is not proved to be on: {error}") from error

    def status(self, host: str) -> str:
        """``on`` or ``off``, as the power is.

        :raises FenceError: it cannot be told
        """
        try:
            return self._power.status()
        except PowerError as error:
            raise FenceError(f"the power of {host} is not known: {error}") from error

    def hosts(self) -> dict[str, str]:
        """None: with a list of all hosts Pacemaker would have this device power one host off and flag another.

        Which host it is for, the operator says with ``pcmk_host_list``.
        """
        return {}

    def monitor(self) -> None:
        """Look whether the BMC and Pacemaker answer; where each host has a BMC of its own, only Pacemaker.

        :raises FenceError: one of them does not, or two hosts could not be told apart
        """
        try:
            if not shared_power.is_by_plug(self._parameters):
                self._power.monitor()
            for hosts in self._together().values():
                if len(hosts) > 1:
                    raise FenceError(f"by the devices' parameters {', '.join(sorted(hosts))} have one power; {_APART}")
        except (PowerError, ClusterError) as error:
            raise FenceError(str(error)) from error
        super().monitor()
