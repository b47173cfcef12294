# SPDX-License-Identifier: Apache-2.0
"""Which instances have failed, by what libvirt says: sequences of events as libvirt 9.0 was seen to send them."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_ha.detect import verdicts
from nova_ha.detect.tracker import SILENCES, Memory, Tracker
from nova_ha.detect.verdicts import Life, Verdict, of_event, of_io_error, of_state, of_watchdog
from nova_ha.model.instance_failures import InstanceFailure, Kind

ONE, OTHER = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"

# Events.
STARTED, MIGRATES_HERE, RESUMED, RESUMED_HERE = of_event(2, 0), of_event(2, 1), of_event(4, 0), of_event(4, 1)
SUSPENDED, IO_PAUSED, WATCHDOG_PAUSED = of_event(3, 0), of_event(3, 2), of_event(3, 3)
SHUTS_DOWN_BY_GUEST, SHUTS_DOWN_BY_HOST = of_event(6, 1), of_event(6, 2)
SHUT_DOWN, DESTROYED, CRASHED, MIGRATED, SAVED, FAILED = (of_event(5, detail) for detail in range(6))
PANICKED, CRASH_LOADED, UNDEFINED = of_event(8, 0), of_event(8, 1), of_event(1, 0)
ENOSPC, IO_REPORTED = of_io_error(1, "enospc"), of_io_error(2, "eio")
# States.
RUNS, PAUSED, PAUSED_FOR_IO, PAUSED_BY_WATCHDOG, PAUSED_IN_PANIC = (
    of_state(1, 1),
    *(of_state(3, n) for n in (1, 5, 6, 10)),
)
OFF_UNKNOWN, OFF, OFF_DESTROYED, OFF_CRASHED, OFF_MIGRATED, OFF_SAVED, NOT_STARTED = (of_state(5, n) for n in range(7))
OFF_BY_DAEMON, PRESERVED_PANIC, GONE = of_state(5, 8), of_state(6, 1), Verdict(Life.OVER)


class Clock:
    """Seconds that pass one at each look."""

    def __init__(self):
        self.seconds = itertools.count(1764480000)

    def __call__(self):
        return next(self.seconds) + 0.7


def tracker(memory=None, **more):
    numbers = itertools.count(1)
    return Tracker(memory or Memory(), Clock(), lambda: f"{next(numbers):08x}", **more)


def kinds(tracked):
    return {failure.instance: failure.kind for failure in tracked.failures}


def seen(*verdicts, before=(RUNS,)):
    """The kind of failure that an instance has after all of that, None: it has none."""
    tracked = tracker()
    for verdict in (*before, *verdicts):
        tracked.tell(ONE, verdict)
    return kinds(tracked).get(ONE)


@pytest.mark.parametrize(
    ("heard", "kind"),
    {
        "kill -9 of QEMU": ([FAILED, OFF_CRASHED], Kind.CRASHED),
        "kill -9 of QEMU, long seen": ([OFF_CRASHED, FAILED, OFF_CRASHED], Kind.CRASHED),
        "kill -9 of QEMU while libvirtd was away": ([OFF_CRASHED], Kind.CRASHED),
        "libvirtd lost QEMU, and killed it": ([OFF_BY_DAEMON], Kind.CRASHED),
        "QEMU died before it was seen to run": ([STARTED, OFF_CRASHED, FAILED, OFF_CRASHED], Kind.CRASHED),
        "panic": ([SUSPENDED, PAUSED_IN_PANIC, PANICKED, OFF_CRASHED, CRASHED, OFF_CRASHED], Kind.PANICKED),
        "panic, on_crash=preserve": ([PANICKED, PRESERVED_PANIC], Kind.PANICKED),
        "panic, on_crash=restart": ([PANICKED, PRESERVED_PANIC, RESUMED, RUNS], None),
        "panic that kdump sees to": ([CRASH_LOADED, RUNS], None),
        "disk full": ([ENOSPC, PAUSED_FOR_IO, IO_PAUSED, PAUSED_FOR_IO], Kind.IO_ERROR),
        "disk full, resumed": ([ENOSPC, PAUSED_FOR_IO, RESUMED, RUNS], None),
        "an error that the guest is told": ([IO_REPORTED, RUNS], None),
        "watchdog, pause": ([of_watchdog(1), PAUSED_BY_WATCHDOG, WATCHDOG_PAUSED], Kind.WATCHDOG),
        "watchdog, reset": ([of_watchdog(2), RUNS], None),
        "watchdog, power off": ([of_watchdog(3), SHUTS_DOWN_BY_GUEST, SHUT_DOWN, OFF], None),
        "QEMU of a paused guest dies": ([PAUSED_FOR_IO, FAILED, OFF_CRASHED], Kind.CRASHED),
        "the guest powers itself off": ([SHUTS_DOWN_BY_GUEST, OFF, SHUT_DOWN, OFF], None),
        "kill -TERM of QEMU": ([SHUTS_DOWN_BY_HOST, OFF, SHUT_DOWN, OFF], None),
        "stopped or destroyed": ([SHUTS_DOWN_BY_HOST, OFF_DESTROYED, DESTROYED, OFF_DESTROYED], None),
        "stopped, and QEMU dies meanwhile": ([SHUTS_DOWN_BY_GUEST, FAILED, OFF_CRASHED], None),
        "suspended by its owner": ([SUSPENDED, PAUSED], None),
        "saved": ([SAVED, OFF_SAVED], None),
        "migrated away": ([MIGRATED, OFF_MIGRATED, UNDEFINED, GONE], None),
        "undefined": ([DESTROYED, UNDEFINED, GONE], None),
        "crashed, then undefined": ([FAILED, OFF_CRASHED, UNDEFINED, GONE], None),
        "crashed, then started": ([FAILED, OFF_CRASHED, STARTED, RUNS], None),
        "crashed, then not to be started": ([FAILED, OFF_CRASHED, NOT_STARTED], Kind.CRASHED),
        "crashed, then libvirtd was restarted": ([FAILED, OFF_CRASHED, OFF_UNKNOWN], Kind.CRASHED),
        "disk full, then libvirtd does not know why it is paused": ([PAUSED_FOR_IO, of_state(3, 0)], Kind.IO_ERROR),
        "disk full, resumed, suspended": ([PAUSED_FOR_IO, PAUSED], None),
        "off, and libvirtd was restarted": ([OFF_UNKNOWN], None),
        "a state of a newer libvirt": ([of_state(99, 0), of_event(99, 0)], None),
    }.values(),
    ids=str,
)
def test_what_is_a_failure_of_a_guest_that_ran(heard, kind):
    assert seen(*heard) == kind


@pytest.mark.parametrize(
    ("heard", "kind"),
    {
        "crashed before": ([OFF_CRASHED], None),
        "not to be started": ([NOT_STARTED, FAILED], None),
        "a migration to here that fails": ([MIGRATES_HERE, of_state(3, 2), FAILED, OFF_CRASHED], None),
        "a migration to here, and a crash": ([MIGRATES_HERE, RESUMED_HERE, FAILED, OFF_CRASHED], Kind.CRASHED),
        "paused for a disk": ([PAUSED_FOR_IO], Kind.IO_ERROR),
        "paused by its watchdog": ([PAUSED_BY_WATCHDOG], Kind.WATCHDOG),
        "kept as it panicked": ([PRESERVED_PANIC], Kind.PANICKED),
    }.values(),
)
def test_what_is_a_failure_of_a_guest_that_nobody_saw_run(heard, kind):
    assert seen(*heard, before=()) == kind


def test_a_failure_has_the_second_in_which_it_was_seen_and_what_libvirt_says():
    tracked = tracker()
    tracked.tell(ONE, IO_PAUSED, PAUSED_FOR_IO)
    assert tracked.failures == (InstanceFailure(ONE, Kind.IO_ERROR, 1764480000, "00000001"),)
    # The reason comes after.
    tracked.tell(ONE, of_io_error(1, "no space; 'left'"), PAUSED_FOR_IO)
    assert tracked.failures == (InstanceFailure(ONE, Kind.IO_ERROR, 1764480000, "00000001", "no-space-left-"),)
    tracked.tell(ONE, ENOSPC)
    assert tracked.failures[0].detail == "no-space-left-"


def test_the_next_failure_is_another_episode_and_so_is_one_of_another_kind():
    tracked = tracker()
    episodes = []
    for heard in ([PAUSED_FOR_IO], [PAUSED_FOR_IO], [RESUMED, PAUSED_FOR_IO], [FAILED, OFF_CRASHED], [STARTED, FAILED]):
        tracked.tell(ONE, *heard)
        episodes += [failure.episode for failure in tracked.failures]
    assert episodes == [f"{number:08x}" for number in (1, 1, 2, 3, 4)]


def test_what_is_gone_when_all_are_told_has_no_failure():
    tracked = tracker()
    tracked.tell_all({ONE: PAUSED_FOR_IO, OTHER: PAUSED_FOR_IO})
    tracked.tell_all({OTHER: PAUSED_FOR_IO})
    assert kinds(tracked) == {OTHER: Kind.IO_ERROR}
    # Nor is it known to have run, once it is back.
    tracked.tell_all({ONE: OFF_CRASHED, OTHER: RUNS})
    assert kinds(tracked) == {}


def restarted(tracked, **more):
    return tracker(Memory.read(tracked.memory.written()), **more)


def test_a_restart_loses_no_failure_and_makes_none_anew():
    tracked = tracker()
    tracked.tell_all({ONE: RUNS, OTHER: RUNS})
    tracked.tell(OTHER, FAILED, OFF_CRASHED)
    again = restarted(tracked)
    # Meanwhile the other crashed, and libvirtd was restarted after the first.
    again.tell_all({ONE: OFF_CRASHED, OTHER: OFF_UNKNOWN})
    assert set(again.failures) >= set(tracked.failures)
    assert kinds(again) == {ONE: Kind.CRASHED, OTHER: Kind.CRASHED}
    ended = restarted(again)
    ended.tell_all({ONE: RUNS, OTHER: OFF_DESTROYED})
    assert restarted(ended).failures == ()


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", "{}", '{"schema": 2, "running": [], "failures": "1"}',
        '{"schema": 1, "running": 3, "failures": "1"}', '{"schema": 1, "running": [], "failures": null}',
    ],
)  # fmt: skip
def test_a_memory_of_another_version_or_half_written_is_none(text):
    assert Memory.read(text) == Memory()


def test_an_agent_that_answered_and_is_silent_three_times_in_a_row():
    tracked = tracker()
    tracked.tell(ONE, RUNS)
    for _unasked in range(SILENCES + 1):
        tracked.agent_is_silent(ONE)
    assert kinds(tracked) == {}, "it may have none"
    tracked.agent_answers(ONE)
    for _silence in range(SILENCES - 1):
        tracked.agent_is_silent(ONE)
    tracked.agent_answers(ONE)
    for _silence in range(SILENCES - 1):
        tracked.agent_is_silent(ONE)
    assert kinds(tracked) == {}
    tracked.agent_is_silent(ONE)
    tracked.tell_all({ONE: RUNS})
    assert kinds(tracked) == {ONE: Kind.HUNG}, "a hung guest runs, by what libvirt says"


def hung(**more):
    tracked = tracker(asks=True, **more)
    tracked.tell(ONE, RUNS)
    tracked.agent_answers(ONE)
    for _silence in range(SILENCES):
        tracked.agent_is_silent(ONE)
    return tracked


@pytest.mark.parametrize(
    "change",
    {
        "it answers": lambda tracked: tracked.agent_answers(ONE),
        "it ended, or its guest was reset": lambda tracked: tracked.agent_left(ONE),
        "its guest was destroyed": lambda tracked: tracked.tell(ONE, OFF_DESTROYED),
        "its guest was suspended": lambda tracked: tracked.tell(ONE, PAUSED),
        "it is gone": lambda tracked: tracked.tell_all({}),
    }.values(),
)
def test_how_a_hang_ends(change):
    tracked = hung()
    assert kinds(tracked) == {ONE: Kind.HUNG}
    change(tracked)
    assert kinds(tracked) == {}
    tracked.agent_is_silent(ONE)
    assert kinds(tracked) == {}


def test_a_hung_guest_whose_qemu_dies_has_crashed():
    tracked = hung()
    tracked.tell(ONE, FAILED, OFF_CRASHED)
    assert kinds(tracked) == {ONE: Kind.CRASHED}


def test_a_hang_outlives_a_restart_where_agents_are_asked():
    assert kinds(restarted(hung(), asks=True)) == {ONE: Kind.HUNG}
    assert kinds(restarted(hung())) == {}


def test_an_agent_that_may_have_ended_unseen_is_not_missed():
    tracked = tracker()
    tracked.agent_answers(ONE)
    tracked.agents_lost()
    for _silence in range(SILENCES):
        tracked.agent_is_silent(ONE)
    assert kinds(tracked) == {}


VERDICTS = sorted({*verdicts.EVENTS.values(), *verdicts.STATES.values(), ENOSPC}, key=str)
CHANGES = st.lists(
    st.tuples(st.just("tell"), st.sampled_from([ONE, OTHER]), st.sampled_from(VERDICTS))
    | st.tuples(st.sampled_from(["agent_answers", "agent_is_silent", "agent_left"]), st.sampled_from([ONE, OTHER]))
    | st.just(("restart",)),
    max_size=30,
)


@settings(database=None, deadline=None, derandomize=True)
@given(CHANGES)
def test_whatever_is_heard_what_runs_or_is_over_has_not_failed_and_a_restart_changes_nothing(changes):
    tracked = tracker(asks=True)
    for name, *arguments in changes:
        if name == "restart":
            before = tracked.failures
            tracked = restarted(tracked, asks=True)
            assert set(tracked.failures) == set(before)
        else:
            getattr(tracked, name)(*arguments)
    assert len(kinds(tracked)) == len(tracked.failures)
    tracked.tell_all({ONE: RUNS, OTHER: OFF_DESTROYED})
    tracked.agent_left(ONE)
    assert tracked.failures == ()
