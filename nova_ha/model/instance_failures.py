# SPDX-License-Identifier: Apache-2.0
"""Failures of instances that live on a living host, and the text in which a host tells all that it has.

The text is the value of a node attribute: one word without blanks or quotes, its version first. Each failure follows as
``;instance,kind,since,episode,detail``, the oldest first, so that what has not changed makes the same text. A host that
has none tells the version alone; one that tells nothing has nobody who looks.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from nova_ha.model.coded import Coded

# The node attribute that carries it.
ATTRIBUTE = "nova-ha-instances"

# Another one, if what is told would be misunderstood by who knows this one. A new kind is no reason.
VERSION = "1"


class Kind(Coded):
    """What became of the instance."""

    CRASHED = "crashed", "its QEMU process died"
    PANICKED = "panicked", "its guest's kernel panicked"
    IO_ERROR = "io_error", "it is paused: a disk reported an error"
    WATCHDOG = "watchdog", "it is paused: its watchdog fired"
    HUNG = "hung", "its guest agent, which had answered before, does not answer"


@dataclasses.dataclass(frozen=True)
class InstanceFailure:
    """One that has not ended yet.

    :param instance: its id
    :param since: when the host saw it first, in whole seconds since the epoch by the host's clock
    :param episode: the same for as long as the failure lasts, another one for the next: eight hexadecimal digits
    :param detail: what libvirt says about it, such as ``enospc``; see ``plain``
    """

    instance: str
    kind: Kind
    since: int
    episode: str
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class HostFailures:
    """What a host tells.

    :param problem: what of its text cannot be understood, in one line; None: nothing. The rest of it holds.
    """

    failures: tuple[InstanceFailure, ...] = ()
    problem: str | None = None


# Longest detail; and longest piece of a text that cannot be understood which a message repeats.
_DETAIL, _SHOWN = 40, 60

_FAILURE = re.compile(
    "([0-9a-z-]{1,36}),([a-z_]{1,20}),([0-9]{1,11}),([0-9a-f]{8}),"
    f"([A-Za-z0-9_.-]{{0,{_DETAIL}}})"
)
_KINDS = {kind.value: kind for kind in Kind}


def plain(text: str) -> str:
    """A text as a detail can have it: letters, digits, ``_``, ``.`` and ``-``, and not too many of them."""
    return re.sub("[^A-Za-z0-9_.-]+", "-", text)[:_DETAIL]


def written(failures: Iterable[InstanceFailure], longest: int) -> str:
    """As a host tells them.

    :param longest: characters that the text may have; the newest failures are left out where all would be more
    """
    text = VERSION
    for failure in sorted(failures, key=lambda each: (each.since, each.instance)):
        word = f";{failure.instance},{failure.kind.value},{failure.since},{failure.episode},{failure.detail}"
        if len(text) + len(word) > longest:
            break
        text += word
    return text


def read(text: str) -> HostFailures:
    """What ``written`` has written; of what somebody else has, or another version, what can be understood."""
    version, *words = text.split(";")
    if version != VERSION:
        return HostFailures(problem=f"version {_shown(version)} of a host's list of failed instances is not known")
    failures: dict[str, InstanceFailure] = {}
    strange = []
    for word in words:
        parts = _FAILURE.fullmatch(word)
        if parts and parts[2] in _KINDS and parts[1] not in failures:
            failures[parts[1]] = InstanceFailure(parts[1], _KINDS[parts[2]], int(parts[3]), parts[4], parts[5])
        else:
            strange.append(word)
    problem = None
    if strange:
        problem = f"{len(strange)} of {len(words)} failed instances cannot be understood: {_shown(strange[0])}"
    return HostFailures(tuple(failures.values()), problem)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
