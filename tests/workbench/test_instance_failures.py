# SPDX-License-Identifier: Apache-2.0
"""What the page about instances that fail tells an operator to type works as it stands there, with pcs and with crm."""

from xml.etree import ElementTree

import pytest

from tests import pages
from tests.lab.settings import SOURCE_TREE

PAGE = SOURCE_TREE / "docs/instance-failures.md"


@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_every_compute_host_has_its_watcher(bench, shell):
    # A cluster without a fencing device is none that Pacemaker starts anything in.
    device = "pcs stonith create power fence_compute record_only=1\n"
    root = ElementTree.fromstring(bench.deploy(device + pages.commands(PAGE)[f"instances-{shell}"]))
    (primitive,) = root.iterfind(".//clone/primitive")
    assert (primitive.get("provider"), primitive.get("type")) == ("openstack", "NovaInstances")
    (location,) = root.iter("rsc_location")
    assert location.get("resource-discovery") == "exclusive"
    (expression,) = location.iter("expression")
    assert (expression.get("attribute"), expression.get("value")) == ("osprole", "compute")
