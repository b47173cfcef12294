# SPDX-License-Identifier: Apache-2.0
"""A host dies with an instance in every state, and each is afterwards what docs/instance-states.md says."""

import contextlib
from typing import NamedTuple, Optional

import pytest

from tests.functional.steps import eventually
from tests.lab import facts, faults, history, workload
from tests.lab.cloud import impair
from tests.lab.shell import LabError

pytestmark = pytest.mark.lab_a

HOST, ANOTHER = "compute-1", "compute-2"
ELSEWHERE = "elsewhere"
TAG = "its owner's tag"


class State(NamedTuple):
    """A state that an instance of the host is brought into.

    :param deeds: what is asked of Nova for it, as methods of novaclient's ``servers``, with what they are given
    :param shown: what Nova says when it is there: the last deed's status, or task where the host is dead already
    :param becomes: what it is to be at the end, as ``history`` calls it
    :param where: where it is at the end
    """

    deeds: tuple
    shown: str
    becomes: str = history.RUNNING
    where: Optional[str] = ELSEWHERE


# What owners and operators had done before the host died.
BEFORE = {
    "active": State((), "ACTIVE"),
    "stopped": State((("stop",),), "SHUTOFF", history.STOPPED),
    "locked": State((("lock",),), "ACTIVE"),
    "locked, stopped": State((("stop",), ("lock",)), "SHUTOFF", history.STOPPED),
    "tagged": State((("add_tag", TAG),), "ACTIVE"),
    "paused": State((("pause",),), "PAUSED", history.PAUSED),
    "suspended": State((("suspend",),), "SUSPENDED", history.STOPPED),
    "rescued": State((("rescue",),), "RESCUE"),
    "in error": State((("reset_state", "error"),), "ERROR"),
    "in error, stopped": State((("stop",), ("reset_state", "error")), "ERROR", history.STOPPED),
    "shelved": State((("shelve",),), "SHELVED_OFFLOADED", history.SHELVED, None),
    "opted out": State((("set_meta", {"evacuable": "false"}),), "ACTIVE", where=HOST),
}
# Moved to the host from another one, and to be confirmed there.
RESIZED = {
    "resized": State((("migrate", HOST),), "VERIFY_RESIZE"),
    "resized, stopped": State((("stop",), ("migrate", HOST)), "VERIFY_RESIZE", history.STOPPED),
}
# What they ask for while the host is dead, and nobody knows it yet.
MEANWHILE = {
    "being stopped": State((("stop",),), "powering-off", history.STOPPED),
    "being paused": State((("pause",),), "pausing", history.PAUSED),
    "being suspended": State((("suspend",),), "suspending", history.STOPPED),
    "being rebooted": State((("reboot",),), "rebooting"),
    "being copied": State((("create_image", "copy"),), "image_snapshot_pending"),
    "being deleted": State((("delete",),), "deleting", history.GONE, None),
}
GROUPED = State((), "ACTIVE")
UNFINISHED = State((), "spawning", history.IN_ERROR, HOST)


