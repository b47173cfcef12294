# SPDX-License-Identifier: Apache-2.0
"""The history on a disk: numbered, bounded, and whole whatever happens to the disk or to the machine."""

import errno
import os
import threading
import time

import pytest

from nova_ha.reporting import history_log
from nova_ha.reporting.history_log import HistoryLog
from tests.unit.cli.scenes import event

WRITER, NODE = "nova-evacuate", "control-1.example.org"


@pytest.fixture
def log(tmp_path):
    return HistoryLog(str(tmp_path / "history"))


def told(number, **more):
    return event(number=number, time=1000.0 + number, **more)


def append(log, *numbers):
    log.append(WRITER, NODE, map(told, numbers))


def numbers(log, **since):
    return [round(each["time"]) - 1000 for each in log.events(**since)]


def the_log(log):
    (name,) = log.have()
    return name


def files(log):
    return sorted(name for name in os.listdir(log.directory) if name.endswith(".jsonl"))


def path(log, name):
    return f"{log.directory}/{name}"


def test_what_is_written_is_read_by_another_process_with_who_told_it(log):
    append(log, 1, 2)
    append(log, 3)
    again = HistoryLog(log.directory)
    assert again.events() == [{**told(number), "node": NODE, "writer": WRITER} for number in (1, 2, 3)]
    assert again.have() == {the_log(log): 3}
    assert os.stat(log.directory).st_mode & 0o077 == 0


def test_a_boot_begins_another_log(log, monkeypatch, tmp_path):
    """What a node had written when its power was cut may be gone from its disk, and be known to others."""
    append(log, 1)
    append(log, 2)
    assert list(log.have().values()) == [2]
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr(history_log, "_BOOT", str(boot))
    append(log, 3)
    assert sorted(log.have().values()) == [1, 2]
    assert numbers(log) == [1, 2, 3]


def test_all_are_in_the_order_of_their_time_whoever_told_them(log):
    append(log, 2, 5)
    log.append(history_log.ORDERS, NODE, [told(3)])
    log.extend("nova-evacuate@control-2.01234567", 1, [told(1), told(4)])
    assert numbers(log) == [1, 2, 3, 4, 5]


def test_what_was_before_a_time_is_left_out(log):
    append(log, *range(5))
    assert numbers(log, since=1003) == [3, 4]


def test_a_log_is_cut_into_segments_and_read_across_them(log, monkeypatch):
    monkeypatch.setattr(history_log, "SEGMENT", 500)
    for number in range(1, 8):
        append(log, number)
    assert len(files(log)) > 2
    assert numbers(log) == list(range(1, 8))
    lines = log.lines(the_log(log), 3, 3)
    assert [line["time"] for line in lines] == [1003, 1004, 1005]
    assert log.have() == {the_log(log): 7}


def test_lines_of_another_node_are_taken_once(log):
    name = "nova-evacuate@control-2.01234567"
    log.extend(name, 1, [told(1), told(2)])
    log.extend(name, 2, [told(2), told(3)])
    log.extend(name, 1, [told(1)])
    assert numbers(log) == [1, 2, 3]


def test_lines_whose_predecessors_nobody_has_any_more_keep_their_numbers(log):
    name = "nova-evacuate@control-2.01234567"
    log.extend(name, 1, [told(1)])
    log.extend(name, 5, [told(5)])
    assert log.have() == {name: 5}
    assert [line["time"] for line in log.lines(name, 5, 9)] == [1005]


# What a disk, a machine or a program does


@pytest.mark.parametrize(
    "torn", ['{"time":1', '{"time":1.0,"level":"info"}\n', "\0\0\0\n", "[]\n", "\xff\n", '{"time":NaN}\n']
)
def test_what_cannot_be_read_is_left_out_and_what_is_around_it_is_not(log, torn):
    append(log, 1)
    with open(path(log, files(log)[0]), "ab") as file:
        file.write(torn.encode("latin-1"))
    append(log, 2)
    assert numbers(HistoryLog(log.directory)) == [1, 2]
    # A whole line has its number all the same: other nodes may have counted it.
    assert log.have() == {the_log(log): 3 if torn.endswith("\n") else 2}


def test_a_file_of_nothing_but_zeros_does_not_stop_it(log):
    append(log, 1)
    with open(path(log, files(log)[0]), "wb") as file:
        file.write(bytes(5000))
    append(log, 2)
    assert numbers(log) == [2]


