# SPDX-License-Identifier: Apache-2.0
"""Real engine processes, on a cluster that is a few shell scripts."""

import contextlib
import os
import pathlib
import shutil
import signal

from nova_ha.agents import supervision
from nova_ha.rundir.engine_state import RunState
from tests.unit.agent_programs import RESOURCE
from tests.unit.http_cloud import SERVICES
from tests.unit.waiting import limit, until

# The engine as the supervisor starts it, but for where Pacemaker's programs and its CIB are, and how patient it is.
ENGINE = """
import sys
from nova_ha.recovery.memory import requests as attempts
from nova_ha.cluster import pacemaker as cluster, tools
from nova_ha.recovery import cloud_health, daemon, rest
from nova_ha.recovery import engine
from nova_ha.reporting import history_log
cloud_health.COMPLAIN_AFTER, engine.AWAY, rest.AWAIT_RETURN, attempts.SETTLE = 0.5, 0.2, 0.5, 0.2
directory, name = sys.argv[1:]
tools._ENVIRONMENT["PATH"] = directory
cluster.CIB_FILE = directory + "/flag"
cluster.ALERT_FILE = directory + "/fencing"
history_log.ROOT = directory + "/history"
sys.argv[1:] = ["--name", name]
daemon.process()
"""

PROGRAMS = {
    "attrd_updater": "exit 0",
    "crm_node": "echo control-1",
    "crm_mon": '[ -e status.xml ] && exec /bin/cat status.xml; echo "<x><resources/></x>"',
    "cibadmin": r"""
case "$*" in
*evacuate-order*)
    exit 105 ;;
*--replace*)
    for last; do :; done
    value=$(printf %s "$last" | /bin/sed 's/.*value="\([^"]*\)".*/\1/')
    echo "$value" > flag ;;
*primitive*)
    [ -e resources.xml ] && exec /bin/cat resources.xml; exit 105 ;;
*)
    read value < flag || exit 105
    echo "<node uname='compute-1'><instance_attributes>"
    echo "<nvpair id='n' name='evacuate' value='$value'/></instance_attributes></node>" ;;
esac
""",
}


class Engine:
    """One engine's process, and the cluster that it sees: a directory with Pacemaker's programs.

    :param directory: a ``pathlib.Path``
    :param wrapper: a command line to run the engine by
    """

    def __init__(self, directory, wrapper=()):
        self.state = RunState(RESOURCE)
        self.directory = directory
        self.command = [*wrapper, "/usr/bin/python3", "-c", ENGINE, str(directory), RESOURCE]
        (directory / "flag").touch()
        for program, text in PROGRAMS.items():
            self.script(program, text)

    def script(self, program, text):
        """Have one of Pacemaker's programs do this from now on."""
        file = self.directory / program
        draft = file.with_suffix(".new")
        draft.write_text(f"#!/bin/sh\ncd {self.directory}\n{text}\n")
        draft.chmod(0o755)
        draft.replace(file)

    def write(self, file, text):
        """Write a file of the cluster; ``flag`` is the flag of compute-1."""
        (self.directory / file).write_text(text)

    def start(self, given, seconds=20):
        """What the action start does."""
        supervision.start(self.state, given, limit(seconds), self.command)

    def stop(self, seconds=10):
        """What the action stop does."""
        supervision.stop(self.state, limit(seconds))

    def remove(self):
        """Leave nothing of it."""
        if self.pid is not None:
            os.killpg(self.pid, signal.SIGKILL)
            until(lambda: self.pid is None)
        shutil.rmtree(self.state.directory, ignore_errors=True)

    @property
    def pid(self):
        return self.state.holder()

    def children(self):
        """The command lines of the programs that it has running."""
        return [_command_line(pid) for pid in _children(self.pid)]


def signals(monkeypatch):
    """The signals that the supervisor sends from now on: a list that grows."""
    sent = []
    send = supervision.send
    monkeypatch.setattr(supervision, "send", lambda pid, number: sent.append(number) or send(pid, number))
    return sent


def nova_pages(instances):
    """What Nova answers about a dead host compute-1 with that many instances, and a living one."""
    service = {"binary": "nova-compute", "zone": "nova", "updated_at": "2026-01-01T00:00:00.000000"}
    dead = {"state": "down", "status": "disabled", "forced_down": True, "disabled_reason": "nova-ha: being recovered"}
    alive = {"state": "up", "status": "enabled", "forced_down": False, "disabled_reason": None}
    services = [
        {**service, **dead, "id": "s1", "host": "compute-1"},
        {**service, **alive, "id": "s2", "host": "compute-2"},
    ]
    return {
        SERVICES: {"services": services},
        "/v2.1/servers/detail": {"servers": []},
        "/v2.1/servers/detail?all_tenants=True&host=compute-1": {"servers": [_server(n) for n in range(instances)]},
        "/v2.1/os-migrations": {"migrations": []},
        "/v2.1/os-aggregates": {"aggregates": []},
        "/v2.1/flavors/detail": {"flavors": []},
        "/v2/images": {"images": []},
    }


def _server(number):
    return {
        "id": f"i{number}",
        "name": f"web-{number}",
        "OS-EXT-SRV-ATTR:host": "compute-1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:power_state": 1,
        "OS-SRV-USG:launched_at": "2026-11-21T01:00:00.000000",
        "OS-EXT-AZ:availability_zone": "nova",
        "image": "",
        "flavor": {"original_name": "m1", "extra_specs": {}},
        "metadata": {},
        "tenant_id": "p1",
        "tags": [],
        "status": "ACTIVE",
    }


def report(engine):
    """The engine's state and reason, as it last reported them."""
    found = engine.state.read_report()
    return found.get("state"), found.get("reason")


def _children(pid):
    found = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def _command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


def alive_in(group):
    """The processes of a process group that run; those that only wait to be reaped are dead."""
    found = []
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, its_group = file.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(file.parent.name))
    return found


def everything_about(pid):
    """All that ``ps`` and its like can show of a process: its command line and its environment."""
    return b"".join(pathlib.Path(f"/proc/{pid}/{file}").read_bytes() for file in ("cmdline", "environ"))


def files_of(engine):
    """Every file that the engine keeps, by name, as (mode, content)."""
    found = pathlib.Path(engine.state.directory).iterdir()
    return {file.name: (file.stat().st_mode & 0o777, file.read_text()) for file in found}
