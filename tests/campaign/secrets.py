# SPDX-License-Identifier: Apache-2.0
"""Safety rule 7: passwords on command lines and in logs, looked for while a run goes on and at its end."""

import contextlib

from tests.lab import cluster, exposure, nodes
from tests.lab.cloud import identity
from tests.lab.passwords import password
from tests.lab.shell import LabError

# How many lines of a node's logs have one of the passwords that come on standard input.
_COUNT = "cat >/run/secrets.$$; (cat /var/log/pacemaker/pacemaker.log; journalctl -o cat) | grep -cF -f /run/secrets.$$"
_COUNT += "; rm /run/secrets.$$"


@contextlib.contextmanager
def watched(settings):
    """Watch for as long as the block lasts; gives a set, of lines about what leaked, complete once it is over."""
    leaks = set()
    secret = password(f"openstack-{identity.AGENT_USER}")
    before = _counts(settings, secret)
    with exposure.watching({"agents": secret}) as seen:
        yield leaks
    # The environment of the agents has it: Pacemaker hands parameters on by it.
    leaks |= {f"the agents' password on a command line on {s.node}: {s.program}" for s in seen if s.place == "cmdline"}
    after = _counts(settings, secret)
    for node in before.keys() & after.keys():
        if after[node] > before[node]:
            leaks.add(f"the logs of {node} have {after[node] - before[node]} new lines with a password")


def _counts(settings, secret):
    """How many lines of the logs of each node that runs have a password."""
    wanted = f"{secret}\n{password('bmc')}\n"
    found = {}

    def count(node):
        with contextlib.suppress(LabError, ValueError):
            found[node] = int(nodes.execute(node, "sh", "-c", _COUNT, stdin=wanted, check=False).stdout)

    cluster.on_each(settings.powered, count)
    return found
