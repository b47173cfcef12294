# SPDX-License-Identifier: Apache-2.0
"""A cluster, recorded on the lab (Pacemaker 2.1.5, three hosts, one in recovery), and a cloud; to be changed.

Passwords are masked, and the CIB's status section is left out.
"""

import pathlib
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from nova_ha.checks import gather, registry
from nova_ha.cluster.survey import Survey
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.room import HostRoom, Room
from nova_ha.model.snapshot import Services
from tests.unit.doubles import given
from tests.unit.worlds import service

RECORDED = pathlib.Path(__file__).parent / "recorded"
NOW = 1795979744.0
REPORTED = "2026-11-29T19:15:40.000000"
HOSTS = ("compute-1", "compute-2", "compute-3")


class Cluster:
    """Answers Pacemaker's programs.

    :ivar cib: the information base, to be changed
    :ivar status: what crm_mon prints, to be changed
    :ivar keepers: the control nodes that have told something of the history
    """

    def __init__(self):
        self.cib = ElementTree.parse(RECORDED / "cib.xml").getroot()
        self.status = ElementTree.parse(RECORDED / "crm_mon.xml").getroot()
        self.metadata = {"stonith:fence_ipmilan": (RECORDED / "fence_ipmilan.xml").read_text(encoding="utf-8")}
        self.away = False
        self.keepers = ("control-1", "control-2", "control-3")
        self.asked = []

    def __call__(self, command, timeout):
        self.asked.append(command)
        if self.away:
            return 102, "", "Connection to the CIB manager failed"
        if command[:2] == ["cibadmin", "--query"] and "--xpath" in command:
            which = [each for each in self.cib.iter("primitive") if each.get("type") == "NovaEvacuate"]
            return 0, _wrapped(which), ""
        if command == ["cibadmin", "--query"]:
            return 0, ElementTree.tostring(self.cib, encoding="unicode"), ""
        if command[0] == "attrd_updater":
            return 0, "".join(f'name="nova-ha-history" host="{node}" value="w"\n' for node in self.keepers), ""
        if command[0] == "crm_node":
            return 0, "control-1\n", ""
        if command[0] == "crm_mon":
            return 0, ElementTree.tostring(self.status, encoding="unicode"), ""
        text = self.metadata.get(command[-1])
        return (0, text, "") if text else (1, "", "Metadata query failed")

    def find(self, id):
        """The element of the information base of that id; of a remote node, its connection."""
        return [each for each in self.cib.iter() if each.get("id") == id][-1]

    def remove(self, id):
        """Take an element out of the information base."""
        found = self.find(id)
        next(each for each in self.cib.iter() if found in list(each)).remove(found)

    def property(self, name, value):
        """Set a property of the cluster."""
        self._pair(self.find("cib-bootstrap-options"), name, value)

    def parameter(self, resource, name, value):
        """Set a parameter of a resource."""
        self._pair(self.find(resource).find("instance_attributes"), name, value)

    def meta(self, resource, name, value):
        """Set a meta attribute of a resource."""
        element = self.find(resource)
        found = element.find("meta_attributes")
        self._pair(SubElement(element, "meta_attributes", id=f"{resource}-m") if found is None else found, name, value)

    def attribute(self, node, name, value):
        """Set a permanent attribute of a node."""
        (entry,) = [each for each in self.cib.iter("node") if each.get("uname") == node]
        self._pair(entry.find("instance_attributes"), name, value)

    def operation(self, resource, name, **values):
        """Change an operation of a resource."""
        (found,) = [each for each in self.find(resource).iter("op") if each.get("name") == name]
        found.attrib.update(values)

    def level(self, host, devices, index="1"):
        """Give a host's level other devices."""
        (found,) = [each for each in self.cib.iter("fencing-level") if each.get("target") == host]
        found.set("devices", devices)
        found.set("index", index)

    def state(self, resource, **values):
        """Change what crm_mon says of a resource."""
        for each in self.status.iter("resource"):
            if each.get("id") == resource:
                each.attrib.update(values)

    def node(self, name, **values):
        """Change what crm_mon says of a node."""
        (found,) = [each for each in self.status.findall("nodes/node") if each.get("name") == name]
        found.attrib.update(values)

    def _pair(self, parent, name, value):
        for each in parent.findall("nvpair"):
            if each.get("name") == name:
                parent.remove(each)
        if value is not None:
            SubElement(parent, "nvpair", id=f"{parent.get('id')}-{name}", name=name, value=value)


def _wrapped(elements):
    return f"<xpath-query>{''.join(ElementTree.tostring(each, encoding='unicode') for each in elements)}</xpath-query>"


class Cloud:
    """Stands in for ``cloud.survey.CloudSurvey``; any answer may be an exception, which is raised then."""

    def __init__(self):
        self.known = Services(
            {host: service(host, up=True, forced_down=False, enabled=True, reason=None) for host in HOSTS}
        )
        self.answers = {
            "connect": lambda: self.known,
            "regions": frozenset({"RegionOne"}),
            "aggregates": {"rack": frozenset(HOSTS)},
            "selection": Selection(False),
            "room": Room(
                {host: HostRoom({"VCPU": 8, "MEMORY_MB": 512}, {"VCPU": 8, "MEMORY_MB": 512}) for host in HOSTS}
            ),
            "clock_offset": 0.4,
            "instances": (),
            "migrations": (),
            "has_instances": True,
        }
        self.asked = []

    def __getattr__(self, name):
        def answer(*arguments):
            self.asked.append((name, *arguments))
            return given(self.answers[name])

        return answer


def look(cluster, cloud, tmp_path, engine=None):
    """The facts, gathered as ``nova-ha check`` does, and what is found."""
    known = gather.facts(
        Survey(runner=cluster), engine, str(tmp_path / "nova-ha.conf"), lambda conf: cloud, str(tmp_path), lambda: NOW
    )
    return known, registry.run(known)
