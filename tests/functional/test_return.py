# SPDX-License-Identifier: Apache-2.0
"""The host comes back: not too early, and as it was."""

import time

import pytest

from tests.lab import bmc, facts, faults

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


def test_what_an_owner_or_an_operator_had_stopped_stays_so(story):
    # Given a running and a stopped instance on a host that an operator has disabled, and one that is to be deleted,
    running, stopped, unwanted = story.instances_on(HOST, 3)
    story.stop(stopped)
    story.disable(HOST, "new disks on Monday")
    # when the host dies, and before anybody knows it the owner deletes the third one,
    faults.power_cut(HOST)
    story.delete(unwanted)
    # then two are recovered in the state that they had (the audits see to that), and the host returns as it was;
    story.recovered(HOST, [running, stopped])
    story.back_in_service(HOST)
    # the third one was not revived, and its deletion ends when the host is back.
    assert unwanted not in [request.instance for request in facts.evacuate_requests(story.recorded.history())]
    story.gone(unwanted)
    service = story.service(HOST)
    assert (service["status"], service["disabled_reason"]) == ("disabled", "new disks on Monday")
