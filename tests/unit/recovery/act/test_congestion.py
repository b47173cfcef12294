# SPDX-License-Identifier: Apache-2.0
"""The window of evacuations in flight: how it shrinks, how it grows, and when nothing is sent at all."""

import pytest

from nova_ha.recovery.act.congestion import FIRST_PAUSE, QUIET, Pace

LATE = 1000.0  # when no pause of the past counts any more
SLOW, QUICK = 11.0, 0.3


def test_it_begins_with_what_is_configured():
    pace = Pace(40)
    assert (pace.window, pace.paused(0.0)) == (40, 0.0)


def test_what_goes_well_never_goes_beyond_the_limit():
    pace = Pace(3)
    for _ in range(10):
        pace.accepted(1.0, QUICK)
    assert pace.window == 3


@pytest.mark.parametrize(
    ("retry_after", "pause"), [(None, 2.0), (0.0, 2.0), (1.0, 2.0), (7.0, 7.0), (60.0, 60.0), (3600.0, 60.0)]
)
def test_busy_halves_and_pauses_as_long_as_it_was_asked_to_within_reason(retry_after, pause):
    pace = Pace(40)
    pace.busy(100.0, retry_after)
    assert (pace.window, pace.paused(100.0), pace.paused(101.0)) == (20, pause, pause - 1.0)
    assert pace.paused(100.0 + pause) == 0.0


def test_what_was_sent_before_a_pause_says_nothing_new():
    pace = Pace(40)
    for _ in range(8):
        pace.busy(100.0)
    assert (pace.window, pace.paused(100.0)) == (20, 2.0)
    pace.busy(101.0, 10.0)
    assert (pace.window, pace.paused(101.0)) == (20, 10.0)
    pace.busy(102.0, 1.0)
    assert pace.paused(102.0) == 9.0


def test_pauses_double_while_it_goes_on_and_begin_anew_when_it_is_over():
    pace, now, pauses = Pace(40), 0.0, []
    for _ in range(7):
        pace.busy(now)
        pauses.append(pace.paused(now))
        now += pauses[-1]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert pace.window == 1
    pace.accepted(now, QUICK)
    pace.busy(now)
    assert pace.paused(now) == 2.0


def test_an_old_request_that_is_accepted_in_a_pause_does_not_end_the_trouble():
    pace = Pace(40)
    pace.busy(0.0)
    pace.accepted(1.0, QUICK)
    pace.busy(2.0)
    assert pace.paused(2.0) == 4.0


def test_after_trouble_it_is_soon_at_half_of_what_was_too_much_and_then_grows_by_one_a_round():
    pace, now = Pace(40), 0.0
    for _ in range(5):
        pace.busy(now)
        now += 100.0
    assert pace.window == 1
    for _ in range(19):
        pace.accepted(now, QUICK)
    assert pace.window == 20
    for _ in range(21):
        pace.accepted(now, QUICK)
    assert pace.window == 21


def test_trouble_halves_what_can_be_in_flight_at_all():
    pace = Pace(100)
    pace.bound(40)
    assert pace.window == 40
    pace.busy(0.0)
    assert pace.window == 20
    pace.bound(0)
    pace.busy(100.0)
    assert pace.window == 10


def test_slow_answers_halve_once_a_round():
    pace = Pace(8)
    for _ in range(5):
        pace.accepted(LATE, SLOW)
    assert pace.window == 4  # the first of eight that were sent side by side; the second cut needs a round of four
    pace.accepted(LATE, SLOW)
    assert (pace.window, pace.paused(LATE)) == (2, 0.0)


def test_lost_answers_halve_once_a_round_as_slow_ones_do():
    pace = Pace(8)
    for _ in range(5):
        pace.unanswered(LATE)
    assert pace.window == 4
    pace.unanswered(LATE)
    assert (pace.window, pace.paused(LATE)) == (2, 0.0)


def test_what_takes_just_as_long_as_allowed_is_not_slow():
    pace = Pace(8, slow_after=5.0)
    pace.accepted(LATE, 5.0)
    assert pace.window == 8


def test_one_is_always_allowed():
    pace, now = Pace(1), 0.0
    for _ in range(5):
        pace.busy(now)
        pace.accepted(now, SLOW)
        now += 100.0
    assert pace.window == 1


COMPLAINTS = {
    "busy": lambda pace, now: pace.busy(now),
    "busy in a pause": lambda pace, now: (pace.busy(now - 1.0), pace.busy(now)),
    "slow": lambda pace, now: pace.accepted(now, SLOW),
    "unanswered": lambda pace, now: pace.unanswered(now),
}


@pytest.mark.parametrize("complaint", COMPLAINTS.values(), ids=COMPLAINTS)
def test_what_was_too_much_is_forgotten_when_nothing_has_complained_for_a_while(complaint):
    pace = Pace(40)
    complaint(pace, LATE)
    pace.forget(LATE + QUIET - 0.1)
    assert pace.window == 20
    pace.forget(LATE + QUIET)
    assert pace.window == 40
    pace.accepted(LATE + QUIET, SLOW)
    assert pace.window == 20


def test_a_recovery_that_begins_is_not_held_back_by_the_one_before():
    pace = Pace(40)
    pace.busy(0.0)
    pace.busy(10.0)
    for _ in range(12):
        pace.accepted(LATE, QUICK)
    assert pace.window == 20  # one more each to half of what was too much, and then slowly
    pace.begin()
    assert pace.window == 20
    for _ in range(12):
        pace.accepted(LATE, QUICK)
    assert pace.window == 32
    pace.accepted(LATE, SLOW)
    assert pace.window == 16


def test_another_limit_is_begun_with_and_the_same_one_changes_nothing():
    pace = Pace(8)
    pace.busy(0.0)
    pace.relimit(8)
    assert (pace.window, pace.paused(0.0)) == (4, FIRST_PAUSE)
    pace.relimit(20)
    assert (pace.window, pace.paused(0.0)) == (20, FIRST_PAUSE), "Nova wants to be left alone for a while all the same"
    pace.relimit(3)
    for _ in range(9):
        pace.accepted(100.0, 0.1)
    assert pace.window == 3
