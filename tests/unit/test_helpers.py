# SPDX-License-Identifier: Apache-2.0
"""Where the unit tests' helpers live."""

import ast
import pathlib

UNIT = pathlib.Path(__file__).parent


def test_no_helper_is_imported_from_a_test_module():
    """A helper has a module of its own: a test module that is split or deleted takes no other along."""
    imports = {
        (str(file.relative_to(UNIT)), f"{node.module}.{alias.name}")
        for file in UNIT.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imports
    assert {(file, name) for file, name in imports if name.startswith("tests.unit.") and ".test_" in name} == set()
