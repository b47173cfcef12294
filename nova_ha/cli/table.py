# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha`` prints for people: tables that fit a terminal, and times as people say them."""

from __future__ import annotations

import itertools
import os
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from nova_ha.cli.colour import Paint, plain

# A row's cells, and its notes.
Row = tuple[Sequence[object], Iterable[Optional[str]]]

# Columns that a table may take; a terminal decides in between.
NARROWEST, WIDEST = 80, 120

# What does not end by itself is to catch the eye.
NEEDS_OPERATOR = "NEEDS AN OPERATOR: "

_INDENT = "    "

# A longer cell goes beyond its column, so that other rows can still be read. Linux takes no longer name of a host.
_WIDEST_COLUMN = 64


def table(
    headings: Sequence[str], rows: Iterable[Row], width: int, colours: Iterable[str | None] = (), paint: Paint = plain
) -> list[str]:
    """A table's lines.

    :param headings: one for each column
    :param rows: each note begins a line of its own below the row
    :param width: columns within which the notes are wrapped
    :param colours: that of each row's cells, in their order; None for none
    """
    cleaned = [([clean(cell) for cell in cells], notes) for cells, notes in rows]
    columns = zip(headings, *(cells for cells, _notes in cleaned))  # noqa: B905
    widths = [min(max(map(len, column)), _WIDEST_COLUMN) for column in columns]
    lines = [_line(headings, widths)]
    for (cells, notes), colour in itertools.zip_longest(cleaned, colours):
        line = _line(cells, widths)
        lines.append(paint(line, colour) if colour else line)
        for note in filter(None, notes):
            lines += wrapped(note, width, _INDENT)
    return lines


class Verbatim(str):
    """A text that stays on one line, however long: it is to be copied."""


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """A text's lines, each indented."""
    if isinstance(text, Verbatim):
        return [indent + clean(text)]
    return textwrap.wrap(
        clean(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def clean(text: object) -> str:
    """A text in which nothing steers the terminal: names of instances are their owners' to choose."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def clipped(text: str, longest: int) -> str:
    """A text cut to a length that a column can take."""
    return text if len(text) <= longest else f"{text[: longest - 2]}.."


def explained(about: Mapping[str, object]) -> str:
    """The reason for something (of which ``code``, ``reason``, ``needs_operator`` are known), with a call if due."""
    reason = f"{about['code']}: {about['reason']}" if about["code"] else str(about["reason"])
    return f"{NEEDS_OPERATOR}{reason}" if about["needs_operator"] else reason


def way_out(about: Mapping[str, object]) -> Verbatim | None:
    """The ``command`` of something, to be copied; None if it has none."""
    return Verbatim(f"command: {about['command']}") if about["command"] else None


def ago(seconds: float) -> str:
    """How long something took, or lies back: ``45 s``, ``3 min``, ``5 h``, ``4 d``."""
    seconds = max(0, int(seconds))  # the clock of another node may be ahead
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def moment(epoch: float) -> str:
    """A time on this node's clock, with its date."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def width() -> int:
    """Columns to use on standard output."""
    try:
        return min(max(os.get_terminal_size(1).columns, NARROWEST), WIDEST)
    except OSError:
        return WIDEST


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()  # noqa: B905
