# SPDX-License-Identifier: Apache-2.0
"""The directive ``agent-parameters``: what an agent takes, for its manual page, as the code declares it.

tools/parameter-tables reads that for the tables of docs/parameters.md; manual pages have a definition list of it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import pathlib
import re
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

TABLES = pathlib.Path(__file__).resolve().parents[2] / "tools/parameter-tables"


class AgentParameters(Directive):
    """``{agent-parameters} NovaEvacuate``; its content is for those who read the page where it is not built."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The parameters of the agent of that name, as the code declares them."""
        declared = _tool().agents()
        agent = self.arguments[0]
        if agent not in declared:
            raise self.error(f"no agent {agent!r}: one of {', '.join(declared)}")
        items = nodes.definition_list()
        for name, default, meaning in declared[agent]:
            preset = [nodes.Text(" (default: "), *_inline(default), nodes.Text(")")] if default else []
            term = nodes.term("", "", *_inline(name), *preset)
            definition = nodes.definition("", nodes.paragraph("", "", *_inline(meaning)))
            items += nodes.definition_list_item("", term, definition)
        return [items]


def _tool() -> ModuleType:
    """tools/parameter-tables, which has no suffix by which Python would find it."""
    loader = importlib.machinery.SourceFileLoader("parameter_tables", str(TABLES))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _inline(text: str) -> list[nodes.Node]:
    """Text in which `code` stands between backticks."""
    pieces = re.split("`([^`]+)`", text)
    return [nodes.literal(piece, piece) if odd % 2 else nodes.Text(piece) for odd, piece in enumerate(pieces) if piece]


def setup(app: Any) -> dict[str, bool]:
    """Make it known to Sphinx."""
    app.add_directive("agent-parameters", AgentParameters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
