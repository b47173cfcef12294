# SPDX-License-Identifier: Apache-2.0
"""The flags, and whose hosts they make: against a cluster in memory that fails on anything unexpected."""

import pytest

from nova_ha.cluster import pacemaker
from nova_ha.model import flag
from nova_ha.recovery.act.claims import Claims
from tests.unit.doubles import FakeCluster


def read(flags, node="control-1", active=("control-1",)):
    fake = FakeCluster(flags, node)
    fake.engines["nova-evacuate"] = set(active)
    found = Claims(fake, epoch=lambda: 100.9)
    assert found.read() == flags
    return fake, found


def test_what_is_claimed_is_ours():
    fake, ours = read({"c1": "yes", "c2": "yes"})
    assert ours.take("c1", "yes")
    assert fake.values == {"c1": "control-1@100", "c2": "yes"}
    assert ours.flags == fake.values
    assert ours.own == {"c1": "control-1@100"} == ours.ours()


@pytest.mark.parametrize("old", ["yes", "go", "control-2@90"])
@pytest.mark.parametrize("meanwhile", ["no", "yes", "go", "control-3@99", None])
def test_what_changed_meanwhile_is_not_taken(old, meanwhile):
    fake, ours = read({"c1": old})
    fake.values["c1"] = meanwhile
    assert ours.take("c1", old) is (old == meanwhile)
    if old != meanwhile:
        assert fake.values == {"c1": meanwhile}
        assert ours.own == {}


def test_a_closed_host_is_seen_to_but_is_no_claim():
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    assert ours.close("c1")
    assert fake.values == {"c1": "no"}
    assert ours.own == {}
    assert ours.ours() == {"c1": "no"}


@pytest.mark.parametrize(
    ("flags", "inherited"),
    [
        ({"c1": "yes"}, set()),
        ({"c1": "go", "c2": "yes"}, set()),
        ({"c1": "yes", "c2": "no"}, {"c1", "c2"}),
        ({"c1": "yes", "c2": "restart"}, {"c1", "c2"}),
        ({"c1": "yes", "c2": "control-2@90"}, {"c1", "c2"}),
        ({"c1": "control-2@90"}, {"c1"}),
        ({"c1": "control-1@90"}, {"c1"}),  # of a former life
    ],
)
def test_what_another_engine_may_have_done_with_a_host_is_not_known(flags, inherited):
    fake, ours = read(flags)
    assert ours.inherited == inherited - {"c1" if flags["c1"] == "yes" else None}
    ours.take("c1", flags["c1"])
    for value in (None, flag.RECOVERED):
        assert value is None or ours.close("c1", value)
        ours.read()
        assert ours.inherited == inherited
    assert ours.change("c1", flag.RECOVERED, flag.RESTART)
    ours.read()
    assert ours.inherited == inherited


def test_a_host_that_another_engine_closed_is_not_known_any_more():
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    fake.values["c1"] = "control-2@101"
    ours.read()
    fake.values["c1"] = "no"
    ours.read()
    assert ours.inherited == {"c1"}


@pytest.mark.parametrize("known", [True, False])
def test_a_host_that_is_fenced_again_is_as_known_as_it_was(known):
    fake, ours = read({"c1": "yes" if known else "no"})
    if known:
        ours.take("c1", "yes")
    fake.values["c1"] = "yes"
    ours.read()
    assert ours.take("c1", "yes") and ours.close("c1")
    ours.read()
    assert ours.inherited == (set() if known else {"c1"})
    del fake.values["c1"]
    ours.read()
    assert ours.inherited == set()


def test_what_is_forced_down_when_it_is_first_met_was_another_engines():
    fake, ours = read({"c1": "yes", "c2": "yes"})
    ours.meets(["c1"], ["c1"])
    assert ours.inherited == {"c1"}
    ours.meets(["c1", "c2"], ["c1"])
    ours.meets(["c1", "c2"], ["c1", "c2"])  # by this one
    assert ours.inherited == {"c1"}
    del fake.values["c1"], fake.values["c2"]
    ours.read()
    fake.values["c2"] = "yes"
    ours.read()
    ours.meets(["c2"], ["c2"])
    assert ours.inherited == {"c2"}


def test_a_host_that_is_fenced_again_is_not_closed():
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    fake.values["c1"] = "yes"
    assert not ours.close("c1")
    assert fake.values == {"c1": "yes"}


