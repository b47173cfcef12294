# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha status`` shows: the flags, where the engine runs, and, on that node, the engine's account.

The flags are the cluster's and can be read on any of its nodes. What the engine does with each host is known on its own
node only. ``look`` gathers, as plain data that ``--json`` prints; ``lines`` puts it for people. Programs have
``schemas/status.json``.

=========== ==========================================================================================
key         value
=========== ==========================================================================================
time        when this was read; seconds since the epoch, as all times here
verdict     ``well``: nothing to do. ``instances``: hosts are in recovery or on their way back. ``attention``:
            something does not go on by itself
engine      ``resource`` (None: none is configured), ``nodes`` on which the cluster has it, ``here`` (whether it runs
            on this node), ``state`` (one of ENGINE_STATES), ``reason``, ``complaint`` (what an operator has to set
            right though it runs, as its monitor tells the cluster; None: nothing, or not known here)
hosts       of each host in recovery: ``flag`` (None where only evacuated instances are still seen to),
            ``claimed_by`` and ``claimed_at`` (None unless the flag is a claim), and from the engine's account (None
            where it is not here) ``doing``, ``code``, ``reason``, ``command``, ``needs_operator``, ``since``,
            ``instances``; see ``nova_ha.reporting.status_report``
=========== ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypedDict

from nova_ha.cli.table import NEEDS_OPERATOR, Row, ago, clipped, explained, table, way_out, wrapped
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import flag
from nova_ha.model.wording import counted
from nova_ha.reporting.status_report import InstanceAccount
from nova_ha.rundir import engine_state

WELL, RECOVERING, ATTENTION = "well", "recovering", "attention"

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
_GOES_ON = (engine_state.STARTING, engine_state.ASKING, engine_state.WORKING, ELSEWHERE)

# Instances of a host that an overview lists, those in trouble first.
SHOWN = 10

_OTHER_VERSION = "it is of another version than this nova-ha, which cannot tell what it does: restart it"

_NAME = 20  # columns for an instance's name

_MEANING = {
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
    instances: dict[str, InstanceAccount] | None


class _Found(TypedDict):
    engine: EngineStatus
    hosts: dict[str, HostStatus]


class Status(_Found):
    """All of it."""

    time: float
    verdict: str


def look(cluster: Cluster, resource: str | None, state: engine_state.RunState | None, now: float) -> Status:
    """The status as plain data, see above.

    :param resource: name of the NovaEvacuate resource, None if there is none
    :param state: where its engine keeps its state, None if there is none
    :param now: seconds since the epoch
    :raises cluster.ClusterError: Pacemaker does not answer
    """
    flags = cluster.flags()
    engine, account = _engine(cluster, resource, state)
    unflagged: dict[str, str | None] = {host: None for host, known in account.items() if known.get("flag") is None}
    hosts = {host: _host(value, account.get(host)) for host, value in sorted({**unflagged, **flags}.items())}
    return {"time": now, "verdict": verdict({"engine": engine, "hosts": hosts}), "engine": engine, "hosts": hosts}


def verdict(found: _Found) -> str:
    """WELL, RECOVERING or ATTENTION, from what ``look`` found."""
    hosts = found["hosts"].values()
    engine = found["engine"]
    if engine["state"] not in _GOES_ON or engine["complaint"] or any(map(_needs_operator, hosts)):
        return ATTENTION
    return RECOVERING if found["hosts"] else WELL


def lines(found: Status, width: int, every: bool = False) -> list[str]:
    """The status for people.

    :param found: from ``look``
    :param every: list every instance, not only the first of each host
    """
    said = wrapped(_headline(found["engine"]), width)
    hosts = found["hosts"]
    if not hosts:
        return [*said, "No host is flagged."]
    rows: list[Row] = [(_host_cells(host, about, found["time"]), _host_notes(about)) for host, about in hosts.items()]
    said += ["", *table(("HOST", "FLAG", "DOING", "SINCE"), rows, width)]
    for host, about in hosts.items():
        if about["instances"]:
            said += ["", *_instances(host, about["instances"], found["time"], width, every)]
    return said


def _engine(
    cluster: Cluster, resource: str | None, state: engine_state.RunState | None
) -> tuple[EngineStatus, Mapping[str, Mapping[str, Any]]]:
    """What is known of the engine, and its account of the hosts ({} where it is not on this node)."""
    if resource is None or state is None:
        reason = "the cluster has no resource of the agent ocf:openstack:NovaEvacuate: flagged hosts are not recovered"
        nowhere: EngineStatus = {
            "resource": None,
            "nodes": [],
            "here": False,
            "complaint": None,
            "state": UNCONFIGURED,
            "reason": reason,
        }
        return nowhere, {}
    nodes = sorted(cluster.active_on(resource))
    pid = state.holder()
    word, reason, account = _present(state, pid) if pid is not None else (*_absent(cluster, nodes), {})
    found: EngineStatus = {
        "resource": resource,
        "nodes": nodes,
        "here": pid is not None,
        "complaint": state.read_complaint() if pid is not None else None,
        "state": word,
        "reason": reason,
    }
    return found, account


def _absent(cluster: Cluster, nodes: Collection[str]) -> tuple[str, str]:
    """State and reason of an engine that does not run on this node."""
    if not nodes:
        return STOPPED, "it runs nowhere, so no flagged host is recovered: pcs status (or crm_mon -1rf) says why"
    if cluster.local_node() in nodes:
        return DEAD, "the cluster has it on this node, but there is no such process: its next monitor will find out"
    return ELSEWHERE, f"run nova-ha on {' or '.join(nodes)} to see what it does with each host"


def _present(state: engine_state.RunState, pid: int) -> tuple[str, str, Mapping[str, Mapping[str, Any]]]:
    """State, reason and account of the engine that runs on this node."""
    report = state.read_report()
    if not report or pid not in (report.get("pid"), engine_state.UNTOLD):
        return engine_state.STARTING, "it has not reported yet", {}
    age = state.progress_age()
    if age is not None and age > engine_state.HUNG_AFTER:
        hosts = report.get("hosts", {}) if engine_state.is_known(report) else {}
        return HUNG, f"no progress for {ago(age)}; its last report was: {report['reason']}", hosts
    if not engine_state.is_known(report):
        return report["state"], f"{report['reason']} ({_OTHER_VERSION})", {}
    return report["state"], report["reason"], report.get("hosts", {})


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
        "instances": known.get("instances"),
    }


