# SPDX-License-Identifier: Apache-2.0
"""Safety rule 7: passwords on command lines and in logs, looked for while a run goes on and at its end."""

import contextlib
import pathlib
import threading

from tests.lab import cluster, nodes
from tests.lab.cloud import identity
from tests.lab.passwords import password
from tests.lab.shell import LabError

# Seconds between two looks at all command lines.
INTERVAL = 1.0
# How often passwords that come on standard input stand in the node's logs.
_COUNT = "cat >/run/secrets.$$; (cat /var/log/pacemaker/pacemaker.log; journalctl -o cat) | grep -cF -f /run/secrets.$$"
_COUNT += "; rm /run/secrets.$$"


@contextlib.contextmanager
def watched(settings):
    """Watch for as long as the block lasts; gives a set, of lines about what leaked."""
    leaks = set()
    over = threading.Event()
    secret = password(f"openstack-{identity.AGENT_USER}")
    before = _counts(settings)

    def watch():
        while not over.wait(INTERVAL):
            leaks.update(_on_command_lines(secret.encode()))

    thread = threading.Thread(target=watch, name="secrets", daemon=True)
    thread.start()
    try:
        yield leaks
    finally:
        over.set()
        thread.join()
    after = _counts(settings)
    for node in before.keys() & after.keys():
        if after[node] > before[node]:
            leaks.add(f"the logs of {node} have {after[node] - before[node]} new lines with a password")


def _on_command_lines(secret):
    # The containers' processes are the machine's, too.
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if secret in (process / "cmdline").read_bytes():
                name = (process / "comm").read_text().strip()
                yield f"the agents' password was on the command line of {name}"


def _counts(settings):
    """How many lines of the logs of each node that runs have a password."""
    wanted = "\n".join((password(f"openstack-{identity.AGENT_USER}"), password("bmc"))) + "\n"
    found = {}

    def count(node):
        with contextlib.suppress(LabError, ValueError):
            found[node] = int(nodes.execute(node, "sh", "-c", _COUNT, stdin=wanted, check=False).stdout)

    cluster.on_each(settings.powered, count)
    return found
