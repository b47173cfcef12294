# SPDX-License-Identifier: Apache-2.0
"""Planned work: a host is drained and rebooted, neither fenced nor recovered; and what becomes of one that dies."""

import json

import pytest

from tests import schemas
from tests.functional.steps import eventually
from tests.lab import cluster, facts, nodes, power, workload

pytestmark = pytest.mark.lab_b

WHY = ("--reason", "CHG-4711: kernel", "--yes")
# Exit codes of ``nova-ha``.
DONE, FAILED = 0, 1


def test_a_host_is_drained_rebooted_and_brought_back(story):
    # Given a host with instances, one of them stopped,
    host = story.spare
    *running, stopped = story.instances_on(host, 3)
    story.stop(stopped)
    one, another, third = story.settings.control_nodes
    # when it is taken into maintenance, what does not move stops that, and is named,
    said = _run(one, "maintenance", host, "--on", "--live-migrate", *WHY, code=FAILED)
    assert stopped in said.stderr
    assert not _on(story, host, running)
    # and it goes on when the order says how.
    _run(another, "maintenance", host, "--on", "--live-migrate", "--cold-migrate", *WHY, code=DONE)
    assert not _on(story, host, [*running, stopped])
    story.stopped(stopped)
    # Then every node shows it, and all is well;
    for node in story.settings.control_nodes:
        told = json.loads(_run(node, "status", "--json", code=DONE).stdout)
        schemas.check("status", told)
        assert list(told["maintenance"]) == [host]
    # its reboot is not taken for its death,
    before = story.fencings(host)
    power.power_off(host, by="test")
    power.power_on(host, by="test")
    nodes.wait_booted(host)
    # and it comes back as it was.
    _run(third, "maintenance", host, "--off", "--yes", code=DONE)
    assert story.fencings(host) == before
    assert story.flags() == {}
    service = story.service(host)
    assert (service["status"], service["state"]) == ("enabled", "up")
    assert host in cluster.active_nodes(story.settings, "nova-compute")
    assert not facts.evacuate_requests(story.recorded.history())


def test_a_host_that_dies_in_maintenance_is_recovered_by_an_operator_s_order(story):
    # Given a host in maintenance with instances left on it,
    host = story.spare
    ids = story.instances_on(host, 2)
    node, *_others = story.settings.control_nodes
    _run(node, "maintenance", host, "--on", "--allow-instances", *WHY, code=DONE)
    # when it dies, nobody does anything,
    power.power_off(host, by="test")
    assert host not in story.flags()
    # until an operator has it evacuated;
    nodes.execute(node, "sh", "-c", f"nova-ha evacuate {host} --yes --reason board >/dev/null 2>&1 &")
    story.recovered(host, ids)
    eventually("its recovery to be closed", lambda: story.flags().get(host) == "no", 60)
    # its service is still disabled for the maintenance,
    assert "nova-ha: maintenance" in story.service(host)["disabled_reason"]
    # and it comes back by the end of that.
    _run(node, "maintenance", host, "--off", "--yes", code=DONE)
    story.back_in_service(host)
    assert story.flags() == {}


def _run(node, *words, code):
    done = nodes.execute(node, "nova-ha", *words, check=False, timeout=400)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def _on(story, host, ids):
    """Those of some instances that are on a host."""
    return [each["id"] for each in workload.instances(story.settings) if each["host"] == host and each["id"] in ids]
