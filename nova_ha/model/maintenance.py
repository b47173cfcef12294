# SPDX-License-Identifier: Apache-2.0
"""Hosts in maintenance: planned work, until which is over a host is neither fenced nor recovered.

Each is a node attribute of the host, beside its flag, which outlives everything: since when, who ordered it, why, and
how its service was before, in one word in which blanks and other signs are written as in an URL. Its service is
disabled in Nova for a reason that begins with ours. To the engine that is an operator's reason (``disabled_reason``
has its own): it leaves such a host disabled.
"""

from __future__ import annotations

import dataclasses
import urllib.parse

from nova_ha.model.snapshot import Service

# What follows the flag's name in the attribute's.
BESIDE = "maintenance"

_MARK = "nova-ha: maintenance"
# Nova's column.
_LONGEST = 255
# Of a time, until the year 2286.
_DIGITS = 10
# Stands before the reason of a service that had been disabled.
_DISABLED = "="


@dataclasses.dataclass(frozen=True)
class Maintenance:
    """One of them.

    :param since: seconds since the epoch; 0 where somebody else has written it
    :param who: has ordered it
    :param before: the reason for which the service was disabled before, "" for none; None: it was enabled
    """

    since: int
    who: str
    reason: str
    before: str | None = None


def written(work: Maintenance) -> str:
    """As the cluster keeps it."""
    before = "" if work.before is None else _DISABLED + work.before
    return ":".join(urllib.parse.quote(str(part), safe="") for part in (work.since, work.who, work.reason, before))


def read(text: str) -> Maintenance:
    """What ``written`` has written. Anything else is a reason that somebody else has left."""
    since, *others = map(urllib.parse.unquote, text.split(":"))
    if len(others) != 3 or not since.isdecimal() or len(since) > _DIGITS:
        return Maintenance(0, "unknown", text)
    who, reason, before = others
    return Maintenance(int(since), who, reason, before[1:] if before.startswith(_DISABLED) else None)


def disabled_reason(work: Maintenance) -> str:
    """The reason to disable the service with."""
    return f"{_MARK} by {work.who}: {work.reason}"[:_LONGEST]


def is_ours(service: Service) -> bool:
    """Whether a service is disabled for maintenance by nova-ha."""
    return not service.enabled and (service.disabled_reason or "").startswith(_MARK)
