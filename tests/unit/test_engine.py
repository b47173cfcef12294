# SPDX-License-Identifier: Apache-2.0
"""The engine against a Nova and a cluster in memory: whole recoveries, and its death at every line."""

import itertools
import random

import pytest

from nova_ha import nova
from nova_ha.engine import Engine
from tests.unit.simulation import OPTIONS, Clock, Inline, Killed, SimulatedCluster, SimulatedNova, State, Tripwire


class Scene:
    """Hosts die, are fenced, flagged and come back; engines come and go.

    :param more: for ``SimulatedNova``
    """

    def __init__(self, **more):
        self.clock = Clock()
        self.cluster = SimulatedCluster({})
        self.nova = SimulatedNova(self.clock, **more)
        self.engine = self.new_engine("control-1")

    def new_engine(self, node):
        self.cluster.node = node
        return Engine(self.cluster, self.nova, "nova-evacuate", State(), OPTIONS, Inline(), self.clock)

    def dies(self, host):
        """The host loses its power, and is fenced and flagged."""
        self.nova.power_cut(host)
        self.cluster.fence(host)
        return self

    def run(self, seconds):
        """Pass after pass for some simulated time; a host comes back as soon as its flag lets it."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.one_pass()

    def one_pass(self):
        pause = 1
        try:
            pause = self.engine.one_pass()
        except nova.CloudError:
            pass
        except Killed:
            self.arm(Tripwire())
            self.engine = self.new_engine("control-2" if self.cluster.node == "control-1" else "control-1")
        self.clock.now += max(pause, 0.1)
        self.nova.work()
        for host in self.nova.host_services:
            if self.cluster.values.get(host, "no") == "no" and (
                host not in self.nova.powered or host in self.cluster.values
            ):
                self.nova.host_returns(host)

    def arm(self, tripwire):
        self.cluster.tripwire = self.nova.tripwire = tripwire
        return tripwire

    def check(self):
        """Every instance runs, once; every host is in service; no rule was broken on the way."""
        assert self.nova.breaches == []
        assert sorted(self.nova.guests) == sorted((server.id, server.host) for server in self.nova.servers.values())
        assert self.cluster.values == {}
        for service in self.nova.host_services.values():
            assert (service.up, service.enabled, service.forced_down) == (True, True, False), service


def test_a_dead_host_is_recovered_and_put_back():
    scene = Scene().dies("compute-1")
    scene.run(30)
    scene.check()
    values = [value for _, value in scene.cluster.history]
    assert values[0].startswith("control-1@")
    assert values[1:] == ["no", None]


@pytest.mark.parametrize("count", [20, 60])
def test_following_costs_few_requests(count):
    scene = Scene(count=count, spawn_seconds=0.6, choose=_in_turn()).dies("compute-1")
    while scene.cluster.values["compute-1"] != "no":
        scene.run(0.1)
    # Once in service again, what remains is to wait for its nova-compute, at a constant cost.
    assert scene.nova.requests <= 10 + 0.5 * count
    scene.run(40)
    scene.check()


def _in_turn():
    turns = itertools.count()
    return lambda hosts: hosts[next(turns) % len(hosts)]


def _changes_of_a_whole_recovery():
    scene = Scene().dies("compute-1")
    tripwire = scene.arm(Tripwire())
    scene.run(30)
    return tripwire.calls


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, _changes_of_a_whole_recovery() + 1))
def test_an_engine_killed_at_any_change_is_gone_on_from_on_another_node(at, before):
    scene = Scene().dies("compute-1")
    scene.arm(Tripwire(at, before))
    scene.run(60)
    scene.check()


@pytest.mark.parametrize("answers", itertools.product(["ok", "lost", "dropped", "late", "refused"], repeat=2))
def test_lost_answers_are_resolved_by_looking(answers):
    scene = Scene(count=2).dies("compute-1")
    scene.nova.next_answers = list(answers)
    scene.run(200)
    scene.check()


@pytest.mark.parametrize("fenced_again", [False, True])
def test_a_request_that_outlives_its_engine_is_waited_for(fenced_again):
    scene = Scene(count=1, spawn_seconds=10).dies("compute-1")
    scene.nova.next_answers = ["late"]
    while not scene.nova.late:
        scene.one_pass()
    if fenced_again:
        scene.cluster.fence("compute-1")
    scene.engine = scene.new_engine("control-2")
    scene.run(60)
    scene.check()


def test_a_host_fenced_again_while_it_is_put_back_keeps_its_flag():
    scene = Scene().dies("compute-1")
    swap = scene.cluster.swap_flag

    def fenced_just_before(host, old, new):
        if new is None:
            scene.cluster.fence(host)
            scene.cluster.swap_flag = swap
        return swap(host, old, new)

    scene.cluster.swap_flag = fenced_just_before
    scene.run(60)
    values = [value for _, value in scene.cluster.history]
    assert values.count("no") == 2
    assert values[-1] is None
    scene.check()


def test_a_host_fenced_again_just_before_it_is_put_back_stays_out():
    scene = Scene().dies("compute-1")
    services, force_down = scene.nova.services, scene.nova.force_down
    fenced, unforced = [], []

    def fenced_meanwhile():
        reported = scene.engine._first_report.get("compute-1")
        if not fenced and reported not in (None, scene.nova.host_services["compute-1"].last_report):
            fenced.append(scene.clock.now)
            scene.dies("compute-1")
        return services()

    def watched(service, forced):
        if not forced:
            unforced.append(scene.cluster.values[service.host])
        force_down(service, forced)

    scene.nova.services, scene.nova.force_down = fenced_meanwhile, watched
    scene.run(60)
    assert fenced
    assert unforced == ["no"]
    scene.check()


def test_another_engine_that_runs_is_respected():
    scene = Scene().dies("compute-1")
    scene.cluster.values["compute-1"] = "control-3@5"
    scene.cluster.active = {"control-3"}
    scene.run(20)
    assert scene.nova.records == []
    scene.cluster.active = set()
    scene.run(60)
    scene.check()


def test_a_host_that_an_operator_had_disabled_stays_so():
    scene = Scene().dies("compute-1")
    scene.nova.change("compute-1", enabled=False, disabled_reason="bad RAM")
    scene.run(60)
    service = scene.nova.host_services["compute-1"]
    assert (service.enabled, service.disabled_reason, service.forced_down) == (False, "bad RAM", False)
    assert scene.cluster.values == {}


def test_a_cloud_that_is_away_loses_nothing():
    scene = Scene().dies("compute-1")
    services = scene.nova.services

    def away():
        raise nova.Unreachable("Keystone is away")

    scene.nova.services = away
    scene.run(20)
    assert scene.cluster.values["compute-1"].startswith("control-1@")
    scene.nova.services = services
    scene.run(60)
    scene.check()


class Chance:
    """One seed's history: a few hosts, and everything that can go wrong going wrong at random moments."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.scene = Scene(
            count=self.random.randint(1, 8),
            hosts=self.random.randint(2, 5),
            spawn_seconds=self.random.choice([0, 1, 4, 20]),
            choose=self.random.choice,
        )
        self.dice = self.random.choice([0.0, 0.1, 0.3])

    def happen(self):
        """Perhaps something happens."""
        scene, roll = self.scene, self.random.random()
        answers = ["ok", "lost", "dropped", "late", "refused"]
        healthy = sorted(set(scene.nova.host_services) - set(scene.cluster.values))
        # One host has to be left: with none, every recovery waits for room.
        if roll < 0.03 and len(healthy) > 1:
            healthy.remove(self.random.choice(healthy))
            scene.dies(self.random.choice(sorted({*healthy, *scene.cluster.values})))
        elif roll < 0.06:
            scene.arm(Tripwire(self.random.randint(1, 6), self.random.random() < 0.5))
        elif roll < 0.08:
            scene.engine = scene.new_engine(self.random.choice(["control-1", "control-2"]))
        elif roll < 0.1:
            scene.nova.away = not scene.nova.away
        elif roll < 0.1 + self.dice:
            scene.nova.next_answers = self.random.choices(answers, k=3)
            scene.nova.next_spawns = self.random.choices(["ok", "failed"], k=3)

    def heal(self):
        """Nothing goes wrong any more."""
        self.scene.arm(Tripwire())
        self.scene.nova.away = False
        self.scene.nova.next_answers, self.scene.nova.next_spawns = [], []


@pytest.mark.parametrize("seed", range(300))
def test_whatever_happens_the_rules_hold_and_everything_comes_back(seed):
    chance = Chance(seed)
    for _ in range(200):
        chance.happen()
        chance.scene.one_pass()
        assert chance.scene.nova.breaches == []
    chance.heal()
    chance.scene.run(1500)
    chance.scene.check()
