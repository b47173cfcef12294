# SPDX-License-Identifier: Apache-2.0
"""The whole configuration of a cluster as plain data: properties, nodes, resources, location rules, fencing levels.

Pure, and read in one piece: who looks at all of a cluster of hundreds of hosts must not ask Pacemaker for each.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from nova_ha.cluster import nvpairs
from nova_ha.cluster.location import Location, location

# Pacemaker's units of time, in seconds.
_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "us": 1e-6, "usec": 1e-6}
_UNITS.update({"m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0})
_ISO = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", re.IGNORECASE)

# Seconds that an operation has where nothing says it.
DEFAULT_TIMEOUT = 20.0

_TRUE = ("true", "on", "yes", "y", "1")


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation of a resource.

    :param interval: seconds, 0 for one that does not recur
    :param timeout: seconds, None where the configuration does not say, or not understandably
    """

    name: str
    interval: float
    timeout: float | None
    enabled: bool = True


@dataclasses.dataclass(frozen=True)
class Resource:
    """A resource, with what its template gives it.

    :param agent: ``class:provider:type``, or ``class:type``
    :param meta: its own, and below them those of the clone or group that it is in
    :param within: ids of the clone and the group that it is in, the outermost first
    """

    id: str
    agent: str
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    meta: Mapping[str, str] = dataclasses.field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    within: tuple[str, ...] = ()
    cloned: bool = False

    @property
    def type(self) -> str:
        """The agent's name alone."""
        return self.agent.rpartition(":")[2]

    @property
    def disabled(self) -> bool:
        """Whether an operator has it stopped."""
        return self.meta.get("target-role", "").lower() == "stopped"


@dataclasses.dataclass(frozen=True)
class Node:
    """A node's entry.

    :param attributes: its permanent attributes
    """

    name: str
    is_remote: bool
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Configuration:
    """All of it.

    :param levels: the fencing levels as ``fencing.topology`` reads them
    :param size: octets of the whole information base as Pacemaker sends it between its daemons (compressed); 0 where
        it is too small to matter
    """

    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    resources: tuple[Resource, ...] = ()
    locations: tuple[Location, ...] = ()
    levels: tuple[Element, ...] = ()
    resource_defaults: Mapping[str, str] = dataclasses.field(default_factory=dict)
    operation_defaults: Mapping[str, str] = dataclasses.field(default_factory=dict)
    size: int = 0

    def of_agent(self, *agents: str) -> list[Resource]:
        """The resources of some agents, given as ``Resource.agent``."""
        return [each for each in self.resources if each.agent in agents]

    def fencing_devices(self) -> list[Resource]:
        """The devices that can fence a node."""
        return [each for each in self.resources if each.agent.startswith("stonith:")]

    def is_set(self, name: str, default: bool) -> bool:
        """Whether a property of the cluster says yes."""
        value = self.properties.get(name)
        return default if value is None else value.lower() in _TRUE


def parse(cib: Element, size: int = 0) -> Configuration:
    """The configuration that an information base has.

    :param cib: its root
    """
    configuration = cib.find("configuration")
    if configuration is None:
        return Configuration(size=size)
    referred = {id: each for each in configuration.iter() if (id := each.get("id")) is not None}
    resources = configuration.find("resources")
    return Configuration(
        properties=_pairs(configuration, "crm_config/cluster_property_set", referred),
        nodes=tuple(_node(each, referred) for each in configuration.findall("nodes/node")),
        resources=tuple(_resources(resources, referred)) if resources is not None else (),
        locations=tuple(location(each, referred) for each in configuration.findall("constraints/rsc_location")),
        levels=tuple(configuration.findall("fencing-topology/fencing-level")),
        resource_defaults=_pairs(configuration, "rsc_defaults/meta_attributes", referred),
        operation_defaults=_pairs(configuration, "op_defaults/meta_attributes", referred),
        size=size,
    )


def seconds(text: str | None) -> float | None:
    """A time as Pacemaker writes it (``20``, ``20s``, ``2min``, ``PT1M``), None if it is none."""
    if text is None:
        return None
    if plain := re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", text.lower()):
        unit = _UNITS.get(plain[2])
        return None if unit is None else int(plain[1]) * unit
    if iso := _ISO.fullmatch(text.strip()):
        hours, minutes, rest = (int(part or 0) for part in iso.groups())
        return float(hours * 3600 + minutes * 60 + rest)
    return None


def _pairs(element: Element, path: str, referred: Mapping[str, Element]) -> dict[str, str]:
    return nvpairs.merged([nvpairs.meant(each, referred) for each in element.findall(path)], referred)


def _node(element: Element, referred: Mapping[str, Element]) -> Node:
    attributes = _pairs(element, "instance_attributes", referred)
    return Node(element.get("uname", ""), element.get("type") == "remote", attributes)


def _resources(
    parent: Element, referred: Mapping[str, Element], within: tuple[Element, ...] = ()
) -> Iterator[Resource]:
    """The primitives below an element, in the order of the configuration."""
    for each in parent:
        if each.tag == "primitive":
            yield _primitive(each, referred, within)
        elif each.tag in ("clone", "master", "group", "bundle"):
            yield from _resources(each, referred, (*within, each))


def _primitive(element: Element, referred: Mapping[str, Element], within: tuple[Element, ...]) -> Resource:
    template = referred.get(element.get("template", ""))
    own = [*([template] if template is not None else []), element]
    described = template if template is not None else element
    parts = (described.get(name) for name in ("class", "provider", "type"))
    operations: dict[tuple[str, str], Operation] = {}
    for each in (each for source in own for each in source.findall("operations/op")):
        operations[each.get("name", ""), each.get("interval", "0")] = _operation(nvpairs.meant(each, referred))
    return Resource(
        id=element.get("id", ""),
        agent=":".join(part for part in parts if part),
        parameters=_merged(own, "instance_attributes", referred),
        meta=_merged([*within, *own], "meta_attributes", referred),
        operations=tuple(operations.values()),
        within=tuple(each.get("id", "") for each in within),
        cloned=any(each.tag in ("clone", "master") for each in within),
    )


def _merged(sources: list[Element], tag: str, referred: Mapping[str, Element]) -> dict[str, str]:
    given = [nvpairs.meant(each, referred) for source in sources for each in nvpairs.sets(source, tag)]
    return nvpairs.merged(given, referred)


def _operation(element: Element) -> Operation:
    pairs = {pair.get("name"): pair.get("value") for pair in element.iter("nvpair")}
    timeout = element.get("timeout", pairs.get("timeout"))
    enabled = (element.get("enabled") or "true").lower() in _TRUE
    return Operation(element.get("name", ""), seconds(element.get("interval")) or 0.0, seconds(timeout), enabled)
