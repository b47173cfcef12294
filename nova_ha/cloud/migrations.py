# SPDX-License-Identifier: Apache-2.0
"""Nova's records of what moves away from a host or to it: evacuations, live migrations, resizes."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from novaclient.v2.migrations import MigrationManager

from nova_ha.cloud import parsers, records, services
from nova_ha.cloud.compute_api import ComputeApi
from nova_ha.model.snapshot import Migration

# Records of one page where the newest of them may be all that is wanted.
_PAGE = 100

# Kinds of records of a move that its owner confirms or reverts.
_RESIZES = frozenset({"resize", "migration"})

# What the record of a live migration says when it is over.
_LIVE_MIGRATION_OVER = frozenset({"completed", "error", "failed", "cancelled", "reverted", "done"})
# One that began so long ago, or has not changed for so long, is not going on, whatever its record says: Nova notes its
# progress every few seconds.
_LONGEST_LIVE_MIGRATION = datetime.timedelta(days=7)
_SILENT_LIVE_MIGRATION = datetime.timedelta(days=1)


class Migrations:
    """The records, of which those of evacuations are kept where they are many.

    :param clock: monotonic seconds
    """

    def __init__(self, api: ComputeApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        # Of hosts whose evacuations' records fill more than a page.
        self._kept: dict[str, records.Records] = {}

    def evacuations(self, host: str) -> tuple[Migration, ...]:
        """As ``reader.NovaReader.migrations``."""
        kept = self._kept.get(host)
        if kept is not None and kept.are_mostly_old and self._clock() - kept.read_at < records.REFRESH:
            found = self._changed_records(host, kept)
            if found is not None:
                self._kept[host] = found
                return found.oldest_first()
        pages = list(self._pages(host, migration_type="evacuation"))
        found = records.Records(itertools.chain.from_iterable(pages), self._clock())
        self._keep(host, found if len(pages) > 1 else None)
        return services.believed(self._api, host, found.oldest_first())

    def live(self, host: str) -> tuple[Migration, ...]:
        """As ``reader.NovaReader.live_migrations``."""
        # Not by Nova's filter changes-since: that leaves out records that have not changed since they were made.
        found = self._list(host, migration_type="live-migration", limit=_PAGE)
        begun, changed = _time_ago(_LONGEST_LIVE_MIGRATION), _time_ago(_SILENT_LIVE_MIGRATION)
        newest_first = itertools.takewhile(lambda record: record["created_at"] >= begun, found)
        going_on = (
            parsers.migration(record)
            for record in newest_first
            if record["status"] not in _LIVE_MIGRATION_OVER
            and (record["updated_at"] or record["created_at"]) >= changed
        )
        return _oldest_first(going_on)

    def resizes(self, host: str) -> tuple[Migration, ...]:
        """As ``reader.NovaReader.resizes``."""
        found = self._list(host, status="finished")
        ended = (record for record in found if record["migration_type"] in _RESIZES)
        return tuple(record for record in _oldest_first(map(parsers.migration, ended)) if record.destination == host)

    def _changed_records(self, host: str, kept: records.Records) -> records.Records | None:
        """What is known of a host's evacuations, brought up to date; None if it is not certain that all is known."""
        newest_first = self._list(host, migration_type="evacuation", limit=_PAGE)
        limit = kept.old_before
        new = list(itertools.takewhile(lambda record: record["created_at"] >= limit, newest_first))
        if not new:
            return None  # those that were known are gone, or Nova does not reach the host's cell
        changed = self._list(host, migration_type="evacuation", changes_since=f"{kept.changed_before}Z")
        return kept.with_changes([*new, *changed])

    def _keep(self, host: str, found: records.Records | None) -> None:
        """Keep a host's records, if that is worth while, and no other's that have not been asked for for long."""
        for other, kept in list(self._kept.items()):
            if other == host or self._clock() - kept.read_at > 2 * records.REFRESH:
                self._kept.pop(other, None)
        if found is not None:
            self._kept[host] = found

    def _list(self, host: str, **wanted: Any) -> Iterator[dict[str, Any]]:
        """The members of a list, read page after page as they are asked for."""
        return itertools.chain.from_iterable(self._pages(host, **wanted))

    def _pages(self, host: str, **wanted: Any) -> Iterator[list[dict[str, Any]]]:
        return self._api.pages(
            MigrationManager, lambda manager, marker: manager.list(host=host, marker=marker, **wanted)
        )


def _oldest_first(found: Iterable[Migration]) -> tuple[Migration, ...]:
    return tuple(sorted(found, key=lambda record: record.id))


def _time_ago(age: datetime.timedelta) -> str:
    """That time as Nova writes it (UTC), to be compared with its texts."""
    return f"{datetime.datetime.now(datetime.timezone.utc) - age:%Y-%m-%dT%H:%M:%S}"
