# SPDX-License-Identifier: Apache-2.0
"""What the engine reads of Nova, and what selects instances: that half of the door that changes nothing.

keystoneauth is used directly rather than through novaclient: lists are read to the end by Nova's own ``next`` links
(novaclient's need one more, empty page each), nothing is cached under ``$HOME``, and no request is ever
repeated by a layer below (``session``). What failures mean stands in ``errors``, what Nova's JSON means in ``parsers``.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, TypeVar

import requests

from nova_ha.cloud import parsers, records
from nova_ha.cloud.errors import CloudError, Misconfigured, Refused, Unreachable
from nova_ha.cloud.session import Access
from nova_ha.model import evacuable_tag, restore_tags
from nova_ha.model.snapshot import OVER, Instance, Migration, Request, Requests, Service, Services

_Version = tuple[int, ...]
_T = TypeVar("_T")

# 2.59 pages os-migrations (and 2.53 names services by UUID); from 2.95 on Nova leaves evacuated instances stopped.
OLDEST_MICROVERSION = (2, 59)
NEWEST_MICROVERSION = (2, 94)
# Reading instances changes nothing: from 2.98 on, Nova tells what their images ask for.
_INSTANCES_MICROVERSION = (2, 98)

# The newest that tells of hypervisors without asking each of them on the message bus for its uptime.
_HYPERVISORS_MICROVERSION = (2, 87)

# Actions on an instance that are read: an evacuation that is still going on is among the newest.
_ACTIONS = 20

# Instances of which it is kept which of their requests are over.
_MOST_KEPT = 10_000

# Kinds of records of a move that its owner confirms or reverts.
_RESIZES = frozenset({"resize", "migration"})

_SERVICES = "/os-services"

# What the record of a live migration says when it is over.
_LIVE_MIGRATION_OVER = frozenset({"completed", "error", "failed", "cancelled", "reverted", "done"})
# One that began so long ago, or has not changed for so long, is not going on, whatever its record says: Nova notes its
# progress every few seconds.
_LONGEST_LIVE_MIGRATION = datetime.timedelta(days=7)
_SILENT_LIVE_MIGRATION = datetime.timedelta(days=1)


class NovaReader:
    """What is read of the cloud, and nothing that changes it; safe to share between threads.

    Every method raises ``CloudError``.

    :param access: how requests get to the cloud
    :param clock: monotonic seconds
    """

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self._access = access
        self._clock = clock
        # Of hosts whose evacuations' records fill more than a page.
        self._kept: dict[str, records.Records] = {}
        self._version: _Version = ()  # the microversion; none, which is Nova's oldest, until connected
        self._reading: _Version = ()  # the one in which instances are read
        # Instance id -> its evacuate requests that are over, by their ids.
        self._over: dict[str, dict[str, Request]] = {}
        # Placement's id of a provider -> Nova's name of it, None if it is no host.
        self._providers: dict[str, str | None] = {}

    def connect(self) -> Services:
        """Authenticate, find Nova, and agree on a microversion.

        :return: what ``services`` does
        :raises Misconfigured: also if Nova is too old
        :raises Unreachable: it is away; try again
        """
        try:
            newest = self._get("compute", "/", "version")["version"]
        except Refused as error:
            raise Misconfigured(f"Nova is not where Keystone says: {error}") from error
        version = tuple(int(part) for part in newest.split(".")) if newest else (2, 1)
        if version < OLDEST_MICROVERSION:
            raise Misconfigured(f"Nova speaks microversions up to {newest or 2.1}; 2.59 is needed")
        self._version, self._reading = min(version, NEWEST_MICROVERSION), min(version, _INSTANCES_MICROVERSION)
        try:
            return self.services()
        except Refused as error:
            if error.status != 403:
                raise
            raise Misconfigured(f"the user must have the role that administers Nova (admin): {error}") from error

    def services(self) -> Services:
        """All nova-compute services: a cell whose database is away holds up no other.

        Of two of one host, the one that reports. The conductors' reports come with them, in the same answer.
        """
        bodies = self._get("compute", _SERVICES, "services")
        computes = [body for body in bodies if _member(body, "binary", _SERVICES) == "nova-compute"]
        found = Services(unread=[_member(body, "host", _SERVICES) for body in computes if parsers.is_unread(body)])
        for service in (parsers.service(body) for body in computes if not parsers.is_unread(body)):
            twin = found.get(service.host)
            found[service.host] = service if twin is None else _later(twin, service)
        for body in bodies:
            # One host may have several, as a cell's own and the one above the cells, and those of former cells: an
            # event does not tell which of them had it.
            if body["binary"] == "nova-conductor" and not parsers.is_unread(body):
                host, report = _member(body, "host", _SERVICES), _member(body, "updated_at", _SERVICES) or ""
                found.conductors[host] = max(found.conductors.get(host, ""), report)
        return found

    def aggregates(self) -> dict[str, frozenset[str]]:
        """Nova's names of the hosts of each host aggregate, by its name."""
        found = self._get("compute", "/os-aggregates", "aggregates")
        return {aggregate["name"]: frozenset(aggregate["hosts"]) for aggregate in found}

    def instances(self, host: str) -> tuple[Instance, ...]:
        """Every instance that Nova has on a host, of all projects."""
        return self._believed(host, self._instances({"host": host}))

    def instance(self, id: str) -> Instance | None:
        """One instance, or None if Nova has none of that id (any more)."""
        try:
            return parsers.instance(self._get("compute", f"/servers/{id}", "server", self._reading))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def restoring(self) -> tuple[Instance, ...]:
        """Every instance, of all projects, that carries one of the tags of ``restore_tags``."""
        return self._instances({"tags-any": ",".join([*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()])})

    def in_error(self) -> tuple[Instance, ...]:
        """Every instance, of all projects, that is in error."""
        return self._instances({"status": "ERROR"})

    def migrations(self, host: str) -> tuple[Migration, ...]:
        """The records of all evacuations away from a host or to it, oldest first."""
        kept = self._kept.get(host)
        if kept is not None and kept.are_mostly_old and self._clock() - kept.read_at < records.REFRESH:
            found = self._changed_records(host, kept)
            if found is not None:
                self._kept[host] = found
                return found.oldest_first()
        pages = list(self._pages("compute", "/os-migrations", "migrations", _evacuations(host)))
        found = records.Records(itertools.chain.from_iterable(pages), self._clock())
        self._keep(host, found if len(pages) > 1 else None)
        return self._believed(host, found.oldest_first())

    def evacuation_requests(self, instance: str) -> Requests:
        """What Nova's newest records say of the evacuate requests for an instance id."""
        path = f"/servers/{instance}/os-instance-actions"
        actions = self._get("compute", f"{path}?limit={_ACTIONS}", "instanceActions")
        asked = [action["request_id"] for action in actions if action["action"] == "evacuate"]
        resets = [
            action["start_time"]
            for action in actions
            if action["action"] == "resetState" and self._is_anothers(action["user_id"])
        ]
        over = self._over.get(instance, {})
        found = tuple(
            over.get(id) or parsers.request(self._get("compute", f"{path}/{id}", "instanceAction"))
            for id in reversed(asked)
        )
        # What is over stays so: of an instance that finds no room, that is all but the newest.
        self._over[instance] = {each.id: each for each in found if each.stage == OVER}
        for other in list(self._over)[:-_MOST_KEPT]:
            self._over.pop(other, None)
        return Requests(found, reset=max(resets, default=None))

    def _is_anothers(self, user: str | None) -> bool:
        """Whether somebody else is that user. Who does not know who he is himself takes nobody for another."""
        return self._access.user_id() not in (None, user)

    def claims(self, instance: str) -> frozenset[str]:
        """Nova's names of the hosts that have something claimed for an instance id in Placement: its own, too."""
        providers = self._get("placement", f"/allocations/{instance}", "allocations")
        return frozenset(host for host in map(self._provider_host, providers) if host is not None)

    def _provider_host(self, provider: str) -> str | None:
        """Nova's name of a provider, None of one that is no host: networks and devices have claims of their own."""
        if provider not in self._providers:
            try:
                version = min(self._version, _HYPERVISORS_MICROVERSION)
                hypervisor = self._get("compute", f"/os-hypervisors/{provider}", "hypervisor", version)
            except Refused as error:
                if error.status != 404:
                    raise
                hypervisor = {"service": {"host": None}}
            self._providers[provider] = hypervisor["service"]["host"]
        return self._providers[provider]

    def live_migrations(self, host: str) -> tuple[Migration, ...]:
        """The records of live migrations away from a host or to it that are not over, oldest first."""
        # Not by Nova's filter changes-since: that leaves out records that have not changed since they were made.
        found = self._list(
            "compute",
            "/os-migrations",
            "migrations",
            {"migration_type": "live-migration", "host": host, "limit": "100"},
        )
        begun, changed = _time_ago(_LONGEST_LIVE_MIGRATION), _time_ago(_SILENT_LIVE_MIGRATION)
        newest_first = itertools.takewhile(lambda record: record["created_at"] >= begun, found)
        going_on = (
            parsers.migration(record)
            for record in newest_first
            if record["status"] not in _LIVE_MIGRATION_OVER
            and (record["updated_at"] or record["created_at"]) >= changed
        )
        return _oldest_first(going_on)

    def resizes(self, host: str) -> tuple[Migration, ...]:
        """The records of resizes and cold migrations to a host that wait to be confirmed, oldest first."""
        found = self._list("compute", "/os-migrations", "migrations", {"host": host, "status": "finished"})
        ended = (record for record in found if record["migration_type"] in _RESIZES)
        return tuple(record for record in _oldest_first(map(parsers.migration, ended)) if record.destination == host)

    def hypervisor_type(self, host: str, node: str) -> str | None:
        """What a host's nova-compute drives, as ``QEMU`` or ``ironic``; None if Nova does not know.

        :param node: name of a hypervisor of the host, by which Nova finds it
        """
        url = f"/os-hypervisors/detail?hypervisor_hostname_pattern={quoted(node)}"
        version = min(self._version, _HYPERVISORS_MICROVERSION)
        try:
            found = self._get("compute", url, "hypervisors", version)
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
        flavors = self._list("compute", "/flavors/detail", "flavors", {"is_public": "None"})
        tagged = any(evacuable_tag.is_tagged(flavor.get("extra_specs", {}), tag) for flavor in flavors)
        try:
            return evacuable_tag.Selection(tagged, self._marked_images(tag))
        except CloudError as error:
            return evacuable_tag.Selection(tagged, None, str(error))

    # How

    def _instances(self, filters: Mapping[str, str]) -> tuple[Instance, ...]:
        query = {"all_tenants": "True", **filters}
        return tuple(map(parsers.instance, self._list("compute", "/servers/detail", "servers", query, self._reading)))

    def _changed_records(self, host: str, kept: records.Records) -> records.Records | None:
        """What is known of a host's evacuations, brought up to date; None if it is not certain that all is known."""
        which = _evacuations(host)
        newest_first = self._list("compute", "/os-migrations", "migrations", {**which, "limit": "100"})
        limit = kept.old_before
        new = list(itertools.takewhile(lambda record: record["created_at"] >= limit, newest_first))
        if not new:
            return None  # those that were known are gone, or Nova does not reach the host's cell
        since = f"{kept.changed_before}Z"
        changed = self._list("compute", "/os-migrations", "migrations", {**which, "changes-since": since})
        return kept.with_changes([*new, *changed])

    def _keep(self, host: str, found: records.Records | None) -> None:
        """Keep a host's records, if that is worth while, and no other's that have not been asked for for long."""
        for other, kept in list(self._kept.items()):
            if other == host or self._clock() - kept.read_at > 2 * records.REFRESH:
                self._kept.pop(other, None)
        if found is not None:
            self._kept[host] = found

    def _marked_images(self, tag: str) -> frozenset[str]:
        """The ids of the images that carry a tag, or a property of that name that is ``true``; also of hidden ones."""
        found: set[str] = set()
        # Glance leaves out the images that operators hide, as they do with old ones, unless it is asked for those.
        seen: tuple[Mapping[str, str], ...] = ({}, {"os_hidden": "true"})
        for chosen, hidden in itertools.product(({tag: "true"}, {"tag": tag}), seen):
            images = self._list("image", "/v2/images", "images", {**chosen, **hidden})
            found.update(image["id"] for image in images)
        return frozenset(found)

    def _believed(self, host: str, found: tuple[_T, ...]) -> tuple[_T, ...]:
        """What a list says of a host, once it is sure that it comes from the host's cell.

        Nova's lists leave out, without a word, the cells whose database does not answer. Nothing of a host is
        believed only if Nova can read the host's service.
        """
        if not found:
            services = self._get("compute", f"/os-services?binary=nova-compute&host={quoted(host)}", "services")
            if not [parsers.service(service) for service in services]:
                raise Unreachable(f"Nova can read nothing of host {host}: its cell does not answer, or it was removed")
        return found

    def _list(
        self, service: str, path: str, key: str, query: Mapping[str, str], version: _Version = ()
    ) -> Iterator[Mapping[str, Any]]:
        """The members of a list, read page after page as they are asked for."""
        return itertools.chain.from_iterable(self._pages(service, path, key, query, version))

    def _pages(
        self, service: str, path: str, key: str, query: Mapping[str, str], version: _Version = ()
    ) -> Iterator[list[Mapping[str, Any]]]:
        """Yield the pages of a list, each as a list of its members."""
        url: str | None = path + "?" + "&".join(f"{name}={quoted(value)}" for name, value in query.items())
        while url:
            page = self._get(service, url, version=version)
            yield _member(page, key, url)
            url = _next_page(page, key, path)

    def _get(self, service: str, url: str, key: str | None = None, version: _Version = ()) -> Any:
        done = self._request(service, "GET", url, version=version)
        try:
            body = done.json()
        except ValueError as error:
            raise Unreachable(f"{url}: what answered is not OpenStack: {done.text[:60]!r}") from error
        return body if key is None else _member(body, key, url)

    def _request(
        self,
        service: str,
        method: str,
        url: str,
        body: Mapping[str, object] | None = None,
        version: _Version = (),
    ) -> requests.Response:
        version = version or self._version
        microversion = "{}.{}".format(*version) if service == "compute" and version else None
        return self._access.request(service, method, url, body, microversion)


