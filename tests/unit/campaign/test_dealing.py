# SPDX-License-Identifier: Apache-2.0
"""The faults are dealt out so that a round of runs, such as the seeds 1 to 60, has seen all of them."""

import collections

import pytest

from tests.campaign import dealing, moments, plan
from tests.campaign.disturbances import KINDS
from tests.functional.test_campaign import SEEDS

ROUNDS = [range(first, first + dealing.ROUND) for first in (1, 61, 601)]


def hands(seeds):
    return [dealing.hand(seed) for seed in seeds]


@pytest.mark.parametrize("seeds", ROUNDS)
def test_every_kind_strikes_twice_in_a_round(seeds):
    struck = collections.Counter(name for hand in hands(seeds) for name in (hand.death, *hand.others))
    assert struck.keys() == KINDS.keys()
    assert min(struck.values()) >= 2
    deaths = [struck[name] for name in dealing.DEATHS]
    assert max(deaths) - min(deaths) <= 1


@pytest.mark.parametrize("seeds", ROUNDS)
def test_every_moment_comes_in_a_round(seeds):
    seen = collections.Counter(moment for hand in hands(seeds) for moment in hand.moments)
    assert seen.keys() == set(moments.MOMENTS)
    assert min(seen.values()) >= 3


def test_a_kinds_moments_come_in_turn():
    seen = collections.defaultdict(set)
    for hand in hands(range(1, 40 * dealing.ROUND)):
        for name, moment in zip(hand.others, hand.moments):
            seen[name].add(moment)
    assert seen == {name: set(KINDS[name].moments) for name in dealing.OTHERS}


@pytest.mark.parametrize("seeds", ROUNDS)
def test_faults_strike_alone_and_beside_others(seeds):
    assert {len(hand.others) for hand in hands(seeds)} == {0, 1, 2}


def test_rounds_differ():
    first, second = (collections.Counter(hands(seeds)) for seeds in ROUNDS[:2])
    assert len(first & second) < 5


def test_what_strikes_in_one_run_goes_together():
    for hand in hands(range(1, 1000)):
        assert dealing.fits(hand.death, hand.others)
        assert len({KINDS[name].group for name in hand.others}) == len(hand.others)


@pytest.mark.parametrize(
    ("death", "others", "fits"),
    [
        ("kill", (), True),
        ("kill", ("second-death", "nova-errors"), True),
        ("two-at-once", ("second-death",), False),
        ("three-at-once", ("destination-dies",), False),
        ("three-at-once", ("compute-crash",), False),
        ("two-at-once", ("compute-crash",), True),
        ("kill", ("bmc-lies",), False),
        ("hang", ("bmc-lies",), True),
        # A host that may not be fenced at all has no claim, and no close, to strike at.
        ("hang-unhang", ("destination-dies",), False),
        ("flapping", ("operator-clears-flag",), False),
        ("flapping", ("engine-killed",), True),
    ],
)
def test_which_faults_go_together(death, others, fits):
    assert dealing.fits(death, others) == fits


def test_beside_a_host_that_may_live_on_faults_strike_around_its_death():
    assert set(dealing.moments_after("flapping", "engine-killed")) == set(moments.AROUND_DEATH)


def test_a_hand_is_the_same_whatever_was_asked_for_before():
    asked = dealing.hand(130)
    dealing._round.cache_clear()
    assert dealing.hand(130) == asked


def test_seeds_of_ci_break_a_host_the_control_plane_and_the_cloud_and_need_no_patience():
    struck = {name for seed in SEEDS for name in (dealing.hand(seed).death, *dealing.hand(seed).others)}
    assert struck >= {"returns-midway", "dc-killed", "replies-dropped", "compute-hang", "compute-starved"}
    assert len({dealing.hand(seed).death for seed in SEEDS}) == len(SEEDS)
    assert not any(KINDS[dealing.hand(seed).death].may_live or plan.make(seed).patient for seed in SEEDS)
