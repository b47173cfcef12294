# SPDX-License-Identifier: Apache-2.0
"""What the monitors of the OCF agents cost, beside a bare interpreter and beside a shell that has done nothing yet.

    /usr/bin/python3 -m tests.benchmarks.monitors [--rounds N]

As root, and on a quiet machine; no cluster is needed. The agents are run as Pacemaker runs them, on a process that is
remembered and on an engine that works (this program plays both), each in turn, so that what else the machine does
meets all of them. Goal of issue 5: at most 1.5 times a bare interpreter.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import sys
import time

from nova_ha.rundir import ROOT
from nova_ha.rundir.engine_state import WORKING, RunState
from nova_ha.rundir.pidfile import Record
from tests.benchmarks.printing import heading, table

GOAL = 1.5
NAME = "nova-ha-benchmark"
TREE = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = "/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs"
BARE = "python3 -I -S -c pass"
COMMANDS = {
    BARE: ("/usr/bin/python3", "-I", "-S", "-c", "pass"),
    "sh: . ocf-shellfuncs": ("/bin/sh", "-c", f". {FUNCTIONS}"),
    "bash: . ocf-shellfuncs": ("/bin/bash", "-c", f". {FUNCTIONS}"),
    "NovaCompute monitor": (str(TREE / "ocf/NovaCompute"), "monitor"),
    "NovaEvacuate monitor": (str(TREE / "ocf/NovaEvacuate"), "monitor"),
    "NovaInstances monitor": (str(TREE / "ocf/NovaInstances"), "monitor"),
}
MONITORS = tuple(name for name in COMMANDS if name.endswith("monitor"))
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "OCF_ROOT": "/usr/lib/ocf",
    "OCF_RESOURCE_INSTANCE": NAME,
    "OCF_RESKEY_CRM_meta_interval": "10000",
    "OCF_RESKEY_CRM_meta_timeout": "20000",
}


def main(arguments=None):
    """Measure and print; returns the exit code: 0 if the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    chosen = parser.parse_args(arguments)
    engine, remembered = RunState(NAME), Record(NAME)
    try:
        engine.acquire()
        engine.report(WORKING, "no host is flagged")
        remembered.remember(os.getpid())
        costs = measure(chosen.rounds, engine.progress)
    finally:
        remembered.forget()
        shutil.rmtree(f"{ROOT}/{NAME}", ignore_errors=True)
    return report(chosen.rounds, costs)


def measure(rounds, before_each):
    """Seconds of CPU and of wall time that each command takes, as ``{name: (CPU, wall)}``: medians.

    :param before_each: called before each round
    """
    found = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        before_each()
        for name, command in COMMANDS.items():
            found[name].append(cost(command))
    return {name: tuple(map(statistics.median, zip(*runs))) for name, runs in found.items()}


def cost(command):
    """Seconds of CPU and of wall time that one run of a command takes.

    :raises RuntimeError: it failed, so that nothing was measured
    """
    begun = time.perf_counter()
    pid = os.posix_spawn(command[0], command, ENVIRONMENT)
    _pid, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, wall


def report(rounds, costs):
    """Print what was measured; returns 0 if the goal is reached, else 1."""
    bare = costs[BARE]
    ratios = {name: [value / base for value, base in zip(cost, bare)] for name, cost in costs.items()}
    rows = [
        (name, 1000 * cpu, 1000 * wall, *ratios[name], f"<= {GOAL:g}" if name in MONITORS else "")
        for name, (cpu, wall) in costs.items()
    ]
    print(heading(f"one monitor of a healthy resource, medians of {rounds} rounds"))
    print("\n".join(table(["what", "CPU (ms)", "wall (ms)", "CPU, of bare", "wall, of bare", "goal"], rows)))
    return 0 if all(ratio <= GOAL for name in MONITORS for ratio in ratios[name]) else 1


if __name__ == "__main__":
    sys.exit(main())
