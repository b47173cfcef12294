# SPDX-License-Identifier: Apache-2.0
"""How the engine takes up what operators order."""

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.model.actions import Wait
from nova_ha.model.orders import End, Retry, written
from nova_ha.model.reasons import Code
from nova_ha.model.request import NO_ROOM
from nova_ha.recovery.act import orders
from nova_ha.recovery.act.orders import Orders
from nova_ha.recovery.memory.requests import Memory
from tests.unit.doubles import FakeCluster
from tests.unit.worlds import instance

NOW = 1000.0
EVERY = written(Retry(None, "alice@control-1", 7))
FLAGS = {"compute-1": "control-1@5", "compute-2": "control-1@6"}


class Engine:
    """Two hosts in recovery, with instances that found no room."""

    def __init__(self, orders):
        self.orders = FakeCluster(orders)
        self.memory = Memory(jitter=lambda: 1.0)
        self.change = 1
        self.now = NOW
        self.heeded = Orders(self.orders, self.memory, lambda: self.now, lambda: self.change)
        self.steps = []
        for host, number in (("compute-1", 1), ("compute-1", 2), ("compute-2", 3)):
            waiting = instance(number, host=host)
            self.memory.failed(waiting.id, NOW, "no room", NO_ROOM)
            self.steps.append(Wait(host, "no room", Code.NO_ROOM, waiting))

    def heeds(self, ours=tuple(FLAGS), flags=FLAGS):
        self.heeded.heed(flags, ours, self.steps)
        return {step.instance.id for step in self.steps if self.memory.get(step.instance.id).until <= self.now}

    def reads(self):
        return self.orders.asked.count(("flags",))


def test_all_of_a_host_are_tried_again_and_the_order_is_gone():
    engine = Engine({"compute-1": EVERY})
    assert engine.heeds() == {"i1", "i2"}
    assert engine.orders.values == {}


def test_some_of_a_host_are():
    engine = Engine({"compute-1": written(Retry(frozenset({"i2", "i3", "i9"}), "alice@control-1", 7))})
    assert engine.heeds() == {"i2"}
    assert engine.orders.values == {}


@pytest.mark.parametrize(("change", "later", "read"), [(1, 5, 1), (2, 0, 2), (1, orders.EVERY, 2), (None, 0, 2)])
def test_it_is_read_when_the_configuration_has_changed_and_now_and_then(change, later, read):
    engine = Engine({})
    engine.heeds()
    engine.orders.values["compute-1"] = EVERY
    engine.change = change
    engine.now += later
    assert bool(engine.heeds() & {"i1"}) is (read == 2)
    assert engine.reads() == read


@pytest.mark.parametrize(("flag", "left"), [("yes", True), ("control-2@7", True), ("no", False), (None, False)])
def test_what_is_not_ours_is_left_to_who_takes_the_host_up_and_deleted_if_nobody_will(flag, left):
    engine = Engine({"compute-9": EVERY})
    assert engine.heeds(flags={**FLAGS, **({"compute-9": flag} if flag else {})}) == set()
    assert bool(engine.orders.values) is left


@pytest.mark.parametrize(
    ("claim", "flag", "ended", "stands"),
    [
        ("control-1@5", "control-1@5", True, True),
        ("control-1@4", "control-1@5", False, False),  # fenced anew, or taken over by another engine
        ("control-1@5", "no", False, False),
        ("control-1@5", "yes", False, True),
    ],
)
def test_an_end_is_of_one_recovery_and_stands_until_that_is_over(claim, flag, ended, stands):
    engine = Engine({"compute-1": written(End(claim, "alice@control-1", 7))})
    flags = {**FLAGS, "compute-1": flag}
    engine.heeds(ours=[host for host, value in flags.items() if value != "yes"], flags=flags)
    assert engine.memory.flags.is_ended("compute-1", "control-1@5") is ended
    assert bool(engine.orders.values) is stands
    assert not engine.memory.flags.is_ended("compute-1", "control-1@6")


def test_what_cannot_be_read_is_deleted(caplog):
    engine = Engine({"compute-1": "nonsense"})
    assert engine.heeds() == set()
    assert engine.orders.values == {}
    assert "'nonsense'" in caplog.text


def test_a_cluster_that_is_away_is_asked_again():
    engine = Engine({"compute-1": EVERY})
    engine.orders.failing = ClusterError("away")
    assert engine.heeds() == set()
    engine.orders.failing = None
    assert engine.heeds() == {"i1", "i2"}
