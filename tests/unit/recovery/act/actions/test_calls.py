# SPDX-License-Identifier: Apache-2.0
"""What each step about an instance asks of Nova, in which order: tables."""

import pytest

from nova_ha.model import actions as step_types
from nova_ha.model import restore_tags
from nova_ha.recovery.act.actions import registry
from tests.unit.doubles import FakeCloud
from tests.unit.worlds import instance


def asked(kind, **details):
    """What Nova is asked for, call by call: its method, and what that is given beside the instance."""
    step, cloud = kind("compute-1", "because", **details), FakeCloud()
    for number, call in enumerate(registry.of_instance_action(step).calls(step), start=1):
        assert call.send(cloud, step.instance) == f"req-{number}"
    assert {subject for _, subject, *_ in cloud.changes} <= {step.instance.id}
    return [(method, *more) for method, _, *more in cloud.changes]


def made_ready(one, noted, **more):
    return asked(step_types.PrepareInstance, instance=one, restore=noted, **more)


ACTIVE, ERROR = ("reset_state", "active"), ("reset_state", "error")
TO_DO, DONE = restore_tags.TAGS["stopped"], restore_tags.DONE_TAGS["stopped"]


def note(state):
    return "tag", restore_tags.TAGS[state]


@pytest.mark.parametrize(
    ("kind", "details", "expected"),
    [
        (step_types.Evacuate, {}, [("evacuate", None)]),
        (step_types.Evacuate, {"destination": "c2"}, [("evacuate", "c2")]),
        (step_types.ConfirmResize, {}, [("confirm_resize",)]),
        (step_types.CancelQueuedEvacuation, {}, [ERROR]),
        (step_types.FinishDeletion, {}, [("delete",)]),
    ],
)
def test_most_steps_take_one_call(kind, details, expected):
    assert asked(kind, instance=instance(), **details) == expected


# Making ready


@pytest.mark.parametrize(
    ("one", "noted", "expected"),
    [
        # The note first, where Nova takes it.
        (instance(vm_state="stopped"), "stopped", [note("stopped")]),
        (instance(power_state="shutdown"), "stopped", [note("stopped")]),
        (instance(vm_state="paused"), "paused", [note("paused"), ACTIVE]),
        (instance(vm_state="suspended"), "stopped", [note("stopped"), ACTIVE]),
        (instance(task_state="powering-off"), "stopped", [note("stopped"), ACTIVE]),
        (instance(vm_state="stopped", task_state="powering-on"), "running", [note("running"), ACTIVE]),
        # The reset first: rescued, resized and error refuse a tag (409).
        (instance(vm_state="resized"), None, [ACTIVE]),
        (instance(vm_state="resized"), "stopped", [ACTIVE, note("stopped")]),
        (instance(vm_state="error"), "stopped", [ACTIVE, note("stopped")]),
        (instance(vm_state="rescued"), "running", [ACTIVE, note("running")]),
        # Noted already.
        (instance(vm_state="paused", noted="paused"), None, [ACTIVE]),
        (instance(vm_state="suspended", noted="stopped"), None, [ACTIVE]),
    ],
)
def test_an_instance_is_made_ready_to_be_evacuated(one, noted, expected):
    assert made_ready(one, noted) == expected


@pytest.mark.parametrize(
    ("one", "noted", "ends_as", "is_noted"),
    [
        (instance(), "running", "error", True),
        (instance(vm_state="error"), "running", "error", True),
        (instance(vm_state="rescued"), "running", "error", True),
        (instance(vm_state="paused"), "paused", "error", True),
        (instance(vm_state="suspended"), "stopped", "error", True),
        (instance(vm_state="resized"), "stopped", "error", True),
        (instance(vm_state="stopped"), "stopped", "stopped", True),
        (instance(vm_state="stopped", task_state="powering-on"), "running", "error", True),
        (instance(noted="running"), None, "error", False),
        (instance(noted="stopped"), None, "error", False),
        (instance(vm_state="paused", noted="paused"), None, "error", False),
        (instance(vm_state="stopped", noted="running"), None, "error", False),
        (instance(vm_state="stopped", noted="paused"), None, "error", False),
        (instance(vm_state="stopped", task_state="powering-on", noted="running"), None, "error", False),
        (instance(vm_state="stopped", task_state="image_uploading", noted="stopped"), None, "error", False),
    ],
)
def test_an_instance_is_made_ready_to_be_restarted_in_place(one, noted, ends_as, is_noted):
    """After the step, or after a few of them, Nova shows what nova-compute does not touch when it starts."""
    found = made_ready(one, noted, in_place=True)
    resets = [call[1] for call in found if call[0] == "reset_state"]
    assert (resets[-1] if resets else one.vm_state) in (ends_as, "active")
    assert ("tag" in [call[0] for call in found]) is is_noted
    if not is_noted:
        assert resets[-1:] == [ends_as], "nothing was done, so that the same step would follow for ever"


def test_the_note_is_never_tried_in_a_state_that_refuses_it():
    """Of what the step takes, in the order in which it does, each tag meets a state that Nova lets be tagged."""
    for vm_state in ("active", "stopped", "error", "paused", "suspended", "rescued", "resized"):
        for in_place in (False, True):
            now = vm_state
            for name, detail in made_ready(instance(vm_state=vm_state), "stopped", in_place=in_place):
                if name == "reset_state":
                    now = detail
                else:
                    assert name == "tag" and now in ("active", "stopped", "paused", "suspended")


def test_only_the_note_is_optional():
    step = step_types.PrepareInstance("compute-1", "because", instance(vm_state="paused"), "paused")
    assert [call.optional for call in registry.of_instance_action(step).calls(step)] == [True, False]


# Restoring, healing


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        ("stop", [("stop",)]),
        ("pause", [("pause",)]),
        ("reboot", [("reboot",)]),
        ("activate", [ACTIVE]),
        ("clear", [ERROR]),
        ("settle", [("tag", DONE), ("untag", TO_DO)]),
        ("untag", [("untag", TO_DO)]),
    ],
)
def test_each_move_towards_the_former_state(move, expected):
    assert asked(step_types.RestoreState, instance=instance(noted="stopped"), move=move) == expected


def test_all_notes_are_taken_off_and_no_other_tag():
    ours = {restore_tags.TAGS["stopped"], restore_tags.TAGS["paused"], restore_tags.DONE_TAGS["running"]}
    found = asked(step_types.RestoreState, instance=instance(tags=frozenset(ours | {"web"})), move="untag")
    assert sorted(found) == sorted(("untag", tag) for tag in ours)


@pytest.mark.parametrize(("reached", "then"), [(None, []), ("stopped", [("tag", TO_DO), ("untag", DONE)])])
def test_a_broken_instance_is_healed_and_brought_again_into_the_state_that_it_had(reached, then):
    """An instance in error cannot be tagged: first the reset."""
    assert asked(step_types.RepairInstanceState, instance=instance(vm_state="error", reached=reached)) == [
        ACTIVE,
        *then,
    ]
