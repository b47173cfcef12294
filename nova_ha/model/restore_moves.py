# SPDX-License-Identifier: Apache-2.0
"""The next move of an instance towards the state that its tag notes; see ``restore_tags``."""

from __future__ import annotations

from nova_ha.model import restore_tags
from nova_ha.model.instance_states import LATE
from nova_ha.model.snapshot import Instance


def next_move(instance: Instance, all_back: bool) -> tuple[str | None, str]:
    """The next move towards the noted state, and why; (None, "") if the instance is its owner's.

    :param all_back: whether no flagged host is left that may have requests queued
    """
    wanted = restore_tags.wanted(instance)
    state = wanted or restore_tags.reached(instance)
    if state is None:
        return None, ""
    is_so = {
        restore_tags.RUNNING: instance.vm_state == "active" and instance.power_state == "running",
        restore_tags.STOPPED: instance.vm_state == "stopped",
        restore_tags.PAUSED: instance.vm_state == "paused",
    }[state]
    if wanted is None:
        if instance.vm_state == "error" or (is_so and not all_back):
            return None, ""
        return "untag", f"it is {state} again, and every host is back" if is_so else "its owner has changed it since"
    if is_so:
        return ("untag" if all_back else "settle"), f"it is {state} again"
    if instance.vm_state == "error" and instance.task_state in LATE:
        return "clear", f"to be {state} again, it must be rid of a late request's task that nobody works on"
    if instance.vm_state not in ("active", "stopped", "error"):
        return "untag", f"it was to be {state} again, but its owner has made it {instance.vm_state}"
    if state == restore_tags.STOPPED:
        return ("activate" if instance.vm_state == "error" else "stop"), "it was not running when its host died"
    if instance.vm_state != "active" or instance.power_state != "running":
        # Restarted in place: its guest is not there yet.
        return "reboot", f"to be {state} again, its guest must be started"
    return "pause", "it was paused when its host died"


def rests(instance: Instance) -> bool:
    """Whether nothing is to be done about a tagged instance until every host is back: it is as it was, or cannot be."""
    return next_move(instance, all_back=False)[0] is None
