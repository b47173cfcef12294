# SPDX-License-Identifier: Apache-2.0
"""Which hosts are out of service because of us, though no flag says so, and what an operator is told of them."""

import pytest

from nova_ha import unflagged
from tests.unit.worlds import living, service

MARKED = service("c1", reason="nova-ha: being recovered")
NODES = {"node-1": "c1"}


@pytest.mark.parametrize(
    ("one", "nodes", "flagged", "told"),
    [
        (MARKED, NODES, (), True),
        (service("c1", reason="nova-ha: being recovered; reserve: s1"), NODES, (), True),
        # Somebody un-forced it.
        (service("c1", forced_down=False, reason="nova-ha: being recovered"), NODES, (), True),
        (MARKED, NODES, ("node-1",), False),
        (MARKED, {}, (), False),  # it is another cluster's
        (living("c1"), NODES, (), False),
        (service("c1", reason="broken fan"), NODES, (), False),
        (service("c1", reason="nova-ha: reserved"), NODES, (), False),
    ],
)
def test_a_host_that_carries_our_mark_and_no_flag_is_told_of(one, nodes, flagged, told):
    found = unflagged.alarms({"c1": one}, nodes, flagged, "evacuate")
    assert [(step.host, step.alarm) for step in found] == ([("node-1", True)] if told else [])


def test_the_way_out_is_told():
    (found,) = unflagged.alarms({"c1": MARKED}, NODES, (), "flagged")
    assert "crm_attribute --node node-1 --name flagged --lifetime forever --update no" in found.reason
