# SPDX-License-Identifier: Apache-2.0
"""How messages put numbers."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
