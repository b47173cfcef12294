# SPDX-License-Identifier: Apache-2.0
"""What a receiver is still to be told: nothing is lost, and nothing is told twice that was taken."""

import json
import os
import subprocess
import sys

import pytest

from nova_ha.notifications import ledger as ledgers
from nova_ha.notifications import outbox as outboxes
from nova_ha.notifications import spool as spools
from nova_ha.notifications.ledger import Ledger
from nova_ha.notifications.spool import Spool
from tests.unit.agent_programs import TREE
from tests.unit.notifications.inbox import down, outbox, over


def told(box):
    return [(each.notification.status, each.notification.host) for each in box.next(100)]


@pytest.fixture
def box(tmp_path):
    return outbox(tmp_path)


def test_what_begins_and_ends_is_told_once(box):
    assert box.reconcile(down("c1"), {}, 10.0)
    assert not box.reconcile(down("c1"), {}, 11.0)
    assert box.reconcile({}, over("c1"), 12.0)
    assert not box.reconcile({}, over("c1"), 13.0)
    assert told(box) == [("firing", "c1"), ("resolved", "c1")]
    assert box.next(1)[0].notification.id != box.next(2)[1].notification.id
    assert {each.notification.since for each in box.next(2)} == {10.0}


def test_what_is_not_wanted_or_only_goes_on_is_not_told(tmp_path):
    assert not outbox(tmp_path, ["recovery"]).reconcile(down("c1"), {}, 10.0)
    (key, condition) = next(iter(down("c1").items()))
    assert not outbox(tmp_path).reconcile({key: condition._replace(begins=False)}, {}, 10.0)


def test_what_is_not_taken_outlives_the_engine(box, tmp_path):
    box.reconcile(down("c1", "c2"), {}, 10.0)
    box.took(box.next(1), 11.0)
    again = outbox(tmp_path)
    assert told(again) == [("firing", "c2")]
    assert not again.reconcile(down("c1", "c2"), {}, 12.0)
    # What was taken is over for the next engine, too.
    again.reconcile({}, over("c1", "c2"), 13.0)
    assert told(again)[1:] == [("resolved", "c1"), ("resolved", "c2")]


def test_an_engine_that_dies_between_the_ledger_and_the_file_tells_nothing_twice(box, tmp_path, monkeypatch):
    box.reconcile(down("c1"), {}, 10.0)
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "remove", lambda *_: None)
        box.took(box.next(1), 11.0)
    assert told(outbox(tmp_path)) == []
    assert not list((tmp_path / "webhook-plain-1").glob("0*.json"))


def test_only_root_can_look_into_it(box, tmp_path):
    box.reconcile(down("c1"), {}, 10.0)
    box.took(box.next(1), 11.0)
    box.reconcile(down("c2"), {}, 12.0)
    directory = tmp_path / "webhook-plain-1"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"event": "other"}', '{"event": []}'])
def test_what_cannot_be_understood_is_left_out(box, tmp_path, text, caplog):
    box.reconcile(down("c1", "c2"), {}, 10.0)
    (first, _second) = sorted((tmp_path / "webhook-plain-1").glob("0*.json"))
    first.write_text(text)
    (tmp_path / "webhook-plain-1/ledger.json").write_text(text)
    assert told(outbox(tmp_path)) == [("firing", "c2")]
    assert len(caplog.records) == 1


def test_a_clock_that_was_set_back_tells_all_the_same(box, tmp_path):
    box.reconcile(down("c1"), {}, 1000.0)
    box.took(box.next(1), 1000.0)
    box.reconcile({}, over("c1"), 10.0)
    assert told(outbox(tmp_path)) == [("resolved", "c1")]
    box.took(box.next(1), 10.0)
    box.reconcile(down("c1"), {}, 11.0)
    assert told(outbox(tmp_path)) == [("firing", "c1")]


def test_what_is_refused_is_set_aside_and_counts_as_told(box, tmp_path, monkeypatch):
    monkeypatch.setattr(spools, "MOST_REFUSED", 2)
    for number in range(3):
        box.reconcile(down(f"c{number}"), {}, 10.0)
        box.refused(box.next(1)[0])
        assert not box.reconcile(down(f"c{number}"), {}, 11.0)
    refused = tmp_path / "webhook-plain-1/refused"
    assert refused.stat().st_mode & 0o777 == 0o700
    kept = sorted(refused.iterdir())
    assert [json.loads(path.read_text())["host"] for path in kept] == ["c1", "c2"]
    assert told(outbox(tmp_path)) == []


