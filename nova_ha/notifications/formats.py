# SPDX-License-Identifier: Apache-2.0
"""How a message is written for those who receive it: pure."""

from __future__ import annotations

import datetime
from typing import Any

from nova_ha.notifications.notification import FIRING, Message, Notification

# What an operator sends to see whether it arrives: no condition, so it is never over.
TEST = "test"

# Seconds after which Alertmanager holds for over what was not said to be over: it is told once, not again and again.
LASTS, TEST_LASTS = 30 * 86400.0, 300.0

# Where the documentation has the codes.
RUNBOOK = "docs/troubleshooting.md"

# Alertmanager's names of our conditions.
_ALERTS = {
    "host_down": "NovaHaHostDown",
    "recovery": "NovaHaRecovery",
    "needs_operator": "NovaHaNeedsOperator",
    "degraded": "NovaHaDegraded",
    "cloud_away": "NovaHaCloudAwayWhileFlagged",
    TEST: "NovaHaTest",
}


def line(notification: Notification) -> str:
    """One line for people."""
    word = notification.severity.upper() if notification.status == FIRING else "RESOLVED"
    code = f" ({notification.code})" if notification.code else ""
    command = f". {notification.command}" if notification.command else ""
    return f"{word} {notification.event}{code}: {notification.summary}{command}"


def subject(message: Message) -> str:
    """The same of a whole message, short."""
    first, *others = message.notifications
    more = f" (and {len(others)} more)" if others else ""
    word = first.severity if first.status == FIRING else "resolved"
    return f"[nova-ha] {word}: {first.host or message.resource}: {first.event}{more}"


def text(message: Message) -> str:
    """A whole message for people."""
    lines = [f"{_utc(each.time)}  {line(each)}" for each in message.notifications]
    codes = sorted({each.code for each in message.notifications if each.code})
    explained = [f"What a code means, and what to do: nova-ha explain {codes[0]}, or {RUNBOOK}"] if codes else []
    told = f"By the engine of {message.resource} on {message.node}; nova-ha status tells how it stands now."
    return "\n".join([*lines, "", *explained, told, ""])


def plain(message: Message) -> Any:
    """JSON by our own schema, ``notification.json``."""
    return message.as_dict()


def slack(message: Message) -> Any:
    """What the incoming webhooks of Slack, Mattermost and Rocket.Chat take."""
    lines = "\n".join(_escaped(line(each)) for each in message.notifications)
    return {"text": f"*nova-ha {_escaped(message.resource)}*\n{lines}"}


def alertmanager(message: Message) -> Any:
    """What Alertmanager takes at ``/api/v2/alerts``: the last of each alert, for one message tells an alert once."""
    last = {each.key: each for each in message.notifications}
    return [_alert(message, each) for each in last.values()]


FORMATS = {"plain": plain, "slack": slack, "mattermost": slack, "alertmanager": alertmanager}


def _alert(message: Message, told: Notification) -> dict[str, Any]:
    labels = {"alertname": _ALERTS[told.event], "severity": told.severity, "resource": message.resource}
    labels.update({name: value for name, value in (("host", told.host), ("code", told.code)) if value})
    notes = {"summary": told.summary, **({"command": told.command} if told.command else {})}
    lasts = TEST_LASTS if told.event == TEST else LASTS
    ends = told.time + lasts if told.status == FIRING else told.time
    return {"labels": labels, "annotations": notes, "startsAt": _utc(told.since), "endsAt": _utc(ends)}


def _utc(seconds: float) -> str:
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    """As these chats want it: what stands between < and > would be a link, or call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
