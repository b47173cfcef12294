# SPDX-License-Identifier: Apache-2.0
"""Where a resource may run, by the cluster's location constraints and their rules: as its scheduler has it. Pure.

By the source of Pacemaker 2.1.5 (``pe__eval_attr_expr`` of lib/pengine): ``ne`` holds for a node that does not have the
attribute, ``eq`` does not.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping
from xml.etree.ElementTree import Element

from nova_ha.cluster import nvpairs

NEVER = -1000000

_COMPARED: dict[str, Callable[[int], bool]] = {
    "eq": lambda order: order == 0,
    "ne": lambda order: order != 0,
    "lt": lambda order: order < 0,
    "gt": lambda order: order > 0,
    "lte": lambda order: order <= 0,
    "gte": lambda order: order >= 0,
}


@dataclasses.dataclass(frozen=True)
class Expression:
    """One condition of a rule, on a node's attribute."""

    attribute: str
    operation: str
    value: str | None = None
    kind: str | None = None

    def holds(self, attributes: Mapping[str, str]) -> bool | None:
        """Whether it holds for a node; None where it cannot be told."""
        own = attributes.get(self.attribute)
        if self.operation in ("defined", "not_defined"):
            return (own is not None) == (self.operation == "defined")
        compared = _COMPARED.get(self.operation)
        if compared is None or self.value is None:
            return None
        if own is None:
            return self.operation == "ne"
        try:
            if self.kind in ("number", "integer") or (self.kind is None and self.operation not in ("eq", "ne")):
                return compared(_order(float(own), float(self.value)))
        except ValueError:
            return None
        return compared(_order(own.lower(), self.value.lower()))


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a constraint goes by.

    :param score: None where an attribute of the node says it
    :param conditions: ``Expression``, ``Rule``, or None for what is none of either (a date)
    """

    score: int | None
    all_of: bool
    conditions: tuple[Expression | Rule | None, ...]

    def holds(self, attributes: Mapping[str, str]) -> bool | None:
        """Whether it holds for a node; None where it cannot be told."""
        found = [None if each is None else each.holds(attributes) for each in self.conditions]
        if (not self.all_of) in found:
            return not self.all_of
        return None if None in found else self.all_of

    def attributes(self) -> set[str]:
        """The names of the attributes that it looks at."""
        found: set[str] = set()
        for each in self.conditions:
            if isinstance(each, Expression):
                found.add(each.attribute)
            elif each is not None:
                found |= each.attributes()
        return found


@dataclasses.dataclass(frozen=True)
class Location:
    """A constraint.

    :param resources: ids of what it is for
    :param pattern: the same as a regular expression, None where it has none
    :param node: the only node that it is for, None where rules say it
    :param score: of that node
    :param discovery: ``resource-discovery``
    """

    id: str
    resources: tuple[str, ...]
    pattern: str | None = None
    node: str | None = None
    score: int | None = None
    discovery: str = "always"
    rules: tuple[Rule, ...] = ()

    def is_for(self, ids: Collection[str]) -> bool:
        """Whether it is for one of these resources, or for what they are in."""
        if any(each in self.resources for each in ids):
            return True
        try:
            return self.pattern is not None and any(re.search(self.pattern, each) for each in ids)
        except re.error:
            return False

    def bans(self, attributes: Mapping[str, str]) -> bool:
        """Whether one of its rules keeps its resources off a node with these attributes, for certain."""
        return any(rule.score is not None and rule.score <= NEVER and rule.holds(attributes) for rule in self.rules)

    def mentions(self, attribute: str) -> bool:
        """Whether one of its rules looks at a node attribute."""
        return any(attribute in rule.attributes() for rule in self.rules)


def location(element: Element, referred: Mapping[str, Element]) -> Location:
    """From a ``rsc_location``.

    :param referred: every element of the configuration by its id
    """
    sets = [nvpairs.meant(each, referred) for each in element.findall("resource_set")]
    named = [each.get("id", "") for one in sets for each in one.findall("resource_ref")]
    pattern = element.get("rsc-pattern")
    return Location(
        id=element.get("id", ""),
        resources=tuple(each for each in (element.get("rsc"), *named) if each),
        pattern=pattern,
        node=element.get("node"),
        score=nvpairs.score(element.get("score", "")),
        discovery=element.get("resource-discovery", "always"),
        rules=tuple(_rule(nvpairs.meant(each, referred)) for each in element.findall("rule")),
    )


def _rule(element: Element) -> Rule:
    return Rule(
        score=nvpairs.score(element.get("score", "")),
        all_of=element.get("boolean-op", "and").lower() != "or",
        conditions=tuple(_condition(each) for each in element),
    )


def _condition(element: Element) -> Expression | Rule | None:
    if element.tag == "rule":
        return _rule(element)
    if element.tag != "expression":
        return None
    attribute, operation = element.get("attribute", ""), element.get("operation", "")
    return Expression(attribute, operation.lower(), element.get("value"), element.get("type"))


def _order(one: float | str, other: float | str) -> int:
    return (one > other) - (one < other)  # type: ignore[operator]
