# SPDX-License-Identifier: Apache-2.0
"""What stands in for a door is called as the door is: else a test would pass with a call that fails in production."""

import inspect

import pytest

from nova_ha.cloud.nova import Nova
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.reporting.status_report import Account
from tests.unit.doubles import CHANGES, FakeAccount, FakeCloud, FakeCluster
from tests.unit.simulation.cluster import SimulatedCluster
from tests.unit.simulation.nova import SimulatedNova
from tests.unit.worlds import service

SEEN = type(SimulatedCluster().seen_from("control-1"))


def methods(kind):
    """The names and defaults of the parameters of each public method; one that goes unread has an underscore."""
    found = {}
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            parameters = inspect.signature(method).parameters.values()
            found[name] = [(parameter.name.lstrip("_"), parameter.default) for parameter in parameters]
    return found


@pytest.mark.parametrize(
    ("double", "door"),
    [(FakeCloud, Nova), (FakeCluster, Cluster), (SEEN, Cluster), (FakeAccount, Account)],
    ids=["FakeCloud", "FakeCluster", "SimulatedCluster", "FakeAccount"],
)
def test_a_double_has_no_method_but_the_door_s(double, door):
    ours = methods(double)
    assert ours
    assert ours == {name: parameters for name, parameters in methods(door).items() if name in ours}


def test_the_simulated_nova_has_all_of_the_door_s_methods():
    theirs = methods(Nova)
    assert {name: parameters for name, parameters in methods(SimulatedNova).items() if name in theirs} == theirs


def test_a_double_of_nova_reads_and_changes_all_that_nova_does():
    assert {*methods(FakeCloud), *CHANGES, "connect"} == set(methods(Nova))
    assert not set(methods(FakeCloud)) & set(CHANGES)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_taken_as_nova_takes_it_only(change):
    cloud = FakeCloud()
    with pytest.raises(TypeError):
        getattr(cloud, change)(service(), "a", "b", "c", "d")
    with pytest.raises(TypeError):
        getattr(cloud, change)(service(), nonsense=True)
    assert cloud.changes == []
