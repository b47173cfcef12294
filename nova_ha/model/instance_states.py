# SPDX-License-Identifier: Apache-2.0
"""What becomes of an instance of a dead host by the state that it was in: a table.

docs/instance-states.md is checked against it. What Nova's evacuate does with each state was measured on a real Nova: it
accepts active, stopped and error, whatever the task state; it refuses all else; and it does not know a former state.
"""

from __future__ import annotations

import re
from collections.abc import Set
from typing import NamedTuple

from nova_ha.model import restore_tags
from nova_ha.model.snapshot import Instance

EVACUATE = "evacuate"
RESET = "reset, evacuate"  # Nova refuses this state: its state is reset to active first
DELETE = "delete"
LEAVE = "leave"
HOLD = "hold"


class Treatment(NamedTuple):
    """What is done with an instance.

    :param do: EVACUATE, RESET, DELETE, LEAVE or HOLD
    :param why: for people
    :param then: the former state, to be restored by us afterwards (see ``restore_tags``); None if Nova sees to it
    """

    do: str
    why: str
    then: str | None = None


_SHELVED = Treatment(LEAVE, "it is shelved: no guest of it was running; its owner can unshelve it")

# By Nova's vm_state.
VM_STATES = {
    "active": Treatment(EVACUATE, "it was running"),
    # Nova would stop it again by itself, but not if the first attempt fails: it would then be in error, and be started.
    "stopped": Treatment(EVACUATE, "it was stopped, and stays so", restore_tags.STOPPED),
    "error": Treatment(EVACUATE, "it is in error: evacuated, it is made anew"),
    "paused": Treatment(RESET, "its memory is lost; it is paused again", restore_tags.PAUSED),
    "suspended": Treatment(RESET, "its saved memory is lost; it is left stopped", restore_tags.STOPPED),
    "rescued": Treatment(RESET, "it is booted from its own disk, not from the rescue image", restore_tags.RUNNING),
    "resized": Treatment(RESET, "it keeps its new flavor; the resize cannot be reverted any more"),
    "shelved": _SHELVED,
    "shelved_offloaded": _SHELVED,
    "building": Treatment(LEAVE, "it was never launched; nova-compute sets it to error when it returns"),
    "soft-delete": Treatment(LEAVE, "its owner deleted it: not revived"),
    "deleted": Treatment(LEAVE, "it is deleted"),
}

# One in error whose build failed, or was interrupted: Nova refuses to evacuate it for ever.
NEVER_LAUNCHED = Treatment(LEAVE, "it was never launched: there is nothing to bring back")

# By Nova's task_state, which goes before the vm_state. Any other is what the dead host left of a work that Nova's
# evacuate overrides.
TASK_STATES = {
    "deleting": Treatment(DELETE, "its owner was deleting it: not revived, its deletion is finished"),
    "soft-deleting": Treatment(DELETE, "its owner was deleting it: not revived, its deletion is finished"),
    "powering-off": Treatment(RESET, "its owner was stopping it", restore_tags.STOPPED),
    "pausing": Treatment(RESET, "its owner was pausing it", restore_tags.PAUSED),
    "suspending": Treatment(RESET, "its owner was suspending it; it is left stopped", restore_tags.STOPPED),
    "powering-on": Treatment(RESET, "its owner was starting it", restore_tags.RUNNING),
    "unpausing": Treatment(RESET, "its owner was unpausing it", restore_tags.RUNNING),
    "resuming": Treatment(RESET, "its owner was resuming it", restore_tags.RUNNING),
}

# What an instance may have that Nova does not evacuate, by what it answers then (400, 403 or 409): the msg_fmt of the
# exceptions, in its nova/exception.py, that the decorators of evacuate raise in its nova/compute/api.py.
REFUSALS = {
    # OperationNotSupportedForVTPM, from Nova 22 on: the TPM's state is on the dead host, its key the owner's.
    "a virtual TPM": re.compile("Operation 'evacuate' not supported for vTPM-enabled instance"),
    # OperationNotSupportedForVDPAInterface, Nova 23 to 25.
    "vDPA ports": re.compile("Operation 'evacuate' not supported for instance with vDPA ports"),
    # ForbiddenWithAccelerators: Nova 21, and later ones as long as any nova-compute is of Nova 21.
    "accelerators": re.compile("(?:Forbidden|Feature not supported) with instances that have accelerators"),
    # ForbiddenPortsWithAccelerator, from Nova 24 on.
    "ports with accelerators": re.compile("Feature not supported with Ports that have accelerators"),
    # ForbiddenWithShare, from Nova 31 on.
    "Manila shares": re.compile("Feature not supported with instances that have shares"),
}
# Extra specs of flavors and properties of images that mean one of these in every Nova that knows them.
REFUSED_BY_FLAVOR = {"hw:tpm_version": "a virtual TPM"}
REFUSED_BY_IMAGE = {"hw_tpm_version": "a virtual TPM"}
# What Nova accepts to evacuate and cannot start, if the key manager (Barbican, by castellan) lets only the owner read
# the key: a nova-compute does it in the engine's name.
ENCRYPTED_VOLUME = "an encrypted volume"
_NO_KEY = "KeyManagerError: Key manager error: Forbidden"

