# SPDX-License-Identifier: Apache-2.0
"""The host comes back, not too early."""

import time

import pytest

from tests.lab import bmc, faults

pytestmark = pytest.mark.lab_a

HOST = "compute-1"


def test_nova_compute_does_not_start_before_the_instances_are_recovered(story):
    # Given instances on a host, whose spawns take longer than their host takes to come back,
    ids = story.instances_on(HOST, 5)
    with story.spawns_held():
        # when their host dies and its power is on again at once,
        faults.power_cut(HOST)
        bmc.power_on(HOST)
        story.evacuating()
        story.online(HOST)
        online = time.time()
    # then all are recovered, and only after that nova-compute started.
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    past = story.recorded.history()
    back = [guest.time for guest in past.guests if guest.started and guest.host != HOST and guest.instance in ids]
    died = next(change.time for change in past.power if change.host == HOST and not change.on)
    started = [start.time for start in past.starts if start.host == HOST and start.time > died]
    assert online < max(back) < min(started)
