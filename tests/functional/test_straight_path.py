# SPDX-License-Identifier: Apache-2.0
"""Hosts die, their instances live on: the main job, on four hosts of eight at once, which do not disturb each other."""

import pytest

from tests.functional import wave
from tests.functional.steps import all_of, recorded, side_by_side
from tests.lab import computes, faults

pytestmark = pytest.mark.lab_a

# By a kill a host's connections are closed, by a power cut nothing is heard of it any more.
KILLED, CUT, DIRECT, CONTAINED = "compute-1", "compute-4", "compute-2", computes.CONTAINED
DEATHS = {KILLED: faults.kill, CUT: faults.power_cut, DIRECT: faults.power_cut, CONTAINED: faults.power_cut}
COUNTS = {KILLED: 20, CUT: 20, DIRECT: 2, CONTAINED: 2}


@pytest.fixture(scope="module")
def past(settings):
    """What came of it that four hosts with instances died at once."""
    with recorded(settings, whole=True) as story:
        ids = all_of(side_by_side(COUNTS, lambda host: story.instances_on(host, COUNTS[host])))
        yield wave.strike(story, DEATHS, ids)


@pytest.mark.parametrize("host", [pytest.param(KILLED, id="kill"), pytest.param(CUT, id="power_cut")])
def test_instances_of_a_dead_host_run_elsewhere_and_the_host_returns(past, host):
    # All of twenty instances run elsewhere, the host is back in service,
    past.ended_well(host)
    assert past.service(host).enabled
    # and each was asked for once.
    assert sorted(past.asked(host)) == sorted(past.ids[host])


@pytest.mark.parametrize("host", [DIRECT, CONTAINED])
def test_host_dies_and_returns_whatever_way_it_is_run(past, host):
    # The instances are recovered, and the host returns (the audits see that nova-compute does not start before).
    past.ended_well(host)


def test_all_were_dead_at_once_and_no_rule_was_broken(past):
    assert past.dead_at_once()
    assert not past.breaches
