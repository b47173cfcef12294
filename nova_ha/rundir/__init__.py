# SPDX-License-Identifier: Apache-2.0
"""Files in /run that monitors read: they import nothing of nova_ha, and little else."""

from __future__ import annotations

import os

ROOT = "/run/nova-ha"


def write(path: str, text: str) -> None:
    """Replace a file's content, so that whoever reads it finds the old one or the new one; only root may read it."""
    draft = f"{path}.new"
    with open(draft, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)
    os.replace(draft, path)


def remove(path: str) -> None:
    """Delete a file, if it is there."""
    if os.path.exists(path):
        os.unlink(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
