# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha check`` shows: what is not as it should be, the worst first, each with the command that mends it.

``--json`` prints (see ``schemas/check.json``):

======== =========================================================================================================
key      value
======== =========================================================================================================
time     when this was looked at, seconds since the epoch
seconds  how long that took
hosts    how many compute hosts the cluster has; None where it does not answer
cloud    whether the cloud could be looked at
counts   how many findings there are of each severity
findings each with ``code``, ``severity`` (error, warning, note), ``subject``, ``text``, ``command`` (None: nothing that
         can be typed mends it)
======== =========================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypedDict

from nova_ha.checks.facts import Facts
from nova_ha.cli.colour import BOLD, GREEN, RED, YELLOW, Paint
from nova_ha.cli.table import Verbatim, clean, wrapped
from nova_ha.model.findings import Finding, Severity
from nova_ha.model.wording import counted

# Exit codes, as those of status: attention, and what can wait.
CODES = {Severity.ERROR: 4, Severity.WARNING: 3, Severity.NOTE: 0}

# Nagios's own: critical, warning, OK.
NAGIOS_CODES = {Severity.ERROR: 2, Severity.WARNING: 1, Severity.NOTE: 0}
_NAGIOS_WORDS = ("OK", "WARNING", "CRITICAL")

# Priorities by which systemd gives a line of a service its level in the journal (sd-daemon(3)).
_PRIORITIES = {Severity.ERROR: 3, Severity.WARNING: 4, Severity.NOTE: 5}

_COLOURS = {Severity.ERROR: RED, Severity.WARNING: YELLOW, Severity.NOTE: BOLD}

# Subjects of one finding that are named.
_NAMED = 5

# What no control node can see of the rest, so that nobody takes silence for a yes.
UNSEEN = (
    "Not looked at, because no control node sees it: whether nova-compute is enabled in systemd on the compute hosts; "
    "their resume_guests_state_on_host_boot; other nodes' versions of nova-ha; rights that only a change would show."
)


class _Plain(TypedDict):
    code: str
    severity: str
    subject: str
    text: str
    command: str | None


class Check(TypedDict):
    """All of it, see above."""

    time: float
    seconds: float
    hosts: int | None
    cloud: bool
    counts: dict[str, int]
    findings: list[_Plain]


class _Group(NamedTuple):
    """Findings that say the same of several subjects."""

    first: Finding
    subjects: list[str]


def look(facts: Facts, findings: Iterable[Finding], seconds: float) -> Check:
    """The findings as plain data, see above.

    :param seconds: how long all of it took
    """
    found = list(findings)
    return {
        "time": facts.now,
        "seconds": round(seconds, 2),
        "hosts": None if facts.cluster is None else len(facts.cluster.connections()),
        "cloud": facts.cloud is not None,
        "counts": {severity.value: sum(each.severity is severity for each in found) for severity in Severity},
        "findings": [_plain(each) for each in found],
    }


def exit_code(findings: Iterable[Finding], codes: Mapping[Severity, int] = CODES) -> int:
    """The exit code that the worst of some findings gives."""
    return max((codes[each.severity] for each in findings), default=0)


def lines(found: Check, findings: Iterable[Finding], width: int, paint: Paint) -> list[str]:
    """The findings for people.

    :param found: from ``look``
    """
    said: list[str] = []
    for group in _grouped(findings):
        severity = group.first.severity
        head = f"{severity.value.upper():8}{group.first.code.value}"
        said.append(f"{paint(head, _COLOURS[severity])}  {clean(_named(group.subjects))}")
        said += wrapped(group.first.text, width, "        ")
        if group.first.command is not None:
            said += wrapped(Verbatim(f"mend{_whose(group)}: {group.first.command}"), width, "        ")
    summary = _summary(found)
    said += ["", summary] if said else [paint(summary, GREEN)]
    return [*said, *wrapped(UNSEEN, width)]


def nagios(found: Check, findings: Iterable[Finding]) -> tuple[str, int]:
    """One line for a monitoring system, with performance data, and its exit code."""
    known = list(findings)
    code = exit_code(known, NAGIOS_CODES)
    worst = [f"{each.code.value} {each.subject}" for each in known if NAGIOS_CODES[each.severity] == code and code]
    more = f" and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
    told = f": {', '.join(worst[:_NAMED])}{more}" if worst else ""
    performance = " ".join(f"{severity}s={number}" for severity, number in found["counts"].items())
    return clean(f"NOVA-HA {_NAGIOS_WORDS[code]} - {_counts(found)}{told}").replace(
        "|", "/"
    ) + f" | {performance}", code


def journal(found: Check, findings: Iterable[Finding]) -> Iterator[str]:
    """Lines for the journal: one for each group of findings, and a last one that says that there was a look."""
    for group in _grouped(findings):
        each = group.first
        command = f" mend{_whose(group)}: {each.command}" if each.command is not None else ""
        said = f"{each.code.value}: {_named(group.subjects)}: {each.text}.{command}"
        yield f"<{_PRIORITIES[each.severity]}>{clean(said)}"
    yield f"<6>{_summary(found)}"


def _plain(finding: Finding) -> _Plain:
    return {
        "code": finding.code.value,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "text": finding.text,
        "command": finding.command,
    }


def _grouped(findings: Iterable[Finding]) -> list[_Group]:
    """Findings that say the same of several subjects, told once."""
    groups: dict[tuple[object, ...], _Group] = {}
    for each in findings:
        same = (each.code, each.severity, each.text.replace(each.subject, "\0"))
        groups.setdefault(same, _Group(each, [])).subjects.append(each.subject)
    return list(groups.values())


def _whose(group: _Group) -> str:
    """That a command is one subject's, where each of several has its own."""
    is_own = len(group.subjects) > 1 and group.first.subject in (group.first.command or "")
    return f" {clean(group.first.subject)}, and others likewise" if is_own else ""


def _named(subjects: list[str]) -> str:
    more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
    return ", ".join(subjects[:_NAMED]) + more


def _counts(found: Check) -> str:
    counts = [counted(number, severity) for severity, number in found["counts"].items() if number]
    return ", ".join(counts) or "nothing found"


def _summary(found: Check) -> str:
    hosts = "" if found["hosts"] is None else f" in {counted(found['hosts'], 'compute host')}"
    explained = ". Explain one: nova-ha explain CODE" if found["findings"] else ""
    counts = _counts(found)
    return f"{counts[0].upper()}{counts[1:]}{hosts} ({found['seconds']:.1f} s){explained}"
