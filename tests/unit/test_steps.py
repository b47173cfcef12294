# SPDX-License-Identifier: Apache-2.0
"""What the steps are called: programs go by these words, so that each is a promise."""

from nova_ha import steps

LABELS = {
    steps.Wait: "wait",
    steps.Leave: "skip",
    steps.Claim: "claim",
    steps.TakeOut: "disable_host",
    steps.Enlist: "enable_reserved_host",
    steps.MakeReady: "prepare_instance",
    steps.ConfirmResize: "confirm_resize",
    steps.Evacuate: "evacuate",
    steps.Defuse: "cancel_queued_evacuation",
    steps.Delete: "finish_deletion",
    steps.Restore: "restore_state",
    steps.Heal: "repair_instance_state",
    steps.Close: "finish_recovery",
    steps.HoldBack: "block_start",
    steps.StartAgain: "restart_compute",
    steps.LetStart: "allow_start",
    steps.PutBack: "return_to_service",
    steps.Clear: "clear_flag",
}


def test_labels_of_all_steps_are_those_that_programs_know():
    assert {kind: kind.label for kind in steps.Step.__subclasses__()} == LABELS
