# SPDX-License-Identifier: Apache-2.0
"""Whether instances find room: what is said to fit does, in whatever order; what is said to have no room has none."""

import itertools
import random

import pytest

from nova_ha.model.room import Demand
from nova_ha.policy import packing
from nova_ha.policy.packing import CANNOT_TELL, FITS, NO_ROOM, Bin


def demand(number, host, memory=1, vcpus=1, zone="nova", unclear=None):
    needs = {"VCPU": vcpus, "MEMORY_MB": memory, "DISK_GB": 1}
    return Demand(f"i{number}", f"web-{number}", host, zone, needs, unclear)


def bins(free, zone="nova", **more):
    return [Bin(host, zone, {"MEMORY_MB": amount, "VCPU": 100, **more}) for host, amount in free.items()]


def verdicts(loss):
    return {each.demand.id: each.verdict for each in loss.told}


def lose(demands, free, *hosts):
    return packing.Cloud(demands, free).loss(hosts)


def test_what_there_is_room_for_fits():
    demands = [demand(n, "a", memory=2) for n in range(3)]
    assert verdicts(lose(demands, bins({"a": 0, "b": 4, "c": 2}), "a")) == dict.fromkeys(["i0", "i1", "i2"], FITS)


def test_a_lost_host_s_own_room_is_no_room():
    assert verdicts(lose([demand(1, "a")], bins({"a": 100, "b": 0}), "a")) == {"i1": NO_ROOM}


@pytest.mark.parametrize("short", [{"VCPU": 0}, {"DISK_GB": 0}])
def test_every_class_counts(short):
    assert verdicts(lose([demand(1, "a")], bins({"b": 100}, **short), "a")) == {"i1": NO_ROOM}


def test_a_host_that_has_no_disk_of_its_own_has_disk_without_end():
    assert verdicts(lose([demand(1, "a")], bins({"b": 100}), "a")) == {"i1": FITS}


def test_what_fits_only_in_one_order_cannot_be_told():
    # The small one goes to the host with the most room, where the large one would have fitted.
    demands = [demand(1, "a", memory=1), demand(2, "a", memory=4)]
    assert verdicts(lose(demands, bins({"b": 4, "c": 3}), "a")) == {"i1": FITS, "i2": CANNOT_TELL}


def test_room_in_another_availability_zone_may_be_none():
    loss = lose([demand(1, "a")], [*bins({"b": 0}), *bins({"c": 9}, zone="other")], "a")
    assert verdicts(loss) == {"i1": CANNOT_TELL}
    assert "availability zone nova" in loss.told[0].reason


def test_what_needs_more_than_numbers_cannot_be_told_and_takes_room_all_the_same():
    demands = [demand(1, "a", unclear="it needs a PCI device"), demand(2, "a")]
    assert verdicts(lose(demands, bins({"b": 9}), "a")) == {"i1": CANNOT_TELL, "i2": FITS}
    assert sorted(verdicts(lose(demands, bins({"b": 1}), "a")).values()) == [CANNOT_TELL, NO_ROOM]
    assert verdicts(lose(demands, bins({"b": 0}), "a"))["i1"] == NO_ROOM


def test_of_one_host_at_a_time_all_are_told_the_worst_first():
    demands = [demand(1, "a"), demand(2, "b", memory=9), demand(3, "c", unclear="x")]
    found = packing.Cloud(demands, bins({"a": 2, "b": 2, "c": 2})).survey(["a", "b", "c"], 1)
    assert [loss.hosts for loss in found.losses] == [("b",), ("c",), ("a",)]
    assert (found.combinations, found.looked_at) == (3, 3)


def test_of_several_hosts_those_that_do_not_fit_are_told():
    # Each alone finds room; of two together, only where c is left.
    demands = [demand(1, "a"), demand(2, "b"), demand(3, "c")]
    found = packing.Cloud(demands, bins({"a": 1, "b": 1, "c": 2})).survey(["a", "b", "c"], 2)
    assert {loss.hosts for loss in found.losses} == {("a", "c"), ("b", "c")}
    assert (found.combinations, found.looked_at) == (3, 3)


def test_of_too_many_combinations_the_fullest_hosts_and_those_of_an_aggregate_are_looked_at(monkeypatch):
    monkeypatch.setattr(packing, "MOST_COMBINATIONS", 10)
    hosts = [f"h{number}" for number in range(12)]
    demands = [demand(number, host, memory=20 - number) for number, host in enumerate(hosts)]
    looked_at = []

    class Seen(packing.Cloud):
        def loss(self, lost):
            looked_at.append(lost)
            return super().loss(lost)

    cloud = Seen(demands, bins(dict.fromkeys(hosts, 0)), {"rack": {"h9", "h10", "h11"}})
    found = cloud.survey(hosts, 3)
    assert found.combinations == 220 and found.looked_at == len(looked_at) == len(set(looked_at))
    assert ("h0", "h1", "h2") in looked_at and tuple(sorted(["h9", "h10", "h11"])) in looked_at
    assert {host for lost in looked_at for host in lost} == set(hosts)


def test_no_more_are_placed_one_by_one_than_there_is_time_for(monkeypatch):
    monkeypatch.setattr(packing, "MOST_PLACED", 4)
    hosts = ["a", "b", "c", "d"]
    demands = [demand(number, host, memory=number + 1) for number, host in enumerate(hosts)]
    found = packing.Cloud(demands, bins(dict.fromkeys(hosts, 0))).survey(hosts, 2)
    assert (found.combinations, found.looked_at, len(found.losses)) == (6, 4, 4)
    assert ("c", "d") in {loss.hosts for loss in found.losses} and ("a", "b") not in {
        loss.hosts for loss in found.losses
    }


def placements(demands, free):
    """Whether each order in which, and each host to which, they may go ends with all of them placed."""
    found = set()
    for order in itertools.permutations(demands):
        states = [dict(free)]
        for each in order:
            states = [
                {**state, host: has - each.needs["MEMORY_MB"]}
                for state in states
                for host, has in state.items()
                if has >= each.needs["MEMORY_MB"]
            ] or [None]
            if states == [None]:
                found.add(False)
                break
        else:
            found.add(True)
    return found


@pytest.mark.parametrize("seed", range(200))
def test_what_is_proved_to_fit_does_in_every_order_and_what_has_no_room_in_none(seed):
    chosen = random.Random(seed)
    demands = [demand(n, "a", memory=chosen.randint(1, 4)) for n in range(chosen.randint(1, 4))]
    free = {host: chosen.randint(0, 7) for host in "bc"}
    cloud = packing.Cloud(demands, bins({"a": 9, **free}))
    loss = cloud.loss(["a"])
    ends = placements(demands, free)
    if cloud._is_enough(["a"]):
        assert ends == {True}
    if not any(loss.badness):
        assert True in ends
    if ends == {False} and len(demands) == 1:
        assert loss.count(NO_ROOM) == 1
