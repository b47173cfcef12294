# SPDX-License-Identifier: Apache-2.0
"""The control plane dies in the middle of a recovery, in part or as a whole, and nothing is forgotten."""

import time

import pytest

from nova_ha.model.reasons import Code
from tests.functional.steps import LONG, LOSS_LIMIT, TAKE_OVER_LIMIT, after, eventually, on_control
from tests.lab import facts, faults, workload
from tests.lab.cloud import identity, impair

# Those that need not wait for a host's return: there are more hosts.
ON_EIGHT_HOSTS, ON_THREE_HOSTS = pytest.mark.lab_a, pytest.mark.lab_c

HOST = "compute-1"

# In the order in which they can come back.
PARTS = ("mariadb", "rabbitmq-server", "keystone", "nova-conductor", "nova-scheduler", "nova-api")


@ON_THREE_HOSTS
def test_control_node_of_the_engine_dies_in_the_middle_of_a_recovery(story):
    # Given twenty instances on a host that dies, and an engine that asks for no more than half of them at once, the
    # spawns of which do not end before it is dead,
    story.options(recovery={"in_flight": 10})
    ids = story.instances_on(HOST, 20)
    engine = story.engine_node()
    with story.spawns_held():
        faults.kill(HOST)
        # when the control node that recovers it dies at its first evacuate request,
        story.evacuating()
        faults.power_cut(engine)
    # then an engine takes the host up anew, wherever it is started, and asks for the rest, and only for that.
    story.recovered(HOST, ids, TAKE_OVER_LIMIT)
    story.back_in_service(HOST)
    past = story.recorded.history()
    first, second, *_ = [flag.time for flag in past.flags if flag.host == HOST and flag.claimed]
    asked = [request.time for request in facts.evacuate_requests(past)]
    assert first < min(asked) < second < max(asked)
    assert len(asked) == len(ids)


@ON_THREE_HOSTS
def test_whole_cluster_restarts_while_a_host_is_flagged(story):
    # Given instances on a host that dies while Nova's API is away, so that it is flagged and cannot be recovered,
    ids = story.instances_on(HOST, 5)
    faults.stop_service("nova-api")
    faults.kill(HOST)
    story.flagged(HOST)
    # when the whole cluster stops, Nova's API comes back, and the cluster starts again,
    faults.stop_cluster(story.settings)
    faults.start_service("nova-api")
    assert not facts.evacuate_requests(story.recorded.history())
    faults.start_cluster(story.settings)
    # then the instances still come back.
    story.recovered(HOST, ids, TAKE_OVER_LIMIT)
    story.back_in_service(HOST)


@ON_EIGHT_HOSTS
def test_nova_is_away_for_a_minute_when_a_host_dies(story):
    # Given instances on a host, and a cloud whose API is away,
    host = story.spare
    ids = story.instances_on(host, 5)
    faults.stop_service("nova-api")
    # when the host dies,
    died = time.time()
    faults.power_cut(host)
    # then it is fenced and flagged all the same,
    story.flagged(host)
    # and once the API is back, a minute later, its instances are recovered.
    after(60, died, "Nova's API to have been away for a minute")
    faults.start_service("nova-api")
    story.recovered(host, ids)
    story.closed(host)


@ON_THREE_HOSTS
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(("rabbitmq-server",), id="rabbitmq"),
        pytest.param(("nova-conductor",), id="conductor"),
        pytest.param(("nova-scheduler",), id="scheduler", marks=LONG),
        pytest.param(PARTS, id="all-at-once", marks=LONG),
    ],
)
def test_part_of_the_cloud_dies_in_the_middle_of_a_recovery(story, parts):
    # Given instances that take a while to spawn, some of which are asked for only when others are done (where nothing
    # is asked for after the loss, what a conductor had begun with costs half an hour: docs/exactly-once.md),
    story.options(recovery={"in_flight": 10})
    ids = story.instances_on(HOST, 15)
    impair.set_guests(spawn_seconds=3)
    # on a host that dies,
    faults.kill(HOST)
    # when something that Nova needs dies at the first evacuate request, and is back after a while (all of it only when
    # an instance runs: until one has been scheduled, what is lost with the bus costs a quarter of an hour),
    story.evacuating()
    if parts == PARTS:
        eventually("an instance to run elsewhere", lambda: _run_elsewhere(story), 60, 0.1)
    back = story.outage(*parts)
    # then all instances are recovered, in part only after that, and the host is in service; where with all of it gone a
    # host could not tell anybody that it had started a guest, an operator has it fenced, as the engine asks;
    if parts == PARTS:
        story.recovered(HOST, ids, 3 * LOSS_LIMIT, meanwhile=story.fence_where_a_guest_is_unknown)
    else:
        story.recovered(HOST, ids, LOSS_LIMIT)
    for host in story.settings.compute_hosts:
        story.back_in_service(host)
    past = story.recorded.history()
    assert max(run.start for run in facts.guest_runs(past) if run.host != HOST) > back
    # each was asked for, and the engine had nothing to die of.
    assert {request.instance for request in facts.evacuate_requests(past)} == set(ids)
    story.engine_never_failed()


