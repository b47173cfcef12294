# SPDX-License-Identifier: Apache-2.0
"""What is to be said of a run: findings of the audits, of the engine's own account and of the cluster, and figures."""

import dataclasses
import json
from typing import Optional

from tests.campaign import tell
from tests.campaign.disturbances import KINDS
from tests.campaign.plan import TAG
from tests.lab import audits, facts, history, workload

# Parts by which the engine may have moved to another node, where its account begins anew.
_MOVES = ("control", "operator")


@dataclasses.dataclass(frozen=True)
class Own:
    """The engine's own account at the end.

    :param status: what ``nova-ha status --json`` says
    :param events: what ``nova-ha history --json`` has
    """

    status: dict
    events: tuple

    @classmethod
    def read(cls, field):
        """Ask the engine's node."""
        events = json.loads(field.on_engine_node("nova-ha history --json").stdout or "{}").get("events", [])
        return cls(field.account(), tuple(event for event in events if event["time"] >= field.since))


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
    """

    findings: tuple
    lost: int
    doubled: int
    late: bool
    recovery: Optional[float]
    instances: int
    timeline: tuple

    @property
    def passed(self):
        """Whether nothing is wrong."""
        return not self.findings


def judge(plan, past, ids, wanted, missing, failures, own, leaks, field):
    """The verdict on a run.

    :param past: the ``history.History`` with what was expected
    :param ids: of the plan's instances, in its order
    :param wanted: what every instance has to be, ``{id: state}``
    :param missing: what was missing when the wait for rest ended
    :param failures: failed actions that the cluster holds
    :param own: the engine's ``Own`` account
    :param leaks: what was seen of passwords
    :param field: the ``run.Field``, for its log and its clock
    """
    breaches = audits.audit(past)
    findings = [str(breach) for breach in breaches]
    findings += [f"no rest: {line}" for line in missing]
    findings += [f"instance {line}" for line in marks(plan, ids, wanted, workload.instances(field.settings))]
    findings += [f"the cluster holds on to a failure: {line}" for line in failures]
    findings += [f"the engine's account: {line}" for line in disagreements(own, past, plan)]
    findings += [f"rule 7 (secrets stay where they belong): BROKEN: {line}" for line in sorted(leaks)]
    return Verdict(
        findings=tuple(findings),
        lost=len({breach.subject for breach in breaches if breach.rule in (4, 5) and breach.subject in wanted}),
        doubled=sum("ran on" in breach.text and "at once" in breach.text for breach in breaches if breach.rule == 2),
        late=bool(missing),
        recovery=recovery(past, plan.victim, field.struck, wanted),
        instances=len(wanted),
        timeline=tuple(tell.lines(past, field.log, field.struck)),
    )


def recovery(past, host, since, wanted):
    """Seconds from a host's death until the last of its instances that have to run did so elsewhere, or again."""
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


def disagreements(own, past, plan):
    """Where the engine's own account does not agree with what happened."""
    if own.status.get("verdict") != "well":
        about = {host: entry.get("reason") for host, entry in own.status.get("hosts", {}).items()}
        yield f"its status is {own.status.get('verdict')}: {about}"
    accepted = {e["request"] for e in own.events if e["event"] == "evacuation accepted" and e["request"]}
    asked = {r.request_id for r in facts.evacuate_requests(past) if r.status == 200}
    for request in sorted(accepted - asked):
        yield f"it says that {request} was accepted, which nobody saw"
    if any(KINDS[fault].group in _MOVES for fault in plan.faults):
        return
    for request in sorted(asked - accepted):
        yield f"it does not know of the evacuation {request}"
    for host in sorted({change.host for change in past.flags if change.value == "no"}):
        if not any(event["event"] == "recovered" and event["host"] == host for event in own.events):
            yield f"it does not know that {host} was recovered"

