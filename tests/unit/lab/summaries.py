# SPDX-License-Identifier: Apache-2.0
"""What the last line of a test run says."""

from __future__ import annotations

import re


def summary(printed: str) -> dict[str, int]:
    """What the last line counts, by kind, as pytest words it."""
    return {kind: int(count) for count, kind in re.findall(r"(\d+) (\w+)", printed.splitlines()[-1].split(" in ")[0])}