# States in which Nova evacuates.
EVACUABLE = frozenset(state for state, treatment in VM_STATES.items() if treatment.do == EVACUATE)
# States in which Nova lets an instance be tagged.
TAGGABLE = frozenset({"active", "stopped", "paused", "suspended"})
# Task states of an instance that is being rebuilt, which an evacuation is. Nova's API sets the first of them before it
# answers, its destination the others, and an evacuation that has ended, well or badly, leaves none.
BEGUN = frozenset({"rebuild_block_device_mapping", "rebuild_spawning"})
REBUILDING = BEGUN | {"rebuilding"}
# Task states that a late request of a host that came back leaves on an instance that it has set to error.
LATE = frozenset({"rebuilding", "resize_prep", "resize_migrating"})
# What Nova says when an evacuation failed because an instance's guest is where it was to be made; and when it failed
# though the guest was made, because somebody changed the instance's task meanwhile.
_FOUND_THERE = re.compile(r"Instance \S+ already exists")
_MADE_THERE = re.compile(r"Conflict updating instance .*Expected: .*'rebuild_spawning'")
# When the destination could not write, by the bus and the conductor, what it had done: its guest may run. Of an error
# that is not Nova's own, Nova tells the class alone.
_UNTOLD = re.compile(r"MessagingTimeout|MessageDeliveryFailure|RemoteError|DB\w*Error")
# What it says when the scheduler found no host.
NO_HOST = "No valid host was found"
# Task states of a live migration's instance.
MIGRATING = frozenset({"migrating"})

_SHUT_DOWN = frozenset({"shutdown", "suspended", "crashed"})


def is_found_there(instance: Instance) -> bool:
    """Whether an evacuation of it failed because a guest of it, if only a defined one, was on the destination."""
    return instance.vm_state == "error" and _FOUND_THERE.match(instance.fault or "") is not None


def is_made_there(instance: Instance) -> bool:
    """Whether an evacuation of it failed after its guest had been started on the destination."""
    return instance.vm_state == "error" and _MADE_THERE.match(instance.fault or "") is not None


def may_run(failure: str) -> bool:
    """Whether an evacuation failed though its guest may run on the destination.

    :param failure: what Nova tells of it
    """
    return any(reason.match(failure) for reason in (_UNTOLD, _FOUND_THERE, _MADE_THERE))


def refusal(message: str) -> str | None:
    """What an instance has for which Nova refused to evacuate it, one of ``REFUSALS``; None if it may not last.

    :param message: what Nova answered
    """
    return next((what for what, said in REFUSALS.items() if said.search(message)), None)


def refused_beforehand(instance: Instance) -> str | None:
    """What an instance has, as its flavor or its image tells, for which Nova will refuse to evacuate it; or None."""
    known = ((instance.extra_specs, REFUSED_BY_FLAVOR), (instance.image_properties, REFUSED_BY_IMAGE))
    return next((what for had, table in known for key, what in table.items() if key in had), None)


def is_kept_from_its_key(instance: Instance) -> bool:
    """Whether it was not started because Nova may not read the key of its encrypted volume."""
    return instance.vm_state == "error" and _NO_KEY in (instance.fault_cause or "")


def is_refused_late(instance: Instance, arrived: Set[tuple[str, str | None]]) -> bool:
    """Whether a request that the conductor still had found no host for an instance that had arrived on one meanwhile.

    :param arrived: ``{(instance id, host)}`` of the evacuations that are done
    """
    here = (instance.id, instance.host) in arrived
    return here and instance.task_state is None and (instance.fault or "").startswith(NO_HOST)


def is_broken_on_arrival(instance: Instance, arrived: Set[tuple[str, str | None]]) -> bool:
    """Whether a second request has failed because the first one's guest runs, where that has arrived (measured).

    :param arrived: ``{(instance id, host)}`` of the evacuations that are done
    """
    found = is_found_there(instance) or is_made_there(instance)
    return found and (instance.id, instance.host) in arrived and instance.task_state is None


def treatment(instance: Instance) -> Treatment:
    """What to do with an instance of a dead host."""
    by_task = TASK_STATES.get(instance.task_state or "")
    found = VM_STATES.get(instance.vm_state)
    if found is None:
        return Treatment(HOLD, f"{instance.vm_state} is none of Nova's states that nova-ha knows")
    if instance.vm_state == "error" and not instance.launched and not (by_task and by_task.do == DELETE):
        return NEVER_LAUNCHED
    if found.do == LEAVE and not (by_task and by_task.do == DELETE):
        return found
    if by_task is not None:
        return by_task
    if instance.vm_state == "active" and instance.power_state == "paused":
        # Only an engine that died between the reset and the note leaves an instance so.
        return found._replace(then=restore_tags.PAUSED)
    if instance.vm_state in ("active", "resized") and instance.power_state in _SHUT_DOWN:
        # An active one: its guest had ended, and Nova would have set it to stopped; or such an engine left it so.
        return found._replace(why="its guest was not running, and stays stopped", then=restore_tags.STOPPED)
    reached = restore_tags.reached(instance)
    if instance.vm_state == "error" and reached:
        # A late request of a host that came back has set it to error, and its guest's state is not known any more.
        return Treatment(RESET, f"it is in error, and was {reached} before", reached)
    if instance.vm_state == "error" and instance.power_state in _SHUT_DOWN:
        return Treatment(
            RESET, "it is in error, and was not running: made anew, and left stopped", restore_tags.STOPPED
        )
    return found
