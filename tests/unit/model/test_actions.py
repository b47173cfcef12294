# SPDX-License-Identifier: Apache-2.0
"""What the steps are called: programs go by these words, so that each is a promise."""

from nova_ha.model import actions

LABELS = {
    actions.Wait: "wait",
    actions.Skip: "skip",
    actions.Claim: "claim",
    actions.DisableHost: "disable_host",
    actions.EnableReservedHost: "enable_reserved_host",
    actions.PrepareInstance: "prepare_instance",
    actions.ConfirmResize: "confirm_resize",
    actions.Evacuate: "evacuate",
    actions.CancelQueuedEvacuation: "cancel_queued_evacuation",
    actions.FinishDeletion: "finish_deletion",
    actions.RestoreState: "restore_state",
    actions.RepairInstanceState: "repair_instance_state",
    actions.FinishRecovery: "finish_recovery",
    actions.BlockStart: "block_start",
    actions.RestartCompute: "restart_compute",
    actions.AllowStart: "allow_start",
    actions.ReturnToService: "return_to_service",
    actions.ClearFlag: "clear_flag",
}


def test_labels_of_all_steps_are_those_that_programs_know():
    assert {kind: kind.label for kind in actions.Step.__subclasses__()} == LABELS
