# SPDX-License-Identifier: Apache-2.0
"""What the engine writes down of its events, and that the engine never waits for it."""

import errno
import os
import threading
import time

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.recovery import recorder
from nova_ha.recovery.recorder import Recorder
from nova_ha.reporting.history_log import HistoryLog
from tests.unit.cli.scenes import event
from tests.unit.waiting import until


@pytest.fixture
def log(tmp_path):
    return HistoryLog(str(tmp_path / "history"))


def told(number):
    return event(number=number, time=1000.0 + number)


def started(log, node=lambda: "control-1", former=()):
    found = Recorder(log, "nova-evacuate", node, former, interval=0.01, patience=0.01)
    found.start()
    return found


def numbers(log):
    return [round(each["time"]) - 1000 for each in HistoryLog(log.directory).events()]


def test_events_are_written_as_they_come(log):
    recording = started(log)
    for number in (1, 2):
        recording.tell(told(number))
        until(lambda: numbers(log)[-1:] == [number])  # noqa: B023
    assert numbers(log) == [1, 2]


def test_an_engine_that_ends_waits_until_they_are_written_but_not_for_long(log):
    recording = started(log)
    recording.tell(told(1))
    recording.finish(30)
    assert numbers(log) == [1]
    begun = time.monotonic()
    with log._locked():
        recording.tell(told(2))
        recording.finish(0.2)
    assert 0.1 < time.monotonic() - begun < 4


class Broken:
    """Fails for a while, as a full disk, a cluster that is away, and a machine without memory do."""

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if self.error:
            raise self.error
        return "control-1"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ClusterError("crm_node did not answer"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_what_could_not_be_written_is_written_later_and_that_is_told_once(log, caplog, error):
    node = Broken(error)
    recording = started(log, node)
    for number in range(5):
        recording.tell(told(number))
    until(lambda: caplog.records)
    tries = node.asked
    until(lambda: node.asked > tries + 3)
    node.error = None
    until(lambda: numbers(log) == list(range(5)))
    until(lambda: len(caplog.records) == 2)
    assert [str(error) in record.message for record in caplog.records] == [True, False]


def test_a_disk_that_hangs_keeps_the_engine_from_nothing(log, monkeypatch):
    goes_on = threading.Event()
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: goes_on.wait(30) and sync(file))
    recording = started(log)
    begun = time.monotonic()
    for number in range(1000):
        recording.tell(told(number))
    assert time.monotonic() - begun < 5
    goes_on.set()
    until(lambda: numbers(log) == list(range(1000)))


def test_of_more_events_than_memory_is_lent_the_first_are_kept_and_the_others_counted(log, caplog, monkeypatch):
    monkeypatch.setattr(recorder, "MOST", 3)
    node = Broken(ClusterError("away"))
    recording = started(log, node)
    for number in range(5):
        recording.tell(told(number))
    node.error = None
    until(lambda: numbers(log) == [0, 1, 2])
    until(lambda: "left out: 2" in caplog.text)


def test_what_the_engine_before_had_no_time_to_write_is_written(log):
    log.append("nova-evacuate", "control-1", [told(1)])
    recording = started(log, former=[told(1), told(2)])
    recording.tell(told(3))
    until(lambda: numbers(log) == [1, 2, 3])