def test_other_files_are_let_be(log):
    append(log, 1)
    for name in ("x.jsonl", f"nova-evacuate@{NODE}.0000000001.jsonl", "a@b.01234567.1.jsonl.new"):
        with open(path(log, name), "w", encoding="ascii") as file:
            file.write("\n")
    assert numbers(log) == [1]


@pytest.mark.parametrize("after", [0, 30])
def test_a_full_disk_takes_nothing_and_nothing_is_half_written(log, monkeypatch, after):
    append(log, 1)
    write = os.pwrite

    def full(file, data, offset):
        if offset == size:
            return write(file, data[:after], offset) if after else fails()
        return fails()

    def fails():
        raise OSError(errno.ENOSPC, "No space left on device")

    size = os.path.getsize(path(log, files(log)[0]))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            append(log, 2, 3)
    assert os.path.getsize(path(log, files(log)[0])) == size
    append(log, 2, 3)
    assert numbers(log) == [1, 2, 3]
    assert log.have() == {the_log(log): 3}


def test_what_cannot_be_made_sure_to_be_on_the_disk_is_not_written(log, monkeypatch):
    append(log, 1)

    def fails(_file):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="Input/output"):
            append(log, 2)
    assert numbers(log) == [1]


def test_a_directory_that_is_none_is_told_by_an_error_and_reads_as_empty(tmp_path):
    (tmp_path / "file").touch()
    log = HistoryLog(str(tmp_path / "file" / "history"))
    with pytest.raises(OSError, match="Not a directory"):
        append(log, 1)
    assert log.events() == []


def test_another_writer_is_waited_for_but_not_for_ever(log, monkeypatch):
    monkeypatch.setattr(history_log, "_PATIENCE", 0.1)
    append(log, 1)
    with log._locked(), pytest.raises(BlockingIOError):
        append(HistoryLog(log.directory), 2)
    append(log, 3)
    assert numbers(log) == [1, 3]


def test_writers_at_the_same_time_lose_nothing(log):
    def write(first):
        own = HistoryLog(log.directory)
        for number in range(first, first + 20):
            append(own, number)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers(log)) == 60
    assert log.have() == {the_log(log): 60}


def test_a_name_that_cannot_be_a_file_s_is_refused(log):
    with pytest.raises(OSError, match="cannot name"):
        log.append("../x", NODE, [told(1)])


def test_a_text_is_cut_to_what_can_be_told_to_other_nodes(log):
    log.append(WRITER, NODE, [told(1, reason="x" * 100_000)])
    assert len(log.events()[0]["reason"]) < 5000


# Bounds


def test_what_is_too_old_is_deleted_and_how_far_its_log_was_is_not(log, monkeypatch):
    monkeypatch.setattr(history_log, "SEGMENT", 500)
    for number in range(1, 5):
        append(log, number)
    name = the_log(log)
    later = HistoryLog(log.directory, clock=lambda: time.time() + history_log.OLDEST + 10)
    later.prune()
    assert numbers(later) == []
    assert later.have() == {name: 4}
    assert later.first(name) == 5
    append(log, 5)
    assert (numbers(log), log.have()) == ([5], {name: 5})


def test_a_log_that_ended_long_ago_is_forgotten(log):
    append(log, 1)
    for age in (1, 2):
        now = time.time() + age * (history_log.OLDEST + 10)
        os.utime(path(log, files(log)[0]), (now - history_log.OLDEST - 5,) * 2)
        HistoryLog(log.directory, clock=lambda: now).prune()  # noqa: B023
        assert len(files(log)) == 2 - age


def test_of_too_much_the_oldest_is_deleted(log, monkeypatch):
    monkeypatch.setattr(history_log, "SEGMENT", 1000)
    monkeypatch.setattr(history_log, "LARGEST", 4000)
    for number in range(1, 41):
        append(log, number)
        # As if a second lay between two of them, for the times of the files.
        for age, name in enumerate(reversed(files(log))):
            os.utime(path(log, name), (time.time() - age,) * 2)
    size = sum(os.path.getsize(path(log, name)) for name in files(log))
    assert size < 4000 + 1000 + 500
    assert numbers(log)[-1] == 40
    assert 1 < numbers(log)[0] < 35
    assert log.have() == {the_log(log): 40}
