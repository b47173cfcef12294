# SPDX-License-Identifier: Apache-2.0
"""BMCs that do not do what the fencing asks of them. All of it strikes while the host is not fenced yet."""

from tests.campaign.disturbances.base import BMC, AroundDeath
from tests.lab import faults

# Deaths that leave the host its power, so that the BMC has something to do.
POWERED = ("hang", "network-cut")


class BmcAway(AroundDeath):
    """The host's BMC is not reached."""

    name = "bmc-away"
    group = BMC
    lasts = (10, 60)

    def begin(self, field):
        faults.stop_bmc(field.plan.victim)

    def end(self, field):
        faults.start_bmc(field.settings, field.plan.victim)


class _Impaired(AroundDeath):
    group = BMC
    lasts = (10, 50)
    wrong = {}

    def begin(self, field):
        faults.impair_bmc(field.plan.victim, **self.wrong)

    def end(self, field):
        faults.mend_bmc(field.plan.victim)


class BmcSlow(_Impaired):
    """The host's BMC takes seconds for each answer."""

    name = "bmc-slow"
    wrong = {"slow": 4.0}


class BmcRefuses(_Impaired):
    """The host's BMC refuses to switch."""

    name = "bmc-refuses"
    deaths = POWERED
    wrong = {"refuses": True}


class BmcLies(_Impaired):
    """The host's BMC says that it has switched the power off, and has not."""

    name = "bmc-lies"
    deaths = POWERED
    wrong = {"lies": True}


KINDS = (BmcAway, BmcSlow, BmcRefuses, BmcLies)
