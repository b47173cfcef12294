# SPDX-License-Identifier: Apache-2.0
"""What a report says of a recovery, from its events."""

import pytest

from nova_ha.reporting import recovery_report
from nova_ha.reporting.recoveries import NEAR, recoveries
from tests.unit.cli.scenes import ID, event


def at(seconds, what, number=None, node="control-1", **more):
    return {**event(what, number=number, time=1000.0 + seconds, **more), "node": node}


BEGUN = [at(0, "host_claimed"), at(1, "host_disabled", request="req-1")]
OVER = [at(60, "host_recovered"), at(90, "host_in_service"), at(91, "flag_cleared")]


def reported(*events, every=()):
    (found,) = recoveries(events)
    return recovery_report.report(found, [*events, *every])


def outcomes(*events):
    return {int(fate["instance"][-12:]): fate["outcome"] for fate in reported(*events)["details"]}


def test_the_phases_are_timed_from_when_the_host_was_taken_up():
    moves = [at(2, "evacuation_accepted", 1), at(3, "evacuation_accepted", 2)]
    back = [at(10, "instance_evacuated", 1), at(20, "instance_evacuated", 2)]
    found = reported(*BEGUN, *moves, *back, *OVER)
    assert [(phase["phase"], phase["seconds"]) for phase in found["phases"]] == [
        ("taken_up", 0),
        ("forced_down", 1),
        ("first_request", 2),
        ("first_back", 10),
        ("all_back", 20),
        ("recovered", 60),
        ("in_service", 90),
        ("closed", 91),
    ]
    assert (found["state"], found["ended"], found["requests"]) == ("over", 1091, 2)
    # While it goes on, nobody knows which the last one is.
    going_on = reported(*BEGUN, *moves, *back)
    assert "all_back" not in [phase["phase"] for phase in going_on["phases"]]
    assert (going_on["state"], going_on["ended"]) == ("going_on", None)
    assert reported(*BEGUN, OVER[0])["state"] == "recovered"


@pytest.mark.parametrize(
    ("told", "outcome", "afterwards"),
    [
        (["evacuation_accepted"], "open", "untold"),
        (["evacuation_accepted", "instance_evacuated"], "evacuated", "evacuated"),
        (["evacuation_accepted", "instance_evacuated", "restore_step_done"], "evacuated", "evacuated"),
        (["instance_skipped"], "left", "left"),
        (["instance_skipped", "evacuation_accepted"], "open", "untold"),
        (["instance_needs_operator"], "open", "left"),
        (["deletion_finished"], "deleted", "deleted"),
    ],
)
def test_what_has_become_of_an_instance(told, outcome, afterwards):
    events = [*BEGUN, *(at(2 + number, what, 1) for number, what in enumerate(told))]
    assert outcomes(*events) == {1: outcome}
    assert outcomes(*events, *OVER) == {1: afterwards}


def test_how_long_instances_took_and_how_many_were_down():
    back = [at(10 * number, "instance_evacuated", number) for number in range(1, 5)]
    found = reported(*BEGUN, *back, at(50, "evacuation_accepted", 5), at(51, "instance_skipped", 6))
    assert found["outage"] == {"median": 25, "most": 40, "longest": 40, "instance": ID.format(4)}
    assert found["down"] == [[0, 5], [10, 4], [20, 3], [30, 2], [40, 1]]
    order = [int(fate["instance"][-12:]) for fate in found["details"]]
    assert order == [5, 6, 4, 3, 2, 1]


def test_instances_that_are_back_at_once_are_one_step():
    assert reported(*BEGUN, at(9, "instance_evacuated", 1), at(9, "instance_evacuated", 2))["down"] == [[0, 2], [9, 0]]


def test_a_recovery_of_nothing():
    found = reported(*BEGUN, *OVER)
    assert (found["outage"], found["down"], found["details"]) == (None, [[0, 0]], [])


def test_the_engines_that_had_it_and_what_they_failed_at():
    failed = [at(5, "evacuation_not_accepted", 1, level="warning", code="no_room", reason="no valid host")]
    found = reported(*BEGUN, *failed, at(30, "host_claimed", node="control-2"), at(40, "instance_evacuated", 1), *OVER)
    assert (found["engines"], found["refused"]) == (["control-1", "control-2"], 1)
    assert [each["reason"] for each in found["warnings"]] == ["no valid host"]
    assert found["details"][0]["failures"] == 1
    assert found["instances"]["evacuated"] == 1


def test_orders_about_the_host_or_all_are_told_from_before_it_died_to_its_end():
    orders = [
        at(when, "operator_ordered", host=host)
        for when in (-NEAR - 1, -5, 5, 92)
        for host in ("all", "compute-1", "c9")
    ]
    found = reported(*BEGUN, *OVER, every=orders)
    assert [(each["time"] - 1000, each["host"]) for each in found["orders"]] == [
        (-5, "all"),
        (-5, "compute-1"),
        (5, "all"),
        (5, "compute-1"),
    ]
