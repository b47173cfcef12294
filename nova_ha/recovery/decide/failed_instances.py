# SPDX-License-Identifier: Apache-2.0
"""What an instance needs that has failed while its host lives: pure.

Nova knows what was done with it, and by whom; the host tells that it has failed, for as long as it has. Of the two, no
clock of ours is needed but to count restarts.
"""

from __future__ import annotations

import dataclasses

from nova_ha.model.actions import RestartInstance, Skip, Step, Wait
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.instance_failures import InstanceFailure
from nova_ha.model.nova_actions import RESTART, STARTS, STOP, By, NovaAction
from nova_ha.model.reasons import Code
from nova_ha.model.request import SENDING, Attempt
from nova_ha.model.snapshot import Instance
from nova_ha.policy.instance_restarts import InstanceRules
from nova_ha.recovery.memory.timing import SETTLE


@dataclasses.dataclass(frozen=True)
class Failed:
    """An instance that has failed.

    :param host: the cluster's name of its host
    :param failure: what that tells
    :param instance: as Nova has it, on that host
    :param actions: what was asked of Nova for it, newest first
    :param selection: what flavors and images select
    :param aggregates: those of its host
    """

    host: str
    failure: InstanceFailure
    instance: Instance
    actions: tuple[NovaAction, ...]
    selection: Selection
    aggregates: frozenset[str] = frozenset()


def step(
    failed: Failed, rules: InstanceRules, attempt: Attempt | None, may_show: bool, now: float, time: float
) -> Step:
    """The step for it.

    :param attempt: what this engine has asked for it last
    :param may_show: whether Nova did not answer that, and may still do it
    :param now: monotonic seconds
    :param time: seconds since the epoch
    """
    failure, instance = failed.failure, failed.instance
    if failure.kind not in rules.failures:
        reason = f"{worded(failure)}; failures of that kind are not restarted ([instances])"
        return _left(failed, reason, Code.FAILURE_LEFT)
    verdict = rules.policy.verdict(instance, failed.selection, failed.aggregates)
    if not verdict.known:
        return _wait(failed, verdict.reason, Code.SELECTION_UNKNOWN)
    if not verdict.recover:
        return Skip(failed.host, f"{worded(failure)}; {verdict.reason}", Code.NOT_SELECTED, instance)
    asked = _asked(failed, attempt, may_show, now)
    left = asked or _busy(failed, time) or _limit(failed, rules, time)
    return left or RestartInstance(failed.host, worded(failure), instance)


def _asked(failed: Failed, attempt: Attempt | None, may_show: bool, now: float) -> Wait | None:
    """A Wait for what this engine has asked for it."""
    if attempt is None:
        return None
    if attempt.outcome == SENDING:
        return _wait(failed, "the request is being sent", Code.SENDING)
    if may_show:
        return _wait(failed, f"{attempt.reason}; Nova may still do it", Code.REQUEST_UNANSWERED)
    if now < attempt.until:
        return _wait(failed, f"{attempt.reason}; looked at again after a pause", attempt.code)
    return None


def _busy(failed: Failed, time: float) -> Wait | Skip | None:
    """A Wait while somebody does something with it, or has just done; a Skip of one that is to be off."""
    instance, since = failed.instance, failed.failure.since
    if instance.task_state is not None:
        return _wait(failed, f"{worded(failed.failure)}; its task is {instance.task_state}", Code.INSTANCE_BUSY)
    started = _started_at(failed)
    if started is not None and since <= started and time - started < SETTLE:
        return _wait(failed, f"{worded(failed.failure)}; it was started since", Code.INSTANCE_BUSY)
    newest = failed.actions[0] if failed.actions else None
    if instance.vm_state == "stopped" and newest is not None and newest.name == STOP and newest.by is not By.NOVA:
        return Skip(failed.host, "it has been stopped since it failed", Code.NOTHING_TO_RECOVER, instance)
    if instance.vm_state == "active" or (instance.vm_state == "stopped" and newest is not None and newest.name == STOP):
        return None
    return _left(failed, f"{worded(failed.failure)}; Nova has it {instance.vm_state}", Code.UNKNOWN_STATE)


def _limit(failed: Failed, rules: InstanceRules, time: float) -> Wait | None:
    """An alarm where it would fail again, or has done so too often."""
    since, started = failed.failure.since, _started_at(failed)
    ours = [each for each in failed.actions if each.by is By.US and each.name == RESTART]
    recent = sum(time - each.at < rules.window for each in ours)
    if recent >= rules.most:
        reason = f"{worded(failed.failure)}, after {recent} restarts in {rules.window:g} s: it is not restarted again"
        return _left(failed, reason, Code.FAILS_OFTEN)
    if started is not None and 0 <= since - started < rules.min_uptime:
        reason = f"{worded(failed.failure)}, {since - started:.0f} s after it had started: it would again"
        return _left(failed, reason, Code.FAILS_AT_ONCE)
    return None


def _started_at(failed: Failed) -> float | None:
    """When its guest was last started anew, by Nova's records; None if they do not go back that far."""
    return next((each.at for each in failed.actions if each.name in STARTS), None)


def worded(failure: InstanceFailure) -> str:
    """What became of an instance, in words."""
    detail = f" ({failure.detail})" if failure.detail else ""
    return f"{failure.kind.meaning}{detail}"


def _wait(failed: Failed, reason: str, code: Code) -> Wait:
    return Wait(failed.host, reason, code, failed.instance)


def _left(failed: Failed, reason: str, code: Code) -> Wait:
    """A Wait for an operator, who restarts it by hand once its cause is dealt with."""
    command = f"openstack server reboot --hard {failed.instance.id}"
    return Wait(failed.host, reason, code, failed.instance, needs_operator=True, command=command)
