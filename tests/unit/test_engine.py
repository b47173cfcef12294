# SPDX-License-Identifier: Apache-2.0
"""The engine against a Nova and a cluster in memory: whole recoveries, and its death at every line."""

import itertools

import pytest

from nova_ha import nova
from nova_ha.engine import Engine
from tests.unit.simulation import OPTIONS, Clock, Inline, Killed, SimulatedCluster, SimulatedNova, State, Tripwire


class Scene:
    """One dead host, flagged; engines come and go."""

    def __init__(self, **more):
        self.clock = Clock()
        self.cluster = SimulatedCluster({"compute-1": "yes"})
        self.nova = SimulatedNova(self.clock, **more)
        self.engine = self.new_engine("control-1")

    def new_engine(self, node):
        self.cluster.node = node
        return Engine(self.cluster, self.nova, "nova-evacuate", State(), OPTIONS, Inline(), self.clock)

    def run(self, seconds):
        """Pass after pass for some simulated time; the host comes back as soon as its flag lets it."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            pause = 1
            try:
                pause = self.engine.one_pass()
            except nova.CloudError:
                pass
            except Killed:
                self.arm(Tripwire())
                self.engine = self.new_engine("control-2")
            self.clock.now += max(pause, 0.1)
            self.nova.work()
            if self.cluster.values.get("compute-1", "no") == "no":
                self.nova.host_returns("compute-1")

    def arm(self, tripwire):
        self.cluster.tripwire = self.nova.tripwire = tripwire
        return tripwire

    def check(self):
        """Everything recovered, once; the host back in service; no rule broken on the way."""
        assert self.nova.breaches == []
        assert sorted(instance for instance, _ in self.nova.spawned) == sorted(self.nova.servers)
        assert all(server.host != "compute-1" for server in self.nova.servers.values())
        assert self.cluster.values == {}
        service = self.nova.host_services["compute-1"]
        assert (service.up, service.enabled, service.forced_down) == (True, True, False)


def test_a_dead_host_is_recovered_and_put_back():
    scene = Scene()
    scene.run(30)
    scene.check()
    values = [value for _, value in scene.cluster.history]
    assert values[0].startswith("control-1@")
    assert values[1:] == ["no", None]


@pytest.mark.parametrize("count", [20, 60])
def test_following_costs_few_requests(count):
    scene = Scene(count=count, spawn_seconds=0.6)
    while scene.cluster.values["compute-1"] != "no":
        scene.run(0.1)
    # Once in service again, what remains is to wait for its nova-compute, at a constant cost.
    assert scene.nova.requests <= 10 + 0.5 * count
    scene.run(40)
    scene.check()


def _changes_of_a_whole_recovery():
    scene = Scene()
    tripwire = scene.arm(Tripwire())
    scene.run(30)
    return tripwire.calls


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, _changes_of_a_whole_recovery() + 1))
def test_an_engine_killed_at_any_change_is_gone_on_from_on_another_node(at, before):
    scene = Scene()
    scene.arm(Tripwire(at, before))
    scene.run(60)
    scene.check()


@pytest.mark.parametrize("answers", itertools.product(["ok", "lost", "dropped", "refused"], repeat=2))
def test_lost_answers_are_resolved_by_looking(answers):
    scene = Scene(count=2)
    scene.nova.next_answers = list(answers)
    scene.run(200)
    scene.check()


def test_a_host_fenced_again_while_it_is_put_back_keeps_its_flag():
    scene = Scene()
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


def test_another_engine_that_runs_is_respected():
    scene = Scene()
    scene.cluster.values["compute-1"] = "control-3@5"
    scene.cluster.active = {"control-3"}
    scene.run(20)
    assert scene.nova.records == []
    scene.cluster.active = set()
    scene.run(60)
    scene.check()


def test_a_host_that_an_operator_had_disabled_stays_so():
    scene = Scene()
    scene.nova._change("compute-1", enabled=False, disabled_reason="bad RAM")
    scene.run(60)
    service = scene.nova.host_services["compute-1"]
    assert (service.enabled, service.disabled_reason, service.forced_down) == (False, "bad RAM", False)
    assert scene.cluster.values == {}


def test_a_cloud_that_is_away_loses_nothing():
    scene = Scene()
    services = scene.nova.services

    def away():
        raise nova.Unreachable("Keystone is away")

    scene.nova.services = away
    scene.run(20)
    assert scene.cluster.values["compute-1"].startswith("control-1@")
    scene.nova.services = services
    scene.run(60)
    scene.check()
