# SPDX-License-Identifier: Apache-2.0
"""What happened in the lab: the records outside the containers, read into immutable dataclasses.

The records are written by the parts that do the deeds (BMCs, virt driver, proxy, faults) and by ``recorder``;
all of them take the time from the same kernel's clock, in seconds since the epoch. What Nova says at the end
is handed in, so that nothing here talks to the cloud.
"""

import contextlib
import dataclasses
import datetime
import json
import os
from collections.abc import Mapping
from typing import Optional

from tests.lab import settings
from tests.lab.guest.diary import Incarnation

FLAG_LOG = settings.RECORDS / "flags.jsonl"
FENCING_LOG = settings.RECORDS / "fencing.jsonl"

# What a gateway answers that does not know what became of a request, and Nova when it broke midway.
_UNCLEAR = frozenset({500, 502, 504})

# What is to become of an instance by the end of a scenario.
RUNNING = "running"
PAUSED = "paused"
STOPPED = "stopped"
SHELVED = "shelved"
IN_ERROR = "in error"
GONE = "gone"
# Its owner never learned whether he got what he asked for: it may be anything, as long as it is not twice.
UNSURE = "unsure"


@dataclasses.dataclass(frozen=True)
class PowerChange:
    """A host's power was switched, by its BMC or by a fault."""

    time: float
    host: str
    on: bool
    by: str = "bmc"


@dataclasses.dataclass(frozen=True)
class GuestChange:
    """A guest started or stopped, by the virt driver's word. Guests that die with their host leave no line."""

    time: float
    host: str
    instance: str
    started: bool
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Request:
    """One request of the agents to nova-api, as the proxy saw it.

    :param time: when it arrived
    :param duration: seconds until it was answered or given up
    :param action: the server action asked for, such as ``evacuate``
    :param service: what a change of a service asked for (``forced_down``, ``status``), if it is one
    :param service_id: the UUID of that service
    :param status: the answer that the client got, None if it got none
    :param request_id: Nova's id of it, None if Nova did not answer
    """

    time: float
    duration: float = 0.0
    method: str = "POST"
    path: str = ""
    action: Optional[str] = None
    instance: Optional[str] = None
    service: Optional[Mapping] = None
    service_id: Optional[str] = None
    status: Optional[int] = 200
    request_id: Optional[str] = None

    @property
    def end(self):
        """When it was answered or given up."""
        return self.time + self.duration

    @property
    def refused(self):
        """Whether the client was told that it was not done; a lost answer tells nothing, nor do some."""
        return self.status is not None and self.status >= 400 and self.status not in _UNCLEAR


@dataclasses.dataclass(frozen=True)
class FaultMoment:
    """A fault began or ended."""

    time: float
    fault: str
    target: str
    began: bool


@dataclasses.dataclass(frozen=True)
class FlagChange:
    """A host's flag has a new value (None: deleted)."""

    time: float
    host: str
    value: Optional[str]

    @property
    def stands(self):
        """Whether the host must stay out of service."""
        return self.value not in (None, "no")

    @property
    def claimed(self):
        """Whether an engine took the host up by this."""
        return self.stands and "@" in self.value


@dataclasses.dataclass(frozen=True)
class FencingStep:
    """Pacemaker said something about the fencing of a host.

    :param device: the device that has done its part of it; None: it was decided that the host is to be fenced
    """

    time: float
    host: str
    device: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class ServiceStart:
    """nova-compute was started on a host: a line that its unit writes into the guests' journal."""

    time: float
    host: str


@dataclasses.dataclass(frozen=True)
class RefusedStart:
    """QEMU did not start a guest on a host, for another one had the disk open."""

    time: float
    host: str
    instance: str


@dataclasses.dataclass(frozen=True)
class GuestDisk:
    """A disk of an instance at the end, and what its guest has written on it.

    :param place: where it is: ``shared``, or a host's name
    :param incarnations: in the order of their numbers
    :param beats: whether a guest wrote on it while it was looked at
    """

    instance: str
    place: str
    incarnations: tuple[Incarnation, ...]
    beats: bool


@dataclasses.dataclass(frozen=True)
class Migration:
    """Nova's record of one evacuation as it is at the end.

    :param created: seconds since the epoch; Nova's own precision, whole seconds
    :param updated: as ``created``, of the last change
    """

    id: int
    instance: str
    status: str
    source: str
    destination: Optional[str]
    created: float
    updated: float


