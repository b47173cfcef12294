# SPDX-License-Identifier: Apache-2.0
"""How long a host that dies waits for its fencing while the connection to another one, which stays off, is tried.

    /usr/bin/python3 -m tests.benchmarks.connections [--deaths N] [--of LABEL ...]

The lab must be up and idle, and nobody else may use it. Pacemaker decides on nothing new as long as a start of a
connection lasts. For each set of options of the remote connections one host loses its power for good; then another one
dies again and again, at moments left to chance, its connections closed, so that its death is noticed at once. From the
starts in Pacemaker's log follows what a death at any moment would wait: half the square of each start, by all the time.
"""

import argparse
import datetime
import random
import re
import sys
import time

from tests.benchmarks.printing import heading, table
from tests.lab import cluster, faults, healing, history, nodes, power, recorder, settings
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for

GONE, DYING = "compute-1", "compute-2"
_MONITOR = ("monitor", "interval=5", "timeout=15")

# reconnect_interval and the start's timeout (seconds; 0 and 60 are Pacemaker's defaults), by what the table calls them.
OPTIONS = {f"{pause}/{start}": (pause, start) for pause, start in ((0, 60), (5, 60), (5, 15), (60, 60), (60, 15))}
# Seconds: the longest that a start may take, and a host that returns.
LIMIT = 300
# Seconds of chance before a death.
CHANCE = 30

_START = re.compile(
    rf"^(?P<at>\w+ \d+ [\d:.]+) .*(?:(?P<begins>Requesting local execution)|Result) of start operation for {GONE} on"
)


def main(arguments=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deaths", type=int, default=5)
    parser.add_argument("--of", nargs="+", choices=OPTIONS, default=list(OPTIONS))
    chosen = parser.parse_args(arguments)
    lab = settings.Settings.load()
    rows = []
    try:
        for label in chosen.of:
            rows.append(measure(lab, *OPTIONS[label], chosen.deaths))
            print(rows[-1], flush=True)
    finally:
        cluster.set_remote_options(lab, cluster.REMOTE_OPTIONS)
        healing.heal(lab)
    print(heading("seconds until a host is fenced while the connection to another one is tried"))
    columns = ["reconnect_interval", "start timeout", "starts last (% of the time)", "longest start", "mean wait"]
    columns += ["waits seen", "from its fencing until nova-compute runs again"]
    print("\n".join(table(columns, rows)))
    return 0


def measure(lab, pause, start, deaths):
    """A row of the table."""
    healing.heal(lab)
    cluster.set_remote_options(lab, (f"reconnect_interval={pause}", "op", "start", f"timeout={start}", *_MONITOR))
    cluster.pcs(lab, "stonith", "update", f"ipmi-{GONE}", "pcmk_reboot_action=off")
    seen = []
    try:
        with recorder.recording(lab):
            begun = time.time()
            faults.kill(GONE)
            wait_for(f"the connection to {GONE} to be tried", lambda: starts(lab, begun, time.time()), LIMIT)
            # One that does not return in time has said enough.
            while len(seen) < deaths and not (seen and seen[-1][1] is None):
                seen.append(death(lab))
            tried = starts(lab, begun, time.time())
    finally:
        cluster.pcs(lab, "stonith", "update", f"ipmi-{GONE}", "pcmk_reboot_action=")
        power.power_on(GONE, by="benchmark")
    lasted = [end - begin for begin, end in tried]
    over = tried[-1][1] - tried[0][0]
    mean = sum(seconds**2 for seconds in lasted) / 2 / over
    waits, backs = zip(*seen)
    words = " ".join(f"{waited:.0f}" for waited in waits)
    returns = " ".join(f"> {LIMIT}" if back is None else f"{back:.0f}" for back in backs)
    return pause, start, 100 * sum(lasted) / over, max(lasted), mean, words, returns


def death(lab):
    """Have the other host die; the seconds until its fencing is asked for, and from then until it is in service."""
    wait_for(f"{DYING} to be in service", lambda: _is_in_service(lab), LIMIT)
    time.sleep(random.uniform(0, CHANCE))
    died = time.time()
    faults.kill(DYING)
    asked = wait_for("its fencing to be asked for", lambda: _asked_at(died), LIMIT, 0.1)
    wait_for(f"{DYING} to be off", lambda: not _is_in_service(lab), LIMIT)
    try:
        wait_for(f"{DYING} to be back in service", lambda: _is_in_service(lab), LIMIT)
    except LabError:
        return asked - died, None
    return asked - died, time.time() - asked


def starts(lab, since, now):
    """When each start of the connection to the host that is gone began and ended, in the order of time."""
    command = ("grep", f"start operation for {GONE} on", cluster.LOG)
    logs = [nodes.execute(node, *command, check=False).stdout for node in lab.control_nodes]
    found = [start for log in logs for start in read_starts(log, datetime.date.today().year)]
    return sorted((begin, end) for begin, end in found if since <= begin and end <= now)


def read_starts(log, year):
    """The same from one node's log, whose times have no year."""
    began = None
    for line in filter(None, map(_START.search, log.splitlines())):
        at = datetime.datetime.strptime(f"{year} {line['at']} +0000", "%Y %b %d %H:%M:%S.%f %z").timestamp()
        if line["begins"]:
            began = at
        elif began is not None:
            yield began, at
            began = None


def _asked_at(died):
    """When the cluster decided to fence the host that died."""
    asked = [step.time for step in history.read().fencing if step.host == DYING and step.device is None]
    return next((moment for moment in asked if moment > died), None)


def _is_in_service(lab):
    return DYING in cluster.online_nodes(lab) and DYING in cluster.active_nodes(lab, cluster.COMPUTE)


if __name__ == "__main__":
    sys.exit(main())
