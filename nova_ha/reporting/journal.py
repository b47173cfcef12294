# SPDX-License-Identifier: Apache-2.0
"""How what is told gets into systemd's journal: one line for people, and fields by which programs find it.

python3-systemd sends them where it is installed and journald listens; else syslog has the line alone.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import syslog
from collections.abc import Callable, Mapping
from typing import Any

# Where journald listens, on hosts that have it.
SOCKET = "/run/systemd/journal/socket"

# Under which name a record of logging's carries them.
EXTRA = "nova_ha_fields"

# What an entry may have as ``NOVA_HA_`` and the name in capitals, and what that is. docs/events.md has them.
FIELDS = {
    "event": "the event's name",
    "resource": "the NovaEvacuate resource whose engine tells it",
    "host": "the source host, as the cluster has it; `all` of an order that is about all",
    "instance": "id of the instance",
    "recovery": "which recovery of the host: `HOST@EPOCH`, by when the engine that tells it took it up",
    "request": "Nova's id of the request",
    "code": "[why](troubleshooting.md#codes)",
    "reason": "why, for people",
    "command": "the way out, where there is one",
    "order": "what an operator ordered",
    "operator": "who, and on which control node",
}

# syslog(3)'s priorities by logging's levels.
_PRIORITIES = {
    logging.DEBUG: syslog.LOG_DEBUG,
    logging.INFO: syslog.LOG_INFO,
    logging.WARNING: syslog.LOG_WARNING,
    logging.ERROR: syslog.LOG_ERR,
    logging.CRITICAL: syslog.LOG_CRIT,
}

_Send = Callable[..., Any]


def handler(ident: str, resource: str) -> logging.Handler:
    """A handler that writes there.

    :param ident: the lines' identifier, as ``journalctl -t`` takes it
    :param resource: the resource whose engine it is for
    """
    send = _sender()
    if send is not None:
        return JournalHandler(ident, resource, send)
    plain = logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON)
    plain.ident = f"{ident}: "
    return plain


def note(ident: str, priority: int, text: str, fields: Mapping[str, object]) -> None:
    """Write one entry, for who has no log.

    :param ident: as of ``handler``
    :param priority: one of syslog(3)'s
    :param fields: of FIELDS; None: without it
    """
    send = _sender()
    if send is not None:
        send(text, CODE_FILE=__file__, **_entry(ident, priority, fields))
        return
    syslog.openlog(ident, 0, syslog.LOG_DAEMON)
    syslog.syslog(priority, text)


class JournalHandler(logging.Handler):
    """Gives each record to the journal, with the fields that it carries as EXTRA.

    :param send: ``systemd.journal.send``
    """

    def __init__(self, ident: str, resource: str, send: _Send) -> None:
        super().__init__()
        self._ident = ident
        self._resource = resource
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Give a record to the journal; one that cannot be sent is lost, as by any handler."""
        try:
            fields = {"resource": self._resource, **getattr(record, EXTRA, {})}
            entry = _entry(self._ident, _PRIORITIES.get(record.levelno, syslog.LOG_INFO), fields)
            self._send(
                self.format(record),
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                **entry,
            )
        except Exception:
            self.handleError(record)


def _sender() -> _Send | None:
    """What writes to the journal; None where there is none, or no library for it."""
    if not os.path.exists(SOCKET):
        return None
    try:
        from systemd import journal
    except ImportError:
        return None
    send: _Send = journal.send
    return send


def _entry(ident: str, priority: int, fields: Mapping[str, object]) -> dict[str, str]:
    told = {f"NOVA_HA_{name.upper()}": str(value) for name, value in fields.items() if value is not None}
    facility = str(syslog.LOG_DAEMON >> 3)
    return {"PRIORITY": str(priority), "SYSLOG_FACILITY": facility, "SYSLOG_IDENTIFIER": ident, **told}