@pytest.mark.parametrize("meanwhile", ["yes", "go", "control-2@101", "no", None])
def test_a_claim_that_is_gone_is_not_ours_any_more(meanwhile):
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    fake.values = {"c1": meanwhile} if meanwhile else {}
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
        ({"c1": "control-1@90"}, ["control-1"], set()),
        ({"c1": "control-2@90"}, ["control-1", "control-2"], {"control-2"}),
        ({"c1": "control-2@90"}, ["control-1"], set()),
        ({"c1": "control-2@90"}, ["control-1", "control-3"], {"control-3"}),
        ({"c1": "yes", "c2": "control-2@90"}, ["control-2"], {"control-2"}),
    ],
)
def test_other_engines_are_looked_for_only_where_a_flag_names_one(flags, active, rivals):
    fake, ours = read(flags, active=active)
    assert ours.rivals("nova-evacuate") == (rivals or set())
    assert (("active", "NovaEvacuate") in fake.asked) is (rivals is not None)
    assert ("resource_parameters", "NovaEvacuate") not in fake.asked


def test_a_claim_of_this_engine_s_own_has_no_rival_looked_for():
    fake, ours = read({"c1": "yes"})
    ours.take("c1", "yes")
    assert ours.rivals("nova-evacuate") == set()
    assert ("active", "NovaEvacuate") not in fake.asked


@pytest.mark.parametrize(
    ("parameters", "is_rival"),
    [
        ({}, True),
        ({"attribute": "evacuate"}, True),
        ({"attribute": "another"}, False),
        ({"config": "/nowhere/nova-ha.conf"}, True),
        (None, True),
    ],
)
@pytest.mark.parametrize("node", ["control-1", "control-2"])
def test_another_resources_engine_keeps_its_claims(parameters, is_rival, node):
    fake, ours = read({"c1": "control-2@90"}, node=node)
    fake.engines["nova-evacuate-2"] = {"control-2"}
    if parameters is not None:
        fake.parameters["nova-evacuate-2"] = parameters
    assert ("control-2" in ours.rivals("nova-evacuate")) is is_rival


def test_which_hosts_have_another_engine_s_flag():
    fake, ours = read({"c1": "yes"})
    fake.parameters = {"a": {}, "b": {"attribute": "b"}, "c": {"attribute": "c"}, "d": {"config": "/nowhere/x.conf"}}
    assert ours.of_others() == {"host of b", "host of c"}


def test_the_node_is_asked_for_once():
    fake, ours = read({})
    ours.read()
    assert fake.asked == [("local_node",), ("flags",), ("flags",)]


def test_a_claim_names_this_node():
    fake, ours = read({"c1": "yes"}, node="control-7")
    ours.take("c1", "yes")
    assert flag.claimant(fake.values["c1"]) == "control-7"


def test_a_cluster_that_is_away_changes_nothing():
    fake, ours = read({"c1": "yes"})
    fake.failing = pacemaker.ClusterError("no answer")
    with pytest.raises(pacemaker.ClusterError):
        ours.take("c1", "yes")
    assert ours.flags == {"c1": "yes"} and ours.own == {}
    with pytest.raises(pacemaker.ClusterError):
        ours.read()
    assert ours.flags == {"c1": "yes"}


def test_what_workers_read_is_never_half_changed():
    _, ours = read({"c1": "yes", "c2": "yes"})
    flags, own = ours.flags, ours.own
    ours.take("c1", "yes")
    assert flags == {"c1": "yes", "c2": "yes"} and own == {}


def test_the_flag_of_a_host_that_is_back_is_deleted_unless_it_says_something_else_by_now():
    fake, ours = read({"c1": "no", "c2": "no"})
    assert ours.clear("c1")
    assert fake.values == ours.flags == {"c2": "no"}
    fake.values["c2"] = "yes"
    assert not ours.clear("c2")
    assert fake.values == {"c2": "yes"} and "c2" in ours.flags


def test_a_flag_that_somebody_else_deletes_has_vanished():
    fake, ours = read({"c1": "no", "c2": "no", "c3": "yes"})
    assert not ours.vanished
    ours.clear("c1")
    ours.take("c3", "yes")
    ours.read()
    assert not ours.vanished
    del fake.values["c2"]
    ours.read()
    ours.read()
    assert ours.vanished == {"c2"}
    looked_at = frozenset(ours.vanished)
    del fake.values["c3"]
    ours.read()
    ours.seen_to(looked_at)
    ours.read()
    assert ours.vanished == {"c3"}
