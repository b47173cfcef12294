# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha check`` takes for a cluster of many compute hosts.

    /usr/bin/python3 -m tests.benchmarks.check [--hosts N ...]

The cluster's information base is written by ``cib``; Pacemaker's programs and the cloud answer at once, from memory. So
this is what we add to them: parsing, all checks, and what is printed. Twice: as ``cib`` writes it, and with a fault at
each host (no level flags it). Goal: 10 s at 300 hosts, of which Pacemaker's programs take their share.
"""

import argparse
import sys
import time
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from nova_ha.checks import gather, registry
from nova_ha.cli import check, colour
from nova_ha.cluster.survey import Survey
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.room import HostRoom, Room
from nova_ha.model.snapshot import Service, Services
from tests.benchmarks import cib
from tests.benchmarks.printing import heading, table

HOSTS = (100, 300, 1000)
GOAL_HOSTS, GOAL = 300, 10.0
WIDTH = 120


class Pacemaker:
    """Answers Pacemaker's programs for a cluster of so many hosts.

    :param flags: whether each level ends in the device that flags
    """

    def __init__(self, hosts, flags=True):
        text = cib.cluster(hosts)
        self._cib = text if flags else text.replace(",fence-nova", "")
        self._status = ElementTree.tostring(_status(self._cib), encoding="unicode")

    def __call__(self, command, timeout):
        if command[0] == "cibadmin":
            return 0, self._cib, ""
        return (0, self._status, "") if command[0] == "crm_mon" else (1, "", "not installed")


class Cloud:
    """Answers for as many compute hosts."""

    def __init__(self, hosts):
        names = [cib.compute(number) for number in range(1, hosts + 1)]
        self._services = Services({name: Service(name, name, True, True, False) for name in names})
        self._room = Room({name: HostRoom({"VCPU": 40}, {"VCPU": 40}) for name in names})

    def connect(self):
        return self._services

    def regions(self):
        return frozenset({"RegionOne"})

    def aggregates(self):
        return {}

    def selection(self, tag):
        return Selection(False)

    def room(self):
        return self._room

    def clock_offset(self, clock):
        return 0.0

    def instances(self, host):
        return ()

    def migrations(self, host):
        return ()


def main(arguments=None):
    """Measure and print; returns the exit code: 0 if the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=HOSTS, metavar="N", help="sizes, ascending")
    chosen = parser.parse_args(arguments)
    print(heading("seconds of nova-ha check beside Pacemaker's programs and the cloud"), flush=True)
    rows = [(hosts, *measure(hosts, flags)) for hosts in chosen.hosts for flags in (True, False)]
    goals = [f"<= {GOAL:.0f}" if row[0] == GOAL_HOSTS else "" for row in rows]
    print("\n".join(table(["hosts", "findings", "lines", "seconds", "goal"], [(*r, g) for r, g in zip(rows, goals)])))
    return 0 if all(row[-1] <= GOAL for row in rows if row[0] == GOAL_HOSTS) else 1


def measure(hosts, flags):
    """How many findings and lines of text there are, and the seconds that they took."""
    pacemaker, cloud = Pacemaker(hosts, flags), Cloud(hosts)
    begun = time.perf_counter()
    facts = gather.facts(Survey(runner=pacemaker), None, "/nonexistent", lambda _conf: cloud, "/nonexistent")
    findings = registry.run(facts)
    found = check.look(facts, findings, 0.0)
    text = check.lines(found, findings, WIDTH, colour.painter(True))
    return len(findings), len(text), time.perf_counter() - begun


def _status(text):
    """What crm_mon says where all that is configured runs."""
    root = ElementTree.Element("pacemaker-result")
    summary = SubElement(root, "summary")
    SubElement(summary, "current_dc", version="2.1.5-a3f44794f94", with_quorum="true", mixed_version="false")
    nodes, resources = SubElement(root, "nodes"), SubElement(root, "resources")
    configuration = ElementTree.fromstring(text)
    for node in configuration.iter("node"):
        kind = node.get("type", "member")
        SubElement(nodes, "node", name=node.get("uname"), online="true", unclean="false", type=kind)
    remote = [node.get("uname") for node in configuration.iter("node") if node.get("type") == "remote"]
    for primitive in configuration.iter("primitive"):
        name = primitive.get("id")
        found = SubElement(resources, "resource", id=name, role="Started", active="true", failed="false")
        for node in remote if name == "nova-compute" else cib.CONTROLS[:1]:
            SubElement(found, "node", name=node)
    return root


if __name__ == "__main__":
    sys.exit(main())
