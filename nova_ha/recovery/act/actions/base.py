# SPDX-License-Identifier: Apache-2.0
"""What the actions have in common: who carries one out, what with, and what a failure of Nova's means."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, NamedTuple, TypeVar

from nova_ha.cloud import nova
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model.actions import HostAction, InstanceAction
from nova_ha.model.reasons import Code
from nova_ha.model.request import AWAY, CONFLICT, FORBIDDEN, UNKNOWN
from nova_ha.model.snapshot import Instance, Service
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.memory.requests import Memory
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account

AboutHost = TypeVar("AboutHost", bound=HostAction)
AboutInstance = TypeVar("AboutInstance", bound=InstanceAction)

# Why Nova refuses, by HTTP status. 400: it holds the host to be alive, or the destination not to be; 409: it does
# something else with the instance just now.
_BY_STATUS = {400: CONFLICT, 409: CONFLICT, 403: FORBIDDEN, 413: FORBIDDEN}


def cause(error: nova.CloudError) -> Code:
    """Why a request failed, one of ``timing.BACKOFFS``, by what the cloud answered."""
    if isinstance(error, nova.Refused):
        return _BY_STATUS.get(error.status, UNKNOWN)
    return AWAY


# Actions about hosts


@dataclasses.dataclass(frozen=True)
class HostTools:
    """What an action about a host is carried out with.

    :param memory: told when a service is to be left alone for a while
    :param account: told what was done
    :param clock: monotonic seconds
    """

    cluster: Cluster
    cloud: nova.Nova
    memory: Memory
    account: Account
    claims: Claims
    clock: Callable[[], float]

    def tell(self, event: Event, action: HostAction, request: str | None = None, reason: str | None = None) -> None:
        """Keep that something was done, by default for the action's own reason."""
        self.account.event(event, action.host, None, request, reason or action.reason, None)

    @contextlib.contextmanager
    def counted(self, service: Service) -> Iterator[None]:
        """Remember that a change of a service failed, so that nothing else waits for it."""
        try:
            yield
        except nova.CloudError as error:
            self.memory.failed(service.id, self.clock(), str(error), cause(error))
            raise


class HostExecutor(Generic[AboutHost]):
    """Carries out one kind of action about hosts.

    Each is idempotent: an engine that dies in the middle of one leaves a world from which the same action follows
    again.

    :cvar action: the kind
    """

    action: ClassVar[type[HostAction]]

    def carry_out(self, action: AboutHost, tools: HostTools) -> bool:
        """Do it; returns whether the world may be different now, so that looking again is worth while.

        :raises nova.CloudError: the cloud did not do it
        :raises cluster.ClusterError: the cluster is away
        """
        raise NotImplementedError


# Actions about instances


class Call(NamedTuple):
    """One request.

    :param send: asks a cloud for a change of an instance; returns Nova's id of the request
    :param optional: the next calls are made even if Nova refuses this one, unless for the instance's present state
    """

    send: Callable[[nova.Nova, Instance], str | None]
    optional: bool = False


class Answer(NamedTuple):
    """Nova has taken all requests of an action.

    :param request: Nova's id of the last that it took
    :param took: seconds that they took
    :param refused: what answered one that was optional, or None
    """

    request: str | None
    took: float
    refused: nova.Refused | None = None


@dataclasses.dataclass(frozen=True)
class InstanceTools:
    """Where it is kept what is learned from the answers.

    :param now: monotonic seconds
    """

    memory: Memory
    pace: Pace
    account: Account
    now: float


class InstanceExecutor(Generic[AboutInstance]):
    """Asks Nova for one kind of action about instances, and learns from the answers.

    An engine that dies between two of the calls leaves a world from which the rest follows.

    :cvar action: the kind
    :cvar done: the event when Nova has taken it
    :cvar not_done: the event when it has not
    :cvar starts_guest: it goes before all others; and nothing shows of it for a while, so that nobody waits for it
    :cvar is_of_dead_host: while it is asked for, the recovery of the host must not be closed
    """

    action: ClassVar[type[InstanceAction]]
    done: ClassVar[Event]
    not_done: ClassVar[Event] = Event.INSTANCE_STEP_FAILED
    starts_guest: ClassVar[bool] = False
    is_of_dead_host: ClassVar[bool] = True

    def begins(self, action: AboutInstance, memory: Memory) -> None:
        """It is about to be asked for."""

    def calls(self, action: AboutInstance) -> list[Call]:
        """The calls that it takes, in their order."""
        raise NotImplementedError

    def taken(self, action: AboutInstance, answer: Answer, tools: InstanceTools) -> None:
        """Nova has taken all of them. What shows at once is gone on with at once: nothing need be remembered."""

    def not_sent(self, action: AboutInstance, why: str, tools: InstanceTools) -> None:
        """None of them was made after all."""

    def failed(self, action: AboutInstance, error: nova.CloudError, tools: InstanceTools) -> None:
        """Nova did not take one of them. It may simply be asked for once more, after a pause."""
        memory, instance = tools.memory, action.instance.id
        if isinstance(error, nova.Busy):
            tools.pace.busy(tools.now, error.retry_after)
            reason = f"Nova asks to slow down: {error}"
            memory.later(instance, tools.now, tools.pace.paused(tools.now), reason, code=Code.CLOUD_BUSY)
        else:
            memory.failed(instance, tools.now, str(error), cause(error))

    def told(self, action: AboutInstance) -> str:
        """What to tell of it when Nova has taken it."""
        return action.reason

    def told_of_failure(self, action: AboutInstance, error: nova.CloudError) -> str:
        """What to tell of it when Nova has not."""
        return f"{action.reason}; but {error}"
