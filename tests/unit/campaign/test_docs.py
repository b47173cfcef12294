# SPDX-License-Identifier: Apache-2.0
"""docs/campaign.md names every fault, with the words of the fault itself."""

from tests.campaign.disturbances import KINDS
from tests.lab.settings import SOURCE_TREE


def test_every_fault_has_its_row():
    rows = (SOURCE_TREE / "docs" / "campaign.md").read_text().splitlines()
    for kind in KINDS.values():
        assert f"| {kind.group} | `{kind.name}` | {kind.what().rstrip('.')} |" in rows
