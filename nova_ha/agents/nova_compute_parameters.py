# SPDX-License-Identifier: Apache-2.0
"""What NovaCompute says of itself: its parameters, and what it is for."""

from __future__ import annotations

from nova_ha.agents import recovery_gate
from nova_ha.compute.container import ENGINES
from nova_ha.compute.process import BINARY, LOGS, USER
from nova_ha.compute.service import PATIENCE
from nova_ha.compute.systemd import UNITS
from nova_ha.config import agent_parameters
from nova_ha.config.agent_parameters import Parameter

ANSWERS = "answer"


RUNS = "process"


PARAMETERS = (
    *recovery_gate.PARAMETERS,
    Parameter(
        "unit",
        "string",
        "nova-compute's systemd unit",
        f"The systemd unit of nova-compute. Without it, the first of {', '.join(UNITS)} that runs or is installed. It "
        "should not be enabled in systemd, which would start it at boot whether or not the host is being recovered.",
        check=agent_parameters.unit_name,
    ),
    Parameter(
        "binary",
        "string",
        "nova-compute's program, to run without systemd",
        "nova-compute's program, a path or a name. If this, config_files or user is set, it is run as a process of its "
        "own, and systemd is not asked; likewise where there is no systemd. What it writes to nowhere else goes to "
        f"{LOGS}/RESOURCE.log.",
        BINARY,
        check=agent_parameters.program,
    ),
    Parameter(
        "config_files",
        "string",
        "Configuration files of binary",
        "Configuration files that binary is given (--config-file), separated by spaces. Without them it looks for its "
        "own, as /etc/nova/nova.conf.",
        check=agent_parameters.absolute_paths,
    ),
    Parameter("user", "string", "User of binary", "The user that binary runs as.", USER, check=agent_parameters.word),
    Parameter(
        "container",
        "string",
        "nova-compute's container",
        "The container in which nova-compute runs. If set, it is started and stopped, and systemd is not asked. It "
        "has to be there already, with no restart policy that starts it at boot.",
        check=agent_parameters.container_name,
    ),
    Parameter(
        "container_engine",
        "string",
        "What runs the container",
        f"{' or '.join(ENGINES)}. Without it, the first of them that is installed.",
        check=agent_parameters.one_of(ENGINES),
    ),
    Parameter(
        "started_when",
        "string",
        "When nova-compute counts as started",
        f"{ANSWERS}: when it answers on Nova's message bus, so that Nova can work with it; after {PATIENCE} s at the "
        "latest, if its process is there, since Pacemaker fences no other host while a start lasts. It is asked with "
        f"its own configuration and credentials. {RUNS}: as soon as its process is there.",
        ANSWERS,
        check=agent_parameters.one_of((ANSWERS, RUNS)),
        reloadable=True,
    ),
)


# Each group says how nova-compute is run; one of them at most can be meant.
DIRECT = ("binary", "config_files", "user")


WAYS = (("unit",), DIRECT, ("container", "container_engine"))


SHORT = "nova-compute on a compute host"


LONG = """
Starts, stops and monitors nova-compute on a compute host; to be cloned over all compute hosts. It is a systemd unit
(found by itself, or unit), a process of its own (binary, or where there is no systemd), or a container (container).

A host that was fenced is flagged by a node attribute (evacuate) until its instances are recovered elsewhere. As long
as the flag stands, start fails at once, and says why. A location rule on that attribute keeps the cluster from trying
at all; failure-timeout has it try again.

The monitor looks whether nova-compute's process is there. With OCF_CHECK_LEVEL=10 it asks nova-compute on Nova's
message bus, and fails if that does not answer within the operation's timeout (60 s are advised) while Nova's conductor
does: op monitor interval=61s timeout=60s OCF_CHECK_LEVEL=10.
"""
