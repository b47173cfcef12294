# SPDX-License-Identifier: Apache-2.0
"""Instances that fail while their hosts live: what the hosts tell of it, and what Nova makes of it by itself."""

from nova_ha.model.instance_failures import InstanceFailure, Kind, written
from nova_ha.model.nova_actions import By, NovaAction
from tests.unit.simulation.guests import PAUSED

# Seconds after which Nova takes an instance for stopped whose guest has ended (measured).
NOTICED = 15

# Seconds since the epoch at which the story begins.
EPOCH = 1_700_000_000


class Failures:
    """What all hosts tell: stands in for ``InstanceReports``.

    :param nova: the ``SimulatedNova``
    :param cluster: the ``SimulatedCluster``, by whose names the hosts tell it
    :param is_restarted: whether the engine restarts what has failed
    """

    def __init__(self, nova, cluster, is_restarted):
        self._nova = nova
        self._cluster = cluster
        self._is_restarted = is_restarted
        self._failed = {}  # instance -> (its host, what that tells)
        self._episodes = 0
        self._wanted = False

    def crashes(self, instance):
        """The guest of an instance dies; its host tells of it until it runs again."""
        server = self._nova.servers[instance]
        if (instance, server.host) not in self._nova.guests.running:
            return
        self._nova.guests.stop(instance, server.host)
        # Nova knows no more than that it does not run: one that was paused is started, and runs.
        if not self._is_restarted or self._nova.guests.wanted[instance] == PAUSED:
            self._nova.guests.wanted[instance] = None
        self._episodes += 1
        since, episode = int(EPOCH + self._nova.clock.now), f"{self._episodes:08x}"
        self._failed[instance] = server.host, InstanceFailure(instance, Kind.CRASHED, since, episode)
        self._nova.clock.after(NOTICED, lambda: self._noticed(instance, episode))

    def _noticed(self, instance, episode):
        host, failure = self._failed.get(instance, (None, None))
        server = self._nova.servers.get(instance)
        if failure is None or failure.episode != episode or server is None or server.host != host:
            return
        if self._nova.guests.hosts(instance):
            return  # it runs again
        if server.vm_state == "active" and server.task_state is None and self._nova.computes[host].running:
            self._nova.set(instance, vm_state="stopped", power_state="shutdown")
            self._nova.note_action(instance, "stop", By.NOVA)

    def host_dies(self, host):
        """Of what Nova has taken for stopped nobody can tell any more that it was not its owner who stopped it."""
        for instance, (where, _failure) in self._failed.items():
            server = self._nova.servers.get(instance)
            if where == host and server is not None and server.vm_state == "stopped":
                self._nova.guests.wanted[instance] = None

    def want(self, wanted):
        self._wanted = wanted

    def newest(self):
        told = {}
        for instance, (host, failure) in list(self._failed.items()):
            if self._nova.guests.hosts(instance) or instance not in self._nova.servers:
                del self._failed[instance]
            elif self._wanted and self._nova.computes[host].powered and self._cluster.has(host):
                told.setdefault(self._cluster.node(host), []).append(failure)
        return {node: written(failures, 60_000) for node, failures in told.items()}


def action(name, now, by):
    """Something that was asked for at a moment of the story."""
    return NovaAction(name, EPOCH + now, by)
