# SPDX-License-Identifier: Apache-2.0
"""What Nova tells of its services: which report, and whether it can read what it has on a host at all."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from novaclient.v2.services import ServiceManager

from nova_ha.cloud import parsers
from nova_ha.cloud.compute_api import ComputeApi
from nova_ha.cloud.errors import Unreachable
from nova_ha.model.snapshot import Service, Services

_T = TypeVar("_T")


def read(api: ComputeApi) -> Services:
    """As ``reader.NovaReader.services``."""
    bodies = api.of(ServiceManager).list()
    computes = [body for body in bodies if _member(body, "binary") == "nova-compute"]
    found = Services(unread=[_member(body, "host") for body in computes if parsers.is_unread(body)])
    for service in (parsers.service(body) for body in computes if not parsers.is_unread(body)):
        twin = found.get(service.host)
        found[service.host] = service if twin is None else _later(twin, service)
    for body in bodies:
        # One host may have several, as a cell's own and the one above the cells, and those of former cells: an
        # event does not tell which of them had it.
        if body["binary"] == "nova-conductor" and not parsers.is_unread(body):
            host, report = _member(body, "host"), _member(body, "updated_at") or ""
            found.conductors[host] = max(found.conductors.get(host, ""), report)
    return found


def believed(api: ComputeApi, host: str, found: tuple[_T, ...]) -> tuple[_T, ...]:
    """What a list says of a host, once it is sure that it comes from the host's cell.

    Nova's lists leave out, without a word, the cells whose database does not answer. Nothing of a host is believed only
    if Nova can read the host's service.
    """
    if not found:
        services = api.of(ServiceManager).list(host=host, binary="nova-compute")
        if not [parsers.service(service) for service in services]:
            raise Unreachable(f"Nova can read nothing of host {host}: its cell does not answer, or it was removed")
    return found


def _later(*twins: Service) -> Service:
    """Of two services of one host, the one that has reported later, with the other's id."""
    former, latter = sorted(twins, key=lambda service: (service.last_report or "", service.id))
    return dataclasses.replace(latter, twin=former.id)


def _member(body: dict[str, Any], key: str) -> Any:
    try:
        return body[key]
    except KeyError as error:
        what = f"what answered is not OpenStack: no {key} in {str(body)[:60]!r}"
        raise Unreachable(f"/os-services: {what}") from error
