# SPDX-License-Identifier: Apache-2.0
"""Safety rule 7: passwords on command lines and in logs, looked for while a run goes on and at its end."""

import contextlib

from tests.lab import exposure
from tests.lab.cloud import identity
from tests.lab.passwords import password
from tests.lab.shell import LabError


@contextlib.contextmanager
def watched(settings):
    """Watch for as long as the block lasts; gives a set, of lines about what leaked, complete once it is over."""
    leaks = set()
    secret = password(f"openstack-{identity.AGENT_USER}")
    logs = exposure.Logs(settings.powered)
    with exposure.watching({"agents": secret}) as seen:
        yield leaks
    # The environment of the agents has it: Pacemaker hands parameters on by it.
    leaks |= {f"the agents' password on a command line on {s.node}: {s.program}" for s in seen if s.place == "cmdline"}
    with contextlib.suppress(LabError):  # a log that takes too long to read
        wanted = (secret, password("bmc"))
        leaks |= {f"a password in a log of {node}" for node, line in logs.added() if any(w in line for w in wanted)}