def _run_elsewhere(story):
    return {run.instance for run in facts.live_runs(story.recorded.history()) if run.host != HOST}


def _tasks(story):
    return {instance["task_state"] for instance in workload.instances(story.settings)}


@ON_THREE_HOSTS
@LONG
def test_a_host_cannot_tell_nova_for_more_than_a_minute_that_it_has_started_guests(story):
    # Given instances on a host that dies, all of which are being made on one other host,
    maker = "compute-2"
    others = [host for host in story.settings.compute_hosts if host not in (HOST, maker)]
    ids = story.instances_on(HOST, 2)
    for host in others:
        story.disable(host, "new disks today")
    with story.spawns_held():
        faults.kill(HOST)
        eventually("both to be made", lambda: _tasks(story) == {"rebuild_spawning"}, 90)
        # when the conductor dies, and their guests start then: that host cannot say so, and gives up,
        faults.stop_service("nova-conductor", at_once=True)
        died = time.time()
    after(80, died, "the host to give up")
    faults.start_service("nova-conductor")
    # and other hosts could take them,
    for host in others:
        story.enable(host)
    # then they are asked for again there only, where they run; and an operator is told.
    story.waits(HOST, Code.UNKNOWN_GUEST, 180)
    assert len(facts.evacuate_requests(story.recorded.history())) > len(ids)
    assert {record["dest"] for record in workload.migrations(story.settings)} == {maker}
    # Once that is fenced, they are recovered; and both are in service again. That none ever ran twice, the audits tell.
    on_control(story.settings, f"stonith_admin --reboot {maker} --timeout=60", timeout=90)
    story.recovered(HOST, ids, LOSS_LIMIT)
    assert all(run.host in others for run in facts.live_runs(story.recorded.history()))
    for host in (HOST, maker):
        story.back_in_service(host)
    story.engine_never_failed()


@ON_THREE_HOSTS
@LONG
def test_database_dies_and_an_operator_sees_to_what_nova_compute_gave_up_without_a_word(story):
    # Given instances that take a while to spawn, on a host that dies, and an engine of little patience,
    story.options(recovery={"stuck_after": 60})
    ids = story.instances_on(HOST, 15)
    impair.set_guests(spawn_seconds=3)
    faults.kill(HOST)
    # when the database dies at the first evacuate request, and is back after a while,
    story.evacuating()
    story.outage("mariadb")
    # then all instances are recovered: where a nova-compute could not even write that it had failed, the engine says
    # what it waits for, and it is enough to restart nova-compute there;
    story.recovered(HOST, ids, LOSS_LIMIT, meanwhile=story.restart_nova_compute_where_stuck)
    story.back_in_service(HOST)
    assert {request.instance for request in facts.evacuate_requests(story.recorded.history())} == set(ids)
    story.engine_never_failed()


@ON_EIGHT_HOSTS
def test_keystone_dies_in_the_middle_of_a_recovery_and_all_tokens_are_revoked(story):
    # Given instances on a host that dies,
    host = story.spare
    ids = story.instances_on(host, 15)
    faults.kill(host)
    # when Keystone and Nova's API die at the first evacuate request, and the engine's token is revoked meanwhile,
    story.evacuating()
    faults.stop_service("nova-api", at_once=True)
    story.outage("keystone")
    identity.revoke_tokens(identity.AGENT_USER)
    faults.start_service("nova-api")
    # then the engine gets another one, and all instances are recovered.
    story.recovered(host, ids, LOSS_LIMIT)
    # What the API had noted, and not passed on when it died, leaves a record more, which the host's return ends.
    story.back_in_service(host)
    past = story.recorded.history()
    assert any(request.status == 401 for request in past.requests)
    assert {request.instance for request in facts.evacuate_requests(past)} == set(ids)
    story.engine_never_failed()


@ON_THREE_HOSTS
def test_answers_of_nova_are_lost(story):
    # Given instances on a host, and a Nova that is busy at first; then its answers are lost, though it has done what
    # was asked, first with the connection, and then behind a gateway that gives up.
    ids = story.instances_on(HOST, 15)
    busy = {"status": 429, "retry_after": 3}
    impair.set_rules(
        [
            {"name": "busy", "count": 2, **busy},
            {"name": "too many evacuations", "action": "evacuate", "count": 5, **busy},
            {"name": "lost", "action": "evacuate", "count": 4, "drop_reply": True},
            {"name": "gateway", "action": "evacuate", "count": 4, "status": 502, "late": True},
        ]
    )
    # When the host dies,
    faults.kill(HOST)
    # then all instances are recovered,
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    # each asked for once, unless Nova said that it had done nothing.
    asked = facts.evacuate_requests(story.recorded.history())
    statuses = [request.status for request in asked]
    assert (statuses.count(429) >= 5, statuses.count(None), statuses.count(502)) == (True, 4, 4)
    assert sorted(request.instance for request in asked if not request.refused) == sorted(ids)
    story.engine_never_failed()
