# SPDX-License-Identifier: Apache-2.0
"""The quick part of the fault campaign: a few seeds that never change. The long one is docs/campaign.md's command."""

import time

import pytest

from tests.campaign import limit, plan, run
from tests.campaign.__main__ import impatient
from tests.functional.steps import LONG

pytestmark = pytest.mark.lab_c

# Between them they break a compute host in three ways (one returns while it is recovered), a control node, the cloud
# and its destinations (one starved, one hung); in none of them does Nova lose what it has accepted, so that no minutes
# pass before that is certain. What the long ones break, stories do, too; no story kills the DC.
SEEDS = (134, 240, 928)
LONG_SEEDS = (134, 928)

# Seconds for all of them together; what is left of ten minutes is for mending what one that is broken off leaves.
LIMIT = 540


@pytest.fixture(scope="module")
def impatient_lab(settings):
    """The lab, in which deaths are noticed sooner."""
    with impatient(settings):
        yield settings


@pytest.fixture(scope="module")
def deadline(impatient_lab):
    """When all of them have to be over, by the monotonic clock."""
    return time.monotonic() + LIMIT


@pytest.mark.parametrize("seed", [pytest.param(s, marks=[LONG] * (s in LONG_SEEDS)) for s in SEEDS])
def test_whatever_strikes_no_harm_is_done(impatient_lab, deadline, seed):
    # Given a workload and faults by a seed,
    made = plan.make(seed)
    print("\n".join(plan.lines(made)))
    left = deadline - time.monotonic()
    assert left > 0, f"the seeds before took longer than {LIMIT} s together"
    # when they strike and are over, in what is left of the time,
    with limit.limited(f"the quick part with seed {seed}", left):
        verdict = run.carry_out(impatient_lab, made, print)
    # then all of them could be carried out; all is well again, and was all the while.
    print("\n".join(verdict.timeline))
    assert verdict.findings == ()
    assert verdict.carried_out == made.faults
