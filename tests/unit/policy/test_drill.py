# SPDX-License-Identifier: Apache-2.0
"""What a drill makes of what it has found."""

import pytest

from nova_ha.policy import drill
from nova_ha.policy.drill import Paper, Phase
from tests.unit.worlds import living, service

HOST = "compute-1"


def paper(**more):
    known = {"host": HOST, "flags": {}, "engine": None, "paused": None, "maintained": False, "online": True}
    return Paper(**{**known, "cloud": None, "service": living(HOST), "errors": [], "room": None, **more})


def wrong(found):
    return {phase.name: phase.text for phase in found if not phase.ok}


def test_on_paper_a_host_that_is_well_would_be_recovered():
    found = drill.on_paper(paper())
    assert wrong(found) == {} and drill.is_passed(found)
    assert all(phase.seconds is None for phase in found)


@pytest.mark.parametrize(
    ("known", "name", "word"),
    [
        ({"flags": {"compute-2": "yes"}}, "flags", "compute-2 (yes)"),
        ({"engine": "stopped: it runs nowhere"}, "engine", "nowhere"),
        ({"paused": "paused by alice"}, "pauses", "alice"),
        ({"maintained": True}, "maintenance", "is in maintenance"),
        ({"online": False}, "host", "does not reach"),
        ({"cloud": "Keystone does not answer", "service": None}, "service", "Keystone"),
        ({"service": None}, "service", "no nova-compute service"),
        ({"service": service(HOST)}, "service", "does not report"),
        ({"service": living(HOST, enabled=False, reason="bad RAM")}, "service", "bad RAM"),
        ({"errors": [f"e{number}" for number in range(7)]}, "check", "e0, e1, e2, e3, e4, and 2 more"),
        ({"room": "they need 8 VCPU"}, "room", "8 VCPU"),
    ],
)
def test_what_is_in_the_way_is_named(known, name, word):
    found = drill.on_paper(paper(**known))
    assert not drill.is_passed(found)
    assert list(wrong(found)) == [name]
    assert word in wrong(found)[name]


def test_what_other_control_nodes_have_not_seen_lately_is_to_be_done_there():
    asked = {"control-2": 1000.0, "control-3": 900.0 - drill.RECENT}
    nodes = ["control-1", "control-2", "control-3", "control-4"]
    found = drill.of_others("control-1", nodes, asked, HOST, 1060.0)
    assert [(phase.name, phase.ok) for phase in found] == [
        ("from control-2", True),
        ("from control-3", None),
        ("from control-4", None),
    ]
    assert f"nova-ha drill {HOST} --level 1" in found[1].text


def test_what_was_not_looked_at_is_not_wrong():
    assert drill.is_passed([Phase("a", True, ""), Phase("b", None, "")])
    assert not drill.is_passed([Phase("a", True, ""), Phase("b", False, "")])
