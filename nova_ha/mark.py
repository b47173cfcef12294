# SPDX-License-Identifier: Apache-2.0
"""The mark in a service's ``disabled_reason``: tells that nova-ha disabled it, and how it was before.

Nova itself keeps it, so that any engine on any control node knows at the end whether the host may be enabled,
or had been disabled by an operator and stays so, with the operator's own reason; and which reserved host took its
place.
"""

import re

_MARK = "nova-ha: being recovered"
_RESERVE = "; reserve: "
_DISABLED = "; was disabled: "
_PATTERN = re.compile(f"{_MARK}(?:{_RESERVE}(?P<reserve>[^ ;]+))?(?:{_DISABLED}(?P<before>.*))?", re.DOTALL)
# Nova's column.
_LONGEST = 255

# How a reason begins for which nova-compute disabled its own service (libvirt was away: DISABLE_PREFIX in Nova's
# nova/virt/libvirt/driver.py). It enables the service again only where such a reason stands when libvirt is back: at
# its start our mark does, so that nobody would.
_AUTOMATIC = "AUTO: "


def mark(service, reserve=None):
    """The reason to disable a service with, or None if it should be left as it is.

    Left as it is: one that carries the mark already, and one that an operator had disabled in a way that the
    mark could not give back: without a reason, or with one too long to be carried. One that nova-compute disabled
    by itself counts as enabled.

    :param reserve: Nova's name of the reserved host that takes this one's place, if any
    """
    reason = service.disabled_reason
    taken = _MARK + (_RESERVE + reserve if reserve else "")
    if is_enabled(service):
        return taken
    if is_marked(service) or not reason or len(taken + _DISABLED + reason) > _LONGEST:
        return None
    return taken + _DISABLED + reason


def is_enabled(service):
    """Whether nobody has disabled the service but perhaps Nova, which takes that back by itself."""
    return service.enabled or (service.disabled_reason or "").startswith(_AUTOMATIC)


def is_marked(service):
    """Whether nova-ha disabled the service."""
    return not service.enabled and _parts(service) is not None


def reason_before(service):
    """The reason for which an operator had disabled a marked service, or None if it had been enabled."""
    before = _part(service, "before")
    return None if (before or "").startswith(_AUTOMATIC) else before


def reserve(service):
    """Nova's name of the reserved host that takes a marked one's place, or None."""
    return _part(service, "reserve")


def _part(service, name):
    parts = _parts(service)
    return parts[name] if parts else None


def _parts(service):
    return _PATTERN.fullmatch(service.disabled_reason or "")
