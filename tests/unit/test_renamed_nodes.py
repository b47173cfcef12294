# SPDX-License-Identifier: Apache-2.0
"""Histories in which an operator renames a host in the cluster while it is out of service; Nova's name of it stays."""

import pytest

from nova_ha.model import flag
from tests.unit.scenes import ends_well
from tests.unit.simulation.scene import Scene

FULL = "compute-1.example.org"
NAMES = [FULL, "COMPUTE-1"]


def renamed(scene, name=FULL, host="compute-1"):
    """The old entry stays, since it has a flag; the cluster has the host by the other name from now on."""
    scene.removed(host, with_its_flag=False)
    scene.added(host, name)


@pytest.mark.parametrize("name", NAMES)
def test_nova_compute_is_not_started_under_another_name_while_the_flag_stands_under_the_old_one(name):
    scene = Scene(count=4, spawn_seconds=20, in_flight=1).dies("compute-1")
    scene.run(1)
    renamed(scene, name)
    while flag.is_dead(scene.cluster.values.get("compute-1")):
        scene.one_pass()
        assert not scene.nova.computes["compute-1"].running
    ends_well(scene, 300)


@pytest.mark.parametrize("name", NAMES)
def test_a_host_that_runs_under_another_name_is_not_stopped_by_the_old_one_s_flag(name):
    scene = Scene(count=1).dies("compute-1", off=True)
    assert scene.run_until(lambda: scene.cluster.values["compute-1"] == flag.RECOVERED)
    renamed(scene, name)
    scene.boots("compute-1")
    assert scene.run_until(lambda: scene.nova.computes["compute-1"].running)
    scene.cluster.values["compute-1"] = flag.RESTART
    scene.cluster.off.add("compute-1")
    scene.run(60)
    assert scene.cluster.values["compute-1"] == flag.RESTART
    assert scene.run_until(lambda: ("compute-1", None) in scene.alarms(), 1000)
    scene.operator_looks()
    assert {*scene.cluster.values} == {name}
    ends_well(scene, 300)


@pytest.mark.parametrize("name", NAMES)
def test_a_host_that_is_fenced_under_another_name_is_not_put_back_by_the_old_one_s_flag(name):
    scene = Scene(count=2).dies("compute-1", off=True)
    assert scene.run_until(lambda: scene.cluster.values["compute-1"] == flag.RECOVERED)
    scene.nova.full = {"compute-2", "compute-3"}
    renamed(scene, name)
    scene.boots("compute-1")
    asked = len(scene.nova.asked)
    scene.nova.next_changes = ["busy"] * 10
    assert scene.run_until(lambda: "force_down" in scene.nova.asked[asked:])
    scene.nova.add(host="compute-1")
    scene.fenced("compute-1")
    scene.nova.next_changes = []
    scene.run(300)
    assert flag.is_dead(scene.cluster.values[name]) and scene.nova.status["compute-1"].forced_down
    assert scene.nova.guests.breaches == []
    scene.nova.full = set()
    # Where the old one's flag came to hold the host back, an operator has to move it.
    assert scene.run_until(lambda: scene.is_over() or scene.alarms(), 1500)
    scene.operator_looks()
    ends_well(scene, 1500)
