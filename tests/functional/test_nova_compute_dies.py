# SPDX-License-Identifier: Apache-2.0
"""nova-compute dies on the host on which instances are being recovered; the host lives."""

import pytest

from tests.functional.steps import LONG, eventually
from tests.lab import facts, faults, workload
from tests.lab.cloud import impair

pytestmark = pytest.mark.lab_b

HOST, DESTINATION, LAST = "compute-1", "compute-2", "compute-3"

# Half a minute until the starts of nova-compute are looked at again, a minute until it is certain that the former one
# has said all, and as much again for Pacemaker, the spawns and two cores.
CUT_OFF_LIMIT = 180


@LONG
def test_nova_compute_is_killed_in_the_middle_of_the_evacuation_and_is_back_at_once(story):
    # Given instances that take a while to spawn, and that can go to one host only,
    ids = story.instances_on(HOST, 4)
    story.disable(LAST, "new disks today")
    impair.set_guests(spawn_seconds=25)
    # when their host dies, and nova-compute is killed on the other one while it makes all of them,
    faults.power_cut(HOST)
    eventually(f"all instances in the spawn on {DESTINATION}", lambda: _states(story) == ["pre-migrating"] * 4, 90)
    faults.kill_service("nova-compute", DESTINATION)
    impair.set_guests()
    story.enable(LAST)
    # then Pacemaker starts it anew, Nova never knows that it was gone, and all of them run there all the same;
    eventually(f"all instances to run on {DESTINATION}", lambda: _all_on_destination(story, ids), CUT_OFF_LIMIT)
    # their own host comes back, without harm to them.
    story.back_in_service(HOST)
    assert _all_on_destination(story, ids)
    # Each was asked for twice, and started once.
    past = story.recorded.history()
    died = min(change.time for change in past.power if not change.on)
    assert sorted(request.instance for request in facts.evacuate_requests(past)) == sorted(2 * ids)
    assert sorted(run.instance for run in facts.guest_runs(past) if run.start > died) == sorted(ids)


def _states(story):
    """What the records say of the evacuations."""
    return [entry["status"] for entry in workload.migrations(story.settings)]


def _all_on_destination(story, ids):
    entries = [entry for entry in workload.instances(story.settings) if entry["id"] in ids]
    states = {(entry["host"], entry["status"], entry["task_state"]) for entry in entries}
    return len(entries) == len(ids) and states == {(DESTINATION, "ACTIVE", None)}
