# SPDX-License-Identifier: Apache-2.0
"""One script of calls, and what comes of them, for the simulated Nova and for the real one.

The unit tests of the whole engine are worth as much as the simulated Nova is true. So both Novas are asked for the
same, by the same methods (those of ``nova_ha.cloud.nova.Nova``), and both must show what stands in the tables here:
tests/unit/test_conformance.py has the simulated one do it, tests/functional/test_simulation_matches.py the real one.

Three hosts, of which the first dies. What Nova shows is awaited, since it answers before the work is done.
"""

import abc
import itertools
from typing import NamedTuple, Optional

from nova_ha.cloud.errors import Unreachable
from nova_ha.cloud.nova import Refused
from nova_ha.model import evacuate_request, snapshot

HOSTS = HOST, DESTINATION, LAST = "compute-1", "compute-2", "compute-3"
DONE, UNANSWERED = "done", "unanswered"
TAG, ANOTHER_TAG = "nova-ha:restore=running", "another"
CONDUCTOR = "conductor"
LIMIT = 90  # seconds until Nova shows what it is to show; a started nova-compute looks at its guests within 60
HANDED_ON = 3  # seconds until the conductor has chosen a host and sent it an evacuation

# The part of a fault's text that says which it is.
FAULTS = NO_HOST, EXISTS, CONFLICT = "No valid host was found", "already exists", "Conflict updating instance"


class Seen(NamedTuple):
    """What Nova says of an instance, and what its guests really do.

    :param vm_state: ``gone`` if Nova has it no more
    :param guests: where guests of it are, with ``paused`` after those that are
    :param records: of its evacuations, oldest first, as ``STATUS DESTINATION``; the source is always the first host
    """

    vm_state: str
    task_state: Optional[str] = None
    power_state: Optional[str] = None
    host: Optional[str] = None
    guests: tuple = ()
    records: tuple = ()
    fault: Optional[str] = None


class Told(NamedTuple):
    """What Nova's and Placement's records tell of the requests to evacuate an instance, as the engine reads them.

    :param requests: oldest first, each by its stage; with the host that has begun with it, and how it ended
    :param claims: hosts that have something claimed for it in Placement
    :param records: as those of ``Seen``
    """

    requests: tuple = ()
    claims: tuple = (HOST,)
    records: tuple = ()
    vm_state: str = "active"
    task_state: Optional[str] = None


class Cloud(abc.ABC):
    """A cloud of three hosts without instances, beside what the door asks of it.

    :param door: a ``nova_ha.cloud.nova.Nova``, or what stands in for it
    """

    def __init__(self, door):
        self.door = door
        self.ids = {}  # of the script's instances, by their names in it

    @abc.abstractmethod
    def boot(self, states):
        """Have instances on the first host, each in its state: ``{name: key of tests.unit.simulation.states.ALL}``."""

    @abc.abstractmethod
    def dies(self, host):
        """The host's nova-compute and its guests end at once; nobody has noticed yet."""

    @abc.abstractmethod
    def stops(self, host):
        """The host's nova-compute ends at once; its guests run on."""

    @abc.abstractmethod
    def starts(self, host):
        """The host's nova-compute starts; returns when it has reported."""

    @abc.abstractmethod
    def spawns_take(self, seconds):
        """How long a spawn takes from now on, on every host."""

    @abc.abstractmethod
    def guests(self):
        """What is really there: ``{host: {instance id: "running" or "paused"}}``."""

    @abc.abstractmethod
    def now(self):
        """Seconds."""

    @abc.abstractmethod
    def moment(self):
        """Let a moment pass."""


class RecordingCloud(Cloud):
    """A cloud of which more can be broken, for what its records tell then."""

    @abc.abstractmethod
    def spawns_fail(self, *hosts):
        """Spawns on these hosts fail, on all others they do not."""

    @abc.abstractmethod
    def ends_wait(self, *hosts):
        """Evacuations to these hosts do not end, once their guests run, until hosts are named that they are not of."""

    @abc.abstractmethod
    def scheduling_takes(self, seconds):
        """How long the scheduler takes for a request from now on."""

    @abc.abstractmethod
    def part_dies(self, name):
        """A service that is no host's, by its unit's name, ends at once."""

    @abc.abstractmethod
    def part_stops(self, name):
        """The same is asked to end, as an operator does it; returns when it has."""

    @abc.abstractmethod
    def part_starts(self, name):
        """It starts again; returns when it is at work."""

    @abc.abstractmethod
    def workers_die(self, name):
        """All its workers end at once; the service itself lives on, and makes others."""

    @abc.abstractmethod
    def aside(self, call):
        """Have something done that may take long; gives a future of what comes of it."""

    @abc.abstractmethod
    def asks_and_goes(self, ident, destination, seconds):
        """A client asks for an evacuation, and is gone before Nova gets that, after so many seconds."""

    @abc.abstractmethod
    def operator_resets(self, ident):
        """Another user than the door's sets an instance to error."""


