# SPDX-License-Identifier: Apache-2.0
"""Each command of nova-ha that the pages for operators print is one that it takes, with those options."""

import re
import shlex

import pytest

from nova_ha.cli import main
from tests.unit.agent_programs import TREE

PAGES = ("docs/operate.md", "docs/hosts.md", "docs/man/nova-ha.8.md", "README.md")
# A line of a block; what is said of it stands after three blanks, or a sign.
LINE = re.compile(r"^    (nova-ha .*?)(?:   .*|  +#.*| && .*)?$", re.MULTILINE)


def text_of(page):
    """Of a manual page what comes after its synopsis, which has a test of its own."""
    text = (TREE / page).read_text(encoding="utf-8")
    return text.partition("## Description")[2] if "/man/" in page else text


COMMANDS = sorted({match[1] for page in PAGES for match in LINE.finditer(text_of(page))})
# In lists of what there is, words in capitals, brackets and bars stand for something.
PATTERN = re.compile(r"[\[|]|\.\.\.")


def words(command):
    """Of a pattern, the shortest command that it stands for."""
    text = re.sub(r"\s*\[[^]]*\]", "", command)
    return [word.split("|")[0] for word in shlex.split(text) if word != "..."]


def test_there_are_some():
    assert len(COMMANDS) > 20
    assert any(PATTERN.search(command) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_pages_is_taken(command):
    _name, *arguments = words(command)
    if arguments[0] in ("pause", "hold") and "--reason" not in arguments:
        assert PATTERN.search(command) or arguments[0] == "hold"
        arguments += ["--reason", "TEXT"]  # which the list leaves out
    assert main._parser().parse_args(arguments).command.__name__ == arguments[0]
