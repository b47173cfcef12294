# SPDX-License-Identifier: Apache-2.0
"""What the engine costs, in a process of its own with all that it has in production but Pacemaker (flags in memory).

The benchmarks without a lab start it against a ``fakecloud`` and get its figures back: seconds of CPU (``cpu``) and of
wall time (``seconds``), MB of memory at the beginning (``before``) and at most (``peak``).
"""

import argparse
import concurrent.futures
import json
import logging
import re
import subprocess
import sys
import tempfile
import threading
import time

from nova_ha.config import loader
from nova_ha.model import flag
from nova_ha.policy.rules import Rules
from nova_ha.recovery.engine import Engine
from nova_ha.recovery.observe.parallel import Readers
from nova_ha.reporting.status_report import Account
from nova_ha.rundir.engine_state import RunState
from tests.benchmarks import fakecloud
from tests.unit.simulation.cluster import SimulatedCluster

LIMIT = 1800  # seconds
HOUR = 3600.0


def recovery(cloud, hosts, profile=None):
    """What the recovery of a cloud's first hosts costs, which are flagged at once, until all flags are ``no``.

    :param hosts: how many
    :param profile: file for what cProfile finds of the main thread, or None
    """
    options = ["--profile", profile] if profile else []
    return _run(cloud, "--flag", str(hosts), *options)


def idle_hour(cloud):
    """What the passes of an hour cost in which no host is flagged; without the pauses between them."""
    return _run(cloud)


def evacuations(asked):
    """How many requests were evacuations, of those that a ``fakecloud`` has counted."""
    return sum(count for kind, count in asked.items() if kind.endswith(" evacuate"))


def _run(cloud, *options):
    command = [sys.executable, "-m", "tests.benchmarks.engineprocess", cloud.address, *options]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LIMIT).stdout)


# In the process


def main():
    """Do what ``recovery`` and ``idle_hour`` ask for, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("--flag", type=int, default=0, metavar="HOSTS")
    parser.add_argument("--profile", metavar="FILE")
    chosen = parser.parse_args()
    logging.getLogger("nova-ha").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as root:
        state = RunState("benchmark", root)
        state.create()
        state.acquire()
        cluster, clock = SimulatedCluster(), _Clock()
        engine = _engine(cluster, state, chosen.address, time.monotonic if chosen.flag else clock)
        engine.one_pass()  # connects
        before, spent, begun = _memory("VmRSS"), time.process_time(), time.monotonic()
        if chosen.flag:
            hosts = [fakecloud.name(number) for number in range(chosen.flag)]
            _profiled(chosen.profile, lambda: _recover(engine, cluster, hosts))
        else:
            _idle(engine, clock)
        figures = {"cpu": time.process_time() - spent, "seconds": time.monotonic() - begun}
    print(json.dumps({**figures, "before": before, "peak": _memory("VmHWM")}))


def _recover(engine, cluster, hosts):
    for host in hosts:
        cluster.fence(host)
    threading.Thread(target=_stop_when_recovered, args=(engine, cluster, hosts)).start()
    engine.run()


def _stop_when_recovered(engine, cluster, hosts):
    while any(cluster.values[host] != flag.RECOVERED for host in hosts):
        time.sleep(0.05)
    engine.stop()


class _Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def _idle(engine, clock):
    end = clock.now + HOUR
    while clock.now < end:
        clock.now += engine.one_pass()


def _profiled(file, work):
    if not file:
        work()
        return
    import cProfile

    profiler = cProfile.Profile()
    profiler.runcall(work)
    profiler.dump_stats(file)


def _engine(cluster, state, address, clock):
    credentials = {"username": "u", "password": "p", "tenant_name": "p", "user_domain": "d", "project_domain": "d"}
    conf = loader.load({"auth_url": f"{address}/keystone/v3", **credentials})
    return Engine(
        cluster.seen_from("control-1"),
        loader.cloud(conf, before_request=state.progress),
        "benchmark",
        state,
        Account(logging.getLogger("nova-ha")),
        Rules.from_options(conf),
        conf.recovery,
        concurrent.futures.ThreadPoolExecutor(conf.recovery.workers),
        Readers(),
        clock,
    )


def _memory(key):
    """A figure of this process from the kernel, in MB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return int(re.search(rf"{key}:\s+(\d+) kB", file.read())[1]) / 1024


if __name__ == "__main__":
    main()
