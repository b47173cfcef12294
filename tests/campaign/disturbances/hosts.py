# SPDX-License-Identifier: Apache-2.0
"""Compute hosts that die, come back, and die again."""

from tests.campaign.disturbances.base import HOSTS, Death, Disturbance
from tests.campaign.moments import CLAIM, HALF, REQUEST
from tests.lab import bmc, faults, nodes
from tests.lab.shell import LabError


class PowerCut(Death):
    """The host's power is cut: nobody hears a word from it."""

    name = "power-cut"

    def begin(self, field):
        faults.power_cut(self.strike.target)


class Kill(Death):
    """The host dies, and its connections are closed."""

    name = "kill"

    def begin(self, field):
        faults.kill(self.strike.target)


class Hang(Death):
    """The host freezes, and stays so until it is fenced."""

    name = "hang"

    def begin(self, field):
        faults.hang(self.strike.target)

    def end(self, field):
        faults.unhang(self.strike.target)


class BriefHang(Hang):
    """The host freezes and goes on after a while, fenced meanwhile or not."""

    name = "hang-unhang"
    may_live = True
    lasts = (4, 25)
    stand = Disturbance.stand


class NetworkCut(Death):
    """The host runs on, but is cut off the network until it is fenced."""

    name = "network-cut"

    def begin(self, field):
        faults.cut_network(self.strike.target)

    def end(self, field):
        faults.restore_network(self.strike.target)


class Flapping(NetworkCut):
    """The host's network comes and goes several times."""

    name = "flapping"
    may_live = True
    stand = Disturbance.stand

    def begin(self, field):
        for turn in range(2 + int(4 * self.strike.size)):
            faults.cut_network(self.strike.target)
            field.after(1 + (turn + self.strike.size) % 3 * 2)
            faults.restore_network(self.strike.target)
            field.after(0.5 + turn % 2)
            if not nodes.powered(self.strike.target):
                return  # it has been fenced


class ReturnsAtOnce(PowerCut):
    """The host loses its power for a second, and boots before anybody has noticed."""

    name = "returns-at-once"

    def begin(self, field):
        super().begin(field)
        bmc.power_on(self.strike.target)


class ReturnsMidway(Kill):
    """The host is back while its instances are being started elsewhere, which takes long."""

    name = "returns-midway"
    spawn_seconds = 25.0


class RebootsTwice(PowerCut):
    """The host has come back from its fencing, or is about to, and its power is cut once more."""

    name = "reboots-twice"

    def begin(self, field):
        super().begin(field)
        field.until_on(self.strike.target, self.began)
        field.after(20 * self.strike.size)
        super().begin(field)

    def attend(self, field):
        # The cluster may not have been connected to it again yet: nobody fences it then, and it boots by itself.
        if not nodes.powered(self.strike.target) and field.flags().get(self.strike.target) == "no":
            bmc.power_on(self.strike.target)


class TwoAtOnce(Kill):
    """Two hosts die at once."""

    name = "two-at-once"
    lost_hosts = 2

    def begin(self, field):
        faults.kill(self.strike.target)
        faults.power_cut(field.other(self.strike.target))


class ThreeAtOnce(Kill):
    """All three hosts die at once; an operator sees that this is so, and lets them go."""

    name = "three-at-once"
    lost_hosts = 3
    options = {"recovery": {"no_room": "restart_in_place", "no_room_patience": 5}}

    def begin(self, field):
        for host in field.settings.compute_hosts:
            faults.kill(host)
        field.until("all hosts to be flagged", lambda: len(field.flags()) == len(field.settings.compute_hosts), 180)

    def stand(self, field):
        field.after(3 + 20 * self.strike.size)

    def end(self, field):
        field.on_control("nova-ha go --all --yes")

    def attend(self, field):
        # Whatever was flagged only later is held anew.
        self.end(field)


class DestinationDies(Disturbance):
    """The host that instances are just being evacuated to dies."""

    name = "destination-dies"
    group = HOSTS
    lost_hosts = 1
    moments = (CLAIM, REQUEST, HALF)

    def begin(self, field):
        faults.power_cut(self.destination(field))

    def destination(self, field):
        """The host that the first evacuation under way goes to; another one of the living if Nova does not tell."""
        try:
            under_way = [entry["dest"] for entry in field.migrations() if entry["status"] == "pre-migrating"]
        except LabError:
            under_way = []
        return next(filter(None, under_way), self.strike.target)


class SecondDeath(PowerCut):
    """Another host dies somewhere in the first one's recovery."""

    name = "second-death"
    is_death = False
    moments = (CLAIM, REQUEST, HALF)

    def begin(self, field):
        death = faults.hang if self.strike.size < 0.5 else faults.power_cut
        death(self.strike.target)

    def end(self, field):
        faults.unhang(self.strike.target)


KINDS = (
    PowerCut, Kill, Hang, BriefHang, NetworkCut, Flapping, ReturnsAtOnce, ReturnsMidway, RebootsTwice, TwoAtOnce,
    ThreeAtOnce, DestinationDies, SecondDeath,
)  # fmt: skip
