# SPDX-License-Identifier: Apache-2.0
"""A Nova and a cluster in memory, with the semantics that were measured on real ones (see the lab for those).

What matters of Nova: it does not guard against a second evacuation, it answers before the work is done, its
answers get lost, and it moves an instance to its new host before the record says ``done``.
"""

import concurrent.futures
import dataclasses
import types

from nova_ha.nova import Refused, Unreachable
from nova_ha.policy import Policy
from nova_ha.snapshot import Instance, Migration, Service


class Killed(BaseException):
    """The engine's process is gone."""


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Inline(concurrent.futures.Executor):
    """Sends each request at once, in the caller's thread."""

    def submit(self, fn, *args):
        future = concurrent.futures.Future()
        try:
            future.set_result(fn(*args))
        except Killed:
            raise
        except Exception as error:
            future.set_exception(error)
        return future


class Tripwire:
    """Counts the calls that change something outside, and kills the engine after a given one, or just before it.

    :param at: number of the call, from 1; None for never
    :param before: whether the engine dies before the call takes effect
    """

    def __init__(self, at=None, before=False):
        self.calls = 0
        self._at = at
        self._before = before

    def around(self, change):
        self.calls += 1
        if self.calls == self._at and self._before:
            raise Killed
        result = change()
        if self.calls == self._at:
            raise Killed
        return result


class SimulatedCluster:
    """Flags, and who runs an engine."""

    def __init__(self, flags):
        self.values = dict(flags)
        self.active = set()
        self.history = []
        self.tripwire = Tripwire()
        self.node = "control-1"

    def local_node(self):
        return self.node

    def flags(self):
        return dict(self.values)

    def active_on(self, _resource):
        return set(self.active)

    def fence(self, host):
        self.values[host] = "yes"

    def swap_flag(self, host, old, new):
        return self.tripwire.around(lambda: self._swap(host, old, new))

    def _swap(self, host, old, new):
        if self.values.get(host) != old:
            return False
        self.history.append((host, new))
        if new is None:
            del self.values[host]
        else:
            self.values[host] = new
        return True


class SimulatedNova:
    """Three hosts; ``compute-1`` is dead and had ``count`` instances.

    :param clock: a ``Clock``
    """

    def __init__(self, clock, count=3, spawn_seconds=1):
        self._clock = clock
        self._spawn_seconds = spawn_seconds
        self.tripwire = Tripwire()
        self.host_services = {
            name: Service(f"id-{name}", name, name != "compute-1", True, False, None, "t0")
            for name in ("compute-1", "compute-2", "compute-3")
        }
        self.servers = {f"i{n}": Instance(f"i{n}", f"vm-{n}", "compute-1", "active") for n in range(count)}
        self.records = []
        self.due = {}  # record id -> when its spawn ends
        self.spawned = []  # (instance, host), each time a guest starts
        self.breaches = []
        self.requests = 0  # all but the evacuations themselves
        self.next_answers = []  # "lost", "refused", "dropped": what becomes of the next evacuate requests

    # What the engine calls

    def connect(self):
        pass

    def services(self):
        self.requests += 1
        return dict(self.host_services)

    def evacuations(self, host):
        self.requests += 1
        return tuple(record for record in self.records if record.source == host)

    def instances(self, host):
        self.requests += 1
        return tuple(server for server in self.servers.values() if server.host == host)

    def policy(self):
        self.requests += 3
        return Policy()

    def force_down(self, service, forced):
        self.tripwire.around(lambda: self._change(service.host, forced_down=forced))

    def disable(self, service, reason):
        self.tripwire.around(lambda: self._change(service.host, enabled=False, disabled_reason=reason))

    def enable(self, service):
        self.tripwire.around(lambda: self._change(service.host, enabled=True, disabled_reason=None))

    def evacuate(self, instance):
        return self.tripwire.around(lambda: self._evacuate(instance.id))

    # What happens by itself

    def work(self):
        """Let the spawns that are due end."""
        for record in list(self.records):
            if record.in_flight and self._clock.now >= self.due[record.id]:
                self.spawned.append((record.instance, record.destination))
                self._move(record.instance, record.destination)
                self._record(dataclasses.replace(record, status="done"))

    def host_returns(self, host):
        """nova-compute starts there: it cleans up, then reports."""
        for record in list(self.records):
            if record.source == host and record.status == "done":
                self._record(dataclasses.replace(record, status="completed"))
            elif record.source == host and record.in_flight:
                self.breaches.append(f"{host} returned while evacuation {record.id} was in flight")
        self._change(host, last_report=f"t{self._clock.now}")
        if not self.host_services[host].forced_down:
            self._change(host, up=True)

    def _change(self, host, **values):
        self.requests += 1
        service = dataclasses.replace(self.host_services[host], **values)
        if values.get("forced_down") is False:
            if any(record.source == host and record.status == "done" for record in self.records):
                raise Refused("done evacuation migration records remain", 400)
            service = dataclasses.replace(service, up=True)
        elif values.get("forced_down"):
            service = dataclasses.replace(service, up=False)
        self.host_services[host] = service

    def _evacuate(self, instance):
        answer = self.next_answers.pop(0) if self.next_answers else "ok"
        if answer == "refused":
            raise Unreachable("connection refused", sent=False)
        if answer == "lost":
            raise Unreachable("connection dropped", sent=True)
        source = self.servers[instance].host
        if not self.host_services[source].forced_down:
            self.breaches.append(f"evacuation of {instance} from {source}, which is not forced down")
        if any(record.instance == instance and record.in_flight for record in self.records):
            self.breaches.append(f"second evacuation of {instance}")
        number = len(self.records) + 1
        self.records.append(Migration(number, instance, "accepted", source, f"compute-{2 + number % 2}"))
        # A destination starts one guest after the other.
        before = [
            self.due[record.id] for record in self.records[:-1] if record.destination == self.records[-1].destination
        ]
        self.due[number] = max([self._clock.now, *before]) + self._spawn_seconds
        self.servers[instance] = dataclasses.replace(self.servers[instance], task_state="rebuilding")
        if answer == "dropped":
            raise Unreachable("connection dropped", sent=True)
        return "req-1"

    def _move(self, instance, host):
        self.servers[instance] = dataclasses.replace(self.servers[instance], host=host, task_state=None)

    def _record(self, new):
        self.records = [new if record.id == new.id else record for record in self.records]


class State:
    """Stands in for ``runstate.RunState``."""

    def __init__(self):
        self.reports = []

    def progress(self):
        pass

    def report(self, state, reason, **more):
        self.reports.append((state, reason, more))


OPTIONS = types.SimpleNamespace(in_flight=40, domain=None)
