# SPDX-License-Identifier: Apache-2.0
"""What the engine and its supervisor know of each other: one directory in /run for each NovaEvacuate resource.

=============== ================================================================================================
file            content
=============== ================================================================================================
``lock``        locked by the engine for its whole life. The kernel names the holder and lets go with it, so that
                no process id goes stale and a second engine cannot start
``progress``    CLOCK_MONOTONIC in seconds, written at each step of the engine's main loop
``status.json`` the engine's account of itself
``output``      what the engine wrote to its standard error, for the case that it dies before it can report
=============== ================================================================================================

A monitor reads this every few seconds, so nothing expensive is imported at the top.
"""

import fcntl
import os
import struct
import time

ROOT = "/run/nova-ha"

# States of a report. Waiting: all is well but for the cloud, which does not answer.
STARTING = "starting"
WORKING = "working"
WAITING = "waiting"
MISCONFIGURED = "misconfigured"

# Seconds without progress after which an engine counts as hung. No step may take longer.
HUNG_AFTER = 120

_FLOCK = "hhqqi0q"  # struct flock


class AlreadyRunning(Exception):
    """Another engine holds the lock.

    :param pid: its process id
    """

    def __init__(self, name, pid):
        super().__init__(f"an engine for {name} is running already: process {pid}")
        self.pid = pid


class RunState:
    """The directory of one NovaEvacuate resource.

    :param name: the resource's name (OCF_RESOURCE_INSTANCE)
    :raises ValueError: the name cannot be that of a directory
    """

    def __init__(self, name, root=ROOT):
        if not name or "/" in name or name in (".", ".."):
            raise ValueError(f"{name!r} cannot name a resource")
        self.name = name
        self.directory = f"{root}/{name}"
        self.output = f"{self.directory}/output"
        self._lock_file = f"{self.directory}/lock"
        self._progress_file = f"{self.directory}/progress"
        self._report_file = f"{self.directory}/status.json"
        self._lock = None
        self._progress = None

    def create(self):
        """Make the directory; only root can look into it."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)

    # The engine's side.

    def acquire(self, **account):
        """Become the one engine of this resource, until the process ends.

        :param account: what the report is to carry on, see ``report``
        :raises AlreadyRunning: there is one
        :raises OSError: the directory cannot be used
        """
        self.create()
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            pid = _holder(lock)
            os.close(lock)
            raise AlreadyRunning(self.name, pid) from error
        self._lock = lock
        self._progress = os.open(self._progress_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.progress()
        self.report(STARTING, "the engine is starting", **account)

    def progress(self):
        """Say that the main loop goes on. One write; call it at every step."""
        os.pwrite(self._progress, b"%020.3f\n" % time.monotonic(), 0)

    def report(self, state, reason, **more):
        """Replace the engine's account of itself.

        :param state: STARTING, WORKING, WAITING or MISCONFIGURED
        :param reason: one line for an operator
        :param more: anything else that JSON can hold
        """
        import json

        account = {"state": state, "reason": reason, "time": time.time(), "pid": os.getpid(), **more}
        draft = f"{self._report_file}.new"
        with open(draft, "w", encoding="utf-8", opener=_private) as file:
            json.dump(account, file)
        os.replace(draft, self._report_file)

    # The supervisor's side.

    def holder(self):
        """The process id of the running engine, or None if there is none."""
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

    def progress_age(self):
        """Seconds since the engine's last progress, or None if it has made none yet."""
        try:
            with open(self._progress_file, "rb", buffering=0) as file:
                return time.monotonic() - float(file.read())
        except (FileNotFoundError, ValueError):
            return None

    def is_well(self):
        """Whether an engine runs and makes progress: what a monitor asks."""
        return self.holder() is not None and (self.progress_age() or 0) <= HUNG_AFTER

    def read_report(self):
        """The engine's last account of itself (see ``report``; ``pid`` tells whose it is), or {} if there is none."""
        import json

        try:
            with open(self._report_file, encoding="utf-8") as file:
                return json.load(file)
        except (FileNotFoundError, ValueError):
            return {}


def _holder(lock):
    """The process that keeps others from locking the open file ``lock``, or None."""
    question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else pid


def _private(path, flags):
    return os.open(path, flags, 0o600)
