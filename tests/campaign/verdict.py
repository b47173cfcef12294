# SPDX-License-Identifier: Apache-2.0
"""What is to be said of a run: findings of the audits and of the engine's own account, what was missing, and figures.

All of it is a pure function of the ``Evidence`` that a run has brought together.
"""

import dataclasses
from collections.abc import Mapping
from typing import Optional

from nova_ha.reporting.events import Event
from tests.campaign import tell
from tests.campaign.disturbances import KINDS
from tests.campaign.plan import TAG
from tests.lab import audits, facts, history

# Seconds after which the engine may have given a request up, whose answer then nobody heard (its own limit is 45).
HEARD = 40.0
# Parts by which the engine may have moved to another node, where its account begins anew.
_MOVES = ("control", "operator")


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is known of a run once it is over.

    :param ids: of the plan's instances, in its order
    :param wanted: what every instance has to be, ``{id: state}``
    :param missing: what was missing when the wait for rest ended, as lines
    :param past: the ``history.History``, with what was wanted in it
    :param entries: all instances, as ``workload.instances``
    :param status: what ``nova-ha status --json`` says
    :param events: what ``nova-ha history --json`` has of the run
    :param partial: whether the engine's events need not be all: it runs on another node than before, or had too many
    :param leaks: where passwords were seen, as lines
    :param log: what the run did, as ``(seconds since the epoch, text)``
    :param struck: when the victim was struck, seconds since the epoch; None if it never was
    :param carried_out: names of the faults that were
    """

    ids: tuple
    wanted: Mapping
    missing: tuple
    past: object
    entries: tuple
    status: Mapping
    events: tuple
    partial: bool
    leaks: tuple
    log: tuple
    struck: Optional[float]
    carried_out: tuple


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of a run.

    :param findings: what is wrong, as lines
    :param lost: instances that are not what they have to be
    :param doubled: guests that ran twice
    :param late: whether rest did not come in time
    :param recovery: seconds from the death until the last instance of the victim ran elsewhere, None if none died
    :param instances: how many instances there were
    :param timeline: what happened, as lines
    :param carried_out: names of the faults that were carried out
    """

    findings: tuple
    lost: int
    doubled: int
    late: bool
    recovery: Optional[float]
    instances: int
    timeline: tuple
    carried_out: tuple

    @property
    def passed(self):
        """Whether nothing is wrong."""
        return not self.findings


def judge(plan, evidence):
    """The verdict on a run."""
    past, wanted = evidence.past, evidence.wanted
    breaches = audits.audit(past)
    findings = [str(breach) for breach in breaches]
    findings += [f"no rest: {line}" for line in evidence.missing]
    findings += [f"instance {line}" for line in marks(plan, evidence.ids, wanted, evidence.entries)]
    findings += [f"the engine's account: {line}" for line in disagreements(evidence, plan)]
    findings += [f"rule 7 (secrets stay where they belong): BROKEN: {line}" for line in evidence.leaks]
    return Verdict(
        findings=tuple(findings),
        lost=len({breach.subject for breach in breaches if breach.rule in (4, 5) and breach.subject in wanted}),
        doubled=sum("at once" in breach.text for breach in breaches if breach.rule == 2),
        late=bool(evidence.missing),
        recovery=recovery(past, plan.victim, evidence.struck, wanted),
        instances=len(wanted),
        timeline=tuple(tell.lines(past, evidence.log, evidence.struck)),
        carried_out=evidence.carried_out,
    )


def recovery(past, host, since, wanted):
    """Seconds from a host's death until the last of its instances that have to run did so elsewhere, or again."""
    if since is None:
        return None
    runs = facts.guest_runs(past)
    died = {run.instance for run in runs if run.died and run.host == host and run.end >= since}
    died = {ident for ident in died if wanted.get(ident) in (history.RUNNING, history.PAUSED)}
    back = [min((r.start for r in runs if r.instance == ident and r.start > since), default=None) for ident in died]
    return max(back) - since if back and None not in back else None


def marks(plan, ids, wanted, entries):
    """What is wrong with locks and tags of the plan's instances."""
    found = {entry["id"]: entry for entry in entries}
    for ident, planned in zip(ids, plan.instances):
        entry = found.get(ident)
        if entry is None or wanted[ident] == history.UNSURE:
            continue
        tags = [TAG] if planned.state == "tagged" else []
        if list(entry["tags"]) != tags:
            yield f"{ident} has the tags {entry['tags']}, and had {tags}"
        if bool(entry["locked"]) != ("locked" in planned.state):
            yield f"{ident} is {'' if entry['locked'] else 'not '}locked"


def disagreements(evidence, plan):
    """Where the engine's own account does not agree with what happened."""
    past, events = evidence.past, evidence.events
    if evidence.status.get("verdict") != "well":
        about = {host: entry.get("reason") for host, entry in evidence.status.get("hosts", {}).items()}
        yield f"its status is {evidence.status.get('verdict')}: {about}"
    accepted = {e["request"] for e in events if e["event"] == Event.EVACUATION_ACCEPTED and e["request"]}
    asked = {r.request_id: r.duration for r in facts.evacuate_requests(past) if r.status == 200}
    for request in sorted(accepted - asked.keys()):
        yield f"it says that {request} was accepted, which nobody saw"
    if evidence.partial or any(KINDS[fault].group in _MOVES for fault in plan.faults):
        return
    for request in sorted(r for r, took in asked.items() if took < HEARD and r not in accepted):
        yield f"it does not know of the evacuation {request}"
    for host in sorted({change.host for change in past.flags if change.value == "no"}):
        if not any(event["event"] == Event.HOST_RECOVERED and event["host"] == host for event in events):
            yield f"it does not know that {host} was recovered"
