# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha history`` shows: the events of the engine that runs, or last ran, on this node.

``--json`` prints ``{"schema": 1, "resource": ..., "events": [...]}``, the events as ``nova_ha.reporting.status_report``
describes them.
"""

from nova_ha.cli.table import moment, table, way_out

# Characters of an instance's id that are enough to ask for it.
_PREFIX = 8


def about(events, subject):
    """The events about a host or an instance, oldest first; all of them if the subject is None.

    :param subject: a host's name, or an instance's id or the beginning of it
    """
    return [event for event in events if subject is None or _is_about(event, subject)]


def lines(events, width):
    """The events for people."""
    rows = [((moment(event["time"]), event["host"], event["event"]), _notes(event)) for event in events]
    return table(("TIME", "HOST", "EVENT"), rows, width)


def _is_about(event, subject):
    if subject == event["host"]:
        return True
    return bool(event["instance"]) and len(subject) >= _PREFIX and event["instance"].startswith(subject)


def _notes(event):
    named = (f"{key} {event[key]}" for key in ("instance", "request") if event[key])
    reason = f"{event['code']}: {event['reason']}" if event["code"] else event["reason"]
    return ["  ".join(named), reason, way_out(event)]
