# SPDX-License-Identifier: Apache-2.0
"""How control nodes come to have the same history: pure.

Each tells all others, in one word, how much it has of each log (``history_log``), and, of what another node lacks, the
lines that come next there. Of several nodes that have them, the one with the most gives them. Once everybody has told
that it has them, nobody tells them any more. So a node that was away, or is new, comes to have everything that any node
still has, the logs of nodes that are gone included.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nova_ha.reporting import history_log
from nova_ha.reporting.history_log import Line

# Lines that are tried to be told at once: about as many as fit.
_MOST_LINES = 1500
# Bytes that a word of another node may become when it is read: no node tells more.
_LARGEST = 8_000_000


class Offer(NamedTuple):
    """Lines of one log.

    :param first: number of the first of them
    :param oldest: whether nothing older is left of it where it comes from
    """

    first: int
    oldest: bool
    lines: Sequence[Line]


class Told(NamedTuple):
    """What a node tells.

    :param have: ``{log: number of its last line}``
    :param offers: ``{log: lines}``
    """

    have: Mapping[str, int]
    offers: Mapping[str, Offer]


def is_next(have: int, offer: Offer) -> bool:
    """Whether lines of a log are to be taken, of which so many are known."""
    return offer.first + len(offer.lines) - 1 > have and (offer.first <= have + 1 or offer.oldest)


def wanted(node: str, have: Mapping[str, int], others: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """What a node is to give: ``{log: number of the last line that somebody else has}``.

    :param node: its name
    :param have: how much it has of each log
    :param others: the same of the other nodes, by their names
    """
    found = {}
    for log, last in have.items():
        known = {other: theirs.get(log, 0) for other, theirs in others.items()}
        # The one that has the most gives, the first by name of those that have the same.
        gives = all((-last, node) < (-has, other) for other, has in known.items())
        if gives and min(known.values(), default=last) < last:
            found[log] = min(known.values())
    return found


def packed(have: Mapping[str, int], offers: Sequence[tuple[str, Offer]], longest: int) -> str:
    """What a node tells as one word of letters, digits, ``+``, ``/`` and ``=``, with as many lines as fit.

    :param longest: characters that it may have
    """
    lines = [(log, offer, number) for log, offer in offers for number in range(len(offer.lines))]
    lines = lines[:_MOST_LINES]
    while True:
        told: dict[str, list[Line]] = {}
        for log, offer, number in lines:
            told.setdefault(log, []).append(offer.lines[number])
        known = dict(offers)
        parts = {log: [known[log].first, known[log].oldest, some] for log, some in told.items()}
        text = json.dumps({"have": have, "offers": parts}, separators=(",", ":"), sort_keys=True)
        word = base64.b64encode(zlib.compress(text.encode())).decode()
        if len(word) <= longest or not lines:
            return word
        lines = lines[: int(len(lines) * min(0.9, 0.95 * longest / len(word)))]


def unpacked(word: str) -> Told | None:
    """What ``packed`` made a word of; None if it is none of that kind. What it says is checked: it names files."""
    try:
        inflater = zlib.decompressobj()
        found = json.loads(inflater.decompress(base64.b64decode(word, validate=True), _LARGEST))
    except (binascii.Error, zlib.error, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    have, offers = found.get("have"), found.get("offers")
    if not isinstance(have, dict) or not isinstance(offers, dict):
        return None
    return Told(_checked(have, _is_number), {log: Offer(*offer) for log, offer in _checked(offers, _is_offer).items()})


def _checked(found: Mapping[str, Any], is_right: Callable[[Any], bool]) -> dict[str, Any]:
    return {log: value for log, value in found.items() if history_log.is_log(log) and is_right(value)}


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < 10**10


def _is_offer(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not _is_number(value[0]) or value[0] == 0:
        return False
    lines = value[2]
    return isinstance(lines, list) and all(line is None or history_log.is_event(line) for line in lines)
