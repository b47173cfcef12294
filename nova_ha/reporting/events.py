# SPDX-License-Identifier: Apache-2.0
"""What the engine tells of: the catalogue of its events.

Each is a line in the journal and an entry of ``nova-ha history``. Programs go by the names, which stay; docs/events.md
has them for operators, and is checked against this.
"""

from __future__ import annotations

import enum
import logging

INFO, WARNING = logging.INFO, logging.WARNING

# What an event may have beside its host and its reason.
INSTANCE, REQUEST, CODE = "instance", "request", "code"


class Event(str, enum.Enum):
    """One kind of event.

    :ivar level: one of ``logging``'s
    :ivar fields: of INSTANCE, REQUEST and CODE, what it has beside its host and its reason. An instance it always has
    :ivar meaning: what it says, in one line
    """

    level: int
    fields: tuple[str, ...]
    meaning: str

    def __new__(cls, value: str, level: int, fields: tuple[str, ...], meaning: str) -> Event:
        member = str.__new__(cls, value)
        member._value_ = value
        member.level = level
        member.fields = fields
        member.meaning = meaning
        return member

    # What is decided, where that is nothing to do
    HOST_WAITS = "host_waits", INFO, (CODE,), "nothing can be done with the host now"
    HOST_NEEDS_OPERATOR = "host_needs_operator", WARNING, (CODE,), "likewise, and that does not end by itself"
    INSTANCE_WAITS = "instance_waits", INFO, (INSTANCE, CODE), "nothing can be done with the instance now"
    INSTANCE_SKIPPED = "instance_skipped", INFO, (INSTANCE, CODE), "the instance is not recovered"
    INSTANCE_NEEDS_OPERATOR = (
        "instance_needs_operator",
        WARNING,
        (INSTANCE, CODE),
        "the instance waits and that does not end by itself, or it is left though nobody wished it",
    )
    # By nova-ha, not by the engine
    OPERATOR_ORDERED = "operator_ordered", INFO, (), "an operator gave an order, or drilled a host"
    # A host
    HOST_CLAIMED = "host_claimed", INFO, (), "the engine recovers the host from now on"
    HOST_FORCED_DOWN = "host_forced_down", INFO, (REQUEST,), "a host that is held is forced down and disabled in Nova"
    HOST_DISABLED = "host_disabled", INFO, (REQUEST,), "the host is forced down and disabled in Nova"
    RESERVED_HOST_ENABLED = "reserved_host_enabled", INFO, (REQUEST,), "a reserved host takes the host's place"
    RESERVED_HOST_NOT_ENABLED = "reserved_host_not_enabled", INFO, (), "the reserved host is flagged itself"
    HOST_RECOVERED = "host_recovered", INFO, (), "no instance of the host is left to recover"
    START_BLOCKED = "start_blocked", INFO, (), "the recovered host's nova-compute must not start for now"
    START_ALLOWED = "start_allowed", INFO, (), "the recovered host's nova-compute may start"
    COMPUTE_TO_RESTART = "compute_to_restart", INFO, (), "the recovered host's nova-compute is to start once more"
    HOST_IN_SERVICE = "host_in_service", INFO, (REQUEST,), "the host's service in Nova is as it was before"
    FLAG_CLEARED = "flag_cleared", INFO, (), "the host's flag is deleted"
    HOST_STEP_FAILED = "host_step_failed", WARNING, (CODE,), "Nova did not do what was asked of it for the host"
    # An instance
    INSTANCE_PREPARED = "instance_prepared", INFO, (INSTANCE, REQUEST), "the instance is in a state that Nova evacuates"
    STATE_NOT_NOTED = "state_not_noted", WARNING, (INSTANCE,), "Nova does not let the instance's state be noted on it"
    RESIZE_CONFIRMED = "resize_confirmed", INFO, (INSTANCE, REQUEST), "Nova was asked to confirm the instance's resize"
    EVACUATION_ACCEPTED = "evacuation_accepted", INFO, (INSTANCE, REQUEST), "Nova evacuates the instance"
    EVACUATION_NOT_ACCEPTED = (
        "evacuation_not_accepted",
        WARNING,
        (INSTANCE, CODE),
        "Nova refused to evacuate the instance, or did not answer",
    )
    INSTANCE_EVACUATED = "instance_evacuated", INFO, (INSTANCE,), "the instance is on another host"
    QUEUED_EVACUATION_CANCELLED = (
        "queued_evacuation_cancelled",
        INFO,
        (INSTANCE, REQUEST),
        "what is queued for the instance ends before it starts a guest",
    )
    DELETION_FINISHED = "deletion_finished", INFO, (INSTANCE, REQUEST), "Nova deletes the instance, as its owner asked"
    RESTORE_STEP_DONE = "restore_step_done", INFO, (INSTANCE, REQUEST), "one move towards the instance's former state"
    INSTANCE_STATE_REPAIRED = (
        "instance_state_repaired",
        INFO,
        (INSTANCE, REQUEST),
        "the instance is active again, which a late request had set to error",
    )
    INSTANCE_FAILED = "instance_failed", WARNING, (INSTANCE,), "the instance has failed while its host lives"
    INSTANCE_RESTARTED = "instance_restarted", INFO, (INSTANCE, REQUEST), "Nova starts the failed instance anew"
    INSTANCE_STEP_FAILED = (
        "instance_step_failed",
        WARNING,
        (INSTANCE, CODE),
        "Nova did not do what was asked of it for the instance",
    )
