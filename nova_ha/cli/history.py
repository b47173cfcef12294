# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha history`` shows: the events of the engine that runs, or last ran, on this node.

``--json`` prints ``{"schema": 1, "resource": ..., "events": [...]}``, the events as ``nova_ha.reporting.status_report``
describes them.
"""

from __future__ import annotations

from collections.abc import Iterable

from nova_ha.cli.table import Row, moment, table, way_out
from nova_ha.reporting.status_report import Entry

# Characters of an instance's id that are enough to ask for it.
_PREFIX = 8


def about(events: Iterable[Entry], subject: str | None) -> list[Entry]:
    """The events about a host or an instance, oldest first; all of them if the subject is None.

    :param subject: a host's name, or an instance's id or the beginning of it
    """
    return [event for event in events if subject is None or _is_about(event, subject)]


def lines(events: Iterable[Entry], width: int) -> list[str]:
    """The events for people."""
    rows: list[Row] = [((moment(event["time"]), event["host"], event["event"]), _notes(event)) for event in events]
    return table(("TIME", "HOST", "EVENT"), rows, width)


def _is_about(event: Entry, subject: str) -> bool:
    if subject == event["host"]:
        return True
    instance = event["instance"]
    return instance is not None and len(subject) >= _PREFIX and instance.startswith(subject)


def _notes(event: Entry) -> list[str | None]:
    about = {"instance": event["instance"], "request": event["request"]}
    named = (f"{key} {value}" for key, value in about.items() if value)
    reason = f"{event['code']}: {event['reason']}" if event["code"] else event["reason"]
    return ["  ".join(named), reason, way_out(event)]
