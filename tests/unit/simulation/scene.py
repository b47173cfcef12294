# SPDX-License-Identifier: Apache-2.0
"""A cloud and a cluster in which hosts die, are fenced, flagged and come back, and engines come and go."""

import dataclasses
import logging
import re
import types

from nova_ha.cloud import nova as door
from nova_ha.cluster.pacemaker import ClusterError
from nova_ha.config import loader
from nova_ha.model import disabled_reason, flag, hostnames, pauses, restore_tags
from nova_ha.model.pauses import Pause
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import unfinished
from nova_ha.policy import reserved_hosts
from nova_ha.policy.rules import Rules
from nova_ha.recovery import daemon
from nova_ha.recovery.engine import Engine
from nova_ha.reporting.status_report import Account
from tests.unit.simulation.clock import Clock
from tests.unit.simulation.cluster import RESOURCE, SimulatedCluster
from tests.unit.simulation.failures import EPOCH, Failures
from tests.unit.simulation.guests import DELETED, PAUSED, RUNNING, STOPPED
from tests.unit.simulation.nova import SimulatedNova
from tests.unit.simulation.process import PROMPT, Killed, State, Tripwire, Workers

# Seconds between two looks of Pacemaker at what should run where, and those that a host takes to boot.
PACEMAKER, BOOT = 1.0, 5.0

# When a scene begins: seconds since the epoch.

# A second resource for an engine.
SECOND = "recovery"

_log = logging.getLogger("nova-ha.simulated")
_log.propagate = False
_log.addHandler(logging.NullHandler())


