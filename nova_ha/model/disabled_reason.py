# SPDX-License-Identifier: Apache-2.0
"""The mark in a service's ``disabled_reason``: tells that nova-ha disabled it, and how it was before.

Nova itself keeps it, so that any engine on any control node knows at the end whether the host may be enabled,
or had been disabled by an operator and stays so, with the operator's own reason; and which reserved host took its
place. Every service that is taken out of service carries it: a host whose flag is gone is found by it.
"""

from __future__ import annotations

import functools
import re

from nova_ha.model.snapshot import Service

_MARK = "nova-ha: being recovered"
# In its place while the mass failure guard holds the host, and no engine has begun with it.
_HELD = "nova-ha: held"
_RESERVE = "; reserve: "
_DISABLED = "; was disabled"
_PATTERN = re.compile(
    f"(?:{_MARK}|{_HELD})(?:{_RESERVE}(?P<reserve>[^ ;]+))?(?P<disabled>{_DISABLED}(?:: (?P<before>.*))?)?", re.DOTALL
)
# Nova's column.
_LONGEST = 255
_CUT = "..."

# How a reason begins for which nova-compute disabled its own service (libvirt was away: DISABLE_PREFIX in Nova's
# nova/virt/libvirt/driver.py). It enables the service again only where such a reason stands when libvirt is back: at
# its start our mark does, so that nobody would.
_AUTOMATIC = "AUTO: "


def mark(service: Service, reserve: str | None = None) -> str | None:
    """The reason to disable a service with, or None if it carries the mark already.

    The reason of an operator that is too long to be carried is cut short. A service that nova-compute disabled by
    itself counts as enabled.

    :param reserve: Nova's name of the reserved host that takes this one's place, if any
    """
    if is_under_way(service):
        return None
    return _cut(_MARK + (_RESERVE + reserve if reserve else "") + _as_before(service))


def held(service: Service) -> str | None:
    """The reason to disable a service with whose host is held, None if it carries a mark already."""
    return None if is_marked(service) else _cut(_HELD + _as_before(service))


def is_under_way(service: Service) -> bool:
    """Whether an engine has begun with the recovery of the service's host."""
    return is_marked(service) and _reason(service).startswith(_MARK)


def _as_before(service: Service) -> str:
    """What of a mark tells how the service was before."""
    if is_marked(service):
        return _reason(service)[len(_HELD) :]
    if is_enabled(service):
        return ""
    return _DISABLED + (f": {service.disabled_reason}" if service.disabled_reason else "")


def _cut(marked: str) -> str:
    return marked if len(marked) <= _LONGEST else marked[: _LONGEST - len(_CUT)] + _CUT


def is_enabled(service: Service) -> bool:
    """Whether nobody has disabled the service but perhaps Nova, which takes that back by itself."""
    return service.enabled or _reason(service).startswith(_AUTOMATIC)


def is_marked(service: Service) -> bool:
    """Whether nova-ha disabled the service."""
    return not service.enabled and _parts(service) is not None


def reason_before(service: Service) -> str | None:
    """The reason for which an operator had disabled a marked service, "" if for none, None if it had been enabled."""
    before = _part(service, "before") or ""
    return before if _part(service, "disabled") and not before.startswith(_AUTOMATIC) else None


def reserve(service: Service) -> str | None:
    """Nova's name of the reserved host that takes a marked one's place, or None."""
    return _part(service, "reserve")


def _part(service: Service, name: str) -> str | None:
    parts = _parts(service)
    return parts[name] if parts else None


def _parts(service: Service) -> re.Match[str] | None:
    return _told(_reason(service))


@functools.lru_cache(maxsize=1000)  # asked for several times a pass, of every service that is disabled
def _told(reason: str) -> re.Match[str] | None:
    return _PATTERN.fullmatch(reason)


def _reason(service: Service) -> str:
    return service.disabled_reason or ""
