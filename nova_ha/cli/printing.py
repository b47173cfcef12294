# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha`` writes: answers to its standard output, remarks to its standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping

from nova_ha.rundir import engine_state


def print_lines(lines: Iterable[str]) -> None:
    print("\n".join(lines))


def print_json(found: Mapping[str, object]) -> None:
    print(json.dumps({"schema": engine_state.SCHEMA, **found}, indent=2))


def remark(text: str) -> None:
    if sys.stderr is not None:  # where it was closed it is
        sys.stderr.write(f"nova-ha: {text}\n")
