# SPDX-License-Identifier: Apache-2.0
"""What the README and the pages say of the configuration is what the code takes."""

import pathlib
import re
import subprocess

import pytest

from nova_ha.config import options
from nova_ha.model import flag
from tests import pages

TREE = pathlib.Path(__file__).resolve().parents[2]
README = (TREE / "README.md").read_text(encoding="utf-8")
PARAMETERS = (TREE / "docs/parameters.md").read_text(encoding="utf-8")
OPERATE = (TREE / "docs/operate.md").read_text(encoding="utf-8")
POLICY = (TREE / "docs/policy.md").read_text(encoding="utf-8")


def test_the_tables_of_parameters_are_those_of_the_code():
    done = subprocess.run([TREE / "tools/parameter-tables", "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("group", ["policy", "order"])
def test_the_other_options_stand_in_a_page_of_their_own(group):
    assert f"`[{group}]`" in PARAMETERS
    for option in options.OPTIONS[group]:
        assert f"`{option.name}`" in POLICY


@pytest.mark.parametrize("value", [flag.FLAGGED, flag.GO, flag.RECOVERED, flag.RESTART])
def test_every_value_of_the_flag_is_explained(value):
    assert f"| `{value}` |" in OPERATE


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


LINKS = [
    (page.relative_to(TREE), link)
    for page in (TREE / "README.md", *sorted((TREE / "docs").rglob("*.md")))
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    if "://" not in link
]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{page}:{link}" for page, link in LINKS])
def test_a_link_leads_to_a_page_and_a_heading_of_it(page, link):
    path, _, anchor = link.partition("#")
    target = (TREE / page).parent / path if path else TREE / page
    assert target.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_deploys_as_the_page_does():
    blocks = [pages.commands(page)["deploy-pcs"] for page in (TREE / "README.md", TREE / "docs/deploy.md")]
    assert blocks[0] == blocks[1]
