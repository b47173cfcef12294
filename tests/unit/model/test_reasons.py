# SPDX-License-Identifier: Apache-2.0
"""The codes of reasons: programs go by them, and docs/troubleshooting.md has every one of them."""

import pathlib
import re

import pytest

from nova_ha.model.reasons import Code

TREE = pathlib.Path(__file__).resolve().parents[3]
PAGE = TREE / "docs" / "troubleshooting.md"
MODULES = [path for path in (TREE / "nova_ha").glob("**/*.py") if path.name != "reasons.py"]


def test_a_code_is_words_with_underscores_that_agree_with_its_name():
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code.value) and code.name == code.value.upper() for code in Code)


def test_the_page_has_every_code_with_its_meaning_and_no_other():
    found = re.findall(r"^### ([a-z_]+)\n\n(.*)\.$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [code for code, _ in found] == [code.value for code in Code]
    assert [meaning.casefold() for _, meaning in found] == [code.meaning.casefold() for code in Code]


@pytest.mark.parametrize("code", Code)
def test_each_code_is_used(code):
    assert any(f"Code.{code.name}" in path.read_text(encoding="utf-8") for path in MODULES)
