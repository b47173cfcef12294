# SPDX-License-Identifier: Apache-2.0
"""Puts what sources say into an archive: masked, each by itself, so that one that fails takes no other with it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nova_ha.collection import masking
from nova_ha.collection.sources import Source, Unavailable


class Contents(NamedTuple):
    """What an archive holds.

    :param files: the texts, by their names
    :param missing: why others are not in it, by their names
    :param masked: how many secrets were masked in each
    """

    files: Mapping[str, str]
    missing: Mapping[str, str]
    masked: Mapping[str, int]


def contents(sources: Mapping[str, Source], secrets: Iterable[str]) -> Contents:
    """What the sources say, without secrets."""
    known = sorted(secrets)
    files, missing, numbers = {}, {}, {}
    for name, source in sources.items():
        try:
            text = source()
        except Unavailable as error:
            missing[name] = masking.masked(" ".join(str(error).split()), known)[0]
            continue
        files[name], numbers[name] = masking.masked(text, known)
    return Contents(files, missing, numbers)


def write(path: str, found: Contents, now: float) -> int:
    """Write an archive, which root alone may read; whole or not at all.

    :param now: seconds since the epoch
    :return: its size in bytes
    :raises OSError: it cannot be written
    """
    name = os.path.basename(path).partition(".tar")[0]
    if os.path.isdir(path):
        raise IsADirectoryError(0, "is a directory")
    file, draft = tempfile.mkstemp(".new", ".nova-ha-", os.path.dirname(os.path.abspath(path)))
    try:
        with open(file, "wb") as opened, tarfile.open(fileobj=opened, mode="w:gz") as archive:
            for each, text in {**found.files, "contents.txt": _index(found)}.items():
                data = text.encode(errors="replace")
                about = tarfile.TarInfo(f"{name}/{each}")
                about.size, about.mtime, about.mode = len(data), int(now), 0o600
                archive.addfile(about, io.BytesIO(data))
        size = os.path.getsize(draft)
        os.replace(draft, path)
    except OSError:
        os.unlink(draft)
        raise
    return size


def _index(found: Contents) -> str:
    lines = [f"{name}  {len(text)} characters, {found.masked[name]} masked" for name, text in found.files.items()]
    lines += [f"{name}  not to be had: {why}" for name, why in found.missing.items()]
    note = "Masked are passwords, tokens and keys. Names of hosts, ids, addresses and operators' reasons are in it."
    return "\n".join([note, "", *lines, ""])
