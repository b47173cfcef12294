# SPDX-License-Identifier: Apache-2.0
"""Nova's API, conductor and scheduler in memory: stands in for ``nova_ha.cloud.nova.Nova``."""

import contextlib
import dataclasses
import functools
from typing import Optional

from nova_ha.cloud.nova import Busy, Refused, Unreachable
from nova_ha.model import evacuable_tag, restore_tags
from nova_ha.model.evacuate_request import Event, Request, Requests
from nova_ha.model.nova_actions import By
from nova_ha.model.snapshot import Instance, Migration, Service, Services
from tests.unit.simulation import failures
from tests.unit.simulation.clock import text as _text
from tests.unit.simulation.compute import DOWN_AFTER, Compute, Rebuild, Work
from tests.unit.simulation.guests import DELETED, PAUSED, RUNNING, STOPPED, Guests
from tests.unit.simulation.process import Tripwire

# Seconds that a request hangs that the API has noted, and cannot pass on to the conductor.
HANGS = 20.0
# Seconds from one to the next of the changes that it does when it goes on.
GOES_ON = 0.3
# Seconds that a slow answer takes.
SLOWNESS = 15.0
FOR_EVER = float("inf")
# Seconds for which the conductor waits for a scheduler of which it hears nothing (rpc_response_timeout).
HEARTBEATS = 60.0
# Seconds after which Nova gives up a live migration whose source does not answer.
RPC_TIMEOUT = 62.0
# Members of one page of a list.
PAGE = 1000

_EVACUABLE = ("active", "stopped", "error")
_REBOOTABLE = ("active", "stopped", "paused", "suspended", "error")
_TAGGABLE = ("active", "stopped", "paused", "suspended")
_OPEN = ("accepted", "pre-migrating")


@dataclasses.dataclass(eq=False)
class Record:
    """A migration record."""

    id: int
    instance: str
    status: str
    source: str
    destination: Optional[str] = None
    kind: str = "evacuation"  # "live-migration", "resize"
    created: Optional[str] = None

    def view(self):
        return Migration(self.id, self.instance, self.status, self.source, self.destination, self.created)


@dataclasses.dataclass(eq=False)
class Job:
    """An evacuate request, as Nova's instance actions tell of it, and the scheduler's claim.

    :param wanted: the host that it names, None if it leaves the choice to the scheduler
    :param conductor: the event ``rebuild_server``
    :param compute: the event ``compute_rebuild_instance``
    :param claimed: the host that the scheduler has claimed in Placement for it
    """

    id: str
    instance: str
    wanted: Optional[str]
    at: str
    conductor: Optional[Event] = None
    compute: Optional[Event] = None
    claimed: Optional[str] = None

    def ends(self, event, failed, now, may_run=False):
        """One of its events has a finish.

        :param may_run: Nova tells of it what means that its guest may run there
        """
        before = getattr(self, event)
        setattr(self, event, dataclasses.replace(before, finish=_text(now), failed=failed, may_run=may_run))

    def view(self):
        return Request(self.id, self.at, self.conductor, self.compute)


@dataclasses.dataclass
class Status:
    """What an operator, or the engine, wrote to a service."""

    enabled: bool = True
    forced_down: bool = False
    disabled_reason: Optional[str] = None
    zone: str = "nova"


