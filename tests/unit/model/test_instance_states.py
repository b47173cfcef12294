# SPDX-License-Identifier: Apache-2.0
"""What becomes of an instance by its state; and that docs/instance-states.md says so."""

import itertools
import pathlib
import re

import pytest

from nova_ha.model import instance_states, restore_tags
from tests import pages
from tests.unit.worlds import instance

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "instance-states.md"

# All that Nova knows (nova/compute/vm_states.py and task_states.py).
VM_STATES = [
    "active",
    "building",
    "paused",
    "suspended",
    "stopped",
    "rescued",
    "resized",
    "soft-delete",
    "deleted",
    "error",
    "shelved",
    "shelved_offloaded",
]
TASK_STATES = [  # fmt: skip
    "scheduling",
    "block_device_mapping",
    "networking",
    "spawning",
    "image_snapshot",
    "image_snapshot_pending",
    "image_pending_upload",
    "image_uploading",
    "image_backup",
    "updating_password",
    "resize_prep",
    "resize_migrating",
    "resize_migrated",
    "resize_finish",
    "resize_reverting",
    "resize_confirming",
    "rebooting",
    "reboot_pending",
    "reboot_started",
    "rebooting_hard",
    "reboot_pending_hard",
    "reboot_started_hard",
    "pausing",
    "unpausing",
    "suspending",
    "resuming",
    "powering-off",
    "powering-on",
    "rescuing",
    "unrescuing",
    "rebuilding",
    "rebuild_block_device_mapping",
    "rebuild_spawning",
    "migrating",
    "deleting",
    "soft-deleting",
    "restoring",
    "shelving",
    "shelving_image_pending_upload",
    "shelving_image_uploading",
    "shelving_offloading",
    "unshelving",
]
POWER_STATES = ["none", "running", "paused", "shutdown", "crashed", "suspended"]

AS_ITS_STATE = "as its state"
# What the guest of an instance in that state does, where that is not running.
GUESTS = {"stopped": "shutdown", "paused": "paused", "suspended": "shutdown"}


def rows(heading):
    """The rows of the table under a heading of the page, as mappings from column to text; ``-`` and empty are None."""
    return pages.rows(PAGE.read_text().split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0])


BY_STATE = rows("By its state")
BY_TASK = rows("By what was going on")
BY_POWER = rows("By what its guest did")


def treated(vm_state, task_state=None, power_state=None):
    power_state = power_state or GUESTS.get(vm_state, "running")
    return instance_states.treatment(instance(vm_state=vm_state, task_state=task_state, power_state=power_state))


@pytest.mark.parametrize("row", BY_STATE, ids=lambda row: row["vm_state"])
def test_the_page_says_what_is_done_by_state(row):
    found = treated(row["vm_state"])
    assert (found.do, found.then) == (row["what is done"], row["restored"])


def test_the_page_has_every_state_and_no_other():
    assert sorted(row["vm_state"] for row in BY_STATE) == sorted(instance_states.VM_STATES) == sorted(VM_STATES)


@pytest.mark.parametrize("row", BY_TASK, ids=lambda row: row["task_state"])
@pytest.mark.parametrize(
    "vm_state", [row["vm_state"] for row in BY_STATE if row["what is done"] != instance_states.LEAVE]
)
def test_the_page_says_what_is_done_by_task(row, vm_state):
    found = treated(vm_state, row["task_state"])
    if row["what is done"] == AS_ITS_STATE:
        assert found == treated(vm_state)
    else:
        assert (found.do, found.then) == (row["what is done"], row["restored"])


def test_the_page_has_every_task_and_no_other():
    own = [row["task_state"] for row in BY_TASK if row["what is done"] != AS_ITS_STATE]
    assert sorted(own) == sorted(instance_states.TASK_STATES)
    assert sorted(row["task_state"] for row in BY_TASK) == sorted(TASK_STATES)


