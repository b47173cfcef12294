# SPDX-License-Identifier: Apache-2.0
"""What README and pages print for an operator to type, so that tests can type it as it stands there."""

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
