# SPDX-License-Identifier: Apache-2.0
"""A Nova and a cluster in memory, with the semantics that were measured on real ones (see the lab for those).

What matters of Nova: it does not guard against a second evacuation, it answers before the work is done, its
answers get lost, and it moves an instance to its new host before the record says ``done``.
"""

import concurrent.futures
import contextlib
import dataclasses
import types

from nova_ha.nova import Refused, Unreachable
from nova_ha.policy import Policy
from nova_ha.snapshot import Instance, Migration, Service

# Seconds that a late request waits in the API's queue: less than an engine gives a former engine's request to show.
LATENESS = 4.0


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

    def flag(self, host):
        return self.values.get(host)

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
    """A few hosts, and ``count`` instances on ``compute-1``.

    :param clock: a ``Clock``
    :param choose: picks one of a list of hosts, as the scheduler does
    """

    def __init__(self, clock, count=3, spawn_seconds=1, hosts=3, choose=lambda hosts: hosts[0]):
        self._clock = clock
        self._spawn_seconds = spawn_seconds
        self._choose = choose
        self.tripwire = Tripwire()
        names = [f"compute-{number}" for number in range(1, hosts + 1)]
        self.host_services = {name: Service(f"id-{name}", name, True, True, False, None, "t0") for name in names}
        self.servers = {f"i{n}": Instance(f"i{n}", f"vm-{n}", "compute-1", "active") for n in range(count)}
        self.powered = set(names)
        self.guests = {(server.id, server.host) for server in self.servers.values()}
        self.records = []
        self.due = {}  # record id -> when its spawn ends
        self.breaches = []
        self.requests = 0  # all but the evacuations themselves
        self.away = False
        # What becomes of the next evacuate requests: "ok"; "refused" or "lost": Nova never sees it; "dropped": only the
        # answer is lost; "late": as dropped, and Nova gets to it only after a while.
        self.next_answers = []
        self.late = []  # (when Nova gets to it, instance)
        self.next_spawns = []  # "ok", "failed": what becomes of the next spawns

    # What the engine calls

    def connect(self):
        self._asked()

    def services(self):
        self._asked()
        return dict(self.host_services)

    def evacuations(self, host):
        self._asked()
        return tuple(record for record in self.records if record.source == host)

    def instances(self, host):
        self._asked()
        return tuple(server for server in self.servers.values() if server.host == host)

    def policy(self):
        self._asked(3)
        return Policy()

    def force_down(self, service, forced):
        self._asked()
        self.tripwire.around(lambda: self.change(service.host, forced_down=forced))

    def disable(self, service, reason):
        self._asked()
        self.tripwire.around(lambda: self.change(service.host, enabled=False, disabled_reason=reason))

    def enable(self, service):
        self._asked()
        self.tripwire.around(lambda: self.change(service.host, enabled=True, disabled_reason=None))

    def evacuate(self, instance):
        if self.away:
            raise Unreachable("connection refused", sent=False)
        return self.tripwire.around(lambda: self._evacuate(instance.id))

    # What happens by itself

    def work(self):
        """Take up late requests, and let the spawns that are due end, well or badly."""
        for when, instance in list(self.late):
            if self._clock.now >= when:
                self.late.remove((when, instance))
                with contextlib.suppress(Refused):
                    self._take(instance)
        for record in list(self.records):
            if not record.in_flight or self._clock.now < self.due[record.id] or record.destination not in self.powered:
                continue
            if self.next_spawns and self.next_spawns.pop(0) == "failed":
                self._end(record, "failed")
                continue
            if any(instance == record.instance for instance, _ in self.guests):
                self.breaches.append(f"{record.instance} runs twice")
            self.guests.add((record.instance, record.destination))
            self._end(record, "done")

    def power_cut(self, host):
        """The host dies, its guests with it; Nova does not notice."""
        self.powered.discard(host)
        self.guests = {guest for guest in self.guests if guest[1] != host}

    def host_returns(self, host):
        """Its power is on and nova-compute starts: it cleans up, then reports."""
        self.powered.add(host)
        for record in list(self.records):
            if record.source == host and record.status == "done":
                self._record(dataclasses.replace(record, status="completed"))
            elif record.source == host and record.in_flight and not self._is_superseded(record):
                self.breaches.append(f"{host} returned while evacuation {record.id} was in flight")
            elif record.destination == host and record.in_flight:
                # What it had been asked for while it was dead fails: see field notes.
                self._record(dataclasses.replace(record, status="failed"))
        self.change(host, last_report=f"t{self._clock.now}")
        if not self.host_services[host].forced_down:
            self.change(host, up=True)

    def change(self, host, **values):
        """Change a host's service as Nova's API does."""
        service = dataclasses.replace(self.host_services[host], **values)
        if values.get("forced_down") is False:
            if any(record.source == host and record.status == "done" for record in self.records):
                raise Refused("done evacuation migration records remain", 400)
            service = dataclasses.replace(service, up=True)
        elif values.get("forced_down"):
            service = dataclasses.replace(service, up=False)
        self.host_services[host] = service

    def _asked(self, times=1):
        if self.away:
            raise Unreachable("connection refused", sent=False)
        self.requests += times

    def _evacuate(self, instance):
        answer = self.next_answers.pop(0) if self.next_answers else "ok"
        if answer == "refused":
            raise Unreachable("connection refused", sent=False)
        if answer == "lost":
            raise Unreachable("connection dropped", sent=True)
        if answer == "late":
            self.late.append((self._clock.now + LATENESS, instance))
            raise Unreachable("connection dropped", sent=True)
        self._take(instance)
        if answer == "dropped":
            raise Unreachable("connection dropped", sent=True)
        return "req-1"

    def _take(self, instance):
        source = self.servers[instance].host
        if not self.host_services[source].forced_down:
            raise Refused(f"Compute service of {source} is still in use.", 400)
        if source in self.powered:
            self.breaches.append(f"evacuation of {instance} from {source}, which lives")
        rivals = [record for record in self.records if record.instance == instance and record.in_flight]
        if any(record.destination in self.powered or not self.host_services[record.destination].forced_down
               for record in rivals):  # fmt: skip
            self.breaches.append(f"second evacuation of {instance}")
        number = len(self.records) + 1
        # Nova takes a host that died a moment ago for one that is up.
        candidates = [s.host for s in self.host_services.values() if s.up and s.enabled and s.host != source]
        if not candidates:
            self.records.append(Migration(number, instance, "error", source))
            self._set(instance, vm_state="error")
            return
        destination = self._choose(candidates)
        self.records.append(Migration(number, instance, "accepted", source, destination))
        # A destination starts one guest after the other.
        before = [self.due[record.id] for record in self.records[:-1] if record.destination == destination]
        self.due[number] = max([self._clock.now, *before]) + self._spawn_seconds
        self._set(instance, task_state="rebuilding")

    def _end(self, record, status):
        self._record(dataclasses.replace(record, status=status))
        if status == "done":
            self._set(record.instance, host=record.destination, task_state=None, vm_state="active")
        else:
            self._set(record.instance, task_state=None, vm_state="error")

    def _is_superseded(self, record):
        return any(other.instance == record.instance and other.id > record.id for other in self.records)

    def _set(self, instance, **values):
        self.servers[instance] = dataclasses.replace(self.servers[instance], **values)

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
