# SPDX-License-Identifier: Apache-2.0
"""Every code with its explanation, and how the pages of the documentation print them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nova_ha.explanations import of_cluster, of_engine, of_hosts, of_instances, of_surroundings
from nova_ha.explanations.text import Explanation
from nova_ha.model.findings import FindingCode
from nova_ha.model.reasons import Code

# Kinds of codes.
REASON, FINDING, STATE = "reason", "finding", "state"

# The page that has the codes of a kind.
PAGES = {REASON: "troubleshooting.md", FINDING: "check.md", STATE: "troubleshooting.md"}

_REASONS: Mapping[Code, Explanation] = {**of_hosts.TEXTS, **of_hosts.INTERPLAY, **of_instances.TEXTS, **of_engine.TEXTS}
_FINDINGS: Mapping[FindingCode, Explanation] = {**of_cluster.TEXTS, **of_cluster.FENCING, **of_surroundings.TEXTS}

_PARTS = (("Look", "look"), ("Do", "do"), ("Never", "never"))


class Entry(NamedTuple):
    """A code and all that is told of it.

    :param meaning: in one line
    """

    code: str
    kind: str
    meaning: str
    text: Explanation

    @property
    def anchor(self) -> str:
        """Page and heading of the documentation that have the same."""
        return f"{PAGES[self.kind]}#{self.code}"


def entries() -> dict[str, Entry]:
    """All of them by their codes, in the order of the enumerations."""
    found = [Entry(code.value, REASON, code.meaning, _REASONS[code]) for code in Code]
    found += [Entry(code.value, FINDING, code.meaning, _FINDINGS[code]) for code in FindingCode]
    found += [Entry(state, STATE, meaning, text) for state, (meaning, text) in of_engine.STATES.items()]
    return {entry.code: entry for entry in found}


def plain(markdown: str) -> str:
    """A paragraph as a terminal shows it: links lose their addresses, and emphasis its stars."""
    text = re.sub(r"\[([^]]+)\]\(([^)#]+)[^)]*\)", r"\1 (docs/\2)", markdown)
    return re.sub(r"\*{1,2}([^*]+)\*{1,2}", r"\1", text)


def page(chosen: Iterable[Entry]) -> str:
    """The sections of a page for some codes, in Markdown."""
    return "\n\n".join(_section(entry) for entry in chosen)


def _section(entry: Entry) -> str:
    text = entry.text
    meaning = entry.meaning[0].upper() + entry.meaning[1:]
    parts = [f"**{name}**: {value}" for name, key in _PARTS if (value := getattr(text, key)) is not None]
    paragraphs = [f"### {entry.code}", f"{meaning}.", text.operator, text.about, *parts]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
