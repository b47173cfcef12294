# SPDX-License-Identifier: Apache-2.0
"""Nova's API by python-novaclient's managers, each request through ``session.Access``: at most once.

The managers know Nova's paths and bodies, and what a microversion changes in them. What they stand on in novaclient is
replaced here:

- its client: it goes past ``Access`` to token and catalog, and its errors do not hold the answer, of which ``errors``
  reads more than a status;
- its resources: some ask Nova again, unasked, for a field that an answer lacks, and they cost 106 ms of CPU for a page
  of 1,000 servers (``to_dict``), where this takes 23. An answer is kept as Nova sent it;
- its way to the end of a list, which is to read pages until one is empty: one request more for each list, which would
  be 8 more than the 43 of a recovery of 20 instances (docs/benchmarks.md). Nova's links to the next page, which it
  drops, lead there (``ComputeApi.pages``);
- its completion cache, files under ``$HOME`` that each list writes anew.

What no manager does as we need it stays on the session: the version of Nova (novaclient asks up to two times, and takes
401 for an answer), and a service that is forced down and disabled at once (``nova.Nova.force_down``).
"""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import requests
from novaclient.api_versions import APIVersion
from novaclient.base import Manager

from nova_ha.cloud.decoding import Answer
from nova_ha.cloud.errors import Misconfigured, Refused, TooOld, Unreachable
from nova_ha.cloud.session import Access

_Version = tuple[int, ...]
_Manager = TypeVar("_Manager", bound=Manager)

# 2.59 pages os-migrations (and 2.53 names services by UUID); from 2.95 on Nova leaves evacuated instances stopped.
OLDEST_MICROVERSION = (2, 59)
NEWEST_MICROVERSION = (2, 94)
# Reading instances changes nothing: from 2.98 on, Nova tells what their images ask for.
INSTANCES_MICROVERSION = (2, 98)
# The newest that tells of hypervisors without asking each of them on the message bus for its uptime.
HYPERVISORS_MICROVERSION = (2, 87)


class Body(dict[str, Any]):
    """What Nova says of one thing: what a manager makes of it in the place of a ``Resource``."""

    def __init__(self, manager: Manager, info: object, loaded: bool = False, resp: requests.Response | None = None):
        if not isinstance(info, dict):
            raise Unreachable(f"what answered is not OpenStack: {str(info)[:60]!r}")
        super().__init__(info)


class Exchange:
    """What one manager has beneath it, in the place of novaclient's client, for one call; not for several threads.

    :ivar next_marker: where the list goes on of which a page was read last, None if that was its last
    """

    def __init__(self, access: Access, version: _Version) -> None:
        self._access = access
        self._microversion = _text(version)
        self.api_version = _api_version(self._microversion)
        self.client = self
        self.next_marker: str | None = None

    def get(self, url: str) -> tuple[requests.Response, Answer]:
        """Read."""
        response = self._access.request("compute", "GET", url, None, self._microversion)
        answer = Answer(response, url)
        if not all(map(_is_whole, answer.values())):
            # A manager leaves out, without a word, what is empty.
            raise Unreachable(f"{url}: what answered is not Nova: {str(dict(answer))[:60]!r}")
        self.next_marker = _marker(answer, url)
        return response, answer

    def post(self, url: str, body: Mapping[str, object]) -> tuple[requests.Response, None]:
        """Ask for an action."""
        return self._change("POST", url, body)

    def put(self, url: str, body: Mapping[str, object] | None) -> tuple[requests.Response, None]:
        """Ask for a change."""
        return self._change("PUT", url, body)

    def delete(self, url: str) -> tuple[requests.Response, None]:
        """Ask for a deletion."""
        return self._change("DELETE", url)

    def _change(
        self, method: str, url: str, body: Mapping[str, object] | None = None
    ) -> tuple[requests.Response, None]:
        """What Nova tells of what it did is not looked at: that it has taken the request is all that it says."""
        response = self._access.request("compute", method, url, body, self._microversion)
        if request_id(response) is None:
            status = response.status_code
            raise Unreachable(f"{url}: what answered is not Nova (HTTP {status} without a request id)")
        return response, None


class ComputeApi:
    """The managers, in the microversions that Nova and we speak; safe to share between threads."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._offered: _Version = ()  # Nova's newest; none, which means its oldest, until that is known

    def agree(self) -> None:
        """Find Nova, and learn which microversions it speaks.

        :raises Misconfigured: it is too old, or not where the catalog says
        """
        try:
            answer = Answer(self._access.request("compute", "GET", "/"), "/")
        except Refused as error:
            raise Misconfigured(f"Nova is not where Keystone says: {error}") from error
        newest = answer["version"]["version"]
        offered = tuple(int(part) for part in newest.split(".")) if newest else (2, 1)
        if offered < OLDEST_MICROVERSION:
            raise TooOld(f"Nova speaks microversions up to {newest or 2.1}; 2.59 is needed")
        self._offered = offered

    def of(self, kind: type[_Manager], at_most: _Version = NEWEST_MICROVERSION) -> _Manager:
        """A manager, for one call.

        :param at_most: the newest microversion that it may speak
        """
        return _manager(kind, self._exchange(at_most))

    def pages(
        self,
        kind: type[_Manager],
        read: Callable[[_Manager, str | None], list[dict[str, Any]]],
        at_most: _Version = NEWEST_MICROVERSION,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a list, each as a list of its members, as they are asked for.

        :param read: called with a manager and the marker of a page, None for the first; reads that page
        """
        exchange = self._exchange(at_most)
        manager = _manager(kind, exchange)
        yield read(manager, None)
        while exchange.next_marker is not None:
            yield read(manager, exchange.next_marker)

    def put(self, url: str, body: Mapping[str, object]) -> str:
        """Ask for a change that no manager asks for; returns Nova's id of the request."""
        response, _ = self._exchange(NEWEST_MICROVERSION).put(url, body)
        return request_id(response) or ""

    def _exchange(self, at_most: _Version) -> Exchange:
        return Exchange(self._access, min(self._offered, at_most))


def request_id(response: requests.Response) -> str | None:
    """Nova's id of the request that it answers, None if it was not Nova that did."""
    found: str | None = response.headers.get("x-openstack-request-id") or response.headers.get("x-compute-request-id")
    return found


def _manager(kind: type[_Manager], exchange: Exchange) -> _Manager:
    manager = kind(exchange)
    manager.resource_class = Body
    manager.completion_cache = _no_cache
    return manager


@contextlib.contextmanager
def _no_cache(*_args: object, **_more: object) -> Iterator[None]:
    yield


def _marker(answer: Answer, url: str) -> str | None:
    """Of the page that follows, by the link to it; all else in that is what was asked for already."""
    query = answer.next_query()
    if query is None:
        return None
    marker = urllib.parse.parse_qs(query).get("marker")
    if not marker:
        raise Unreachable(f"{url}: what answered is not Nova: its next page has no marker ({query[:60]!r})")
    return marker[0]


def _is_whole(member: object) -> bool:
    return member is not None and (not isinstance(member, list) or all(member))


def _text(version: _Version) -> str | None:
    return "{}.{}".format(*version) if version else None


@functools.lru_cache(maxsize=8)
def _api_version(version: str | None) -> APIVersion:
    return APIVersion(version)
