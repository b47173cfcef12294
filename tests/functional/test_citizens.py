# SPDX-License-Identifier: Apache-2.0
"""The agents as other tools of the cluster know agents: ocf-tester. The workbench has pcs and crm."""

import pytest

from tests.lab import cloud, cluster, nodes

pytestmark = pytest.mark.lab_b

OPENSTACK = "/usr/lib/ocf/resource.d/openstack"


def test_ocf_tester_passes(settings):
    # Beside the cluster's own engine, and on another flag. The stories of nova-compute have the other agents' turn.
    given = {**cloud.agent_credentials(settings), "attribute": "tester"}
    # By the environment: on ocf-tester's command line everybody could read the password.
    lines = [f"export OCF_RESKEY_{name}='{value}'" for name, value in given.items()]
    lines.append(f"ocf-tester -n nova-ha-tester {OPENSTACK}/NovaEvacuate 2>&1")
    done = nodes.execute(cluster.any_control(settings), "sh", stdin="\n".join(lines), timeout=240, check=False)
    assert (done.returncode, "NovaEvacuate passed all tests" in done.stdout) == (0, True), done.stdout
