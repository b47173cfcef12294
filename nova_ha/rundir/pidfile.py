# SPDX-License-Identifier: Apache-2.0
"""A process that is remembered, and recognized later at the cost of two small reads.

A process id alone may have passed on to another process, and a scan of command lines can be fooled by any of them;
the id together with the time at which the process started is unique until the machine boots again.

The monitor imports this module: whatever else is known of processes stands in ``nova_ha.compute.procfs``.
"""

from __future__ import annotations

import os

from nova_ha.rundir import ROOT, remove, write


def stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the third on (the state), or None if the process is gone or a mere zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            # The second field is the command in parentheses, which may hold anything, parentheses included.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else fields


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot, or None if it is gone or only waits to be reaped."""
    fields = stat(pid)
    return None if fields is None else int(fields[19])


class Record:
    """The memory of one resource's process, in /run.

    :param name: the resource's name (OCF_RESOURCE_INSTANCE)
    """

    def __init__(self, name: str, root: str = ROOT) -> None:
        self._file = f"{root}/{name}.process"

    def remember(self, pid: int) -> None:
        """Remember a process that runs; one that does not is forgotten."""
        started = start_time(pid)
        if started is None:
            self.forget()
            return
        os.makedirs(os.path.dirname(self._file), mode=0o700, exist_ok=True)
        write(self._file, f"{pid} {started}\n")

    def forget(self) -> None:
        """Remember no process."""
        remove(self._file)

    def is_alive(self) -> bool:
        """Whether the remembered process, and no other in its place, still runs."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """The id of the remembered process, or None if it does not run any more."""
        try:
            with open(self._file, "rb", buffering=0) as file:
                pid, started = map(int, file.read().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if start_time(pid) == started else None
