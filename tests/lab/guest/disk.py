# SPDX-License-Identifier: Apache-2.0
"""The disks of the lab's real guests, from outside: the image they begin as, their diaries, the commands."""

from __future__ import annotations

import contextlib
import enum
import os
import pathlib
import tempfile

from tests.lab.cloud import layout
from tests.lab.guest import diary
from tests.lab.history import GuestDisk
from tests.lab.shell import LabError, run
from tests.lab.waiting import wait_for

SOURCE = pathlib.Path(__file__).with_name("guest.S")
# A boot sector that Glance and Nova take for a disk.
IMAGE_SIZE = 1 << 20
# Seconds without a beat after which a guest is taken to run no more: it beats once in each.
LOOK = 5


class Command(enum.Enum):
    """What a guest does when it is told to; each is obeyed once, at the next beat."""

    POWER_OFF = b"S"
    RESET = b"R"
    TRIPLE_FAULT = b"T"
    HANG = b"H"
    # Told to the host by pvpanic, if the guest has that device.
    PANIC = b"P"
    # Hang with the watchdog armed, if the guest has one (i6300esb); else it goes on.
    WATCHDOG = b"W"


def image() -> bytes:
    """The image of a guest that has never booted.

    :raises LabError: gcc failed, or is not installed
    """
    places = {name: getattr(diary, name) for name in ("NEWEST", "COMMAND", "DIARIES", "SLOTS")}
    with tempfile.TemporaryDirectory() as scratch:
        binary = pathlib.Path(scratch, "guest")
        run(
            *("gcc", "-m16", "-nostdlib", "-static", "-Wl,--build-id=none,--oformat=binary,-Ttext=0x7c00"),
            *(f"-D{name}={value}" for name, value in places.items()),
            *("-o", binary, SOURCE),
        )
        return binary.read_bytes().ljust(IMAGE_SIZE, b"\0")


def of(instance: str) -> dict[str, pathlib.Path]:
    """The disks that an instance has, by where they are: ``shared``, or a host's name.

    Where each host has disks of its own, a dead host keeps its own of an instance that has begun anew elsewhere, until
    Nova tidies up on the host that is back.
    """
    return {file.parts[-3]: file for file in sorted(layout.DISKS.glob(f"*/{instance}/disk"))}


def read(file: pathlib.Path) -> tuple[diary.Incarnation, ...]:
    """What a disk tells; see ``diary.parse``.

    :raises LabError: it is not the disk of such a guest
    """
    with file.open("rb") as stream:
        content = stream.read(diary.SIZE)
    try:
        return diary.parse(content)
    except ValueError as error:
        raise LabError(f"{file}: {error}") from error


def look() -> tuple[GuestDisk, ...]:
    """All disks of all instances, and on which of them a guest writes; it takes ``LOOK`` seconds where one is silent.

    What is no disk of such a guest, or is just being made, is one on which nothing was ever written.
    """

    def read_all() -> dict[tuple[str, str], tuple[diary.Incarnation, ...]]:
        return {file.parts[-3:-1]: _read_any(file) for file in sorted(layout.DISKS.glob("*/*/disk"))}

    def beating(now: dict[tuple[str, str], tuple[diary.Incarnation, ...]]) -> set[tuple[str, str]]:
        return {key for key in now if now[key] != before.get(key, ())}

    before = read_all()
    with contextlib.suppress(LabError):
        wait_for("every guest to beat", lambda: len(beating(read_all())) == len(before), LOOK)
    after = read_all()
    return tuple(
        GuestDisk(instance, place, incarnations, (place, instance) in beating(after))
        for (place, instance), incarnations in after.items()
    )


def _read_any(file: pathlib.Path) -> tuple[diary.Incarnation, ...]:
    try:
        return read(file)
    except (LabError, FileNotFoundError):
        return ()


def tell(instance: str, command: Command) -> None:
    """Have an instance's guest do something, on whichever disk it is.

    :raises LabError: the instance has no disk here
    """
    files = of(instance).values()
    if not files:
        raise LabError(f"instance {instance} has no disk in {layout.DISKS}")
    for file in files:
        with file.open("r+b", buffering=0) as stream:
            stream.seek(diary.COMMAND * diary.SECTOR)
            stream.write(command.value)
            # The guest reads past the machine's cache.
            os.fsync(stream)
