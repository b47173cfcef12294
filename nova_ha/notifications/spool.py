# SPDX-License-Identifier: Apache-2.0
"""Notifications on disk, until they are taken: a directory for each receiver, a file for each notification.

=================== ================================================================================
file                content
=================== ================================================================================
``NUMBER.json``     a notification that is not taken yet; the lower, the earlier
``ledger.json``     what the receiver has taken, see ``ledger``
``refused/``        what the receiver will never take, for an operator to look at
=================== ================================================================================

Nothing is forced onto the disk: a mass failure makes hundreds, beside Pacemaker's own writes. When a node loses its
power, the engine goes on elsewhere, by what stands and by what is left with all nodes of what was taken.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

_LEDGER, _REFUSED, _SUFFIX = "ledger.json", "refused", ".json"

# How many that were refused are kept.
MOST_REFUSED = 100


class Spool:
    """One receiver's.

    :param directory: made when something is written; root alone can look into it
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def entries(self) -> dict[int, Any]:
        """What is there, by its numbers; None for what cannot be read."""
        numbers = [int(name[: -len(_SUFFIX)]) for name in self._names() if name[: -len(_SUFFIX)].isdecimal()]
        return {number: _read(self._file(number)) for number in sorted(numbers)}

    def ledger(self) -> Any:
        """What was written as the ledger; None if that is nothing, or cannot be read."""
        return _read(f"{self._directory}/{_LEDGER}")

    def add(self, number: int, entry: Mapping[str, Any]) -> None:
        """Write a notification.

        :raises OSError: the disk is full, say
        """
        self._write(self._file(number), entry)

    def write_ledger(self, ledger: Mapping[str, Any]) -> None:
        """Replace the ledger.

        :raises OSError: as ``add``
        """
        self._write(f"{self._directory}/{_LEDGER}", ledger)

    def remove(self, number: int) -> None:
        """Delete a notification, if it is there.

        :raises OSError: it cannot be deleted
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file(number))

    def set_aside(self, number: int, entry: Mapping[str, Any]) -> None:
        """Keep what is never to be sent again, instead of the oldest of its kind if there are many.

        :raises OSError: as ``add``
        """
        refused = f"{self._directory}/{_REFUSED}"
        os.makedirs(refused, mode=0o700, exist_ok=True)
        self._write(f"{refused}/{number:012d}{_SUFFIX}", entry)
        for oldest in sorted(os.listdir(refused))[:-MOST_REFUSED]:
            os.unlink(f"{refused}/{oldest}")
        self.remove(number)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._directory)
        except OSError:
            return []

    def _file(self, number: int) -> str:
        return f"{self._directory}/{number:012d}{_SUFFIX}"

    def _write(self, path: str, content: Mapping[str, Any]) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        draft = f"{path}.new"
        try:
            with open(draft, "w", encoding="utf-8", opener=_private) as file:
                file.write(json.dumps(content))
            os.replace(draft, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise


def _read(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
