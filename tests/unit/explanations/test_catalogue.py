# SPDX-License-Identifier: Apache-2.0
"""Every code has one explanation, which the pages have as well."""

import pathlib
import re
import subprocess

import pytest

from nova_ha.cli import status
from nova_ha.explanations import catalogue, text
from nova_ha.model.findings import FindingCode
from nova_ha.model.reasons import Code

TREE = pathlib.Path(__file__).resolve().parents[3]
CHECKS = [path.read_text(encoding="utf-8") for path in (TREE / "nova_ha/checks").glob("*.py")]
ENTRIES = catalogue.entries()


def test_the_pages_have_what_the_command_says():
    done = subprocess.run([TREE / "tools/code-pages", "--check"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("page", "kinds"),
    [("troubleshooting.md", (catalogue.REASON, catalogue.STATE)), ("check.md", (catalogue.FINDING,))],
)
def test_a_page_has_a_heading_for_each_code_and_no_other(page, kinds):
    headings = re.findall(r"^### (.*)$", (TREE / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [code for kind in kinds for code, entry in ENTRIES.items() if entry.kind == kind]


def test_every_code_is_explained_and_none_twice():
    words = [*Code, *FindingCode, *status.ENGINE_STATES]
    assert sorted(ENTRIES) == sorted(
        str(word.value if isinstance(word, (Code, FindingCode)) else word) for word in words
    )
    assert len(words) == len(set(ENTRIES))


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_explanation_is_of_whole_sentences_and_says_what_to_do(entry):
    parts = [part for part in entry.text if part is not None]
    assert entry.text.do
    assert all(part.endswith((".", "?", ".)")) for part in parts)
    # What needs an operator does not end by itself.
    assert entry.text.operator is None or entry.text.do != text.NOTHING


@pytest.mark.parametrize("code", FindingCode)
def test_each_code_can_be_found(code):
    assert re.fullmatch("[a-z]+(_[a-z]+)*", code.value) and code.name == code.value.upper()
    assert any(f"FindingCode.{code.name}" in text for text in CHECKS)
