# SPDX-License-Identifier: Apache-2.0
"""Orders: what an operator has the engine do about a host that it recovers.

Each is a node attribute of the flagged host, beside its flag, until the engine has carried it out: what is ordered, who
ordered it, and when, in one word in which blanks and other signs are written as in an URL.
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Union

_EVERY, _END = "all", "end"


@dataclasses.dataclass(frozen=True)
class Retry:
    """What failed, and waits before it is tried again, is to be tried again at once.

    :param instances: their ids; None: all of the host's
    :param who: has ordered it
    :param at: seconds since the epoch
    """

    instances: frozenset[str] | None
    who: str
    at: int


@dataclasses.dataclass(frozen=True)
class End:
    """The recovery is to be ended, whatever is left of it.

    :param claim: the host's flag; of another recovery nobody has said so
    :param who: has ordered it
    :param at: seconds since the epoch
    """

    claim: str
    who: str
    at: int


Order = Union[Retry, End]


class UnknownOrder(ValueError):
    """What stands there is none that this version knows."""


def written(order: Order) -> str:
    """As the cluster keeps it."""
    if isinstance(order, End):
        words = [_END, order.claim]
    else:
        words = [_EVERY if order.instances is None else ",".join(sorted(order.instances))]
    return ":".join([*(urllib.parse.quote(word, safe=",") for word in (*words, order.who)), str(order.at)])


def read(text: str) -> Order:
    """What ``written`` has written.

    :raises UnknownOrder: somebody else has
    """
    words = [urllib.parse.unquote(word) for word in text.split(":")]
    if words[0] and words[-1].isdecimal():
        what, at = words[0], int(words[-1])
        if what == _END and len(words) == 4:
            return End(words[1], words[2], at)
        if what != _END and len(words) == 3:
            return Retry(None if what == _EVERY else frozenset(what.split(",")), words[1], at)
    raise UnknownOrder(f"{text!r} is no order to the engine")
