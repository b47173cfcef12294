# SPDX-License-Identifier: Apache-2.0
"""The flags, and whose hosts they make: against a cluster in memory that fails on anything unexpected."""

import pytest

from nova_ha import claims as claims_module
from nova_ha import cluster, flag
from nova_ha.claims import Claims


class FakeCluster:
    """Flags with compare and swap; everything that is asked is noted."""

    def __init__(self, flags, active=("control-1",), node="control-1"):
        self.kept = dict(flags)
        self.calls = []
        self._active = set(active)
        self._node = node

    def local_node(self):
        self.calls.append("local_node")
        return self._node

    def flags(self):
        self.calls.append("flags")
        return dict(self.kept)

    def active_on(self, resource):
        self.calls.append(f"active_on {resource}")
        return set(self._active)

    def swap_flag(self, host, old, new):
        self.calls.append(f"swap {host} {old} {new}")
        if self.kept.get(host) != old:
            return False
        self.kept[host] = new
        return True


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(claims_module.time, "time", lambda: 100.9)


def read(flags, **more):
    fake = FakeCluster(flags, **more)
    found = Claims(fake)
    assert found.read() == flags
    return fake, found


def test_what_is_claimed_is_ours():
    fake, ours = read({"c1": "yes", "c2": "yes"})
    assert ours.take("c1", "yes")
    assert fake.kept == {"c1": "control-1@100", "c2": "yes"}
    assert ours.flags == fake.kept
    assert ours.own == {"c1": "control-1@100"} == ours.ours()


@pytest.mark.parametrize("old", ["yes", "go", "control-2@90"])
@pytest.mark.parametrize("meanwhile", ["no", "yes", "go", "control-3@99", None])
def test_what_changed_meanwhile_is_not_taken(old, meanwhile):
    fake, ours = read({"c1": old})
    fake.kept["c1"] = meanwhile
    assert ours.take("c1", old) is (old == meanwhile)
    if old != meanwhile:
        assert fake.kept == {"c1": meanwhile}
        assert ours.own == {}


def test_a_closed_host_is_seen_to_but_is_no_claim():
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    assert ours.close("c1")
    assert fake.kept == {"c1": "no"}
    assert ours.own == {}
    assert ours.ours() == {"c1": "no"}


def test_a_host_that_is_fenced_again_is_not_closed():
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    fake.kept["c1"] = "yes"
    assert not ours.close("c1")
    assert fake.kept == {"c1": "yes"}


@pytest.mark.parametrize("meanwhile", ["yes", "go", "control-2@101", "no", None])
def test_a_claim_that_is_gone_is_not_ours_any_more(meanwhile):
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    fake.kept = {"c1": meanwhile} if meanwhile else {}
    ours.read()
    assert ours.own == {}


def test_an_equal_claim_of_a_former_life_is_not_ours():
    _, ours = read({"c1": "control-1@100"})
    assert ours.own == {} and ours.ours() == {}
    assert ours.are_free()


@pytest.mark.parametrize(
    ("flags", "free"),
    [
        ({}, False),
        ({"c1": "no"}, False),
        ({"c1": "yes"}, True),
        ({"c1": "go"}, True),
        ({"c1": "control-2@90"}, True),
        ({"c1": "maybe"}, True),
        ({"c1": "no", "c2": "yes"}, True),
    ],
)
def test_whether_there_is_any_to_take(flags, free):
    _, ours = read(flags)
    assert ours.are_free() is free


def test_nothing_is_free_when_all_are_ours():
    _, ours = read({"c1": "yes", "c2": "no"})
    ours.take("c1", "yes")
    assert not ours.are_free()


@pytest.mark.parametrize(
    ("flags", "active", "rivals"),
    [
        ({"c1": "yes"}, ["control-1", "control-2"], None),
        ({"c1": "go"}, ["control-2"], None),
        ({"c1": "no"}, ["control-2"], None),
        ({"c1": "maybe"}, ["control-2"], None),
        ({"c1": "control-1@90"}, ["control-2"], None),
        ({"c1": "control-2@90"}, ["control-1", "control-2"], {"control-2"}),
        ({"c1": "control-2@90"}, ["control-1"], set()),
        ({"c1": "control-2@90"}, ["control-1", "control-3"], {"control-3"}),
        ({"c1": "yes", "c2": "control-2@90"}, ["control-2"], {"control-2"}),
    ],
)
def test_other_engines_are_looked_for_only_where_a_flag_names_one(flags, active, rivals):
    fake, ours = read(flags, active=active)
    assert ours.rivals("nova-evacuate") == (rivals or set())
    assert ("active_on nova-evacuate" in fake.calls) is (rivals is not None)


def test_the_node_is_asked_for_once():
    fake, ours = read({})
    ours.read()
    assert fake.calls == ["local_node", "flags", "flags"]


def test_a_claim_names_this_node():
    fake, ours = read({"c1": "yes"}, node="control-7")
    ours.take("c1", "yes")
    assert flag.claimant(fake.kept["c1"]) == "control-7"


def test_a_cluster_that_is_away_changes_nothing():
    fake, ours = read({"c1": "yes"})

    def away(*_):
        raise cluster.ClusterError("no answer")

    fake.swap_flag = away
    with pytest.raises(cluster.ClusterError):
        ours.take("c1", "yes")
    assert ours.flags == {"c1": "yes"} and ours.own == {}
    fake.flags = away
    with pytest.raises(cluster.ClusterError):
        ours.read()
    assert ours.flags == {"c1": "yes"}


def test_what_workers_read_is_never_half_changed():
    _, ours = read({"c1": "yes", "c2": "yes"})
    flags, own = ours.flags, ours.own
    ours.take("c1", "yes")
    assert flags == {"c1": "yes", "c2": "yes"} and own == {}
