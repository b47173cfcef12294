# SPDX-License-Identifier: Apache-2.0
"""Hosts die whose guests are virtual machines: what became of them is read off the guests' own disks."""

import pytest

from tests.functional.guests import booted, diary
from tests.functional.steps import REAL_GUESTS, eventually
from tests.lab import facts, faults, history, nodes, workload
from tests.lab.guest import disk
from tests.lab.guest.disk import Command
from tests.lab.settings import INSTANCES_VARIABLE, LOCAL, SHARED, Settings

pytestmark = [pytest.mark.lab_b, REAL_GUESTS]

HOST = "compute-1"
GUESTS = 6


def disks(place):
    """For stories about disks that all hosts share, or that each host has."""
    here = Settings.load().instances
    return pytest.mark.skipif(here != place, reason=f"the disks are {here}: {INSTANCES_VARIABLE}={place}")


@pytest.fixture
def guests(story):
    """Instances on ``HOST`` whose guests have begun their diaries."""
    return booted(story.instances_on(HOST, GUESTS))


def defined(host):
    """The guests that libvirt knows of on a host."""
    return nodes.execute(host, "virsh", "list", "--all", "--name").stdout.split()


@disks(SHARED)
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
    assert not defined(HOST)


@disks(LOCAL)
def test_guests_of_a_host_that_takes_its_disks_along_begin_afresh_elsewhere(story, guests):
    faults.power_cut(HOST)
    story.recovered(HOST, guests)
    booted(guests, 2)
    # Each has a new disk, and booted from it once its host had no power.
    off = facts.power_offs(history.read())[0]
    for instance in guests:
        (before,) = disk.read(disk.of(instance)[HOST])
        (after,) = set(diary(instance)) - {before}
        assert after.number == 1
        assert before.last <= off.start < after.first
    # When the host is back, Nova tidies up there: guests and disks that are elsewhere now.
    story.back_in_service(HOST)
    eventually("the former disks to be gone", lambda: not any(HOST in disk.of(instance) for instance in guests), 60)
    assert not defined(HOST)


@disks(SHARED)
def test_a_host_that_goes_on_before_it_can_be_fenced_keeps_its_guests_until_then(story, guests):
    # A host hangs, and its guests with it; its BMC does not answer, so that nobody can say that it is dead.
    former = story.fencings(HOST)
    faults.stop_bmc(HOST)
    faults.hang(HOST)
    eventually("a fence to fail", lambda: any("failed" in line for line in story.fencings(HOST) - former), 120)
    last = {instance: diary(instance)[-1].last for instance in guests}
    # When it goes on, so do its guests, where they are.
    faults.unhang(HOST)
    eventually("the guests to go on", lambda: all(diary(i)[-1].last > last[i] for i in guests), 60)
    assert not facts.evacuate_requests(history.read())
    assert all(len(diary(instance)) == 1 for instance in guests)
    # Once it can be fenced, it is, and they run elsewhere.
    faults.start_bmc(story.settings, HOST)
    story.recovered(HOST, guests)
    story.back_in_service(HOST)
    assert all(len(diary(instance)) == 2 for instance in guests)


def test_guests_do_as_they_are_told_which_their_diaries_show(story, guests):
    # There is a guest for each command, and that for the watchdog's has one.
    workload.create_image(story.settings, "watched", hw_watchdog_action="reset")
    watched = booted(story.instances_on(HOST, 1, prefix="watched", image="watched"))
    told = dict(zip(Command, [*guests[: len(Command) - 1], *watched]))
    assert list(told)[-1] is Command.WATCHDOG
    for command, instance in told.items():
        disk.tell(instance, command)
    # Nova has what powers itself off as stopped, and sees nothing of the others.
    stopped = told.pop(Command.POWER_OFF)
    story.stopped(stopped)
    story.recorded.expect(history.STOPPED, stopped)
    assert {entry["status"] for entry in workload.instances(story.settings) if entry["id"] != stopped} == {"ACTIVE"}
    silent = [told.pop(command) for command in (Command.HANG, Command.PANIC)]
    story.recorded.expect(history.UNSURE, *silent)
    eventually("the others to boot again", lambda: all(len(diary(i)) == 2 for i in told.values()), 60)
    beats = {each.instance: each.beats for each in story.recorded.history().disks}
    assert {instance: beats[instance] for instance in silent} == dict.fromkeys(silent, False)
    assert all(len(diary(instance)) == 1 for instance in [stopped, *silent])
