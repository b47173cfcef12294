# SPDX-License-Identifier: Apache-2.0
"""How requests get to the cloud's services: with a token, to the address in Keystone's catalog, each at most once.

keystoneauth keeps token and catalog for as long as the token lives. Here they are dropped when they prove wrong: when
the token was revoked, or a service is not at its address any more, or not in the catalog. And threads that all need a
new token do not wait one after the other for a Keystone that does not answer.

Only a request that was answered with 401, and so was not carried out, is sent again. A repeated evacuate runs twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Callable

import requests
from keystoneauth1 import exceptions as keystone
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from nova_ha.cloud import errors

# Seconds between two catalogs asked for because a service was not found where the last one says.
NEXT_CATALOG = 10.0

# Seconds that it may take to connect to one address of a service: a name may have several that do not answer.
CONNECT_TIMEOUT = 10.0

# Connections that are kept to one address: one for each thread that may send at once, workers (64 at most) and readers.
CONNECTIONS = 72


def connections(before_request: Callable[[], object]) -> requests.Session:
    """Connections for a keystoneauth1 session: a request shows as progress, and does not take for ever to connect.

    :param before_request: called before each request that is sent, be it to Keystone
    """

    class Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # keystoneauth1 has no types
        def send(self, request: requests.PreparedRequest, *, timeout: float, **more: object) -> requests.Response:
            before_request()
            return super().send(request, timeout=(min(CONNECT_TIMEOUT, timeout), timeout), **more)

    made = requests.Session()
    for scheme in ("http://", "https://"):
        made.mount(scheme, Adapter(pool_maxsize=CONNECTIONS))
    return made


class Access:
    """Sends requests with the credentials of a session; safe to share between threads.

    :param session: it carries the credentials and the time limit of a request
    :param interface: which endpoints of the catalog to use, in order of preference
    :param region: the region's name, None for the only one
    :param who: whose credentials they are, for messages
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        session: Session,
        interface: Sequence[str],
        region: str | None = None,
        who: str = "the configured user",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._who = who
        self._interface = interface
        self._region = region
        self._clock = clock
        self._lock = threading.Lock()
        self._lost: set[str] = set()  # services that were not found where the catalog says
        self._next_catalog = 0.0  # when the catalog may be dropped again for that
        self._failure: tuple[float, errors.CloudError] | None = None  # when Keystone failed us last, and how
        self._headers: Mapping[str, str] | None = None  # those that carry the token

    def request(
        self,
        service: str,
        method: str,
        path: str,
        json: Mapping[str, object] | None = None,
        microversion: str | None = None,
    ) -> requests.Response:
        """Send one request.

        :param service: type of the service, ``compute``, ``image``
        :param path: path and query, below the service's address
        :param json: the request's body
        :return: an answer that says that it was done
        :raises answers.CloudError: any of them
        """
        more: dict[str, object] = {"json": json}
        if microversion is not None:
            more.update(microversion=microversion, microversion_service_type=service)
        headers, address = self._admission(service)
        try:
            try:
                done = self._send(address + path, method, headers, more)
            except keystone.Unauthorized:
                headers, address = self._admission(service, refused=headers)
                done = self._send(address + path, method, headers, more)
        except keystone.ClientException as error:
            failure = errors.failure(error)
            if isinstance(error, keystone.ConnectionError) and not getattr(failure, "sent", True):
                self._lost.add(service)
            raise failure from error
        self._lost.discard(service)
        return done

    def user_id(self) -> str | None:
        """Keystone's id of the user whose credentials the session carries; None if these are of no user.

        :raises answers.CloudError: Keystone does not answer
        """
        try:
            user: str | None = self._session.get_user_id()
            return user
        except keystone.ClientException as error:
            raise self._of_keystone(error) from error

    def regions(self, service: str) -> frozenset[str]:
        """The regions in which Keystone's catalog has a service.

        :raises answers.CloudError: Keystone does not answer
        """
        try:
            return frozenset(each["region"] for each in self._endpoints(service) if each["region"])
        except keystone.ClientException as error:
            raise self._of_keystone(error) from error

    def _send(self, url: str, method: str, headers: Mapping[str, str], more: Mapping[str, object]) -> requests.Response:
        done = self._session.request(
            url, method, headers=dict(headers), authenticated=False, connect_retries=0, status_code_retries=0, **more
        )
        if done.status_code >= 300:
            raise errors.Unreachable(f"{url}: what answered leads in circles (HTTP {done.status_code})")
        return done

    def _admission(self, service: str, refused: Mapping[str, str] | None = None) -> tuple[Mapping[str, str], str]:
        """Headers that carry a valid token, and the address of a service.

        :param refused: such headers that a service did not accept
        """
        since = self._clock()
        with self._lock:
            if self._failure is not None and self._failure[0] > since:
                raise self._failure[1]  # while we waited for the lock; there is no use in waiting for as long again
            if refused is not None and refused == self._headers:  # else another thread has replaced them already
                self._session.invalidate()
            self._drop_wrong_catalog(service)
            try:
                return self._ask_keystone(service)
            except keystone.EndpointNotFound as error:
                self._lost.add(service)
                raise errors.NotOffered(self._not_offered(service)) from error
            except keystone.ClientException as error:
                failure = self._of_keystone(error)
                self._failure = (self._clock(), failure)
                raise failure from error

    def _ask_keystone(self, service: str) -> tuple[Mapping[str, str], str]:
        """keystoneauth asks Keystone only when it has no token, or one that is about to expire."""
        try:
            self._headers = self._session.get_auth_headers()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # keystoneauth takes for granted that whatever answers 200 is Keystone.
            what = f"{self._address}: what answered is not OpenStack's Keystone"
            raise errors.WrongAddress(what, sent=False) from error
        address = self._session.get_endpoint(service_type=service, interface=self._interface, region_name=self._region)
        if self._headers is None or address is None:
            raise keystone.EndpointNotFound(f"these credentials give no access to {service}")
        return self._headers, address.rstrip("/")

    def _drop_wrong_catalog(self, service: str) -> None:
        now = self._clock()
        if service in self._lost and now >= self._next_catalog:
            self._next_catalog = now + NEXT_CATALOG
            self._lost.clear()
            self._session.invalidate()

    @property
    def _address(self) -> str:
        address: str = getattr(self._session.auth, "auth_url", "Keystone")
        return address

    def _not_offered(self, service: str) -> str:
        """In words, that the catalog does not have what was asked for of a service, and what it has."""
        wanted = f"{' or '.join(self._interface)} endpoint of the {service} service"
        where = f" in region {self._region}" if self._region else ""
        known = sorted({f"{endpoint['interface']} in {endpoint['region']}" for endpoint in self._endpoints(service)})
        return f"Keystone's catalog has no {wanted}{where} for {self._who}, but {', '.join(known) or 'none at all'}"

    def _endpoints(self, service: str) -> list[Mapping[str, str]]:
        """All that the catalog has of a service."""
        catalog = self._session.auth.get_access(self._session).service_catalog.get_endpoints(service_type=service)
        return [endpoint for endpoints in catalog.values() for endpoint in endpoints]

    def _of_keystone(self, error: keystone.ClientException) -> errors.CloudError:
        """What a failure to get a token amounts to; what was to be asked with the token was not sent."""
        failure = errors.failure(error)
        if isinstance(failure, errors.Unreachable):
            failure.sent = False
        elif isinstance(error, keystone.Unauthorized):
            return errors.CredentialsRefused(f"{failure}; they are of {self._who}")
        elif isinstance(failure, errors.Refused):
            return errors.Misconfigured(f"{self._address} refuses a token to {self._who}: {failure}")
        elif isinstance(error, keystone.DiscoveryFailure):
            return errors.Misconfigured(f"{self._address}: {failure}")
        return failure
