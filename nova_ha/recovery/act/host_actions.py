# SPDX-License-Identifier: Apache-2.0
"""Carries out what ``planner`` decided about whole hosts, step by step; for those about instances see ``workers``.

Each deed is idempotent: an engine that dies in the middle of one leaves a world from which the same step follows again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from nova_ha.cloud import nova
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import actions as step_types
from nova_ha.model import disabled_reason, flag, hostnames
from nova_ha.model.reasons import Code
from nova_ha.model.request import CONFLICT
from nova_ha.model.snapshot import Service
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.results import cause
from nova_ha.recovery.memory.requests import Attempts
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account


def disabled_before(service: Service) -> str:
    """What to tell of a service that was disabled before we do that: the mark may hold the beginning only."""
    if service.enabled or disabled_reason.is_marked(service):
        return ""
    return f"; it was disabled before: {service.disabled_reason or 'without a reason'}"


class Deeds:
    """The steps' deeds.

    :param attempts: told when a service is to be left alone for a while
    :param account: told what was done
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        cluster: Cluster,
        cloud: nova.Nova,
        attempts: Attempts,
        account: Account,
        claims: Claims,
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._cloud = cloud
        self._attempts = attempts
        self._account = account
        self._claims = claims
        self._clock = clock

    def do(self, step: step_types.Step) -> bool:
        """Carry a step out; returns whether the world may be different now, so that looking again is worth while.

        :raises cluster.ClusterError: the cluster is away
        """
        try:
            return self._DEEDS[type(step)](self, step)
        except nova.CloudError as error:
            self._event(Event.HOST_STEP_FAILED, step, reason=f"{step.reason}; but {error}", code=cause(error))
            return False

    def _disable_host(self, step: step_types.DisableHost) -> bool:
        with self._counted(step.service):
            if step.mark is None:
                request = self._cloud.force_down(step.service, True)
            elif step.service.forced_down:
                request = self._cloud.disable(step.service, step.mark)
            else:
                request = self._cloud.force_down(step.service, True, enabled=False, reason=step.mark)
        self._event(Event.HOST_DISABLED, step, request, reason=step.reason + disabled_before(step.service))
        return True

    def _enable_reserved_host(self, step: step_types.EnableReservedHost) -> bool:
        label = hostnames.label(step.service.host)
        if any(hostnames.label(flagged) == label for flagged in self._cluster.flags()):
            reason = f"{step.service.host} is flagged itself"
            self._attempts.failed(step.service.id, self._clock(), reason, CONFLICT)
            self._event(Event.RESERVED_HOST_NOT_ENABLED, step, reason=reason)
            return True
        with self._counted(step.service):
            request = self._cloud.enable(step.service)
        self._event(Event.RESERVED_HOST_ENABLED, step, request)
        return True

    @contextlib.contextmanager
    def _counted(self, service: Service) -> Iterator[None]:
        """Remember that a change of a service failed, so that nothing else waits for it."""
        try:
            yield
        except nova.CloudError as error:
            self._attempts.failed(service.id, self._clock(), str(error), cause(error))
            raise

    def _finish_recovery(self, step: step_types.FinishRecovery) -> bool:
        closed = self._claims.close(step.host, flag.RESTART if step.held else flag.RECOVERED)
        if closed:
            self._event(Event.HOST_RECOVERED, step)
            if step.held:
                self._event(Event.START_BLOCKED, step)
        return closed

    def _block_start(self, step: step_types.BlockStart) -> bool:
        held = self._claims.change(step.host, flag.RECOVERED, flag.RESTART)
        if held:
            if step.had_its_turn:
                self._attempts.turn_is_over(step.host)
            self._event(Event.START_BLOCKED, step)
        return held

    def _restart_compute(self, step: step_types.RestartCompute) -> bool:
        held = self._claims.change(step.host, flag.RECOVERED, flag.RESTART)
        if held:
            self._attempts.starting_again(step.host)
            self._event(Event.COMPUTE_TO_RESTART, step)
        return held

    def _allow_start(self, step: step_types.AllowStart) -> bool:
        let = self._claims.change(step.host, flag.RESTART, flag.RECOVERED)
        if let:
            self._event(Event.START_ALLOWED, step)
        return let

    def _return_to_service(self, step: step_types.ReturnToService) -> bool:
        flags = self._cluster.flags()
        if flags.get(step.host) != flag.RECOVERED:
            return True  # fenced again since this pass read the flags
        if any(flag.is_dead(flags[name]) and hostnames.are_one(name, step.service.host) for name in flags):
            return False  # likewise, by another name
        before = disabled_reason.reason_before(step.service)
        with self._counted(step.service):
            if before is not None:
                request = self._cloud.force_down(step.service, False, enabled=False, reason=before or None)
            elif disabled_reason.is_marked(step.service):
                request = self._cloud.force_down(step.service, False, enabled=True)
            else:
                request = self._cloud.force_down(step.service, False)
        as_before = "" if before is None else "; disabled as before" + (f": {before}" if before else "")
        self._event(Event.HOST_IN_SERVICE, step, request, step.reason + as_before)
        return True

    def _clear_flag(self, step: step_types.ClearFlag) -> bool:
        cleared = self._claims.clear(step.host)
        if cleared:
            self._event(Event.FLAG_CLEARED, step)
        return cleared

    def _event(
        self,
        event: Event,
        step: step_types.Step,
        request: str | None = None,
        reason: str | None = None,
        code: Code | None = None,
    ) -> None:
        self._account.event(event, step.host, None, request, reason or step.reason, code)

    _DEEDS: ClassVar[dict[type[step_types.Step], Callable[[Deeds, Any], bool]]] = {
        step_types.DisableHost: _disable_host,
        step_types.EnableReservedHost: _enable_reserved_host,
        step_types.FinishRecovery: _finish_recovery,
        step_types.BlockStart: _block_start,
        step_types.RestartCompute: _restart_compute,
        step_types.AllowStart: _allow_start,
        step_types.ReturnToService: _return_to_service,
        step_types.ClearFlag: _clear_flag,
    }
