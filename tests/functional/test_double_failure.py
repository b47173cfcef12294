# SPDX-License-Identifier: Apache-2.0
"""A host dies, and then the host that its instances are being recovered on."""

import pytest

from tests.functional.steps import LONG, LOSS_LIMIT, eventually
from tests.lab import facts, faults, workload
from tests.lab.cloud import impair

pytestmark = pytest.mark.lab_b

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


def _under_way(story):
    """What the records say of the evacuations; of one that waits for its destination they do not name that."""
    return {entry["status"] for entry in workload.migrations(story.settings)}


def _all_elsewhere(story, ids, others):
    """Whether the instances of the first host run on another one, and those of the second on the third."""
    entries = {entry["id"]: entry for entry in workload.instances(story.settings)}
    running = {i: e["host"] for i, e in entries.items() if (e["status"], e["task_state"]) == ("ACTIVE", None)}
    return all(running.get(i, HOST) != HOST for i in ids) and all(running.get(i) == LAST for i in others)
