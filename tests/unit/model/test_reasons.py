# SPDX-License-Identifier: Apache-2.0
"""The codes of reasons: programs go by them."""

import pathlib
import re

import pytest

from nova_ha.model.reasons import Code

TREE = pathlib.Path(__file__).resolve().parents[3]
MODULES = [path for path in (TREE / "nova_ha").glob("**/*.py") if path.name != "reasons.py"]


def test_a_code_is_words_with_underscores_that_agree_with_its_name():
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code.value) and code.name == code.value.upper() for code in Code)


@pytest.mark.parametrize("code", Code)
def test_each_code_is_used(code):
    assert any(f"Code.{code.name}" in path.read_text(encoding="utf-8") for path in MODULES)
