# SPDX-License-Identifier: Apache-2.0
"""No other host can take the instances of a dead one: they wait for room, or start again where they were."""

import pytest

from nova_ha.model.reasons import Code
from tests.lab import facts, faults, workload

pytestmark = pytest.mark.lab_b

HOST = "compute-1"

# Three of these fill a host of the lab, which has 256 GiB, and leave no room for a fourth.
LARGE, LARGE_MIB = "large", 80 * 1024


def test_instances_wait_for_room(story):
    # Given instances on a host, and no other host that is enabled,
    ids = story.instances_on(HOST, 3)
    for host in _others(story):
        story.disable(host, "new memory on Monday")
    # when the host dies,
    faults.kill(HOST)
    # then its instances wait, and Nova is not bothered,
    story.waits(HOST, Code.NO_HOST)
    assert not facts.evacuate_requests(story.recorded.history())
    # and soon after a host is enabled they are recovered.
    story.enable(_others(story)[0])
    story.recovered(HOST, ids, limit=90)
    story.back_in_service(HOST)


def test_instances_restart_in_place_if_an_operator_wants_that(story):
    # Given hosts that are full, on one of them a running, a stopped and a paused instance, and little patience,
    workload.create_flavor(story.settings, LARGE, LARGE_MIB)
    ids = story.instances_on(HOST, 3, flavor=LARGE)
    for host in _others(story):
        story.instances_on(host, 3, flavor=LARGE)
    _running, stopped, paused = ids
    story.stop(stopped)
    story.pause(paused)
    story.options(recovery={"no_room": "restart_in_place", "no_room_patience": 5})
    # when that host dies, and Nova finds no room for them elsewhere,
    faults.kill(HOST)
    story.waits(HOST, Code.NO_ROOM)
    # then they are on their host again once it is back, in their former states (the audits see to that),
    story.back_in_service(HOST)
    past = story.recorded.history()
    assert {instance.host for instance in past.instances if instance.id in ids} == {HOST}
    # and no record is left for which nova-compute, when it starts again, would destroy them.
    assert {record.status for record in past.migrations} == {"error"}


def _others(story):
    return [host for host in story.settings.compute_hosts if host != HOST]
