# SPDX-License-Identifier: Apache-2.0
"""The calls that several actions about instances are made of."""

from __future__ import annotations

from nova_ha.model import restore_tags
from nova_ha.model.snapshot import Instance
from nova_ha.recovery.act.actions.base import Call

# Seconds after which what did not take an instance away, or did not heal it, is asked for again.
LOOK_AGAIN = 30.0

ACTIVATE = Call(lambda cloud, instance: cloud.reset_state(instance, "active"))
BREAK = Call(lambda cloud, instance: cloud.reset_state(instance, "error"))


def tag(name: str, optional: bool = False) -> Call:
    """Tag the instance."""
    return Call(lambda cloud, instance: cloud.tag(instance, name), optional)


def untag(name: str) -> Call:
    """Take a tag off it."""
    return Call(lambda cloud, instance: cloud.untag(instance, name))


def retag(instance: Instance, name: str | None) -> list[Call]:
    """Put a tag of ours (None: none) in the place of those that the instance has."""
    old = sorted(each for each in restore_tags.OUR_TAGS & instance.tags if each != name)
    return ([tag(name)] if name else []) + [untag(each) for each in old]
