# SPDX-License-Identifier: Apache-2.0
"""The records of a host's evacuations when there are many: what has changed since the last look is read, and no more.

A host whose instances find no room gets a record for each try, thousands in the end. None of them is over for good: one
that was done becomes completed, and a host that comes back late writes into one that had failed. But a record that
changes gets a new ``updated_at``, by which Nova can be asked, and a new one is among the newest. (By ``updated_at``
alone it cannot be found: that is not set before the first change.)
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from nova_ha.cloud import parsers
from nova_ha.model.snapshot import Migration

# Seconds that clocks of the control nodes, which set these times, may differ.
SKEW = 600
# Seconds after which all is read anew: records of instances that were deleted are gone from Nova's list then.
REFRESH = 3600.0


class Records:
    """What is known of one host's evacuation records; immutable.

    :param bodies: Nova's JSON of each, in any order
    :param read_at: when all were read, monotonic seconds
    :param known: those that these are added to, by their ids
    """

    def __init__(
        self,
        bodies: Iterable[Mapping[str, Any]],
        read_at: float,
        known: Mapping[int, Migration] | None = None,
        times: tuple[str, str] = ("", ""),
    ) -> None:
        self.read_at = read_at
        bodies = list(bodies)
        read = [parsers.migration(body) for body in bodies]
        self._known = {**(known or {}), **{record.id: record for record in read}}
        created, changed = times
        self._created = max([created, *map(_made_at, read)])
        self._changed = max([changed, self._created, *(body.get("updated_at") or "" for body in bodies)])

    def with_changes(self, bodies: Iterable[Mapping[str, Any]]) -> Records:
        """The same, with records that are new or have changed."""
        return Records(bodies, self.read_at, self._known, (self._created, self._changed))

    def oldest_first(self) -> tuple[Migration, ...]:
        """All of them."""
        return tuple(self._known[id] for id in sorted(self._known))

    @property
    def changed_before(self) -> str:
        """Nova's time since when one may have changed that is not known yet."""
        return _earlier(self._changed)

    @property
    def old_before(self) -> str:
        """Nova's time: a record that was made before it was surely there at the last look."""
        return _earlier(self._created)

    @property
    def are_mostly_old(self) -> bool:
        """Whether most were made before that, so that reading only what is new is worth while."""
        limit = self.old_before
        return 2 * sum(_made_at(record) < limit for record in self._known.values()) > len(self._known)


def _made_at(record: Migration) -> str:
    return record.created or ""


def _earlier(time: str) -> str:
    moment = datetime.datetime.fromisoformat(time[:19]) - datetime.timedelta(seconds=SKEW)
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
