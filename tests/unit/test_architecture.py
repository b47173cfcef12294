# SPDX-License-Identifier: Apache-2.0
"""What each package may import, as docs/architecture.md says."""

import ast
import pathlib
import re

import pytest

from tests import pages

TREE = pathlib.Path(__file__).resolve().parents[2]
_, *PARTS = (TREE / "docs/architecture.md").read_text(encoding="utf-8").split("\n## ")
PAGE = {title: text for title, _, text in (part.partition("\n") for part in PARTS)}
PACKAGES = pages.rows(PAGE["Packages"])
CONTRACTS = {row["package"]: set(re.findall("[a-z.]+", row["it may import"] or "")) for row in PACKAGES}
# Lines.
LONGEST_MODULE, LONGEST_FUNCTION = 350, 40
MODULES = sorted(path.relative_to(TREE) for path in (TREE / "nova_ha").rglob("*.py"))


def package_of(module):
    """Of the dotted name of a module of nova-ha, without ``nova_ha``."""
    return ".".join(module.split(".")[1:-1])


def imported(path):
    """The dotted names of what a module imports of nova-ha, anywhere in it."""
    for node in ast.walk(ast.parse((TREE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] == "nova_ha")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nova_ha":
            assert node.level == 0
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                is_module = (TREE / (whole.replace(".", "/") + ".py")).exists()
                is_of_package = (TREE / node.module.replace(".", "/")).is_dir()
                yield whole if is_module or is_of_package else node.module


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_package_imports_what_the_page_says(path):
    package = ".".join(path.parts[1:-1])
    # The package above all others knows its version, and nothing else.
    others = {package_of(module) for module in imported(path)} - {package, ""}
    if path.name == "__init__.py":
        # Each monitor imports it.
        assert others == set()
    else:
        assert others <= CONTRACTS[package]


@pytest.mark.parametrize("path", [*MODULES, pathlib.Path("fence/fence_compute")], ids=str)
def test_a_module_is_read_from_top_to_bottom_and_a_function_at_a_glance(path):
    text = (TREE / path).read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert [each.name for each in functions if each.end_lineno - each.lineno >= LONGEST_FUNCTION] == []


def test_the_page_has_every_package():
    assert {".".join(path.parts[1:-1]) for path in MODULES} - {""} == set(CONTRACTS)


def test_the_page_says_where_each_module_was():
    former = pages.rows(PAGE["Where a former module went"])
    missing = {row["now"] for row in former if not (TREE / "nova_ha" / row["now"]).exists()}
    assert missing == set()


MODEL = (TREE / "docs/model/README.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z_]+)\.(?:_?[A-Z]\w*\.)?(\w+)`", MODEL.partition("in the code |")[2].partition("## ")[0]))
# The page has constants, too.
EXACTLY_ONCE = (TREE / "docs/exactly-once.md").read_text(encoding="utf-8")
NAMED |= set(re.findall(r"`([a-z_]+)\.(_?[A-Z][A-Z_]+)`", EXACTLY_ONCE))
NAMED |= set(re.findall(r"`([a-z_]+)\.(?:_?[A-Z]\w*\.)?(\w+)`", PAGE["What the engine remembers"]))


def defined(path):
    """The names of what a module defines, anywhere in it, or assigns."""
    for node in ast.walk(ast.parse((TREE / path).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@pytest.mark.parametrize(("module", "name"), sorted(NAMED), ids=str)
def test_what_the_pages_name_of_the_code_is_there(module, name):
    (path,) = [path for path in MODULES if path.stem == module]
    assert name in set(defined(path))
