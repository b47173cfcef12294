# SPDX-License-Identifier: Apache-2.0
"""A host dies, and then the host that its instances are being recovered on."""

from tests.functional.steps import LONG, LOSS_LIMIT, eventually
from tests.lab import facts, faults, workload
from tests.lab.cloud import impair

HOST, DESTINATION, LAST = "compute-1", "compute-2", "compute-3"


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
    # then all of them run on the third: those that had waited once it is certain that nobody has begun with them;
    eventually("all instances to run on the last host", lambda: _all_on_last(story, ids + others), LOSS_LIMIT)
    # both hosts are back in service, and what had waited for one of them has done no harm there:
    story.back_in_service(HOST, LOSS_LIMIT)
    story.back_in_service(DESTINATION, LOSS_LIMIT)
    assert _all_on_last(story, ids + others)
    # each was started once.
    past = story.recorded.history()
    died = min(change.time for change in past.power if not change.on)
    assert sorted(run.instance for run in facts.guest_runs(past) if run.start > died) == sorted(ids + others)


def _under_way(story):
    """What the records say of the evacuations; of one that waits for its destination they do not name that."""
    return {entry["status"] for entry in workload.migrations(story.settings)}


def _all_on_last(story, ids):
    entries = workload.instances(story.settings)
    there = {e["id"] for e in entries if (e["host"], e["status"], e["task_state"]) == (LAST, "ACTIVE", None)}
    return there == set(ids)
