# SPDX-License-Identifier: Apache-2.0
"""How Pacemaker's configuration and records (the CIB) are read, as XML: pure."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from nova_ha.cluster.errors import ClusterError, UnknownNode
from nova_ha.model import hostnames
from nova_ha.model.snapshot import FOUND_RUNNING


def literal(text: str) -> str:
    """A string as XPath writes it, which knows no way to escape a quote.

    :raises UnknownNode: it holds both kinds of quotes, as no name in a cluster does
    """
    quote = next((quote for quote in "\"'" if quote not in text), None)
    if quote is None:
        raise UnknownNode(f"{text!r} cannot be the name of anything in a cluster")
    return f"{quote}{text}{quote}"


def required(element: Element, name: str) -> str:
    """An attribute that Pacemaker's schemas say is there."""
    value = element.get(name)
    if value is None:
        raise ClusterError(f"Pacemaker answered with a {element.tag} that has no {name}")
    return value


def is_true(node: Element, what: str) -> bool:
    return node.get(what) == "true"


def is_remote(node: Element) -> bool:
    return node.get("type") == "remote"


def nodes_reached(status: Element) -> list[tuple[Element, bool]]:
    """The elements of all nodes in what crm_mon says of nodes and resources, each with whether the cluster reaches it.

    A remote node that died shows as online while its connection is being started anew.
    """
    started = {
        hostnames.fold(required(found, "id")) for found in status.iter("resource") if found.get("role") == "Started"
    }
    return [
        (node, is_true(node, "online") and (not is_remote(node) or hostnames.fold(required(node, "name")) in started))
        for node in status.findall("nodes/node")
    ]


def start_on_record(resource: Element) -> str | None:
    """What tells the start by which a resource runs from any other, from the record of its operations, or None."""
    last = _last_operation(resource)
    # While it lasts, op-status is -1.
    if (last.get("rc-code"), last.get("op-status")) != ("0", "0"):
        return None
    return {"start": last.get("transition-key"), "monitor": FOUND_RUNNING}.get(last.get("operation", ""))


def runs_compute(resource: Element) -> bool:
    """Whether a resource of a node's records is what runs nova-compute there, or holds it back."""
    return resource.get("provider") == "openstack" and resource.get("type") in ("NovaCompute", "nova-compute-wait")


def is_off(resource: Element) -> bool:
    """Whether the record of a resource's operations proves that it does not run."""
    last = _last_operation(resource)
    known = (last.get("operation"), last.get("rc-code"), last.get("op-status"))
    return known in (("stop", "0", "0"), ("monitor", "7", "0"))


def _last_operation(resource: Element) -> Mapping[str, str]:
    """What is on record of the last operation that was no recurring monitor: that has an id of its own."""
    return next((each.attrib for each in resource if each.get("id", "").endswith("_last_0")), {})


def with_pair(owner: Element, tag: str, name: str, value: str) -> Element:
    """What is merged into a node or a resource to give it one more pair; Pacemaker's own tools choose the ids likewise.

    :param owner: as it is
    :param tag: of the set that gets it, ``instance_attributes`` or ``meta_attributes``: the first, or a new one
    """
    id = required(owner, "id")
    known = owner.find(tag)
    new_id = f"nodes-{id}" if owner.tag == "node" else f"{id}-{tag}"
    set_id = required(known, "id") if known is not None else new_id
    merged = Element(owner.tag, id=id)
    pairs = ElementTree.SubElement(merged, tag, id=set_id)
    ElementTree.SubElement(pairs, "nvpair", id=f"{set_id}-{name}", name=name, value=value)
    return merged


def parse(text: str) -> Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ClusterError(f"Pacemaker answered what is not XML: {error}") from error
