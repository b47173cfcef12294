# SPDX-License-Identifier: Apache-2.0
"""When to wake: how long the engine leaves the world alone between two passes, and what ends that."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from nova_ha.cluster import pacemaker
from nova_ha.model import flag
from nova_ha.model.actions import Evacuate, Step, Wait
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.act.workers import Errands
from nova_ha.rundir.engine_state import RunState

# Seconds between two passes: while instances are being recovered (at least, for each of them, at most); while recovered
# hosts are awaited; when there is no flag (a change of the cluster's configuration ends any pause at once); when the
# cloud or the cluster is away.
FOLLOW, FOLLOW_EACH, FOLLOW_MOST = 1.0, 0.15, 3.0
# Between two passes while evacuations wait for their turn: when the last pass found much room for them, and when not.
REFILL_SOON, REFILL_LATER = 0.3, 2.0
AWAIT_RETURN = 5.0
IDLE = 10.0
AWAY = 2.0

# Seconds before the world is looked at again when something has been done to it.
ACTED = 0.02

# Seconds between two looks, within a pause, at what would end it.
TICK = 0.1


class Rest:
    """The pause between two passes.

    :param errands: what is being asked for instances
    :param state: told of progress while a pause lasts
    :param stopping: once it is set, no pause lasts
    """

    def __init__(
        self, claims: Claims, errands: Errands, pace: Pace, state: RunState, stopping: threading.Event
    ) -> None:
        self._claims = claims
        self._errands = errands
        self._pace = pace
        self._state = state
        self._stopping = stopping
        self._awake = False  # the next pass is not to be waited for

    def wake(self) -> None:
        """End the pause before the next pass; may be called by a signal's handler, at any line of ours."""
        self._awake = True

    def pass_begins(self) -> None:
        """Who wakes us from now on wants another pass than this one."""
        self._awake = False

    def seconds(self, steps: Sequence[Step], acted: bool) -> float:
        """For how many seconds the world may be left alone after a pass.

        :param steps: those of the pass
        :param acted: whether it did something after which looking again at once is worth while
        """
        if acted or self._errands.changed():
            return ACTED
        waits = [step for step in steps if isinstance(step, Wait)]
        if any(wait.held for wait in waits):
            sent = sum(isinstance(step, Evacuate) for step in steps)
            return REFILL_SOON if sent * 2 >= self._pace.window else REFILL_LATER
        if any(wait.under_way for wait in waits) or any(map(flag.is_dead, self._claims.flags.values())):
            # The more there is to wait for, the less does one look more or less matter.
            return min(max(FOLLOW, len(steps) * FOLLOW_EACH), FOLLOW_MOST)
        return AWAIT_RETURN if self._claims.flags else IDLE

    def wait(self, seconds: float, change: pacemaker.Change) -> None:
        """Wait, but no longer than until the cluster's configuration or an instance changes, something is fenced, or we
        are told to stop.

        While requests are being sent, a change may wait a moment: mostly it is our own claim, and Nova is busy enough.

        :param change: ``pacemaker.last_change`` before the pass
        """
        begun = time.monotonic()
        heed = begun + (FOLLOW if self._errands.any() else 0.0)
        while time.monotonic() < begun + seconds:
            if time.monotonic() >= heed and pacemaker.last_change() != change:
                return
            if self._errands.changed():
                return
            self._state.progress()
            if self._stopping.wait(min(TICK, seconds)) or self._awake:
                return
