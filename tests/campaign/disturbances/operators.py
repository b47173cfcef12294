# SPDX-License-Identifier: Apache-2.0
"""An operator who acts at the wrong moment, and later thinks better of it."""

from nova_ha.model.reasons import Code
from tests.campaign.disturbances.base import OPERATOR, AtEnginesNode, Disturbance
from tests.campaign.moments import CLOSED
from tests.lab import cluster, faults


class DisablesService(Disturbance):
    """An operator disables another host's service, and enables it again after a while."""

    name = "operator-disables"
    group = OPERATOR
    needs_another_host = True
    lasts = (5, 45)

    def begin(self, field):
        field.disable(self.strike.target, "new memory on Monday")

    def end(self, field):
        field.enable(self.strike.target)


class ClearsFlag(Disturbance):
    """An operator deletes the flag of a recovered host, impatient for it to be back."""

    name = "operator-clears-flag"
    group = OPERATOR
    moments = (CLOSED,)

    def begin(self, field):
        self._change(field, "--delete")

    def attend(self, field):
        # The engine asks for that.
        about = field.account().get("hosts", {}).get(field.plan.victim)
        if about and about["needs_operator"] and about["code"] == Code.FLAG_DELETED:
            self._change(field, "--update no")

    def _change(self, field, how):
        field.on_control(f"crm_attribute --node {field.plan.victim} --name {cluster.FLAG} --lifetime forever {how}")


class MovesEngine(AtEnginesNode):
    """An operator moves the engine to another node, and later takes the constraint away that this leaves."""

    name = "operator-moves-engine"
    group = OPERATOR
    lasts = (0, 20)

    def do(self, field, node):
        faults.ban_engine(field.settings, node)

    def undo(self, field, node):
        faults.unban_engine(field.settings, node)


class Standby(AtEnginesNode):
    """An operator puts the engine's node in standby for a while."""

    name = "operator-standby"
    group = OPERATOR
    lasts = (5, 40)

    def do(self, field, node):
        faults.standby(field.settings, node)

    def undo(self, field, node):
        faults.unstandby(field.settings, node)


class CleansUp(Disturbance):
    """An operator has the cluster forget all failures, and look at all resources again."""

    name = "operator-cleanup"
    group = OPERATOR

    def begin(self, field):
        field.on_control("crm_resource --cleanup; crm_resource --refresh")

    def attend(self, field):
        # A host that was lost just then is not fenced; the engine tells.
        for host, about in field.account().get("hosts", {}).items():
            if about["needs_operator"] and about["code"] == Code.NOT_FENCED:
                field.say(f"an operator has {host} fenced: the engine says that nobody does")
                field.on_control(f"stonith_admin --reboot {host}")


KINDS = (DisablesService, ClearsFlag, MovesEngine, Standby, CleansUp)
