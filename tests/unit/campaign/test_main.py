# SPDX-License-Identifier: Apache-2.0
"""The command line: runs one after the other, whatever becomes of one, and a lab that is healed at the end of all."""

import contextlib
import dataclasses
import os
import signal

import pytest

from tests.campaign import __main__ as campaign
from tests.campaign import plan, results, run
from tests.lab import cluster, faults, healing, lab
from tests.lab.shell import LabError
from tests.unit.campaign.verdicts import BAD, GOOD


@pytest.fixture
def lab_of_notes(monkeypatch):
    """What was done to the lab."""
    done = []
    monkeypatch.setattr(lab, "claimed", contextlib.nullcontext)
    monkeypatch.setattr(lab, "clear_lost", lambda *_: None)
    monkeypatch.setattr(lab, "up", lambda *_: done.append("up"))
    monkeypatch.setattr(lab, "collect", lambda settings, file: file)
    monkeypatch.setattr(faults, "end_all", lambda *_: None)
    monkeypatch.setattr(healing, "heal", lambda *_: done.append("heal"))
    names = {cluster.REMOTE_OPTIONS: "patient", cluster.IMPATIENT_REMOTE_OPTIONS: "impatient"}
    monkeypatch.setattr(cluster, "set_remote_options", lambda settings, options: done.append(names[options]))
    former = signal.getsignal(signal.SIGTERM)
    yield done
    signal.signal(signal.SIGTERM, former)


def campaign_of(monkeypatch, tmp_path, *ends, runs=None):
    """Have runs end like this; returns the exit code and the results."""
    them = iter(ends)

    def carry_out(settings, made, say):
        end = next(them)
        if isinstance(end, Ends):
            return dataclasses.replace(end.verdict, carried_out=made.faults)
        return end()

    monkeypatch.setattr(run, "carry_out", carry_out)
    file = tmp_path / "results"
    code = campaign.main(["--runs", str(runs or len(ends)), "--results", str(file)])
    return code, results.read(file)


@dataclasses.dataclass
class Ends:
    """A run that ends with a verdict."""

    verdict: object


def fail(error):
    def failing():
        raise error

    return failing


PASSED, FAILED = Ends(GOOD), Ends(BAD)


def test_runs_follow_one_another_and_the_lab_is_healed_at_the_end(lab_of_notes, monkeypatch, tmp_path):
    code, kept = campaign_of(monkeypatch, tmp_path, PASSED, PASSED)
    assert code == 0
    assert [(line["seed"], line["outcome"]) for line in kept] == [(1, "passed"), (2, "passed")]
    assert lab_of_notes == ["up", "impatient", "heal", "patient"]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (FAILED, "failed"),
        (fail(LabError("no quorum")), "broken"),
        (fail(ValueError("of ours")), "broken"),
    ],
)
def test_a_run_that_does_not_pass_is_kept_and_the_next_one_follows(lab_of_notes, monkeypatch, tmp_path, end, outcome):
    code, kept = campaign_of(monkeypatch, tmp_path, end, PASSED)
    assert code == 1
    assert [line["outcome"] for line in kept] == [outcome, "passed"]
    [told] = tmp_path.glob("seed-1-*.txt")
    assert plan.make(1).command in told.read_text()


def test_it_ends_when_the_lab_cannot_be_used(lab_of_notes, monkeypatch, tmp_path):
    broken = [fail(LabError("no quorum"))] * 3
    code, kept = campaign_of(monkeypatch, tmp_path, PASSED, *broken, runs=9)
    assert code == 1
    assert len(kept) == 4
    assert lab_of_notes[-2:] == ["heal", "patient"]


@pytest.fixture
def interruptible():
    """Ctrl-C is heeded, though a shell that runs the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_has_the_lab_healed(lab_of_notes, monkeypatch, tmp_path, number, interruptible):
    def ended():
        os.kill(os.getpid(), number)
        raise AssertionError("it went on")

    code, kept = campaign_of(monkeypatch, tmp_path, ended, runs=3)
    assert code == 130
    assert kept == []
    assert lab_of_notes == ["up", "impatient", "heal", "patient"]


def test_a_lab_that_cannot_be_healed_gets_its_timings_back_all_the_same(lab_of_notes, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(healing, "heal", lambda *_: fail(LabError("waited 180 s"))())
    code, _kept = campaign_of(monkeypatch, tmp_path, PASSED)
    assert code == 1
    assert "campaign: waited 180 s" in capsys.readouterr().err
    assert lab_of_notes[-1] == "patient"


@pytest.mark.parametrize(
    ("words", "said"), [(["--fault", "earthquake"], "no such fault"), (["--fault", "kill", "hang"], "one death")]
)
def test_what_cannot_be_is_one_line(words, said, capsys):
    assert campaign.main(words) == 2
    assert said in capsys.readouterr().err
