# SPDX-License-Identifier: Apache-2.0
"""What /proc tells of the machine's processes; each function bears that a process ends, or cannot be looked at."""

from __future__ import annotations

import os
import time
from typing import TypedDict

from nova_ha.rundir import pidfile


class Identity(TypedDict, total=False):
    """Whom a program is to run as, as ``subprocess.Popen`` takes it; who we are, if it is empty."""

    user: int
    group: int
    extra_groups: list[int]


def all_ids() -> list[int]:
    """The ids of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid: int) -> list[str]:
    """The words of a process's command line; none if it is gone."""
    return [os.fsdecode(word) for word in _read(pid, "cmdline").split(b"\0")[:-1]]


def environment(pid: int) -> list[str]:
    """The environment that a process was started with, as ``NAME=VALUE``; none if it is gone."""
    return [os.fsdecode(word) for word in _read(pid, "environ").split(b"\0")]


def executes(pid: int, file: str) -> bool:
    """Whether a process executes this very file."""
    return _is_same(f"/proc/{pid}/exe", file)


def names(pid: int, path: str, file: str) -> bool:
    """Whether a path means this very file to a process, which may have another root than we."""
    return os.path.isabs(path) and _is_same(f"/proc/{pid}/root{path}", file)


def is_contained(pid: int) -> bool:
    """Whether a process is in a container on this host: in another namespace of process ids than we; or gone."""
    return not _is_same(f"/proc/{pid}/ns/pid", "/proc/self/ns/pid")


def user(pid: int) -> int | None:
    """The id of the user that a process runs as, or None if it is gone."""
    words = _status(pid).get("Uid", "").split()
    return int(words[1]) if words else None


def age(pid: int) -> float:
    """Seconds since a process started; 0 if it is gone."""
    started = pidfile.start_time(pid)
    return 0.0 if started is None else time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def identity(pid: int) -> Identity:
    """Whom a program is to run as to be no more than a process is.

    :raises OSError: the process is gone
    """
    said = _status(pid)
    if not said:
        raise ProcessLookupError(f"process {pid} is gone")
    groups = [int(group) for group in said["Groups"].split()]
    return {"user": int(said["Uid"].split()[1]), "group": int(said["Gid"].split()[1]), "extra_groups": groups}


def descendants(pid: int) -> list[int]:
    """A process and all processes below it, the older ones first."""
    parents: dict[int, list[int]] = {}
    for other in all_ids():
        fields = pidfile.stat(other)
        if fields:
            parents.setdefault(int(fields[1]), []).append(other)
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def _is_same(path: str, file: str) -> bool:
    try:
        return os.path.samefile(path, file)
    except OSError:
        return False


def _status(pid: int) -> dict[str, str]:
    lines = os.fsdecode(_read(pid, "status")).splitlines()
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def _read(pid: int, what: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{what}", "rb") as file:
            return file.read()
    except OSError:
        return b""
