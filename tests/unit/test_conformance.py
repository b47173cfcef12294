# SPDX-License-Identifier: Apache-2.0
"""The simulated Nova does what the real one does: see tests/conformance.py."""

import pytest

from tests import conformance
from tests.unit.simulation import states
from tests.unit.simulation.clock import Clock
from tests.unit.simulation.cluster import SimulatedCluster
from tests.unit.simulation.guests import DELETED
from tests.unit.simulation.nova import SimulatedNova


class SimulatedCloud(conformance.Cloud):
    """The simulated Nova, with a clock that stands unless somebody waits."""

    def __init__(self, first_look):
        self._clock = Clock()
        super().__init__(
            SimulatedNova(self._clock, SimulatedCluster(), count=0, spawn_seconds=0.5, first_look=first_look)
        )

    def boot(self, states_by_name):
        for name, state in states_by_name.items():
            self.ids[name] = self.door.add(*states.ALL[state][:3], wanted=DELETED)

    def dies(self, host):
        self.door.computes[host].power_cut()

    def stops(self, host):
        self.door.computes[host].stop()

    def starts(self, host):
        before = self.door.services()[host].last_report
        self.door.computes[host].start()
        while self.door.services()[host].last_report == before:
            self.moment()

    def spawns_take(self, seconds):
        self.door.spawn_seconds = seconds

    def guests(self):
        found = {}
        for (instance, host), how in self.door.guests.running.items():
            found.setdefault(host, {})[instance] = how
        return found

    def now(self):
        return self._clock.now

    def moment(self):
        self._clock.advance(0.5)


@pytest.mark.parametrize("first_look", [0.5, 60])
@pytest.mark.parametrize("story", conformance.STORIES, ids=lambda story: story.__name__)
def test_the_simulated_nova_does_what_the_script_says(story, first_look):
    story(SimulatedCloud(first_look))
