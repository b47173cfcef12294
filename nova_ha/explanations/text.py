# SPDX-License-Identifier: Apache-2.0
"""The parts of an explanation."""

from __future__ import annotations

from typing import NamedTuple

# What passes by itself.
NOTHING = "Nothing: it goes on by itself."

AT_ONCE = "Needs an operator at once."


class Explanation(NamedTuple):
    """What a code means to an operator; paragraphs in Markdown, whose links are those of the pages in ``docs/``.

    :param do: what to do
    :param look: where to look
    :param about: more of what it means than its one line says
    :param operator: when it needs an operator; None: it does not, or the finding's severity says it
    :param never: what not to do, whatever happens
    """

    do: str = NOTHING
    look: str | None = None
    about: str | None = None
    operator: str | None = None
    never: str | None = None
