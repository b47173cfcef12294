# SPDX-License-Identifier: Apache-2.0
"""A seed becomes a plan: always the same one, and one that can be carried out; a thousand of them, without a lab."""

import pytest

from tests.campaign import plan, run
from tests.campaign.disturbances import KINDS
from tests.campaign.moments import BEFORE, DEATH
from tests.lab.settings import Settings

SEEDS = range(1, 2001)
NAMES = list(KINDS)


def plans():
    """One after the other: nobody keeps a thousand of them."""
    return map(plan.make, SEEDS)


def test_a_seed_gives_the_same_plan_again():
    assert all(made == again for made, again in zip(plans(), plans()))
    first, again, other = (plan.make(seed, ("kill", "nova-slow")) for seed in (7, 7, 8))
    assert first == again != other


def test_one_to_three_faults_strike():
    assert {len(made.strikes) for made in plans()} == {1, 2, 3}


def test_the_first_fault_is_the_death_and_no_other_is_one():
    for made in plans():
        assert [KINDS[fault].is_death for fault in made.faults] == [True] + [False] * (len(made.faults) - 1)
        assert made.strikes[0].moment == DEATH


def test_faults_beside_the_death_are_of_different_parts():
    for made in plans():
        groups = [KINDS[fault].group for fault in made.faults[1:]]
        assert len(set(groups)) == len(groups)


def test_one_host_is_left_unless_all_die_at_once():
    for made in plans():
        lost = sum(KINDS[fault].lost_hosts for fault in made.faults)
        assert lost <= 2 or made.faults[0] == "three-at-once"


@pytest.mark.parametrize("name", [name for name in NAMES if KINDS[name].deaths])
def test_a_fault_strikes_with_the_deaths_that_it_goes_with(name):
    deaths = {made.faults[0] for made in plans() if name in made.faults}
    assert deaths == set(KINDS[name].deaths)


def test_every_moment_and_duration_is_one_that_its_kind_has():
    seen = {}
    for strike in (strike for made in plans() for strike in made.strikes[1:]):
        kind = KINDS[strike.fault]
        seen.setdefault(strike.fault, set()).add(strike.moment)
        assert kind.lasts[0] <= strike.lasts <= kind.lasts[1]
        assert 0 <= strike.size <= 1
        low, high = plan.LEAD if strike.moment == BEFORE else (0, plan.DELAY)
        assert low <= strike.delay <= high
    assert seen == {name: set(KINDS[name].moments) for name in NAMES if not KINDS[name].is_death}


def test_what_strikes_others_does_not_strike_the_victim():
    for made in plans():
        assert made.victim not in [strike.target for strike in made.strikes[1:]]


def test_every_host_has_instances_and_the_victim_the_most():
    for made in plans():
        counts = {host: [wanted.host for wanted in made.instances].count(host) for host in plan.HOSTS}
        assert min(counts.values()) >= 1
        assert counts[made.victim] == max(counts.values()) or KINDS[made.faults[0]].lost_hosts > 1
        assert {wanted.state for wanted in made.instances} <= set(plan.STATES)


def test_all_states_deeds_and_victims_come_up():
    assert {wanted.state for made in plans() for wanted in made.instances} == set(plan.STATES)
    assert {deed.what for made in plans() for deed in made.deeds} == set(plan.DEEDS)
    assert {made.victim for made in plans()} == set(plan.HOSTS)


def test_a_tenant_is_at_work_before_and_after_the_death():
    for made in plans():
        times = [deed.at for deed in made.deeds]
        assert times == sorted(times)
        assert plan.DEEDS_BETWEEN[0] <= times[0] and times[-1] <= plan.DEEDS_BETWEEN[1]
    assert any(made.deeds[0].at < 0 < made.deeds[-1].at for made in plans())


def test_a_run_has_the_options_and_spawns_that_its_faults_need():
    assert plan.make(1, ("three-at-once",)).options["recovery"]["no_room"] == "restart_in_place"
    assert plan.make(1, ("returns-midway",)).spawn_seconds == KINDS["returns-midway"].spawn_seconds


def test_options_of_several_faults_are_all_there():
    made = plan.make(1, ("three-at-once", "mariadb-away"))
    assert made.options["recovery"] == {"no_room": "restart_in_place", "no_room_patience": 5, "stuck_after": 60}


@pytest.mark.parametrize(
    ("faults", "patient"),
    [(("kill",), False), (("kill", "nova-errors"), False), (("kill", "conductor-killed"), True),
     (("kill", "destination-dies"), True), (("two-at-once",), True)],
)  # fmt: skip
def test_what_may_be_lost_takes_patience(faults, patient):
    assert plan.make(1, faults).patient == patient


def test_who_dies_with_the_victim_or_after_it_has_many_instances_and_what_is_about_the_living_is_about_another():
    for seed in range(20):
        made = plan.make(seed, ("two-at-once", "compute-crash"))
        other = run.neighbour(Settings().compute_hosts, made.victim)
        assert made.strikes[1].target not in (made.victim, other)
        assert [wanted.host for wanted in made.instances].count(other) >= 5
        made = plan.make(seed, ("kill", "second-death", "compute-hang"))
        assert len({strike.target for strike in made.strikes}) == 3


def test_a_fault_names_the_host_that_it_is_about():
    made = plan.make(1, ("kill", "compute-crash", "nova-slow"))
    about = [strike.what for strike in made.strikes]
    assert about == [f"kill ({made.victim})", f"compute-crash ({made.strikes[1].target})", "nova-slow"]


def test_chosen_faults_strike_and_no_others():
    made = plan.make(5, ("nova-slow", "kill"))
    assert made.faults == ("kill", "nova-slow")
    assert plan.make(5, ("nova-slow",)).faults[1:] == ("nova-slow",)
    assert made.command == "/usr/bin/python3 -m tests.campaign --seed 5 --fault nova-slow kill"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (("earthquake",), "no such fault: earthquake"),
        (("kill", "hang"), "one death"),
        (("two-at-once", "second-death"), "do not go together"),
    ],
)
def test_what_cannot_be_is_refused(chosen, words):
    with pytest.raises(ValueError, match=words):
        plan.make(1, chosen)


def test_a_plan_is_told():
    made = plan.make(5, ("nova-slow", "kill"))
    text = "\n".join(plan.lines(made))
    assert "seed 5: kill, nova-slow" in text
    assert all(str(strike) in text for strike in made.strikes)


def test_enough_kinds_of_fault_are_known():
    assert len(KINDS) >= 25
    assert all(kind.what() and kind.group for kind in KINDS.values())
