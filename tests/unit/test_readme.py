# SPDX-License-Identifier: Apache-2.0
"""What the README and the pages say of the configuration is what the code takes."""

import pathlib
import re

import pytest

from nova_ha.config import options
from nova_ha.fencing import options as fence_options
from nova_ha.model import flag
from tests import pages

TREE = pathlib.Path(__file__).resolve().parents[2]
README = (TREE / "README.md").read_text(encoding="utf-8")
PARAMETERS = (TREE / "docs/parameters.md").read_text(encoding="utf-8")
OPERATE = (TREE / "docs/operate.md").read_text(encoding="utf-8")
POLICY = (TREE / "docs/policy.md").read_text(encoding="utf-8")

NAMED = [(group, option) for group in ("recovery", "guard", "reserve") for option in options.OPTIONS[group]]


@pytest.mark.parametrize(("group", "option"), NAMED, ids=[f"{group}.{option.name}" for group, option in NAMED])
def test_every_option_stands_in_the_page_of_parameters_with_its_default(group, option):
    rows = [line for line in PARAMETERS.splitlines() if line.startswith("|") and f"`{option.name}`" in line]
    assert rows, option.name
    if option.name not in ("attribute", "domain"):  # the agent's parameters, whose defaults stand there
        assert any(f"| `{option.default}` |" in row for row in rows)


@pytest.mark.parametrize("group", ["policy", "order"])
def test_the_other_options_stand_in_a_page_of_their_own(group):
    assert f"`[{group}]`" in PARAMETERS
    for option in options.OPTIONS[group]:
        assert f"`{option.name}`" in POLICY


# Of our own; the cloud's are the existing agent's, and told in a sentence.
FENCE = [name for table, _order in fence_options.TABLES[1:] for name, *_ in table if name != "compute-domain"]


@pytest.mark.parametrize("name", FENCE)
def test_every_option_of_fence_compute_stands_in_the_page_of_parameters(name):
    table = PARAMETERS.partition("## fence_compute\n")[2].partition("## ")[0]
    assert f"`{name.replace('-', '_')}`" in table


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
