# SPDX-License-Identifier: Apache-2.0
"""The guests of one compute host, as files: what a hypervisor would know, without one.

It runs inside nova-compute (``driver`` uses it), hence the standard library only and no import of the lab. A guest has

- a *definition* on the host, which outlives a power cut, as a libvirt domain does;
- a *disk* on the host, or on a directory that all hosts share;
- while it runs, a *state file* under ``/run``: gone with the host's power, untouched by a restart of nova-compute.

Each start and stop is one JSON line in the host's journal outside the container: ``time`` (seconds since the epoch),
``event`` (start, stop), ``instance``, ``host``, ``why``. A start of nova-compute is one too, event ``service_start``:
its unit writes it by running this file as ``guests.py JOURNAL EVENT HOST``.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time

RUNNING, PAUSED = "running", "paused"


@dataclasses.dataclass(frozen=True)
class Switches:
    """How guests start; ``impair.set_guests`` sets it from outside.

    :param spawn_seconds: how long a spawn takes
    :param fail_spawn_on: hosts where every spawn fails, at its end
    :param hold_spawn_on: hosts where a spawn does not end, until the host is named here no more
    :param hold_end_on: hosts where an evacuation whose guest runs does not end, until the host is named here no more
    :param shared_storage: disks are on the directory that all hosts share
    :param start_seconds: how long a start of nova-compute takes until it reports, beside what it takes anyway
    """

    spawn_seconds: float = 0.5
    fail_spawn_on: tuple = ()
    hold_spawn_on: tuple = ()
    hold_end_on: tuple = ()
    shared_storage: bool = False
    start_seconds: float = 0

    @classmethod
    def read(cls, path):
        """The switches in force; the defaults when nobody has set any."""
        try:
            return cls(**json.loads(pathlib.Path(path).read_text()))
        except FileNotFoundError:
            return cls()


class Guests:
    """The guests of one host.

    :param host: name of the host, as Nova knows it
    :param definitions, local_disks: directories that outlive a power cut
    :param states: directory that does not
    :param shared_disks: directory that all hosts share
    :param journal: file to append to
    :param switches: file that ``Switches`` are read from
    """

    def __init__(self, host, definitions, states, local_disks, shared_disks, journal, switches):
        self._host = host
        self._definitions = pathlib.Path(definitions)
        self._states = pathlib.Path(states)
        self._local_disks = pathlib.Path(local_disks)
        self._shared_disks = pathlib.Path(shared_disks)
        self._switches = switches
        for directory in (self._definitions, self._states, self._local_disks):
            directory.mkdir(parents=True, exist_ok=True)
        self._journal = journal

    @property
    def switches(self):
        """The switches in force now."""
        return Switches.read(self._switches)

    def defined(self):
        """Name of each defined guest by its instance's uuid."""
        return {path.name: path.read_text() for path in self._definitions.iterdir()}

    def is_defined(self, uuid):
        """Whether this host knows the guest, running or not."""
        return (self._definitions / uuid).exists()

    def state(self, uuid):
        """``RUNNING``, ``PAUSED``, or None when it does not run."""
        try:
            return (self._states / uuid).read_text()
        except FileNotFoundError:
            return None

    def define(self, uuid, name):
        """Make a guest known, with a disk (the one that is there already, if any)."""
        disk = self.disk(uuid)
        disk.parent.mkdir(parents=True, exist_ok=True)
        disk.touch()
        (self._definitions / uuid).write_text(name)

    def undefine(self, uuid, with_disk):
        """Forget a guest that is not running."""
        (self._definitions / uuid).unlink(missing_ok=True)
        if with_disk:
            shutil.rmtree(self.disk(uuid).parent, ignore_errors=True)

    def disk(self, uuid):
        """Where the guest's disk is."""
        return (self._shared_disks if self.switches.shared_storage else self._local_disks) / uuid / "disk"

    def start(self, uuid, why):
        """Let a guest run; nothing happens when it does already."""
        if self.state(uuid) is None:
            # The journal first: a guest that runs unrecorded would go unseen by the audits.
            self._record("start", uuid, why)
            (self._states / uuid).write_text(RUNNING)

    def stop(self, uuid, why):
        """Let a guest run no more; nothing happens when it does not."""
        if self.state(uuid) is not None:
            (self._states / uuid).unlink()
            self._record("stop", uuid, why)

    def pause(self, uuid, paused):
        """Freeze a running guest, or thaw it: it occupies the host either way."""
        (self._states / uuid).write_text(PAUSED if paused else RUNNING)

    def _record(self, event, uuid, why):
        record(self._journal, event, self._host, instance=uuid, why=why)


def record(journal, event, host, **more):
    """Append one line to a host's journal, in one write: the unit of nova-compute and the driver share the file."""
    line = json.dumps({"time": time.time(), "event": event, "host": host, **more}) + "\n"
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


if __name__ == "__main__":
    record(*sys.argv[1:])
