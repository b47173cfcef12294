# SPDX-License-Identifier: Apache-2.0
"""Hosts die at once, with an instance in every state, and each is afterwards what docs/instance-states.md says.

One has all the states, one what owners and operators had stopped, and one has fence_compute as its only device.
"""

import contextlib
from typing import NamedTuple, Optional

import pytest

from tests.functional import wave
from tests.functional.devices import only_device
from tests.functional.steps import eventually, recorded
from tests.lab import facts, faults, history, workload
from tests.lab.cloud import impair
from tests.lab.shell import LabError

pytestmark = pytest.mark.lab_a

HOST, STOPPED, ALONE = "compute-1", "compute-4", "compute-5"
# From where some had been moved; and a host whose device is that of another one, which dies.
ANOTHER, OTHER = "compute-2", "compute-6"
MONDAY = "new disks on Monday"
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
STATES = {**BEFORE, **RESIZED, **MEANWHILE, "in a group": GROUPED, "never launched": UNFINISHED}


class Given(NamedTuple):
    """What there is before the hosts die: instances by what they are called here."""

    states: dict
    companion: str
    stopped_by_owner: dict
    alone: list


class Told(NamedTuple):
    """What came of it: the wave, what there was before, and what Nova says of instances and services at the end.

    :param seen: of the instances in every state, by their names: Nova's status, and where they are
    """

    wave: wave.Wave
    given: Given
    seen: dict
    entries: dict
    services: dict


@pytest.fixture(scope="module")
def told(settings):
    """What came of it that three hosts died at once without a word."""
    with recorded(settings, whole=True) as story:
        given = _given(story)
        ids = {
            HOST: [given.states[name] for name, state in STATES.items() if state.where == ELSEWHERE],
            STOPPED: [given.stopped_by_owner[name] for name in ("running", "stopped")],
            ALONE: given.alone,
        }

        def meanwhile():
            # Before anybody knows that the hosts are dead, owners delete an instance, and use others.
            story.delete(given.stopped_by_owner["unwanted"])
            _bring(story, {given.states[name]: MEANWHILE[name] for name in MEANWHILE}, "task_state")

        with only_device(settings, (ALONE, OTHER)):
            past = wave.strike(story, dict.fromkeys(ids, faults.power_cut), ids, meanwhile)
        with contextlib.suppress(LabError):
            # nova-compute sees what became of those that are left when it is back.
            eventually("each to be what it is to be", lambda: _seen(story, given.states) == WANTED, 60)
            story.gone(given.stopped_by_owner["unwanted"])
        entries = {entry["id"]: entry for entry in workload.instances(settings)}
        services = {entry["host"]: entry for entry in workload.services(settings)}
        past = past._replace(history=story.recorded.history())
        yield Told(past, given, _seen(story, given.states), entries, services)


def _given(story):
    # An instance in each state, some of which had been moved to the host,
    ids = dict(zip([*BEFORE, *MEANWHILE], story.instances_on(HOST, len(BEFORE) + len(MEANWHILE))))
    ids.update(zip(RESIZED, story.instances_on(ANOTHER, len(RESIZED), prefix="resized")))
    _bring(story, {ids[name]: state for name, state in {**BEFORE, **RESIZED}.items()}, "status")
    # and two that may not be on the same host;
    ids["in a group"], companion = _pair_apart(story)
    # a running and a stopped instance on a host that an operator has disabled, and one that is to be deleted;
    owners = dict(zip(("running", "stopped", "unwanted"), story.instances_on(STOPPED, 3)))
    story.stop(owners["stopped"])
    story.disable(STOPPED, MONDAY)
    # instances on a host whose power and flag are one device's business, which is that of another host, too;
    alone = story.instances_on(ALONE, 3)
    # and one that is still being built.
    ids["never launched"] = _unfinished(story)
    for name, state in STATES.items():
        story.recorded.expect(state.becomes, ids[name])
    return Given(ids, companion, owners, alone)


def test_instances_of_a_dead_host_in_every_state(told):
    # The host is back in service, and each is where and what it is to be, and so is its guest (see the audits);
    told.wave.ended_well(HOST)
    assert told.services[HOST]["status"] == "enabled"
    assert told.seen == WANTED
    # each that was to be elsewhere was asked for, once;
    ids = told.given.states
    asked = [request.instance for request in facts.evacuate_requests(told.wave.history)]
    assert sorted(each for each in asked if each in ids.values()) == sorted(told.wave.ids[HOST])
    # those that may not meet did not, locks hold, and nothing is left but what its owner wrote.
    entries = told.entries
    assert entries[ids["in a group"]]["host"] != entries[told.given.companion]["host"]
    assert {ident for ident, entry in entries.items() if entry["locked"]} == {ids["locked"], ids["locked, stopped"]}
    assert {ident: entry["tags"] for ident, entry in entries.items() if entry["tags"]} == {ids["tagged"]: [TAG]}


def test_what_an_owner_or_an_operator_had_stopped_stays_so(told):
    # Two are recovered in the state that they had (the audits see to that), and the host returns as it was;
    told.wave.ended_well(STOPPED)
    service = told.services[STOPPED]
    assert (service["status"], service["disabled_reason"]) == ("disabled", MONDAY)
    # the third one was not revived, and its deletion ended when the host was back.
    unwanted = told.given.stopped_by_owner["unwanted"]
    assert unwanted not in [request.instance for request in facts.evacuate_requests(told.wave.history)]
    assert unwanted not in told.entries


def test_a_host_dies_whose_only_device_is_fence_compute(told):
    # All of its instances run elsewhere, the host is back in service, and nothing was done to the other one.
    told.wave.ended_well(ALONE)
    assert told.services[ALONE]["status"] == "enabled"
    switched = {(change.host, change.on) for change in told.wave.history.power if change.by == "bmc"}
    # Off it was already.
    assert {change for change in switched if change[0] in (ALONE, OTHER)} == {(ALONE, True)}


def test_all_were_dead_at_once_and_no_rule_was_broken(told):
    assert told.wave.dead_at_once()
    assert not told.wave.breaches


_STATUS = {
    history.RUNNING: "ACTIVE",
    history.PAUSED: "PAUSED",
    history.STOPPED: "SHUTOFF",
    history.SHELVED: "SHELVED_OFFLOADED",
    history.IN_ERROR: "ERROR",
    history.GONE: None,
}
WANTED = {name: (_STATUS[state.becomes], state.where) for name, state in STATES.items()}


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
    """Have an instance built on the host, which does not end as long as spawns are held; returns its id."""
    impair.set_guests(hold_spawn_on=[HOST])
    [ident] = workload.create(story.settings, 1, HOST, prefix="unfinished")
    eventually("the build to begin", lambda: _shown(story, "task_state", [ident]) == {ident: UNFINISHED.shown}, 60)
    return ident


def _seen(story, ids):
    """Nova's status of the instances, and where they are, by their names in ``ids``."""
    entries = {entry["id"]: entry for entry in workload.instances(story.settings)}
    found = {name: entries.get(ident, {}) for name, ident in ids.items()}
    return {name: (entry.get("status"), _where(entry.get("host"))) for name, entry in found.items()}


def _where(host):
    return host if host in (None, HOST) else ELSEWHERE
