# SPDX-License-Identifier: Apache-2.0
"""Which instances that fail on a living host are restarted, and how often: pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_ha.model.instance_failures import Kind
from nova_ha.policy.selection import Policy

# Extra spec of flavors, property or tag of images, that selects; and Masakari's name of an owner's word.
TAG, METADATA_KEY = "restartable", "HA_Enabled"


@dataclasses.dataclass(frozen=True)
class InstanceRules:
    """What the operator configured: section ``[instances]``.

    :param restart: whether any are
    :param failures: after which kinds of failure
    :param policy: which of them
    :param min_uptime: seconds that one must have run before it failed; one that has not would fail again at once
    :param most: restarts of one instance within ``window``, at most
    :param window: seconds
    """

    restart: bool = False
    failures: frozenset[Kind] = frozenset((Kind.CRASHED, Kind.PANICKED, Kind.WATCHDOG, Kind.HUNG))
    policy: Policy = Policy(TAG, METADATA_KEY)
    min_uptime: float = 120.0
    most: int = 3
    window: float = 3600.0

    @classmethod
    def from_options(cls, options: Any) -> InstanceRules:
        """From that section of the configuration."""
        return cls(
            options.restart,
            frozenset(kind for kind in Kind if kind.value in options.failures),
            Policy(options.tag, options.metadata_key, skip_projects=tuple(options.skip_projects)),
            options.min_uptime,
            options.most_restarts,
            options.restart_window,
        )
