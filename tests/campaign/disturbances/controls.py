# SPDX-License-Identifier: Apache-2.0
"""The control nodes: the engine, Pacemaker's daemons, the nodes themselves, the cluster as a whole."""

from tests.campaign.disturbances.base import CONTROL, AtEnginesNode, Disturbance, Forgetful
from tests.lab import cluster, faults


class _OfControl(Disturbance):
    group = CONTROL

    def node(self, field):
        """A control node, any of them."""
        return field.settings.control_nodes[int(self.strike.size * len(field.settings.control_nodes))]


class EngineKilled(_OfControl):
    """The engine's process is killed."""

    name = "engine-killed"

    def begin(self, field):
        faults.kill_engine(field.engine_node())


class EngineStopped(_OfControl, AtEnginesNode):
    """The engine's process is stopped, and goes on after a while as if nothing had been."""

    name = "engine-stopped"
    lasts = (5, 45)

    def do(self, field, node):
        faults.freeze_engine(node)

    def undo(self, field, node):
        faults.thaw_engine(node)


class EngineHung(EngineStopped):
    """The engine's process is stopped for so long that it counts as hung, and is replaced."""

    name = "engine-hung"
    lasts = (135, 140)


class EngineNodeCut(_OfControl):
    """The power of the control node on which the engine runs is cut."""

    name = "engine-node-cut"

    def begin(self, field):
        faults.power_cut(field.engine_node())


class LeaderKilled(_OfControl):
    """The control node that leads the cluster, Pacemaker's DC, is killed."""

    name = "dc-killed"

    def begin(self, field):
        faults.kill(cluster.leader(field.settings))


class _DaemonKilled(_OfControl):
    daemon = None

    def begin(self, field):
        faults.kill_process(self.daemon, self.node(field))


class AttrdKilled(_DaemonKilled):
    """The daemon of the node attributes is killed on one control node."""

    name, daemon = "attrd-killed", "pacemaker-attrd"


class ControldKilled(_DaemonKilled):
    """The daemon that carries the cluster's decisions out is killed on one control node."""

    name, daemon = "controld-killed", "pacemaker-controld"


class CibKilled(_DaemonKilled):
    """The daemon of the cluster's configuration is killed on one control node."""

    name, daemon = "cib-killed", "pacemaker-based"


class FencerKilled(_DaemonKilled):
    """The daemon that fences is killed on one control node."""

    name, daemon = "fencer-killed", "pacemaker-fenced"


class ClockJumps(_OfControl, AtEnginesNode):
    """The clock of the engine's node jumps an hour ahead or back, and is set right after a while."""

    name = "clock-jumps"
    lasts = (5, 60)

    def do(self, field, node):
        faults.jump_clock(node, 3600 if self.strike.size < 0.5 else -3600)

    def undo(self, field, node):
        faults.right_clock(node)


class ControlCutOff(_OfControl):
    """One control node is cut off from the others, and from everything else."""

    name = "control-cut-off"
    lasts = (5, 60)

    def begin(self, field):
        faults.cut_network(self.node(field))

    def end(self, field):
        faults.restore_network(self.node(field))


class ClusterRestart(_OfControl, Forgetful):
    """The whole cluster is stopped in good order, nova-compute with it, and started again after a while."""

    name = "cluster-restart"
    lasts = (0, 15)

    def begin(self, field):
        faults.stop_cluster(field.settings)

    def end(self, field):
        faults.start_cluster(field.settings)


class ControlNodesCut(_OfControl):
    """The power of all control nodes is cut at once; it is switched on again after a while."""

    name = "all-controls-cut"
    lasts = (1, 15)

    def begin(self, field):
        for node in field.settings.control_nodes:
            faults.power_cut(node)

    def end(self, field):
        for node in field.settings.control_nodes:
            field.power_on(node)
        faults.start_cluster(field.settings)


KINDS = (
    EngineKilled, EngineStopped, EngineHung, EngineNodeCut, LeaderKilled, AttrdKilled, ControldKilled, CibKilled,
    FencerKilled, ClockJumps, ControlCutOff, ClusterRestart, ControlNodesCut,
)  # fmt: skip
