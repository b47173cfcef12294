# SPDX-License-Identifier: Apache-2.0
"""Mistakes and broken parts as an operator meets them: one clear line each, and no harm done."""

import re
from xml.etree import ElementTree

import pytest

from tests.functional.steps import eventually, on_control
from tests.lab import bmc, cluster, facts, faults, nodes

pytestmark = pytest.mark.lab_a

OPENSTACK = "/usr/lib/ocf/resource.d/openstack"


def test_unreachable_bmc_is_a_failed_fence(story):
    # Given instances on a host whose BMC does not answer,
    host = story.spare
    ids = story.instances_on(host, 2)
    bmc.stop(story.settings, host)
    # when the host dies, and Pacemaker has tried in vain to fence it,
    before = story.fencings(host)
    faults.kill(host)
    eventually("a fencing that failed", lambda: "failed" in str(story.fencings(host) - before), 120)
    # then it is not flagged and nothing is evacuated,
    assert host not in story.flags()
    assert not facts.evacuate_requests(story.recorded.history())
    # until the BMC answers again.
    bmc.start(story.settings, host)
    story.recovered(host, ids)
    story.closed(host)


def test_wrong_password_is_named_in_the_status_of_the_cluster(story):
    # Given a healthy cluster, when an operator gives the engine a wrong password,
    right = cluster.cib(story.settings)
    cluster.pcs(story.settings, "resource", "update", cluster.ENGINE, "password=mistyped")
    # then the cluster's status says so in words that lead to the mistake, and not what was given.
    try:
        reason = eventually("a reason in the cluster's status", lambda: _reason(story.settings), 60)
    finally:
        node = cluster.any_control(story.settings)
        nodes.execute(node, "cibadmin", "--replace", "--scope", "resources", "--xml-pipe", stdin=_resources(right))
        cluster.pcs(story.settings, "resource", "cleanup", cluster.ENGINE)
    assert "mistyped" not in reason
    assert "credentials" in reason
    # Once it is right again the engine runs.
    story.engine_node()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("fence_compute --record-only=1 --action=off --plug=nobody", 1, "nobody"),
        ("fence_compute --record-only=1 --action=dance --plug=compute-1", 1, "dance"),
        ("fence_compute --record-only=perhaps --action=off --plug=compute-1", 1, "record_only"),
        ("fence_compute --action=off --plug=compute-1", 1, "power agent"),
        (f"OCF_RESKEY_auth_url=nonsense {OPENSTACK}/NovaEvacuate validate-all", 6, "auth_url"),
        (f"OCF_RESKEY_colour=red {OPENSTACK}/NovaEvacuate validate-all", 6, "colour"),
        (f"OCF_RESKEY_colour=red {OPENSTACK}/NovaCompute validate-all", 6, "colour"),
    ],
    ids=["unknown-host", "unknown-action", "wrong-value", "no-power-agent", "wrong-url", "unknown-parameter",
         "unknown-parameter-of-compute"],
)  # fmt: skip
def test_mistake_is_named_in_one_line(settings, command, code, words):
    done = on_control(settings, f"export OCF_ROOT=/usr/lib/ocf; {command}")
    said = [line for line in done.stderr.splitlines() if words in line]
    assert done.returncode == code
    assert len(said) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not cluster.flags(settings)


def _resources(cib):
    return ElementTree.tostring(ElementTree.fromstring(cib).find("./configuration/resources"), encoding="unicode")


def _reason(settings):
    """What the cluster's status gives as the reason for the engine's failure."""
    found = re.findall(rf"{cluster.ENGINE}.*exitreason='([^']+)'", on_control(settings, "pcs status --full").stdout)
    return found[0] if found else None
