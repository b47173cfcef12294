# SPDX-License-Identifier: Apache-2.0
"""What the engine costs while nothing is wrong, with 1,000 hosts known to the cluster, on the lab.

    /usr/bin/python3 -m tests.benchmarks.idle [--hosts N] [--seconds N]

The lab must be up and idle, and nobody else may use it. The hosts are entries in the cluster's configuration, removed
at the end; what is counted is the engine's process and every program that it starts. Goals of issue 3: at most 0.5 % of
a core, at most 60 MB.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import re
import sys
import time

from nova_ha.rundir import ROOT
from tests.benchmarks.printing import heading, table
from tests.lab import cluster, nodes, settings
from tests.lab.waiting import wait_for

GOAL_CPU, GOAL_MEMORY = 0.5, 60.0
TICKS = 100  # a second, in /proc/PID/stat: the same on every Linux that Debian runs on
PREFIX = "benchmark-"
# Seconds until the cluster has worked out what a change means (a minute with 1,000 hosts), and looks, a second apart,
# at which it must be found idle.
SETTLE_LIMIT, CALM = 300, 5


@dataclasses.dataclass(frozen=True)
class Reading:
    """The engine's process at one moment.

    :param pid: its id
    :param own: seconds of CPU of itself
    :param children: seconds of CPU of the programs that it started, once they ended
    :param memory: MB that it holds
    """

    pid: int
    own: float
    children: float
    memory: float


def main(arguments=None):
    """Measure and print; returns the exit code: 0 if the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=120)
    chosen = parser.parse_args(arguments)
    lab = settings.Settings.load()
    node = cluster.active_on(lab, cluster.ENGINE)
    with known_hosts(lab, chosen.hosts):
        before, begun = read(node), time.monotonic()
        time.sleep(chosen.seconds)
        after, seconds = read(node), time.monotonic() - begun
    if before.pid != after.pid:
        print(f"the engine has not lived through the {chosen.seconds} s: nothing was measured")
        return 1
    return report(chosen.hosts, before, after, seconds)


def report(hosts, before, after, seconds):
    """Print what was measured between two readings; returns 0 if the goals are reached, else 1."""
    own, children = (100 * used / seconds for used in (after.own - before.own, after.children - before.children))
    rows = [
        ("CPU of the engine (% of a core)", own, ""),
        ("CPU of the programs that it starts", children, ""),
        ("CPU in all", own + children, f"<= {GOAL_CPU}"),
        ("memory (MB)", after.memory, f"<= {GOAL_MEMORY:g}"),
    ]
    print(heading(f"idle for {seconds:.0f} s, {hosts} hosts more in the cluster"))
    print("\n".join(table(["what", "measured", "goal"], rows)))
    return 0 if own + children <= GOAL_CPU and after.memory <= GOAL_MEMORY else 1


@contextlib.contextmanager
def known_hosts(lab, count):
    """So many remote nodes are in the cluster's configuration; the block begins when the cluster has digested them."""
    entries = "".join(
        f'<node id="{PREFIX}{number}" uname="{PREFIX}{number}" type="remote"/>' for number in range(count)
    )
    control = cluster.any_control(lab)
    change = ("cibadmin", "--modify", "--scope", "nodes", "--xml-pipe")
    try:
        if count:
            nodes.execute(control, *change, stdin=f"<nodes>{entries}</nodes>")
        _settled(control)
        yield
    finally:
        which = f"//nodes/node[starts-with(@id,'{PREFIX}')]"
        nodes.execute(control, "cibadmin", "--delete-all", "--force", "--xpath", which)
        _settled(control)


def _settled(control):
    """Wait until the cluster has nothing to do, and that is not just because it has not begun yet."""
    looks = collections.deque(maxlen=CALM)

    def calm():
        looks.append(_is_idle(control))
        return len(looks) == CALM and all(looks)

    wait_for("the cluster to settle", calm, SETTLE_LIMIT, 1, cluster.LOOK)


def _is_idle(control):
    leader = nodes.execute(control, "crmadmin", "--quiet", "--dc_lookup").stdout.strip()
    return "S_IDLE" in nodes.execute(control, "crmadmin", "--status", leader).stdout


def read(node):
    """A ``Reading`` of the engine on a control node."""
    report = nodes.execute(node, "cat", f"{ROOT}/{cluster.ENGINE}/status.json").stdout
    pid = json.loads(report)["pid"]
    found = nodes.execute(node, "cat", f"/proc/{pid}/stat", f"/proc/{pid}/status").stdout
    return reading(pid, *found.split("\n", 1))


def reading(pid, stat, status):
    """A ``Reading`` from what the kernel says of a process (proc(5))."""
    # The name, in brackets, may hold blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    own_user, own_system, children_user, children_system = map(int, fields[11:15])
    memory = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
    return Reading(pid, (own_user + own_system) / TICKS, (children_user + children_system) / TICKS, memory / 1024)


if __name__ == "__main__":
    sys.exit(main())
