# SPDX-License-Identifier: Apache-2.0
"""The one door to the cloud: Nova's services, instances and evacuations, and what selects instances.

keystoneauth's adapter is used directly rather than through novaclient: lists are read to the end by Nova's own
``next`` links (novaclient's need one more, empty page each), nothing is cached under ``$HOME``, and no
request is ever repeated by a layer below: a repeated evacuate runs twice.

Every failure is one of three: the cloud is away (``Unreachable``: wait), it refuses (``Refused``: it surely did not
happen), or we were told wrongly how to reach it (``Misconfigured``: only an operator can help).
"""

import requests
import urllib3
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as keystone

from nova_ha import policy
from nova_ha.snapshot import Instance, Migration, Service

# 2.59 pages os-migrations (and 2.53 names services by UUID); from 2.95 on Nova leaves evacuated instances stopped.
OLDEST_MICROVERSION = (2, 59)
NEWEST_MICROVERSION = (2, 94)

# What a proxy answers when it does not know what became of the request behind it, or Nova when it broke midway.
_UNCLEAR_STATUSES = frozenset({500, 502, 504})


class CloudError(Exception):
    """The cloud did not do what was asked; the text says why, without secrets."""


class Unreachable(CloudError):
    """No usable answer.

    :ivar sent: whether the request may have reached Nova, so that it may still be carried out
    """

    def __init__(self, text, sent=True):
        super().__init__(text)
        self.sent = sent


class Refused(CloudError):
    """An answer that says no: the request has had no effect.

    :ivar status: the HTTP status
    """

    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


class Misconfigured(CloudError):
    """Credentials, address or region are wrong."""


class Nova:
    """What the engine reads from and writes to the cloud; safe to share between threads.

    :param session: a keystoneauth1 session that carries the credentials and the time limit of a request
    :param interface: which endpoints of the catalog to use, in order of preference
    :param region: the region's name, None for the only one
    :param before_request: called before each request of a list, so that a long list shows as progress
    """

    def __init__(self, session, interface, region=None, before_request=lambda: None):
        common = {"interface": interface, "region_name": region, "connect_retries": 0, "status_code_retries": 0}
        self._compute = adapter.Adapter(session, service_type="compute", **common)
        self._image = adapter.Adapter(session, service_type="image", **common)
        self._before_request = before_request

    def connect(self):
        """Authenticate, find Nova, and agree on a microversion.

        :raises CloudError: any of the three
        """
        try:
            newest = self._get(self._compute, "/")["version"]["version"]
        except Refused as error:
            raise Misconfigured(f"Nova is not where Keystone says: {error}") from error
        version = tuple(int(part) for part in newest.split(".")) if newest else (2, 1)
        if version < OLDEST_MICROVERSION:
            raise Misconfigured(f"Nova speaks microversions up to {newest or 2.1}; 2.59 is needed")
        version = min(version, NEWEST_MICROVERSION)
        self._compute.default_microversion = f"{version[0]}.{version[1]}"

    def services(self):
        """All nova-compute services, as ``{Nova's host name: Service}``.

        :raises CloudError: any of the three
        """
        found = self._get(self._compute, "/os-services?binary=nova-compute")["services"]
        return {
            service["host"]: Service(
                id=service["id"],
                host=service["host"],
                up=service["state"] == "up",
                enabled=service["status"] == "enabled",
                forced_down=service["forced_down"],
                disabled_reason=service.get("disabled_reason"),
                last_report=service.get("updated_at"),
            )
            for service in found
        }

    def instances(self, host):
        """Every instance that Nova has on a host, of all projects.

        :raises CloudError: any of the three
        """
        return tuple(
            Instance(
                id=server["id"],
                name=server["name"],
                host=server["OS-EXT-SRV-ATTR:host"],
                vm_state=server["OS-EXT-STS:vm_state"],
                task_state=server["OS-EXT-STS:task_state"],
                image=(server.get("image") or {}).get("id"),
                extra_specs=server["flavor"].get("extra_specs", {}),
            )
            for server in self._list(self._compute, "/servers/detail", "servers", all_tenants="True", host=host)
        )

    def evacuations(self, host):
        """The records of all evacuations away from a host, oldest first.

        :raises CloudError: any of the three
        """
        found = self._list(
            self._compute, "/os-migrations", "migrations", migration_type="evacuation", source_compute=host
        )
        records = (
            Migration(
                id=record["id"],
                instance=record["instance_uuid"],
                status=record["status"],
                source=record["source_compute"],
                destination=record["dest_compute"],
            )
            for record in found
        )
        return tuple(sorted(records, key=lambda record: record.id))

    def policy(self):
        """Which flavors and images the operators have marked: three lists, however many instances there are.

        :raises CloudError: any of the three
        """
        flavors = self._list(self._compute, "/flavors/detail", "flavors", is_public="None")
        tagged = any(policy.is_tagged(flavor.get("extra_specs", {})) for flavor in flavors)
        images = set()
        for chosen in ({policy.TAG: "true"}, {"tag": policy.TAG}):
            images.update(image["id"] for image in self._list(self._image, "/v2/images", "images", **chosen))
        return policy.Policy(tagged, frozenset(images))

    def force_down(self, service, forced):
        """Declare a service dead, or no longer so.

        :raises CloudError: any of the three
        """
        self._request(self._compute, "PUT", f"/os-services/{service.id}", json={"forced_down": forced})

    def disable(self, service, reason):
        """Keep the scheduler off a host.

        :raises CloudError: any of the three
        """
        body = {"status": "disabled", "disabled_reason": reason}
        self._request(self._compute, "PUT", f"/os-services/{service.id}", json=body)

    def enable(self, service):
        """Let the scheduler use a host.

        :raises CloudError: any of the three
        """
        self._request(self._compute, "PUT", f"/os-services/{service.id}", json={"status": "enabled"})

    def evacuate(self, instance):
        """Have an instance resurrected elsewhere; returns Nova's request id once Nova has accepted that.

        :raises Unreachable: with ``sent`` true Nova may do it nevertheless, now or later
        :raises CloudError: Refused or Misconfigured
        """
        done = self._request(self._compute, "POST", f"/servers/{instance.id}/action", json={"evacuate": {}})
        return done.headers.get("x-openstack-request-id")

    def _list(self, service, path, key, **query):
        """Yield the members of a list, page after page."""
        text = "&".join(f"{name}={requests.utils.quote(str(value), safe='')}" for name, value in query.items())
        url = f"{path}?{text}"
        while url:
            page = self._get(service, url)
            yield from page[key]
            url = _next_page(page, key, path)

    def _get(self, service, url):
        done = self._request(service, "GET", url)
        try:
            return done.json()
        except ValueError as error:
            raise Unreachable(f"{url}: what answered is not OpenStack: {done.text[:60]!r}") from error

    def _request(self, service, method, url, **more):
        self._before_request()
        return _translated(service.request, url, method, **more)


