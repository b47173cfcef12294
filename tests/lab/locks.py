# SPDX-License-Identifier: Apache-2.0
"""Locks between all programs of the lab on a machine, whatever tree and lab they are of."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import shlex
from collections.abc import Iterator

from tests.lab.settings import SOURCE_TREE
from tests.lab.shell import LabError

# Not in ``settings.HOME``, which may be another one for another program.
DIRECTORY = pathlib.Path("/run/nova-ha-lab-locks")


class InUse(LabError):
    """Another process has it; the text says which."""


@contextlib.contextmanager
def held(name: str) -> Iterator[None]:
    """Hold a lock for as long as the block lasts; whoever else wants it waits for that."""
    with _file(name) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def claimed(name: str, what: str) -> Iterator[None]:
    """Have something for this process alone, for as long as the block lasts. A process may claim again what it has.

    :param what: is claimed, for the error
    :raises InUse: another process has it
    """
    if name in _claims:
        yield
        return
    with _file(name) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"{what} is in use by another process{_holder(descriptor)}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "tree": str(SOURCE_TREE)}).encode(), 0)
        _claims.add(name)
        try:
            yield
        finally:
            _claims.discard(name)


_claims: set[str] = set()


@contextlib.contextmanager
def _file(name: str) -> Iterator[int]:
    DIRECTORY.mkdir(exist_ok=True)
    descriptor = os.open(DIRECTORY / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Who has a claim, as the end of a sentence; nothing if he has not written it down yet, or is just gone."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        command = pathlib.Path(f"/proc/{holder['pid']}/cmdline").read_text().rstrip("\0").split("\0")
    except (ValueError, OSError):
        return ""
    return (
        f" of the tree {holder['tree']}: {shlex.join(command)} (pid {holder['pid']});"
        f" wait until it ends, or end it by: kill -INT {holder['pid']}"
    )
