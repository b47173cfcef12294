# SPDX-License-Identifier: Apache-2.0
"""A recovery as one page of HTML, which needs no network: style and chart are in it. Pure."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence

from nova_ha import __version__
from nova_ha.cli import down_chart
from nova_ha.cli.table import ago
from nova_ha.reporting import recovery_report
from nova_ha.reporting.recovery_report import EVACUATED, Fate, Report

_STATES = {
    recovery_report.OVER: "over",
    recovery_report.RECOVERED: "recovered; its host is not back in service",
    recovery_report.GOING_ON: "goes on",
}
PHASES = {
    "taken_up": "The engine took the host up",
    "forced_down": "The host was forced down and disabled in Nova",
    "first_request": "Nova took the first evacuation",
    "first_back": "The first instance was elsewhere",
    "all_back": "The last instance was elsewhere",
    "recovered": "Nothing was left to recover",
    "in_service": "The host was in service again",
    "closed": "The host's flag was deleted",
}

_STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --dim: #5b6675; --line: #d5dae1; --back: #fff; --card: #f4f6f8;
  --mark: #0b62c4; --fill: #0b62c422; --bad: #a3230f; }
@media (prefers-color-scheme: dark) { :root { --text: #e6eaf0; --dim: #9aa6b5; --line: #3a4452; --back: #14181e;
  --card: #1d232b; --mark: #6cb0ff; --fill: #6cb0ff2b; --bad: #ff9a86; } }
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: var(--text); background: var(--back);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.dim, figcaption { color: var(--dim); } .bad { color: var(--bad); }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.figures div { background: var(--card); border-radius: .5rem; padding: .6rem 1rem; min-width: 8rem; }
.figures b { display: block; font-size: 1.35rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--dim); font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
td.t { white-space: nowrap; } code { font-size: .85em; } figure { margin: 0; } svg { width: 100%; height: auto; }
svg text { fill: var(--dim); font: 12px system-ui, "DejaVu Sans", sans-serif; }
summary { cursor: pointer; margin: .6rem 0; color: var(--mark); }
@media print { body { max-width: none; margin: 0; } }
""".strip()


def page(found: Report, resource: str | None, now: float) -> str:
    """The page.

    :param resource: name of the NovaEvacuate resource, None if it is not known
    :param now: seconds since the epoch
    """
    title = f"Recovery of {found['host']}"
    body = "\n".join(
        [
            f"<h1>{_text(title)}</h1>",
            f'<p class="dim">{_text(_where(found))}</p>',
            _figures(found),
            _section("Instances down", down_chart.figure(found)),
            _section("Phases", _phases(found)),
            _section("What operators ordered", _events(found["orders"], found["begun"])),
            _section("Warnings", _events(found["warnings"], found["begun"])),
            _section("Instances that were not evacuated", _fates(_of(found, evacuated=False))),
            _section("Evacuated instances, the slowest first", _folded(_fates(_of(found, evacuated=True)), 30)),
            _section("All events", _folded(_events(found["events"], found["begun"]), 0)),
            f'<p class="dim">{_text(_origin(found, resource, now))}</p>',
        ]
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _where(found: Report) -> str:
    end = f" to {_moment(found['ended'])}" if found["ended"] is not None else ""
    engines = f"; engine on {', '.join(found['engines'])}" if found["engines"] else ""
    return f"{found['id']}: {_STATES[found['state']]}. {_moment(found['begun'])}{end}{engines}."


def _origin(found: Report, resource: str | None, now: float) -> str:
    of_resource = f" for {resource}" if resource else ""
    return (
        f"Made by nova-ha {__version__}{of_resource} at {_moment(now)} from the history. Seconds count from when an"
        " engine took the host up; how long its instances had been down by then, the cluster's log knows."
    )


def _figures(found: Report) -> str:
    numbers, outage = found["instances"], found["outage"]
    parts = [(str(numbers[EVACUATED]), f"of {sum(numbers.values())} instances evacuated")]
    parts += [(str(number), outcome) for outcome, number in numbers.items() if number and outcome != EVACUATED]
    if outage:
        parts += [
            (f"{outage['median']:.0f} s", "median until elsewhere"),
            (f"{outage['most']:.0f} s", "95 % elsewhere within"),
            (f"{outage['longest']:.0f} s", "longest"),
        ]
    if found["ended"] is not None:
        parts.append((ago(found["ended"] - found["begun"]), "until the host was back"))
    parts.append((f"{found['requests']} + {found['refused']}", "requests taken + refused"))
    return f'<div class="figures">{"".join(f"<div><b>{_text(a)}</b>{_text(b)}</div>" for a, b in parts)}</div>'


def _phases(found: Report) -> str:
    rows = [
        (str(number), PHASES[phase["phase"]], _moment(phase["time"]), f"{phase['seconds']:.1f} s")
        for number, phase in enumerate(found["phases"], 1)
    ]
    return _table(("", "Phase", "Time", "After"), rows)


def _events(events: Iterable[dict[str, object]], begun: float) -> str:
    rows = []
    for event in events:
        about = " ".join(str(event[key]) for key in ("instance", "request") if event[key])
        why = f"{event['code']}: {event['reason']}" if event["code"] else str(event["reason"] or "")
        at = float(str(event["time"]))
        rows.append((_moment(at), f"{at - begun:+.1f} s", str(event["event"]), f"{about}\n{why}".strip()))
    return _table(("Time", "After", "Event", "About"), rows)


def _fates(fates: Sequence[Fate]) -> str:
    rows = [
        (
            fate["instance"],
            fate["outcome"],
            "" if fate["seconds"] is None else f"{fate['seconds']:.1f} s",
            str(fate["failures"] or ""),
            f"{fate['code']}: {fate['reason']}" if fate["code"] else fate["reason"] or "",
            " ".join(fate["requests"]),
        )
        for fate in fates
    ]
    return _table(("Instance", "Outcome", "After", "Failures", "Last told", "Requests to Nova"), rows)


def _of(found: Report, evacuated: bool) -> list[Fate]:
    return [fate for fate in found["details"] if (fate["outcome"] == EVACUATED) == evacuated]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    numbers = {number for number, heading in enumerate(headings) if heading in ("After", "Failures")}
    head = "".join(f"<th{_class(number, numbers)}>{_text(heading)}</th>" for number, heading in enumerate(headings))
    lines = [
        "".join(
            f"<td{_class(number, numbers, headings)}>{_text(cell).replace(chr(10), '<br>')}</td>"
            for number, cell in enumerate(row)
        )
        for row in rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _class(number: int, numbers: set[int], headings: Sequence[str] = ()) -> str:
    if number in numbers:
        return ' class="n"'
    return ' class="t"' if headings and headings[number] in ("Time", "Event") else ""


def _folded(table: str, most: int) -> str:
    """A table that is open only where it is short."""
    rows = table.count("<tr>") - 1
    if rows <= most:
        return table
    return f"<details><summary>{rows} rows</summary>\n{table}\n</details>"


def _section(heading: str, content: str) -> str:
    return f"<h2>{_text(heading)}</h2>\n{content}" if content else ""


def _moment(epoch: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(epoch))


def _text(text: str) -> str:
    printable = "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
    return html.escape(printable)