def _later(*twins: Service) -> Service:
    """Of two services of one host, the one that has reported later, with the other's id."""
    former, latter = sorted(twins, key=lambda service: (service.last_report or "", service.id))
    return dataclasses.replace(latter, twin=former.id)


def _evacuations(host: str) -> dict[str, str]:
    """What selects the records of the evacuations away from a host or to it."""
    return {"migration_type": "evacuation", "host": host}


def _oldest_first(records: Iterable[Migration]) -> tuple[Migration, ...]:
    return tuple(sorted(records, key=lambda record: record.id))


def _time_ago(age: datetime.timedelta) -> str:
    """That time as Nova writes it (UTC), to be compared with its texts."""
    return f"{datetime.datetime.now(datetime.timezone.utc) - age:%Y-%m-%dT%H:%M:%S}"


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _member(body: Any, key: str, url: str) -> Any:
    try:
        return body[key]
    except (KeyError, TypeError) as error:
        raise Unreachable(f"{url}: what answered is not OpenStack: no {key} in {str(body)[:60]!r}") from error


def _next_page(page: Mapping[str, Any], key: str, path: str) -> str | None:
    """The next page's address relative to the endpoint, or None.

    Nova and Glance link to their own idea of their address, which may not be the catalog's: only the query is kept.
    """
    link = next((link["href"] for link in page.get(f"{key}_links", ()) if link["rel"] == "next"), page.get("next"))
    return f"{path}?{link.partition('?')[2]}" if link else None
