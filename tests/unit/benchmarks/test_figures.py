# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks read out of records and counters."""

import pytest

from tests.benchmarks import check, decisions, idle, recovery, scale
from tests.benchmarks.printing import table
from tests.lab.history import FencingStep, FlagChange, GuestChange, History, PowerChange, Request

FLAGGED = 100.0
STARTED = (GuestChange(10.0, "compute-1", "i1", True), GuestChange(11.0, "compute-1", "i2", True))
POWER_OFF = (PowerChange(95.0, "compute-1", False),)


# Until detected, off and flagged.
NOTICED = (1.0, 2.0, 3.0)


def evacuation(time, instance):
    return Request(time, path=f"/v2.1/servers/{instance}/action", action="evacuate", instance=instance)


def other(time):
    return Request(time, method="GET", path="/v2.1/os-services")


RECOVERED = History(
    power=POWER_OFF,
    guests=(
        *STARTED,
        GuestChange(102.0, "compute-1", "i2", True),  # where it is not to be
        GuestChange(103.0, "compute-2", "i1", True),
        GuestChange(107.5, "compute-3", "i2", True),
        GuestChange(150.0, "compute-2", "other", True),
    ),
    requests=(other(99.0), other(100.2), evacuation(100.5, "i1"), evacuation(101.5, "i2"), other(108.0), other(140.0)),
    flags=(
        FlagChange(50.0, "compute-1", None),
        FlagChange(FLAGGED, "compute-1", "yes"),
        FlagChange(100.1, "compute-1", "control-1@100"),
        FlagChange(109.0, "compute-1", "no"),
        FlagChange(141.0, "compute-1", None),
        FlagChange(142.0, "compute-2", "yes"),
    ),
    fencing=(FencingStep(96.5, "compute-1"), FencingStep(98.0, "compute-1", "ipmi-compute-1")),
)


def test_figures_of_a_recovery_count_from_the_flag():
    found = recovery.figures(RECOVERED, ["compute-1"], ["i1", "i2"], 94.0)
    assert found == recovery.Figures(2.5, 4.0, 6.0, 0.5, 1.5, 7.5, 9.0, 41.0, others=2, all_others=3)


def test_of_several_hosts_the_last_counts():
    found = recovery.figures(RECOVERED, ["compute-1", "compute-2"], ["i2"], 94.0)
    # Since the first flag; the second host was neither closed nor cleared.
    assert found == recovery.Figures(None, None, 48.0, 0.5, 1.5, 7.5, None, None, others=3, all_others=3)


def test_what_has_not_happened_is_none():
    past = History(power=POWER_OFF, guests=STARTED, flags=(FlagChange(FLAGGED, "compute-1", "yes"),))
    found = recovery.figures(past, ["compute-1"], ["i1", "i2"], 94.0)
    assert found == recovery.Figures(None, None, 6.0, None, None, None, None, None, others=0, all_others=0)


def test_median_is_taken_figure_by_figure():
    found = [recovery.Figures(1.0, 2.0, 3.0, first, 2.0, 3.0, None, None, 4, 5) for first in (1.0, 9.0, 2.0)]
    assert recovery.median(found) == recovery.Figures(1.0, 2.0, 3.0, 2.0, 2.0, 3.0, None, None, 4, 5)


@pytest.mark.parametrize(
    ("engine", "code"),
    [
        (recovery.Figures(*NOTICED, 0.5, 2.0, 10.5, 12.0, 30.0, 20, 25), 0),
        (recovery.Figures(*NOTICED, 0.5, 2.0, 10.6, 12.0, 30.0, 20, 25), 1),
        (recovery.Figures(*NOTICED, 1.1, 2.0, 10.5, 12.0, 30.0, 20, 25), 1),
        (recovery.Figures(*NOTICED, 0.5, 2.0, 10.5, 12.0, 30.0, 21, 25), 1),
    ],
    ids=["reached", "slower than the loop", "late first request", "requests"],
)
def test_recovery_goals_decide_the_exit_code(engine, code, monkeypatch, capsys):
    loop = recovery.Figures(*NOTICED, 0.1, 2.0, 10.0, None, None, 0, 0)
    measured = {"engine": lambda *given: engine, "loop": lambda *given: loop}
    monkeypatch.setattr(recovery, "MEASURE", measured)
    assert recovery.compare(None, ["compute-1"], 20, 1) == code
    assert f"ratio {engine.running / 10:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("few", "many", "expected"), [(1.0, 5.0, 1.0), (1.0, 25.0, 5.0), (2.0, 5.0, 0.5)], ids=["linear", "square", "less"]
)
def test_growth_is_the_cost_of_an_instance_among_many(few, many, expected):
    assert decisions.growth(few, many) == expected


def test_reading_takes_the_engine_and_its_children_apart():
    stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 9 8 7 6 150 50 300 100 20 0 3 0 12345 0 0"
    assert idle.reading(42, stat, "Name:\tx\nVmRSS:\t   35840 kB\n") == idle.Reading(42, 2.0, 4.0, 35.0)


@pytest.mark.parametrize(
    ("cpu", "memory", "code"), [(0.4, 59.0, 0), (0.6, 59.0, 1), (0.4, 61.0, 1)], ids=["reached", "cpu", "memory"]
)
def test_idle_goals_decide_the_exit_code(cpu, memory, code, capsys):
    before, after = idle.Reading(1, 10.0, 20.0, 1.0), idle.Reading(1, 10.0 + cpu / 2, 20.0 + cpu / 2, memory)
    assert idle.report(1000, before, after, 100.0) == code
    assert f"{cpu:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("GET /nova/servers/ID", True),
        ("GET /nova/servers/ID/os-instance-actions", True),
        ("POST /nova/servers/ID/action os-resetState", False),
        ("POST /nova/servers/ID/action evacuate", False),
        ("GET /nova/servers/detail", False),
        ("PUT /nova/os-services/ID", False),
    ],
)
def test_reads_of_one_instance_are_told_from_lists_and_changes(kind, expected):
    assert scale.reads_one_instance(kind) is expected


def test_table_sets_numbers_to_the_right():
    assert table(["what", "n"], [("a", 1.5), ("bcdef", 10)]) == ["what      n", "a      1.50", "bcdef    10"]


def test_a_check_of_many_hosts_is_timed_on_a_cluster_that_is_checked_indeed():
    well, text, _seconds = check.measure(30, True)
    broken, longer, _seconds = check.measure(30, False)
    assert broken == well + 30
    assert text < longer < 30
