# SPDX-License-Identifier: Apache-2.0
"""The disks of the lab's real guests, from outside: the image they begin as, their diaries, the commands."""

from __future__ import annotations

import enum
import os
import pathlib
import tempfile

from tests.lab.cloud import layout
from tests.lab.guest import diary
from tests.lab.shell import LabError, run

SOURCE = pathlib.Path(__file__).with_name("guest.S")
# A boot sector that Glance and Nova take for a disk.
IMAGE_SIZE = 1 << 20


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
    """The disks that an instance has, by where they are: ``shared``, or a host's name. More than one is no rarity.

    Where each host has disks of its own, that which a dead host had stays until the host is back and tidies up.
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
