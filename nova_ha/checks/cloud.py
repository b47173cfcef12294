# SPDX-License-Identifier: Apache-2.0
"""The cloud: may the engine do its work there, do the clocks agree, and does Nova keep the times that ours rest on."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from nova_ha.checks.facts import CloudFacts, Facts
from nova_ha.cloud import errors
from nova_ha.model.findings import AnyCode, Finding, FindingCode, Severity, error, note, warning
from nova_ha.model.reasons import Code
from nova_ha.recovery.memory import timing

# Seconds that clocks may differ: a token that begins or ends by another clock is taken for no good.
_CLOCKS, _CLOCKS_BADLY = 5.0, 120.0

# Nova's default of service_down_time, and seconds that a report may be old beyond that on its way to us.
_SERVICE_DOWN_TIME, _ON_ITS_WAY = 60.0, 10.0

# What no recovery can do without.
_NEEDED = ("cloud", "instances", "migrations")

# Options of Nova's that are options of ours as well.
_SAME = ("long_rpc_timeout", "rpc_response_timeout")


def access(facts: Facts) -> Iterator[Finding]:
    """Whether the engine's configuration can be used, and the cloud takes it."""
    if facts.settings_failure is not None:
        path = facts.settings.path if facts.settings is not None else "nova-ha.conf"
        yield error(FindingCode.CONFIGURATION_INVALID, path, facts.settings_failure)
    if facts.cloud_failure is not None:
        yield _failed("cloud", facts.cloud_failure)


def rights(cloud: CloudFacts) -> Iterator[Finding]:
    """What of the cloud could not be read, and why."""
    for what, failure in cloud.failures.items():
        yield _failed(what, failure)


def _failed(what: str, failure: errors.CloudError) -> Finding:
    """What a failure to read something is called."""
    kinds = (
        (errors.CredentialsRefused, FindingCode.CREDENTIALS_REFUSED),
        (errors.NotOffered, FindingCode.NO_ENDPOINT),
        (errors.TooOld, FindingCode.NOVA_TOO_OLD),
        (errors.RightMissing, FindingCode.RIGHT_MISSING),
    )
    code: AnyCode | None = next((code for kind, code in kinds if isinstance(failure, kind)), None)
    if code is None and isinstance(failure, errors.Refused) and failure.status == 403:
        code = FindingCode.RIGHT_MISSING
    if code is None and isinstance(failure, errors.Misconfigured):
        code = Code.CLOUD_REFUSES if what == "cloud" else FindingCode.RIGHT_MISSING
    found = code or (Code.CLOUD_AWAY if what == "cloud" else FindingCode.SERVICE_AWAY)
    return Finding(found, Severity.ERROR if what in _NEEDED else Severity.WARNING, what, str(failure))


def region(facts: Facts, cloud: CloudFacts) -> Iterator[Finding]:
    """Whether it is said which of several regions is meant."""
    if len(cloud.regions) > 1 and facts.settings is not None and facts.settings.region is None:
        text = f"the catalog has Nova in {', '.join(sorted(cloud.regions))}: which one is meant is left to chance"
        command = f"pcs resource update {facts.engine} region_name=REGION" if facts.engine else None
        yield error(FindingCode.REGION_NOT_SET, "region_name", text, command)


def tls(facts: Facts) -> Iterator[Finding]:
    """Whether the cloud's certificates are looked at."""
    if facts.settings is not None and facts.settings.insecure:
        text = "it is true: any certificate passes for the cloud's. Give the CA by cafile in [nova]"
        yield note(FindingCode.TLS_NOT_VERIFIED, "insecure", text)


def clocks(cloud: CloudFacts) -> Iterator[Finding]:
    """Whether this node's clock is the cloud's."""
    offset = cloud.clock_offset
    if offset is None or abs(offset) <= _CLOCKS:
        return
    text = f"the cloud's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this node's"
    make = error if abs(offset) > _CLOCKS_BADLY else warning
    yield make(FindingCode.CLOCK_DIFFERS, "this node", text, "chronyc tracking")


def reports(facts: Facts, cloud: CloudFacts) -> Iterator[Finding]:
    """Whether hosts report as often as the engine's times rest on, and Nova takes for down who does not.

    Nova's times of reports are its database's: they are compared by the cloud's own clock, if that is known.
    """
    if cloud.clock_offset is None:
        return
    now = facts.now + cloud.clock_offset
    ages = {host: _age(service.last_report, now) for host, service in cloud.services.items() if service.up}
    known = {host: seconds for host, seconds in ages.items() if seconds is not None}
    late = {host: seconds for host, seconds in known.items() if seconds > _SERVICE_DOWN_TIME + _ON_ITS_WAY}
    if late:
        worst = max(late, key=lambda host: late[host])
        text = f"Nova has it up {late[worst]:.0f} s after its last report: service_down_time is longer than 60 s"
        yield note(FindingCode.DOWN_LATE, worst, text)
    rare = sorted(host for host, seconds in known.items() if seconds > timing.BREAK and host not in late)
    # Of hosts that report every ten seconds, only a few can be that late at one moment.
    if known and len(rare) > max(1, len(known) // 10):
        text = f"{len(rare)} hosts that are up have not reported for {timing.BREAK:.0f} s: report_interval of 10 s is"
        yield warning(FindingCode.REPORTS_RARE, "report_interval", f"{text} what the engine's times rest on")


def nova_options(facts: Facts) -> Iterator[Finding]:
    """Whether Nova's options on this node, where it has any, are what the engine goes by."""
    if facts.settings is None:
        return
    node, rules = facts.node, facts.settings.rules
    for name in _SAME:
        ours, theirs = getattr(rules, name), _number(node.nova_options.get(name))
        if theirs is not None and theirs > ours:
            text = f"{node.nova_file} has {theirs:g} s, and the engine goes by {ours:g} s: it could ask again too early"
            yield error(FindingCode.NOVA_TIMEOUT_DIFFERS, name, f"{text}. Set {name} = {theirs:g} in [recovery]")
    interval = _number(node.nova_options.get("report_interval"))
    if interval is not None and interval > timing.BREAK / 3:
        text = f"{node.nova_file} has {interval:g} s; the engine's times rest on 10 s"
        yield warning(FindingCode.REPORTS_RARE, "report_interval", text)
    down = _number(node.nova_options.get("service_down_time"))
    if down is not None and down > _SERVICE_DOWN_TIME:
        text = f"{node.nova_file} has {down:g} s: for so long Nova sends instances to a host that has died"
        yield note(FindingCode.DOWN_LATE, "service_down_time", text)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _age(report: str | None, now: float) -> float | None:
    """Seconds since a report, by Nova's time of it (ISO 8601, UTC)."""
    if report is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(report[:19]).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return now - moment.timestamp()
