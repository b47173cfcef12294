# SPDX-License-Identifier: Apache-2.0
"""The mass failure guard, as tables: flags in, held hosts out."""

import types

import pytest

from nova_ha.policy.mass_failure import Guard

TEN = frozenset(f"c{n}" for n in range(1, 11))


def flagged(many, value="yes", first=1):
    return {f"c{n}": value for n in range(first, first + many)}


def held(guard, standing, hosts=TEN, aggregates=None):
    return guard.held(standing, hosts, aggregates or {})


@pytest.mark.parametrize(
    ("options", "many", "is_mass"),
    [
        # Half of ten, by default.
        ({}, 0, False),
        ({}, 1, False),
        ({}, 2, False),
        ({}, 5, False),
        ({}, 6, True),
        ({}, 10, True),
        ({"max_share": 20}, 2, False),
        ({"max_share": 20}, 3, True),
        ({"max_share": 29}, 3, True),
        ({"max_share": 30}, 3, False),
        ({"max_share": 30}, 4, True),
        ({"max_share": 100}, 10, False),
        ({"max_share": 0}, 2, False),  # fewer than ``least`` are never a mass
        ({"max_share": 0}, 3, True),
        ({"max_share": 0, "least": 1}, 1, True),
        ({"max_share": 10, "least": 6}, 5, False),
        ({"max_share": 10, "least": 6}, 6, True),
        ({"max_hosts": 3}, 3, False),
        ({"max_hosts": 3}, 4, True),
        ({"max_hosts": 3, "max_share": 100}, 4, True),
        ({"max_hosts": 1}, 2, False),
        ({"max_hosts": 1}, 3, True),
        ({"max_hosts": 9}, 6, True),  # the share is a limit, too
        ({"max_hosts": 0, "max_share": 100}, 10, False),
    ],
)
def test_from_which_number_on_it_is_a_mass(options, many, is_mass):
    found = held(Guard(**options), flagged(many))
    assert set(found) == (set(flagged(many)) if is_mass else set())


@pytest.mark.parametrize("least", [1, 2, 3])
@pytest.mark.parametrize("hosts", [2, 3, 4])
def test_a_small_cloud(hosts, least):
    """With the default, two hosts of three may die; every host of a cloud of three is a mass."""
    names = frozenset(flagged(hosts))
    found = held(Guard(least=least), flagged(hosts), names)
    assert bool(found) is (hosts >= least)


@pytest.mark.parametrize(
    ("value", "is_held"),
    [("yes", True), ("go", False), ("control-1@90", False), ("control-2@90", False), ("maybe", False)],
)
def test_only_those_are_held_that_nobody_has_taken_up_or_let_go(value, is_held):
    found = held(Guard(), {**flagged(8), "c9": value})
    assert ("c9" in found) is is_held
    assert set(flagged(8)) <= set(found)


@pytest.mark.parametrize("value", ["go", "control-1@90", "control-2@90", "maybe"])
def test_those_that_are_taken_up_count(value):
    assert set(held(Guard(), {**flagged(5, value), "c6": "yes"})) == {"c6"}
    assert set(held(Guard(), {**flagged(4, value), "c6": "yes"})) == set()


def test_when_the_number_falls_they_go_by_themselves():
    assert held(Guard(), flagged(6))
    assert not held(Guard(), flagged(5))


def test_a_flag_of_what_is_no_compute_host_does_not_count():
    assert not held(Guard(), {**flagged(5), "elsewhere": "yes", "storage-1": "yes"})
    assert not held(Guard(max_hosts=3), {**flagged(3), "elsewhere": "yes"})


RACK = {"rack": frozenset({"c1", "c2", "c3", "c4"}), "other": frozenset({"c9", "c10"})}


@pytest.mark.parametrize(
    ("share", "standing", "expected"),
    [
        (100, flagged(4), set()),
        (75, flagged(3), set()),
        (74, flagged(3), {"c1", "c2", "c3"}),
        (50, flagged(2), set()),  # fewer than ``least``
        (50, {**flagged(3), "c5": "yes"}, {"c1", "c2", "c3"}),  # which has nothing to do with the rack
        (50, {**flagged(2), "c9": "yes"}, set()),  # three, but not of one aggregate
        (50, {**flagged(2, "go"), "c3": "yes"}, {"c3"}),
    ],
)
def test_the_share_of_an_aggregate(share, standing, expected):
    found = held(Guard(max_aggregate_share=share), standing, aggregates=RACK)
    assert set(found) == expected
    assert all("rack" in why and "other" not in why for why in found.values())


def test_it_says_how_many():
    (why,) = set(held(Guard(), flagged(6)).values())
    assert "6 of 10" in why and "50 %" in why
    (why,) = set(held(Guard(max_hosts=3, max_share=100), flagged(4)).values())
    assert "4" in why and "max_hosts is 3" in why


def test_it_is_made_of_its_options():
    options = {"max_hosts": 7, "max_share": 8, "max_aggregate_share": 9, "least": 10}
    made = Guard.from_options(types.MappingProxyType(options))
    assert made == Guard(**options)
