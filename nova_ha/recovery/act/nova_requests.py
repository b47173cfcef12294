# SPDX-License-Identifier: Apache-2.0
"""What a step about one instance asks of Nova, call by call: pure.

An engine that dies between two of the calls leaves a world from which the rest follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nova_ha.model import actions as step_types
from nova_ha.model import instance_states, restore_tags
from nova_ha.model.snapshot import Instance

if TYPE_CHECKING:
    from nova_ha.cloud.nova import Nova

_STOPPED = (restore_tags.STOPPED, "stopped", None)


class Call(NamedTuple):
    """One request.

    :param send: asks a cloud for a change of an instance; returns Nova's id of the request
    :param optional: the next calls are made even if Nova refuses this one, unless for the instance's present state
    """

    send: Callable[[Nova, Instance], str]
    optional: bool = False


_ACTIVATE = Call(lambda cloud, instance: cloud.reset_state(instance, "active"))
_BREAK = Call(lambda cloud, instance: cloud.reset_state(instance, "error"))
# By the move of a RestoreState; the others put tags in the place of tags.
_MOVES = {
    "activate": _ACTIVATE,
    "clear": _BREAK,
    "pause": Call(lambda cloud, instance: cloud.pause(instance)),
    "reboot": Call(lambda cloud, instance: cloud.reboot(instance)),
    "stop": Call(lambda cloud, instance: cloud.stop(instance)),
}


def of(step: step_types.InstanceAction) -> list[Call]:
    """The calls that a step about an instance takes, in their order."""
    return _CALLS[type(step)](step)


def _prepare_instance(step: step_types.PrepareInstance) -> list[Call]:
    instance = step.instance
    # Without a note the instance is recovered nevertheless.
    note = [_tag(restore_tags.TAGS[step.restore], optional=True)] if step.restore else []
    awkward = instance.vm_state not in ("active", "stopped") or instance.task_state in instance_states.TASK_STATES
    reset = [_ACTIVATE] if awkward and (step.restore or not step.in_place) else []
    wanted = step.restore or restore_tags.wanted(instance)
    left_so = (wanted, instance.vm_state, instance.task_state) == _STOPPED
    end = [_BREAK] if step.in_place and not left_so else []
    # The note first, where Nova takes it in this state: the reset makes the instance look as any other.
    return (note + reset if instance.vm_state in instance_states.TAGGABLE else reset + note) + end


def _restore_state(step: step_types.RestoreState) -> list[Call]:
    wanted = restore_tags.wanted(step.instance)
    if step.move == "settle" and wanted is not None:
        return _retag(step.instance, restore_tags.DONE_TAGS[wanted])
    if step.move == "untag":
        return _retag(step.instance, None)
    return [_MOVES[step.move]]


def _repair_instance_state(step: step_types.RepairInstanceState) -> list[Call]:
    before = restore_tags.reached(step.instance)
    return [_ACTIVATE] + (_retag(step.instance, restore_tags.TAGS[before]) if before else [])


def _retag(instance: Instance, tag: str | None) -> list[Call]:
    """Put a tag of ours (None: none) in the place of those that the instance has."""
    old = sorted(each for each in restore_tags.OUR_TAGS & instance.tags if each != tag)
    return ([_tag(tag)] if tag else []) + [_untag(each) for each in old]


def _evacuate(step: step_types.Evacuate) -> list[Call]:
    return [Call(lambda cloud, instance: cloud.evacuate(instance, step.destination))]


def _tag(tag: str, optional: bool = False) -> Call:
    return Call(lambda cloud, instance: cloud.tag(instance, tag), optional)


def _untag(tag: str) -> Call:
    return Call(lambda cloud, instance: cloud.untag(instance, tag))


_CALLS: dict[type[step_types.InstanceAction], Callable[[Any], list[Call]]] = {
    step_types.Evacuate: _evacuate,
    step_types.PrepareInstance: _prepare_instance,
    step_types.ConfirmResize: lambda step: [Call(lambda cloud, instance: cloud.confirm_resize(instance))],
    step_types.CancelQueuedEvacuation: lambda step: [_BREAK],
    step_types.FinishDeletion: lambda step: [Call(lambda cloud, instance: cloud.delete(instance))],
    step_types.RestoreState: _restore_state,
    step_types.RepairInstanceState: _repair_instance_state,
}