@pytest.mark.parametrize("row", BY_POWER, ids=lambda row: "-".join(filter(None, list(row.values())[:3])))
def test_the_page_says_what_is_done_by_guest(row):
    found = treated(row["vm_state"], row["task_state"], row["power_state"])
    assert (found.do, found.then) == (row["what is done"], row["restored"])


def test_the_page_has_every_case_where_the_guest_decides():
    """For each state, the page has each guest that leads to something else than the state alone."""
    differing = {
        (vm_state, power_state)
        for vm_state, power_state in itertools.product(VM_STATES, POWER_STATES)
        if treated(vm_state, None, power_state) != treated(vm_state)
    }
    told = {(row["vm_state"], row["power_state"]) for row in BY_POWER if row["task_state"] is None}
    same = {("resized", "shutdown"): {"suspended", "crashed"}}  # cannot be, but would be treated alike
    told |= {(vm, other) for (vm, _), others in same.items() for other in others}
    assert differing <= told


def test_the_page_explains_every_word_it_uses():
    legend = set(re.findall(r"^\| ([a-z, ]+) \|", _legend(), re.M))
    used = {row["what is done"] for row in BY_STATE + BY_TASK + BY_POWER} - {AS_ITS_STATE}
    assert used <= legend
    assert {
        instance_states.EVACUATE,
        instance_states.RESET,
        instance_states.DELETE,
        instance_states.LEAVE,
        instance_states.HOLD,
    } <= legend


def _legend():
    return PAGE.read_text().split("\n## ", 1)[0]


@pytest.mark.parametrize(
    "needed",
    [
        "never scheduled",
        "because of our attempt",
        "before its host died",
        "VERIFY_RESIZE",
        "**locked**",
        "live migration **out of**",
        "**live migration into**",
        "server group",
        "**boots from a volume**",
    ],
)
def test_the_page_has_the_cases_that_are_no_state(needed):
    assert needed in PAGE.read_text()


@pytest.mark.parametrize("vm_state", ["active", "stopped", "error", "paused", "suspended", "rescued", "resized"])
@pytest.mark.parametrize("task_state", ["deleting", "soft-deleting"])
@pytest.mark.parametrize("power_state", POWER_STATES)
def test_what_is_being_deleted_is_never_brought_back(vm_state, task_state, power_state):
    assert treated(vm_state, task_state, power_state).do == instance_states.DELETE


@pytest.mark.parametrize("vm_state", ["shelved", "shelved_offloaded", "building", "soft-delete", "deleted"])
@pytest.mark.parametrize("task_state", [None, *TASK_STATES])
def test_what_is_left_is_left_whatever_was_going_on_but_a_deletion(vm_state, task_state):
    expected = instance_states.DELETE if task_state in ("deleting", "soft-deleting") else instance_states.LEAVE
    assert treated(vm_state, task_state).do == expected


@pytest.mark.parametrize("vm_state", ["", "mystery", "ACTIVE", None])
@pytest.mark.parametrize("task_state", [None, "deleting", "rebooting"])
def test_a_state_that_nobody_knows_is_held(vm_state, task_state):
    found = treated(vm_state, task_state)
    assert found.do == instance_states.HOLD
    assert str(vm_state) in found.why


@pytest.mark.parametrize(
    ("vm_state", "power_state"),
    [("stopped", power) for power in POWER_STATES]
    + [("suspended", power) for power in POWER_STATES]
    + [("error", power) for power in ("shutdown", "crashed", "suspended")]
    + [("resized", power) for power in ("shutdown", "crashed", "suspended")],
)
def test_what_was_not_running_is_stopped_again(vm_state, power_state):
    assert treated(vm_state, None, power_state).then == restore_tags.STOPPED


