# SPDX-License-Identifier: Apache-2.0
"""What the engine costs by the size of the cloud: an idle hour, one failed host, a failed rack.

    /usr/bin/python3 -m tests.benchmarks.growth [--hosts N ...] [--moments MOMENT ...] [--spawn SECONDS]
        [--latency SECONDS] [--plot FILE] [--profile FILE]

The engine runs as in ``scale``; each host has 50 instances. An idle hour is run in fast motion: its passes, without the
pauses between them, and without what Pacemaker's programs take (``idle`` counts both, on the lab). A failed rack are 40
hosts that are flagged at once; it is over when all flags are ``no``. ``best`` is how soon that could be: with as many
in flight as may be, each of which takes a guest's start. ``growth`` is what a host of the cloud costs, against what it
costs in the cloud of the size before: 1 is linear, and the goal is no more.
"""

import argparse
import dataclasses
import math
import pathlib
import pstats
import sys

from nova_ha.config import loader
from tests.benchmarks import curves, engineprocess, fakecloud
from tests.benchmarks.printing import heading, table

HOSTS = (10, 100, 1000, 5000)
INSTANCES = 50
IDLE = "idle hour"
FLAGGED = {"one failed host": 1, "failed rack": 40}
# Above one, as no two measurements are the same.
GOAL = 1.1
FIGURES = ("seconds", "cpu", "requests", "peak")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a moment has cost.

    :param seconds: until all flags were ``no``; of an idle hour: for its passes
    :param cpu: seconds of CPU
    :param requests: all that Nova and Glance were asked for
    :param peak: MB of memory at most
    :param left: instances that are still on the failed hosts
    :param evacuations: those of the requests that were evacuations
    """

    seconds: float
    cpu: float
    requests: int
    peak: float
    left: int = 0
    evacuations: int = 0


def main(arguments=None):
    """Measure and print; returns the exit code: 0 if the goal is reached."""
    moments = [IDLE, *FLAGGED]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=HOSTS, metavar="N", help="sizes, ascending")
    parser.add_argument(
        "--moments", choices=moments, nargs="+", default=moments, metavar="MOMENT", help="by default all"
    )
    parser.add_argument("--spawn", type=float, default=1.0, metavar="SECONDS", help="what the start of a guest takes")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="what Nova takes to answer whatever is read"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the curves into this SVG file, too")
    parser.add_argument("--profile", metavar="FILE", help="keep the last recovery's profile, and print its head")
    chosen = parser.parse_args(arguments)
    measured = {}
    for moment in chosen.moments:
        sizes = [hosts for hosts in chosen.hosts if hosts > FLAGGED.get(moment, 0)]
        print(heading(f"{moment}, {chosen.spawn:g} s for a guest's start, {chosen.latency:g} s to read"), flush=True)
        measured[moment] = {hosts: measure(moment, hosts, chosen) for hosts in sizes}
        print("\n".join([*rows_of(measured[moment]), *best(moment, chosen.spawn), ""]), flush=True)
    if chosen.profile:
        pstats.Stats(chosen.profile).sort_stats("tottime").print_stats(25)
    if chosen.plot:
        pathlib.Path(chosen.plot).write_text(curves.picture(panels(measured)), encoding="ascii")
    return 0 if all(map(is_good, measured.values())) else 1


def measure(moment, hosts, chosen):
    """The ``Cost`` of a moment in a cloud of that size.

    :param chosen: what the command line says of ``spawn``, ``latency`` and ``profile``
    """
    cloud = fakecloud.FakeCloud(INSTANCES, hosts, spawn_seconds=chosen.spawn, read_latency=chosen.latency)
    flagged = FLAGGED.get(moment, 0)
    cost = engineprocess.recovery(cloud, flagged, chosen.profile) if flagged else engineprocess.idle_hour(cloud)
    left = cloud.left(flagged)
    cloud.close()
    evacuations = engineprocess.evacuations(cloud.asked)
    return Cost(cost["seconds"], cost["cpu"], sum(cloud.asked.values()), cost["peak"], left, evacuations)


def growths(costs):
    """Of each figure its growth by size, as ``{figure: {size: growth}}``.

    :param costs: ``{size: Cost}``
    """
    return {name: curves.growth({size: getattr(cost, name) for size, cost in costs.items()}) for name in FIGURES}


def is_good(costs):
    """Whether no instance is left behind, and nothing grows faster than the cloud."""
    grown = [value for found in growths(costs).values() for value in found.values() if value is not None]
    return not any(cost.left for cost in costs.values()) and all(value <= GOAL for value in grown)


def rows_of(costs):
    """The table of a moment, as lines."""
    grown = growths(costs)
    rows = [
        [size, *(cell for name in FIGURES for cell in (getattr(cost, name), _shown(grown[name][size])))]
        + [cost.left, f"{cost.requests / cost.evacuations:.2f}" if cost.evacuations else ""]
        for size, cost in costs.items()
    ]
    columns = ["hosts", "seconds", "growth", "CPU (s)", "growth", "requests", "growth", "peak MB", "growth"]
    columns += ["left", "requests per instance"]
    return table(columns, rows)


def best(moment, spawn):
    """A line that says how soon the recovery of a moment could be over at best; none of an idle hour."""
    if moment == IDLE:
        return []
    rounds = math.ceil(FLAGGED[moment] * INSTANCES / loader.load({}).recovery.in_flight)
    return [f"best: {rounds * spawn:g} seconds"]


def _shown(growth):
    return "" if growth is None else f"{growth:.2f}"


def panels(measured):
    """What is drawn: each figure of each moment that was measured."""
    titles = {"cpu": "CPU, seconds", "seconds": "until all flags are no, seconds", "peak": "memory at most, MB"}
    found = []
    for figure, title in {**titles, "requests": "requests"}.items():
        shown = {moment: costs for moment, costs in measured.items() if figure != "seconds" or moment != IDLE}
        lines = {
            moment: {size: getattr(cost, figure) for size, cost in costs.items()} for moment, costs in shown.items()
        }
        if lines:
            found.append(curves.Panel(title, lines))
    return found


if __name__ == "__main__":
    sys.exit(main())