class SimulatedNova:
    """Some compute hosts, and ``count`` running instances on ``compute-1``.

    :param clock: a ``Clock``
    :param cluster: the ``SimulatedCluster``, by whose flags the rules are judged
    :param spawn_seconds: how long a host takes for one evacuation; it does one after the other
    :param choose: picks one of a list of hosts, as the scheduler does
    :param conducting: seconds that a request waits in the conductor's queue
    :param scheduling: seconds that the scheduler takes for an evacuation
    :param request_seconds: how long an answer takes
    :param first_look: seconds from a nova-compute's start until it looks at its guests; the real one draws them, from 0
        to 60
    :param listens: seconds from a nova-compute's start until it takes up what waits for it: it asks dead hosts for a
        minute each before
    :param finishing: seconds between the moment that a guest has been started, and the instance is shown as well, and
        the one that it is on its new host
    :param lateness: seconds that a late request waits in the API's queue
    :param resumes: whether a nova-compute that starts also starts the guests of its host that ran when that went down
        (``resume_guests_state_on_host_boot``)
    """

    def __init__(
        self,
        clock,
        cluster,
        count=3,
        hosts=3,
        spawn_seconds=1.0,
        conducting=0.1,
        scheduling=0.2,
        choose=lambda hosts: hosts[0],
        request_seconds=0.01,
        first_look=4.9,
        listens=2.6,
        finishing=0.0,
        lateness=4.0,
        resumes=True,
    ):
        self.clock = clock
        self.guests = Guests()
        self.spawn_seconds = spawn_seconds
        self.conducting = conducting
        self.scheduling = scheduling
        self.first_look = first_look
        self.listens = listens
        self.finishing = finishing
        self.lateness = lateness
        self.resumes = resumes
        self.tripwire = Tripwire()
        self._cluster = cluster
        self.choose = choose
        self._request_seconds = request_seconds
        names = [f"compute-{number}" for number in range(1, hosts + 1)]
        self.status = {name: Status() for name in names}
        self.computes = {name: Compute(self, name) for name in names}
        for compute in self.computes.values():
            compute.started_long_ago()
        self.servers = {}
        self.records = []
        self._newest_record = 0
        self.groups = {}  # aggregates: name -> hosts
        self.full = set()  # hosts that have no room
        self.flavors_tagged = set()  # with what
        for _ in range(count):
            self.add()
        # Faults
        self.away = False  # the API does not answer
        self.hung = None  # the changes that it does once it goes on, while it hangs
        self.conductor_gone_at = None  # since when the conductor is away, None if it is not
        self.bus_gone_at = None  # since when the message bus is away, None if it is not
        # What becomes of the next evacuate requests, and of the next other changes: see _answered.
        self.next_answers = []
        self.next_changes = []
        self.next_reads = []  # "ok", "refused": what becomes of the next requests that change nothing
        self.next_spawns = []  # "ok", "failed": what becomes of the next spawns
        self.meanwhile = lambda: None  # called in the middle of each request that changes nothing
        # What was asked for
        self.requests = 0  # all but the evacuations themselves
        self.asked = []  # the methods that were called, in order
        self.posts = []  # (when, instance) of each evacuate request
        self.evacuations = []  # (instance, destination) of each that Nova took
        self._changed = {}  # host -> when its service was last changed
        self._actions = {}  # instance -> what else was asked for it, newest first
        self._resets = {}  # instance -> when an operator has reset its state last
        self.jobs = []  # every evacuate request that Nova took
        self._unheard = set()  # ids of those that died with the conductor before the scheduler heard of them
        self._queued = []  # those that wait for the conductor
        self._scheduling = []  # those that the conductor has at the scheduler

    # The story's ways to set the scene

    def add(self, vm_state="active", task_state=None, power_state="running", host="compute-1", wanted=RUNNING, **more):
        """One more instance; returns its id.

        :param wanted: what its owner wants it to be in the end; see ``guests.Guests``
        """
        name = f"i{len(self.servers)}"
        self.servers[name] = Instance(
            name,
            f"vm-{name}",
            host,
            vm_state,
            task_state,
            power_state=power_state,
            launched=vm_state != "building",
            zone="nova",
            project="p",
            **more,
        )
        if vm_state != "building":
            self.guests.copies.add((name, host))
        self.guests.wanted[name] = wanted
        if power_state in (RUNNING, PAUSED):
            self.guests.running[name, host] = power_state
        if vm_state == "resized":
            source = [other for other in self.status if other != host][-1]
            self.record(name, "finished", source, host, "resize")
            self.guests.copies.add((name, source))
        return name

    def record(self, instance, status, source, destination=None, kind="evacuation"):
        """One more migration record; returns it."""
        self._newest_record += 1
        created = _text(self.clock.now)
        self.records.append(Record(self._newest_record, instance, status, source, destination, kind, created))
        return self.records[-1]

    def set(self, instance, **values):
        """Change what Nova says of an instance."""
        if instance in self.servers:
            if values.get("fault") is not None:
                values["fault_at"] = _text(self.clock.now)[: -len(".000000")]
            self.servers[instance] = dataclasses.replace(self.servers[instance], **values)

    def operator_reboots(self, instance):
        """An operator switches an instance off and on again, if Nova lets him."""
        with contextlib.suppress(Refused):
            self._ask(self.servers[instance], "rebooting_hard", _start, _REBOOTABLE)
            self.note_action(instance, "reboot", By.ANOTHER)

    def note_action(self, instance, name, by):
        """Something was asked for an instance."""
        self._actions.setdefault(instance, []).insert(0, failures.action(name, self.clock.now, by))

    def operator_resets(self, instance, state):
        """An operator sets an instance's state, with nothing going on."""
        self._resets[instance] = _text(self.clock.now)
        self.set(instance, vm_state=state, task_state=None)

    @property
    def conductor_away(self):
        """Whether the conductor is away, with what it has not dealt with yet."""
        return self.conductor_gone_at is not None

    @conductor_away.setter
    def conductor_away(self, away):
        """It stands still, or goes on: what it had at the scheduler for too long meanwhile, it gives up."""
        if away and not self.conductor_away:
            self.conductor_gone_at = self.clock.now
        elif not away and self.conductor_away:
            if self.clock.now - self.conductor_gone_at >= HEARTBEATS:
                for job in self._scheduling:
                    job.ends("conductor", True, self.clock.now)
                self._scheduling.clear()
            self.conductor_gone_at = None

    def conductor_is_killed(self, unheard=False):
        """What it has at the scheduler is gone with it, though the scheduler goes on.

        :param unheard: the scheduler has not heard of it yet
        """
        self.conductor_away = True
        self._unheard |= {job.id for job in self._scheduling if unheard}
        self._scheduling.clear()

    @property
    def is_conducting(self):
        """Whether the conductor, or the scheduler for it, has anything to do."""
        return bool(self._queued or self._scheduling)

    def bus_breaks(self):
        """RabbitMQ is killed: what is queued there is gone, at the conductor and at hosts."""
        self.bus_gone_at = self.clock.now if self.bus_gone_at is None else self.bus_gone_at
        self._queued.clear()
        for compute in self.computes.values():
            compute.waiting = [message for message in compute.waiting if not isinstance(message, Rebuild)]

    def bus_is_back(self):
        self.bus_gone_at = None

    @property
    def silent_since(self):
        """Since when no report of a host has reached the database, None if they do."""
        gone = (self.conductor_gone_at, self.bus_gone_at)
        return min((since for since in gone if since is not None), default=None)

    def on(self, host):
        """The instances that Nova has on a host."""
        return [server for server in self.servers.values() if server.host == host]

    def next_spawn(self):
        return self.next_spawns.pop(0) if self.next_spawns else "ok"

    def service(self, host):
        """A host's service as Nova's API shows it."""
        status, last = self.status[host], self.computes[host].last_report
        up = not status.forced_down and self.clock.now - last <= DOWN_AFTER
        enabled, forced, reason = status.enabled, status.forced_down, status.disabled_reason
        # A change of a service moves its time as a report does, unless it changes nothing (measured).
        told = _text(max(last, self._changed.get(host, last)))
        return _service(host, up, enabled, forced, reason, told, status.zone)

    # Reading

    def connect(self):
        self._asked("connect")
        return self._all_services()

    def services(self):
        self._asked("services")
        return self._all_services()

    def _all_services(self):
        gone = self.conductor_gone_at if self.conductor_away else self.clock.now
        reports = {"conductor": _text(gone // 10 * 10)}
        return Services({name: self.service(name) for name in self.status}, conductors=reports)

    def aggregates(self):
        self._asked("aggregates")
        return {name: frozenset(hosts) for name, hosts in self.groups.items()}

    def hypervisor_type(self, host, node):
        self._asked("hypervisor_type")
        return "QEMU"

    def instances(self, host):
        return self._listed("instances", self.on(host), True)

    def instance(self, id):
        self._asked("instance")
        return _shown(self.servers[id]) if id in self.servers else None

    def instance_actions(self, id):
        self._asked("instance_actions")
        return tuple(self._actions.get(id, ()))

    def restoring(self):
        tags = {*restore_tags.TAGS.values(), *restore_tags.DONE_TAGS.values()}
        return self._listed("restoring", [server for server in self.servers.values() if tags & server.tags])

    def in_error(self):
        return self._listed("in_error", [server for server in self.servers.values() if server.vm_state == "error"])

    def migrations(self, host):
        return self._recorded("migrations", lambda record: host in (record.source, record.destination))

    def evacuation_requests(self, instance):
        jobs = [job for job in self.jobs if job.instance == instance]
        self._asked("evacuation_requests", 1 + len(jobs))
        return Requests(tuple(job.view() for job in jobs), reset=self._resets.get(instance))

    def claims(self, instance):
        self._asked("claims", 2)
        mine = [job for job in self.jobs if job.instance == instance and job.claimed]
        return frozenset(job.claimed for job in mine) | frozenset({self.servers[instance].host} if mine else ())

    def live_migrations(self, host):
        self._asked("live_migrations")
        going_on = [r for r in self.records if r.kind == "live-migration" and r.status in ("accepted", "running")]
        return tuple(record.view() for record in going_on if host in (record.source, record.destination))

    def resizes(self, host):
        self._asked("resizes")
        ended = [record for record in self.records if record.kind == "resize" and record.status == "finished"]
        return tuple(record.view() for record in ended if record.destination == host)

    def selection(self, tag):
        self._asked("selection", 5)
        return evacuable_tag.Selection(tag in self.flavors_tagged)

    # Changing a service

    def force_down(self, service, forced, enabled=None, reason=None):
        more = {} if enabled is None else {"enabled": enabled, "disabled_reason": reason}
        return self._serve("force_down", service.host, forced_down=forced, **more)

    def disable(self, service, reason):
        return self._serve("disable", service.host, enabled=False, disabled_reason=reason)

    def enable(self, service):
        return self._serve("enable", service.host, enabled=True, disabled_reason=None)

    def _serve(self, method, host, **values):
        # What counts is what could be known when the request was sent.
        stands = self._cluster.stands(host)
        return self._change(method, lambda: self._write(host, values, stands))

    def _write(self, host, values, stands):
        back = [what for what, is_so in (("forced_down", False), ("enabled", True)) if values.get(what) is is_so]
        done = [r.id for r in self.records if r.source == host and r.status == "done" and r.kind == "evacuation"]
        if done and "forced_down" in back:
            raise Refused(f"Unable to force up host {host}: done evacuation migration records remain", 400)
        if back and stands:
            self.guests.breach(f"{host} is put back into service, and flagged")
        changed = dataclasses.replace(self.status[host], **values)
        if changed != self.status[host]:
            self.status[host], self._changed[host] = changed, self.clock.now

    # Changing an instance

    def evacuate(self, instance, destination=None):
        if self.away:
            raise Unreachable("connection refused", sent=False)
        self.posts.append((self.clock.now, instance.id))
        answer = self.next_answers.pop(0) if self.next_answers else "ok"
        queueing = {"hung": HANGS, "noted": FOR_EVER, "noted and hung": FOR_EVER}.get(answer, self.conducting)
        # One that is late is judged by what held when it was sent.
        server = self.servers.get(instance.id)
        was_dead = server is not None and self._is_proved_dead(server.host)
        if server is not None and not was_dead:
            # Nova refuses it, and yet it should not have been sent.
            self.guests.breach(f"evacuation of {server.id} asked for from {server.host}, which is not proved dead")
        take = lambda: self.take(instance.id, destination, queueing, was_dead)  # noqa: E731
        return self.tripwire.around(lambda: self._answered(answer, take))

    def reset_state(self, instance, state):
        return self._act("reset_state", instance, lambda server: self.set(server.id, vm_state=state, task_state=None))

    def stop(self, instance):
        return self._act("stop", instance, lambda server: self._ask(server, "powering-off", _stop, ["active", "error"]))

    def pause(self, instance):
        return self._act("pause", instance, lambda server: self._ask(server, "pausing", _pause, ["active"]))

    def confirm_resize(self, instance):
        return self._act("confirm_resize", instance, self._confirm_resize)

    def _confirm_resize(self, server):
        """The host that it was resized from gives up its copy, when it can."""
        if server.vm_state != "resized" or server.task_state is not None:
            raise Refused(f"Cannot 'confirmResize' instance {server.id} while it is in vm_state {server.vm_state}", 409)
        (record,) = [record for record in self.records if record.instance == server.id and record.status == "finished"]
        self.computes[record.source].ask(Work(server.id, lambda host: self._confirmed(server.id, record, host.name)))

    def _confirmed(self, instance, record, source):
        if self.servers[instance].vm_state == "resized":
            self.guests.destroy(instance, source)
            record.status = "confirmed"
            is_off = self.servers[instance].power_state == "shutdown"
            self.set(instance, vm_state="stopped" if is_off else "active")

    def reboot(self, instance):
        return self._act("reboot", instance, lambda server: self._ask(server, "rebooting_hard", _start, _REBOOTABLE))

    def delete(self, instance):
        return self._act("delete", instance, self._delete)

    def tag(self, instance, tag):
        return self._act("tag", instance, lambda server: self._tag(server, server.tags | {tag}))

    def untag(self, instance, tag):
        def untag(server):
            self._tag(server, server.tags - {tag})
            if tag not in server.tags:
                raise Refused("no such tag", 404)

        return self._act("untag", instance, untag)

    def _tag(self, server, tags):
        if server.vm_state not in _TAGGABLE:
            raise Refused(f"Cannot 'update tag' instance {server.id} while it is in vm_state {server.vm_state}", 409)
        self.set(server.id, tags=frozenset(tags))

    def _ask(self, server, task, work, states):
        """Have the instance's host do something, now or when it can."""
        if server.vm_state not in states or server.task_state is not None:
            now = f"vm_state {server.vm_state}, task_state {server.task_state}"
            raise Refused(f"Cannot do that to instance {server.id} while it is in {now}", 409)
        self.set(server.id, task_state=task)
        self.computes[server.host].ask(Work(server.id, lambda host: self._work(server.id, task, work, host)))

    def _work(self, instance, task, work, host):
        server = self.servers[instance]
        if server.host == host.name and server.task_state == task:
            work(self, server)

    def _delete(self, server):
        if self.guests.wanted.get(server.id) != DELETED:
            self.guests.breach(f"{server.id} is deleted, which its owner did not ask for")
        is_up = self.service(server.host).up
        if is_up and server.task_state == "deleting":
            return
        if is_up:
            self.set(server.id, task_state="deleting")
            self.computes[server.host].ask(Work(server.id, lambda host: self._removed(server.id, host)))
        else:
            self._gone(server.id)

    def _removed(self, instance, host):
        if self.servers[instance].host == host.name:
            self.guests.destroy(instance, host.name)
            self._gone(instance)

    def _gone(self, instance):
        del self.servers[instance]
        self.records = [record for record in self.records if record.instance != instance]

    # What an owner does, beside what the engine does too

    def owner_stops(self, instance):
        self.guests.wanted[instance] = STOPPED
        self._ask(self.servers[instance], "powering-off", _stop, ["active"])

    def owner_deletes(self, instance):
        self.guests.wanted[instance] = DELETED
        self._delete(self.servers[instance])

    def rebuild(self, instance):
        """The owner has it rebuilt where it is."""
        self._ask_or_break(instance, "rebuilding", "rebuilding")

    def resize(self, instance):
        """The owner has it resized, or an operator has it migrated; in this story it stays where it is."""
        self._ask_or_break(instance, "resize_prep", "resize_migrating")

    def _ask_or_break(self, instance, task, task_if_late):
        """A work that fails badly if it comes too late: its instance is then left in error."""
        source = self.servers[instance].host

        def work(host):
            server = self.servers[instance]
            if server.host == source and server.task_state == task:
                self.guests.start(instance, source)
                self.set(instance, vm_state="active", task_state=None, power_state="running")
            elif server.host != source:
                self.set(instance, vm_state="error", task_state=task_if_late, power_state="none")

        self.set(instance, task_state=task)
        self.computes[source].ask(Work(instance, work))

    def power_states_are_synced(self):
        """What each nova-compute does every ten minutes: an active instance whose guest does not run is stopped."""
        for server in self.servers.values():
            at_rest = server.vm_state == "active" and server.task_state is None
            if at_rest and self.computes[server.host].running and not self.guests.hosts(server.id):
                self.set(server.id, vm_state="stopped", power_state="shutdown")
                self.note_action(server.id, "stop", By.NOVA)

    def live_migrate(self, instance, destination):
        """An operator has it moved while it runs."""
        source = self.computes[self.servers[instance].host]
        record = self.record(instance, "accepted", source.name, None, "live-migration")
        self.set(instance, task_state="migrating")
        expires = self.clock.now + RPC_TIMEOUT
        source.ask(Work(instance, lambda _: self.clock.now < expires and self._begin_to_move(record, destination)))
        self.clock.after(RPC_TIMEOUT, lambda: self._give_up_moving(record))

    def _begin_to_move(self, record, destination):
        source = self.computes[record.source]
        if not self.computes[destination].running:
            return  # it does not answer: given up after a while
        record.status, record.destination = "running", destination
        if self.servers[record.instance].host != source.name:
            # It is elsewhere by now; nobody looks.
            self.guests.start(record.instance, destination)
            self.set(record.instance, vm_state="error", host=destination)
        else:
            self.clock.after(1.0, lambda: self._switch(record, source))

    def _switch(self, record, source):
        """Its guest goes from one host to the other; the source says so a little later, if it can."""
        if (record.instance, source.name) not in self.guests.running:
            if source.running:
                record.status = "error"
                self.set(record.instance, task_state=None)
            return
        if not self.computes[record.destination].running:
            record.status = "error"
            self.set(record.instance, task_state=None)
            return
        self.guests.destroy(record.instance, source.name)
        self.guests.start(record.instance, record.destination)
        self.clock.after(0.5, lambda: source.running and self._moved(record))

    def _moved(self, record):
        record.status = "completed"
        self.set(record.instance, host=record.destination, task_state=None)

    def _give_up_moving(self, record):
        if record.status == "accepted" or (record.kind == "live-migration" and record.status == "done"):
            record.status = "error"
            server = self.servers.get(record.instance)
            if server is not None and server.task_state == "migrating":
                self.set(record.instance, task_state=None)

    # An evacuation: the API, then the conductor

    def take(self, instance, destination=None, queueing=None, was_dead=False):
        """The API takes an evacuate request up; without the bus it hangs with it, having noted it.

        :param queueing: seconds until the conductor has it, if not as many as for each
        :param was_dead: whether its host was proved dead when it was sent
        """
        queueing = self.conducting if queueing is None else queueing
        server = self._server(instance)
        if destination is not None and destination not in self.status:
            raise Refused(f"Compute host {destination} not found.", 404)
        if server.vm_state not in _EVACUABLE or not server.launched:
            raise Refused(f"Cannot 'evacuate' instance {instance} while it is in vm_state {server.vm_state}", 409)
        if destination == server.host:
            raise Refused("The target host can't be the same one.", 400)
        if self.service(server.host).up:
            raise Refused(f"Compute service of {server.host} is still in use.", 400)
        self._judge(server, was_dead)
        self.set(instance, task_state="rebuilding")
        self.record(instance, "accepted", server.host, destination)
        self.evacuations.append((instance, destination))
        job = Job(f"req-{len(self.jobs) + 1}", instance, destination, _text(self.clock.now))
        self.jobs.append(job)
        if self.bus_gone_at is not None:
            self._cast_later(job)
            raise Unreachable("timed out", sent=True, hung=True)
        self._cast(job, queueing)

    def _cast(self, job, queueing):
        if queueing == FOR_EVER:
            return
        self._queued.append(job)
        self.clock.after(queueing, lambda: self._conduct(job))

    def _cast_later(self, job):
        """Once the bus is back."""
        if self.bus_gone_at is None:
            self._cast(job, self.conducting)
        else:
            self.clock.after(1.0, lambda: self._cast_later(job))

    def _is_proved_dead(self, host):
        return self.status[host].forced_down and self._cluster.is_dead(host)

    def _judge(self, server, was_dead):
        """Whether an evacuate request that Nova takes should have been made at all."""
        source = self.computes[server.host]
        if source.running or not (was_dead or self._is_proved_dead(source.name)):
            self.guests.breach(f"evacuation of {server.id} from {source.name}, which is not proved dead")
        if self.guests.wanted.get(server.id) == DELETED:
            self.guests.breach(f"evacuation of {server.id}, which its owner deletes")
        # One that is only for a host that is out ends there.
        waiting = self._queued + self._scheduling
        queued = [job.claimed or job.wanted for job in waiting if job.instance == server.id]
        pending = [f"the conductor has one for {w}" for w in queued if not w or not self._is_out(self.computes[w])]
        able = [compute for compute in self.computes.values() if compute.may_start(server.id)]
        pending += [f"{compute.name} has one" for compute in able if not self._is_out(compute)]
        if pending:
            self.guests.breach(f"second evacuation of {server.id}: {pending[0]}")

    def _is_out(self, compute):
        """Whether a host is dead, or held back: what is queued there waits."""
        return self._cluster.stands(compute.name) and self.status[compute.name].forced_down and not compute.running

    def _conduct(self, job):
        """The conductor has a host chosen, and asks that for it."""
        if job not in self._queued:
            return  # lost with the bus
        if self.silent_since is not None:
            self.clock.after(1.0, lambda: self._conduct(job))
            return
        self._queued.remove(job)
        self._scheduling.append(job)
        job.conductor = Event(_text(self.clock.now), host="conductor")
        self.clock.after(self.scheduling, lambda: self._claim(job))

    def _claim(self, job):
        """The scheduler chooses a host; it does not know whether anybody still waits for its answer."""
        if job.instance in self.servers and job.id not in self._unheard:
            job.claimed = self._schedule(self.servers[job.instance].host, job.wanted)
        self._hand_on(job, self.clock.now)

    def _hand_on(self, job, answered):
        """The conductor hears what host was chosen, and asks that for it."""
        if job not in self._scheduling:
            return  # the conductor that had it is dead
        if self.silent_since is not None:
            if self.conductor_away or self.clock.now - self.bus_gone_at < HEARTBEATS:
                self.clock.after(1.0, lambda: self._hand_on(job, answered))
            else:
                self._scheduling.remove(job)
                job.ends("conductor", True, self.clock.now)
            return
        self._scheduling.remove(job)
        instance, chosen = job.instance, job.claimed
        job.ends("conductor", chosen is None, self.clock.now)
        job.conductor = dataclasses.replace(job.conductor, found_no_host=chosen is None)
        if instance not in self.servers:
            return
        # It does not know which record is the request's: it takes the first one that is accepted, of whatever kind.
        accepted = [record for record in self.records if record.instance == instance and record.status == "accepted"]
        record = accepted[0] if accepted else Record(0, instance, "accepted", self.servers[instance].host)
        if chosen is None:
            record.status, record.destination = "error", job.wanted
            self.set(instance, vm_state="error", task_state=None, fault="No valid host was found. ")
            return
        # The record names the host only once that has begun (or from the start, if the request named it).
        self.computes[chosen].ask(Rebuild(instance, record, job))

    def _schedule(self, source, wanted):
        services = [self.service(name) for name in self.status]
        able = [s.host for s in services if s.up and s.enabled and s.host != source and s.host not in self.full]
        if wanted is not None:
            able = [host for host in able if host == wanted]
        return self.choose(able) if able else None

    def is_at_rest(self):
        """Whether no evacuation is on its way to a host that lives."""
        return not self._queued and not self._scheduling and not any(c.spawning for c in self.computes.values())

    # How requests are answered

    def _asked(self, method, times=1, change=False):
        self.clock.advance(self._request_seconds * times)
        if self.away:
            raise Unreachable("connection refused", sent=False)
        if self.hung is not None and not change:
            raise Unreachable("timed out", sent=True, hung=True)
        self.asked.append(method)
        self.requests += times
        if not change:
            self.meanwhile()
        if self.next_reads and not change and self.next_reads.pop(0) == "refused":
            raise Unreachable("connection refused", sent=False)

    def _listed(self, method, found, of_host=False):
        # An empty list of a host is believed only if its service can be read.
        self._asked(method, 1 + len(found) // PAGE + (of_host and not found))
        return tuple(_shown(server) for server in found if server.id in self.servers)

    def _recorded(self, method, is_wanted):
        found = [record for record in self.records if record.kind == "evacuation" and is_wanted(record)]
        self._asked(method, 1 + len(found) // PAGE + (not found))
        return tuple(record.view() for record in found)

    def _change(self, method, change):
        self._asked(method, change=True)
        answer = self.next_changes.pop(0) if self.next_changes else "ok"
        return self.tripwire.around(lambda: self._answered(answer, change))

    def _act(self, method, instance, act):
        def done():
            act(self._server(instance.id))
            self.note_action(instance.id, method, By.US)

        return self._change(method, done)

    def _server(self, id):
        if id not in self.servers:
            raise Refused(f"Instance {id} could not be found.", 404)
        return self.servers[id]

    def _answered(self, answer, change):
        """Make a change, or not, as the answer has it.

        ``ok``; ``refused``, ``lost``, ``busy``, ``forbidden``, ``conflict``: Nova never does it, which is not said in
        the case of ``lost``; ``dropped``: only the answer is lost; ``hung``: as dropped, and the conductor gets to it
        only after a while; ``late``: as dropped, and Nova itself gets to it only after a while; ``slow``;
        ``noted``, ``noted and hung``: an evacuation is on record, and goes no further.
        """
        if self.hung is not None:
            self.hung.append(change)
            raise Unreachable("timed out", sent=True, hung=True)
        if answer in _REFUSALS:
            raise _REFUSALS[answer]()
        if answer == "late":
            self.clock.after(self.lateness, lambda: self._do_late(change))
        elif answer != "lost":
            change()
        if answer == "slow":
            self.clock.advance(SLOWNESS)
        if answer in _UNANSWERED:
            raise Unreachable("connection dropped", sent=True, hung=_UNANSWERED[answer])
        return "req-1"

    def hangs(self):
        """The API takes requests, and does nothing."""
        if self.hung is None:
            self.hung = []

    def goes_on(self):
        """It answers again, and does what it was asked for while it hung, one after the other."""
        for number, change in enumerate(self.hung or (), 1):
            self.clock.after(GOES_ON * number, lambda change=change: self._do_late(change))
        self.hung = None

    def _do_late(self, change):
        with contextlib.suppress(Refused, Unreachable):
            change()


# Which answers are none; whether the connection was left open for long.
_UNANSWERED = {"lost": False, "dropped": False, "late": True, "hung": True, "noted": False, "noted and hung": True}

_REFUSALS = {
    "refused": lambda: Unreachable("connection refused", sent=False),
    "busy": lambda: Busy("too many requests", retry_after=5.0),
    "forbidden": lambda: Refused("quota exceeded", 403),
    "conflict": lambda: Refused("conflict", 409),
}


@functools.lru_cache(maxsize=100)  # pass after pass most are the same
def _service(host, *values):
    return Service(f"id-{host}", host, *values)


def _shown(server):
    """What the API says of an instance: why it failed only while it is in error."""
    return server if server.vm_state == "error" or server.fault is None else dataclasses.replace(server, fault=None)


def _start(nova, server):
    nova.guests.start(server.id, server.host)
    nova.set(server.id, vm_state="active", task_state=None, power_state="running", fault=None)


def _stop(nova, server):
    nova.guests.stop(server.id, server.host)
    nova.set(server.id, vm_state="stopped", task_state=None, power_state="shutdown")


def _pause(nova, server):
    if (server.id, server.host) in nova.guests.running:
        nova.guests.pause(server.id, server.host)
        nova.set(server.id, vm_state="paused", power_state="paused")
    nova.set(server.id, task_state=None)


__all__ = ["DELETED", "PAUSED", "RUNNING", "STOPPED", "SimulatedNova"]
