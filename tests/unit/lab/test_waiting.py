# SPDX-License-Identifier: Apache-2.0
"""Limits of waits: real seconds on a machine with a free processor, more on one without."""

import itertools

import pytest

from tests.lab import waiting
from tests.lab.shell import LabError


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only by sleeping."""
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize(
    ("starved", "seconds"),
    [(lambda now: 0, 10), (lambda now: 7e6, 10), (lambda now: now * 1e6 / 2, 20), (lambda now: now * 1e6, 40)],
    ids=["never starved", "starved before", "starved half of the time", "always starved"],
)
def test_seconds_without_a_free_processor_do_not_count(clock, tmp_path, monkeypatch, starved, seconds):
    pressure = tmp_path / "cpu"
    monkeypatch.setattr(waiting, "PRESSURE", pressure)

    def never():
        pressure.write_text(f"some avg10=0.00 total={starved(clock[0]):.0f}\nfull avg10=0.00 total=9\n")

    never()
    with pytest.raises(LabError, match="for the moon"):
        waiting.wait_for("the moon", never, limit=10, interval=1)
    assert clock[0] == seconds


def test_limits_are_real_seconds_where_the_kernel_does_not_tell(clock, tmp_path, monkeypatch):
    monkeypatch.setattr(waiting, "PRESSURE", tmp_path / "nothing")
    with pytest.raises(LabError):
        waiting.wait_for("the moon", lambda: None, limit=10, interval=1)
    assert clock[0] == 10


def test_what_comes_ends_the_wait(clock):
    looks = itertools.chain([None, "", 0], ["here"])
    assert waiting.wait_for("the moon", lambda: next(looks), limit=10, interval=1) == "here"
    assert clock[0] == 3
