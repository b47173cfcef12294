# SPDX-License-Identifier: Apache-2.0
"""The power of the hosts: the one place where it is switched, by a BMC or by a fault, and the record of it."""

import contextlib
import fcntl
import json
import os
import time

from tests.lab import nodes, settings


def power_off(node, by, goodbye=False):
    """Take a host's power away; every process on it is gone when this returns.

    :param by: who did it, for the record: ``bmc``, or ``fault:`` and the fault's name
    :param goodbye: let the kernel close the connections, as when a container is killed; without it nobody hears a word
    :raises LabError: the host lives on
    """
    with _switch(node):
        if not nodes.powered(node):
            return
        if not goodbye:
            nodes.unplug(node)
        nodes.kill(node)
        _record(node, "off", by)


def power_on(node, by):
    """Give a host its power back, if it has none, on the network it was on; it boots while this returns.

    :param by: as for ``power_off``
    :raises LabError: the host does not start
    """
    with _switch(node):
        if nodes.powered(node):
            return
        nodes.start(node)
        _record(node, "on", by)


def append(file, line):
    """Append a JSON line to a record, whole, whoever else appends to it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps(line) + "\n")


@contextlib.contextmanager
def _switch(node):
    # One at a time: a BMC and a fault may want the same host.
    settings.RUN.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(settings.RUN / f"power-{node}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _record(node, event, by):
    append(settings.POWER_LOG, {"time": time.time(), "host": node, "event": event, "by": by, "ok": True})
