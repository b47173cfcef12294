# SPDX-License-Identifier: Apache-2.0
"""How long the engine rests between two passes, and what ends a rest, by a clock that only its waiting moves."""

import types

import pytest

from nova_ha.model.actions import Evacuate, Wait
from nova_ha.model.flag import FLAGGED, RECOVERED
from nova_ha.model.reasons import Code
from nova_ha.recovery import engine
from nova_ha.recovery.engine import FOLLOW, TICK, Engine
from tests.unit.worlds import instance


@pytest.fixture
def rested(monkeypatch):
    """Called with a pause, whether requests are being sent, and when the cluster's configuration changes."""

    def rest(seconds, sending, changes_at, stops_at=float("inf"), done_at=float("inf")):
        now = [0.0]

        def wait(pause):
            now[0] += pause
            return now[0] >= stops_at

        monkeypatch.setattr(engine.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(engine.pacemaker, "last_change", lambda: "new" if now[0] >= changes_at else "old")
        resting = types.SimpleNamespace(
            _errands=types.SimpleNamespace(any=lambda: sending, changed=lambda: now[0] >= done_at),
            _state=types.SimpleNamespace(progress=lambda: None),
            _stop=types.SimpleNamespace(wait=wait),
            _awake=False,
        )
        Engine._rest(resting, seconds, "old")
        return now[0]

    return rest


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
    after = types.SimpleNamespace(
        _steps=steps,
        _claims=types.SimpleNamespace(flags={"a": value} if value else {}),
        _errands=types.SimpleNamespace(changed=lambda: changed),
        _pace=types.SimpleNamespace(window=4),
    )
    assert Engine._pause(after, acted) == getattr(engine, pause)
