# SPDX-License-Identifier: Apache-2.0
"""Nodes that several files of tests have."""

import pytest

from tests.unit.devstack.node import CONTROL, IPMI, Node


@pytest.fixture
def answering(tmp_path):
    """A control node whose one compute host, localhost, has a pcsd that listens."""
    node = Node(tmp_path, CONTROL, **IPMI)
    # In the place of a connection to port 2224.
    node.told["timeout"] = (0, "")
    (tmp_path / "bin/timeout").symlink_to(tmp_path / "bin/pcs")
    return node
