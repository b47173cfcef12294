# SPDX-License-Identifier: Apache-2.0
"""Pauses: new recoveries that an operator has put off. Hosts are fenced and flagged all the same; what runs goes on.

All of them are one property of the cluster's configuration, which outlives everything: words in which blanks and other
signs are written as in an URL, one for each pause: ``scope:name:since:until:who:reason``.
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Iterable

from nova_ha.model import hostnames

ALL, HOST = "all", "host"


@dataclasses.dataclass(frozen=True)
class Pause:
    """One of them.

    :param scope: ALL hosts, or one HOST
    :param name: the cluster's of the host; "" for ALL
    :param since: seconds since the epoch
    :param until: seconds since the epoch; None: until an operator ends it
    :param who: has ordered it
    """

    scope: str
    name: str
    since: int
    until: int | None
    who: str
    reason: str

    def is_about(self, host: str) -> bool:
        """Whether it puts a host's recovery off, as long as it stands.

        :param host: the cluster's name of it
        """
        return self.scope == ALL or hostnames.fold(self.name) == hostnames.fold(host)

    def is_same(self, other: Pause) -> bool:
        """Whether both are about the same hosts, so that one takes the other's place."""
        return (self.scope, hostnames.fold(self.name)) == (other.scope, hostnames.fold(other.name))


class UnknownPause(ValueError):
    """What stands there is none that this version knows."""


def written(pauses: Iterable[Pause]) -> str | None:
    """As the cluster keeps them; None for none."""
    return " ".join(map(_word, pauses)) or None


def read(text: str | None) -> list[Pause]:
    """What ``written`` has written.

    :raises UnknownPause: somebody else has
    """
    return [_pause(word) for word in (text or "").split()]


def standing(pauses: Iterable[Pause], now: float) -> list[Pause]:
    """Those that have not ended by themselves.

    :param now: seconds since the epoch
    """
    return [pause for pause in pauses if pause.until is None or now < pause.until]


def _word(pause: Pause) -> str:
    parts = (pause.scope, pause.name, pause.since, pause.until or "", pause.who, pause.reason)
    return ":".join(urllib.parse.quote(str(part), safe="") for part in parts)


def _pause(word: str) -> Pause:
    parts = [urllib.parse.unquote(part) for part in word.split(":")]
    try:
        scope, name, since, until, who, reason = parts
        pause = Pause(scope, name, int(since), int(until) if until else None, who, reason)
    except ValueError as error:
        raise UnknownPause(f"{word!r} is no pause of nova-ha's") from error
    if pause.scope not in (ALL, HOST):
        raise UnknownPause(f"{word!r} is no pause of nova-ha's")
    return pause
