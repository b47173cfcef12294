# SPDX-License-Identifier: Apache-2.0
"""A host dies, its instances live on: the main job, by two kinds of death."""

import pytest

from tests.lab import facts, faults

pytestmark = pytest.mark.lab_a

HOST = "compute-1"


@pytest.mark.parametrize("death", [faults.kill, faults.power_cut])
def test_instances_of_a_dead_host_run_elsewhere_and_the_host_returns(story, death):
    # Given twenty instances on a host,
    ids = story.instances_on(HOST, 20)
    # when it dies,
    death(HOST)
    # then all of them run elsewhere,
    story.recovered(HOST, ids)
    # the host is back in service,
    story.back_in_service(HOST)
    assert story.service(HOST)["status"] == "enabled"
    # and each was asked for once.
    asked = [request.instance for request in facts.evacuate_requests(story.recorded.history())]
    assert sorted(asked) == sorted(ids)
