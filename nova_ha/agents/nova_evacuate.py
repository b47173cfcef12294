# SPDX-License-Identifier: Apache-2.0
"""What the agent NovaEvacuate does: it starts, watches and stops the recovery engine, a process of its own.

Monitors of a healthy engine end before this module is imported: see ``ocf/NovaEvacuate`` and
``nova_ha.rundir.engine_state``.
"""

from __future__ import annotations

import os
import signal
import syslog
import time
from collections.abc import Mapping
from typing import Callable

from nova_ha.agents import core_dumps, framework, supervision
from nova_ha.agents.framework import Action, Deadline, Failure, ocf
from nova_ha.agents.supervision import LOOK
from nova_ha.config.agent_parameters import DEFAULT_CONFIG
from nova_ha.config.agent_parameters import ENGINE as PARAMETERS
from nova_ha.rundir.engine_state import RunState

REQUIRED = ("auth_url", "username", "password", "tenant_name")

SHORT = "Recovery of the instances of dead compute hosts"
LONG = """
Runs the recovery engine, on one control node. When a compute host has been fenced and flagged (fence_compute), the
engine has Nova resurrect the host's instances elsewhere (evacuate, in the words of Nova's API), each exactly once, and
tries until all of them run; then it gives the host back. If it dies, it goes on where it was on whichever node it is
started next.

A cloud that is away does not fail the resource: the engine waits for it. A cloud that refuses the engine does, when it
starts; refused later, it waits, and its monitor says so (exit code 190, degraded).

Keep it on control nodes with a location rule, and do not clone it. auth_url, username, password and tenant_name are
required, unless a configuration file (config) gives them.
"""


def main() -> None:
    """Be the agent."""
    actions = {
        "start": Action(_start, 60),
        "stop": Action(_stop, 20),
        "monitor": Action(_monitor, 20, 10),
        "reload-agent": Action(_reload, 20),
        "validate-all": Action(check_configuration, 20),
        "meta-data": Action(None, 5),
    }
    # Pacemaker hands it the password.
    core_dumps.leave_none()
    # Exit reasons go to the log, too: under the name that the engine's own lines have.
    syslog.openlog(f"NovaEvacuate({ocf.OCF_RESOURCE_INSTANCE or ''})", syslog.LOG_PID, syslog.LOG_DAEMON)
    framework.run("NovaEvacuate", SHORT, LONG, PARAMETERS, actions)


def _start() -> None:
    state, given = _state(), check_configuration()
    command = ["/usr/bin/python3", "-m", "nova_ha.recovery.daemon", "--name", state.name]
    supervision.start(state, given, Deadline(60).left, command)


def _stop() -> None:
    supervision.stop(_state(), Deadline(20).left)


def _monitor() -> None:
    supervision.monitor(_state())


def _reload() -> None:
    # Their values are checked by the engine: an exit code that says what is wrong with them would have it stopped.
    given = framework.values()
    changes = {known.name: given[known.name] for known in PARAMETERS if known.reloadable and known.name in given}
    reload(_state(), changes, Deadline(20).left)


def _state() -> RunState:
    return supervision.state_of("engine")


def check_configuration() -> dict[str, str]:
    """Demand a configuration that the engine can work with, as far as can be told without the cloud.

    :return: the parameters that are set, by name
    :raises Failure: OCF_ERR_CONFIGURED; OCF_ERR_INSTALLED where this node lacks a file that another may have
    """
    given = framework.check_parameters(PARAMETERS)
    if framework.meta("clone") is not None:
        framework.check(["it must not be cloned: there must be one engine only"])
    config = given.get("config", DEFAULT_CONFIG)
    if os.path.isfile(config):
        return given
    if "config" in given:
        raise Failure(ocf.OCF_ERR_INSTALLED, f"config: {config} is not a file on this node")
    missing = [name for name in REQUIRED if name not in given]
    if len(missing) == len(REQUIRED):
        wanted = f"set {', '.join(missing)}, or put them into {config}"
        raise Failure(ocf.OCF_ERR_INSTALLED, f"{config} is not on this node: {wanted}")
    framework.check(f"{name}: required, and not set (nor is there {config})" for name in missing)
    return given


def reload(state: RunState, changes: Mapping[str, str], left: Callable[[], float]) -> None:
    """Have the running engine take over parameters, and its configuration file; what will not do it complains of.

    :param changes: all that is set of what can be taken over, by name
    :param left: says how many seconds the operation has still
    :raises Failure: no engine runs
    """
    pid = supervision.running(state, "it is not told to read its configuration anew")
    if pid is None:
        raise Failure(ocf.OCF_NOT_RUNNING, "the engine does not run")
    state.hand_over(changes)
    supervision.send(pid, signal.SIGHUP)
    while not state.is_handed_over() and left() > LOOK:
        if state.holder() != pid:
            raise Failure(ocf.OCF_ERR_GENERIC, f"the engine ended: {supervision.end_of(state)}")
        time.sleep(LOOK)
    # While it waits for a slow answer it cannot; it will as soon as that is there.
    done = "has read" if state.is_handed_over() else "is about to read"
    ocf.logger.info(f"the engine {done} its configuration anew")
