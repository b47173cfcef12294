# SPDX-License-Identifier: Apache-2.0
"""A host dies, and then the host that its instances are being recovered on."""

import time

import pytest

from tests.functional.steps import LONG, LOSS_LIMIT, after, eventually
from tests.lab import cluster, computes, facts, faults, workload
from tests.lab.cloud import impair

pytestmark = pytest.mark.lab_b

HOST, DESTINATION, LAST = "compute-1", "compute-2", "compute-3"

# Seconds between the deaths of two hosts, and those that a request takes to Nova: it arrives when the second host is
# dead, and nobody knows that yet.
BETWEEN, ON_ITS_WAY = 5, 3

# The host whose nova-compute is systemd's, which can be held in its start; and for how many seconds it is: more than
# once made the engine hold the host back, and count as stopped what had not begun to stop.
STARTING, LASTS = "compute-1", 150


@LONG
def test_destination_dies_during_the_evacuation(story):
    # Given instances on two hosts, which take a while to spawn, a Nova that takes requests in slowly, and a third host
    # that an operator has disabled for now,
    ids = story.instances_on(HOST, 10)
    others = story.instances_on(DESTINATION, 2)
    story.disable(LAST, "new disks today")
    impair.set_guests(spawn_seconds=25)
    impair.set_rules([{"name": "slow", "action": "evacuate", "latency": 3}])
    # when one of the hosts dies, nova-compute on the other one hangs while it makes the first instances, so that
    # more requests wait for it, and then this host dies too,
    faults.power_cut(HOST)
    eventually(f"a spawn on {DESTINATION}", lambda: "pre-migrating" in _under_way(story), 90)
    faults.freeze_service("nova-compute", DESTINATION)
    eventually(f"a request that waits for {DESTINATION}", lambda: "accepted" in _under_way(story), 30)
    faults.power_cut(DESTINATION)
    story.enable(LAST)
    impair.set_guests()
    impair.clear()
    # then all of them run: what had waited, once it is certain that nobody has begun with it, or on the host that it
    # waited for, should that be back sooner;
    eventually("all instances to run elsewhere", lambda: _all_elsewhere(story, ids, others), LOSS_LIMIT)
    # both hosts are back in service, and what had waited for one of them has done no harm there:
    story.back_in_service(HOST, LOSS_LIMIT)
    story.back_in_service(DESTINATION, LOSS_LIMIT)
    assert _all_elsewhere(story, ids, others)
    # each was started once.
    past = story.recorded.history()
    died = min(change.time for change in past.power if not change.on)
    assert sorted(run.instance for run in facts.guest_runs(past) if run.start > died) == sorted(ids + others)


@LONG
def test_second_host_dies_five_seconds_after_the_first(story):
    # Given instances on two hosts, and more on a third one, so that Nova prefers the second one at first,
    ids = story.instances_on(HOST, 10)
    others = story.instances_on(DESTINATION, 2)
    story.instances_on(LAST, 6)
    impair.set_rules([{"name": "slow", "action": "evacuate", "latency": ON_ITS_WAY}])
    # when both die, one soon after the other, so that Nova sends instances of the first to the second all the same,
    first = time.time()
    faults.kill(HOST)
    after(BETWEEN, first, f"{BETWEEN} s between the two deaths")
    died = time.time()
    faults.power_cut(DESTINATION)
    # then all of them run elsewhere, what had waited for the second host, too;
    eventually("all instances to run elsewhere", lambda: _run_anew(story, died) == set(ids + others), LOSS_LIMIT)
    story.back_in_service(HOST, LOSS_LIMIT)
    story.back_in_service(DESTINATION, LOSS_LIMIT)
    # each was started once, and some had been sent to a dead host.
    past = story.recorded.history()
    starts = [run for run in facts.guest_runs(past) if run.start > died]
    assert sorted(run.instance for run in starts) == sorted(ids + others)
    asked = [request.instance for request in facts.evacuate_requests(past)]
    print(f"{max(run.start for run in starts) - died:.0f} s until the last guest ran; {len(asked)} requests")
    assert len(asked) > len(ids + others)


@LONG
def test_queued_evacuations_wait_for_a_host_whose_nova_compute_takes_long_to_start(story):
    # Given instances that can go to one host only, whose nova-compute hangs, and will take long to start: longer than
    # the cluster's default leaves it,
    cluster.pcs(story.settings, "resource", "update", cluster.COMPUTE, "op", "start", "timeout=600s")
    try:
        ids = story.instances_on(DESTINATION, 2)
        story.disable(LAST, "new disks today")
        faults.hold_start(STARTING)
        # when their host dies, the other one too, with what it was asked for, and comes back,
        faults.freeze_service(computes.SERVICE, STARTING)
        faults.kill(DESTINATION)
        eventually(f"requests that wait for {STARTING}", lambda: _under_way(story) == {"accepted"}, 60)
        died = time.time()
        faults.kill(STARTING)
        began = eventually("its nova-compute to be started", lambda: _start_after(story, died), LOSS_LIMIT)
        # and a third host has room by now,
        story.enable(LAST)
        # then nothing is sent there for as long as the start lasts, since it may take up what waits for it,
        after(LASTS, began, f"a start that lasts {LASTS} s")
        assert STARTING not in cluster.active_nodes(story.settings, cluster.COMPUTE)
        assert not [request for request in facts.evacuate_requests(story.recorded.history()) if request.time > began]
        # and once it is over, all of them run, wherever that is, and all is well.
        released = time.time()
        faults.release_start(STARTING)
        story.recovered(DESTINATION, ids, LOSS_LIMIT)
        last = max(run.start for run in facts.live_runs(story.recorded.history()) if run.instance in ids)
        print(f"the start lasted {released - began:.0f} s; {last - released:.0f} s more until the last guest ran")
        story.back_in_service(DESTINATION, LOSS_LIMIT)
        story.back_in_service(STARTING, LOSS_LIMIT)
    finally:
        cluster.pcs(story.settings, "resource", "update", cluster.COMPUTE, "op", "start", "timeout=60s")


def _run_anew(story, died):
    """The instances whose guests run, started after a moment."""
    return {run.instance for run in facts.live_runs(story.recorded.history()) if run.start > died}


def _start_after(story, moment):
    """When nova-compute was started first on the host that is held in its starts, after a moment."""
    starts = (start.time for start in story.recorded.history().starts if start.host == STARTING)
    return next((start for start in starts if start > moment), None)


def _under_way(story):
    """What the records say of the evacuations; of one that waits for its destination they do not name that."""
    return {entry["status"] for entry in workload.migrations(story.settings)}


def _all_elsewhere(story, ids, others):
    """Whether the instances of the first host run on another one, and those of the second on the third."""
    entries = {entry["id"]: entry for entry in workload.instances(story.settings)}
    running = {i: e["host"] for i, e in entries.items() if (e["status"], e["task_state"]) == ("ACTIVE", None)}
    return all(running.get(i, HOST) != HOST for i in ids) and all(running.get(i) == LAST for i in others)
