# SPDX-License-Identifier: Apache-2.0
"""The control plane dies in the middle of a recovery, in part or as a whole, and nothing is forgotten."""

import time

from tests.functional.steps import after
from tests.lab import facts, faults

HOST = "compute-1"


def test_control_node_of_the_engine_dies_in_the_middle_of_a_recovery(story):
    # Given twenty instances on a host that dies,
    ids = story.instances_on(HOST, 20)
    engine = story.engine_node()
    faults.power_cut(HOST)
    # when the control node that recovers it dies at its first evacuate request,
    story.evacuating()
    faults.power_cut(engine)
    # then an engine takes the host up anew, wherever it is started, and asks for the rest, and only for that.
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    past = story.recorded.history()
    first, second, *_ = [flag.time for flag in past.flags if flag.host == HOST and flag.claimed]
    asked = [request.time for request in facts.evacuate_requests(past)]
    assert first < min(asked) < second < max(asked)
    assert len(asked) == len(ids)


def test_whole_cluster_restarts_while_a_host_is_flagged(story):
    # Given instances on a host that dies while Nova's API is away, so that it is flagged and cannot be recovered,
    ids = story.instances_on(HOST, 5)
    faults.stop_service("nova-api")
    faults.power_cut(HOST)
    story.flagged(HOST)
    # when the whole cluster stops, Nova's API comes back, and the cluster starts again,
    faults.stop_cluster(story.settings)
    faults.start_service("nova-api")
    assert not facts.evacuate_requests(story.recorded.history())
    faults.start_cluster(story.settings)
    # then the instances still come back.
    story.recovered(HOST, ids)
    story.back_in_service(HOST)


def test_nova_is_away_for_a_minute_when_a_host_dies(story):
    # Given instances on a host, and a cloud whose API is away,
    ids = story.instances_on(HOST, 5)
    faults.stop_service("nova-api")
    # when the host dies,
    died = time.time()
    faults.power_cut(HOST)
    # then it is fenced and flagged all the same,
    story.flagged(HOST, limit=45)
    # and once the API is back, a minute later, its instances are recovered.
    after(60, died, "Nova's API to have been away for a minute")
    faults.start_service("nova-api")
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
