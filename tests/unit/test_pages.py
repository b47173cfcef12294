# SPDX-License-Identifier: Apache-2.0
"""The commands and tables that a page prints are found, and nothing is lost without a word."""

import pytest

from tests import pages

ONE = "<!-- test: one -->\n```sh\ntrue\n```\n"


@pytest.fixture
def page(tmp_path):
    """Writes a page with the text that it is given."""

    def write(text):
        file = tmp_path / "page.md"
        file.write_text(text)
        return file

    return write


def test_blocks_are_found_by_their_names(page):
    indented = "1. First\n\n   <!-- test: two -->\n   ```sh\n   false\n   ```\n"
    assert pages.commands(page(f"{ONE}\nprose\n{indented}```sh\nunmarked\n```\n")) == {
        "one": "true\n",
        "two": "   false\n   ",
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```sh\ntrue\n```\n", id="no marker"),
        pytest.param(f"<!-- test: lost -->\nprose\n{ONE}", id="a marker without a block"),
        pytest.param(f"{ONE}<!-- test: python -->\n```python\npass\n```\n", id="a block that is no shell's"),
        pytest.param(ONE + ONE, id="a name twice"),
    ],
)
def test_a_block_that_would_not_be_tested_is_an_error(page, text):
    with pytest.raises(ValueError, match="page.md"):
        pages.commands(page(text))


TABLE = "prose\n\n| name | level |\n| --- | --- |\n| `one` | - |\n| two |  info |\n"


def test_a_table_is_read_by_its_columns():
    assert pages.rows(TABLE) == [{"name": "one", "level": None}, {"name": "two", "level": "info"}]


@pytest.mark.parametrize("row", ["| four |", "| four | info | more |"])
def test_a_row_that_does_not_fit_its_table_is_an_error(row):
    with pytest.raises(ValueError, match="four"):
        pages.rows(f"{TABLE}{row}\n")