def test_a_receiver_that_takes_nothing_for_months_keeps_the_newest(box, monkeypatch, caplog):
    monkeypatch.setattr(outboxes, "MOST", 3)
    for number in range(5):
        box.reconcile(down(f"c{number}"), {}, 10.0)
    assert told(box) == [("firing", f"c{number}") for number in (2, 3, 4)]
    assert len(caplog.records) == 2


# A disk that cannot be written


class FullDisk(Spool):
    full = True

    def _write(self, path, content):
        if self.full:
            raise OSError(28, "No space left on device")
        super()._write(path, content)


def test_a_full_disk_loses_nothing_and_is_told_once(tmp_path, caplog, monkeypatch):
    box = outbox(tmp_path, spool=FullDisk)
    box.reconcile(down("c1", "c2"), {}, 10.0)
    assert told(box) == [("firing", "c1"), ("firing", "c2")]
    box.took(box.next(1), 11.0)
    assert not box.reconcile(down("c1", "c2"), {}, 12.0)
    assert len(caplog.records) == 1 and "No space left" in box.unsaved
    monkeypatch.setattr(FullDisk, "full", False)
    box.reconcile(down("c1", "c2"), {}, 13.0)
    assert box.unsaved is None
    again = outbox(tmp_path)
    assert told(again) == [("firing", "c2")]
    assert not again.reconcile(down("c1", "c2"), {}, 14.0)


# On a disk of a few pages.
REAL = """
import os, sys
from tests.unit.notifications.inbox import down, outbox
box = outbox(sys.argv[1])
ballast = os.open(sys.argv[1] + "/ballast", os.O_WRONLY | os.O_CREAT)
try:
    while os.write(ballast, b"x" * 4096):
        pass
except OSError:
    pass
os.close(ballast)
box.reconcile(down("c1"), {}, 1.0)
assert box.unsaved and len(box.next(9)) == 1, box.unsaved
os.unlink(sys.argv[1] + "/ballast")
box.reconcile(down("c1"), {}, 2.0)
assert box.unsaved is None and len(outbox(sys.argv[1]).next(9)) == 1
print("kept")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_a_disk_that_is_really_full(tmp_path):
    script = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable, REAL]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "kept\n"), done.stderr


# Another engine


def test_what_an_engine_elsewhere_told_is_known(box, tmp_path):
    elsewhere = outbox(tmp_path / "other")
    elsewhere.reconcile(down("c1", "c2"), {}, 10.0)
    elsewhere.took(elsewhere.next(2), 10.0)
    box.reconcile(down("c2"), {}, 5.0)  # this one was not taken from us
    box.learn(Ledger.from_dict(elsewhere.ledger()))
    assert told(box) == []
    box.reconcile(down("c2"), over("c1"), 20.0)
    assert told(box) == [("resolved", "c1")]


def test_what_is_known_longer_does_not_undo_what_is_newer(box, tmp_path):
    former = outbox(tmp_path / "other")
    former.reconcile(down("c1"), {}, 10.0)
    former.took(former.next(1), 10.0)
    box.learn(Ledger.from_dict(former.ledger()))
    box.reconcile({}, over("c1"), 20.0)
    box.took(box.next(1), 20.0)
    box.learn(Ledger.from_dict(former.ledger()))
    assert not box.reconcile({}, over("c1"), 30.0)
    assert box.ledger(firing_only=True) == {} != box.ledger()


@pytest.mark.parametrize("former", [None, [], {"k": 1}, {"k": [1]}, {"k": ["a", "b", "c"]}])
def test_a_ledger_of_another_version_is_empty(former):
    assert Ledger.from_dict(former).as_dict() == {}


def test_what_ended_long_ago_is_forgotten(box, monkeypatch):
    monkeypatch.setattr(ledgers, "MOST_KEPT", 3)
    for number in range(6):
        box.reconcile(down(f"c{number}"), {}, 10.0 + number)
        box.reconcile({}, over(f"c{number}"), 10.5 + number)
        box.took(box.next(2), 11.0 + number)
    assert set(box.ledger()) == {f"host_down/c{number}/" for number in (3, 4, 5)}
    box.reconcile(down("c9"), {}, 100_000.0)
    box.took(box.next(1), 100_000.0)
    assert set(box.ledger()) == {"host_down/c9/"}
