# SPDX-License-Identifier: Apache-2.0
"""What the README and the pages say of the configuration is what the code takes."""

import pathlib

import pytest

from nova_ha.config import options
from nova_ha.fencing import options as fence_options
from nova_ha.model import flag

TREE = pathlib.Path(__file__).resolve().parents[2]
README = (TREE / "README.md").read_text(encoding="utf-8")
POLICY = (TREE / "docs/policy.md").read_text(encoding="utf-8")

NAMED = [(group, option) for group in ("recovery", "guard", "reserve") for option in options.OPTIONS[group]]


@pytest.mark.parametrize(("group", "option"), NAMED, ids=[f"{group}.{option.name}" for group, option in NAMED])
def test_every_option_stands_in_the_readme_with_its_default(group, option):
    rows = [line for line in README.splitlines() if line.startswith("|") and f"`{option.name}`" in line]
    assert rows, option.name
    if option.name not in ("attribute", "domain"):  # the agent's parameters, whose defaults stand there
        assert any(f"| `{option.default}` |" in row for row in rows)


@pytest.mark.parametrize("group", ["policy", "order"])
def test_the_other_options_stand_in_a_page_of_their_own(group):
    assert f"`[{group}]`" in README
    for option in options.OPTIONS[group]:
        assert f"`{option.name}`" in POLICY


# Of our own; the cloud's are the existing agent's, and told in a sentence.
FENCE = [name for table, _order in fence_options.TABLES[1:] for name, *_ in table if name != "compute-domain"]


@pytest.mark.parametrize("name", FENCE)
def test_every_option_of_fence_compute_stands_in_the_readme(name):
    table = README.partition("### fence_compute\n")[2].partition("### ")[0]
    assert f"`{name.replace('-', '_')}`" in table


@pytest.mark.parametrize("value", [flag.FLAGGED, flag.GO, flag.RECOVERED, flag.RESTART])
def test_every_value_of_the_flag_is_explained(value):
    assert f"| `{value}` |" in README
