# SPDX-License-Identifier: Apache-2.0
"""What decisions are made from."""

from __future__ import annotations

import dataclasses

from nova_ha.model.snapshot import World
from nova_ha.policy.rules import Rules
from nova_ha.recovery.memory.requests import Attempts


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that a decision may look at.

    :param world: what is so now
    :param memory: what the engine has seen and asked for; only read
    :param rules: what the operator wants
    :param now: monotonic seconds
    """

    world: World
    memory: Attempts
    rules: Rules
    now: float
