# SPDX-License-Identifier: Apache-2.0
"""The quick part of the fault campaign: a few seeds that never change. The long one is docs/campaign.md's command."""

import pytest

from tests.campaign import plan, run
from tests.campaign.__main__ import impatient

# Of those in which Nova itself loses nothing, and so no minutes pass before that is certain.
SEEDS = (2, 3, 4)


@pytest.fixture(scope="module")
def impatient_lab(settings):
    """The lab, in which deaths are noticed sooner."""
    with impatient(settings):
        yield settings


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_strikes_no_harm_is_done(impatient_lab, seed):
    # Given a workload and faults by a seed,
    made = plan.make(seed)
    print("\n".join(plan.lines(made)))
    # when they strike and are over,
    verdict = run.carry_out(impatient_lab, made, print)
    # then all is well again, and was all the while.
    print("\n".join(verdict.timeline))
    assert verdict.findings == ()
