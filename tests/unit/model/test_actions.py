# SPDX-License-Identifier: Apache-2.0
"""What the steps are called: programs go by these words, so that each is a promise."""

import pytest

from nova_ha.model import actions
from nova_ha.model.reasons import Code
from tests.unit.worlds import instance, living

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
    actions.RestartInstance: "restart_instance",
    actions.FinishRecovery: "finish_recovery",
    actions.BlockStart: "block_start",
    actions.RestartCompute: "restart_compute",
    actions.AllowStart: "allow_start",
    actions.ReturnToService: "return_to_service",
    actions.ClearFlag: "clear_flag",
}


def test_labels_of_all_steps_are_those_that_programs_know():
    shapes = actions.HostAction, actions.InstanceAction, actions.NoAction
    assert set(actions.Step.__subclasses__()) == set(shapes)
    assert {kind: kind.label for shape in shapes for kind in shape.__subclasses__()} == LABELS


SERVICE = living()
STEPS = [
    *(kind("compute-1", "because", instance()) for kind in actions.InstanceAction.__subclasses__()),
    actions.Skip("compute-1", "because", Code.NOT_SELECTED, instance()),
    actions.Wait("compute-1", "because", Code.EVACUATING, instance()),
    actions.Wait("compute-1", "because", Code.NO_SERVICE),
    actions.DisableHost("compute-1", "because", SERVICE),
    actions.EnableReservedHost("compute-1", "because", SERVICE),
    actions.ClearFlag("compute-1", "because"),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_what_a_step_is_about_and_whether_it_does_something_follow_from_its_class(step):
    host_alone = isinstance(step, actions.HostAction) or step == actions.Wait("compute-1", "because", Code.NO_SERVICE)
    assert actions.instance_of(step) == (None if host_alone else instance())
    assert actions.is_action(step) is not isinstance(step, (actions.Wait, actions.Skip))