class Stage:
    """A cloud, asked by the names that its instances have in the script."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.door = cloud.door

    def boot(self, **states):
        self.cloud.boot(states)

    def takes_out(self, host):
        """Have Nova hold a host for dead, and place nothing there."""
        self.door.force_down(self._service(host), True, enabled=False, reason="dead")

    def hands_back(self, host):
        """Ask Nova to use a host again; returns its answer."""
        return _answer(self.door.force_down, self._service(host), False, enabled=True)

    def disable(self, host):
        self.door.disable(self._service(host), "full")

    def enable(self, host):
        self.door.enable(self._service(host))

    def ask(self, what, *names, **more):
        """Ask for the same change of several instances, which Nova accepts."""
        self.answers({name: DONE for name in names}, what, **more)

    def answers(self, wanted, what, *more, **options):
        """Ask for a change of each of these instances; Nova's answer must be: ``{name: DONE, or an HTTP status}``.

        :param what: a method of the door, with what it is given beside the instance
        """
        change = getattr(self.door, what)
        got = {name: _answer(change, self._instance(name), *more, **options) for name in wanted}
        assert got == wanted, f"{what} {more}{options}: {got}"

    def shows(self, wanted):
        """Wait until everything is as it is to be: ``{name: Seen}``."""
        end = self.cloud.now() + LIMIT
        while (seen := self._seen(wanted)) != wanted:
            assert self.cloud.now() < end, _differences(wanted, seen)
            self.cloud.moment()

    def tells(self, wanted):
        """Wait until the records of the requests say it: ``{name: Told}``."""
        end = self.cloud.now() + LIMIT
        while (seen := self._told(wanted)) != wanted:
            assert self.cloud.now() < end, _differences(wanted, seen)
            self.cloud.moment()

    def goes_on_telling(self, wanted, seconds):
        """Nothing of that changes for so long."""
        end = self.cloud.now() + seconds
        while self.cloud.now() < end:
            seen = self._told(wanted)
            assert seen == wanted, _differences(wanted, seen)
            self.cloud.moment()

    def asks_aside(self, what, name, **more):
        """Ask for a change of an instance that may not be answered for long; gives the answer's future."""
        instance = self._instance(name)
        return self.cloud.aside(lambda: _answer(getattr(self.door, what), instance, **more))

    def reset_by_another(self, name):
        """Whether another user is on record to have reset the instance since it was asked for last."""
        known = self.door.evacuation_requests(self.cloud.ids[name])
        return known.reset is not None and known.reset >= known.all[-1].at

    def hands_on(self):
        """Give the conductor the time to send on what was asked for, which nothing shows."""
        end = self.cloud.now() + HANDED_ON
        while self.cloud.now() < end:
            self.cloud.moment()

    def service(self, host):
        """What Nova says of a host: whether it is up, is enabled, is forced down."""
        service = self._service(host)
        return service.up, service.enabled, service.forced_down

    def reports(self, wanted, seconds, times=1):
        """The times of reports of these, and of no others, move within so long; so often, at least.

        :param wanted: of HOSTS and CONDUCTOR
        """
        # What was under way may come.
        self.hands_on()
        seen = {name: {time} for name, time in self._reports().items()}
        end = self.cloud.now() + seconds
        while self.cloud.now() < end:
            self.cloud.moment()
            for name, time in self._reports().items():
                seen[name].add(time)
        moves = {name: len(moments) - 1 for name, moments in seen.items()}
        found = {name for name, number in moves.items() if number}
        assert found == wanted and all(moves[name] >= times for name in wanted), f"{seconds} s: {moves}, not {wanted}"

    def moves_report(self, host, change, wanted):
        """Whether a change of a host's service moves the time of its report."""
        before = self._reports()[host]
        # Nova's times are whole seconds.
        end = self.cloud.now() + 1.5
        while self.cloud.now() < end:
            self.cloud.moment()
        change()
        after = self._reports()[host]
        assert (after != before) == wanted, f"{before}, then {after}"

    def awaits_reports(self, names):
        """Wait until each of these has reported again; a report that the bus lost is awaited for a minute, or two."""
        before, end = self._reports(), self.cloud.now() + 2 * LIMIT
        while any(self._reports()[name] == before[name] for name in names):
            assert self.cloud.now() < end, f"who reports: {self._reports()}, before: {before}"
            self.cloud.moment()

    def _reports(self):
        services = self.door.services()
        conductors = snapshot.conductors(services)
        return {**{host: services[host].last_report for host in HOSTS}, CONDUCTOR: max(conductors.values())}

    def names(self, instances):
        """The names of instances in the script."""
        return {name for name, id in self.cloud.ids.items() if id in {instance.id for instance in instances}}

    def _service(self, host):
        return self.door.services()[host]

    def _instance(self, name):
        return self.door.instance(self.cloud.ids[name])

    def _told(self, names):
        records = snapshot.by_instance(self.door.migrations(HOST))
        return {name: self._told_of(self.cloud.ids[name], records) for name in names}

    def _told_of(self, id, records):
        known, mine, instance = self.door.evacuation_requests(id), records.get(id, []), self.door.instance(id)
        # Nova makes it of a request, whose time it has before.
        assert all(record.created >= known.all[0].at for record in mine), (mine, known)
        return Told(
            tuple(map(_request, known.all)),
            tuple(sorted(self.door.claims(id))),
            tuple(f"{record.status} {record.destination or '-'}" for record in mine),
            instance.vm_state,
            instance.task_state,
        )

    def _seen(self, names):
        ids = self.cloud.ids
        records = self.door.migrations(HOST)
        instances = {found.id: found for found in itertools.chain(*map(self.door.instances, HOSTS))}
        guests = self.cloud.guests()
        return {name: _look(instances.get(ids[name]), ids[name], records, guests) for name in names}


def _look(instance, id, records, guests):
    """What is seen of one instance."""
    there = tuple(
        f"{host}{' paused' if guests[host][id] == 'paused' else ''}" for host in HOSTS if id in guests.get(host, {})
    )
    if instance is None:
        return Seen("gone", guests=there)
    mine = [record for record in records if record.instance == id]
    assert all(record.source == HOST for record in mine), mine
    told = tuple(f"{record.status} {record.destination or '-'}" for record in mine)
    fault = next((known for known in FAULTS if known in (instance.fault or "")), instance.fault)
    states = (instance.vm_state, instance.task_state, instance.power_state)
    return Seen(*states, instance.host, there, told, fault)


