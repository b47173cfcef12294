# SPDX-License-Identifier: Apache-2.0
"""What it means to fence a compute host: its power is proved off, and then it is flagged.

Nothing here talks to the cloud: a fence must not hang because the cloud's API is down.
"""

from nova_ha import flag
from nova_ha.cluster import ClusterError
from nova_ha.power import PowerError

# By this name the cluster's configuration knows the devices that only flag.
AGENT = "fence_compute"


class FenceError(Exception):
    """A host is not fenced, or its state cannot be told; the text is one line for an operator."""


class Recorder:
    """The second device of a topology level: the first one powers the host off, this one flags it.

    :param cluster: a ``cluster.Cluster``
    """

    def __init__(self, cluster):
        self._cluster = cluster

    def off(self, host):
        """Flag the host once its power is proved off, and prove that it is flagged by reading the flag back.

        It is flagged even if it is flagged already: a host that dies while it is recovered must be recovered anew.

        :raises FenceError: one of the two is not proved
        """
        try:
            self._prove_off(host)
            self._cluster.set_flag(host, flag.FLAGGED)
            # Between the two the engine may have claimed it.
            if not flag.is_dead(self._cluster.flag(host)):
                raise FenceError(f"{host} is not flagged, though Pacemaker took the flag")
        except ClusterError as error:
            raise FenceError(f"{host} is not known to be flagged: {error}") from error

    def _prove_off(self, host):
        """Demand that the host's fencing topology has cut its power before it came to this device.

        Pacemaker asks the devices of a level one after the other, and the next only when the one before succeeded. A
        device that only flags, alone or first in a level, would flag a host that lives.
        """
        levels = self._cluster.fencing_levels(host)
        agents = self._cluster.fence_agents({device for level in levels for device in level}) if levels else {}
        in_agents = [[agents.get(device) for device in level] for level in levels]
        places = [level.index(AGENT) for level in in_agents if AGENT in level]
        if not places or 0 in places:
            raise FenceError(
                f"{host} is not flagged: record_only proves nothing by itself, it must come after a device that cuts "
                f"the power, in one fencing level of {host} (and come first in none)"
            )

    def on(self, host):
        """Nothing: the flag stays for as long as the recovery needs it."""

    def status(self, host):
        """``off`` while the flag stands, else ``on``.

        :raises FenceError: it cannot be told
        """
        try:
            return "off" if flag.is_dead(self._cluster.flag(host)) else "on"
        except ClusterError as error:
            raise FenceError(str(error)) from error

    def hosts(self):
        """The hosts that this device can fence: all remote nodes, as ``{name: status}``.

        :raises FenceError: Pacemaker does not answer
        """
        try:
            flags = self._cluster.flags()
            return {host: "off" if flag.is_dead(flags.get(host)) else "on" for host in self._cluster.remote_nodes()}
        except ClusterError as error:
            raise FenceError(str(error)) from error

    def monitor(self):
        """Look whether Pacemaker's configuration can be read.

        :raises FenceError: it cannot
        """
        Recorder.hosts(self)


class PowerSwitch(Recorder):
    """A device on its own: it powers the host off through another fence agent, and then flags it.

    :param cluster: a ``cluster.Cluster``
    :param power: a ``nova_ha.power.PowerAgent``
    """

    def __init__(self, cluster, power):
        super().__init__(cluster)
        self._power = power

    def _prove_off(self, host):
        """Power the host off, and prove it."""
        try:
            self._power.off()
        except PowerError as error:
            raise FenceError(f"{host} is not proved to be off, and is not flagged: {error}") from error

    def on(self, host):
        """Power the host on, and prove it.

        :raises FenceError: it is not proved
        """
        try:
            self._power.on()
        except PowerError as error:
            raise FenceError(f"{host} is not proved to be on: {error}") from error

    def status(self, host):
        """``on`` or ``off``, as the power is.

        :raises FenceError: it cannot be told
        """
        try:
            return self._power.status()
        except PowerError as error:
            raise FenceError(f"the power of {host} is not known: {error}") from error

    def hosts(self):
        """None: with a list of all hosts Pacemaker would have this device power one host off and flag another.

        Which host it is for, the operator says with ``pcmk_host_list``.
        """
        return {}

    def monitor(self):
        """Look whether the BMC and Pacemaker answer.

        :raises FenceError: one of them does not
        """
        try:
            self._power.monitor()
        except PowerError as error:
            raise FenceError(str(error)) from error
        super().monitor()
