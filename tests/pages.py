# SPDX-License-Identifier: Apache-2.0
"""What README and pages print: commands for an operator, which tests type as they stand there; and tables."""

from __future__ import annotations

import pathlib
import re

MARKER = re.compile(r"<!-- test: (\S+) -->")
BLOCK = re.compile(rf"{MARKER.pattern}\s*```sh\n(.*?)```", re.DOTALL)


def commands(page: pathlib.Path) -> dict[str, str]:
    """The blocks of shell commands that a page marks for tests, by the names in their markers.

    :raises ValueError: the page marks none, a marker has no block, or two have one name
    """
    text = page.read_text(encoding="utf-8")
    markers, blocks = MARKER.findall(text), BLOCK.findall(text)
    if not markers:
        raise ValueError(f"{page.name} marks no commands for tests (<!-- test: NAME -->)")
    if markers != list(dict(blocks)):
        raise ValueError(f"{page.name}: each of {', '.join(markers)} needs a name and a ```sh block of its own")
    return dict(blocks)


def block(page: pathlib.Path, name: str, language: str) -> str:
    """The block of another language that a page marks for a test.

    :raises ValueError: it has none
    """
    marked = re.search(rf"<!-- test: {name} -->\s*```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if marked is None:
        raise ValueError(f"{page.name} has no block {name} of {language} for a test")
    return marked[1]


def rows(section: str) -> list[dict[str, str | None]]:
    """The rows of the one table in a part of a page, by column; None where a cell has nothing, or a dash.

    :raises ValueError: a row has more or fewer cells than the heading
    """
    lines = [line for line in section.splitlines() if line.startswith("|")]
    columns, _, *found = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    for row in found:
        if len(row) != len(columns):
            raise ValueError(f"{len(columns)} cells are needed: {row}")
    return [{column: None if text in ("", "-") else text for column, text in zip(columns, row)} for row in found]