def _next_page(page, key, path):
    """The next page's address relative to the endpoint, or None.

    Nova and Glance link to their own idea of their address, which may not be the catalog's: only the query is kept.
    """
    link = next((link["href"] for link in page.get(f"{key}_links", ()) if link["rel"] == "next"), page.get("next"))
    return f"{path}?{link.partition('?')[2]}" if link else None


def _translated(call, *args, **kwargs):
    """Call keystoneauth and turn its many exceptions into our three."""
    try:
        return call(*args, **kwargs)
    except keystone.Unauthorized as error:
        raise Misconfigured(f"the credentials are refused: {error.message}") from error
    except (keystone.EndpointNotFound, keystone.MissingRequiredOptions) as error:
        raise Misconfigured(str(error)) from error
    except keystone.DiscoveryFailure as error:
        # Raised for a wrong address as for a Keystone that is away.
        if isinstance(error.__context__, keystone.HttpError) and error.__context__.http_status < 500:
            raise Misconfigured(str(error)) from error
        raise Unreachable(_innermost(error), sent=False) from error
    except keystone.SSLError as error:
        raise Misconfigured(_innermost(error)) from error
    except keystone.HttpError as error:
        text = f"{error.message} (HTTP {error.http_status}, request {error.request_id or 'unknown'})"
        if error.http_status == 503:
            raise Unreachable(text, sent=False) from error
        if error.http_status in _UNCLEAR_STATUSES:
            raise Unreachable(text) from error
        raise Refused(text, error.http_status) from error
    except keystone.ConnectionError as error:
        raise Unreachable(_innermost(error), sent=not _never_sent(error)) from error
    except keystone.ClientException as error:
        raise Misconfigured(str(error)) from error


def _innermost(error):
    """One line for an operator: what was tried, and the system's own word on why it failed."""
    tried = str(error).partition(": HTTP")[0]
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"{tried}: {error.strerror if isinstance(error, OSError) and error.strerror else error}"


def _never_sent(error):
    """Whether the connection was not even made, so that the request cannot have been carried out."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(cause.args[0], "reason", None) if cause is not None and cause.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
