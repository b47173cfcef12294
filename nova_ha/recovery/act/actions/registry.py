# SPDX-License-Identifier: Apache-2.0
"""Which executor carries out which kind of action. Each is in the module that has the action's label for its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_ha.model.actions import HostAction, InstanceAction
from nova_ha.recovery.act.actions.allow_start import AllowStartExecutor
from nova_ha.recovery.act.actions.base import HostExecutor, InstanceExecutor
from nova_ha.recovery.act.actions.block_start import BlockStartExecutor
from nova_ha.recovery.act.actions.cancel_queued_evacuation import CancelQueuedEvacuationExecutor
from nova_ha.recovery.act.actions.claim import ClaimExecutor
from nova_ha.recovery.act.actions.clear_flag import ClearFlagExecutor
from nova_ha.recovery.act.actions.confirm_resize import ConfirmResizeExecutor
from nova_ha.recovery.act.actions.disable_host import DisableHostExecutor
from nova_ha.recovery.act.actions.enable_reserved_host import EnableReservedHostExecutor
from nova_ha.recovery.act.actions.evacuate import EvacuateExecutor
from nova_ha.recovery.act.actions.finish_deletion import FinishDeletionExecutor
from nova_ha.recovery.act.actions.finish_recovery import FinishRecoveryExecutor
from nova_ha.recovery.act.actions.prepare_instance import PrepareInstanceExecutor
from nova_ha.recovery.act.actions.repair_instance_state import RepairInstanceStateExecutor
from nova_ha.recovery.act.actions.restart_compute import RestartComputeExecutor
from nova_ha.recovery.act.actions.restart_instance import RestartInstanceExecutor
from nova_ha.recovery.act.actions.restore_state import RestoreStateExecutor
from nova_ha.recovery.act.actions.return_to_service import ReturnToServiceExecutor

_ABOUT_HOSTS: tuple[HostExecutor[Any], ...] = (
    ClaimExecutor(),
    DisableHostExecutor(),
    EnableReservedHostExecutor(),
    FinishRecoveryExecutor(),
    BlockStartExecutor(),
    RestartComputeExecutor(),
    AllowStartExecutor(),
    ReturnToServiceExecutor(),
    ClearFlagExecutor(),
)

_ABOUT_INSTANCES: tuple[InstanceExecutor[Any], ...] = (
    PrepareInstanceExecutor(),
    ConfirmResizeExecutor(),
    EvacuateExecutor(),
    CancelQueuedEvacuationExecutor(),
    FinishDeletionExecutor(),
    RestoreStateExecutor(),
    RepairInstanceStateExecutor(),
    RestartInstanceExecutor(),
)

HOST_EXECUTORS: Mapping[type[HostAction], HostExecutor[Any]] = {each.action: each for each in _ABOUT_HOSTS}
INSTANCE_EXECUTORS: Mapping[type[InstanceAction], InstanceExecutor[Any]] = {
    each.action: each for each in _ABOUT_INSTANCES
}


def of_host_action(action: HostAction) -> HostExecutor[Any]:
    """Who carries out an action about a host."""
    return HOST_EXECUTORS[type(action)]


def of_instance_action(action: InstanceAction) -> InstanceExecutor[Any]:
    """Who carries out an action about an instance."""
    return INSTANCE_EXECUTORS[type(action)]
