# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha status`` shows: the flags, where the engine runs, and the engine's account, on every control node.

The flags are the cluster's. The engine's account is in a file on its own node; on the others it is what the engine has
published (``reporting.published``), a moment ago at most. ``look`` gathers, as plain data that ``--json`` prints;
``status_text`` puts it for people. Programs have ``schemas/status.json``.

=========== ==========================================================================================
key         value
=========== ==========================================================================================
time        when this was read; seconds since the epoch, as all times here
verdict     ``well``: nothing to do. ``instances``: hosts are in recovery or on their way back. ``attention``:
            something does not go on by itself
engine      ``resource`` (None: none is configured), ``nodes`` on which the cluster has it, ``here`` (whether it runs
            on this node), ``state`` (one of ENGINE_STATES), ``reason``, ``complaint`` (what an operator has to set
            right though it runs, as its monitor tells the cluster; None: nothing, or not known)
pauses      what an operator has put off: ``{scope, name, since, until, who, reason}``, see ``model.pauses``; None where
            that cannot be read
maintenance of each host in maintenance ``since``, ``who``, ``reason``; see ``maintained``
hosts       of each host in recovery: ``flag`` (None where only evacuated instances are still seen to),
            ``claimed_by`` and ``claimed_at`` (None unless the flag is a claim), and from the engine's account (None
            where it is not known) ``doing``, ``code``, ``reason``, ``command``, ``needs_operator``, ``since``,
            ``begun``, ``back``, ``counts``, ``instances``; see ``nova_ha.reporting.status_report``
=========== ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol, TypedDict

from nova_ha.cli import maintained
from nova_ha.cli.maintained import HostWork
from nova_ha.cli.table import ago
from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import flag, pauses
from nova_ha.reporting import published
from nova_ha.reporting.status_report import InstanceAccount
from nova_ha.rundir import engine_state

WELL, RECOVERING, ATTENTION = "well", "recovering", "attention"

# nova-ha's exit codes for them.
CODES = {WELL: 0, RECOVERING: 3, ATTENTION: 4}

# States of the engine beside those of its own report (see runstate).
UNCONFIGURED, STOPPED, ELSEWHERE, DEAD, HUNG = "unconfigured", "stopped", "elsewhere", "dead", "hung"
ENGINE_STATES = (
    engine_state.STARTING,
    engine_state.ASKING,
    engine_state.WORKING,
    engine_state.WAITING,
    engine_state.MISCONFIGURED,
    engine_state.NOT_INSTALLED,
    UNCONFIGURED,
    STOPPED,
    ELSEWHERE,
    DEAD,
    HUNG,
)
GOES_ON = (engine_state.STARTING, engine_state.ASKING, engine_state.WORKING, ELSEWHERE)

_NO_RESOURCE = "the cluster has no resource of the agent ocf:openstack:NovaEvacuate: flagged hosts are not recovered"
_RUNS_NOWHERE = "it runs nowhere, so no flagged host is recovered: pcs status (or crm_mon -1rf) says why"
_NO_PROCESS = "the cluster has it on this node, but there is no such process: its next monitor will find out"
_OTHER_VERSION = "it is of another version than this nova-ha, which cannot tell what it does: restart it"

MEANING = {
    flag.FLAGGED: "its power was proved off; no engine has taken it up yet",
    flag.GO: "its power was proved off, and an operator let it go; no engine has taken it up yet",
    None: "not flagged (any more); instances that were evacuated get their former state back",
    flag.RECOVERED: "recovered; to be put back into service once it is up",
    flag.RESTART: "recovered; its nova-compute is held back, and starts later",
}


class EngineStatus(TypedDict):
    """What is known of the engine."""

    resource: str | None
    nodes: list[str]
    here: bool
    complaint: str | None
    state: str
    reason: str


class HostStatus(TypedDict):
    """What is known of a host."""

    flag: str | None
    claimed_by: str | None
    claimed_at: int | None
    doing: str | None
    code: str | None
    reason: str | None
    command: str | None
    needs_operator: bool | None
    since: float | None
    begun: float | None
    back: int | None
    counts: dict[str, int] | None
    instances: dict[str, InstanceAccount] | None


class PauseStatus(TypedDict):
    """A pause that stands."""

    scope: str
    name: str
    since: int
    until: int | None
    who: str
    reason: str


class _Found(TypedDict):
    engine: EngineStatus
    pauses: list[PauseStatus] | None
    maintenance: dict[str, HostWork]
    hosts: dict[str, HostStatus]


class Status(_Found):
    """All of it."""

    time: float
    verdict: str


class Board(Protocol):
    """Where the engine's account is published."""

    def read(self) -> Mapping[str, str]:
        """``{node: what its engine has published last}``."""


def look(
    cluster: Cluster, resource: str | None, state: engine_state.RunState | None, board: Board | None, now: float
) -> Status:
    """The status as plain data, see above.

    :param resource: name of the NovaEvacuate resource, None if there is none
    :param state: where its engine keeps its state on this node; None: go by what it publishes, as on any other node
    :param board: where its engine's account is published, None if there is none
    :param now: seconds since the epoch
    :raises cluster.ClusterError: Pacemaker does not answer
    """
    flags = cluster.flags()
    engine, account = _engine(cluster, resource, state, board)
    unflagged: dict[str, str | None] = {host: None for host, known in account.items() if known.get("flag") is None}
    hosts = {host: _host(value, account.get(host)) for host, value in sorted({**unflagged, **flags}.items())}
    works = maintained.listed(maintained.standing(cluster))
    found: _Found = {"engine": engine, "pauses": _pauses(cluster, now), "maintenance": works, "hosts": hosts}
    return {"time": now, "verdict": verdict(found), **found}


