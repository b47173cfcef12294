# SPDX-License-Identifier: Apache-2.0
"""What the page tells an operator to type works as it stands there, with pcs and with crm."""

from xml.etree import ElementTree

import pytest

from tests import pages
from tests.lab.settings import SOURCE_TREE, Settings

PAGE = SOURCE_TREE / "docs/deploy.md"
AGENTS = {"fence-nova": "fence_compute", "nova-evacuate": "NovaEvacuate", "nova-compute": "NovaCompute"}


@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_deployment_as_the_page_prints_it(bench, shell):
    configuration = _deploy(bench, f"deploy-{shell}")
    assert _agents(configuration).items() >= AGENTS.items()
    # Power first, then the flag, in one level.
    levels = {level.get("target"): level.get("devices") for level in configuration.iter("fencing-level")}
    assert levels == {"compute-1": "ipmi-compute-1,fence-nova"}
    # Every node says what it is: the rules of the engine and of nova-compute go by that.
    roles = {
        node.get("uname"): [pair.get("value") for pair in node.findall(".//nvpair[@name='osprole']")]
        for node in configuration.iter("node")
    }
    wanted = {"controller": Settings().control_nodes, "compute": Settings().compute_hosts}
    assert roles == {node: [role] for role, named in wanted.items() for node in named}
    # nova-compute is held back while a flag stands.
    assert configuration.find(".//rule[@score='-INFINITY']/expression[@attribute='evacuate']") is not None


def test_fence_compute_as_the_only_device_as_the_page_prints_it(bench):
    assert "fence_compute" in _agents(_deploy(bench, "deploy-standalone")).values()


def _deploy(bench, marker):
    """Run a block of the page against a configuration without resources; return what became of it."""
    return ElementTree.fromstring(bench.deploy(pages.commands(PAGE)[marker]))


def _agents(configuration):
    """The agents of the resources and devices, by their names."""
    return {primitive.get("id"): primitive.get("type") for primitive in configuration.iter("primitive")}
