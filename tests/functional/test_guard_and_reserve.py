# SPDX-License-Identifier: Apache-2.0
"""What an operator has prepared for the day: a limit to what is believed, a spare host, an order."""

import re
import time

import pytest

from nova_ha.model.reasons import Code
from tests.functional.steps import RECOVERY_LIMIT, RETURN_LIMIT, eventually
from tests.lab import cluster, facts, faults, nodes, workload

pytestmark = pytest.mark.lab_b

AS_EXPORTER = ("setpriv", "--reuid=nobody", "--regid=haclient", "--clear-groups", "nova-ha", "metrics")

WAITS = 'nova_ha_host_waiting{code="paused",host="compute-1"} 1.0'

HOST, ANOTHER, SPARE = "compute-1", "compute-2", "compute-3"


def test_mass_failure_waits_for_an_operator_who_has_all_restarted_in_place(story):
    # Given instances, in three states, on all hosts, which may be restarted in place,
    began = time.time()
    running, stopped, paused = story.instances_on(HOST, 3)
    where = {running: HOST, stopped: HOST, paused: HOST}
    where.update((story.instances_on(host, 1)[0], host) for host in (ANOTHER, SPARE))
    story.stop(stopped)
    story.pause(paused)
    story.options(recovery={"no_room": "restart_in_place", "no_room_patience": 5})
    # when all hosts die, and Nova's API is away until all are flagged, so that none is taken up before,
    faults.stop_service("nova-api", at_once=True)
    for host in (HOST, ANOTHER, SPARE):
        faults.kill(host)
    for host in (HOST, ANOTHER, SPARE):
        story.flagged(host)
    faults.start_service("nova-api")
    # then they are held, and that is said loudly,
    for host in (HOST, ANOTHER, SPARE):
        story.waits(host, Code.HELD_BY_GUARD)
    status = story.on_engine_node("nova-ha status")
    assert status.returncode == 4
    assert "nova-ha go" in status.stdout
    # on every control node alike,
    for node in story.settings.control_nodes:
        eventually(f"{node} to say the same", lambda node=node: _status(node) == _status(story.engine_node()), 15)
    journal = story.on_engine_node(f"journalctl -t 'NovaEvacuate({cluster.ENGINE})' -o cat --since @{began:.0f}").stdout
    assert f"host_needs_operator: host={HOST} code=held_by_guard " in journal
    for host in (HOST, ANOTHER, SPARE):
        story.online(host)
    assert set(story.flags().values()) == {"yes"}
    # until an operator lets them go: then all instances are where they were, in their former states (see the audits).
    assert story.on_engine_node("nova-ha go --all --yes").returncode == 0
    for host in (HOST, ANOTHER, SPARE):
        story.back_in_service(host)
    assert {instance.id: instance.host for instance in story.recorded.history().instances} == where


def _status(node):
    """Exit code and text of ``nova-ha status`` on a node, without the seconds that pass between two."""
    done = nodes.execute(node, "nova-ha", "status", check=False)
    return done.returncode, re.sub(r"  \d+ (s|min)$", "", done.stdout, flags=re.MULTILINE)


def test_reserved_host_takes_a_lost_ones_place(story):
    # Given a spare host in the aggregate of a host with instances,
    ids = story.instances_on(HOST, 5)
    workload.create_aggregate(story.settings, "rack-7", [HOST, SPARE])
    story.disable(SPARE, "nova-ha: reserved for rack-7")
    story.options(reserve={"destination": True})
    # when that host dies while new recoveries are paused,
    pause = "nova-ha pause --aggregate rack-7 --for 1h --reason 'power feed' --yes"
    assert story.on_engine_node(pause).returncode == 0
    faults.kill(HOST)
    # then it is out of service, nothing else is done, also not by another engine, and every control node says why,
    story.waits(HOST, Code.PAUSED)
    faults.kill_engine(story.engine_node())
    story.waits(HOST, Code.PAUSED)
    assert story.service(HOST)["forced_down"]
    assert story.flags() == {HOST: "yes"}
    for node in story.settings.control_nodes:
        assert "power feed" in _status(node)[1]
        # and tells Prometheus, whom somebody serves who may read the cluster, and no more than that: once the new
        # engine has published it,
        eventually(f"{node} to have the metric", lambda on=node: WAITS in nodes.execute(on, *AS_EXPORTER).stdout, 30)
    # until that is ended: then the spare one is in service, and the instances are there and nowhere else.
    assert story.on_engine_node("nova-ha resume --aggregate rack-7 --yes").returncode == 0
    story.recovered(HOST, ids)
    assert story.service(SPARE)["status"] == "enabled"
    assert {entry["host"] for entry in workload.instances(story.settings)} == {SPARE}
    story.back_in_service(HOST)


def test_databases_are_up_before_web_servers_start(story):
    # Given web servers and databases on a host, the web servers first in Nova's lists,
    databases = story.instances_on(HOST, 3, prefix="db", metadata={"nova-ha:group": "database"})
    webs = story.instances_on(HOST, 3, prefix="web", metadata={"nova-ha:group": "web"})
    story.options(order={"groups": "database, web"})
    # when an operator has it evacuated, on a control node that has no engine,
    node = next(node for node in story.settings.control_nodes if node != story.engine_node())
    order = ("nova-ha", "evacuate", HOST, "--reason", "smoke in the rack", "--yes")
    done = nodes.execute(node, *order, timeout=RECOVERY_LIMIT + RETURN_LIMIT, check=False)
    # then it is fenced, all are recovered and it is in service when the command ends, and who gave the order is known;
    assert done.returncode == 0, done.stderr
    assert story.is_back(HOST)
    journal = nodes.execute(node, "journalctl", "-t", "nova-ha").stdout
    assert "operator_ordered: host=compute-1 order=evacuate" in journal
    story.recovered(HOST, databases + webs)
    # the web servers only once all databases are up.
    past = story.recorded.history()
    up = [run.start for run in facts.guest_runs(past) if run.instance in databases and run.host != HOST]
    asked = [request.time for request in facts.evacuate_requests(past) if request.instance in webs]
    assert max(up) < min(asked)
