# SPDX-License-Identifier: Apache-2.0
"""The steps that ``planner`` answers with: what to do next about a host or one of its instances, and why.

They are plain data. The engine carries them out; ``nova-ha plan`` prints them.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from nova_ha.model import flag
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Instance, Service


@dataclasses.dataclass(frozen=True)
class Step:
    """What is decided about a host, or about one of its instances.

    :cvar label: what ``nova-ha`` and the journal call it; programs go by it, so that it outlives the class's name
    :param reason: why, for people
    """

    label: ClassVar[str]
    host: str
    reason: str


@dataclasses.dataclass(frozen=True)
class HostAction(Step):
    """Something to do about a host as a whole."""


@dataclasses.dataclass(frozen=True)
class InstanceAction(Step):
    """Something to do about one of its instances."""

    instance: Instance


@dataclasses.dataclass(frozen=True)
class NoAction(Step):
    """Nothing is to be done about the host, or about one of its instances.

    :param code: why, for programs
    :param instance: None if it is about the host as a whole
    :param needs_operator: an operator should know of it
    :param command: the way out, complete, if there is one that the reason tells when to take
    """

    code: Code
    instance: Instance | None = None
    needs_operator: bool = False
    command: str | None = None


@dataclasses.dataclass(frozen=True)
class Restart:
    """What is to be restarted before the way out is taken, since it may still be at work on an evacuation.

    :param process: nova-compute or nova-conductor
    :param host: where; None: on each control node
    """

    process: str
    host: str | None

    def __str__(self) -> str:
        return f"{self.process} on {self.host or 'each control node'}"


@dataclasses.dataclass(frozen=True)
class Wait(NoAction):
    """Nothing to do now; it is not finished. One that needs an operator will not end by itself.

    :param under_way: Nova is at work on it just now, as it should be
    :param held: it waits for its turn only
    :param restart: what is to be restarted before the command is given, if anything
    """

    label: ClassVar[str] = "wait"
    under_way: bool = False
    held: bool = False
    restart: Restart | None = None


@dataclasses.dataclass(frozen=True)
class Skip(NoAction):
    """This instance is not recovered, for good. One that needs an operator is left though nobody wished it."""

    label: ClassVar[str] = "skip"
    instance: Instance


@dataclasses.dataclass(frozen=True)
class Claim(HostAction):
    """Take the host up: its flag, now ``old``, becomes this engine's claim."""

    label: ClassVar[str] = "claim"
    old: str = flag.FLAGGED


@dataclasses.dataclass(frozen=True)
class DisableHost(HostAction):
    """Force the service down, and disable it for ``mark`` unless that is None."""

    label: ClassVar[str] = "disable_host"
    service: Service
    mark: str | None = None


@dataclasses.dataclass(frozen=True)
class EnableReservedHost(HostAction):
    """Enable a reserved host (``service``) in the place of the lost one."""

    label: ClassVar[str] = "enable_reserved_host"
    service: Service


@dataclasses.dataclass(frozen=True)
class PrepareInstance(InstanceAction):
    """Reset the instance's state to active, so that Nova evacuates it (or restarts it in place).

    :param restore: the state that it is to have afterwards, noted on the instance first; None if Nova sees to it
    :param in_place: it is to start again on its own host: left in error, which nova-compute does not touch at its start
    """

    label: ClassVar[str] = "prepare_instance"
    restore: str | None = None
    in_place: bool = False


@dataclasses.dataclass(frozen=True)
class ConfirmResize(InstanceAction):
    """Confirm the instance's resize, which its owner cannot revert any more."""

    label: ClassVar[str] = "confirm_resize"


@dataclasses.dataclass(frozen=True)
class Evacuate(InstanceAction):
    """Have Nova resurrect the instance elsewhere.

    :param newest: the instance's newest evacuation record, 0 if it has none
    :param destination: Nova's name of the host to send it to, None to leave the choice to the scheduler
    """

    label: ClassVar[str] = "evacuate"
    newest: int = 0
    destination: str | None = None


@dataclasses.dataclass(frozen=True)
class CancelQueuedEvacuation(InstanceAction):
    """Reset the instance's state to error: a queued evacuation, when it is taken up, ends before it starts a guest."""

    label: ClassVar[str] = "cancel_queued_evacuation"


@dataclasses.dataclass(frozen=True)
class FinishDeletion(InstanceAction):
    """Finish the deletion that the instance's owner asked for."""

    label: ClassVar[str] = "finish_deletion"


@dataclasses.dataclass(frozen=True)
class RestoreState(InstanceAction):
    """One move towards the state that the instance's tag asks for.

    :param move: ``clear`` (reset its state to error), ``activate`` (to active), ``reboot``, ``stop``, ``pause``,
        ``settle`` (note that it is so) or ``untag``
    """

    label: ClassVar[str] = "restore_state"
    move: str = "untag"


@dataclasses.dataclass(frozen=True)
class RepairInstanceState(InstanceAction):
    """Set an instance to active that a late request of a host that came back had set to error, while it runs."""

    label: ClassVar[str] = "repair_instance_state"


@dataclasses.dataclass(frozen=True)
class RestartInstance(InstanceAction):
    """Start the guest of an instance anew that has failed on a host that lives."""

    label: ClassVar[str] = "restart_instance"


@dataclasses.dataclass(frozen=True)
class FinishRecovery(HostAction):
    """The host is recovered: its flag becomes ``no``.

    :param held: its nova-compute is not to start yet: ``restart``
    """

    label: ClassVar[str] = "finish_recovery"
    held: bool = False


@dataclasses.dataclass(frozen=True)
class BlockStart(HostAction):
    """The recovered host's nova-compute is not to start now, or is to stop: its flag becomes ``restart``.

    :param had_its_turn: the cluster reaches it, so that it may have been starting
    """

    label: ClassVar[str] = "block_start"
    had_its_turn: bool = False


@dataclasses.dataclass(frozen=True)
class RestartCompute(HostAction):
    """The recovered host's nova-compute is to be stopped and started once more: its flag becomes ``restart``."""

    label: ClassVar[str] = "restart_compute"


@dataclasses.dataclass(frozen=True)
class AllowStart(HostAction):
    """It has been stopped, or held back, for long enough: the host's flag becomes ``no`` again."""

    label: ClassVar[str] = "allow_start"


@dataclasses.dataclass(frozen=True)
class ReturnToService(HostAction):
    """Un-force the service and put its status back to what it was before us."""

    label: ClassVar[str] = "return_to_service"
    service: Service


@dataclasses.dataclass(frozen=True)
class ClearFlag(HostAction):
    """The host is in service again: its flag goes."""

    label: ClassVar[str] = "clear_flag"


def is_action(step: Step) -> bool:
    """Whether there is something to do about it now."""
    return not isinstance(step, NoAction)


def instance_of(step: Step) -> Instance | None:
    """The instance that it is about, None if it is about the host as a whole."""
    return step.instance if isinstance(step, (InstanceAction, NoAction)) else None
