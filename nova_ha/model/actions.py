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
    """Something to do about a host.

    :cvar label: what ``nova-ha`` and the journal call it; programs go by it, so that it outlives the class's name
    :param reason: why, for people
    """

    label: ClassVar[str]
    host: str
    reason: str


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
class Wait(Step):
    """Nothing to do now about the host, or about one of its instances; it is not finished.

    :param code: why, for programs
    :param needs_operator: an operator should know of it: it will not end by itself
    :param under_way: Nova is at work on it just now, as it should be
    :param held: it waits for its turn only
    :param command: the way out, complete, if there is one that the reason tells when to take
    :param restart: what is to be restarted before that, if anything
    """

    label: ClassVar[str] = "wait"
    code: Code
    instance: Instance | None = None
    needs_operator: bool = False
    under_way: bool = False
    held: bool = False
    command: str | None = None
    restart: Restart | None = None


@dataclasses.dataclass(frozen=True)
class Skip(Step):
    """This instance is not recovered, for good.

    :param code: why, for programs
    :param needs_operator: nobody wished it: an operator should know of it
    :param command: the way out, complete, if there is one that the reason tells when to take
    """

    label: ClassVar[str] = "skip"
    code: Code
    instance: Instance
    needs_operator: bool = False
    command: str | None = None


@dataclasses.dataclass(frozen=True)
class Claim(Step):
    """Take the host up: its flag, now ``old``, becomes this engine's claim."""

    label: ClassVar[str] = "claim"
    old: str = flag.FLAGGED


@dataclasses.dataclass(frozen=True)
class DisableHost(Step):
    """Force the service down, and disable it for ``mark`` unless that is None."""

    label: ClassVar[str] = "disable_host"
    service: Service
    mark: str | None = None


@dataclasses.dataclass(frozen=True)
class EnableReservedHost(Step):
    """Enable a reserved host (``service``) in the place of the lost one."""

    label: ClassVar[str] = "enable_reserved_host"
    service: Service


@dataclasses.dataclass(frozen=True)
class PrepareInstance(Step):
    """Reset the instance's state to active, so that Nova evacuates it (or restarts it in place).

    :param restore: the state that it is to have afterwards, noted on the instance first; None if Nova sees to it
    :param in_place: it is to start again on its own host: left in error, which nova-compute does not touch at its start
    """

    label: ClassVar[str] = "prepare_instance"
    instance: Instance
    restore: str | None = None
    in_place: bool = False


@dataclasses.dataclass(frozen=True)
class ConfirmResize(Step):
    """Confirm the instance's resize, which its owner cannot revert any more."""

    label: ClassVar[str] = "confirm_resize"
    instance: Instance


@dataclasses.dataclass(frozen=True)
class Evacuate(Step):
    """Have Nova resurrect the instance elsewhere.

    :param newest: the instance's newest evacuation record, 0 if it has none
    :param destination: Nova's name of the host to send it to, None to leave the choice to the scheduler
    """

    label: ClassVar[str] = "evacuate"
    instance: Instance
    newest: int = 0
    destination: str | None = None


@dataclasses.dataclass(frozen=True)
class CancelQueuedEvacuation(Step):
    """Reset the instance's state to error: a queued evacuation, when it is taken up, ends before it starts a guest."""

    label: ClassVar[str] = "cancel_queued_evacuation"
    instance: Instance


@dataclasses.dataclass(frozen=True)
class FinishDeletion(Step):
    """Finish the deletion that the instance's owner asked for."""

    label: ClassVar[str] = "finish_deletion"
    instance: Instance


@dataclasses.dataclass(frozen=True)
class RestoreState(Step):
    """One move towards the state that the instance's tag asks for.

    :param move: ``clear`` (reset its state to error), ``activate`` (to active), ``reboot``, ``stop``, ``pause``,
        ``settle`` (note that it is so) or ``untag``
    """

    label: ClassVar[str] = "restore_state"
    instance: Instance
    move: str = "untag"


@dataclasses.dataclass(frozen=True)
class RepairInstanceState(Step):
    """Set an instance to active that a late request of a host that came back had set to error, while it runs."""

    label: ClassVar[str] = "repair_instance_state"
    instance: Instance


@dataclasses.dataclass(frozen=True)
class FinishRecovery(Step):
    """The host is recovered: its flag becomes ``no``.

    :param held: its nova-compute is not to start yet: ``restart``
    """

    label: ClassVar[str] = "finish_recovery"
    held: bool = False


@dataclasses.dataclass(frozen=True)
class BlockStart(Step):
    """The recovered host's nova-compute is not to start now, or is to stop: its flag becomes ``restart``.

    :param had_its_turn: the cluster reaches it, so that it may have been starting
    """

    label: ClassVar[str] = "block_start"
    had_its_turn: bool = False


@dataclasses.dataclass(frozen=True)
class RestartCompute(Step):
    """The recovered host's nova-compute is to be stopped and started once more: its flag becomes ``restart``."""

    label: ClassVar[str] = "restart_compute"


@dataclasses.dataclass(frozen=True)
class AllowStart(Step):
    """It has been stopped, or held back, for long enough: the host's flag becomes ``no`` again."""

    label: ClassVar[str] = "allow_start"


@dataclasses.dataclass(frozen=True)
class ReturnToService(Step):
    """Un-force the service and put its status back to what it was before us."""

    label: ClassVar[str] = "return_to_service"
    service: Service


@dataclasses.dataclass(frozen=True)
class ClearFlag(Step):
    """The host is in service again: its flag goes."""

    label: ClassVar[str] = "clear_flag"


def is_action(step: Step) -> bool:
    """Whether there is something to do about it now."""
    return not isinstance(step, (Wait, Skip))


def instance_of(step: Step) -> Instance | None:
    """The instance that it is about, None if it is about the host as a whole."""
    instance: Instance | None = getattr(step, "instance", None)
    return instance