def _request(request):
    """The stage of one request in words."""
    conductor, compute = request.conductor, request.compute
    if request.stage == evacuate_request.RUNNING:
        return f"running on {compute.host}"
    if request.stage != evacuate_request.OVER:
        return request.stage
    if compute is not None:
        return f"{'failed' if compute.failed else 'done'} on {compute.host}"
    return "no host" if conductor.found_no_host else "failed"


def _answer(change, *arguments, **options):
    try:
        change(*arguments, **options)
    except Refused as error:
        return error.status
    except Unreachable:
        return UNANSWERED
    return DONE


def _differences(wanted, seen):
    wrong = [name for name in wanted if wanted[name] != seen[name]]
    lines = [f"{name}:\n  wanted {wanted[name]}\n  seen   {seen[name]}" for name in wrong]
    return "\n".join(["not as it is to be:", *lines])


# The script


def a_host_dies(cloud):
    """Instances in every state, without room and with it, and the host's return."""
    stage = Stage(cloud)
    stage.boot(
        running="active",
        off="stopped",
        error="error",
        error_off="error, off",
        paused="paused",
        suspended="suspended",
        rescued="rescued",
        resized="resized",
        confirmed="resized",
        confirmed_off="resized, off",
        stopping="active",
        deleting="active",
        no_room="active",
        no_room_off="stopped",
        pinned="active",
        left="active",
        left_error="error",
        building="building",
    )
    stage.shows(
        {
            "running": Seen("active", None, "running", HOST, (HOST,)),
            "off": Seen("stopped", None, "shutdown", HOST),
            "error": Seen("error", None, "running", HOST, (HOST,)),
            "error_off": Seen("error", None, "shutdown", HOST),
            "paused": Seen("paused", None, "paused", HOST, (f"{HOST} paused",)),
            "suspended": Seen("suspended", None, "shutdown", HOST),
            "rescued": Seen("rescued", None, "running", HOST, (HOST,)),
            "resized": Seen("resized", None, "running", HOST, (HOST,)),
            "confirmed_off": Seen("resized", None, "shutdown", HOST),
            "building": Seen("building", "spawning", "none", HOST),
        }
    )
    _tags_are_for_some_states(stage)
    # Not from a host that is up.
    stage.answers({"running": 400}, "evacuate")
    # It dies; to Nova it is up still, so that what is asked for waits for it.
    cloud.dies(HOST)
    stage.ask("stop", "stopping")
    stage.ask("delete", "deleting")
    stage.ask("delete", "deleting")
    stage.answers({"running": 400}, "evacuate")
    stage.shows(
        {
            "running": Seen("active", None, "running", HOST),
            "paused": Seen("paused", None, "paused", HOST),
            "stopping": Seen("active", "powering-off", "running", HOST),
            "deleting": Seen("active", "deleting", "running", HOST),
        }
    )
    stage.takes_out(HOST)
    assert stage.service(HOST) == (False, False, True)
    _some_are_refused(stage)
    _resizes_leave_a_copy(stage)
    _nothing_has_room(stage)
    _there_is_room(stage)
    _the_host_returns(stage)


def _tags_are_for_some_states(stage):
    """Tags can be changed in some states only; who carries one is found by it."""
    can = {name: DONE for name in ("running", "off", "paused", "suspended", "no_room")}
    cannot = {name: 409 for name in ("error", "rescued", "resized", "building")}
    stage.answers({**can, **cannot}, "tag", TAG)
    stage.answers({"running": DONE}, "tag", TAG)
    assert stage.names(stage.door.restoring()) == set(can)
    stage.answers({"off": DONE, "error": 409}, "untag", TAG)
    stage.answers({"off": 404}, "untag", TAG)
    assert stage.names(stage.door.restoring()) == set(can) - {"off"}
    assert stage.names(stage.door.in_error()) == {"error", "error_off", "left_error"}


def _some_are_refused(stage):
    """An instance is evacuated in three states only, and to a host that is another one; all others are reset first."""
    stage.answers(dict.fromkeys(("paused", "suspended", "rescued", "resized", "building"), 409), "evacuate")
    stage.answers({"running": 400}, "evacuate", HOST)
    stage.answers({"running": 404}, "evacuate", "nosuch")
    stage.ask("reset_state", "paused", "suspended", "rescued", "resized", "stopping", state="active")
    # What its host was to delete is deleted at once now.
    stage.ask("delete", "deleting")
    stage.shows(
        {
            "running": Seen("active", None, "running", HOST),
            "paused": Seen("active", None, "paused", HOST),
            "suspended": Seen("active", None, "shutdown", HOST),
            "rescued": Seen("active", None, "running", HOST),
            "resized": Seen("active", None, "running", HOST),
            "stopping": Seen("active", None, "running", HOST),
            "building": Seen("building", "spawning", "none", HOST),
            "deleting": Seen("gone"),
        }
    )
    stage.answers({"rescued": DONE}, "tag", ANOTHER_TAG)


