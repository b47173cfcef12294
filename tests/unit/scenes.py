# SPDX-License-Identifier: Apache-2.0
"""Short ways to begin a simulated history, and to demand that it ends well."""

from tests.unit.simulation import states
from tests.unit.simulation.scene import Scene


def scene_with(names, **more):
    """A scene with an instance in each of these states (see ``simulation.states``) on compute-1."""
    scene = Scene(count=0, **more)
    for name in names:
        scene.nova.add(*states.ALL[name][:3], wanted=states.ALL[name].wanted)
    return scene


def ends_well(scene, seconds=900):
    """Everything is recovered, restored and back in service within some time, and no rule was broken."""
    scene.run_until(lambda: scene.is_over() and not scene.wrong(), seconds)
    assert scene.wrong() == [], scene.alarms()
    assert scene.is_over(), scene.alarms()
