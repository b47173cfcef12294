# SPDX-License-Identifier: Apache-2.0
"""What docs/fencing.md prints works as it stands there."""

from xml.etree import ElementTree

import pytest

from tests import pages
from tests.lab.settings import SOURCE_TREE

PAGE = SOURCE_TREE / "docs/fencing.md"
BLOCKS = pages.commands(PAGE)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_commands_of_the_page_work_as_they_stand_there(bench, name):
    configuration = ElementTree.fromstring(bench.deploy(BLOCKS[name]))
    agents = {primitive.get("id"): primitive.get("type") for primitive in configuration.iter("primitive")}
    levels = [level.get("devices").split(",") for level in configuration.iter("fencing-level")]
    # In every level, the flag is what comes last.
    assert {agents[devices[-1]] for devices in levels} == {"fence_compute"}


def test_every_command_of_the_page_is_tried():
    assert PAGE.read_text(encoding="utf-8").count("```sh\n") == len(BLOCKS)
