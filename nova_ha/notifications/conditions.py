# SPDX-License-Identifier: Apache-2.0
"""What receivers are told of: conditions that stand, as the engine's report has them. Pure.

A condition is a state, not an event: it is told when it begins and when it is over, and what went by while nobody
looked can be told from what stands now.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nova_ha.model import flag
from nova_ha.model.reasons import Code
from nova_ha.model.wording import counted
from nova_ha.rundir import engine_state

INFO, WARNING, CRITICAL = "info", "warning", "critical"

# The states of a report in which the engine has given up.
_GIVEN_UP = (engine_state.MISCONFIGURED, engine_state.NOT_INSTALLED)

_MEANINGS = {code.value: code.meaning for code in Code}


class Kind(str, enum.Enum):
    """One kind of condition.

    :ivar severity: INFO, WARNING or CRITICAL
    :ivar certain: whether it is over as soon as a report lacks it; others come and go, and are so only after a while
    :ivar meaning: in one line
    """

    severity: str
    certain: bool
    meaning: str

    def __new__(cls, value: str, severity: str, certain: bool, meaning: str) -> Kind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.certain = certain
        member.meaning = meaning
        return member

    HOST_DOWN = "host_down", WARNING, True, "a host was proved off, and is flagged, until it is back in service"
    RECOVERY = "recovery", INFO, True, "the engine recovers the host, until no instance of it is left to recover"
    NEEDS_OPERATOR = (
        "needs_operator",
        CRITICAL,
        False,
        "something about a host, or about instances of it, does not go on by itself",
    )
    DEGRADED = (
        "degraded",
        CRITICAL,
        False,
        "the engine has something that an operator has to set right, or it does not start",
    )
    CLOUD_AWAY = "cloud_away", WARNING, False, "hosts are dead, and Keystone, Nova or the cluster does not answer"


KINDS = {kind.value: kind for kind in Kind}


class Condition(NamedTuple):
    """One that stands.

    :param host: the cluster's name of the host that it is about, if it is about one
    :param code: why: one of docs/troubleshooting.md, if there is one
    :param summary: for people
    :param command: the way out, complete, where there is one
    :param instances: ids of those that it is about
    :param begins: False: it goes on if it was told, and is not told if not
    """

    kind: Kind
    host: str | None
    code: str | None
    summary: str
    command: str | None = None
    instances: tuple[str, ...] = ()
    begins: bool = True

    @property
    def key(self) -> str:
        """What makes it the same as one that stood before."""
        return f"{self.kind.value}/{self.host or ''}/{self.code or ''}"


class Standing(NamedTuple):
    """What a report tells.

    :param conditions: by their keys
    :param complete: whether what is not among them does not stand
    """

    conditions: Mapping[str, Condition]
    complete: bool


def standing(report: Mapping[str, Any], complaints: Mapping[str, str | None]) -> Standing:
    """What stands.

    :param report: the engine's (``engine_state.RunState.report``)
    :param complaints: what an operator has to set right, by subject
    """
    state, hosts = report["state"], report.get("hosts", {})
    if state in _GIVEN_UP:
        why = f"the recovery engine does not start, so no host is recovered: {report['reason']}"
        return _keyed([Condition(Kind.DEGRADED, None, state, why)], False)
    if state not in (engine_state.WORKING, engine_state.WAITING):
        return _keyed([], False)  # it has not come to the hosts yet
    found = [each for host, about in hosts.items() for each in _of_host(host, about)]
    known = {each.code for each in found if each.kind is Kind.NEEDS_OPERATOR}
    found += [each for text in complaints.values() if text for each in [_complaint(text)] if each.code not in known]
    if state == engine_state.WAITING and any(flag.is_dead(about["flag"]) for about in hosts.values()):
        found.append(Condition(Kind.CLOUD_AWAY, None, None, f"recoveries wait: {report['reason']}"))
    return _keyed(found, state == engine_state.WORKING)


def ended(kind: Kind, host: str | None, code: str | None, report: Mapping[str, Any]) -> str:
    """What is said, for people, of a condition that is over."""
    if kind is Kind.HOST_DOWN:
        return f"{host} is not flagged any more"
    if kind is Kind.RECOVERY:
        about = report.get("hosts", {}).get(host)
        if about is None:
            return f"{host} is not in recovery any more"
        return f"{host} is recovered: {counted(about['back'], 'instance')} arrived elsewhere"
    if kind is Kind.CLOUD_AWAY:
        return "recoveries go on"
    return f"{host or 'the engine'}: {code} is over"


def _keyed(found: list[Condition], complete: bool) -> Standing:
    return Standing({each.key: each for each in found}, complete)


def _of_host(host: str, about: Mapping[str, Any]) -> Iterator[Condition]:
    value = about["flag"]
    if value is not None:
        summary = f"{host} is dead: its power was proved off"
        yield Condition(Kind.HOST_DOWN, host, None, summary, begins=flag.is_dead(value))
    if flag.is_dead(value):
        # One that is fenced again while it is recovered has lost its claim: that goes on.
        taken_up = flag.claimant(value) is not None
        yield Condition(Kind.RECOVERY, host, None, f"{host} is being recovered", begins=taken_up)
    if about["needs_operator"]:
        yield Condition(Kind.NEEDS_OPERATOR, host, about["code"], f"{host}: {about['reason']}", about["command"])
    yield from _of_instances(host, about["instances"])


def _of_instances(host: str, instances: Mapping[str, Mapping[str, Any]]) -> Iterator[Condition]:
    """One for each reason, of all instances that need an operator for it."""
    troubled: dict[str | None, list[str]] = {}
    for id, about in instances.items():
        if about["needs_operator"]:
            troubled.setdefault(about["code"], []).append(id)
    for code, ids in troubled.items():
        first = instances[ids[0]]
        several = f", and {counted(len(ids) - 1, 'other instance')} likewise" if ids[1:] else ""
        summary = f"{host}: {first['name']} ({ids[0]}): {first['reason']}{several}"
        yield Condition(Kind.NEEDS_OPERATOR, host, code, summary, first["command"], tuple(ids))


def _complaint(text: str) -> Condition:
    """An engine's complaint; it begins with its code."""
    code = text.partition(":")[0]
    return Condition(Kind.DEGRADED, None, code if code in _MEANINGS else None, text)
