# SPDX-License-Identifier: Apache-2.0
"""The engine with 1,000 instances on one host: its memory, its requests, its CPU.

    /usr/bin/python3 -m tests.benchmarks.scale [--instances N] [--state STATE] [--latency SECONDS]

The engine runs in a process of its own, with all that it has in production but Pacemaker (a flag in memory), against a
cloud over HTTP (``fakecloud``) that starts guests in a second each. Measured from the flag to the flag's ``no``.
Goals of issue 3: peak memory at most 100 MB, no request for an instance that a list could answer: none that reads one.
"""

import argparse
import sys

from tests.benchmarks import engineprocess, fakecloud
from tests.benchmarks.printing import heading, table

GOAL_MEMORY = 100


def main(arguments=None):
    """Print the figures; returns the exit code: 0 if the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--state", choices=["active", "stopped", "paused"], default="active", help="of all instances")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that Nova takes to answer a change")
    chosen = parser.parse_args(arguments)
    cloud = fakecloud.FakeCloud(chosen.instances, state=chosen.state, latency=chosen.latency)
    cost = engineprocess.recovery(cloud, 1)
    left = cloud.left(1)
    cloud.close()
    return report(chosen, cloud.asked, cost, left)


def report(chosen, asked, cost, left):
    """Print what was counted; returns 0 if the goals are reached, else 1."""
    single = sum(count for kind, count in asked.items() if reads_one_instance(kind))
    rows = [
        ("instances left on the host", left, "0"),
        ("peak memory (MB)", cost["peak"], f"<= {GOAL_MEMORY}"),
        ("memory before the flag (MB)", cost["before"], ""),
        ("requests that read one instance", single, "0"),
        ("requests in all, without the evacuations", sum(asked.values()) - engineprocess.evacuations(asked), ""),
        ("CPU (s)", cost["cpu"], ""),
        ("seconds from the flag to the flag's no", cost["seconds"], ""),
    ]
    print(heading(f"{chosen.instances} {chosen.state} instances on one host, latency {chosen.latency:g} s"))
    print("\n".join(table(["what", "measured", "goal"], rows)))
    print()
    print("\n".join(table(["request", "times"], sorted(asked.items(), key=lambda pair: -pair[1]))))
    return 0 if left == 0 and single == 0 and cost["peak"] <= GOAL_MEMORY else 1


def reads_one_instance(kind):
    """Whether a kind of request (``fakecloud``) reads what a list would tell of all instances at once."""
    return kind.startswith("GET /nova/servers/ID")


if __name__ == "__main__":
    sys.exit(main())
