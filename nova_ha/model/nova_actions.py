# SPDX-License-Identifier: Apache-2.0
"""What was asked of Nova for an instance, by whomever: its instance actions."""

from __future__ import annotations

import dataclasses
import enum

# Nova's words for those after which its guest starts anew (nova/compute/instance_actions.py).
STARTS = frozenset(
    ("create", "start", "reboot", "rebuild", "evacuate", "unshelve", "restore", "resize", "revertResize", "rescue")
)
# That by which nova-ha restarts a failed instance.
RESTART = "reboot"
STOP = "stop"


class By(enum.Enum):
    """Who asked."""

    US = "us"
    NOVA = "nova"
    """Nova itself, which has found that the guest does not run."""
    ANOTHER = "another"


@dataclasses.dataclass(frozen=True)
class NovaAction:
    """One of them.

    :param name: Nova's word for it
    :param at: when it was asked, in seconds since the epoch, by Nova's clock
    """

    name: str
    at: float
    by: By
