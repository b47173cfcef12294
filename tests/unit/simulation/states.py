# SPDX-License-Identifier: Apache-2.0
"""Instances in every state in which a host's death may find them."""

from typing import NamedTuple, Optional

from tests.unit.simulation.guests import DELETED, PAUSED, RUNNING, STOPPED


class Found(NamedTuple):
    """How an instance is found, and what its owner wants it to be in the end; None: nothing that could be checked."""

    vm_state: str
    task_state: Optional[str] = None
    power_state: str = "running"
    wanted: Optional[str] = RUNNING


RECOVERED = {
    "active": Found("active"),
    "stopped": Found("stopped", None, "shutdown", STOPPED),
    "error": Found("error"),
    "error, off": Found("error", None, "shutdown", STOPPED),
    "paused": Found("paused", None, "paused", PAUSED),
    "suspended": Found("suspended", None, "shutdown", STOPPED),
    "rescued": Found("rescued"),
    "resized": Found("resized"),
    "resized, off": Found("resized", None, "shutdown", STOPPED),
    "powering-off": Found("active", "powering-off", "running", STOPPED),
    "pausing": Found("active", "pausing", "running", PAUSED),
    "suspending": Found("active", "suspending", "running", STOPPED),
    "rebooting": Found("active", "rebooting"),
    "rebooting hard": Found("active", "reboot_started_hard"),
    "snapshot": Found("active", "image_uploading"),
    "resize_prep": Found("active", "resize_prep"),
    "rescuing": Found("active", "rescuing"),
    "powering-on": Found("stopped", "powering-on", "shutdown", None),
}

# These go: their owners were deleting them.
DELETED_ONES = {
    "deleting": Found("active", "deleting", "running", DELETED),
    "soft-deleting": Found("active", "soft-deleting", "running", DELETED),
    "deleting, stopped": Found("stopped", "deleting", "shutdown", DELETED),
}

# These stay as they are.
LEFT = {
    "shelved": Found("shelved", None, "shutdown", None),
    "building": Found("building", "spawning", "none", None),
    "soft-delete": Found("soft-delete", None, "shutdown", DELETED),
}

ALL = {**RECOVERED, **DELETED_ONES, **LEFT}
