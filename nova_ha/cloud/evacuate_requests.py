# SPDX-License-Identifier: Apache-2.0
"""What became of evacuate requests: Nova's actions of an instance, and what is claimed for it in Placement."""

from __future__ import annotations

from novaclient.v2.hypervisors import HypervisorManager
from novaclient.v2.instance_action import InstanceActionManager

from nova_ha.cloud import parsers
from nova_ha.cloud.compute_api import HYPERVISORS_MICROVERSION, ComputeApi
from nova_ha.cloud.decoding import Answer
from nova_ha.cloud.errors import Refused
from nova_ha.cloud.session import Access
from nova_ha.model.evacuate_request import OVER, Request, Requests

# Actions on an instance that are read: an evacuation that is still going on is among the newest.
_ACTIONS = 20

# Instances of which it is kept which of their requests are over.
_MOST_KEPT = 10_000


class EvacuateRequests:
    """What is read of them; what cannot change any more is read once."""

    def __init__(self, api: ComputeApi, access: Access) -> None:
        self._api = api
        self._access = access
        # Instance id -> its evacuate requests that are over, by their ids.
        self._over: dict[str, dict[str, Request]] = {}
        # Placement's id of a provider -> Nova's name of it, None if it is no host.
        self._providers: dict[str, str | None] = {}

    def of(self, instance: str) -> Requests:
        """As ``reader.NovaReader.evacuation_requests``."""
        actions = self._api.of(InstanceActionManager).list(instance, limit=_ACTIONS)
        asked = [action["request_id"] for action in actions if action["action"] == "evacuate"]
        resets = [
            action["start_time"]
            for action in actions
            if action["action"] == "resetState" and self._is_anothers(action["user_id"])
        ]
        over = self._over.get(instance, {})
        found = tuple(
            over.get(id) or parsers.request(self._api.of(InstanceActionManager).get(instance, id))
            for id in reversed(asked)
        )
        # What is over stays so: of an instance that finds no room, that is all but the newest.
        self._over[instance] = {each.id: each for each in found if each.stage == OVER}
        for other in list(self._over)[:-_MOST_KEPT]:
            self._over.pop(other, None)
        return Requests(found, reset=max(resets, default=None))

    def claims(self, instance: str) -> frozenset[str]:
        """As ``reader.NovaReader.claims``."""
        url = f"/allocations/{instance}"
        providers = Answer(self._access.request("placement", "GET", url), url)["allocations"]
        return frozenset(host for host in map(self._provider_host, providers) if host is not None)

    def _is_anothers(self, user: str | None) -> bool:
        """Whether somebody else is that user. Who does not know who he is himself takes nobody for another."""
        return self._access.user_id() not in (None, user)

    def _provider_host(self, provider: str) -> str | None:
        """Nova's name of a provider, None of one that is no host: networks and devices have claims of their own."""
        if provider not in self._providers:
            try:
                hypervisor = self._api.of(HypervisorManager, HYPERVISORS_MICROVERSION).get(provider)
            except Refused as error:
                if error.status != 404:
                    raise
                hypervisor = {"service": {"host": None}}
            self._providers[provider] = hypervisor["service"]["host"]
        return self._providers[provider]
