# SPDX-License-Identifier: Apache-2.0
"""One compute host's nova-compute: what it does when it starts, and with what it is asked for."""

import dataclasses

from nova_ha.model.evacuate_request import Event
from tests.unit.simulation.clock import text as _text
from tests.unit.simulation.guests import RUNNING

# Seconds from the moment at which nova-compute takes up what waits for it until it first reports; then between two
# reports, and between two looks at its guests.
REPORTS = 4.4
REPORT_INTERVAL, LOOK_INTERVAL = 10.0, 600.0
# Seconds for which Nova holds a service to be up after its last report.
DOWN_AFTER = 60.0
# Seconds between the moment that an instance is on its new host and the one that its record says so.
RECORD_LAG = 0.2
# Seconds after which it gives up what it has to tell (rpc_response_timeout).
HEARTBEATS = 60.0
# What Nova tells of it then.
UNTOLD = "MessagingTimeout"

_OPEN = ("accepted", "pre-migrating", "done")
# Tasks that nova-compute's start goes on with, or gives up, instead of starting the guest again.
_NOT_RESUMED = ("deleting", "powering-off", "rebooting_hard", "rebuilding", "rebuild_spawning")


@dataclasses.dataclass(eq=False)
class Rebuild:
    """What nova-compute is asked for to evacuate an instance to its host."""

    instance: str
    record: object
    job: object


@dataclasses.dataclass(eq=False)
class Work:
    """Anything else that nova-compute is asked for: ``do(host)`` is called when it comes to it."""

    instance: str
    do: object


