# SPDX-License-Identifier: Apache-2.0
"""Which conditions stand, by the engine's report."""

import pytest

from nova_ha.config import options
from nova_ha.notifications import conditions
from nova_ha.notifications.conditions import KINDS, Kind
from nova_ha.notifications.formats import TEST
from tests import pages, schemas
from tests.unit.agent_programs import TREE
from tests.unit.cli.scenes import account, doing

CLAIM = "control-1@1000"


def standing(hosts=(), state="working", complaints=(), reason="r"):
    return conditions.standing({"state": state, "reason": reason, "hosts": dict(hosts)}, dict(complaints))


def keys(found):
    return set(found.conditions)


@pytest.mark.parametrize(
    ("flag", "stands", "begins"),
    [
        pytest.param("yes", {"host_down", "recovery"}, {"host_down"}, id="flagged"),
        pytest.param(CLAIM, {"host_down", "recovery"}, {"host_down", "recovery"}, id="taken up"),
        pytest.param("no", {"host_down"}, set(), id="recovered"),
        pytest.param("restart", {"host_down"}, set(), id="held back"),
        pytest.param(None, set(), set(), id="only its instances are seen to"),
    ],
)
def test_a_flag_is_a_host_that_is_down_until_it_is_gone(flag, stands, begins):
    found = standing({"compute-1": account(flag)})
    assert found.complete
    assert {each.kind.value for each in found.conditions.values()} == stands
    assert {each.kind.value for each in found.conditions.values() if each.begins} == begins


def test_what_needs_an_operator_is_told_by_its_code():
    stuck = [doing(number, needs_operator=True, code="stuck", command=f"end {number}") for number in (1, 2, 3)]
    held = account("yes", what="wait", code="held_by_guard", needs_operator=True, command="nova-ha go compute-2")
    found = standing({"compute-1": account(CLAIM, [*stuck, doing(4)]), "compute-2": held}).conditions
    told = found["needs_operator/compute-1/stuck"]
    assert len(told.instances) == 3 and "2 other instances" in told.summary and told.command == "end 1"
    assert found["needs_operator/compute-2/held_by_guard"].command == "nova-ha go compute-2"


def test_a_complaint_is_told_by_its_code_unless_a_host_tells_the_same():
    lives = account(CLAIM, what="wait", code="flagged_host_lives", needs_operator=True)
    found = standing(
        {"compute-1": lives},
        complaints={
            "cloud": "cloud_refuses: recoveries wait: no",
            "living": "flagged_host_lives: compute-1",
            "unflagged": None,
            "other": "of another version",
        },
    )
    assert {key for key in keys(found) if key.startswith("degraded")} == {"degraded//cloud_refuses", "degraded//"}


@pytest.mark.parametrize(("flag", "told"), [("yes", True), (CLAIM, True), ("no", False)])
def test_a_cloud_that_is_away_is_told_while_a_host_is_dead(flag, told):
    found = standing({"compute-1": account(flag)}, "waiting", reason="Keystone does not answer")
    assert ("cloud_away//" in keys(found)) is told
    # Steps are of the last pass that went well: nothing is over by them.
    assert not found.complete


@pytest.mark.parametrize("state", ["starting", "asking"])
def test_an_engine_that_has_not_come_to_the_hosts_tells_nothing(state):
    assert standing({}, state) == ({}, False)


@pytest.mark.parametrize("state", ["misconfigured", "not_installed"])
def test_an_engine_that_does_not_start_is_told_and_nothing_is_over(state):
    found = standing({}, state, reason="the credentials are refused")
    assert not found.complete
    assert "the credentials are refused" in found.conditions[f"degraded//{state}"].summary


def test_how_a_recovery_ended_is_said():
    report = {"hosts": {"compute-1": account("no", back=12)}}
    assert "12 instances" in conditions.ended(Kind.RECOVERY, "compute-1", None, report)
    for kind in Kind:
        assert conditions.ended(kind, "compute-1", "stuck", {})


def test_the_option_and_the_schema_have_every_kind():
    (option,) = [each for each in options.OPTIONS["notify"] if each.name == "events"]
    assert option.default == list(KINDS) == list(option.type.item_type.choices)
    items = schemas.load("notification")["properties"]["notifications"]["items"]
    assert items["properties"]["event"]["enum"] == [*KINDS, TEST]


def test_the_page_has_every_kind_and_what_to_do():
    page = (TREE / "docs/monitoring.md").read_text(encoding="utf-8")
    section = page.partition("## Notifications")[2].partition("### Receivers")[0]
    rows = {row["event"]: row for row in pages.rows(section)}
    assert list(rows) == list(KINDS)
    for kind in Kind:
        assert (rows[kind.value]["severity"], rows[kind.value]["it stands"]) == (kind.severity, kind.meaning)
        assert rows[kind.value]["what to do"]
