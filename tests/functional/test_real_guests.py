# SPDX-License-Identifier: Apache-2.0
"""Hosts die whose guests are virtual machines: what became of them is read off the guests' own disks."""

import pytest

from tests.functional.steps import REAL_GUESTS, eventually
from tests.lab import facts, faults, history, nodes
from tests.lab.guest import disk

pytestmark = [pytest.mark.lab_b, REAL_GUESTS]

HOST = "compute-1"
GUESTS = 6


@pytest.fixture
def guests(story):
    """Instances on ``HOST`` whose guests have begun their diaries."""
    ids = story.instances_on(HOST, GUESTS)
    eventually("all guests to beat", lambda: all(diary(instance) for instance in ids), 60)
    return ids


def diary(instance):
    """All incarnations of an instance, on whatever disk, in the order in which they booted."""
    found = [each for file in disk.of(instance).values() for each in disk.read(file)]
    return sorted(found, key=lambda incarnation: incarnation.first)


def test_guests_of_a_host_that_loses_its_power_run_elsewhere_from_the_same_disks(story, guests):
    faults.power_cut(HOST)
    story.recovered(HOST, guests)
    story.back_in_service(HOST)
    # Each has booted twice, the second time once its host had no power (the audits see that it beats, and only once).
    off = facts.power_offs(history.read())[0]
    for instance in guests:
        before, after = diary(instance)
        assert (before.number, after.number) == (1, 2)
        assert before.last <= off.start < after.first
    # Nova has tidied up on the host that is back, and left the disks that the guests have elsewhere.
    assert not nodes.execute(HOST, "virsh", "list", "--all", "--name").stdout.split()
