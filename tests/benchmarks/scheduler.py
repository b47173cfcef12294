# SPDX-License-Identifier: Apache-2.0
"""What Pacemaker's scheduler takes for a cluster of many compute hosts, with and without our location rule.

    /usr/bin/python3 -m tests.benchmarks.scheduler [--hosts N ...]

Needs crm_simulate (Debian's pacemaker-cli-utils), and no cluster: the cluster's information base is written by ``cib``,
as docs/deploy.md has it, with 1 and with 40 hosts flagged. Measured is the CPU of ``crm_simulate --run``, which
uses one core, less that for a cluster of one host. Goal: our rule adds at most a tenth, and not more at a larger size.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from tests.benchmarks import cib, curves
from tests.benchmarks.printing import heading, table

HOSTS = (10, 100, 1000)
FLAGGED = (1, 40)
GOAL = 1.1
# Rounds at most, and hosts in all of them: the scheduler takes half a minute for 1,000.
ROUNDS, HOSTS_IN_ALL = 7, 2000

_START = re.compile(r"^ +\* Start +nova-compute", re.MULTILINE)


def main(arguments=None):
    """Measure and print; returns the exit code: 0 if the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=HOSTS, metavar="N", help="sizes, ascending")
    chosen = parser.parse_args(arguments)
    version = subprocess.run(["crm_simulate", "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    print(heading(f"seconds of CPU of the scheduler, {version.splitlines()[0]}"), flush=True)
    measured = {(hosts, flagged): compared(hosts, flagged) for hosts, flagged in cases(chosen.hosts)}
    return report(measured)


def cases(sizes):
    """What is measured, as (hosts, flagged hosts) pairs."""
    return [(hosts, flagged) for flagged in FLAGGED for hosts in sizes if flagged <= hosts]


def report(measured):
    """Print what was measured; returns 0 if the goal is reached, else 1.

    :param measured: ``{(hosts, flagged): (seconds with our rule, seconds without it)}``
    """
    grown = {}
    for flagged in FLAGGED:
        costs = {hosts: cost for (hosts, which), (cost, _) in measured.items() if which == flagged}
        grown.update({(hosts, flagged): value for hosts, value in curves.growth(costs).items()})
    rows = [
        (hosts, flagged, with_rule, without, with_rule / without, f"<= {GOAL}", 1000 * with_rule / hosts,
         "" if grown[hosts, flagged] is None else f"{grown[hosts, flagged]:.1f}")
        for (hosts, flagged), (with_rule, without) in measured.items()
    ]  # fmt: skip
    columns = ["hosts", "flagged", "with rule", "without", "with : without", "goal", "ms per host", "growth"]
    print("\n".join(table(columns, rows)))
    return 0 if all(with_rule <= GOAL * without for with_rule, without in measured.values()) else 1


def compared(hosts, flagged):
    """Seconds of CPU with and without our rule, less what a cluster of one host takes: the best of several rounds.

    :raises RuntimeError: nova-compute would be started elsewhere than where it should: it is not our rule that is timed
    """
    found = {True: [], False: []}
    with tempfile.TemporaryDirectory() as directory:
        files = {held_back: _written(directory, hosts, flagged, held_back) for held_back in found}
        single = _written(directory, 1, 0, True)
        start = min(run(single)[0] for _ in range(ROUNDS))
        for _ in range(max(1, min(ROUNDS, HOSTS_IN_ALL // hosts))):
            for held_back, seconds in found.items():
                spent, starts = run(files[held_back])
                if starts != (0 if held_back else flagged):
                    raise RuntimeError(f"{starts} starts of nova-compute with {flagged} of {hosts} hosts flagged")
                seconds.append(spent - start)
    return min(found[True]), min(found[False])


def run(file):
    """Run the scheduler; returns its seconds of CPU, and how many starts of nova-compute it wants."""
    with tempfile.TemporaryFile() as output:
        command = ["crm_simulate", "--run", "--xml-file", file]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output)
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        output.seek(0)
        return used.ru_utime + used.ru_stime, len(_START.findall(output.read().decode()))


def _written(directory, hosts, flagged, held_back):
    file = pathlib.Path(directory) / f"{hosts}-{flagged}-{held_back}.xml"
    file.write_text(cib.cluster(hosts, flagged, held_back), encoding="ascii")
    return str(file)


if __name__ == "__main__":
    sys.exit(main())
