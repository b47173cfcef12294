# SPDX-License-Identifier: Apache-2.0
"""The diary that a guest keeps on its disk, read from outside: pure, for what is written see ``guest.S``."""

from __future__ import annotations

import dataclasses
import datetime
import struct

SECTOR = 512
# The number of the last incarnation and its nonce; the command; from the last one on, the diaries, in a ring.
NEWEST, COMMAND, DIARIES = 8, 9, 16
SLOTS = 1024
# What a disk has to hold at least.
SIZE = (DIARIES + SLOTS) * SECTOR

_MAGIC = b"BEAT"
# Number, nonce, beats, conflicts, then date and time of the first beat and of the last one.
_DIARY = struct.Struct("<4s8I")


@dataclasses.dataclass(frozen=True)
class Incarnation:
    """One boot of a guest.

    :param number: which boot of its disk it is, from 1 on
    :param nonce: tells two apart that have taken one number, which only two can that boot at once
    :param beats: how often it has written its diary
    :param conflicts: beats at which it was not the newest incarnation any more: another one had booted from its disk
    :param first, last: when it booted, and when it last wrote, in seconds since the epoch; its clock has whole seconds
    """

    number: int
    nonce: int
    beats: int
    conflicts: int
    first: float
    last: float


def parse(disk: bytes) -> tuple[Incarnation, ...]:
    """The incarnations of which a disk tells, in the order of their numbers; at most the last ``SLOTS``.

    One that ended before its first beat is not told of; nothing is, on a disk from which nothing has booted.

    :param disk: its first ``SIZE`` bytes
    :raises ValueError: that is not the disk of such a guest
    """
    if len(disk) < SIZE:
        raise ValueError(f"a guest's disk has {SIZE} bytes at least, this one {len(disk)}")
    (newest,) = struct.unpack_from("<I", disk, NEWEST * SECTOR)
    found = []
    for number in range(max(1, newest - SLOTS + 1), newest + 1):
        at = (DIARIES + number % SLOTS) * SECTOR
        magic, wrote, nonce, beats, conflicts, *moments = _DIARY.unpack_from(disk, at)
        if magic == _MAGIC and wrote == number:
            found.append(Incarnation(number, nonce, beats, conflicts, _epoch(*moments[:2]), _epoch(*moments[2:])))
    return tuple(found)


def _epoch(date: int, time: int) -> float:
    """Seconds since the epoch of a date (yyyymmdd) and a time of day (hhmmss), as the BCD of a clock that has UTC."""
    try:
        when = datetime.datetime.strptime(f"{date:08x}{time:06x}", "%Y%m%d%H%M%S")
    except ValueError as error:
        raise ValueError(f"a guest's diary has no such time: {date:08x} {time:06x}") from error
    return when.replace(tzinfo=datetime.timezone.utc).timestamp()
