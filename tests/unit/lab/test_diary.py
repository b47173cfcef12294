# SPDX-License-Identifier: Apache-2.0
"""What a guest has written on its disk, and how it is told what to do."""

import pytest

from tests.lab.cloud import layout
from tests.lab.guest import diary, disk
from tests.lab.guest.diary import Incarnation
from tests.lab.shell import LabError
from tests.unit.lab.diaries import AFTER, BEFORE, written

# 2026-11-30 00:00:00 UTC.
MIDNIGHT = 1795996800.0


def test_each_incarnation_says_from_when_to_when_it_ran():
    found = diary.parse(written(2, (1, BEFORE, BEFORE), (2, BEFORE, AFTER)))
    assert found == (
        Incarnation(1, 99, 3, 1, MIDNIGHT - 1, MIDNIGHT - 1),
        Incarnation(2, 99, 3, 1, MIDNIGHT - 1, MIDNIGHT + 1),
    )


def test_one_that_never_beat_is_not_told_of():
    assert not diary.parse(written(0))
    assert [each.number for each in diary.parse(written(3, (1, BEFORE, BEFORE), (3, AFTER, AFTER)))] == [1, 3]


def test_of_so_many_that_the_first_are_written_over_the_last_are_told_of():
    content = written(1026, (3, BEFORE, BEFORE), (1025, BEFORE, BEFORE), (1026, AFTER, AFTER))
    assert [each.number for each in diary.parse(content)] == [3, 1025, 1026]
    assert [each.number for each in diary.parse(written(1027, (3, BEFORE, BEFORE), (1026, AFTER, AFTER)))] == [1026]


def test_what_is_no_guests_disk_is_an_error():
    with pytest.raises(ValueError, match="has 532480 bytes at least, this one 7"):
        diary.parse(b"\0" * 7)
    with pytest.raises(ValueError, match="no such time: 20261329"):
        diary.parse(written(1, (1, (0x20261329, 0), AFTER)))


@pytest.fixture
def instances(monkeypatch, tmp_path):
    """The directory in which the disks of the lab's instances are, each in a directory of its place and instance."""
    monkeypatch.setattr(layout, "DISKS", tmp_path)

    def add(place, instance, content):
        (tmp_path / place / instance).mkdir(parents=True)
        (tmp_path / place / instance / "disk").write_bytes(content)

    return add


def test_the_image_is_a_disk_that_can_be_booted_and_that_glance_takes():
    image = disk.image()
    assert len(image) == disk.IMAGE_SIZE >= diary.SIZE
    assert image[510:512] == b"\x55\xaa"
    assert any(image[446:462])
    # The code is not in the way of what it writes.
    assert not any(image[diary.NEWEST * diary.SECTOR :])
    assert not diary.parse(image)


def test_a_guest_is_told_on_every_disk_that_its_instance_has(instances):
    for place in ("compute-1", "compute-2"):
        instances(place, "i", written(1, (1, BEFORE, AFTER)))
    instances("compute-1", "j", written(0))
    disk.tell("i", disk.Command.RESET)
    assert set(disk.of("i")) == {"compute-1", "compute-2"}
    assert all(file.read_bytes()[9 * 512 :][:1] == b"R" for file in disk.of("i").values())
    assert all(len(disk.read(file)) == 1 for file in disk.of("i").values())
    assert not any(disk.of("j")["compute-1"].read_bytes()[9 * 512 :])


def test_what_is_wrong_with_a_disk_is_said_with_its_name(instances):
    instances("shared", "i", b"short")
    with pytest.raises(LabError, match="shared/i/disk: a guest's disk"):
        disk.read(disk.of("i")["shared"])
    with pytest.raises(LabError, match="instance k has no disk"):
        disk.tell("k", disk.Command.HANG)
