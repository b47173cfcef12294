# SPDX-License-Identifier: Apache-2.0
"""The codes of reasons: programs go by them, and docs/reasons.md has every one of them."""

import pathlib
import re

import pytest

from nova_ha.model.reasons import Code
from tests import pages

TREE = pathlib.Path(__file__).resolve().parents[3]
PAGE = TREE / "docs" / "reasons.md"
MODULES = [path for path in (TREE / "nova_ha").glob("**/*.py") if path.name != "reasons.py"]


def test_a_code_is_words_with_underscores_that_agree_with_its_name():
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code.value) and code.name == code.value.upper() for code in Code)


def test_the_page_has_every_code_with_its_meaning_and_no_other():
    found = pages.rows(PAGE.read_text(encoding="utf-8"))
    assert {row["code"]: row["meaning"] for row in found} == {code.value: code.meaning for code in Code}


@pytest.mark.parametrize("code", Code)
def test_each_code_is_used(code):
    assert any(f"Code.{code.name}" in path.read_text(encoding="utf-8") for path in MODULES)


def test_what_the_readme_says_of_codes_is_of_codes_that_there_are():
    readme = (TREE / "README.md").read_text(encoding="utf-8")
    table = readme.partition("### When things go wrong\n")[2].partition("\n#")[0]
    named = re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE)
    assert named and set(named) <= {code.value for code in Code}
