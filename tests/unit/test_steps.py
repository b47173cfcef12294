# SPDX-License-Identifier: Apache-2.0
"""What the steps are called: programs go by these words, so that each is a promise."""

from nova_ha import steps

LABELS = {
    steps.Wait: "wait",
    steps.Skip: "skip",
    steps.Claim: "claim",
    steps.DisableHost: "disable_host",
    steps.EnableReservedHost: "enable_reserved_host",
    steps.PrepareInstance: "prepare_instance",
    steps.ConfirmResize: "confirm_resize",
    steps.Evacuate: "evacuate",
    steps.CancelQueuedEvacuation: "cancel_queued_evacuation",
    steps.FinishDeletion: "finish_deletion",
    steps.RestoreState: "restore_state",
    steps.RepairInstanceState: "repair_instance_state",
    steps.FinishRecovery: "finish_recovery",
    steps.BlockStart: "block_start",
    steps.RestartCompute: "restart_compute",
    steps.AllowStart: "allow_start",
    steps.ReturnToService: "return_to_service",
    steps.ClearFlag: "clear_flag",
}


def test_labels_of_all_steps_are_those_that_programs_know():
    assert {kind: kind.label for kind in steps.Step.__subclasses__()} == LABELS
