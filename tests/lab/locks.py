# SPDX-License-Identifier: Apache-2.0
"""Locks between all programs of the lab on a machine, whatever tree and lab they are of."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

# Not in ``settings.HOME``, which may be another one for another program.
DIRECTORY = pathlib.Path("/run/nova-ha-lab-locks")


@contextlib.contextmanager
def held(name: str) -> Iterator[None]:
    """Hold a lock for as long as the block lasts; whoever else wants it waits for that."""
    DIRECTORY.mkdir(exist_ok=True)
    descriptor = os.open(DIRECTORY / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
