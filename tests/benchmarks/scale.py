# SPDX-License-Identifier: Apache-2.0
"""The engine with 1,000 instances on one host: its memory, its requests, its CPU.

    /usr/bin/python3 -m tests.benchmarks.scale [--instances N] [--state STATE] [--latency SECONDS]

The engine runs in a process of its own, with all that it has in production but Pacemaker (a flag in memory), against a
cloud over HTTP (``fakecloud``) that starts guests in a second each. Measured from the flag to the flag's ``no``.
Goals of issue 3: peak memory at most 100 MB, no request for an instance that a list could answer: none that reads one.
"""

import argparse
import concurrent.futures
import json
import logging
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

from nova_ha import config, flag
from nova_ha.account import Account
from nova_ha.engine import Engine
from nova_ha.rules import Rules
from nova_ha.runstate import RunState
from tests.benchmarks import fakecloud
from tests.benchmarks.printing import heading, table
from tests.unit.simulation.cluster import SimulatedCluster

GOAL_MEMORY = 100
LIMIT = 900


def main(arguments=None):
    """Print the figures; returns the exit code: 0 if the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--state", choices=["active", "stopped", "paused"], default="active", help="of all instances")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that Nova takes to answer a change")
    parser.add_argument("--engine", metavar="ADDRESS", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.engine:
        print(json.dumps(run_engine(chosen.engine)))
        return 0
    cloud = fakecloud.FakeCloud(chosen.instances, state=chosen.state, latency=chosen.latency)
    command = [sys.executable, "-m", "tests.benchmarks.scale", "--engine", cloud.address]
    cost = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LIMIT).stdout)
    left = cloud.left()
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
        ("requests in all, without the evacuations", sum(asked.values()) - evacuations(asked), ""),
        ("CPU (s)", cost["cpu"], ""),
        ("seconds from the flag to the flag's no", cost["seconds"], ""),
    ]
    print(heading(f"{chosen.instances} {chosen.state} instances on one host, latency {chosen.latency:g} s"))
    print("\n".join(table(["what", "measured", "goal"], rows)))
    print()
    print("\n".join(table(["request", "times"], sorted(asked.items(), key=lambda pair: -pair[1]))))
    return 0 if left == 0 and single == 0 and cost["peak"] <= GOAL_MEMORY else 1


def evacuations(asked):
    """How many of the requests were evacuations."""
    return sum(count for kind, count in asked.items() if kind.endswith(" evacuate"))


def reads_one_instance(kind):
    """Whether a kind of request (``fakecloud``) reads what a list would tell of all instances at once."""
    return kind.startswith("GET /nova/servers/ID")


def run_engine(address):
    """In a process of its own: recover the host; returns what that cost."""
    logging.getLogger("nova-ha").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as root:
        state = RunState("benchmark", root)
        state.create()
        state.acquire()
        cluster = SimulatedCluster()
        engine = _engine(cluster, state, address)
        engine.one_pass()
        before = _memory("VmRSS")
        begun = time.monotonic()
        cluster.fence(fakecloud.SOURCE)
        threading.Thread(target=_stop_when_recovered, args=(engine, cluster)).start()
        engine.run()
        seconds = time.monotonic() - begun
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "before": before,
        "peak": _memory("VmHWM"),
        "cpu": spent.ru_utime + spent.ru_stime,
        "seconds": seconds,
    }


def _stop_when_recovered(engine, cluster):
    while cluster.values[fakecloud.SOURCE] != flag.RECOVERED:
        time.sleep(0.05)
    engine.stop()


def _engine(cluster, state, address):
    credentials = {"username": "u", "password": "p", "tenant_name": "p", "user_domain": "d", "project_domain": "d"}
    conf = config.load({"auth_url": f"{address}/keystone/v3", **credentials})
    return Engine(
        cluster.seen_from("control-1"),
        config.cloud(conf, before_request=state.progress),
        "benchmark",
        state,
        Account(logging.getLogger("nova-ha")),
        Rules.from_options(conf),
        conf.recovery,
        concurrent.futures.ThreadPoolExecutor(conf.recovery.workers),
    )


def _memory(key):
    """A figure of this process from the kernel, in MB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return int(re.search(rf"{key}:\s+(\d+) kB", file.read())[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
