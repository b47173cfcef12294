# SPDX-License-Identifier: Apache-2.0
"""Retries: what an operator has the engine try again at once, where it failed and waits before it is tried again.

Each is a node attribute of the flagged host, beside its flag, until the engine has taken it up: which instances, who
ordered it, and when, in one word in which blanks and other signs are written as in an URL.
"""

from __future__ import annotations

import dataclasses
import urllib.parse

_EVERY = "all"


@dataclasses.dataclass(frozen=True)
class Retry:
    """One of them.

    :param instances: their ids; None: all of the host's
    :param who: has ordered it
    :param at: seconds since the epoch
    """

    instances: frozenset[str] | None
    who: str
    at: int


class UnknownRetry(ValueError):
    """What stands there is none that this version knows."""


def written(retry: Retry) -> str:
    """As the cluster keeps it."""
    which = _EVERY if retry.instances is None else ",".join(sorted(retry.instances))
    return f"{which}:{urllib.parse.quote(retry.who, safe='')}:{retry.at}"


def read(text: str) -> Retry:
    """What ``written`` has written.

    :raises UnknownRetry: somebody else has
    """
    which, *others = text.split(":")
    if len(others) != 2 or not which or not others[1].isdecimal():
        raise UnknownRetry(f"{text!r} is no order to try something again")
    instances = None if which == _EVERY else frozenset(which.split(","))
    return Retry(instances, urllib.parse.unquote(others[0]), int(others[1]))