def _resizes_leave_a_copy(stage):
    """The host that an instance was resized from keeps a copy of it, until the resize is confirmed."""
    resized = ("resized", "confirmed", "confirmed_off")
    assert {record.source for record in stage.door.resizes(HOST)} == {LAST}
    assert {record.instance for record in stage.door.resizes(HOST)} == {stage.cloud.ids[name] for name in resized}
    stage.ask("confirm_resize", "confirmed", "confirmed_off")
    stage.ask("evacuate", "resized", destination=LAST)
    stage.shows(
        {
            "confirmed": Seen("active", None, "running", HOST),
            "confirmed_off": Seen("stopped", None, "shutdown", HOST),
            "resized": Seen("error", None, "running", HOST, (), (f"failed {LAST}",), EXISTS),
        }
    )
    stage.answers({"resized": 409, "running": 409}, "confirm_resize")
    assert {record.instance for record in stage.door.resizes(HOST)} == {stage.cloud.ids["resized"]}
    stage.ask("evacuate", "confirmed", destination=LAST)
    runs = Seen("active", None, "running", LAST, (LAST,), (f"done {LAST}",))
    stage.shows({"confirmed": runs})


def _nothing_has_room(stage):
    """No host for them: in error, and all else as it was."""
    stage.disable(DESTINATION)
    stage.disable(LAST)
    stage.ask("evacuate", "no_room", "no_room_off")
    stage.ask("evacuate", "pinned", destination=LAST)
    stage.shows(
        {
            "no_room": Seen("error", None, "running", HOST, (), ("error -",), NO_HOST),
            "no_room_off": Seen("error", None, "shutdown", HOST, (), ("error -",), NO_HOST),
            "pinned": Seen("error", None, "running", HOST, (), (f"error {LAST}",), NO_HOST),
        }
    )
    # Its tag is kept, and cannot be taken away.
    stage.answers({"no_room": 409}, "untag", TAG)
    assert "no_room" in stage.names(stage.door.restoring())


def _there_is_room(stage):
    """One host for all: those that Nova had active or in error run, whatever they did before."""
    stage.enable(DESTINATION)
    moved = ("running", "off", "error", "error_off", "paused", "suspended", "rescued", "stopping")
    stage.ask("evacuate", *moved, "no_room", "no_room_off", "resized", "confirmed_off")
    done = (f"done {DESTINATION}",)
    runs = Seen("active", None, "running", DESTINATION, (DESTINATION,), done)
    second = runs._replace(records=("error -", *done))
    off = Seen("stopped", None, "shutdown", DESTINATION, (), done)
    stage.shows(
        {
            **dict.fromkeys(moved, runs),
            "off": off,
            "no_room": second,
            "no_room_off": second,
            "resized": runs._replace(records=(f"failed {LAST}", *done)),
            "confirmed_off": off,
        }
    )
    assert stage.names(stage.door.restoring()) == {"running", "paused", "suspended", "no_room"}


def _the_host_returns(stage):
    """Its nova-compute ends the records of what has left, and starts what is left, but for what is in error."""
    assert stage.hands_back(HOST) == 400
    stage.cloud.starts(HOST)
    completed = (f"completed {DESTINATION}",)
    runs = Seen("active", None, "running", DESTINATION, (DESTINATION,), completed)
    stage.shows(
        {
            "running": runs,
            "paused": runs,
            "stopping": runs,
            "no_room": runs._replace(records=("error -", *completed)),
            "off": Seen("stopped", None, "shutdown", DESTINATION, (), completed),
            "pinned": Seen("error", None, "shutdown", HOST, (), (f"error {LAST}",), NO_HOST),
            "left": Seen("active", None, "running", HOST, (HOST,)),
            "left_error": Seen("error", None, "shutdown", HOST),
            "building": Seen("error", None, "none", HOST),
        }
    )
    assert stage.service(HOST) == (False, False, True)
    assert stage.hands_back(HOST) == DONE
    # Restarted in place, as they are.
    stage.ask("reboot", "pinned", "left")
    stage.ask("stop", "left_error")
    stage.shows(
        {
            "pinned": Seen("active", None, "running", HOST, (HOST,), (f"error {LAST}",)),
            "left": Seen("active", None, "running", HOST, (HOST,)),
            "left_error": Seen("stopped", None, "shutdown", HOST),
        }
    )
    stage.ask("pause", "left")
    stage.answers({"left_error": 409}, "stop")
    stage.answers({"left_error": 409}, "pause")
    stage.shows({"left": Seen("paused", None, "paused", HOST, (f"{HOST} paused",))})


def its_destination_dies_too(cloud):
    """Evacuations that are asked for twice, are interfered with, are lost, or come late."""
    stage = Stage(cloud)
    names = ("twice", "reset", "deleted", "lost", "lost_moved", "defused", "late", "late_pinned")
    stage.boot(**dict.fromkeys(names, "active"))
    cloud.dies(HOST)
    stage.takes_out(HOST)
    _interfered_with(stage)
    _lost(stage)
    _taken_over(stage)
    _come_late(stage)


_SPAWNING = Seen("active", "rebuild_spawning", "none", HOST, (), (f"pre-migrating {DESTINATION}",))


def _interfered_with(stage):
    """A second request, a reset and a deletion while the guest is being made: it is made all the same."""
    stage.cloud.spawns_take(6)
    stage.ask("evacuate", "twice", "reset", "deleted", destination=DESTINATION)
    stage.shows(dict.fromkeys(("twice", "reset", "deleted"), _SPAWNING))
    stage.ask("evacuate", "twice", destination=DESTINATION)
    stage.ask("reset_state", "reset", state="active")
    stage.ask("delete", "deleted")
    done, failed = f"done {DESTINATION}", f"failed {DESTINATION}"
    stage.shows(
        {
            "twice": Seen("error", None, "running", DESTINATION, (DESTINATION,), (done, failed), CONFLICT),
            # Nova does not know their guests.
            "reset": Seen("error", None, "running", HOST, (DESTINATION,), (failed,), CONFLICT),
            "deleted": Seen("gone", guests=(DESTINATION,)),
        }
    )
    stage.cloud.spawns_take(0.5)
    stage.ask("reset_state", "twice", state="active")
    stage.ask("evacuate", "reset", destination=DESTINATION)
    stage.shows(
        {
            "twice": Seen("active", None, "running", DESTINATION, (DESTINATION,), (done, failed)),
            "reset": Seen("error", None, "running", HOST, (DESTINATION,), (failed, failed), EXISTS),
        }
    )


