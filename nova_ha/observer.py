# SPDX-License-Identifier: Apache-2.0
"""Reads the world into snapshots: whole ones, and cheap ones that show whether a whole one is worth while."""

import dataclasses

from nova_ha import flag, hostnames
from nova_ha.snapshot import FINISHED, Host, World

# Seconds after which everything is read again, however quiet it is: an operator may have changed a service.
GLANCE_AGE = 10.0

# Seconds for which what flavors and images carry is held to be known.
POLICY_AGE = 60.0


class Observer:
    """Reads what is to be known about flagged hosts.

    :param cloud: a ``nova.Nova``
    :param domain: DNS domain of Nova's host names, or None
    :param clock: monotonic seconds
    """

    def __init__(self, cloud, domain, clock):
        self._cloud = cloud
        self._domain = domain
        self._clock = clock
        self._world = None
        self._read_at = 0.0
        self._policy = None
        self._policy_read_at = 0.0

    def look(self, flags):
        """The world as it is now.

        :param flags: ``{host: flag value}`` of the hosts to look at
        :return: a ``snapshot.World``
        :raises nova.CloudError: it cannot be read
        """
        services = self._cloud.services()
        hosts = tuple(self._host(name, value, services) for name, value in sorted(flags.items()))
        fenced = [host.service for host in hosts if host.service and flag.stands(host.flag)]
        self._world = World(hosts, frozenset(service.host for service in fenced if service.forced_down))
        self._read_at = self._clock()
        return self._world

    def glance(self, flags):
        """The last snapshot with nothing but the evacuations read anew, or None if that is not enough to go by.

        One request a host instead of one for each page of its instances. It may only be used to find that there is
        nothing to do: whoever would act on it must ``look`` first.

        :raises nova.CloudError: it cannot be read
        """
        if self._world is None or self._clock() - self._read_at > GLANCE_AGE:
            return None
        if {host.name: host.flag for host in self._world.hosts} != flags or flag.RECOVERED in flags.values():
            return None
        if not all(host.instances for host in self._world.hosts):
            return None
        return dataclasses.replace(self._world, hosts=tuple(self._with_new_records(host) for host in self._world.hosts))

    def policy(self):
        """Which instances operators selected; read anew when that is old.

        :raises nova.CloudError: it cannot be read
        """
        if self._policy is None or self._clock() - self._policy_read_at > POLICY_AGE:
            self._policy, self._policy_read_at = self._cloud.policy(), self._clock()
        return self._policy

    def _host(self, name, value, services):
        try:
            service = services.get(hostnames.resolve(name, services, self._domain))
        except hostnames.AmbiguousName as error:
            return Host(name, value, problem=str(error))
        if service is None or (flag.stands(value) and not service.forced_down):
            # The first thing to do is to force it down: nothing else need be known for that.
            return Host(name, value, service)
        evacuations = self._cloud.evacuations(service.host)
        instances = self._cloud.instances(service.host) if flag.stands(value) else ()
        return Host(name, value, service, instances, evacuations)

    def _with_new_records(self, host):
        """The host with the records as they are now, less the instances that these say have left it."""
        evacuations = self._cloud.evacuations(host.service.host)
        newest = {record.instance: record.status for record in evacuations}
        staying = tuple(instance for instance in host.instances if newest.get(instance.id) not in FINISHED)
        return dataclasses.replace(host, instances=staying, evacuations=evacuations)
