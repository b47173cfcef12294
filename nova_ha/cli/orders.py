# SPDX-License-Identifier: Apache-2.0
"""How an operator's order is given: shown with its consequence, confirmed, and left in the journal with who gave it."""

from __future__ import annotations

import os
import pwd
import re
import sys
import syslog
import time
from collections.abc import Callable, Collection, Iterable

from nova_ha.cli.deployment import CommandFailed
from nova_ha.cli.printing import remark
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.reporting import journal
from nova_ha.reporting.events import Event
from nova_ha.reporting.history_log import ORDERS, HistoryLog
from nova_ha.reporting.status_report import logfmt

# Seconds between two looks at what an order brings about.
_LOOK = 0.5

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def confirm(lines: Iterable[str], yes: bool, say: Callable[[str], None] = print) -> None:
    """Show what is to be done, and return if that is wanted.

    :param yes: it is known to be
    :param say: shows a line
    :raises CommandFailed: it is not, or nobody can be asked
    """
    for line in lines:
        say(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("nobody can be asked without a terminal: add --yes; nothing has been changed")
    print("Go on? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandFailed("nothing has been changed")


def given_by(cluster: Cluster) -> str:
    """Who gives an order, and on which control node: ``alice@control-1``. Who has become root by sudo is told.

    :raises ClusterError: Pacemaker does not answer
    """
    who = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return f"{who}@{cluster.local_node()}"


def note(order: str, subjects: Collection[str], who: str, reason: str | None) -> None:
    """Leave an order in the journal and in the history, as the engine leaves its events.

    :param order: the command
    :param subjects: hosts, or ``all``
    """
    event = Event.OPERATOR_ORDERED.value
    for subject in subjects:
        pairs = {"host": subject, "order": order, "operator": who, "reason": reason or "none given"}
        text = " ".join(f"{key}={logfmt(value, key == 'reason')}" for key, value in pairs.items())
        journal.note("nova-ha", syslog.LOG_NOTICE, f"{event}: {text}", {"event": event, **pairs})
    _keep(order, subjects, who, reason)


def _keep(order: str, subjects: Collection[str], who: str, reason: str | None) -> None:
    """Leave an order in the history, too. It is given all the same if that cannot be."""
    text = f"{order} by {who}: {reason or 'no reason given'}"
    told = {"level": "info", "event": Event.OPERATOR_ORDERED.value, "reason": text}
    nothing = dict.fromkeys(("instance", "request", "code", "command"))
    history = HistoryLog()
    try:
        events = [{"time": time.time(), "host": subject, **told, **nothing} for subject in subjects]
        history.append(ORDERS, who.rpartition("@")[2], events)
    except OSError as error:
        remark(f"the order is given, and not in the history: {history.directory}: {error.strerror or error}")


def awaited(condition: Callable[[], bool], patience: float) -> bool:
    """Whether what an order brings about comes true in time.

    :param patience: seconds
    """
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK)
    return True


def seconds(text: str) -> int:
    """``90s``, ``30m``, ``2h`` or ``3d`` in seconds.

    :raises ValueError: it is none of them
    """
    found = re.fullmatch("([1-9][0-9]{0,6})([smhd])", text)
    if found is None:
        raise ValueError(f"invalid value '{text}': expected a number and its unit, such as 30m, 2h or 3d")
    return int(found[1]) * _UNITS[found[2]]
