# SPDX-License-Identifier: Apache-2.0
"""What is read of the cloud by who looks at all of it: ``nova-ha check`` and ``nova-ha plan --all``. Changes nothing.

Each is a question or a few, however many hosts there are.
"""

from __future__ import annotations

import email.utils
import itertools
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from novaclient.v2.hypervisors import HypervisorManager
from novaclient.v2.servers import ServerManager

from nova_ha.cloud import demands
from nova_ha.cloud.compute_api import HYPERVISORS_MICROVERSION, INSTANCES_MICROVERSION
from nova_ha.cloud.decoding import Answer
from nova_ha.cloud.demands import Sized
from nova_ha.cloud.errors import Refused, Unreachable
from nova_ha.cloud.reader import NovaReader
from nova_ha.model import room
from nova_ha.model.room import HostRoom, Room

# Placement's: tells all resource classes and the traits of each host in a summary (Stein).
_PLACEMENT_MICROVERSION = "1.29"

# In this one a group has a list of policies; and how many groups Nova tells at once ([api] max_limit).
_GROUPS_MICROVERSION, _PAGE = "2.59", 1000

# Group policies that Nova keeps to, whatever becomes of the instance; the soft ones it does not.
_STRICT = ("affinity", "anti-affinity")

# Who has no room for the smallest instance is left out of the answer.
_SMALLEST = {room.VCPU: 1, room.MEMORY: 1}

_DISABLED = "COMPUTE_STATUS_DISABLED"


_NOT_IMPLEMENTED = 501


class CloudSurvey(NovaReader):
    """The cloud, for who looks at all of it; every method raises ``CloudError``."""

    def regions(self) -> frozenset[str]:
        """Those in which the catalog has Nova."""
        return self._access.regions("compute")

    def clock_offset(self, clock: Callable[[], float]) -> float | None:
        """Seconds that Nova's clock is ahead of ours, to about a second; None if it does not say.

        :param clock: seconds since the epoch
        """
        before = clock()
        response = self._access.request("compute", "GET", "/")
        after = clock()
        try:
            date = email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
        except (TypeError, ValueError):
            return None
        # It is told in whole seconds, cut off.
        return date.timestamp() + 0.5 - (before + after) / 2

    def has_instances(self, project: str) -> bool:
        """Whether any instance is of a project, given by its id."""
        wanted = {"all_tenants": "True", "project_id": project}
        found = self._api.of(ServerManager).list(detailed=False, search_opts=wanted, limit=1)
        return bool(found)

    def everything(self) -> list[Sized]:
        """Every instance that is on a host, of all projects, with what it needs of one: a page for each thousand."""
        wanted = {"all_tenants": "True"}
        pages = self._api.pages(
            ServerManager,
            lambda manager, marker: manager.list(search_opts=wanted, marker=marker),
            INSTANCES_MICROVERSION,
        )
        found = map(demands.sized, itertools.chain.from_iterable(pages))
        return [each for each in found if each.instance.host is not None]

    def grouped(self) -> dict[str, str]:
        """The ids of all instances in a server group whose policy Nova keeps to, each with that."""
        found: dict[str, str] = {}
        offset = 0
        while True:
            url = f"/os-server-groups?all_projects=True&limit={_PAGE}&offset={offset}"
            answer = self._access.request("compute", "GET", url, None, _GROUPS_MICROVERSION)
            groups = Answer(answer, url)["server_groups"]
            for group in groups:
                strict = [policy for policy in group["policies"] if policy in _STRICT]
                found.update(dict.fromkeys(group["members"], strict[0]) if strict else {})
            offset += len(groups)
            if len(groups) < _PAGE:
                return found

    def reaches(self, host: str) -> None:
        """Have Nova ask a host's nova-compute for something, over the message bus.

        :param host: Nova's name of it
        :raises Refused: it could not
        """
        pages = self._api.pages(
            HypervisorManager, lambda manager, marker: manager.list(marker=marker), HYPERVISORS_MICROVERSION
        )
        ids = (str(each["id"]) for each in itertools.chain.from_iterable(pages) if each["service"]["host"] == host)
        id = next(ids, None)
        if id is None:
            raise Refused(f"Nova has no hypervisor of {host}", 404)
        try:
            self._api.of(HypervisorManager, HYPERVISORS_MICROVERSION).uptime(id)
        except Refused as error:
            # nova-compute has answered, that its driver does not tell.
            if error.status != _NOT_IMPLEMENTED:
                raise

    def room(self) -> Room:
        """What each host's instances use, by Nova, and what is free, by Placement."""
        pages = self._api.pages(
            HypervisorManager, lambda manager, marker: manager.list(marker=marker), HYPERVISORS_MICROVERSION
        )
        hypervisors = list(itertools.chain.from_iterable(pages))
        wanted = {"resources": ",".join(f"{kind}:{number}" for kind, number in _SMALLEST.items())}
        url = f"/allocation_candidates?{urllib.parse.urlencode({**wanted, 'required': '!' + _DISABLED})}"
        answer = self._access.request("placement", "GET", url, None, _PLACEMENT_MICROVERSION)
        return _room(hypervisors, Answer(answer, url)["provider_summaries"])


def _room(hypervisors: Iterable[Mapping[str, Any]], summaries: Mapping[str, Any]) -> Room:
    """The room of the hosts that run guests."""
    found: dict[str, HostRoom] = {}
    try:
        for each in hypervisors:
            if each["hypervisor_type"] == "ironic":
                continue
            summary = summaries.get(str(each["id"]), {"resources": {}})
            free = {kind: own["capacity"] - own["used"] for kind, own in summary["resources"].items()}
            # Nova's count of memory has what is reserved for the host itself as well: Placement's is better.
            used = {
                room.VCPU: each["vcpus_used"],
                room.MEMORY: each["memory_mb_used"],
                room.DISK: each["local_gb_used"],
                **{kind: own["used"] for kind, own in summary["resources"].items()},
            }
            found[each["service"]["host"]] = HostRoom(used, free)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreachable(f"what answered is not OpenStack: no {error} of a hypervisor or its room") from error
    return Room(found)