def _lost(stage):
    """nova-compute dies while it makes guests: nobody tells. A message that waits for it can be made harmless."""
    stage.cloud.spawns_take(60)
    stage.ask("evacuate", "lost", "lost_moved", destination=DESTINATION)
    stage.shows(dict.fromkeys(("lost", "lost_moved"), _SPAWNING))
    stage.cloud.stops(DESTINATION)
    stage.cloud.spawns_take(0.5)
    stage.ask("evacuate", "defused", destination=DESTINATION)
    stage.hands_on()
    stage.shows({"defused": Seen("active", "rebuilding", "running", HOST, (), (f"accepted {DESTINATION}",))})
    stage.ask("reset_state", "defused", state="error")
    stage.shows({"defused": Seen("error", None, "running", HOST, (), (f"accepted {DESTINATION}",))})
    stage.cloud.starts(DESTINATION)
    stage.shows(
        {
            "lost": _SPAWNING,
            "lost_moved": _SPAWNING,
            "defused": Seen("error", "rebuilding", "none", HOST, (), (f"failed {DESTINATION}",)),
        }
    )
    stage.ask("evacuate", "lost", destination=DESTINATION)
    stage.ask("evacuate", "lost_moved", "defused", destination=LAST)
    begun = f"pre-migrating {DESTINATION}"
    stage.shows(
        {
            "lost": Seen("active", None, "running", DESTINATION, (DESTINATION,), (begun, f"done {DESTINATION}")),
            "lost_moved": Seen("active", None, "running", LAST, (LAST,), (begun, f"done {LAST}")),
            "defused": Seen("active", None, "running", LAST, (LAST,), (f"failed {DESTINATION}", f"done {LAST}")),
        }
    )


def _taken_over(stage):
    """A second request takes over the first one's record; the source's return ends one record of each."""
    stage.cloud.stops(DESTINATION)
    stage.ask("evacuate", "late", "late_pinned", destination=DESTINATION)
    stage.hands_on()
    queued = Seen("active", "rebuilding", "running", HOST, (), (f"accepted {DESTINATION}",))
    stage.shows({"late": queued, "late_pinned": queued})
    stage.takes_out(DESTINATION)
    stage.ask("evacuate", "late")
    stage.ask("evacuate", "late_pinned", destination=LAST)
    runs = Seen("active", None, "running", LAST, (LAST,))
    stage.shows(
        {
            "late": runs._replace(records=(f"done {LAST}", "accepted -")),
            "late_pinned": runs._replace(records=(f"done {LAST}", f"accepted {LAST}")),
        }
    )
    stage.cloud.starts(HOST)
    begun = f"pre-migrating {DESTINATION}"
    stage.shows(
        {
            "late": runs._replace(records=(f"done {LAST}", "completed -")),
            "late_pinned": runs._replace(records=(f"done {LAST}", f"completed {LAST}")),
            "lost_moved": runs._replace(records=(begun, f"completed {LAST}")),
            "defused": runs._replace(records=(f"failed {DESTINATION}", f"completed {LAST}")),
        }
    )
    assert stage.hands_back(HOST) == 400
    stage.cloud.stops(HOST)
    stage.cloud.starts(HOST)
    stage.shows(
        {
            "late": runs._replace(records=(f"completed {LAST}", "completed -")),
            "lost_moved": runs._replace(records=(f"completed {DESTINATION}", f"completed {LAST}")),
        }
    )
    assert stage.hands_back(HOST) == DONE
    assert stage.service(HOST) == (True, True, False)


def _come_late(stage):
    """A destination that returns does what it was asked for before; what it breaks can be mended."""
    stage.cloud.starts(DESTINATION)
    failed = f"failed {DESTINATION}"
    records = (failed, "completed -")
    stage.shows(
        {
            "late": Seen("error", "rebuilding", "none", LAST, (LAST,), records),
            "late_pinned": Seen("error", "rebuilding", "none", LAST, (LAST,), (failed, f"completed {LAST}")),
        }
    )
    stage.ask("reset_state", "late", state="active")
    stage.shows({"late": Seen("active", None, "none", LAST, (LAST,), records)})
    stage.ask("stop", "late")
    stage.shows({"late": Seen("stopped", None, "shutdown", LAST, (), records)})
    assert stage.hands_back(DESTINATION) == DONE


STORIES = (a_host_dies, its_destination_dies_too)


# What the records tell of a request, at each stage of it: the table of docs/exactly-once.md