@dataclasses.dataclass(frozen=True)
class Service:
    """A nova-compute service as Nova reports it at the end."""

    id: str
    host: str
    up: bool = True
    enabled: bool = True
    forced_down: bool = False
    disabled_reason: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance as Nova reports it at the end (``status`` is the API's, such as ACTIVE)."""

    id: str
    host: Optional[str]
    status: str
    task_state: Optional[str] = None
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a scenario says of how it has to end, where that does not follow from the records.

    :param instances: what is to become of instances, ``{id: state}``, the states being those above (RUNNING ...); one
        that is not named and ran on a host when it was flagged has to run
    :param flagged: hosts that may keep their flag, and what belongs to it, at the end
    :param returning: hosts that were recovered, and may still be out of service at the end
    """

    instances: Mapping = dataclasses.field(default_factory=dict)
    flagged: frozenset[str] = frozenset()
    returning: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class History:
    """All that is known of a scenario once it is over; every tuple is in the order of time.

    :param disks: of real guests; None where the fake driver's have none
    """

    power: tuple[PowerChange, ...] = ()
    guests: tuple[GuestChange, ...] = ()
    requests: tuple[Request, ...] = ()
    faults: tuple[FaultMoment, ...] = ()
    flags: tuple[FlagChange, ...] = ()
    fencing: tuple[FencingStep, ...] = ()
    starts: tuple[ServiceStart, ...] = ()
    migrations: tuple[Migration, ...] = ()
    services: tuple[Service, ...] = ()
    instances: tuple[Instance, ...] = ()
    expected: Expected = Expected()
    disks: Optional[tuple[GuestDisk, ...]] = None
    refusals: tuple[RefusedStart, ...] = ()


def read(services=(), instances=(), migrations=(), expected=None, disks=None, refusals=()):
    """Read the records as they are now.

    :param services: Nova's compute services now, as ``workload.services`` gives them
    :param instances: likewise of ``workload.instances``
    :param migrations: likewise of ``workload.migrations``
    :param expected: an ``Expected``
    :param disks: of real guests, as ``guest.disk.look`` gives them; None where there are none
    :param refusals: as ``guest.refusals.read`` gives them
    """
    guest_lines = [line for file in sorted(settings.GUEST_JOURNAL.glob("*.jsonl")) for line in _lines(file)]
    return History(
        power=_ordered(
            PowerChange(line["time"], line["host"], line["event"] == "on", line.get("by", ""))
            for line in _lines(settings.POWER_LOG)
        ),
        guests=_ordered(
            GuestChange(line["time"], line["host"], line["instance"], line["event"] == "start", line.get("why", ""))
            for line in guest_lines
            if line["event"] in ("start", "stop")
        ),
        requests=_ordered(_request(line) for line in _lines(settings.REQUEST_LOG)),
        faults=_ordered(
            FaultMoment(line["time"], line["fault"], line["target"], line["phase"] == "begin")
            for line in _lines(settings.FAULT_LOG)
        ),
        flags=flags(),
        fencing=_ordered(FencingStep(line["time"], line["host"], line["device"]) for line in _lines(FENCING_LOG)),
        starts=_ordered(
            ServiceStart(line["time"], line["host"]) for line in guest_lines if line["event"] == "service_start"
        ),
        migrations=tuple(sorted((_migration(entry) for entry in migrations), key=lambda entry: entry.id)),
        services=tuple(_service(entry) for entry in services),
        instances=tuple(_instance(entry) for entry in instances),
        expected=expected or Expected(),
        disks=disks,
        refusals=_ordered(refusals),
    )


def flags():
    """Every change of a flag up to now."""
    return _ordered(FlagChange(line["time"], line["host"], line["value"]) for line in _lines(FLAG_LOG))


def forget():
    """Empty the records; no instance may exist and no host be off then, for that would be forgotten too."""
    records = [settings.POWER_LOG, settings.REQUEST_LOG, settings.FAULT_LOG, FLAG_LOG, FENCING_LOG]
    for file in [*records, *settings.GUEST_JOURNAL.glob("*.jsonl")]:
        # In place: those who write hold their files open, for appending.
        with contextlib.suppress(FileNotFoundError):
            os.truncate(file, 0)


def _lines(file):
    """The JSON lines of a record; a last line that is still being written is left out."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return []
    whole, _newline, _rest = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.strip()]


def _ordered(moments):
    return tuple(sorted(moments, key=lambda moment: moment.time))


def _request(line):
    words = line["path"].partition("?")[0].rstrip("/").split("/")
    return Request(
        time=line["time"],
        duration=line["duration"],
        method=line["method"],
        path=line["path"],
        action=line["action"],
        instance=line["instance"],
        service=line["service"],
        service_id=words[-1] if line["service"] is not None else None,
        status=line["status"],
        request_id=line["request_id"],
    )


def _migration(entry):
    return Migration(
        id=entry["id"],
        instance=entry["instance"],
        status=entry["status"],
        source=entry["source"],
        destination=entry["dest"],
        created=_epoch(entry["created"]),
        updated=_epoch(entry["updated"] or entry["created"]),
    )


def _service(entry):
    return Service(
        id=entry["id"],
        host=entry["host"],
        up=entry["state"] == "up",
        enabled=entry["status"] == "enabled",
        forced_down=entry["forced_down"],
        disabled_reason=entry["disabled_reason"],
    )


def _instance(entry):
    return Instance(
        id=entry["id"],
        host=entry["host"],
        status=entry["status"],
        task_state=entry["task_state"],
        name=entry["name"],
    )


def _epoch(text):
    """Nova's times are UTC without saying so, or with a Z that Python 3.9 does not read."""
    return datetime.datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=datetime.timezone.utc).timestamp()
