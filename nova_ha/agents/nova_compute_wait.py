# SPDX-License-Identifier: Apache-2.0
"""What the agent nova-compute-wait does: its start takes as long as the host is being recovered.

Monitors of what was started end before this module is imported: see ``ocf/nova-compute-wait``.
"""

from __future__ import annotations

from nova_ha.agents import framework, recovery_gate
from nova_ha.agents.framework import Action, Deadline, Failure, ocf
from nova_ha.rundir.started import Passed

PARAMETERS = recovery_gate.PARAMETERS

SHORT = "Holds nova-compute back while its host is being recovered"
LONG = """
For clouds in which nova-compute is a resource of class systemd: cloned over all compute hosts, and ordered before the
clone of nova-compute. (NovaCompute does both by itself.)

A host that was fenced is flagged by a node attribute (evacuate) until its instances are recovered elsewhere. As long
as the flag stands, start waits, and nova-compute with it; when its timeout comes near it fails, and says why. While
start waits, Pacemaker fences no other host that dies. A location rule on that attribute keeps the cluster from trying
at all: have it, and failure-timeout.
"""


def main() -> None:
    """Be the agent."""
    actions = {
        "start": Action(_start, 600),
        "stop": Action(lambda: Passed(framework.instance()).clear(), 20),
        "monitor": Action(_monitor, 20, 10),
        "reload-agent": Action(_check, 20),
        "validate-all": Action(_check, 20),
        "meta-data": Action(None, 5),
    }
    framework.run("nova-compute-wait", SHORT, LONG, PARAMETERS, actions)


def _start() -> None:
    given, passed = framework.check_parameters(PARAMETERS), Passed(framework.instance())
    recovery_gate.wait(given, Deadline(600).left)
    passed.set()


def _monitor() -> None:
    if not Passed(framework.instance()).is_set():
        raise Failure(ocf.OCF_NOT_RUNNING)


def _check() -> None:
    framework.check_parameters(PARAMETERS)
