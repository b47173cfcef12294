# SPDX-License-Identifier: Apache-2.0
"""What sets of name and value amount to in Pacemaker's configuration, with templates and references: pure.

As Pacemaker has it (2.1.5: ``unpack_template``, ``make_pairs``, ``populate_hash`` of lib/pengine).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

# How Pacemaker writes a score that is no number.
SCORES = {"INFINITY": 1000000, "+INFINITY": 1000000, "-INFINITY": -1000000}


def templates(found: Iterable[Element]) -> dict[str, Element]:
    """The templates among some elements, by id."""
    return {each.get("id", ""): each for each in found if each.tag == "template"}


def sets(element: Element | None, tag: str = "instance_attributes") -> list[Element]:
    """The sets of one kind that an element has, in their order."""
    return element.findall(tag) if element is not None else []


def references(elements: Iterable[Element]) -> set[str]:
    """The ids to which some elements, and what is in them, refer."""
    return {id for element in elements for each in element.iter() if (id := each.get("id-ref")) is not None}


def meant(element: Element, referred: Mapping[str, Element]) -> Element:
    """What an element stands for if it only refers to it, else itself."""
    return referred.get(element.get("id-ref", ""), element)


def merged(given: Sequence[Element], referred: Mapping[str, Element]) -> dict[str, str]:
    """The values that some sets make, as ``{name: value}``.

    The set of the highest score wins; among equals the last one, so a resource's own before its template's; in a set,
    the first of a name.

    :param referred: what stands for a pair that only refers to it, by id
    """
    found: dict[str, str] = {}
    for each in sorted(reversed(given), key=lambda each: score(each.get("score", "0")) or 0, reverse=True):
        for pair in each.findall("nvpair"):
            other = meant(pair, referred)
            name, value = (pair.get(key, other.get(key)) for key in ("name", "value"))
            found.setdefault(name or "", value or "")
    return found


def score(text: str) -> int | None:
    """A score as a number, None if it is none."""
    try:
        return SCORES.get(text.upper()) or int(text)
    except ValueError:
        return None