class Compute:
    """A host's nova-compute.

    What it is asked for waits, however long it is dead; nobody takes it back.

    :param nova: the ``SimulatedNova`` that it belongs to
    """

    def __init__(self, nova, name):
        self._nova = nova
        self._clock = nova.clock
        self.name = name
        self.powered = True
        self.running = False
        self.waiting = []
        self.spawning = []
        self.ending = []  # whose guest runs, and that Nova does not have on this host yet
        self._listens = False
        self.life = 0  # changes whenever it starts or ends
        self._spawner_free = 0.0
        self._first_report = None
        self._last_report = 0.0

    def started_long_ago(self):
        """Is in service since before the story begins."""
        self.running = self._listens = True
        self._first_report = self._clock.now
        self._in_this_life(LOOK_INTERVAL, self._look_again)

    @property
    def last_report(self):
        """When it last reported to Nova."""
        if self._first_report is not None:
            # The conductor writes the reports.
            silent = self._nova.silent_since
            now = self._clock.now if silent is None else silent
            whole = (now - self._first_report) // REPORT_INTERVAL
            self._last_report = max(self._last_report, self._first_report + whole * REPORT_INTERVAL)
        return self._last_report

    @property
    def is_idle(self):
        """Whether it is at work, and has nothing to do."""
        return self._listens and not self.spawning and not self.ending

    # Life and death

    def start(self):
        self.running = True
        self.life += 1
        self._clean_up()
        self._in_this_life(self._nova.listens, self._listen)
        self._in_this_life(self._nova.first_look, self._look_again)
        self._in_this_life(self._nova.listens + REPORTS, self._report)

    def stop(self, defined=False):
        """nova-compute ends, or dies; what it was about to start is lost.

        :param defined: whether it had got as far as having started the guest, which it had not told Nova yet
        """
        self.last_report  # noqa: B018 (remembers it)
        for rebuild in self.spawning if defined else ():
            self._nova.guests.start(rebuild.instance, self.name)
        self.spawning, self.ending = [], []
        self.running = self._listens = False
        self._first_report = None
        self._spawner_free = 0.0
        self.life += 1

    def power_cut(self):
        """The host dies, its guests with it; Nova does not notice."""
        self.stop()
        self.powered = False
        self._nova.guests.power_cut(self.name)

    # What it is asked for

    def ask(self, message):
        """Put a request into its queue."""
        self.waiting.append(message)
        if self._listens:
            self._listen()

    def may_start(self, instance):
        """Whether it has been asked to start an instance by an evacuation, and is not at its end."""
        queued = [message for message in self.waiting if isinstance(message, Rebuild)]
        return any(message.instance == instance for message in queued + self.spawning + self.ending)

    def _listen(self):
        self._listens = True
        while self.waiting:
            message = self.waiting.pop(0)
            if isinstance(message, Rebuild):
                self._begin(message)
            elif message.instance in self._nova.servers:
                message.do(self)

    def _begin(self, rebuild):
        """Take an evacuation up."""
        nova, record = self._nova, rebuild.record
        server = nova.servers.get(rebuild.instance)
        if server is None:
            return
        record.status, record.destination = "pre-migrating", self.name
        rebuild.job.compute = Event(_text(self._clock.now), host=self.name)
        if server.task_state != "rebuilding":
            # Not expected: somebody else has had it since. Its guest, wherever it is, is left alone.
            record.status = "failed"
            rebuild.job.ends("compute", True, self._clock.now)
            if server.task_state == "powering-off":
                # Nova itself forgets what its owner has asked for.
                nova.guests.wanted[server.id] = None
            nova.set(server.id, vm_state="error", task_state="rebuilding", power_state="none")
        elif (server.id, self.name) in nova.guests.copies:
            record.status = "failed"
            rebuild.job.ends("compute", True, self._clock.now, may_run=True)
            fault = f"Instance instance-{server.id} already exists."
            nova.set(server.id, vm_state="error", task_state=None, fault=fault)
        else:
            nova.set(server.id, task_state="rebuild_spawning", power_state="none")
            self.spawning.append(rebuild)
            self._spawner_free = max(self._clock.now, self._spawner_free) + nova.spawn_seconds
            former = "stopped" if server.vm_state == "stopped" else "active"
            self._in_this_life(self._spawner_free - self._clock.now, lambda: self._end(rebuild, former))

    def _end(self, rebuild, former):
        """An evacuation's guest has been started, or could not be."""
        failed = self._nova.next_spawn() == "failed"
        if not failed:
            self._nova.guests.start(rebuild.instance, self.name)
        self._tell(rebuild, self._told if not failed else self._failed, former)

    def _tell(self, rebuild, tell, *more):
        """Write what has become of an evacuation: that goes through the bus and the conductor, and is given up."""
        nova, began = self._nova, self._clock.now

        def look():
            if nova.silent_since is not None:
                self._in_this_life(1.0, look)
            elif self._clock.now - began >= HEARTBEATS:
                # Its guest may run; what it writes after that arrives, for all is back (measured).
                self._failed(rebuild, UNTOLD)
            else:
                tell(rebuild, *more)

        look()

    def _failed(self, rebuild, fault="the spawn failed"):
        for known in (self.spawning, self.ending):
            if rebuild in known:
                known.remove(rebuild)
        rebuild.record.status = "failed"
        rebuild.job.ends("compute", True, self._clock.now, may_run=fault == UNTOLD)
        rebuild.job.claimed = None
        self._nova.set(rebuild.instance, vm_state="error", task_state=None, fault=fault)

    def _told(self, rebuild, former):
        nova, record = self._nova, rebuild.record
        self.spawning.remove(rebuild)
        server = nova.servers.get(rebuild.instance)
        if server is None:
            return  # deleted meanwhile: an orphan runs
        if server.task_state != "rebuild_spawning":
            record.status = "failed"
            rebuild.job.ends("compute", True, self._clock.now, may_run=True)
            nova.guests.breach(f"{server.id} is started on {self.name}, and Nova does not know")
            fault = f"Conflict updating instance {server.id}. Expected: {{'task_state': ['rebuild_spawning']}}."
            nova.set(server.id, vm_state="error", task_state=None, power_state="running", fault=fault)
            return
        if former == "stopped":
            nova.guests.stop(server.id, self.name)
        power_state = "shutdown" if former == "stopped" else "running"
        nova.set(server.id, vm_state=former, task_state=None, power_state=power_state, fault=None)
        # Before it can write more, it waits for a lock that all evacuations to the host share (measured).
        self.ending.append(rebuild)
        self._in_this_life(nova.finishing, lambda: self._tell(rebuild, self._arrived))

    def _arrived(self, rebuild):
        self._nova.set(rebuild.instance, host=self.name)
        self._in_this_life(RECORD_LAG, lambda: self._done(rebuild))

    def _done(self, rebuild):
        self.ending.remove(rebuild)
        rebuild.record.status = "done"
        rebuild.job.ends("compute", False, self._clock.now)

    # What it does by itself

    def _clean_up(self):
        """Destroy what is here of each instance that was evacuated, wherever it is by now; end one record of each."""
        nova, ended = self._nova, {}
        for record in nova.records:
            if record.kind == "evacuation" and record.source == self.name and record.status in _OPEN:
                ended[record.instance] = record
        for instance, record in ended.items():
            server = nova.servers.get(instance)
            if server is not None and server.host == self.name and (instance, self.name) in nova.guests.copies:
                nova.guests.breach(f"{self.name} destroys {instance}, which is its own, for record {record.id}")
            nova.guests.destroy(instance, self.name)
            record.status = "completed"
        for server in nova.on(self.name):
            if server.id in ended:
                continue
            if server.vm_state == "building":
                nova.set(server.id, vm_state="error", task_state=None)
            elif nova.resumes and self._ran(server):
                nova.guests.start(server.id, self.name)

    def _ran(self, server):
        """Whether an instance's guest ran when the host went down, does not now, and Nova does nothing else with it."""
        is_left_alone = server.vm_state in ("error", "soft-delete") or server.task_state in _NOT_RESUMED
        is_gone = (server.id, self.name) not in self._nova.guests.running
        return server.power_state == RUNNING and is_gone and not is_left_alone

    def _look_again(self):
        """Tell Nova what its guests do, and stop those that ended by themselves."""
        nova = self._nova
        for server in nova.on(self.name):
            if server.task_state is not None:
                continue
            guest = (server.id, self.name)
            power_state = nova.guests.running.get(guest, "shutdown" if guest in nova.guests.copies else "none")
            # Of a guest that is not there at all Nova makes nothing.
            gone = power_state == "shutdown" and server.vm_state in ("active", "paused")
            nova.set(server.id, power_state=power_state, vm_state="stopped" if gone else server.vm_state)
        self._in_this_life(LOOK_INTERVAL, self._look_again)

    def _report(self):
        self._first_report = self._clock.now

    def _in_this_life(self, seconds, happen):
        life = self.life
        self._clock.after(seconds, lambda: happen() if life == self.life else None)

