# SPDX-License-Identifier: Apache-2.0
"""How far a recovery is, by the records."""

import dataclasses

import pytest

from tests.campaign import moments
from tests.unit.lab.histories import SOUND

# In SOUND host a dies at 100.
TIMES = {
    moments.DEATH: 100,
    moments.FLAG: 110,
    moments.CLAIM: 111,
    moments.REQUEST: 120,
    moments.HALF: 125,
    moments.CLOSED: 130,
    moments.RETURN: 132,
}


def until(time):
    """SOUND as it was at a time."""
    kept = ("power", "guests", "flags", "requests", "starts")
    return dataclasses.replace(
        SOUND, **{name: tuple(m for m in getattr(SOUND, name) if m.time <= time) for name in kept}
    )


@pytest.mark.parametrize(("moment", "time"), TIMES.items())
def test_a_moment_is_reached_when_its_time_has_come(moment, time):
    assert moments.reached(moment, until(time), "a", 100)
    if moment != moments.DEATH:
        assert not moments.reached(moment, until(time - 0.5), "a", 100)


@pytest.mark.parametrize("moment", TIMES)
def test_no_moment_comes_before_the_host_was_struck(moment):
    assert not moments.reached(moment, SOUND, "a", None)


@pytest.mark.parametrize("moment", [moment for moment in TIMES if moment != moments.DEATH])
def test_what_was_in_an_earlier_recovery_does_not_count(moment):
    assert not moments.reached(moment, SOUND, "a", 200)


def test_every_moment_but_the_one_before_can_be_reached():
    assert {*TIMES, moments.BEFORE} == set(moments.MOMENTS)
