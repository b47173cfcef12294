# SPDX-License-Identifier: Apache-2.0
"""Which hosts are dead by all appearances and fenced by nobody, and what an operator is told of them."""

import pytest

from nova_ha.model.reasons import Code
from nova_ha.recovery.decide import unfenced
from nova_ha.recovery.memory.timing import SILENT_HOST_PATIENCE
from tests.unit.worlds import living, service, spare

NODES = {"node-1": "c1"}


@pytest.mark.parametrize(
    ("one", "is_silent"),
    [
        (living("c1", up=False), True),
        (spare("c1", up=False), True),
        (living("c1", up=False, enabled=False, reason="AUTO: Connection to libvirt lost: 1"), True),
        (living("c1"), False),
        (living("c1", up=False, enabled=False, reason="new memory"), False),  # off on purpose
        (living("c1", up=False, forced_down=True), False),
        (service("c1"), False),
    ],
)
def test_a_host_is_silent_that_should_report_and_does_not(one, is_silent):
    silences = unfenced.Silences()
    silences.observe({"c1": one, "c2": living("c2")}, 100)
    assert silences.lasting(100 + SILENT_HOST_PATIENCE) == ({"c1"} if is_silent else set())


def test_a_silence_lasts_until_the_host_is_heard_again():
    silences = unfenced.Silences()
    for moment, up, lasting in [
        (0, False, set()),
        (SILENT_HOST_PATIENCE - 1, False, set()),
        (SILENT_HOST_PATIENCE, False, {"c1"}),
        (SILENT_HOST_PATIENCE + 1, True, set()),
        (SILENT_HOST_PATIENCE + 2, False, set()),
        (2 * SILENT_HOST_PATIENCE + 2, False, {"c1"}),
    ]:
        silences.observe({"c1": living("c1", up=up)}, moment)
        assert silences.lasting(moment) == lasting


@pytest.mark.parametrize(
    ("silent", "nodes", "adrift", "flags", "told"),
    [
        ({"c1"}, NODES, {"node-1"}, {}, True),
        (set(), NODES, {"node-1"}, {}, False),
        ({"c1"}, {}, {"node-1"}, {}, False),  # it is another cluster's
        ({"c1"}, NODES, {"node-2"}, {}, False),  # connected, or to be fenced
        *(({"c1"}, NODES, {"node-1"}, {"node-1": value}, False) for value in ("yes", "go", "control-1@7", "maybe")),
        # Put back into service, as the silence of an enabled service tells: it has died since.
        *(({"c1"}, NODES, {"node-1"}, {"node-1": value}, True) for value in ("no", "restart")),
    ],
)
def test_who_is_told_of(silent, nodes, adrift, flags, told):
    found = unfenced.alarms(silent, nodes, adrift, flags)
    assert [(step.host, step.needs_operator) for step in found] == ([("node-1", True)] if told else [])


def test_the_ways_out_are_told():
    (found,) = unfenced.alarms({"c1"}, NODES, {"node-1"}, {})
    assert (found.code, found.command) == (Code.NOT_FENCED, "nova-ha evacuate node-1")
    assert "disable its service" in found.reason
