# SPDX-License-Identifier: Apache-2.0
"""What the cluster says of the hosts."""

import pytest

from tests.unit.doubles import FakeCluster
from tests.unit.recovery.observe.watch import Watch
from tests.unit.worlds import living, service


@pytest.mark.parametrize(("online", "found"), [(None, False), (set(), False), ({"compute-1"}, True)])
def test_whether_the_cluster_reaches_it(online, found):
    world = Watch().look()
    assert (world if online is None else world.with_cluster(online, {})).hosts[0].online is found


def test_for_how_long_the_cluster_has_proved_it_stopped():
    watch, cluster = Watch(), FakeCluster()
    cluster.nodes, cluster.off = {"compute-1"}, {"compute-1"}

    def stopped_for(after, value="restart"):
        world = watch.look(after, {"compute-1": value})
        (host,) = watch.observer.with_cluster(world, cluster).hosts
        assert host.online
        return host.stopped_for

    assert [stopped_for(0), stopped_for(7), stopped_for(5)] == [0, 7, 12]
    cluster.off.clear()  # its record was lost, or it starts
    assert stopped_for(1) is None
    cluster.off.add("compute-1")
    assert [stopped_for(1), stopped_for(3)] == [0, 3]
    assert stopped_for(1, "no") is None  # it may start
    assert stopped_for(1) == 0


@pytest.mark.parametrize("name", ["compute-1.example.org", "COMPUTE-1"])
@pytest.mark.parametrize(("own", "is_online", "other"), [(False, True, True), (True, True, False)])
def test_a_host_that_the_cluster_has_by_another_name_is_not_proved_stopped(name, own, is_online, other):
    """What it has on record of the old one tells nothing of what runs there now."""
    watch = Watch(service(), living("compute-2"), living("compute-11"))
    cluster = FakeCluster()
    cluster.nodes, cluster.off = {"control-1", "compute-11", "compute-2", name, *["compute-1"] * own}, {"compute-1"}
    cluster.attribute = "flagged"
    world = watch.observer.with_cluster(watch.look(flags={"compute-1": "restart", "compute-2": "no"}), cluster)
    assert world.attribute == "flagged"
    first, second = world.hosts
    assert (first.online, first.online_as) == (is_online, name if other else None)
    assert (first.stopped_for is None) is other
    assert second.online and second.online_as is None


def test_the_cluster_is_asked_only_of_hosts_that_are_held_back():
    watch, cluster = Watch(), FakeCluster()
    watch.observer.with_cluster(watch.look(flags={"compute-1": "no"}), cluster)
    assert {question[0] for question in cluster.asked} == {"online"}
    watch.observer.with_cluster(watch.look(flags={"compute-1": "restart", "compute-2": "no"}), cluster)
    assert [question for question in cluster.asked if "stopped" in question] == [("stopped", "compute-1")]