def of_host(found: Status, host: str | None) -> Status:
    """The same of one host alone, None for none, with the verdict on that."""
    hosts = {host: found["hosts"][host]} if host in found["hosts"] else {}
    works = {name: each for name, each in found["maintenance"].items() if name == host}
    kept: _Found = {"engine": found["engine"], "pauses": found["pauses"], "maintenance": works, "hosts": hosts}
    return {"time": found["time"], "verdict": verdict(kept), **kept}


def verdict(found: _Found) -> str:
    """WELL, RECOVERING or ATTENTION, from what ``look`` found."""
    hosts = found["hosts"].values()
    engine = found["engine"]
    if engine["state"] not in GOES_ON or engine["complaint"] or found["pauses"] is None or any(map(is_alarm, hosts)):
        return ATTENTION
    return RECOVERING if found["hosts"] else WELL


def _pauses(cluster: Cluster, now: float) -> list[PauseStatus] | None:
    try:
        standing = pauses.standing(pauses.read(cluster.pauses()), now)
    except pauses.UnknownPause:
        return None
    return [
        {
            "scope": each.scope,
            "name": each.name,
            "since": each.since,
            "until": each.until,
            "who": each.who,
            "reason": each.reason,
        }
        for each in standing
    ]


class _Told(NamedTuple):
    """What an engine tells of itself, or what is told of it.

    :param hosts: its account of them
    """

    state: str
    reason: str
    hosts: Mapping[str, Mapping[str, Any]] = {}
    complaint: str | None = None


def _engine(
    cluster: Cluster, resource: str | None, state: engine_state.RunState | None, board: Board | None
) -> tuple[EngineStatus, Mapping[str, Mapping[str, Any]]]:
    """What is known of the engine, and its account of the hosts ({} where that is not known)."""
    nodes: list[str] = []
    pid = None
    if resource is None or board is None:
        told = _Told(UNCONFIGURED, _NO_RESOURCE)
    else:
        nodes = sorted(cluster.active_on(resource))
        pid = state.holder() if state is not None else None
        if state is not None and pid is not None:
            told = _present(state, pid)
        elif nodes and state is not None and cluster.local_node() in nodes:
            told = _Told(DEAD, _NO_PROCESS)
        else:
            told = _elsewhere(nodes, board)
    found: EngineStatus = {
        "resource": resource,
        "nodes": nodes,
        "here": pid is not None,
        "complaint": told.complaint,
        "state": told.state,
        "reason": told.reason,
    }
    return found, told.hosts


def _elsewhere(nodes: Collection[str], board: Board) -> _Told:
    """What is told of an engine by what it has published.

    :param nodes: those on which the cluster has it
    """
    if not nodes:
        return _Told(STOPPED, _RUNS_NOWHERE)
    report = report_of(nodes, board)
    if report is None:
        return _Told(ELSEWHERE, f"it has published nothing yet: run nova-ha on {' or '.join(nodes)}")
    return _reported(report, report.get("complaint"))


def report_of(nodes: Collection[str], board: Board) -> dict[str, Any] | None:
    """What the engine on one of some nodes has published, None if that is nothing, or attrd does not answer."""
    try:
        words = board.read()
    except ClusterError:
        # attrd alone does not answer: the rest of the status is known all the same.
        return None
    return next(filter(None, (published.unpacked(words[node]) for node in nodes if node in words)), None)


def _present(state: engine_state.RunState, pid: int) -> _Told:
    """What the engine that runs on this node tells."""
    report, complaint = state.read_report(), state.read_complaint()
    if not report or pid not in (report.get("pid"), engine_state.UNTOLD):
        return _Told(engine_state.STARTING, "it has not reported yet", {}, complaint)
    age = state.progress_age()
    told = _reported(report, complaint)
    if age is not None and age > engine_state.HUNG_AFTER:
        return told._replace(state=HUNG, reason=f"no progress for {ago(age)}; its last report was: {report['reason']}")
    return told


def _reported(report: Mapping[str, Any], complaint: str | None) -> _Told:
    """What a report tells; another version may have written it."""
    if not engine_state.is_known(report):
        return _Told(report["state"], f"{report['reason']} ({_OTHER_VERSION})", {}, complaint)
    return _Told(report["state"], report["reason"], report.get("hosts", {}), complaint)


def _host(value: str | None, account: Mapping[str, Any] | None) -> HostStatus:
    """A host by its flag, and by the engine's account if that is of the same flag."""
    claimant = flag.claimant(value)
    at = (value or "").rpartition("@")[2]
    # After a change of the flag the account is of former times until the engine's next pass.
    known: Mapping[str, Any] = account if account is not None and account.get("flag") == value else {}
    return {
        "flag": value,
        "claimed_by": claimant,
        "claimed_at": int(at) if claimant is not None and at.isdecimal() else None,
        "doing": known.get("doing"),
        "code": known.get("code"),
        "reason": known.get("reason"),
        "command": known.get("command"),
        "needs_operator": known.get("needs_operator"),
        "since": known.get("since"),
        "begun": known.get("begun"),
        "back": known.get("back"),
        "counts": known.get("counts"),
        "instances": known.get("instances"),
    }


def is_alarm(about: HostStatus) -> bool:
    """Whether something about a host, or an instance of it, does not go on by itself."""
    instances = (about["instances"] or {}).values()
    unknown = about["claimed_by"] is None and about["flag"] not in MEANING
    return unknown or bool(about["needs_operator"]) or any(instance["needs_operator"] for instance in instances)
