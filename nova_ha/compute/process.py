# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a process of its own, without systemd or a container around it."""

from __future__ import annotations

import contextlib
import math
import os
import pwd
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from nova_ha.compute import procfs, service
from nova_ha.compute.procfs import Identity
from nova_ha.compute.service import NotInTime, Service, ServiceError, State
from nova_ha.rundir import ROOT, pidfile

BINARY = "nova-compute"
USER = "nova"
LOGS = "/var/log/nova-ha"

# In the environment of what was started here: its children have it too, and are told from other processes by it.
_MARK = "NOVA_HA_RESOURCE"
_LOOK = 0.1  # seconds between two looks at a process that is about to end
# Open files. Distributions' units allow as many; what a process gets otherwise is too few for a large host.
_FILES = 65536


class Direct(Service):
    """A process that the agent itself starts. It outlives the agent, and leads a session of its own.

    :param instance: the resource's name
    :param binary: its file, or a name that is looked for in the usual directories
    :param files: its configuration files; without any, those that Nova looks for by itself
    :param user: whom it runs as
    """

    def __init__(
        self,
        instance: str,
        binary: str | None = None,
        files: Sequence[str] = (),
        user: str | None = None,
        run: str = ROOT,
        logs: str = LOGS,
    ) -> None:
        self._name = binary or BINARY
        self._binary = shutil.which(self._name, path=service.ENVIRONMENT["PATH"])
        self._files = files
        self._user = user or USER
        self._mark = f"{_MARK}={instance}"
        self._main = pidfile.Record(f"{instance}.main", run)
        self._log = f"{logs}/{instance}.log"
        self.missing = f"no such program: {self._name}"

    def find(self, timeout: float = math.inf) -> State | None:
        """See ``Service``. What somebody has started by hand is found, too."""
        pid = self._main.pid() or self._by_hand()
        if pid:
            return State(self._name, True, True, pid, f"{self._name} is process {pid}")
        left = self._marked()
        if left:
            return State(self._name, False, True, left[0], f"{self._name} has left process {left[0]} behind")
        if self._binary is None:
            return None
        return State(self._name, False, True, 0, f"{self._name} does not run; see {self._log}")

    def start(self, state: State, timeout: float) -> None:
        """See ``Service``."""
        # What is left of a former start is found without the program, too.
        if self._binary is None:
            raise ServiceError(self.missing)
        command = [self._binary, *(f"--config-file={file}" for file in self._files)]
        try:
            account = pwd.getpwnam(self._user)
            os.makedirs(os.path.dirname(self._log), mode=0o750, exist_ok=True)
            _allow_open_files()
            # Its own log is where nova.conf says; this is what it writes to nowhere else.
            with open(self._log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
                started = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={**service.ENVIRONMENT, "HOME": account.pw_dir, "USER": self._user, **self._marking()},
                    start_new_session=True,
                    user=account.pw_uid,
                    group=account.pw_gid,
                    extra_groups=os.getgrouplist(self._user, account.pw_gid),
                )
        except KeyError as error:
            raise ServiceError(f"there is no user {self._user}") from error
        except OSError as error:
            raise ServiceError(f"{self._name}: {error.strerror}") from error
        self._main.remember(started.pid)

    def stop(self, state: State, timeout: float) -> None:
        """See ``Service``. What it had started, and has not ended itself, is killed once it is gone."""
        end = time.monotonic() + timeout
        _signal(state.main_pid, signal.SIGTERM)
        # One that was stopped hears it only when it goes on.
        _signal(state.main_pid, signal.SIGCONT)
        while pidfile.start_time(state.main_pid) is not None:
            if time.monotonic() > end:
                raise NotInTime(f"{state.words}: it did not end within {timeout:.0f} s")
            time.sleep(_LOOK)
        self._kill_marked()

    def kill(self, state: State) -> None:
        """See ``Service``."""
        _signal(state.main_pid, signal.SIGKILL)
        self._kill_marked()

    def problems(self) -> Iterator[str]:
        """See ``Service``."""
        if self._binary is None:
            yield f"binary: {self.missing}"
        for file in self._files:
            if not os.path.isfile(file):
                yield f"config_files: {file} is not a file on this host"
        if self._user_id() is None:
            yield f"user: there is no user {self._user} on this host"

    def inside(self, state: State, words: list[str]) -> tuple[list[str], Identity]:
        """See ``Service``."""
        return words, procfs.identity(state.main_pid)

    def _marking(self) -> dict[str, str]:
        name, _, value = self._mark.partition("=")
        return {name: value}

    def _marked(self) -> list[int]:
        """The processes that come from a start of this resource; nobody but root and the user can pretend to."""
        return [pid for pid in self._candidates() if self._mark in procfs.environment(pid)]

    def _kill_marked(self) -> None:
        for pid in self._marked():
            _signal(pid, signal.SIGKILL)

    def _by_hand(self) -> int | None:
        """The process that executes the binary though we have not started it, or None."""
        binary = self._binary
        interpreter = _interpreter(binary) if binary else None
        if not binary or not interpreter:
            return None
        return next((pid for pid in self._candidates() if _is_it(pid, binary, interpreter)), None)

    def _candidates(self) -> list[int]:
        """The processes that run on this host, of the users that may have to do with it; in their order."""
        users = {0, self._user_id()}
        return [
            pid
            for pid in sorted(procfs.all_ids())
            if pid != os.getpid()
            and procfs.user(pid) in users
            and pidfile.start_time(pid) is not None
            and not procfs.is_contained(pid)
        ]

    def _user_id(self) -> int | None:
        try:
            return pwd.getpwnam(self._user).pw_uid
        except KeyError:
            return None


def _is_it(pid: int, binary: str, interpreter: str) -> bool:
    """Whether a process is the binary itself, or the binary's interpreter with the binary as its script."""
    if not procfs.executes(pid, interpreter):
        return False
    words = [word for word in procfs.command_line(pid)[1:] if not word.startswith("-")]
    return interpreter == binary or bool(words) and procfs.names(pid, words[0], binary)


def _interpreter(binary: str) -> str | None:
    """The file that the kernel executes for a binary: its interpreter for a script, or itself; None if it is gone."""
    try:
        with open(binary, "rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return binary
    words = os.fsdecode(first[2:]).split()
    if words and os.path.basename(words[0]) == "env":
        return shutil.which(words[-1], path=service.ENVIRONMENT["PATH"])
    return words[0] if words else None


def _allow_open_files() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES), hard))


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
