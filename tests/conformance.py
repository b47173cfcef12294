# SPDX-License-Identifier: Apache-2.0
"""One script of calls, and what comes of them, for the simulated Nova and for the real one.

The unit tests of the whole engine are worth as much as the simulated Nova is true. So both Novas are asked for the
same, by the same methods (those of ``nova_ha.nova.Nova``), and both must show what stands in the tables here:
tests/unit/test_conformance.py has the simulated one do it, tests/functional/test_simulation_matches.py the real one.

Three hosts, of which the first dies. What Nova shows is awaited, since it answers before the work is done.
"""

import abc
import itertools
from typing import NamedTuple, Optional

from nova_ha.nova import Refused

HOSTS = HOST, DESTINATION, LAST = "compute-1", "compute-2", "compute-3"
DONE = "done"
TAG, ANOTHER_TAG = "nova-ha:restore=running", "another"
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


class Cloud(abc.ABC):
    """A cloud of three hosts without instances, beside what the door asks of it.

    :param door: a ``nova_ha.nova.Nova``, or what stands in for it
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
    """A cloud that tells what became of each request too, and of which more can be broken.

    The simulated Nova keeps no such records yet. For it to tell this script too, the door needs
    ``actions(instance)``, Nova's list of what was asked for (action, request id, start, who asked), and
    ``action(instance, request)``, one of them with its events (event, host, start, finish, result, details);
    then ``requests`` is no method of the cloud any more.
    """

    @abc.abstractmethod
    def requests(self, ident):
        """The evacuations of an instance that Nova was asked for, oldest first, each as a tuple of its events: the
        conductor's as ``EVENT RESULT``, a compute host's as ``EVENT HOST RESULT``, ``-`` for one that is not over.
        """

    @abc.abstractmethod
    def ends_wait(self, *hosts):
        """Evacuations to these hosts do not end, once their guests run, until hosts are named that they are not of."""

    @abc.abstractmethod
    def scheduling_takes(self, seconds):
        """How long the scheduler takes for a request from now on."""

    @abc.abstractmethod
    def part_dies(self, name):
        """``nova-conductor`` or ``nova-scheduler`` ends at once."""

    @abc.abstractmethod
    def part_starts(self, name):
        """It starts again; returns when it is at work."""


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
        """Wait until the records of the requests say it: ``{name: requests, as RecordingCloud.requests has them}``."""
        end = self.cloud.now() + LIMIT
        while (seen := {name: self.cloud.requests(self.cloud.ids[name]) for name in wanted}) != wanted:
            assert self.cloud.now() < end, _differences(wanted, seen)
            self.cloud.moment()

    def hands_on(self):
        """Give the conductor the time to send on what was asked for, which nothing shows."""
        end = self.cloud.now() + HANDED_ON
        while self.cloud.now() < end:
            self.cloud.moment()

    def service(self, host):
        """What Nova says of a host: whether it is up, is enabled, is forced down."""
        service = self._service(host)
        return service.up, service.enabled, service.forced_down

    def names(self, instances):
        """The names of instances in the script."""
        return {name for name, id in self.cloud.ids.items() if id in {instance.id for instance in instances}}

    def _service(self, host):
        return self.door.services()[host]

    def _instance(self, name):
        return self.door.instance(self.cloud.ids[name])

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


def _answer(change, *arguments, **options):
    try:
        change(*arguments, **options)
    except Refused as error:
        return error.status
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


# What the records say of a request, at each stage of it

_SCHEDULING = ("rebuild_server -",)
_HANDED_ON = ("rebuild_server Success",)
_NO_ROOM = _SCHEDULER_GONE = ("rebuild_server Error",)
_TAKEN_UP = (*_HANDED_ON, f"compute_rebuild_instance {DESTINATION} -")
_DONE = (*_HANDED_ON, f"compute_rebuild_instance {DESTINATION} Success")
_FAILED = (*_HANDED_ON, f"compute_rebuild_instance {DESTINATION} Error")
_ASKED = ()


def its_records_tell(cloud):
    """What became of each request, whatever dies of Nova.

    What died with a process is never ended by anybody, nor marked: an event without a result.
    """
    stage = Stage(cloud)
    names = ("straight", "no_room", "twice", "reset", "queued", "died", "died_late", "cut", "waiting", "unheard")
    stage.boot(**dict.fromkeys(names, "active"))
    cloud.dies(HOST)
    stage.takes_out(HOST)
    stage.tells(dict.fromkeys(names, ()))
    _stages(stage)
    _ends_that_wait(stage)
    _destination_dies(stage)
    _conductor_dies(stage)
    _scheduler_dies(stage)
    _source_returns(stage)


def _stages(stage):
    """From the scheduler to the end; and no host for it."""
    stage.cloud.scheduling_takes(6)
    stage.cloud.spawns_take(6)
    stage.ask("evacuate", "straight", destination=DESTINATION)
    stage.tells({"straight": (_SCHEDULING,)})
    stage.tells({"straight": (_TAKEN_UP,)})
    stage.shows({"straight": _SPAWNING})
    stage.tells({"straight": (_DONE,)})
    runs = Seen("active", None, "running", DESTINATION, (DESTINATION,), (f"done {DESTINATION}",))
    stage.shows({"straight": runs})
    stage.cloud.scheduling_takes(0)
    stage.cloud.spawns_take(0.5)
    stage.disable(DESTINATION)
    stage.ask("evacuate", "no_room", destination=DESTINATION)
    stage.tells({"no_room": (_NO_ROOM,)})
    stage.enable(DESTINATION)


_UNENDED = Seen("active", None, "running", HOST, (DESTINATION,), (f"pre-migrating {DESTINATION}",))


def _ends_that_wait(stage):
    """A guest runs and its evacuation is not over: no task and no host tells, but the record does."""
    stage.cloud.ends_wait(DESTINATION)
    stage.ask("evacuate", "twice", "reset", destination=DESTINATION)
    stage.shows({"twice": _UNENDED, "reset": _UNENDED})
    stage.tells({"twice": (_TAKEN_UP,), "reset": (_TAKEN_UP,)})
    # Asked for again, it fails; what was asked for first goes on.
    stage.ask("evacuate", "twice", destination=DESTINATION)
    stage.ask("reset_state", "reset", state="error")
    stage.tells({"twice": (_TAKEN_UP, _FAILED), "reset": (_TAKEN_UP,)})
    stage.cloud.ends_wait()
    stage.tells({"twice": (_DONE, _FAILED), "reset": (_DONE,)})
    wrong = Seen("error", None, "running", DESTINATION, (DESTINATION,), (f"done {DESTINATION}",))
    both = (f"done {DESTINATION}", f"failed {DESTINATION}")
    stage.shows({"twice": wrong._replace(records=both, fault=EXISTS), "reset": wrong})


def _destination_dies(stage):
    """What waits for a nova-compute that died is done when it returns; what it had begun is never over."""
    stage.cloud.ends_wait(DESTINATION)
    stage.ask("evacuate", "died_late", destination=DESTINATION)
    stage.shows({"died_late": _UNENDED})
    stage.cloud.spawns_take(60)
    stage.ask("evacuate", "died", destination=DESTINATION)
    stage.shows({"died": _SPAWNING})
    stage.cloud.stops(DESTINATION)
    stage.cloud.spawns_take(0.5)
    stage.ask("evacuate", "queued", destination=DESTINATION)
    stage.tells({"queued": (_HANDED_ON,)})
    stage.shows({"queued": Seen("active", "rebuilding", "running", HOST, (), (f"accepted {DESTINATION}",))})
    stage.cloud.ends_wait()
    stage.cloud.starts(DESTINATION)
    stage.tells({"queued": (_DONE,), "died": (_TAKEN_UP,), "died_late": (_TAKEN_UP,)})
    # The guest runs on there, and Nova has it on its former host.
    stage.shows({"died": _SPAWNING, "died_late": _UNENDED})


def _conductor_dies(stage):
    """What was not taken up waits for it; what it had begun is never over, whatever the scheduler has chosen."""
    stage.cloud.scheduling_takes(6)
    stage.ask("evacuate", "cut", destination=DESTINATION)
    stage.tells({"cut": (_SCHEDULING,)})
    stage.cloud.part_dies("nova-conductor")
    stage.ask("evacuate", "waiting", destination=DESTINATION)
    stage.tells({"waiting": (_ASKED,)})
    stage.cloud.part_starts("nova-conductor")
    stage.tells({"waiting": (_DONE,), "cut": (_SCHEDULING,)})
    stage.shows({"cut": Seen("active", "rebuilding", "running", HOST, (), (f"accepted {DESTINATION}",))})
    stage.cloud.scheduling_takes(0)


def _scheduler_dies(stage):
    """The conductor waits for a minute for a sign of it; then only the record says that it does no more."""
    stage.cloud.scheduling_takes(30)
    stage.ask("evacuate", "unheard", destination=DESTINATION)
    stage.tells({"unheard": (_SCHEDULING,)})
    # Until it has it, it could be another's that takes its place.
    stage.hands_on()
    stage.cloud.part_dies("nova-scheduler")
    stage.cloud.scheduling_takes(0)
    stage.cloud.part_starts("nova-scheduler")
    stage.tells({"unheard": (_SCHEDULER_GONE,)})
    stage.shows({"unheard": Seen("active", "rebuilding", "running", HOST, (), (f"accepted {DESTINATION}",))})


def _source_returns(stage):
    """Its nova-compute ends migration records, and no event."""
    stage.cloud.starts(HOST)
    stage.shows({"cut": Seen("active", "rebuilding", "running", HOST, (), (f"completed {DESTINATION}",))})
    stage.tells({"straight": (_DONE,), "died": (_TAKEN_UP,), "cut": (_SCHEDULING,), "unheard": (_SCHEDULER_GONE,)})
    assert stage.hands_back(HOST) == DONE
