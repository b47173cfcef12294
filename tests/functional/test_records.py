# SPDX-License-Identifier: Apache-2.0
"""A request that takes its time is not asked for again: what became of it is on Nova's records, not in the clock."""

import time

import pytest

from tests.functional.steps import LONG, RECOVERY_LIMIT, after, eventually
from tests.lab import facts, faults, history
from tests.lab.cloud import impair

pytestmark = pytest.mark.lab_b

HOST = "compute-1"
OTHERS = ["compute-2", "compute-3"]

# Seconds: longer than any time within which an evacuation whose guest runs was once expected to end.
HELD = 75
# Seconds that a request is held back on its way to Nova, and those after which its client is gone.
LATE = 16
# Seconds that the scheduler takes for a request; the conductor waits for it as long as it gives signs of life.
SLOW = (160, 400)


def test_evacuations_whose_guests_run_take_their_time_to_end(story):
    # Given instances on a host that dies, and destinations that start guests and do not come to the end of it, as when
    # many evacuations wait for their resource tracker's lock: active without a task, and still on the dead host.
    ids = story.instances_on(HOST, 8)
    impair.set_guests(hold_end_on=OTHERS)
    faults.kill(HOST)
    eventually("all guests to run elsewhere", lambda: _running_elsewhere() == set(ids), 120)
    # When that lasts for more than a minute,
    after(HELD, time.time(), f"{HELD} s with all ends held back")
    assert story.flags().get(HOST) not in (None, "no")
    # then nothing is asked for a second time,
    assert sorted(_asked()) == sorted(ids)
    # and when they end, all is well.
    impair.set_guests()
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    assert sorted(_asked()) == sorted(ids)


def test_a_request_is_on_its_way_when_its_engine_dies(story):
    # Given an instance on a host that dies, and a load balancer that takes its time with the request to evacuate it,
    ids = story.instances_on(HOST, 1)
    impair.set_rules([{"name": "held back", "action": "evacuate", "latency": LATE, "count": 1}])
    faults.kill(HOST)
    eventually("the request to be held back", lambda: impair.rules()[0]["count"] == 0, 90, 0.05)
    # when the engine dies, and another one takes over,
    faults.kill_engine(story.engine_node())
    # then that does not ask again,
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    # not even when the first one's request has arrived at last.
    assert _asked() == ids


@LONG
@pytest.mark.parametrize("seconds", SLOW)
def test_the_scheduler_takes_its_time(story, seconds):
    # Given instances on a host that dies, and a scheduler that takes longer than a lost request was once waited for,
    ids = story.instances_on(HOST, 3)
    impair.set_scheduler(seconds)
    died = time.time()
    faults.kill(HOST)
    # then it is waited for, and nothing is asked for a second time.
    story.recovered(HOST, ids, seconds + RECOVERY_LIMIT)
    print(f"{_last_start() - died:.0f} s until the last guest ran")
    story.back_in_service(HOST)
    assert sorted(_asked()) == sorted(ids)


def _asked():
    """For which instances an evacuation was asked for, in the order in which Nova had the requests."""
    return [request.instance for request in facts.evacuate_requests(history.read())]


def _last_start():
    """When the last guest was started elsewhere than on the dead host."""
    return max(run.start for run in facts.live_runs(history.read()) if run.host != HOST)


def _running_elsewhere():
    """The instances whose guests run on another host than the dead one."""
    return {run.instance for run in facts.live_runs(history.read()) if run.host != HOST}
