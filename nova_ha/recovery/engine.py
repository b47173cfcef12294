# SPDX-License-Identifier: Apache-2.0
"""The recovery engine: reads the world, asks ``planner`` what to do, does it, and begins again.

The main thread reads and decides (``claiming``, ``assessment``), and does what concerns whole hosts
(``host_actions``); what is asked of Nova for instances a few workers send side by side (``workers``). Whatever the
engine knows by itself (``requests``) may be lost at any line: the flags and Nova's own records are enough to go on
from.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Protocol

from nova_ha.cloud import nova
from nova_ha.cluster import pacemaker
from nova_ha.model.actions import Claim, FinishRecovery, HostAction, InstanceAction, Step
from nova_ha.model.snapshot import Service
from nova_ha.model.wording import counted
from nova_ha.policy.rules import Rules
from nova_ha.recovery.act import host_actions
from nova_ha.recovery.act.actions import registry
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.act.orders import Orders
from nova_ha.recovery.act.results import Outcomes
from nova_ha.recovery.act.workers import FRESH, Errands
from nova_ha.recovery.assessment import Assessment
from nova_ha.recovery.claiming import Claiming, Moved
from nova_ha.recovery.cloud_health import CloudHealth
from nova_ha.recovery.failed_instances import FailedInstances, Reports
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.observe.observer import Observer
from nova_ha.recovery.observe.parallel import Readers
from nova_ha.recovery.observe.reading import Each
from nova_ha.recovery.rest import ACTED, AWAY, Rest
from nova_ha.recovery.unmanaged_hosts import UnmanagedHosts
from nova_ha.reporting.status_report import Account
from nova_ha.rundir.engine_state import RunState

log = logging.getLogger("nova-ha")


class Options(Protocol):
    """What the engine itself goes by of the ``recovery`` section of the configuration."""

    domain: str | None
    in_flight: int


class Engine:
    """Recovers every flagged host, for ever.

    :param resource: name of the resource that supervises engines, to tell on which nodes others run
    :param state: told of progress and given the account
    :param account: told of what happens
    :param workers: send the requests about instances
    :param readers: None to read one host after the other
    :param clock: monotonic seconds
    :param epoch: seconds since the epoch
    """

    _orders: Orders | None = None

    def __init__(
        self,
        cluster: pacemaker.Cluster,
        cloud: nova.Nova,
        resource: str,
        state: RunState,
        account: Account,
        rules: Rules,
        options: Options,
        workers: Executor,
        readers: Readers | None = None,
        clock: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._rules = rules
        self._workers, self._readers = workers, readers
        self._clock = clock
        self._account = account
        self._stop = threading.Event()
        self._steps: list[Step] = []  # of the last pass
        each: Each = readers.each if readers else map
        self._observer = Observer(cloud, options.domain, clock, rules.use_aggregates, rules.policy.tag, each)
        self._memory = Memory()
        self._memory.control_plane.go_by(rules)
        self._failed = FailedInstances(cloud, cluster, self._observer, self._memory, account, each, clock, epoch)
        self._pace = Pace(options.in_flight)
        self._claims = Claims(cluster, epoch)
        self._health = CloudHealth(cloud, state, clock)
        self._unmanaged = UnmanagedHosts(self._observer, cluster, self._claims, state, clock)
        self._deeds = host_actions.Deeds(cluster, cloud, self._memory, account, self._claims, clock)
        self._claiming = Claiming(
            resource, cloud, self._observer, self._claims, self._memory, account, self._deeds, self._unmanaged, clock
        )
        self._assessment = Assessment(
            self._observer, cluster, self._claims, self._memory, self._pace, account, state, self._claiming, clock
        )
        self._errands = Errands(cloud, self._claims, workers, self._stop, clock)
        self._outcomes = Outcomes(self._memory, self._pace, account, clock)
        self._rest = Rest(self._claims, self._errands, self._pace, state, self._stop)

    def stop(self) -> None:
        """End ``run`` after the steps at hand; what has been sent is left to Nova."""
        self._stop.set()

    def wake(self) -> None:
        """End the pause before the next pass; may be called by a signal's handler, at any line of ours."""
        self._rest.wake()

    def heed(self, orders: pacemaker.Cluster) -> None:
        """Carry out, from now on, what operators order: see ``Cluster.orders``."""
        self._orders = Orders(orders, self._memory, self._clock)

    def watch(self, reports: Reports) -> None:
        """See to instances that fail while their hosts live, from now on, as far as the rules have it.

        :param reports: what hosts tell of them
        """
        self._failed.reports = reports

    def reconfigure(self, rules: Rules, options: Options) -> None:
        """Go by another configuration from the next pass on; see the class. What is known is kept."""
        self._rules = rules
        self._memory.control_plane.go_by(rules)
        self._observer.reconfigure(options.domain, rules.use_aggregates, rules.policy.tag)
        self._pace.relimit(options.in_flight)

    def run(self, before_pass: Callable[[], object] = lambda: None) -> None:
        """Pass after pass, until ``stop``.

        :param before_pass: called before each of them
        :raises nova.Misconfigured: before the first connection to the cloud; later it is waited out
        """
        while not self._stop.is_set():
            self._rest.pass_begins()
            before_pass()
            change = pacemaker.last_change()
            try:
                pause = self.one_pass()
            except (nova.CloudError, pacemaker.ClusterError) as error:
                if isinstance(error, nova.Misconfigured) and not self._health.is_connected:
                    raise
                self._health.fails(error)
                self._report_wait(error)
                pause = AWAY
            else:
                self._health.answers()
            self._rest.wait(pause, change)
        self._workers.shutdown(wait=False, cancel_futures=True)
        if self._readers:
            self._readers.stop()

    def one_pass(self) -> float:
        """Look at the world once and do what follows from it; returns the seconds to rest.

        :raises nova.CloudError: the cloud is away; nothing is lost by that
        :raises cluster.ClusterError: the cluster is away; likewise
        """
        self._state.progress()
        # Before the look: what is decided about an instance rests on what it is after all that was done with it.
        for step, outcome in self._errands.collect():
            self._outcomes.learn(step, outcome)
        self._observer.sees_flags(self._claims.read())
        if self._orders and self._claims.flags:
            self._orders.heed(self._claims.flags, self._claims.ours(), self._steps)
        self._look_around()
        try:
            self._steps, services = self._take_up() if self._claims.are_free() else ([], None)
        except Moved:
            return ACTED
        ours = self._claims.ours()
        left_over = not self._claims.flags and self._observer.may_find_notes()
        failed = self._failed.instances
        self._steps += self._assessment.steps(self._rules, ours, services, failed) if ours or left_over else []
        self._steps += self._unmanaged.alarms
        self._steps += self._failed.steps(self._rules.instances, self._claims.flags)
        acted = self._act(self._steps)
        self._report()
        # What may be queued at a host whose flag was deleted is known by what was asked for alone.
        if not (self._claims.flags or self._claims.vanished or self._unmanaged.alarms or self._failed.instances):
            self._observer.forget()
            self._memory.forget_all()
        return self._rest.seconds(self._steps, acted)

    def _look_around(self) -> None:
        """See, now and then, that the cloud takes us, and whether all is as the last engine, or we, left it."""
        if not self._health.is_connected:
            self._state.report("asking", "the cloud has not answered yet", **self._account.as_dict())
        if self._health.is_due():
            self._unmanaged.look(self._health.look())
            self._health.looked()
        elif self._unmanaged.are_due():
            self._unmanaged.look(self._observer.services())

    def _take_up(self) -> tuple[list[Step], Mapping[str, Service] | None]:
        """Take up the hosts that are free to take.

        :return: the steps that are left, and Nova's services, or None if they have changed since they were read
        :raises Moved: the pass is to be begun anew
        """
        steps, services = self._claiming.steps(self._rules.guard)
        if not self._claims.own:
            self._pace.begin()
        for step in steps:
            if isinstance(step, Claim):
                self._claiming.take(step)
        return [step for step in steps if not isinstance(step, Claim)], services

    # Doing

    def _act(self, steps: Iterable[Step]) -> bool:
        """Carry the steps out; returns whether looking again at once is worth while.

        Those that take too long are left for the next pass: what they were decided on is old by then.
        """
        begun, again = self._clock(), False
        for step in steps:
            if self._clock() - begun > FRESH or self._stop.is_set():
                return True
            again = self._do(step) or again
        return again

    def _do(self, step: Step) -> bool:
        """Carry a step out; returns whether the world may be different now, so that looking again is worth while."""
        if isinstance(step, InstanceAction):
            self._state.progress()
            self._hand_on(step)
        if not isinstance(step, HostAction):
            return False
        self._state.progress()
        if isinstance(step, FinishRecovery) and self._errands.any_from(step.host):
            return False  # the host must not return while one of its instances is being evacuated, say
        return self._deeds.do(step)

    def _hand_on(self, step: InstanceAction) -> None:
        """Have a step about an instance carried out, unless one is being so, or Nova wants to be left alone."""
        if self._errands.busy(step.instance.id) or self._pace.paused(self._clock()):
            return
        registry.of_instance_action(step).begins(step, self._memory)
        self._errands.give(step)

    # Telling

    def _report(self) -> None:
        flags = self._claims.flags
        self._account.hosts(flags, self._steps, self._memory.get)
        summary = f"{counted(len(flags), 'host')} flagged" if flags else "no host is flagged"
        self._state.report("working", summary, **self._account.as_dict())

    def _report_wait(self, error: nova.CloudError | pacemaker.ClusterError) -> None:
        """Report that the cloud or the cluster is away."""
        flags = self._claims.flags
        steps = [step for step in self._steps if step.host in flags]
        self._account.hosts(flags, steps, self._memory.get)
        # Who starts us waits until the flags have been read once.
        unread = isinstance(error, pacemaker.ClusterError) and not self._health.is_connected
        self._state.report("starting" if unread else "waiting", str(error), **self._account.as_dict())