_BOTH = (HOST, DESTINATION)
_ACCEPTED = (f"accepted {DESTINATION}",)
_NOTHING = Told()
_QUEUED = Told(("queued",), (HOST,), _ACCEPTED, task_state="rebuilding")
_SCHEDULING = _QUEUED._replace(requests=("scheduling",))
_SCHEDULED = _SCHEDULING._replace(claims=_BOTH)  # and not handed on
_NO_ROOM = Told(("no host",), (HOST,), (f"error {DESTINATION}",), "error")
_UNHEARD = _QUEUED._replace(requests=("failed",))  # of the scheduler, for a minute
_SENT = Told(("sent",), _BOTH, _ACCEPTED, task_state="rebuilding")
_BEGUN = Told((f"running on {DESTINATION}",), _BOTH, (f"pre-migrating {DESTINATION}",), task_state="rebuild_spawning")
_STARTED = _BEGUN._replace(task_state=None)
_FAILED = Told((f"failed on {DESTINATION}",), (HOST,), (f"failed {DESTINATION}",), "error")
_DONE = Told((f"done on {DESTINATION}",), _BOTH, (f"done {DESTINATION}",))


def _done_after(*stages):
    """Asked for again, it is done; the conductor has taken the older record for the newer request."""
    records = (f"done {DESTINATION}", f"accepted {DESTINATION}")
    return _DONE._replace(requests=(*stages, f"done on {DESTINATION}"), records=records)


def its_records_tell(cloud):
    """What is on record of a request at each stage, and what a destination's death leaves of it.

    What died with a process is never ended by anybody, nor marked.
    """
    names = ("straight", "no_room", "broken", "unplaced", "twice", "reset", "reset_early", "late")
    stage = _host_dies(cloud, *names, "queued", "died", "died_late", "refused")
    _stages(stage)
    _without_a_trace(stage)
    _interfering(stage)
    _destination_dies(stage)
    cloud.starts(HOST)
    # nova-compute's return ends migration records, and its host's claims; no event.
    ends = {"claims": (DESTINATION,), "records": (f"completed {DESTINATION}",)}
    stage.tells({"straight": _DONE._replace(**ends), "died": _BEGUN._replace(**ends)})
    assert stage.hands_back(HOST) == DONE


def _host_dies(cloud, *names):
    """Instances on a host that is dead, and known to be."""
    stage = Stage(cloud)
    stage.boot(**dict.fromkeys(names, "active"))
    cloud.dies(HOST)
    stage.takes_out(HOST)
    stage.tells(dict.fromkeys(names, _NOTHING))
    return stage


def _stages(stage):
    """From the scheduler to the end; and the ends that it may come to before."""
    stage.cloud.scheduling_takes(6)
    stage.cloud.spawns_take(6)
    stage.ask("evacuate", "straight", destination=DESTINATION)
    for told in (_SCHEDULING, _BEGUN, _DONE):
        stage.tells({"straight": told})
    stage.cloud.scheduling_takes(0)
    stage.cloud.spawns_take(0.5)
    stage.disable(DESTINATION)
    stage.ask("evacuate", "no_room", destination=DESTINATION)
    stage.tells({"no_room": _NO_ROOM})
    stage.enable(DESTINATION)
    stage.cloud.part_stops("placement")
    stage.ask("evacuate", "unplaced", destination=DESTINATION)
    stage.hands_on()
    stage.cloud.part_starts("placement")
    stage.tells({"unplaced": _NO_ROOM})
    stage.cloud.spawns_fail(DESTINATION)
    stage.ask("evacuate", "broken", destination=DESTINATION)
    stage.tells({"broken": _FAILED})
    stage.cloud.spawns_fail()


def _without_a_trace(stage):
    """What Nova refuses, and what has not come to it, is nowhere; what comes late is as any other then."""
    stage.answers({"refused": 404}, "evacuate", "nosuch")
    stage.answers({"refused": 400}, "evacuate", HOST)
    stage.cloud.asks_and_goes(stage.cloud.ids["late"], DESTINATION, 16)
    stage.goes_on_telling({"refused": _NOTHING, "late": _NOTHING}, 8)
    stage.tells({"refused": _NOTHING, "late": _DONE})


def _interfering(stage):
    """Once its guest runs, what was asked for first goes on; before that, it fails at its end, and its guest is there.

    Another user's reset is on record as such, the door's own is not.
    """
    stage.cloud.ends_wait(DESTINATION)
    stage.ask("evacuate", "twice", "reset", destination=DESTINATION)
    stage.tells({"twice": _STARTED, "reset": _STARTED})
    stage.ask("evacuate", "twice", destination=DESTINATION)
    stage.ask("reset_state", "reset", state="error")
    assert not stage.reset_by_another("reset")
    stage.cloud.operator_resets(stage.cloud.ids["reset"])
    assert stage.reset_by_another("reset")
    both = (f"running on {DESTINATION}", f"failed on {DESTINATION}"), (f"pre-migrating {DESTINATION}",)
    in_error = _STARTED._replace(vm_state="error")
    failed = (f"failed {DESTINATION}",)
    stage.tells({"twice": in_error._replace(requests=both[0], claims=(HOST,), records=both[1] + failed)})
    stage.tells({"reset": in_error})
    stage.cloud.ends_wait()
    done = _DONE._replace(vm_state="error")
    requests = (f"done on {DESTINATION}", f"failed on {DESTINATION}")
    stage.tells({"twice": done._replace(requests=requests, claims=(HOST,), records=done.records + failed)})
    stage.tells({"reset": done})
    stage.cloud.spawns_take(6)
    stage.ask("evacuate", "reset_early", destination=DESTINATION)
    stage.tells({"reset_early": _BEGUN})
    stage.cloud.operator_resets(stage.cloud.ids["reset_early"])
    stage.tells({"reset_early": _BEGUN._replace(vm_state="error", task_state=None)})
    stage.tells({"reset_early": _FAILED})
    stage.shows({"reset_early": Seen("error", None, "running", HOST, (DESTINATION,), failed, CONFLICT)})


