# SPDX-License-Identifier: Apache-2.0
"""The audits of real guests: a sound set of diaries passes, and each doctored one is seen and named."""

import dataclasses

import pytest

from tests.lab import audits, nodes
from tests.lab.cloud import layout
from tests.lab.guest import disk, refusals
from tests.lab.guest.diary import Incarnation
from tests.lab.history import GONE, PAUSED, RUNNING, STOPPED, UNSURE, Expected, GuestChange, GuestDisk, RefusedStart
from tests.unit.lab.diaries import AFTER, BEFORE, written
from tests.unit.lab.histories import SOUND, but

# Of the instance of SOUND: it ran on a until a died, and on b from then on.
ON_A, ON_B = Incarnation(1, 7, 50, 0, 50, 99), Incarnation(2, 8, 20, 0, 126, 145)


def of(*incarnations, place="shared", beats=True):
    return GuestDisk("i", place, incarnations, beats)


def doctored(incarnation, **changes):
    return dataclasses.replace(incarnation, **changes)


def seen(*disks, **more):
    return but(disks=disks, **more)


AFRESH = doctored(ON_B, number=1)
STOPPED_AGAIN = {"guests": [GuestChange(146, "b", "i", False)], "instances": ()}

GOOD = {
    "goes on with the shared disk": seen(of(ON_A, ON_B)),
    "begins afresh on a local disk": seen(of(ON_A, place="a", beats=False), of(AFRESH, place="b")),
    "boots again within a second": seen(of(ON_A, ON_B, doctored(ON_B, number=3, first=145, last=146))),
    "is gone": seen(**STOPPED_AGAIN, expected=Expected({"i": GONE})),
    "may be anything": seen(of(ON_A, ON_B, beats=False), **STOPPED_AGAIN, expected=Expected({"i": UNSURE})),
}

BAD = {
    "two incarnations at once": (
        seen(of(doctored(ON_A, last=127), ON_B)), 2, "incarnation 2 (shared) of its guest booted while"),
    "two that took one number": (seen(of(ON_A, doctored(ON_B, conflicts=3))), 2, "found at 3 beats that another"),
    "one that ended long after the next began": (
        seen(of(doctored(ON_A, last=140), doctored(ON_B, last=130), doctored(ON_B, number=3, first=135))),
        2, "incarnation 3 (shared) of its guest booted while incarnation 1 (shared)"),
    "at once on two hosts' disks": (
        seen(of(doctored(ON_A, last=127), place="a", beats=False), of(AFRESH, place="b")), 2, "(b) of its guest"),
    "a second start on a disk in use": (
        seen(of(ON_A, ON_B), refusals=(RefusedStart(121, "c", "i"),)), 2, "QEMU refused a second start"),
    "does not beat": (seen(of(ON_A, ON_B, beats=False)), 4, "its guest does not beat, since"),
    "never beat": (seen(), 4, "and never did"),
    "stopped, but beats": (seen(of(ON_A, ON_B), expected=Expected({"i": STOPPED})), 5, "its guest beats (shared)"),
    "paused, but beats": (seen(of(ON_A, ON_B), expected=Expected({"i": PAUSED})), 5, "should be paused, but its guest"),
    "deleted, but beats": (
        seen(of(ON_B, place="b"), **STOPPED_AGAIN, expected=Expected({"i": GONE})), 5, "its guest beats (b)"),
}  # fmt: skip


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD.keys())
def test_sound_diaries_pass(history):
    assert audits.audit(history) == []


@pytest.mark.parametrize(("history", "rule", "words"), BAD.values(), ids=BAD.keys())
def test_a_doctored_diary_is_seen_and_named(history, rule, words):
    assert [str(breach) for breach in audits.audit(history) if breach.rule == rule and words in breach.text]


def test_where_the_guests_are_files_no_diary_is_missed():
    assert SOUND.disks is None
    assert audits.audit(but(expected=Expected({"i": RUNNING}))) == []


def test_the_report_counts_what_the_disks_tell():
    lines = audits.report(seen(of(ON_A, ON_B)))
    assert lines[1].endswith("2 guest starts seen, 2 incarnations by their disks")
    assert lines[3].endswith("1 instance running as they should, 1 by their disks")


def test_a_guest_beats_that_writes_while_it_is_looked_at(monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "DISKS", tmp_path)
    monkeypatch.setattr(disk, "LOOK", 0.5)
    for instance, content in (("silent", written(1, (1, BEFORE, BEFORE))), ("alive", written(0)), ("made", b"")):
        (tmp_path / "shared" / instance).mkdir(parents=True)
        (tmp_path / "shared" / instance / "disk").write_bytes(content)
    looks, genuine = [], disk.read

    def read(file):
        if file.parent.name == "alive" and len(looks) > 2:
            file.write_bytes(written(1, (1, BEFORE, AFTER)))
        looks.append(file)
        return genuine(file)

    monkeypatch.setattr(disk, "read", read)
    found = {each.instance: each for each in disk.look()}
    assert {name: each.beats for name, each in found.items()} == {"silent": False, "alive": True, "made": False}
    assert [len(found[name].incarnations) for name in ("silent", "alive", "made")] == [1, 1, 0]


# As QEMU 7.2 wrote it on 2026-11-30, but for the options of its command line.
LOG = """\
2026-11-30 06:04:55.400+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4+deb12u2, qemu version: 7.2.22
-device '{"driver":"virtio-blk-pci","bootindex":1,"write-cache":"on"}' \\
2026-11-30T06:04:55.638005Z qemu-system-x86_64: -device {"driver":"virtio-blk-pci","write-cache":"on"}: Failed to get "write" lock
Is another process using the image [/var/lib/nova/instances/b2aa1f71-ae45-4dfc-a303-d94f6ad2cabb/disk]?
2026-11-30 06:04:55.651+0000: shutting down, reason=failed
2026-11-30T06:09:55Z qemu-system-x86_64: -blockdev {"driver":"file"}: Failed to get shared "write" lock
Is another process using the image [/var/lib/nova/instances/11111111-ae45-4dfc-a303-d94f6ad2cabb/disk]?
"""  # noqa: E501 (it is QEMU's line)


def test_a_start_that_was_refused_is_read_from_qemus_log(monkeypatch, tmp_path):
    (tmp_path / refusals.LOGS).mkdir(parents=True)
    (tmp_path / refusals.LOGS / "instance-0000001e.log").write_text(LOG)
    monkeypatch.setattr(nodes, "layer", lambda node: tmp_path)
    first, second = refusals.read(["compute-3"], 0)
    assert first == RefusedStart(1796018695.638005, "compute-3", "b2aa1f71-ae45-4dfc-a303-d94f6ad2cabb")
    assert refusals.read(["compute-3"], first.time + 1) == [second]
