# SPDX-License-Identifier: Apache-2.0
"""Colour in what ``nova-ha`` prints for people: only on a terminal, and only where nobody has said no."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

RED, YELLOW, GREEN, BOLD = "31", "33", "32", "1"

# Gives a text a colour, or leaves it as it is.
Paint = Callable[[str, str], str]


def plain(text: str, _colour: str) -> str:
    """No colour."""
    return text


def painter(refused: bool) -> Paint:
    """What to colour texts with.

    :param refused: whether the command line says no; NO_COLOR in the environment does as well (no-color.org)
    """
    is_terminal = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if refused or os.environ.get("NO_COLOR") or not is_terminal:
        return plain
    return lambda text, colour: f"\033[{colour}m{text}\033[0m"
