# SPDX-License-Identifier: Apache-2.0
"""What the engine reads of the cloud, and what selects instances: that half of the door that changes nothing.

How Nova is asked stands in ``compute_api``, what failures mean in ``errors``, what Nova's JSON means in ``parsers``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping

from novaclient.v2.aggregates import AggregateManager
from novaclient.v2.flavors import FlavorManager
from novaclient.v2.hypervisors import HypervisorManager
from novaclient.v2.servers import ServerManager

from nova_ha.cloud import images, instance_actions, parsers, services
from nova_ha.cloud.compute_api import HYPERVISORS_MICROVERSION, INSTANCES_MICROVERSION, ComputeApi
from nova_ha.cloud.errors import CloudError, Refused, RightMissing
from nova_ha.cloud.evacuate_requests import EvacuateRequests
from nova_ha.cloud.migrations import Migrations
from nova_ha.cloud.session import Access
from nova_ha.model import evacuable_tag, restore_tags
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.nova_actions import NovaAction
from nova_ha.model.snapshot import Instance, Migration, Services


class NovaReader:
    """What is read of the cloud, and nothing that changes it; safe to share between threads.

    Every method raises ``CloudError``.

    :param access: how requests get to the cloud
    :param clock: monotonic seconds
    """

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self._access = access
        self._api = ComputeApi(access)
        self._migrations = Migrations(self._api, clock)
        self._requests = EvacuateRequests(self._api, access)

    def connect(self) -> Services:
        """Authenticate, find Nova, and agree on a microversion.

        :return: what ``services`` does
        :raises Misconfigured: also if Nova is too old
        :raises Unreachable: it is away; try again
        """
        self._api.agree()
        try:
            return self.services()
        except Refused as error:
            if error.status != 403:
                raise
            raise RightMissing(f"the user must have the role that administers Nova (admin): {error}") from error

    def services(self) -> Services:
        """All nova-compute services: a cell whose database is away holds up no other.

        Of two of one host, the one that reports. The conductors' reports come with them, in the same answer.
        """
        return services.read(self._api)

    def aggregates(self) -> dict[str, frozenset[str]]:
        """Nova's names of the hosts of each host aggregate, by its name."""
        return {each["name"]: frozenset(each["hosts"]) for each in self._api.of(AggregateManager).list()}

    def instances(self, host: str) -> tuple[Instance, ...]:
        """Every instance that Nova has on a host, of all projects.

        :raises Misconfigured: Nova answers with others' as well: it drops a filter that the user may not give
        """
        found = services.believed(self._api, host, self._instances({"host": host}))
        if others := {instance.host for instance in found} - {host}:
            raise RightMissing(
                f"asked for the instances on {host}, Nova answered with some on {min(map(str, others))}: the user must"
                " have the role that administers Nova (policy os_compute_api:servers:allow_all_filters)"
            )
        return found

    def instance(self, id: str) -> Instance | None:
        """One instance, or None if Nova has none of that id (any more)."""
        try:
            return parsers.instance(self._api.of(ServerManager, INSTANCES_MICROVERSION).get(id))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def instance_actions(self, id: str) -> tuple[NovaAction, ...]:
        """What was asked of Nova for an instance id by whomever, the newest first; the last fifty."""
        return instance_actions.of(self._api, self._access, id)

    def restoring(self) -> tuple[Instance, ...]:
        """Every instance, of all projects, that carries one of the tags of ``restore_tags``."""
        return self._instances({"tags-any": ",".join([*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()])})

    def in_error(self) -> tuple[Instance, ...]:
        """Every instance, of all projects, that is in error."""
        return self._instances({"status": "ERROR"})

    def migrations(self, host: str) -> tuple[Migration, ...]:
        """The records of all evacuations away from a host or to it, oldest first."""
        return self._migrations.evacuations(host)

    def live_migrations(self, host: str) -> tuple[Migration, ...]:
        """The records of live migrations away from a host or to it that are not over, oldest first."""
        return self._migrations.live(host)

    def resizes(self, host: str) -> tuple[Migration, ...]:
        """The records of resizes and cold migrations to a host that wait to be confirmed, oldest first."""
        return self._migrations.resizes(host)

    def evacuation_requests(self, instance: str) -> Requests:
        """What Nova's newest records say of the evacuate requests for an instance id."""
        return self._requests.of(instance)

    def claims(self, instance: str) -> frozenset[str]:
        """Nova's names of the hosts that have something claimed for an instance id in Placement: its own, too."""
        return self._requests.claims(instance)

    def hypervisor_type(self, host: str, node: str) -> str | None:
        """What a host's nova-compute drives, as ``QEMU`` or ``ironic``; None if Nova does not know.

        :param node: name of a hypervisor of the host, by which Nova finds it
        """
        try:
            found = self._api.of(HypervisorManager, HYPERVISORS_MICROVERSION).search(node, detailed=True)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return next((each["hypervisor_type"] for each in found if each["service"]["host"] == host), None)

    def selection(self, tag: str) -> evacuable_tag.Selection:
        """Which flavors and images the operators have marked: five lists, however many instances there are.

        What Glance does not tell, for whatever reason, is left open: Nova alone is enough to recover the rest.

        :param tag: extra spec of flavors, property or tag of images, by which they do
        """
        pages = self._api.pages(FlavorManager, lambda manager, marker: manager.list(is_public=None, marker=marker))
        flavors = itertools.chain.from_iterable(pages)
        tagged = any(evacuable_tag.is_tagged(flavor.get("extra_specs", {}), tag) for flavor in flavors)
        try:
            return evacuable_tag.Selection(tagged, images.marked(self._access, tag))
        except CloudError as error:
            return evacuable_tag.Selection(tagged, None, str(error))

    def _instances(self, filters: Mapping[str, str]) -> tuple[Instance, ...]:
        wanted = {"all_tenants": "True", **filters}
        pages = self._api.pages(
            ServerManager,
            lambda manager, marker: manager.list(search_opts=wanted, marker=marker),
            INSTANCES_MICROVERSION,
        )
        return tuple(map(parsers.instance, itertools.chain.from_iterable(pages)))