def _needs_operator(about: HostStatus) -> bool:
    instances = (about["instances"] or {}).values()
    unknown = about["claimed_by"] is None and about["flag"] not in _MEANING
    return unknown or bool(about["needs_operator"]) or any(instance["needs_operator"] for instance in instances)


def _headline(engine: EngineStatus) -> str:
    where = f" on {', '.join(engine['nodes'])}" if engine["nodes"] else ""
    name = f" {engine['resource']}" if engine["resource"] else ""
    word = "runs" if engine["state"] == ELSEWHERE else engine["state"]
    complaint = f" {NEEDS_OPERATOR}{engine['complaint']}" if engine["complaint"] else ""
    return f"Engine{name}: {word}{where}: {engine['reason']}{complaint}"


def _host_cells(host: str, about: HostStatus, now: float) -> tuple[str, str, str, str]:
    since = about["since"] or about["claimed_at"]
    return host, about["flag"] or "none", about["doing"] or "not known here", ago(now - since) if since else ""


def _host_notes(about: HostStatus) -> list[str | None]:
    """Why a host is where it is, and how many of its instances."""
    if about["reason"]:
        why = explained(about)
    elif about["claimed_by"]:
        why = f"taken up by the engine on {about['claimed_by']}"
    else:
        unknown = f"{NEEDS_OPERATOR}a flag that nova-ha does not know; set it to yes or delete it"
        why = _MEANING.get(about["flag"], unknown)
    return [why, way_out(about), _count(about["instances"].values()) if about["instances"] else None]


def _count(instances: Iterable[InstanceAccount]) -> str:
    """``12 instances: 9 wait, 3 evacuate``."""
    doing = [instance["doing"] for instance in instances]
    parts = [f"{doing.count(word)} {word}" for word in sorted(set(doing), key=lambda word: (-doing.count(word), word))]
    return f"{counted(len(doing), 'instance')}: {', '.join(parts)}"


def _instances(host: str, instances: Mapping[str, InstanceAccount], now: float, width: int, every: bool) -> list[str]:
    """The lines about a host's instances."""
    worst = sorted(instances.items(), key=lambda item: (not item[1]["needs_operator"], -item[1]["failures"]))
    shown, rest = (worst, []) if every else (worst[:SHOWN], worst[SHOWN:])
    rows: list[Row] = [
        (
            (instance, clipped(about["name"], _NAME), about["doing"], ago(now - about["since"])),
            _instance_notes(about),
        )
        for instance, about in shown
    ]
    found = table((f"INSTANCE OF {host}", "NAME", "DOING", "SINCE"), rows, width)
    if rest:
        found.append(f"and {_count(about for _instance, about in rest)} (nova-ha status {host} lists them)")
    return found


def _instance_notes(about: InstanceAccount) -> list[str | None]:
    failures = about["failures"]
    times = f"failed {counted(failures, 'time')}"
    return [explained(about), way_out(about), f"{times}, last: {about['last_failure']}" if failures else None]