def _destination_dies(stage):
    """What waits for a nova-compute that died is done when it returns; what it had begun is never over."""
    stage.cloud.spawns_take(0.5)
    stage.cloud.ends_wait(DESTINATION)
    stage.ask("evacuate", "died_late", destination=DESTINATION)
    stage.tells({"died_late": _STARTED})
    stage.cloud.spawns_take(60)
    stage.ask("evacuate", "died", destination=DESTINATION)
    stage.tells({"died": _BEGUN})
    stage.cloud.stops(DESTINATION)
    stage.cloud.spawns_take(0.5)
    stage.ask("evacuate", "queued", destination=DESTINATION)
    stage.tells({"queued": _SENT})
    stage.cloud.ends_wait()
    stage.cloud.starts(DESTINATION)
    stage.tells({"queued": _DONE, "died": _BEGUN, "died_late": _STARTED})
    # The guest runs on there, and Nova has it on its former host.
    running = Seen("active", None, "running", HOST, (DESTINATION,), (f"pre-migrating {DESTINATION}",))
    stage.shows({"died": _SPAWNING, "died_late": running})


def its_conductor_dies(cloud):
    """What no conductor has taken up waits for it. What one was at is done if it is asked to stop, and has the time.

    A host that cannot reach any gives up after a minute, whatever it has done.
    """
    names = (
        "spawning",
        "finished",
        "given_up",
        "waiting",
        "hurried",
        "cut",
        "waiting_too",
        "respawned",
        "after",
        "untold",
    )
    stage = _host_dies(cloud, *names)
    cloud.spawns_take(15)
    stage.ask("evacuate", "spawning", destination=DESTINATION)
    stage.tells({"spawning": _BEGUN})
    cloud.spawns_take(0.5)
    # Stopped in order: what it is at, it ends; what a host says to it meanwhile is lost, and the host gives up.
    cloud.scheduling_takes(6)
    cloud.stops(LAST)
    stage.ask("evacuate", "finished", destination=LAST)
    stage.ask("evacuate", "given_up", destination=DESTINATION)
    on_last = Told(("scheduling",), (HOST,), (f"accepted {LAST}",), task_state="rebuilding")
    stage.tells({"finished": on_last, "given_up": _SCHEDULING})
    cloud.part_stops("nova-conductor")
    stage.ask("evacuate", "waiting", destination=DESTINATION)
    stage.goes_on_telling({"finished": on_last._replace(requests=("sent",), claims=(HOST, LAST))}, 5)
    stage.tells({"waiting": _QUEUED})
    cloud.part_starts("nova-conductor")
    cloud.starts(LAST)
    done_on_last = Told((f"done on {LAST}",), (HOST, LAST), (f"done {LAST}",))
    stage.tells({"spawning": _DONE, "waiting": _DONE, "finished": done_on_last})
    stage.tells({"given_up": _SENT._replace(task_state=None)})
    cloud.scheduling_takes(60)
    stage.ask("evacuate", "hurried", destination=DESTINATION)
    stage.tells({"hurried": _SCHEDULING})
    cloud.scheduling_takes(6)
    cloud.part_stops("nova-conductor")
    cloud.part_starts("nova-conductor")
    # Killed: the scheduler goes on, and claims for nobody.
    stage.tells({"hurried": _SCHEDULED})
    stage.ask("evacuate", "cut", destination=DESTINATION)
    stage.tells({"cut": _SCHEDULING})
    cloud.part_dies("nova-conductor")
    stage.ask("evacuate", "waiting_too", destination=DESTINATION)
    stage.tells({"waiting_too": _QUEUED, "cut": _SCHEDULED})
    cloud.part_starts("nova-conductor")
    stage.tells({"waiting_too": _DONE})
    # Its workers alone: nothing but the event tells.
    stage.ask("evacuate", "respawned", destination=DESTINATION)
    stage.tells({"respawned": _SCHEDULING})
    cloud.workers_die("nova-conductor")
    stage.tells({"respawned": _SCHEDULED})
    stage.ask("evacuate", "after", destination=DESTINATION)
    stage.tells({"after": _DONE})
    lost = ("hurried", "cut", "respawned")
    stage.tells(dict.fromkeys(lost, _SCHEDULED))
    # Asked for again where the scheduler has claimed, each is well.
    stage.ask("evacuate", *lost, destination=DESTINATION)
    again = {name: _done_after("scheduling") for name in lost}
    stage.ask("evacuate", "given_up", destination=DESTINATION)
    stage.tells({**again, "given_up": _done_after("sent")})
    # Away for more than a minute: the guest runs, its host could not say so, and Nova has it as failed.
    cloud.scheduling_takes(0)
    cloud.spawns_take(6)
    stage.ask("evacuate", "untold", destination=DESTINATION)
    stage.tells({"untold": _BEGUN})
    cloud.part_dies("nova-conductor")
    stage.goes_on_telling({"untold": _BEGUN}, 75)
    cloud.part_starts("nova-conductor")
    stage.tells({"untold": _FAILED})
    failed = (f"failed {DESTINATION}",)
    stage.shows({"untold": Seen("error", None, "running", HOST, (DESTINATION,), failed, "MessagingTimeout")})


