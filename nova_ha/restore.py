# SPDX-License-Identifier: Apache-2.0
"""The state that an instance is to have again once its evacuation is over, where Nova does not see to that itself.

Nova is the only record of instances, so Nova keeps this too: as a tag on the instance, which any engine on any
control node finds and acts on, and which goes when the state is restored.
"""

RUNNING = "running"
STOPPED = "stopped"
PAUSED = "paused"

_PREFIX = "nova-ha:restore="

# State -> tag.
TAGS = {state: f"{_PREFIX}{state}" for state in (RUNNING, STOPPED, PAUSED)}


def wanted(instance):
    """The state that an instance's tag asks for, or None if it has no such tag.

    With several tags (an engine died between two changes) the one that keeps the guest quietest counts.
    """
    for state in (STOPPED, PAUSED, RUNNING):
        if TAGS[state] in instance.tags:
            return state
    return None
