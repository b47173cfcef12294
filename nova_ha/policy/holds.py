# SPDX-License-Identifier: Apache-2.0
"""Why a flagged host is not taken up though an engine is there: the mass failure guard, or an operator's pause."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nova_ha.model import pauses
from nova_ha.model.pauses import Pause
from nova_ha.model.reasons import Code

UNREADABLE = "Recovery is paused by what nova-ha has not written. End that: nova-ha resume --all"


class Hold(NamedTuple):
    """What holds a host.

    :param reason: for people
    :param command: ends it
    :param needs_operator: whether it does not end by itself
    """

    code: Code
    reason: str
    command: str
    needs_operator: bool


def by_guard(host: str, reason: str) -> Hold:
    """The hold of a host that the mass failure guard holds; see ``Guard.held``."""
    return Hold(Code.HELD_BY_GUARD, reason, f"nova-ha go {host}", True)


def by_pause(host: str, standing: Iterable[Pause]) -> Hold | None:
    """The hold of a host that an operator has put off, None if none has. The one that lasts longest speaks.

    :param host: the cluster's name of it
    :param standing: the pauses that have not ended
    """
    of_host = [pause for pause in standing if pause.is_about(host)]
    if not of_host:
        return None
    pause = max(of_host, key=lambda each: (each.until is None, each.until or 0))
    command = "nova-ha resume --all" if pause.scope == pauses.ALL else f"nova-ha resume {host}"
    return Hold(Code.PAUSED, f"recovery is {described(pause)}", command, pause.until is None)


def by_what_cannot_be_read(error: pauses.UnknownPause) -> Hold:
    """The hold of every host while nobody knows what an operator has put off."""
    return Hold(Code.PAUSED, f"recovery is paused by what cannot be read: {error}", "nova-ha resume --all", True)


def described(pause: Pause) -> str:
    """A pause in words, as they stand after ``recovery is``."""
    end = f" until {time.strftime('%Y-%m-%d %H:%M', time.localtime(pause.until))}" if pause.until is not None else ""
    return f"paused{end} by {pause.who}: {pause.reason}"


def subject(alike: Sequence[Pause]) -> str:
    """Whom pauses are about, at the beginning of a line."""
    return "All hosts" if alike[0].scope == pauses.ALL else ", ".join(each.name for each in alike)


def listed(standing: Iterable[Pause]) -> list[str]:
    """Pauses in lines; of equal ones the hosts stand together."""
    groups: dict[tuple[object, ...], list[Pause]] = {}
    for each in standing:
        groups.setdefault((each.scope, each.until, each.who, each.reason), []).append(each)
    return [f"{subject(alike)}: {described(alike[0])}" for alike in groups.values()]
