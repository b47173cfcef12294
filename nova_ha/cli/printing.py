# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha`` writes to its standard output."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from nova_ha.rundir import engine_state


def print_lines(lines: Iterable[str]) -> None:
    print("\n".join(lines))


def print_json(found: Mapping[str, object]) -> None:
    print(json.dumps({"schema": engine_state.SCHEMA, **found}, indent=2))
