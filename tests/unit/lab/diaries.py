# SPDX-License-Identifier: Apache-2.0
"""Disks of guests with diaries on them."""

import struct

from tests.lab.guest import disk

# 2026-11-29 23:59:59 UTC, and two seconds later, as a clock of BCD has them.
BEFORE, AFTER = (0x20261129, 0x235959), (0x20261130, 0x000001)


def written(newest, *entries):
    """A disk with the diaries of some incarnations, each with its first and its last moment."""
    content = bytearray(disk.IMAGE_SIZE)
    struct.pack_into("<2I", content, 8 * 512, newest, 99)
    for number, first, last in entries:
        record = struct.pack("<4s8I", b"BEAT", number, 99, 3, 1, *first, *last)
        at = (16 + number % 1024) * 512
        content[at : at + len(record)] = record
    return bytes(content)
