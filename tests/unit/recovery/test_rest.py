# SPDX-License-Identifier: Apache-2.0
"""How long the engine rests between two passes, and what ends a rest, by a clock that only its waiting moves."""

import types

import pytest

from nova_ha.model.actions import Evacuate, Wait
from nova_ha.model.flag import FLAGGED, RECOVERED
from nova_ha.model.reasons import Code
from nova_ha.recovery import rest
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.rest import FOLLOW, TICK, Rest
from tests.unit.simulation.process import State
from tests.unit.worlds import instance


class Around:
    """What a rest depends on, and the rest."""

    def __init__(self, flags=(), window=4, sending=False, changed=lambda: False, wait=None):
        claims = types.SimpleNamespace(flags=dict(flags))
        errands = types.SimpleNamespace(any=lambda: sending, changed=changed)
        self.rest = Rest(claims, errands, Pace(window), State(), types.SimpleNamespace(wait=wait))


@pytest.fixture
def rested(monkeypatch):
    """Called with a pause, whether requests are being sent, and when the cluster's configuration changes."""

    def waits(seconds, sending, changes_at, stops_at=float("inf"), done_at=float("inf"), wakes_at=float("inf")):
        now = [0.0]

        def wait(pause):
            now[0] += pause
            if now[0] >= wakes_at:
                around.rest.wake()
            return now[0] >= stops_at

        around = Around(sending=sending, changed=lambda: now[0] >= done_at, wait=wait)
        monkeypatch.setattr(rest.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(rest.pacemaker, "last_change", lambda: "new" if now[0] >= changes_at else "old")
        # Who had woken the engine before a pass began has had that pass.
        around.rest.wake()
        around.rest.pass_begins()
        around.rest.wait(seconds, "old")
        return now[0]

    return waits


NEVER = float("inf")


@pytest.mark.parametrize(
    ("seconds", "sending", "changes_at", "rests"),
    [
        (3.0, False, NEVER, 3.0),
        (3.0, True, NEVER, 3.0),
        (10.0, False, 2.0, 2.0),
        (10.0, False, 0.0, 0.0),
        (3.0, True, 0.0, FOLLOW),
        (3.0, True, 2.0, 2.0),
        (0.02, True, 0.0, 0.02),
    ],
)
def test_a_change_of_the_cluster_ends_a_rest_but_for_a_moment_while_requests_are_sent(
    rested, seconds, sending, changes_at, rests
):
    assert rested(seconds, sending, changes_at) == pytest.approx(rests, abs=TICK + 0.001)


def test_the_word_to_stop_ends_a_rest_at_once(rested):
    assert rested(10.0, True, NEVER, stops_at=0.5) == pytest.approx(0.5, abs=TICK + 0.001)


def test_a_rest_ends_when_what_was_asked_for_instances_is_done(rested):
    assert rested(3.0, True, NEVER, done_at=0.5) == pytest.approx(0.5, abs=TICK + 0.001)


def test_who_wakes_the_engine_ends_its_rest(rested):
    assert rested(10.0, True, NEVER, wakes_at=0.5) == pytest.approx(0.5, abs=TICK + 0.001)


WAIT, UNDER_WAY, HELD = (Wait("a", "", Code.EVACUATING, **how) for how in ({}, {"under_way": True}, {"held": True}))
SENT = Evacuate("a", "", instance())


@pytest.mark.parametrize(
    ("steps", "value", "acted", "changed", "pause"),
    [
        ([], None, False, False, "IDLE"),
        ([WAIT], None, False, False, "IDLE"),
        ([UNDER_WAY], None, False, False, "FOLLOW"),
        ([WAIT], RECOVERED, False, False, "AWAIT_RETURN"),
        ([UNDER_WAY], RECOVERED, False, False, "FOLLOW"),
        ([WAIT], FLAGGED, False, False, "FOLLOW"),
        ([WAIT] * 1000, FLAGGED, False, False, "FOLLOW_MOST"),
        ([HELD, SENT], FLAGGED, False, False, "REFILL_LATER"),
        ([HELD, SENT, SENT], FLAGGED, False, False, "REFILL_SOON"),
        ([HELD, SENT, SENT], FLAGGED, True, False, "ACTED"),
        ([WAIT], RECOVERED, False, True, "ACTED"),
    ],
)
def test_the_more_is_going_on_the_sooner_the_next_pass(steps, value, acted, changed, pause):
    around = Around({"a": value} if value else {}, changed=lambda: changed)
    assert around.rest.seconds(steps, acted) == getattr(rest, pause)
