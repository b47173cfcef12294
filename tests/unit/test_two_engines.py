# SPDX-License-Identifier: Apache-2.0
"""Histories with a second NovaEvacuate resource, by mistake or for another flag."""

import pytest

from nova_ha.model import flag
from tests.unit.scenes import ends_well
from tests.unit.simulation.scene import SECOND, Scene

# The same flag, in the ways in which two resources may come to have it.
SAME = [{}, {"attribute": "evacuate"}, {"config": "/nowhere/nova-ha.conf"}]


def alarms_of(scene, key):
    """What one engine says that needs an operator, as ``{cluster's name: reason}``."""
    hosts = scene.engines[key].account.as_dict()["hosts"]
    return {host: about["reason"] for host, about in hosts.items() if about["needs_operator"]}


@pytest.mark.parametrize("parameters", SAME)
def test_a_second_engine_for_the_same_flag_does_not_start(parameters):
    scene = Scene()
    scene.second_resource("control-3", parameters, at_once=False)
    assert list(scene.engines) == ["control-1"]
    scene.second_resource_goes()
    scene.engine_dies("control-1")
    scene.second_resource("control-3", parameters, at_once=False)
    scene.new_engine("control-1")
    assert list(scene.engines) == [("control-3", SECOND)]
    scene.second_resource_goes()
    assert list(scene.engines) == ["control-1"]


@pytest.mark.parametrize("parameters", SAME)
@pytest.mark.parametrize("node", ["control-1", "control-3"])
def test_engines_that_started_at_once_keep_out_of_each_others_way(parameters, node):
    scene = Scene(count=3, hosts=5, spawn_seconds=4, choose=lambda hosts: hosts[-1])
    for _ in range(3):
        scene.nova.add(host="compute-2")
    scene.second_resource(node, parameters, at_once=True)
    for host in ("compute-1", "compute-2"):
        scene.dies(host)
        scene.run(15)
    ends_well(scene, 900)
    assert len(scene.nova.posts) == 6
    claimed = [host for host, value in scene.cluster.history if flag.claimant(value)]
    assert sorted(claimed) == ["compute-1", "compute-2"]
    # What one has taken up, the other goes on with once that is gone.
    scene.dies("compute-5")
    assert scene.run_until(lambda: len(scene.nova.posts) == 12)
    (claim,) = scene.cluster.values.values()
    if claim.startswith("control-3"):
        scene.second_resource_goes()
    else:
        scene.engine_dies("control-1")
    ends_well(scene, 900)


def test_an_engine_for_another_flag_tells_nothing_of_hosts_that_have_one():
    scene = Scene(count=3).dies("compute-1", off=True)
    scene.second_resource("control-3", {"attribute": "maintenance"}, at_once=False)
    assert scene.run_until(lambda: scene.cluster.values["compute-1"] == "no")
    scene.run(200)
    assert alarms_of(scene, ("control-3", SECOND)) == {}
    del scene.cluster.values["compute-1"]
    assert scene.run_until(lambda: "compute-1" in alarms_of(scene, ("control-3", SECOND)), 130)
