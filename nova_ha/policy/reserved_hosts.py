# SPDX-License-Identifier: Apache-2.0
"""Reserved hosts: spare ones that are enabled when a host is lost.

An operator reserves a host by disabling its service for a reason that begins with ``nova-ha: reserved``. Which takes a
lost host's place is written into the lost host's mark (see ``disabled_reason``), so that no second one is used up for
it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nova_ha.model.snapshot import Service

REASON = "nova-ha: reserved"


def is_reserved(service: Service) -> bool:
    """Whether a service is that of a spare host that waits to be used."""
    return not service.enabled and (service.disabled_reason or "").startswith(REASON)


def choose(
    lost: Service,
    services: Mapping[str, Service],
    aggregates: Mapping[str, Collection[str]],
    taken: Collection[str],
) -> str | None:
    """The reserved host for a lost one: of a common aggregate, else of the same availability zone; or None.

    :param lost: that of the lost host
    :param services: those of all compute hosts, by Nova's names of them
    :param aggregates: ``{name: Nova's names of its hosts}``
    :param taken: Nova's names of hosts that are promised to other lost hosts, or flagged themselves
    """
    known = [services[name] for name in sorted(services) if name not in taken]
    spare = [service for service in known if is_reserved(service) and service.up]
    near = [members for members in aggregates.values() if lost.host in members]
    for service in spare:
        if any(service.host in members for members in near):
            return service.host
    return next((service.host for service in spare if service.zone == lost.zone), None)
