# SPDX-License-Identifier: Apache-2.0
"""The mark in a service's ``disabled_reason``: tells that nova-ha disabled it, and how it was before.

Nova itself keeps it, so that any engine on any control node knows at the end whether the host may be enabled,
or had been disabled by an operator and stays so, with the operator's own reason.
"""

_ENABLED = "nova-ha: being recovered"
_DISABLED = "nova-ha: being recovered; was disabled: "
# Nova's column.
_LONGEST = 255


def mark(service):
    """The reason to disable a service with, or None if it should be left as it is.

    Left as it is: one that carries the mark already, and one that an operator had disabled in a way that the
    mark could not give back: without a reason, or with one too long to be carried.
    """
    reason = service.disabled_reason
    if service.enabled:
        return _ENABLED
    if is_marked(service) or not reason or len(_DISABLED + reason) > _LONGEST:
        return None
    return _DISABLED + reason


def is_marked(service):
    """Whether nova-ha disabled the service."""
    return not service.enabled and (service.disabled_reason or "").startswith(_ENABLED)


def reason_before(service):
    """The reason for which an operator had disabled a marked service, or None if it had been enabled."""
    reason = service.disabled_reason or ""
    return reason[len(_DISABLED) :] if reason.startswith(_DISABLED) else None