@pytest.mark.parametrize("vm_state", ["resized", "error"])
def test_what_a_dead_engine_had_reset_but_not_noted_is_stopped_again(vm_state):
    before = treated(vm_state, None, "shutdown")
    assert (before.do, before.then) == (instance_states.RESET, restore_tags.STOPPED)
    assert vm_state not in instance_states.TAGGABLE, "the reset comes first, then the note"
    # Reset-state keeps the guest's last known state (measured).
    assert treated("active", None, "shutdown").then == restore_tags.STOPPED


@pytest.mark.parametrize("power_state", POWER_STATES)
@pytest.mark.parametrize(
    ("task_state", "do"),
    [(None, instance_states.LEAVE), ("rebuilding", instance_states.LEAVE), ("deleting", instance_states.DELETE)],
)
def test_what_was_never_launched_is_left(power_state, task_state, do):
    one = instance(vm_state="error", task_state=task_state, power_state=power_state, launched=False)
    assert instance_states.treatment(one).do == do


@pytest.mark.parametrize("reached", restore_tags.DONE_TAGS)
@pytest.mark.parametrize("power_state", POWER_STATES)
def test_what_a_late_request_put_into_error_is_what_it_was_before(reached, power_state):
    found = instance_states.treatment(instance(vm_state="error", reached=reached, power_state=power_state))
    assert (found.do, found.then) == (instance_states.RESET, reached)


REFUSED = rows("By what Nova does not evacuate")


def test_the_page_has_all_that_nova_does_not_evacuate():
    assert [row["it has"] for row in REFUSED] == [*instance_states.REFUSALS, instance_states.ENCRYPTED_VOLUME]
    assert {
        row["extra spec"]: row["it has"] for row in REFUSED if row["extra spec"]
    } == instance_states.REFUSED_BY_FLAVOR
    assert {
        row["image property"]: row["it has"] for row in REFUSED if row["image property"]
    } == instance_states.REFUSED_BY_IMAGE


# What Nova answers: its exceptions' msg_fmt, of Nova 21 (accelerators), 22 (vTPM), 23 to 25 (vDPA), 24 and 31 on.
SAID = [
    ("Operation 'evacuate' not supported for vTPM-enabled instance (i1).", "a virtual TPM"),
    ("Operation 'evacuate' not supported for instance with vDPA ports ((instance_uuid)s).", "vDPA ports"),
    ("Forbidden with instances that have accelerators.", "accelerators"),
    ("Feature not supported with instances that have accelerators.", "accelerators"),
    ("Feature not supported with Ports that have accelerators.", "ports with accelerators"),
    ("Feature not supported with instances that have shares.", "Manila shares"),
]


@pytest.mark.parametrize(("said", "what"), SAID)
def test_what_nova_refuses_for_what_the_instance_is(said, what):
    assert instance_states.refusal(f"{said} (HTTP 400, request req-1)") == what


def test_every_word_of_novas_is_tried():
    assert {what for _, what in SAID} == set(instance_states.REFUSALS)


@pytest.mark.parametrize(
    "said",
    [
        "Cannot 'evacuate' instance i1 while it is in vm_state paused",
        "Cannot 'evacuate' instance i1 while it is in task_state rebuilding",
        "Compute service of compute-1 is still in use.",
        "The target host can't be the same one.",
        "The port-resource-request-groups neutron API extension is not supported by old nova compute service. Upgrade"
        " your compute services to Xena (24.0.0) or later.",
        "Feature not supported until computes have not been updated.",
        "Compute host compute-2 not found.",
        "Operation 'live-migration' not supported for vTPM-enabled instance (i1).",
        "",
    ],
)
def test_what_nova_refuses_for_now_only(said):
    assert instance_states.refusal(said) is None


