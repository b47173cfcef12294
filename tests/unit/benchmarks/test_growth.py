# SPDX-License-Identifier: Apache-2.0
"""How the benchmarks of large clouds compute growth, draw it, and when they are content."""

import collections
from xml.etree import ElementTree

import pytest

from tests.benchmarks import apiload, curves, growth, scheduler
from tests.benchmarks.growth import Cost


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ({10: 2.0, 100: 20.0}, {10: None, 100: 1.0}),
        ({10: 2.0, 100: 200.0, 200: 800.0}, {10: None, 100: 10.0, 200: 2.0}),
        ({1000: 3.0, 5000: 3.0}, {1000: None, 5000: 0.2}),
        ({10: 0.0, 100: 1.0}, {10: None, 100: None}),
    ],
    ids=["linear", "square", "constant", "from nothing"],
)
def test_growth_compares_with_the_size_before(costs, expected):
    assert curves.growth(costs) == expected


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({}, True),
        ({"cpu": 20.0}, True),
        ({"cpu": 23.0}, False),
        ({"requests": 2000}, False),
        ({"peak": 4000.0}, False),
        ({"seconds": 50.0}, False),
        ({"left": 1}, False),
    ],
)
def test_no_figure_may_grow_faster_than_the_cloud_and_no_instance_be_left(more, good):
    few, many = Cost(4.0, 2.0, 100, 36.0), Cost(4.0, 2.0, 100, 36.0)
    assert growth.is_good({10: few, 100: Cost(**{**vars(many), **more})}) is good


def test_table_of_a_moment_tells_requests_by_instance():
    lines = growth.rows_of({100: Cost(100.0, 8.0, 5000, 40.0, evacuations=2000)})
    assert lines[1].split()[-2:] == ["0", "2.50"]


@pytest.mark.parametrize(
    ("moment", "said"),
    [("failed rack", ["best: 40 seconds"]), ("one failed host", ["best: 2 seconds"]), ("idle hour", [])],
)
def test_best_is_one_start_after_the_other_in_each_place_in_flight(moment, said):
    assert growth.best(moment, 2.0) == said


@pytest.mark.parametrize(("with_rule", "code"), [(11.0, 0), (11.1, 1)])
def test_what_our_rule_adds_decides_the_exit_code(with_rule, code, capsys):
    measured = {(10, 1): (0.1, 0.1), (100, 1): (with_rule, 10.0), (100, 40): (10.0, 10.0)}
    assert scheduler.report(measured) == code
    line = capsys.readouterr().out.splitlines()[2].split()
    assert line == ["100", "1", f"{with_rule:.2f}", "10.00", f"{with_rule / 10:.2f}", "<=", "1.1", *line[7:]]
    assert line[-1] == f"{with_rule:.1f}"  # 0.1 s for ten hosts


def test_more_hosts_than_there_are_are_not_flagged():
    assert scheduler.cases([10, 100]) == [(10, 1), (100, 1), (100, 40)]


def test_the_kinds_of_requests_are_summed_up_and_shared_out():
    asked = {20: collections.Counter({"POST evacuate": 20, "GET list": 5}), "idle hour": collections.Counter(ping=3)}
    assert [line.split() for line in apiload.rows(asked)[1:]] == [
        ["POST", "evacuate", "20", "0"],
        ["GET", "list", "5", "0"],
        ["ping", "0", "3"],
        ["all", "25", "3"],
        ["all,", "per", "instance", "1.25"],
    ]


def test_picture_shows_each_line_where_its_costs_are():
    panels = [curves.Panel("CPU <s>", {"idle": {10: 1.0, 100: 10.0}, "rack": {100: 100.0}})]
    drawn = ElementTree.fromstring(curves.picture(panels))
    names = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"CPU <s>", "idle", "rack", "hosts"} <= names
    dots = [(float(e.get("cx")), float(e.get("cy"))) for e in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    (left, low), (right, middle), (also_right, high) = dots
    assert left < right == also_right
    assert low > middle > high and abs((low - middle) - (middle - high)) < 0.2
