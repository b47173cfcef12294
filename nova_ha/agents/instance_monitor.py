# SPDX-License-Identifier: Apache-2.0
"""What the agent NovaInstances does: it starts, watches and stops the process that tells of failed instances.

Monitors of a healthy process end before this module is imported: see ``ocf/NovaInstances`` and
``nova_ha.rundir.engine_state``.
"""

from __future__ import annotations

import re

from nova_ha.agents import framework, supervision
from nova_ha.agents.framework import Action, Deadline
from nova_ha.config import agent_parameters
from nova_ha.config.agent_parameters import Parameter
from nova_ha.rundir.engine_state import RunState

# What messages call the process.
_WHAT = "instance watcher"


def _local_uri(value: str) -> str | None:
    """A check: where the libvirtd of this host listens."""
    good = re.fullmatch(r"[a-z]+(\+unix)?:///\S*", value)
    return None if good else "the URI of a libvirtd on this host, like qemu:///system"


def _interval(value: str) -> str | None:
    """A check: how long to wait between two questions."""
    return None if re.fullmatch("[1-9][0-9]{0,3}", value) else "seconds as a whole number, 1 to 9999"


CONNECTION_URI = Parameter(
    "connection_uri",
    "string",
    "libvirtd's URI",
    "Where libvirtd listens: what connection_uri is in nova.conf, section [libvirt].",
    "qemu:///system",
    check=_local_uri,
)
GUEST_AGENT = Parameter(
    "guest_agent",
    "boolean",
    "Ask guest agents",
    "Whether the guest agents of instances that have one (image property hw_qemu_guest_agent) are asked whether they "
    "are there. An instance whose guest agent has answered before, and does not three times in a row, counts as hung.",
    "false",
    check=agent_parameters.boolean,
)
GUEST_AGENT_INTERVAL = Parameter(
    "guest_agent_interval",
    "integer",
    "Seconds between two questions",
    "Seconds between two rounds in which all guest agents are asked.",
    "20",
    check=_interval,
)
PARAMETERS = (CONNECTION_URI, GUEST_AGENT, GUEST_AGENT_INTERVAL)

SHORT = "Tells the recovery engine which instances of a compute host have failed"
LONG = """
Watches the instances of a compute host that lives, by libvirt's events and states; to be cloned over all compute hosts.
It tells which instances have failed (QEMU crashed, guest panicked, paused by an I/O error or by a watchdog, hung) by a
private node attribute, for as long as they have, and changes nothing. What is done about it is the recovery engine's.

It needs libvirt's Python module, and no credentials of the cloud. A libvirtd that is away does not fail the resource:
it is waited for, and the monitor says so (exit code 190, degraded).
"""


def main() -> None:
    """Be the agent."""
    actions = {
        "start": Action(_start, 60),
        "stop": Action(lambda: supervision.stop(_state(), Deadline(20).left), 20),
        "monitor": Action(lambda: supervision.monitor(_state()), 20, 10),
        "validate-all": Action(lambda: framework.check_parameters(PARAMETERS), 20),
        "meta-data": Action(None, 5),
    }
    framework.run("NovaInstances", SHORT, LONG, PARAMETERS, actions)


def _start() -> None:
    state, given = _state(), framework.check_parameters(PARAMETERS)
    command = ["/usr/bin/python3", "-m", "nova_ha.detect.daemon", "--name", state.name]
    supervision.start(state, for_the_process(given), Deadline(60).left, command)


def for_the_process(given: dict[str, str]) -> dict[str, str]:
    """What the process is to go by, from the parameters that are set: an interval only where agents are asked."""
    values = {each.name: given.get(each.name, each.default or "") for each in PARAMETERS}
    asks = agent_parameters.is_true(values.pop(GUEST_AGENT.name))
    return values if asks else {CONNECTION_URI.name: values[CONNECTION_URI.name]}


def _state() -> RunState:
    return supervision.state_of(_WHAT)