def its_scheduler_dies(cloud):
    """As long as it lives it is waited for; if it does not, for a minute. Then only the record says that it is over."""
    stage = _host_dies(cloud, "slow", "unheard", "unbegun", "waiting")
    cloud.scheduling_takes(75)
    stage.ask("evacuate", "slow", destination=DESTINATION)
    stage.tells({"slow": _SCHEDULING})
    stage.goes_on_telling({"slow": _SCHEDULING}, 68)
    stage.tells({"slow": _DONE})
    cloud.scheduling_takes(30)
    stage.ask("evacuate", "unheard", destination=DESTINATION)
    stage.tells({"unheard": _SCHEDULING})
    # Until it has it, it could be another's that takes its place.
    stage.hands_on()
    cloud.part_dies("nova-scheduler")
    cloud.scheduling_takes(0)
    stage.ask("evacuate", "unbegun", destination=DESTINATION)
    stage.tells({"unbegun": _SCHEDULING})
    stage.tells({"unheard": _UNHEARD, "unbegun": _UNHEARD})
    stage.ask("evacuate", "waiting", destination=DESTINATION)
    stage.tells({"waiting": _SCHEDULING})
    cloud.part_starts("nova-scheduler")
    stage.tells({"waiting": _DONE})
    # It works off what was waiting for it, and nobody wants its answer any more.
    stage.tells({"unheard": _UNHEARD, "unbegun": _UNHEARD._replace(claims=_BOTH)})
    stage.ask("evacuate", "unheard", "unbegun", destination=DESTINATION)
    stage.tells(dict.fromkeys(("unheard", "unbegun"), _done_after("failed")))


def its_bus_dies(cloud):
    """What is in its queues is lost, and nothing tells; what somebody is at goes on; what Nova's API has, it sends.

    That is lost as well if no conductor has made its queue on the new bus yet, though it is answered as ever.
    """
    names = ("queued", "sent", "unheard", "scheduled", "dropped", "hanging")
    stage = _host_dies(cloud, *names)
    cloud.stops(LAST)
    sent = Told(("sent",), (HOST, LAST), (f"accepted {LAST}",), task_state="rebuilding")
    stage.ask("evacuate", "sent", destination=LAST)
    stage.tells({"sent": sent})
    cloud.part_dies("nova-conductor")
    stage.ask("evacuate", "queued", destination=DESTINATION)
    stage.tells({"queued": _QUEUED})
    cloud.part_dies("rabbitmq-server")
    # On record before it is answered.
    answer = stage.asks_aside("evacuate", "unheard", destination=DESTINATION)
    stage.tells({"unheard": _QUEUED})
    stage.goes_on_telling({"unheard": _QUEUED}, 5)
    assert not answer.done()
    cloud.part_starts("rabbitmq-server")
    assert answer.result() == DONE
    cloud.part_starts("nova-conductor")
    cloud.starts(LAST)
    stage.tells({"unheard": _QUEUED, "queued": _QUEUED, "sent": sent})
    # With the conductor at work: the scheduler's answer comes late, and what Nova's API has noted may die with it.
    cloud.scheduling_takes(20)
    stage.ask("evacuate", "scheduled", destination=DESTINATION)
    stage.tells({"scheduled": _SCHEDULING})
    stage.hands_on()
    cloud.part_dies("rabbitmq-server")
    answer = stage.asks_aside("evacuate", "dropped", destination=DESTINATION)
    stage.tells({"dropped": _QUEUED})
    cloud.part_dies("nova-api")
    assert answer.result() == UNANSWERED
    cloud.part_starts("nova-api")
    answer = stage.asks_aside("evacuate", "hanging", destination=DESTINATION)
    stage.tells({"scheduled": _SCHEDULED, "hanging": _QUEUED})
    cloud.part_starts("rabbitmq-server")
    assert answer.result() == DONE
    stage.tells({"scheduled": _DONE, "hanging": _DONE})
    lost = ("queued", "unheard", "dropped")
    stage.goes_on_telling({**dict.fromkeys(lost, _QUEUED), "sent": sent}, 70)
    # Lost, each can be asked for again: where it may have come to, or anywhere.
    stage.ask("evacuate", *lost, destination=DESTINATION)
    stage.ask("evacuate", "sent", destination=LAST)
    there = Told(("sent", f"done on {LAST}"), (HOST, LAST), (f"done {LAST}", f"accepted {LAST}"))
    stage.tells({**dict.fromkeys(lost, _done_after("queued")), "sent": there})


def its_services_report(cloud):
    """Whose reports move, by what is not at work; and what else moves the time of a report."""
    stage = Stage(cloud)
    others = {DESTINATION, LAST, CONDUCTOR}
    # Three times within a minute are the proof that a host lives.
    stage.takes_out(HOST)
    stage.reports({HOST, *others}, 40, times=3)
    cloud.stops(HOST)
    stage.reports(others, 25)
    # A change moves it once; what changes nothing does not.
    for change, moves in (
        (lambda: stage.takes_out(HOST), False),
        (lambda: stage.disable(HOST), True),
        (lambda: stage.disable(HOST), False),
        (lambda: stage.enable(HOST), True),
    ):
        stage.moves_report(HOST, change, moves)
    stage.reports(others, 25)
    cloud.part_dies("nova-scheduler")
    stage.reports(others, 25)
    cloud.part_starts("nova-scheduler")
    cloud.workers_die("nova-conductor")
    stage.reports(others, 25)
    cloud.part_dies("nova-conductor")
    stage.reports(set(), 25)
    cloud.part_starts("nova-conductor")
    stage.awaits_reports(others)
    cloud.part_dies("rabbitmq-server")
    stage.reports({CONDUCTOR}, 35)
    cloud.part_starts("rabbitmq-server")
    stage.awaits_reports(others)
    cloud.starts(HOST)
    assert stage.hands_back(HOST) == DONE


RECORD_STORIES = (its_records_tell, its_conductor_dies, its_scheduler_dies, its_bus_dies, its_services_report)
