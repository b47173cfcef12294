# SPDX-License-Identifier: Apache-2.0
"""Drills that were passed: of each host the last one, as a node attribute beside its flag. Monitoring goes by them."""

from __future__ import annotations

from typing import NamedTuple

# What follows the flag's name in the attribute's.
BESIDE = "drill"


class Drill(NamedTuple):
    """One of them.

    :param level: how far it went
    :param at: seconds since the epoch
    """

    level: int
    at: int


def written(drill: Drill) -> str:
    """As the cluster keeps it."""
    return f"{drill.level}:{drill.at}"


def read(text: str) -> Drill | None:
    """What ``written`` has written; None: somebody else has."""
    level, _, at = text.partition(":")
    return Drill(int(level), int(at)) if level.isdecimal() and at.isdecimal() else None
