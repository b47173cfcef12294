# SPDX-License-Identifier: Apache-2.0
"""The state that an instance is to have again once its evacuation is over, where Nova does not see to that itself.

Nova is the only record of instances, so Nova keeps this too, as tags on the instance, which any engine on any control
node finds and acts on:

============================= ========================================================================================
tag                           meaning
============================= ========================================================================================
``nova-ha:restore=STATE``     it is to be brought into that state
``nova-ha:restored=STATE``    it has been; from then on it is its owner's. Kept until all hosts are back: a late request
                              of one may set the instance to error, and nothing else tells what it was then
============================= ========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_ha.model.snapshot import Instance

RUNNING = "running"
STOPPED = "stopped"
PAUSED = "paused"

# State -> tag.
TAGS = {state: f"nova-ha:restore={state}" for state in (RUNNING, STOPPED, PAUSED)}
DONE_TAGS = {state: f"nova-ha:restored={state}" for state in (RUNNING, STOPPED, PAUSED)}
OUR_TAGS = frozenset({*TAGS.values(), *DONE_TAGS.values()})


def wanted(instance: Instance) -> str | None:
    """The state into which an instance is to be brought, or None."""
    return _state(instance, TAGS)


def reached(instance: Instance) -> str | None:
    """The state into which an instance was brought, or None."""
    return _state(instance, DONE_TAGS)


def _state(instance: Instance, tags: Mapping[str, str]) -> str | None:
    # With several (an engine died between two changes) the one that keeps the guest quietest counts.
    for state in (STOPPED, PAUSED, RUNNING):
        if tags[state] in instance.tags:
            return state
    return None
