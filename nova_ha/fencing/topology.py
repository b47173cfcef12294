# SPDX-License-Identifier: Apache-2.0
"""Which devices Pacemaker asks to fence a host, in which order: the fencing topology as its fencer reads it. Pure.

By the fencer's source (daemons/fenced of Pacemaker 2.1.5; the matching is the same in 3.0.1):

- ``unpack_level_kind``, fenced_commands.c: a level is by name if it has a target, else by pattern, else by attribute.
- ``stonith_level_key``, ``fenced_register_level``, the same: all levels with the same text (target, pattern, or
  attribute=value; with case) are one entry, of the kind of the level that came first. Indices are 1 to 9
  (``ST_LEVEL_MAX`` is 10); other levels are ignored. Where an entry has an index twice, the devices of both are taken
  if the levels were added one by one, but only the last one's if all were read anew (``register_fencing_topology``,
  pacemaker-fenced.c).
- ``find_topology_for_host``, fenced_remote.c: the entry whose text is the name itself (with case), of whatever kind; if
  there is none, the first that matches in the order of a hash table: which one that is cannot be told.
- ``topology_matches``, the same: a name by ``strcasecmp``; a pattern by ``regcomp(REG_EXTENDED|REG_NOSUB)``, with case,
  anywhere in the name, and one that is none by nothing; an attribute and its value exactly, as the CIB has them for a
  node of exactly this name (``node_has_attr``, pacemaker-fenced.c).

The name is in all of it the one that the fencing was asked for, which need not be written as the cluster writes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Callable
from xml.etree.ElementTree import Element

from nova_ha.fencing import posix_regex
from nova_ha.model import hostnames

_INDICES = range(1, 10)


class Misconfigured(Exception):
    """What Pacemaker makes of a host's levels cannot be told; the text is one line for an operator."""


@dataclasses.dataclass(frozen=True)
class Level:
    """A level that Pacemaker heeds.

    :param kind: the attribute of the XML that says which hosts it is for: target, target-pattern, target-attribute
    :param text: its value; of an attribute NAME=VALUE
    :param devices: their names, in order
    """

    id: str
    kind: str
    text: str
    index: int
    devices: list[str]
    pair: tuple[str, str]


def devices(levels: Iterable[Element], name: str, has_attribute: Callable[[str, str], bool]) -> list[list[str]]:
    """The names of the devices of each level by which Pacemaker may fence a host; see ``matching``.

    :raises Misconfigured: it cannot be told which
    """
    return [level.devices for level in matching(parsed(levels), name, has_attribute)]


def parsed(levels: Iterable[Element]) -> list[Level]:
    """Those that Pacemaker heeds of some ``fencing-level`` elements."""
    return [level for level in map(_level, levels) if level is not None]


def matching(known: Sequence[Level], name: str, has_attribute: Callable[[str, str], bool]) -> list[Level]:
    """The levels by which Pacemaker may fence a host, in their order; none: it takes any capable device.

    :param known: all levels, in the order of the configuration
    :param name: the host's, as the fencing was asked for
    :param has_attribute: whether the node of exactly that name has an attribute of a value
    :raises Misconfigured: it cannot be told which
    """
    ours = [level for level in known if level.text == name]
    if not ours:
        invalid: list[str] = []
        texts = {level.text for level in known if _is_match(level, name, has_attribute, invalid)}
        ours = [level for level in known if level.text in texts]
        if not ours and invalid:
            raise Misconfigured(invalid[0])
    _demand_distinct(ours)
    return sorted(ours, key=lambda level: level.index)


def _level(element: Element) -> Level | None:
    """A level, if Pacemaker heeds it."""
    attribute, value = element.get("target-attribute"), element.get("target-value")
    texts = {
        "target": element.get("target"),
        "target-pattern": element.get("target-pattern"),
        "target-attribute": None if attribute is None or value is None else f"{attribute}={value}",
    }
    kind, text = next(((kind, text) for kind, text in texts.items() if text is not None), (None, None))
    try:
        index = int(element.get("index", ""))
    except ValueError:
        return None
    if kind is None or text is None or index not in _INDICES:
        return None
    devices = element.get("devices", "").split(",")
    return Level(element.get("id", ""), kind, text, index, devices, (attribute or "", value or ""))


def _is_match(level: Level, name: str, has_attribute: Callable[[str, str], bool], invalid: list[str]) -> bool:
    """Whether a level is for a host; notes in ``invalid`` what is wrong with one that can be for none."""
    if level.kind == "target-attribute":
        if "'" in level.text:
            # Pacemaker writes it between apostrophes.
            invalid.append(f"fencing level {level.id} looks for {level.text}, and Pacemaker finds no apostrophes")
            return False
        return has_attribute(*level.pair)
    if level.kind == "target":
        return hostnames.fold(level.text) == hostnames.fold(name)
    try:
        return posix_regex.is_match(level.text, name)
    except posix_regex.InvalidPattern as error:
        invalid.append(
            f"target-pattern {level.text!r} of fencing level {level.id} is no POSIX extended regular expression "
            f"({error}), and Pacemaker ignores it: correct it, [0-9] for \\d, (1|2) for (?:1|2)"
        )
        return False


def _demand_distinct(levels: list[Level]) -> None:
    """Demand that each entry's levels are of one kind, and have each an index of its own.

    :raises Misconfigured: they are not
    """
    first: dict[tuple[str, int], Level] = {}
    kinds: dict[str, Level] = {}
    for level in levels:
        other = first.setdefault((level.text, level.index), level)
        of_kind = kinds.setdefault(level.text, level)
        if other is not level:
            raise Misconfigured(
                f"fencing levels {other.id} and {level.id} have one target and one index ({level.index}), and "
                "Pacemaker takes the devices of both or of one: put all devices into one level, remove the other one"
            )
        if of_kind.kind != level.kind:
            raise Misconfigured(
                f"fencing levels {of_kind.id} and {level.id} have {level.text!r} as {of_kind.kind} and as "
                f"{level.kind}, and Pacemaker takes them for levels of one kind: write both alike"
            )