def test_instances_of_a_dead_host_in_every_state(story):
    # Given an instance in each state, some of which had been moved to the host,
    states = {**BEFORE, **RESIZED, **MEANWHILE, "in a group": GROUPED, "never launched": UNFINISHED}
    ids = dict(zip([*BEFORE, *MEANWHILE], story.instances_on(HOST, len(BEFORE) + len(MEANWHILE))))
    ids.update(zip(RESIZED, story.instances_on(ANOTHER, len(RESIZED), prefix="resized")))
    _bring(story, {ids[name]: state for name, state in {**BEFORE, **RESIZED}.items()}, "status")
    # and two that may not be on the same host, and one that is still being built,
    ids["in a group"], companion = _pair_apart(story)
    ids["never launched"] = _unfinished(story)
    for name, state in states.items():
        story.recorded.expect(state.becomes, ids[name])
    # when the host dies, and some of them are used before anybody knows it,
    faults.power_cut(HOST)
    _bring(story, {ids[name]: MEANWHILE[name] for name in MEANWHILE}, "task_state")
    story.flagged(HOST)
    # then it is back in service, and each is where and what it is to be, and so is its guest (see the audits);
    story.back_in_service(HOST)
    assert story.service(HOST)["status"] == "enabled"
    wanted = {name: (_STATUS[state.becomes], state.where) for name, state in states.items()}
    with contextlib.suppress(LabError):
        # nova-compute sees what became of those that are left when it is back.
        eventually("each to be what it is to be", lambda: _seen(story, ids) == wanted, 60)
    assert _seen(story, ids) == wanted
    # each that was to be elsewhere was asked for, once;
    asked = [request.instance for request in facts.evacuate_requests(story.recorded.history())]
    assert sorted(asked) == sorted(ids[name] for name, state in states.items() if state.where == ELSEWHERE)
    # those that may not meet did not, locks hold, and nothing is left but what its owner wrote.
    entries = {entry["id"]: entry for entry in workload.instances(story.settings)}
    assert entries[ids["in a group"]]["host"] != entries[companion]["host"]
    assert {ident for ident, entry in entries.items() if entry["locked"]} == {ids["locked"], ids["locked, stopped"]}
    assert {ident: entry["tags"] for ident, entry in entries.items() if entry["tags"]} == {ids["tagged"]: [TAG]}


_STATUS = {
    history.RUNNING: "ACTIVE",
    history.PAUSED: "PAUSED",
    history.STOPPED: "SHUTOFF",
    history.SHELVED: "SHELVED_OFFLOADED",
    history.IN_ERROR: "ERROR",
    history.GONE: None,
}


def _bring(story, wanted, shown_by):
    """Bring instances (by their ids) into states, all of them one deed at a time; wait until Nova shows the last."""
    servers = workload.client(story.settings).servers
    for turn in range(max(len(state.deeds) for state in wanted.values())):
        if turn:
            eventually("the deeds before to be done", lambda: _idle(story), 60)
        for ident, state in wanted.items():
            for deed, *given in state.deeds[turn : turn + 1]:
                getattr(servers, deed)(ident, *given)
    shown = {ident: state.shown for ident, state in wanted.items()}
    eventually(f"instances to show as {shown_by} what was done", lambda: _shown(story, shown_by, shown) == shown, 60)


def _idle(story):
    return not any(entry["task_state"] for entry in workload.instances(story.settings))


def _shown(story, shown_by, idents):
    """What Nova shows of instances, by their ids."""
    return {entry["id"]: entry[shown_by] for entry in workload.instances(story.settings) if entry["id"] in idents}


def _pair_apart(story):
    """Boot two instances of a group whose members may not meet, one of them on the host; returns their ids."""
    groups = workload.client(story.settings).server_groups
    group = groups.create("apart", "anti-affinity").id
    return [story.instances_on(host, 1, prefix="apart", hints={"group": group})[0] for host in (HOST, ANOTHER)]


def _unfinished(story):
    """Have an instance built on the host that will not be ready in time; returns its id."""
    impair.set_guests(spawn_seconds=120)
    [ident] = workload.create(story.settings, 1, HOST, prefix="unfinished")
    eventually("the build to begin", lambda: _shown(story, "task_state", [ident]) == {ident: UNFINISHED.shown}, 60)
    impair.set_guests()
    return ident


def _seen(story, ids):
    """Nova's status of the instances, and where they are, by their names in ``ids``."""
    entries = {entry["id"]: entry for entry in workload.instances(story.settings)}
    found = {name: entries.get(ident, {}) for name, ident in ids.items()}
    return {name: (entry.get("status"), _where(entry.get("host"))) for name, entry in found.items()}


def _where(host):
    return host if host in (None, HOST) else ELSEWHERE
