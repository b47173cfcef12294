# SPDX-License-Identifier: Apache-2.0
"""``nova-ha report``: what a recovery was like, for people; ``report_page`` makes one page of HTML of it.

``--json`` prints ``{"schema": 1, "resource": ..., "recoveries": [...]}``: the one that is asked for, or the short of
all. See ``schemas/report.json``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence

from nova_ha.cli.deployment import CommandFailed
from nova_ha.cli.table import Row, ago, clean, moment, table, wrapped
from nova_ha.model.wording import counted
from nova_ha.reporting import recovery_report
from nova_ha.reporting.recoveries import Recovery
from nova_ha.reporting.recovery_report import EVACUATED, GOING_ON, LEFT, OVER, Report, Summary

_STATES = {OVER: "over", recovery_report.RECOVERED: "recovered; its host is not back in service", GOING_ON: "goes on"}
_OUTCOMES = {**{outcome: outcome for outcome in recovery_report.OUTCOMES}, recovery_report.UNTOLD: "of unknown fate"}

# Instances, warnings and orders that are shown of each.
_SHOWN = 20


def chosen(known: Sequence[Recovery], asked: str | None) -> Recovery:
    """The recovery that is meant.

    :param known: by when they began
    :param asked: its id, or a host, whose newest is meant; None: the newest of all
    :raises CommandFailed: there is none
    """
    if asked is None:
        if not known:
            raise CommandFailed("no recovery is kept on this node")
        return known[-1]
    found = [each for each in known if asked in (each.id, each.host)]
    if not found:
        raise CommandFailed(f"{asked}: no recovery of that id, or of a host of that name, is kept: see nova-ha report")
    return found[-1]


def listing(known: Sequence[Summary], width: int) -> list[str]:
    """The short of all recoveries, for people."""
    rows: list[Row] = [
        ((each["id"], moment(each["begun"]), _took(each), _STATES[each["state"]]), [_instances(each["instances"])])
        for each in known
    ]
    return table(("RECOVERY", "BEGUN", "TOOK", "STATE"), rows, width)


def lines(found: Report, width: int) -> list[str]:
    """A recovery, for people."""
    engines = f"; engine on {', '.join(found['engines'])}" if found["engines"] else ""
    end = moment(found["ended"]) if found["ended"] is not None else "now"
    said = [
        f"Recovery {found['id']}: {_STATES[found['state']]}",
        f"{found['host']}, {moment(found['begun'])} to {end} ({_took(found)}){engines}",
        "",
        *table(("PHASE", "TIME", "AFTER"), [_phase(phase) for phase in found["phases"]], width),
        "",
        _instances(found["instances"]),
    ]
    outage = found["outage"]
    if outage:
        said += [
            "until they were elsewhere, from when the host was taken up: "
            f"median {_seconds(outage['median'])}, 95 % within {_seconds(outage['most'])}, "
            f"longest {_seconds(outage['longest'])} ({outage['instance']})"
        ]
    said += [f"requests that Nova took: {found['requests']}; refused or unanswered: {found['refused']}"]
    return [clean(line) for line in [*said, *_more(found, width)]]


def write(path: str, page: str) -> None:
    """Write a page to a file, whole or not at all; nobody else may read it, until you say so.

    :raises CommandFailed: it cannot be written
    """
    directory = os.path.dirname(os.path.abspath(path))
    draft = None
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(0, "is a directory")
        file, draft = tempfile.mkstemp(".new", ".nova-ha-report-", directory)
        with open(file, "w", encoding="utf-8", errors="replace") as opened:
            opened.write(page)
        os.replace(draft, path)
    except OSError as error:
        if draft is not None and os.path.exists(draft):
            os.unlink(draft)
        raise CommandFailed(f"--html {path}: {error.strerror or error}; nothing has been written") from error


def _more(found: Report, width: int) -> list[str]:
    """What did not go by itself."""
    said = []
    others = [fate for fate in found["details"] if fate["outcome"] not in (EVACUATED, LEFT)]
    others += [fate for fate in found["details"] if fate["outcome"] == LEFT]
    parts = (
        ("Not evacuated:", [(fate["outcome"], fate["instance"], _why(fate)) for fate in others]),
        (
            "Warnings:",
            [(moment(each["time"]), each["instance"] or each["host"], _why(each)) for each in found["warnings"]],
        ),
        ("Orders:", [(moment(each["time"]), each["host"], each["reason"] or "") for each in found["orders"]]),
    )
    for heading, rows in parts:
        if rows:
            said += ["", heading]
            for first, second, text in rows[:_SHOWN]:
                said += [f"  {first}  {second}", *wrapped(text, width, "    ")]
            said += [f"  and {len(rows) - _SHOWN} more: see --json or --html"] if len(rows) > _SHOWN else []
    return said


def _why(about: Mapping[str, object]) -> str:
    return f"{about['code']}: {about['reason']}" if about["code"] else str(about["reason"] or "")


def _phase(phase: recovery_report.Phase) -> Row:
    return (phase["phase"], moment(phase["time"]), _seconds(phase["seconds"])), []


def _instances(numbers: Mapping[str, int]) -> str:
    total = counted(sum(numbers.values()), "instance")
    parts = [f"{number} {_OUTCOMES[outcome]}" for outcome, number in numbers.items() if number]
    return f"{total}: {', '.join(parts)}" if parts else total


def _took(found: Summary) -> str:
    return ago(found["ended"] - found["begun"]) if found["ended"] is not None else "-"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s"
