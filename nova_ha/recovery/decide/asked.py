# SPDX-License-Identifier: Apache-2.0
"""What was asked of Nova for an instance, and keeps anything else from being asked: pure."""

from __future__ import annotations

from nova_ha.model import instance_states
from nova_ha.model.actions import Wait
from nova_ha.model.reasons import Code
from nova_ha.model.request import CONFLICT, FAILED, FORBIDDEN, SENDING, UNKNOWN, Attempt
from nova_ha.model.snapshot import Instance
from nova_ha.recovery.decide.case import Case
from nova_ha.recovery.memory.timing import MANY


def may_show(case: Case, instance: Instance) -> Wait | None:
    """A Wait for a request for the instance that Nova did not answer, and may still carry out; or None."""
    attempt = case.memory.get(instance.id)
    if attempt is None or not case.memory.may_show(instance.id, case.now, instance.host):
        return None
    reason = f"{attempt.reason}; Nova may still do it, until it has answered for a minute without a break"
    late = case.now - attempt.until >= case.rules.stuck_after
    return case.wait(reason, Code.REQUEST_UNANSWERED, instance, needs_operator=late)


def held(case: Case, instance: Instance) -> Wait | None:
    """A Wait for what was asked for the instance, or None if something may be asked now."""
    attempt = case.memory.get(instance.id)
    if attempt is None:
        return None
    if attempt.outcome == SENDING:
        return case.wait("the request is being sent", Code.SENDING, instance, under_way=True)
    if case.now >= attempt.until:
        return None
    again = "tried" if attempt.outcome == FAILED else "looked at"
    reason = f"{attempt.reason}; {again} again after a pause"
    if case.memory.in_vain(instance.id) < MANY:
        return case.wait(reason, attempt.code, instance)
    command = _way_out(case, instance, attempt)
    reason += ". Or have it left as it is" if command else ""
    return case.wait(reason, attempt.code, instance, needs_operator=True, command=command)


def _way_out(case: Case, instance: Instance, attempt: Attempt) -> str | None:
    """The command by which an operator has left alone what Nova refuses again and again; None where that is no way.

    Nova lets the metadata be changed in the states in which it lets an instance be tagged, and with no task only.
    """
    key = case.rules.policy.metadata_key
    refused = attempt.cause in (CONFLICT, FORBIDDEN, UNKNOWN)
    if not (key and refused and instance.vm_state in instance_states.TAGGABLE and instance.task_state is None):
        return None
    return f"openstack server set --property {key}=false {instance.id}"