@pytest.mark.parametrize(
    ("specs", "properties", "what"),
    [
        ({"hw:tpm_version": "2.0"}, {}, "a virtual TPM"),
        ({"hw:tpm_version": "1.2", "evacuable": "true"}, {"hw_tpm_version": "1.2"}, "a virtual TPM"),
        ({}, {"hw_tpm_version": "2.0", "hw_disk_bus": "virtio"}, "a virtual TPM"),
        ({"hw:tpm_model": "tpm-crb"}, {"hw_tpm_model": "tpm-crb"}, None),
        ({"accel:device_profile": "fpga"}, {}, None),  # Nova evacuates it once every nova-compute is of Nova 22
        ({}, {}, None),
    ],
)
def test_what_flavor_and_image_tell_beforehand(specs, properties, what):
    assert instance_states.refused_beforehand(instance(extra_specs=specs, image_properties=properties)) == what


@pytest.mark.parametrize(
    ("more", "is_so"),
    [
        ({}, True),
        ({"vm_state": "active"}, False),
        ({"fault_cause": "castellan.common.exception.KeyManagerError: Key manager error: Bad Gateway"}, False),
        ({"fault_cause": "nova.exception.PortNotFound: Port Forbidden could not be found."}, False),
        ({"fault_cause": None}, False),
    ],
)
def test_a_key_that_nova_may_not_read(more, is_so):
    cause = (
        "castellan.common.exception.KeyManagerError: Key manager error: Forbidden: Secret payload retrieval attempt not"
        " allowed - please review your user/project privileges"
    )
    found = {"vm_state": "error", "fault": "KeyManagerError", "fault_cause": cause, **more}
    assert instance_states.is_kept_from_its_key(instance(**found)) is is_so


def test_every_treatment_says_why():
    every = [*instance_states.VM_STATES.values(), *instance_states.TASK_STATES.values()]
    assert all(treatment.why for treatment in every)
    assert all(treatment.then in (None, *restore_tags.TAGS) for treatment in every)
    assert all(
        treatment.then is None for treatment in every if treatment.do in (instance_states.DELETE, instance_states.LEAVE)
    )


def test_nova_evacuates_what_is_not_reset():
    assert sorted(instance_states.EVACUABLE) == ["active", "error", "stopped"]  # measured: all others are 409


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ((), None),
        (("web",), None),
        (("nova-ha:restore=",), None),
        (("nova-ha:restore=flying",), None),
        (("nova-ha:restore=running",), "running"),
        (("nova-ha:restore=stopped", "web"), "stopped"),
        (("nova-ha:restore=paused",), "paused"),
        (("nova-ha:restore=paused", "nova-ha:restore=running"), "paused"),
        (("nova-ha:restore=paused", "nova-ha:restore=stopped"), "stopped"),
        (("nova-ha:restore=running", "nova-ha:restore=stopped"), "stopped"),
    ],
)
def test_the_note_of_a_former_state(tags, wanted):
    assert restore_tags.wanted(instance(tags=frozenset(tags))) == wanted


def test_the_notes_are_tags_that_nova_takes():
    assert len({*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()}) == 6
    for tag in (*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()):
        assert len(tag) <= 60 and not re.search("[/,]", tag)


@pytest.mark.parametrize("state", restore_tags.TAGS)
def test_what_is_to_be_done_is_told_from_what_was_done(state):
    noted, done = instance(noted=state), instance(reached=state)
    assert (restore_tags.wanted(noted), restore_tags.reached(noted)) == (state, None)
    assert (restore_tags.wanted(done), restore_tags.reached(done)) == (None, state)


@pytest.mark.parametrize(
    ("more", "late"),
    [
        ({}, True),
        ({"host": "compute-3"}, False),  # it did not arrive there
        ({"task_state": "rebuilding"}, False),
        ({"fault": "Build of instance aborted"}, False),
        ({"fault": None}, False),
    ],
)
def test_an_instance_that_had_arrived_may_be_refused_late(more, late):
    found = {"vm_state": "error", "host": "compute-2", "fault": "No valid host was found. ", **more}
    assert instance_states.is_refused_late(instance(**found), {("i1", "compute-2")}) is late
