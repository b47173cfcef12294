# SPDX-License-Identifier: Apache-2.0
"""What the engine and its supervisor know of each other: one directory in /run for each NovaEvacuate resource.

The daemon of NovaInstances and its supervisor have such a directory, too.

=============== ================================================================================================
file            content
=============== ================================================================================================
``lock``        locked by the engine for its whole life. The kernel names the holder and lets go with it, so that
                no process id goes stale and a second engine cannot start
``progress``    CLOCK_MONOTONIC in seconds, written at each step of the engine's main loop
``status.json`` the engine's account of itself
``complaint``   there only while the engine runs and an operator has something to set right: one line that says what
``changes``     parameters that a running engine is to take over, for as long as the hand-over takes; never a secret
``output``      what the engine wrote to its standard error, for the case that it dies before it can report
=============== ================================================================================================

A monitor reads this every few seconds, so nothing expensive is imported at the top.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time

from nova_ha.rundir import ROOT, remove, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# Of what engines report, and of what nova-ha prints for programs (see the directory schemas): another number, if a key
# goes or changes its meaning.
SCHEMA = 1

# States of a report. Asking: the flags are known, and the cloud, which was never asked before, has not answered yet.
# Waiting: all is well but for the cloud, which does not answer.
STARTING = "starting"
ASKING = "asking"
WORKING = "working"
WAITING = "waiting"
MISCONFIGURED = "misconfigured"
NOT_INSTALLED = "not_installed"

# Seconds without progress after which an engine counts as hung. No step may take longer.
HUNG_AFTER = 120

# Stands for the id of a holder that is no process of this system: one in another namespace of process ids, a container
# say. As a process id it means one's own process group: nothing may signal it.
UNTOLD = 0

_FLOCK = "hhqqi0q"  # struct flock


def is_known(report: Mapping[str, object]) -> bool:
    """Whether what an engine has reported can be understood: another version may have written it."""
    return report.get("schema") == SCHEMA


class AlreadyRunning(Exception):
    """Another engine holds the lock.

    :param pid: its process id, or UNTOLD
    """

    def __init__(self, what: str, name: str, pid: int) -> None:
        which = f"process {pid}" if pid != UNTOLD else "a process that cannot be told from here (of a container?)"
        super().__init__(f"the {what} of {name} is running already: {which}")
        self.pid = pid


class RunState:
    """The directory of one resource.

    :param name: the resource's name (OCF_RESOURCE_INSTANCE)
    :param what: what messages call the process that it is about
    :raises ValueError: the name cannot be that of a directory
    """

    _progress: int  # a file that is open for as long as the lock is held

    def __init__(self, name: str, root: str = ROOT, what: str = "engine") -> None:
        if not can_name(name):
            raise ValueError(f"{name!r} cannot name a resource")
        self.name = name
        self.what = what
        self.directory = f"{root}/{name}"
        self.output = f"{self.directory}/output"
        self._lock_file = f"{self.directory}/lock"
        self._progress_file = f"{self.directory}/progress"
        self._report_file = f"{self.directory}/status.json"
        self._complaint_file = f"{self.directory}/complaint"
        self._changes_file = f"{self.directory}/changes"
        self._lock: int | None = None
        self._complaints: dict[str, str | None] = {}
        self._listeners: list[Callable[[Mapping[str, Any], str | None], object]] = []

    def create(self) -> None:
        """Make the directory; only root can look into it, or into the one that it is in."""
        for directory in (os.path.dirname(self.directory), self.directory):
            os.makedirs(directory, mode=0o700, exist_ok=True)

    # The engine's side.

    def acquire(self, **account: object) -> None:
        """Become the one engine of this resource, until the process ends.

        :param account: what the report is to carry on, see ``report``
        :raises AlreadyRunning: there is one
        :raises OSError: the directory cannot be used
        """
        self.create()
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        other = _take(lock)
        if other is not None:
            os.close(lock)
            raise AlreadyRunning(self.what, self.name, other)
        self._lock = lock
        self._progress = os.open(self._progress_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.progress()
        for left_over in (self._complaint_file, self._changes_file):
            remove(left_over)
        self.report(STARTING, f"the {self.what} is starting", **account)

    def progress(self) -> None:
        """Say that the main loop goes on. One write; call it at every step."""
        os.pwrite(self._progress, b"%020.3f\n" % time.monotonic(), 0)

    def report(self, state: str, reason: str, **more: object) -> None:
        """Replace the engine's account of itself.

        :param state: one of the states above
        :param reason: one line for an operator
        :param more: anything else that JSON can hold
        """
        import json

        account = {"schema": SCHEMA, "state": state, "reason": reason, "time": time.time(), "pid": os.getpid(), **more}
        write(self._report_file, json.dumps(account))
        for listener in self._listeners:
            listener(account, _joined(self._complaints))

    def listen(self, listener: Callable[[Mapping[str, Any], str | None], object]) -> None:
        """Have each report, and the complaint of that moment, told to one more who wants to know, too."""
        self._listeners.append(listener)

    @property
    def complaints(self) -> Mapping[str, str | None]:
        """What an operator has to set right, by subject; None: nothing (any more) about it."""
        return self._complaints

    def complain(self, subject: str, text: str | None) -> None:
        """Have monitors tell the cluster's operators what to set right; None: nothing (any more) about that subject."""
        complaints = {**self._complaints, subject: text}
        if complaints == self._complaints:
            return
        self._complaints = complaints
        said = _joined(complaints)
        if said is not None:
            write(self._complaint_file, said)
        else:
            remove(self._complaint_file)

    def take_changes(self) -> dict[str, str] | None:
        """The parameters that the supervisor wants this engine to take over, or None if it does not."""
        changes: dict[str, str] | None = _read_json(self._changes_file)
        return changes

    def taken_over(self) -> None:
        """Tell the supervisor that its changes have been seen to, be it by a complaint."""
        remove(self._changes_file)

    # The supervisor's side.

    def holder(self) -> int | None:
        """The process id of the running engine, UNTOLD if it is no process of this system, or None if there is none."""
        if self._lock is not None:
            # To open and close the file once more would let go of the lock: POSIX locks belong to the process.
            return os.getpid()
        try:
            lock = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return _holder(lock)
        finally:
            os.close(lock)

    def progress_age(self) -> float | None:
        """Seconds since the engine's last progress, or None if it has made none yet."""
        try:
            with open(self._progress_file, "rb", buffering=0) as file:
                return time.monotonic() - float(file.read())
        except (FileNotFoundError, ValueError):
            return None

    def is_well(self) -> bool:
        """Whether an engine runs, makes progress and has nothing to complain of: what a monitor asks."""
        return (
            self.holder() is not None
            and (self.progress_age() or 0) <= HUNG_AFTER
            and not os.path.exists(self._complaint_file)
        )

    def read_report(self) -> dict[str, Any]:
        """The engine's last account of itself (see ``report``; ``pid`` tells whose it is), or {} if there is none."""
        return _read_json(self._report_file) or {}

    def read_complaint(self) -> str | None:
        """What the engine has to complain of, in one line, or None."""
        return _read(self._complaint_file)

    def hand_over(self, parameters: Mapping[str, str]) -> None:
        """Lay out parameters for a running engine to take over; ``is_handed_over`` tells when it has."""
        import json

        write(self._changes_file, json.dumps(parameters))

    def is_handed_over(self) -> bool:
        """Whether the engine has seen to what was laid out for it."""
        return not os.path.exists(self._changes_file)


def can_name(name: str) -> bool:
    """Whether it can be the name of a directory, and so of a resource."""
    return bool(name) and "/" not in name and name not in (".", "..")


def _joined(complaints: Mapping[str, str | None]) -> str | None:
    return "; ".join(text for text in complaints.values() if text is not None) or None


def _take(lock: int) -> int | None:
    """Lock the open file ``lock``; the process that has it locked (or UNTOLD), or None if we have now."""
    for _attempt in range(2):
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except (BlockingIOError, PermissionError):
            other = _holder(lock)
        if other is not None:
            return other
        # It has let go of it just now.
    return UNTOLD


def _holder(lock: int) -> int | None:
    """The process that keeps others from locking the open file ``lock`` (or UNTOLD), or None."""
    question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else max(pid, UNTOLD)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _read_json(path: str) -> Any:
    """What a file holds, or None if there is none or it was left half written by a machine that went down."""
    import json

    try:
        return json.loads(_read(path) or "null")
    except ValueError:
        return None
