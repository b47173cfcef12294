# SPDX-License-Identifier: Apache-2.0
"""nova-compute on the hosts that are to take the instances."""

from tests.campaign.disturbances.base import COMPUTE, Disturbance, Forgetful
from tests.lab import faults

UNIT = "nova-compute"


class ComputeCrash(Forgetful):
    """nova-compute dies on another host, which lives on."""

    name = "compute-crash"
    group = COMPUTE
    needs_another_host = True

    def begin(self, field):
        faults.kill_service(UNIT, self.strike.target)


class ComputeHang(Disturbance):
    """nova-compute freezes on another host, and goes on after a while."""

    name = "compute-hang"
    group = COMPUTE
    needs_another_host = True
    lasts = (5, 40)

    def begin(self, field):
        faults.freeze_service(UNIT, self.strike.target)

    def end(self, field):
        faults.thaw_service(UNIT, self.strike.target)


class ComputeStarved(Disturbance):
    """nova-compute gets on for moments only on another host, whose processors others take."""

    name = "compute-starved"
    group = COMPUTE
    needs_another_host = True
    lasts = (30, 90)

    def begin(self, field):
        faults.starve(node=self.strike.target)

    def end(self, field):
        faults.feed(self.strike.target)


KINDS = (ComputeCrash, ComputeHang, ComputeStarved)