class Scene:
    """All of it.

    :param rules: ``rules.Rules`` of every engine
    :param workers: when an engine's workers send what they are given: ``process.PROMPT``, LATE, SLOW or HELD
    :param in_flight: evacuations in flight at most
    :param starting: seconds that Pacemaker's operation lasts that starts nova-compute
    :param more: for ``SimulatedNova``
    """

    def __init__(self, rules=None, workers=PROMPT, in_flight=40, starting=0.5, **more):
        self.clock = Clock()
        self.cluster = SimulatedCluster()
        self.nova = SimulatedNova(self.clock, self.cluster, **more)
        self.cluster.known = tuple(self.nova.computes)
        self.cluster.nodes = set(self.nova.computes)
        for name in self.nova.computes:
            self.cluster.started(name)
        self.rules = rules or Rules()
        self.failures = Failures(self.nova, self.cluster, self.rules.instances.restart)
        self.cluster.judge = self._judge
        self.in_flight = in_flight
        self.starting = starting
        self.unmanaged = False  # whether Pacemaker leaves nova-compute alone, everywhere: maintenance mode
        self._operations = {}  # host on which Pacemaker just starts nova-compute -> the life that this is
        self.workers = workers
        self.kept_off = set()  # hosts that do not boot by themselves
        self.given_up = set()  # instances whose recovery an operator has ended: no rule says what becomes of them
        self.broken = set()  # hosts whose nova-compute does not start
        self.engines = {}  # control node (of a second resource's engine: and that resource) -> _Process
        self.new_engine("control-1")
        self.clock.every(PACEMAKER, self._pacemaker)

    # Engines

    @property
    def engine(self):
        """The only engine."""
        (process,) = self.engines.values()
        return process.engine

    @property
    def complaints(self):
        """What the only engine has monitors tell, ``{subject: text or None}``."""
        (process,) = self.engines.values()
        return process.state.complaints

    def new_engine(self, node, beside=False):
        """An engine starts on a control node.

        Where a second resource's engine does the same, it refuses to.

        :param beside: by mistake the others of its resource run on; else they are killed
        """
        for other in [] if beside else self._nodes(RESOURCE):
            self.engine_dies(other)
        if SECOND not in self.cluster.others or self._may_start(RESOURCE, node):
            self._begins(RESOURCE, node)

    def second_resource(self, node, parameters, at_once):
        """An operator makes a second resource of the same agent; its engine refuses to start where it must.

        :param parameters: as they stand in the cluster's configuration
        :param at_once: it looks at the moment at which the first one's engine starts: neither sees the other
        """
        if SECOND in self.cluster.parameters:
            return
        self.cluster.parameters[SECOND] = parameters
        if at_once or self._may_start(SECOND, node):
            self._begins(SECOND, node)

    def second_resource_goes(self):
        """It is deleted, and the first one's engine can start."""
        for node in self._nodes(SECOND):
            self.engine_dies(node, SECOND)
        self.cluster.parameters.pop(SECOND, None)
        self.cluster.others.pop(SECOND, None)
        if not self.engines:
            self.new_engine("control-1")

    def _may_start(self, resource, node):
        """Whether an engine of a resource does not wait for another one's, or refuse to do the same."""
        view = self.cluster.seen_from(node, self._attribute(resource))
        try:
            daemon.await_others(view, resource, lambda why: None, sleep=_give_up)
        except (door.Misconfigured, _Waits):
            return False
        return True

    def _attribute(self, resource):
        """The flag that a resource's engine goes by; its file, which is not readable elsewhere, says the usual one."""
        return loader.attribute(self.cluster.parameters[resource]) or flag.ATTRIBUTE

    def _begins(self, resource, node):
        self.engines[_key(node, resource)] = _Process(self, node, resource, self._attribute(resource))
        self._note_engines()

    def engine_dies(self, node, resource=RESOURCE):
        """It is killed, and the cluster knows."""
        self.engines.pop(_key(node, resource), None)
        self._note_engines()

    def _nodes(self, resource):
        return [process.node for process in self.engines.values() if process.resource == resource]

    def _note_engines(self):
        self.cluster.active = set(self._nodes(RESOURCE))
        if SECOND in self.cluster.parameters:
            self.cluster.others = {SECOND: set(self._nodes(SECOND))}

    def arm(self, tripwire):
        self.cluster.tripwire = self.nova.tripwire = tripwire
        return tripwire

    def one_pass(self):
        """One pass of each engine, and the rest after it."""
        pauses = [self._one_pass_of(key) for key in list(self.engines)]
        self.clock.advance(max(min(pauses, default=1.0), 0.1))

    def _one_pass_of(self, key):
        process = self.engines[key]
        self.nova.meanwhile = process.workers.meanwhile
        try:
            pause = process.engine.one_pass()
            process.workers.between_passes()
            return pause
        except (door.CloudError, ClusterError):
            return 2.0
        except Killed:
            self.arm(Tripwire())
            self._starts_elsewhere(process)
            return 0.1

    def _starts_elsewhere(self, process):
        """An engine's process has died: its resource is started on another node."""
        node, resource = "control-2" if process.node == "control-1" else "control-1", process.resource
        self.engine_dies(process.node, resource)
        if resource == RESOURCE:
            self.new_engine(node, beside=True)
        elif self._may_start(resource, node):
            self._begins(resource, node)

    def run(self, seconds):
        """Pass after pass for some time."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.one_pass()

    def run_until(self, condition, seconds=600):
        """Pass after pass until something is so, for some time at most; returns whether it is."""
        end = self.clock.now + seconds
        while not condition():
            if self.clock.now > end:
                return False
            self.one_pass()
        return True

    def _judge(self, node, old, flags):
        """Whether an engine may take a host up, of all the flags that it has seen."""
        host = self.host(node)
        is_under_way = self.nova.status[host].forced_down and disabled_reason.is_under_way(self.nova.service(host))
        if flag.is_new(old) and not is_under_way and any(pause.is_about(node) for pause in self.pauses()):
            self.nova.guests.breach(f"{host} is taken up though an operator has put that off")
        guard, dead = self.rules.guard, {self.host(other) for other, value in flags.items() if flag.is_dead(value)}
        is_mass = len(dead) >= guard.least and len(dead) * 100 > guard.max_share * len(self.nova.status)
        if old == flag.FLAGGED and is_mass and not is_under_way:
            self.nova.guests.breach(f"{host} is taken up, one of {len(dead)} hosts at once")

    # Hosts

    def host(self, node):
        """Nova's name of a host that the cluster has, or had, under another."""
        return hostnames.resolve(node, self.nova.status)

    def removed(self, host, with_its_flag=True):
        """An operator removes a host from the cluster, which stops what it runs there; see ``SimulatedCluster``."""
        compute = self.nova.computes[host]
        if self.cluster.has(host) and compute.running and not self.unmanaged:
            compute.stop()
        self._operations.pop(host, None)
        self.cluster.removes(host, with_its_flag)

    def added(self, host, name=None):
        """An operator adds a host that was removed, perhaps under another name; the cluster reaches it if it can."""
        self.cluster.joins(host, name)
        if self.nova.computes[host].powered:
            self.cluster.reaches(host)

    def dies(self, *hosts, off=False):
        """Hosts lose their power, and are fenced and flagged.

        :param off: they do not boot again until ``boots``
        """
        for host in hosts:
            self.breaks(host)
            self.fenced(host, off)
        return self

    def breaks(self, host):
        """A host loses its power, and nobody has noticed yet."""
        self.failures.host_dies(host)
        self.nova.computes[host].power_cut()
        self.cluster.lost(host)
        self._operations.pop(host, None)

    def fenced(self, host, off=False):
        """A host is fenced and flagged, if it is a node: its power is off, and comes back."""
        if not self.cluster.is_node(host):
            return
        if self.nova.computes[host].powered:
            self.breaks(host)
        self.cluster.fence(host)
        if off:
            self.kept_off.add(host)
        self.clock.after(BOOT, lambda: host in self.kept_off or self.boots(host))

    def boots(self, host):
        """Its power is on, and the cluster reaches it, if it is a node."""
        self.kept_off.discard(host)
        self.nova.computes[host].powered = True
        if self.cluster.is_node(host) and not self.cluster.has(host):
            self.cluster.reaches(host)

    def _pacemaker(self):
        """nova-compute runs where, and only where, the flag lets it; no operation is interrupted, or beside another."""
        if self._operations or self.unmanaged:
            return
        for name, compute in self.nova.computes.items():
            if not compute.powered or not self.cluster.has(name):
                continue
            allowed = not self.cluster.keeps_off(name)
            if allowed and compute.running:
                continue
            if allowed and name not in self.broken:
                # NovaCompute itself looks at flags of all names of its host.
                if not self.cluster.stands(name):
                    self.starts(name)
                continue
            if compute.running:
                compute.stop()
            self.cluster.stopped(name)

    def starts(self, name, by_cluster=True):
        """nova-compute is started on a host, by the cluster or by systemd, which the cluster does not notice."""
        compute = self.nova.computes[name]
        compute.start()
        if by_cluster:
            self.cluster.starting(name)
            self._operations[name] = compute.life
            self.clock.after(self.starting, lambda life=compute.life: self._started(name, life))

    def _started(self, name, life):
        """Pacemaker's start has ended; if nova-compute has, too, it failed."""
        if self._operations.get(name) != life:
            return
        del self._operations[name]
        if self.nova.computes[name].life == life:
            self.cluster.started(name)

    # People

    def pauses(self):
        """The recoveries that an operator has put off."""
        return pauses.standing(pauses.read(self.cluster.put_off), EPOCH + self.clock())

    def pause(self, node, seconds):
        """An operator puts new recoveries off.

        :param node: the cluster's name of a host; None: of all hosts
        :param seconds: until that ends by itself; None: an operator ends it
        """
        now = int(EPOCH + self.clock())
        end = None if seconds is None else now + seconds
        scope = pauses.ALL if node is None else pauses.HOST
        pause = Pause(scope, node or "", now, end, "alice@control-2", "works on the network")
        self.cluster.put_off = pauses.written([*self.pauses(), pause])

    def resume(self):
        """An operator ends all that was put off."""
        self.cluster.put_off = None

    def alarms(self):
        """What the engines say that needs an operator, as ``{(cluster's name, instance id or None): reason}``."""
        return {subject: about["reason"] for subject, about in self._alarms().items()}

    def _alarms(self):
        """The same with all that the account says of them."""
        found = {}
        for process in self.engines.values():
            for host, about in process.account.as_dict()["hosts"].items():
                every = {None: about, **about["instances"]}
                found.update({(host, each): state for each, state in every.items() if state["needs_operator"]})
        return found

    def operator_looks(self):
        """An operator does what the alarms ask for, after having looked whether it is so."""
        for (node, instance), about in self._alarms().items():
            host = self.host(node)
            code, command, restart = about["code"], about["command"] or "", about.get("restart")
            if not self.cluster.is_node(host) and instance is None:
                self.added(host, node)
                # Before anything is started there; of a removed one whose former name has left an entry, too.
                if code in (Code.REMOVED_FROM_CLUSTER, Code.FLAG_DELETED):
                    self.fenced(host)
                    continue
            if code in (Code.RENAMED_IN_CLUSTER, Code.SECOND_FLAG) and self.cluster.node(host) not in (None, node):
                value = self.cluster.forgets_entry(node)
                if code == Code.RENAMED_IN_CLUSTER:
                    self.cluster.values[self.cluster.node(host)] = value
            if code == Code.NO_HOST:
                for known in filter(lambda known: not self.cluster.is_node(known), self.nova.status):
                    self.added(known)
            if code == Code.PAUSED:
                self.resume()
            if code == Code.HELD_BY_GUARD:
                self.cluster.go(node)
            if code == Code.FLAG_DELETED:
                self._flag_again(node, host)
            if code in (Code.NOT_FENCED, Code.FLAGGED_HOST_LIVES, Code.STOPPING_COMPUTE):
                self.fenced(host)
            if code == Code.NOT_REPORTING:
                self.boots(host)
            elsewhere = re.search(r"openstack server set --state active (\S+)", command)
            if elsewhere and instance is None and not self._may_begin(elsewhere.group(1)):
                self.nova.operator_resets(elsewhere.group(1), "active")
            server = self.nova.servers.get(instance)
            if server is None or server.host != host or self._may_begin(instance):
                continue
            if restart and restart["process"] == "nova-conductor":
                if self.nova.is_conducting:
                    continue
                self.nova.conductor_is_killed()
                self.clock.after(5, lambda: setattr(self.nova, "conductor_away", False))
            elif restart and self.nova.computes[restart["host"]].is_idle:
                self.nova.computes[restart["host"]].stop()
            if code == Code.SPAWN_FAILED:
                # Nova says why: a definition is in the way there.
                self.nova.guests.copies -= {(instance, where) for where in self._copies(instance) - {server.host}}
            if "reboot --hard" in command:
                self.nova.operator_reboots(instance)
            for state in ("error", "active"):
                if f"--state {state}" in command:
                    for host in self.nova.guests.hosts(instance) | self._copies(instance) - {server.host}:
                        self.nova.guests.destroy(instance, host)
                    self.nova.operator_resets(instance, state)

    def _flag_again(self, node, host):
        """As ``nova-ha end`` does where the host runs: not while its evacuations are in flight; else ``evacuate``."""
        if not self.nova.computes[host].powered:
            self.cluster.values[node] = flag.FLAGGED
        elif not unfinished([record for record in self.nova.migrations(host) if record.source == host]):
            self.cluster.values[node] = flag.RECOVERED

    def _may_begin(self, instance):
        return any(compute.may_start(instance) and compute.running for compute in self.nova.computes.values())

    def _copies(self, instance):
        return {host for known, host in self.nova.guests.copies if known == instance}

    # What must be so

    def is_over(self):
        """Whether there is nothing left to do."""
        tags = {*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()}
        flagged = bool(self.cluster.values)
        untold = any(server.task_state or tags & server.tags for server in self._recovered())
        return not flagged and not untold and self.nova.is_at_rest() and all(map(self._is_in_service, self.nova.status))

    def _is_in_service(self, host):
        service = self.nova.service(host)
        return service.up and (service.enabled or reserved_hosts.is_reserved(service)) and not service.forced_down

    def wrong(self):
        """What is not as it should be in the end, as lines."""
        lines = list(self.nova.guests.breaches)
        lines += [f"flag of {host} is {value}" for host, value in self.cluster.values.items()]
        lines += [f"{self.nova.service(host)}" for host in self.nova.status if not self._is_in_service(host)]
        for server in self._recovered():
            wanted = self.nova.guests.wanted[server.id]
            if wanted is not None and not self._is_as_wanted(server, wanted):
                really = {host: self.nova.guests.running[server.id, host] for host in self.nova.guests.hosts(server.id)}
                lines.append(f"wanted {wanted}, is {really}: {server}")
            elif {*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()} & server.tags:
                lines.append(f"still to be restored: {server}")
        known = set(self.nova.servers)
        lines += [f"orphan {guest}" for guest in self.nova.guests.running if guest[0] not in known]
        return lines

    def _recovered(self):
        """The instances that are to be as their owners want them."""
        return [server for server in self.nova.servers.values() if server.id not in self.given_up]

    def _is_as_wanted(self, server, wanted):
        guests, hosts = self.nova.guests, self.nova.guests.hosts(server.id)
        if wanted == DELETED or server.task_state is not None:
            return not hosts and server.vm_state == "soft-delete"
        if wanted == STOPPED:
            return not hosts and server.vm_state in ("stopped", "suspended")
        how = {guests.running[server.id, host] for host in hosts}
        # A healed one that had been paused is active to Nova until somebody looks; its guest is what counts.
        said = {RUNNING: ("active",), PAUSED: ("paused", "active")}[wanted]
        return hosts == {server.host} and how == {wanted} and server.vm_state in said


class _Waits(Exception):
    """An engine waits for another to end."""


def _give_up(_seconds):
    raise _Waits


def _key(node, resource):
    return node if resource == RESOURCE else (node, resource)


@dataclasses.dataclass
class _Process:
    """An engine's process."""

    scene: Scene
    node: str
    resource: str
    attribute: str

    def __post_init__(self):
        scene = self.scene
        self.workers = Workers(scene.workers)
        self.account = Account(_log, clock=scene.clock, keep=50)
        self.state = State()
        options = types.SimpleNamespace(in_flight=scene.in_flight, domain=None)
        self.engine = Engine(
            scene.cluster.seen_from(self.node, self.attribute),
            scene.nova,
            self.resource,
            self.state,
            self.account,
            scene.rules,
            options,
            self.workers,
            clock=scene.clock,
            epoch=lambda: EPOCH + scene.clock(),
        )
        if self.attribute == flag.ATTRIBUTE:
            self.engine.heed(scene.cluster.seen_from(self.node).orders())
            self.engine.watch(scene.failures)
