# SPDX-License-Identifier: Apache-2.0
"""The recovery engine: reads the world, asks ``planner`` what to do, does it, and begins again.

The main thread reads, decides, and does what concerns whole hosts (``host_actions``); what is asked of Nova for
instances a few workers send side by side (``workers``). Whatever the engine knows by itself (``requests``) may be lost
at any line: the flags and Nova's own records are enough to go on from.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Set
from concurrent.futures import Executor
from typing import Protocol

from nova_ha.cloud import nova
from nova_ha.cluster import pacemaker
from nova_ha.model import disabled_reason, flag, snapshot
from nova_ha.model.actions import Claim, Evacuate, FinishRecovery, InstanceAction, Step, Wait, is_action
from nova_ha.model.snapshot import FINISHED, Host, Service, World
from nova_ha.model.wording import counted
from nova_ha.policy.rules import RESTART_IN_PLACE, Rules
from nova_ha.recovery.act import host_actions
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.act.results import Outcomes
from nova_ha.recovery.act.workers import FRESH, Errands
from nova_ha.recovery.decide import planner, scheduling, start_interlock, unfenced, unflagged
from nova_ha.recovery.memory.requests import Attempts
from nova_ha.recovery.observe.observer import Each, Observer
from nova_ha.recovery.observe.parallel import Readers
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account
from nova_ha.rundir.engine_state import RunState

log = logging.getLogger("nova-ha")

_REQUEST_ID = re.compile("req-[0-9a-f-]+")

# Seconds between two passes: while instances are being recovered (at least, for each of them, at most); while recovered
# hosts are awaited; when there is no flag (a change of the cluster's configuration ends any pause at once); when the
# cloud or the cluster is away.
FOLLOW, FOLLOW_EACH, FOLLOW_MOST = 1.0, 0.15, 3.0
# Between two passes while evacuations wait for their turn: when the last pass found much room for them, and when not.
REFILL_SOON, REFILL_LATER = 0.3, 2.0
AWAIT_RETURN = 5.0
IDLE = 10.0
AWAY = 2.0

# Seconds before the world is looked at again when something has been done to it.
ACTED = 0.02

# Seconds between two looks, within a pause, at what would end it.
TICK = 0.1

# Seconds for which the cloud must have refused us before monitors tell: Keystone may do so for a moment.
COMPLAIN_AFTER = 60.0

# Seconds between two looks at whether the cloud still takes us, a password that has been changed being to be known
# before a host dies; and at whether a host is dead that nobody fences.
CHECK = 120.0


class Moved(Exception):
    """A flag was changed by somebody else in the middle of a pass: it is to be begun anew."""


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
    """

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
    ) -> None:
        self._cluster = cluster
        self._cloud = cloud
        self._resource = resource
        self._state = state
        self._rules = rules
        self._workers = workers
        self._clock = clock
        self._stop = threading.Event()
        self._account = account
        self._attempts = Attempts()
        self._attempts.go_by(rules)
        self._claims = Claims(cluster)
        self._deeds = host_actions.Deeds(cluster, cloud, self._attempts, self._account, self._claims, clock)
        self._readers = readers
        each: Each = readers.each if readers else map
        self._observer = Observer(cloud, options.domain, clock, rules.use_aggregates, rules.policy.tag, each)
        self._pace = Pace(options.in_flight)
        self._errands = Errands(cloud, self._claims, workers, self._stop, clock)
        self._outcomes = Outcomes(self._attempts, self._pace, account, clock)
        self._taken_up: set[str] = set()  # hosts claimed since they were last looked at
        self._living: Set[str] = frozenset()  # hosts that are flagged, and live
        self._steps: list[Step] = []  # of the last pass
        self._taken_out = unflagged.TakenOut()
        self._unflagged: list[Wait] = []  # alarms for hosts without a flag that need an operator
        self._silences = unfenced.Silences()
        self._connected = False
        self._check_at = 0.0  # when to look whether the cloud still takes us
        self._look_at = 0.0  # when to look whether the alarms for hosts without a flag still stand
        self._waits: str | None = None  # for what, while the cloud or the cluster does not answer
        self._refused_since: float | None = None  # since when the cloud has refused us, if it does
        self._awake = False  # the next pass is not to be waited for

    def stop(self) -> None:
        """End ``run`` after the steps at hand; what has been sent is left to Nova."""
        self._stop.set()

    def wake(self) -> None:
        """End the pause before the next pass; may be called by a signal's handler, at any line of ours."""
        self._awake = True

    def reconfigure(self, rules: Rules, options: Options) -> None:
        """Go by another configuration from the next pass on; see the class. What is known is kept."""
        self._rules = rules
        self._attempts.go_by(rules)
        self._observer.reconfigure(options.domain, rules.use_aggregates, rules.policy.tag)
        self._pace.relimit(options.in_flight)

    def run(self, before_pass: Callable[[], object] = lambda: None) -> None:
        """Pass after pass, until ``stop``.

        :param before_pass: called before each of them
        :raises nova.Misconfigured: before the first connection to the cloud; later it is waited out
        """
        while not self._stop.is_set():
            self._awake = False
            before_pass()
            change = pacemaker.last_change()
            try:
                pause = self.one_pass()
            except (nova.CloudError, pacemaker.ClusterError) as error:
                if isinstance(error, nova.Misconfigured) and not self._connected:
                    raise
                self._wait_for(error)
                pause = AWAY
            else:
                self._refused(None)
                if self._waits is not None:
                    self._waits = None
                    log.info("working again")
            self._rest(pause, change)
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
        self._claims.read()
        if not self._connected:
            self._state.report("asking", "the cloud has not answered yet", **self._account.as_dict())
            self._connect()
            self._connected = True
            log.info("connected to Nova")
        elif self._clock() >= self._check_at:
            self._connect()
        elif self._claims.vanished or (self._unflagged and self._clock() >= self._look_at):
            self._look_for_unflagged(self._observer.services())
        try:
            self._steps, services = self._claim() if self._claims.are_free() else ([], None)
        except Moved:
            return ACTED
        ours = self._claims.ours()
        left_over = not self._claims.flags and self._observer.may_find_notes()
        self._steps += self._decide(ours, services) if ours or left_over else []
        self._steps += self._unflagged
        acted = self._act(self._steps)
        self._report()
        if not self._claims.flags:
            self._observer.forget()
            self._attempts.forget_all()
        return self._pause(acted)

    # Reading and deciding

    def _connect(self) -> None:
        """See that the cloud takes us, and whether all is as the last engine, or we, left it."""
        self._look_for_unflagged(self._cloud.connect())
        self._check_at = self._clock() + CHECK

    def _look_for_unflagged(self, services: Mapping[str, Service]) -> None:
        """Learn which hosts need an operator though they have no flag, and have monitors tell.

        :param services: all of them, read after the flags
        """
        self._silences.observe(services, self._clock())
        silent = self._silences.lasting(self._clock())
        found = []
        taken_out = self._taken_out.standing(services)
        if silent or taken_out or any(map(disabled_reason.is_marked, services.values())):
            nodes = self._observer.nova_names(self._cluster.remote_nodes(), services)
            flagged = self._observer.nova_names(self._claims.flags, services)
            about = services, nodes, flagged, self._cluster.attribute, taken_out
            if unflagged.alarms(*about):
                # One that has another engine's flag is that one's to see to: both use the same mark.
                flagged.update(self._observer.nova_names(self._claims.of_others(), services))
            found = unflagged.alarms(*about)
            if silent:
                adrift = self._cluster.adrift()
                # A host that is fenced just now is flagged before it is adrift.
                found += unfenced.alarms(silent, nodes, adrift, self._cluster.flags())
        self._unflagged = found
        self._look_at = self._clock() + IDLE
        self._claims.seen_to()
        # It becomes an exit reason, which the cluster keeps: one tells what to do, `nova-ha status` tells of all.
        more = f"; and {len(found) - 1} more: see nova-ha status" if len(found) > 1 else ""
        first = f"{found[0].host}: {found[0].reason}: {found[0].command}" if found else None
        self._state.complain("unflagged", f"{first}{more}" if found else None)

    def _claim(self) -> tuple[list[Step], Mapping[str, Service] | None]:
        """Take up the hosts that are free to take.

        :return: the steps that are left, and Nova's services, or None if they have changed since they were read
        """
        flags = self._claims.flags
        services = self._observer.services()
        names = self._observer.nova_names(flags, services)
        unread = self._observer.unread_names(flags, services)
        self._claims.meets(names, {host for host, name in names.items() if services[name].forced_down})
        standing = {names[host]: flags[host] for host in names if flag.is_dead(flags[host])}
        for host, service in services.items():
            if host in standing and service.forced_down and disabled_reason.is_under_way(service):
                standing[host] = flag.GO  # fenced once more while it is recovered: that goes on
        # Those of which Nova can read nothing count as well: among the dead, and among all.
        standing.update({name: flags[host] for host, name in unread.items() if flag.is_dead(flags[host])})
        every = frozenset(services).union(snapshot.unread(services))
        held = self._rules.guard.held(standing, every, self._observer.aggregates(services))
        fresh: Mapping[str, Service] | None = services
        steps = planner.claims(
            flags,
            self._claims.own,
            self._claims.rivals(self._resource),
            {host: held[name] for host, name in {**names, **unread}.items() if name in held},
        )
        # Held or not, it is dead: nothing is to be sent there, and what is under way to it goes elsewhere.
        for host, name in names.items():
            # The mark tells any engine whose it is, should the flag be lost.
            held_as = disabled_reason.held(services[name])
            if name in held and (not services[name].forced_down or held_as is not None):
                enabled = None if held_as is None else False
                request = self._cloud.force_down(services[name], True, enabled=enabled, reason=held_as)
                self._taken_out.sees(host, dataclasses.replace(services[name], forced_down=True))
                why = f"its power was proved off{host_actions.disabled_before(services[name])}"
                self._account.event(Event.HOST_FORCED_DOWN, host, request=request, reason=why)
                fresh = None
        if not self._claims.own:
            self._pace.begin()
        for step in steps:
            if not isinstance(step, Claim):
                continue
            if not self._claims.take(step.host, step.old):
                # Somebody has changed its flag: what follows for other hosts, too, is to be looked at anew.
                raise Moved
            self._taken_up.add(step.host)
            self._account.event(Event.HOST_CLAIMED, step.host, reason=step.reason)
        return [step for step in steps if not isinstance(step, Claim)], fresh

    def _decide(self, ours: Mapping[str, str], services: Mapping[str, Service] | None) -> list[Step]:
        """What to do about the hosts that are ours; a glance may be enough to see that it is nothing."""
        glimpsed = self._observer.glance(ours)
        if glimpsed is not None:
            steps = self._steps_of(glimpsed)
            if not any(map(is_action, steps)):
                return steps
        flags = self._claims.flags.items()
        others = {host: value for host, value in flags if flag.is_dead(value) and host not in ours}
        world = self._observer.look(ours, services, others, self._claims.inherited)
        self._attempts.observe_services(world.services, self._clock())
        for host in world.hosts:
            self._inherit(host)
            if host.service is not None:
                self._taken_out.sees(host.name, host.service)
        touched = {instance.id for host in world.hosts for instance in host.instances}
        touched |= {instance.id for instance in world.restoring}
        touched |= {instance.id for host in world.hosts for instance, _ in host.broken}
        touched |= {service.id for service in world.services.values()}
        self._tell_arrivals(world, self._attempts.forget(touched, ours))
        return self._steps_of(world)

    def _steps_of(self, world: World) -> list[Step]:
        now = self._clock()
        living = self._attempts.living
        world = dataclasses.replace(world, dead=world.dead - living, living=living)
        self._tell_living(living)
        for host in world.hosts:
            self._attempts.observe(host, now, world.dead, living)
        self._see_restarts(world, now)
        unclear = self._attempts.to_be_read(world, now)
        if unclear:
            world = self._observer.with_requests(world, unclear)
            self._attempts.observe_requests(world, now)
        if start_interlock.matter(world, self._attempts) or self._may_restart_in_place(now):
            world = self._observer.with_cluster(world, self._cluster)
        self._pace.forget(now)
        self._pace.bound(scheduling.most(world, self._rules, math.inf))
        window = 0 if self._pace.paused(now) else self._pace.window
        return planner.steps(world, self._attempts, self._rules, window, now)

    def _tell_living(self, living: Set[str]) -> None:
        """Say loudly that hosts are flagged, and live."""
        for host in sorted(living - self._living):
            log.critical("%s is flagged, and goes on reporting to Nova: it lives. No more evacuations", host)
        self._living = living
        names = ", ".join(sorted(living))
        self._state.complain("living", f"flagged, but not dead: {names}; see nova-ha status" if living else None)

    def _see_restarts(self, world: World, now: float) -> None:
        """Learn where nova-compute was started anew in the middle of an evacuation, as often as that may matter."""
        restarts = self._attempts.restarts
        restarts.observe(world, now)
        hosts = restarts.asks_for(now)
        if not hosts:
            return
        try:
            found = self._cluster.starts("NovaCompute", hosts)
        except pacemaker.ClusterError as error:
            log.debug("starts of nova-compute not known: %s", error)
            found = {}
        names = self._observer.nova_names(found, world.services)
        restarts.learn({name: found[host] for host, name in names.items()}, self._clock())

    def _may_restart_in_place(self, now: float) -> bool:
        roomless = self._attempts.longest_roomless(now)
        return self._rules.no_room == RESTART_IN_PLACE and roomless >= self._rules.no_room_patience

    def _inherit(self, host: Host) -> None:
        """Reckon with requests of a former engine that have not shown yet.

        Whether there was one, the flag does not tell: a host that is fenced again loses its claim. But no engine asks
        for anything before it has forced the host down; and where this one has done that itself, there was none.
        """
        if host.name not in self._taken_up or host.service is None:
            return
        self._taken_up.discard(host.name)
        self._attempts.is_flagged_anew(host.service.host)
        if host.service.forced_down and host.name in self._claims.inherited:
            newest = {record.instance: record.id for record in host.evacuations}
            for instance in host.instances:
                self._attempts.inherited(instance.id, newest.get(instance.id, 0), self._clock())

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
        if not is_action(step):
            return False
        self._state.progress()
        if isinstance(step, InstanceAction):
            self._hand_on(step)
            return False
        if isinstance(step, FinishRecovery) and self._errands.any_from(step.host):
            return False  # the host must not return while one of its instances is being evacuated, say
        return self._deeds.do(step)

    def _hand_on(self, step: InstanceAction) -> None:
        """Have a step about an instance carried out, unless one is being so, or Nova wants to be left alone."""
        if self._errands.busy(step.instance.id) or self._pace.paused(self._clock()):
            return
        if isinstance(step, Evacuate):
            self._attempts.sending(step.instance.id, step.newest)
        self._errands.give(step)

    # Telling, resting

    def _tell_arrivals(self, world: World, gone: Set[str]) -> None:
        """Say where the instances are that have left their host since the last look."""
        for host in world.hosts:
            for record in host.evacuations:
                if record.instance in gone and record.status in FINISHED:
                    where = f"it is on {record.destination}"
                    self._account.event(Event.INSTANCE_EVACUATED, host.name, record.instance, reason=where)
                    gone = gone - {record.instance}

    def _report(self) -> None:
        flags = self._claims.flags
        self._account.hosts(flags, self._steps, self._attempts.get)
        summary = f"{counted(len(flags), 'host')} flagged" if flags else "no host is flagged"
        self._state.report("working", summary, **self._account.as_dict())

    def _wait_for(self, error: nova.CloudError | pacemaker.ClusterError) -> None:
        """The cloud or the cluster is away: say so, once, though each request has its own id."""
        what = _REQUEST_ID.sub("", str(error))
        if self._waits != what:
            self._waits = what
            log.warning("waiting: %s", error)
        self._refused(error if isinstance(error, (nova.Misconfigured, nova.WrongAddress)) else None)
        flags = self._claims.flags
        steps = [step for step in self._steps if step.host in flags]
        self._account.hosts(flags, steps, self._attempts.get)
        # Who starts us waits until the flags have been read once.
        unread = isinstance(error, pacemaker.ClusterError) and not self._connected
        self._state.report("starting" if unread else "waiting", str(error), **self._account.as_dict())

    def _refused(self, error: nova.CloudError | pacemaker.ClusterError | None) -> None:
        """Complain of a cloud that goes on refusing us: the recoveries wait, and only an operator can help.

        :param error: how it did in this pass, or None if it did not
        """
        if error is None:
            self._refused_since = None
            self._state.complain("cloud", None)
            return
        self._refused_since = self._refused_since or self._clock()
        if self._clock() - self._refused_since >= COMPLAIN_AFTER:
            self._state.complain("cloud", f"recoveries wait: {error}")

    def _pause(self, acted: bool) -> float:
        """For how many seconds the world may be left alone after a pass.

        :param acted: what ``_act`` returned
        """
        if acted or self._errands.changed():
            return ACTED
        waits = [step for step in self._steps if isinstance(step, Wait)]
        if any(wait.held for wait in waits):
            sent = sum(isinstance(step, Evacuate) for step in self._steps)
            return REFILL_SOON if sent * 2 >= self._pace.window else REFILL_LATER
        if any(wait.under_way for wait in waits) or any(map(flag.is_dead, self._claims.flags.values())):
            # The more there is to wait for, the less does one look more or less matter.
            return min(max(FOLLOW, len(self._steps) * FOLLOW_EACH), FOLLOW_MOST)
        return AWAIT_RETURN if self._claims.flags else IDLE

    def _rest(self, seconds: float, change: int | None) -> None:
        """Wait, but no longer than until the cluster's configuration or an instance changes, or we are told to stop.

        While requests are being sent, a change may wait a moment: mostly it is our own claim, and Nova is busy enough.
        """
        begun = time.monotonic()
        heed = begun + (FOLLOW if self._errands.any() else 0.0)
        while time.monotonic() < begun + seconds:
            if time.monotonic() >= heed and pacemaker.last_change() != change:
                return
            if self._errands.changed():
                return
            self._state.progress()
            if self._stop.wait(min(TICK, seconds)) or self._awake:
                return
