# SPDX-License-Identifier: Apache-2.0
"""How faults are carried out: at their moment, each to its end, whatever goes wrong with them. There is no lab."""

import contextlib
import dataclasses
import signal
import threading
import time

import pytest

from tests.campaign import account, disturbances, limit, moments, plan, rest, run
from tests.campaign.disturbances.base import Death, Disturbance
from tests.lab import faults, healing, history, scenario, settings
from tests.lab.cloud import impair
from tests.lab.shell import LabError
from tests.unit.lab.histories import SOUND
from tests.unit.waiting import until


class Dies(Death):
    """The host dies."""

    name = "dies"

    def begin(self, field):
        field.done.append("dies")

    stand = Disturbance.stand


class Breaks(Disturbance):
    """Something breaks."""

    name = "breaks"
    fails, stubborn, waits = False, 0, False

    def begin(self, field):
        field.done.append("breaks")
        if self.fails:
            raise LabError("in vain")
        if self.waits:
            field.until("what never comes", lambda: False, 60)

    def end(self, field):
        if self.stubborn:
            self.stubborn -= 1
            raise OSError("not yet")
        field.done.append("mended")

    def attend(self, field):
        field.done.append("attended")


class Idle:
    """A tenant who does nothing."""

    def work(self):
        pass


@pytest.fixture
def field(monkeypatch):
    """A function that makes a field with a death and another fault."""
    monkeypatch.setattr(disturbances, "KINDS", {"dies": Dies, "breaks": Breaks})
    monkeypatch.setattr(plan, "KINDS", {**plan.KINDS, **disturbances.KINDS})
    monkeypatch.setattr(run, "FIRST", 0.0)
    monkeypatch.setattr(history, "read", lambda: dataclasses.replace(SOUND, flags=()))

    def make(**how):
        strikes = (plan.Strike("dies", "a"), plan.Strike("breaks", "b", **{"moment": moments.DEATH, **how}))
        made = dataclasses.replace(plan.make(1), strikes=strikes)
        there = run.Field(settings.Settings(), None, made, lambda text: None)
        there.done = []
        return there

    return make


def said(field):
    return [text for _time, text in field.log]


def test_faults_strike_at_their_moments_and_are_undone(field):
    there = field(delay=0.1)
    there.break_it(Idle())
    assert there.done.index("dies") < there.done.index("breaks") < there.done.index("mended")


def test_what_strikes_before_the_death_does(field):
    there = field(moment=moments.BEFORE, delay=0.3)
    there.break_it(Idle())
    assert there.done == ["breaks", "mended", "dies"]


def test_a_fault_stands_for_its_time(field):
    there = field(lasts=0.3)
    begun = time.time()
    there.break_it(Idle())
    assert time.time() - begun >= 0.3
    assert said(there)[-1] == "breaks: over"


def test_a_fault_whose_moment_does_not_come_strikes_all_the_same(field, monkeypatch):
    monkeypatch.setattr(run, "MOMENT_LIMIT", 0.1)
    there = field(moment=moments.FLAG)
    there.break_it(Idle())
    assert "breaks" in there.done
    assert any("waited 0.1 s for the moment at the flag" in text for text in said(there))


def test_a_fault_that_cannot_be_carried_out_is_told_and_undone(field, monkeypatch):
    monkeypatch.setattr(Breaks, "fails", True)
    there = field()
    there.break_it(Idle())
    assert there.done[-1] == "mended"
    assert "breaks: in vain" in said(there)
    assert there.carried_out == ["dies"]


def test_a_fault_is_undone_once_that_is_possible(field, monkeypatch):
    monkeypatch.setattr(Breaks, "stubborn", 1)
    there = field()
    there.break_it(Idle())
    assert there.done[-1] == "mended"


def test_a_fault_that_cannot_be_undone_is_told(field, monkeypatch):
    monkeypatch.setattr(Breaks, "stubborn", 1000)
    monkeypatch.setattr(run, "UNDO_LIMIT", 0.1)
    there = field()
    there.break_it(Idle())
    assert any("waited 0.1 s for breaks to be undone" in text for text in said(there))


@pytest.fixture
def mended(monkeypatch):
    """What was done to mend the lab, all faults having been ended."""
    done = []
    monkeypatch.setattr(impair, "clear", lambda: done.append("rules"))
    monkeypatch.setattr(impair, "set_guests", lambda **switches: done.append("guests"))
    monkeypatch.setattr(faults, "end_all", lambda chosen: done.append("faults"))
    return done


def test_mending_ends_faults_that_are_still_waiting_and_lets_nothing_else_break(field, mended, monkeypatch):
    monkeypatch.setattr(Breaks, "waits", True)
    monkeypatch.setattr(run, "UNDO_LIMIT", 5)
    there = field(lasts=50)
    thread = threading.Thread(target=there.break_it, args=(Idle(),))
    thread.start()
    until(lambda: "breaks" in there.done)
    there.mend()
    thread.join(10)
    assert there.done[-1] == "mended" and there.over.is_set()
    assert mended == ["rules", "guests", "faults"]


def test_what_has_not_struck_by_then_does_not(field, mended, monkeypatch):
    there = field(moment=moments.FLAG)
    monkeypatch.setattr(history, "read", history.History)
    thread = threading.Thread(target=there.break_it, args=(Idle(),))
    thread.start()
    until(lambda: "dies" in there.done)
    there.mend()
    thread.join(10)
    assert there.done == ["dies"]


def test_mending_is_tried_again(field, mended, monkeypatch):
    answers = iter([LabError("no quorum"), None])

    def end_all(chosen):
        answer = next(answers)
        if answer:
            raise answer
        mended.append("faults")

    monkeypatch.setattr(faults, "end_all", end_all)
    there = field()
    there.mend()
    assert mended[-1] == "faults"
    assert "mending: no quorum" in said(there)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, limit.OutOfTime, LabError, ValueError])
def test_a_run_that_ends_in_the_middle_is_mended(monkeypatch, error):
    done = []

    def fail(*_):
        raise error

    monkeypatch.setattr(healing, "heal", lambda chosen, options: done.append("heal"))
    monkeypatch.setattr(scenario, "recorded", lambda chosen: contextlib.nullcontext())
    monkeypatch.setattr(run.secrets, "watched", lambda chosen: contextlib.nullcontext(set()))
    monkeypatch.setattr(run.Field, "prepare", lambda self: [])
    monkeypatch.setattr(run.Field, "break_it", fail)
    monkeypatch.setattr(run.Field, "mend", lambda self: done.append("mend"))
    with pytest.raises(error):
        run.carry_out(settings.Settings(), dataclasses.replace(plan.make(1), instances=()), lambda text: None)
    assert done == ["heal", "mend"]


def test_rest_is_there_when_nothing_is_missing_twice_and_an_operator_does_his_part_meanwhile(field, monkeypatch):
    looks = iter([["a flag"], [], ["a flag"], [], []])
    monkeypatch.setattr(rest, "missing", lambda chosen, wanted: next(looks))
    monkeypatch.setattr(account, "expected", lambda *_: {})
    monkeypatch.setattr(run.time, "sleep", lambda seconds: None)
    there = field()
    there.carried_out.append("breaks")
    assert there.await_rest([], []) == []
    assert there.done == ["attended"] * 2
    assert next(looks, None) is None


def test_rest_is_not_believed_before_anybody_can_have_noticed_what_broke(field, monkeypatch):
    looks = []
    monkeypatch.setattr(rest, "missing", lambda chosen, wanted: looks.append(time.time()) or [])
    monkeypatch.setattr(run.time, "sleep", lambda seconds: threading.Event().wait(0.05))
    monkeypatch.setattr(run, "NOTICED", 0.5)
    there = field()
    began = time.time()
    there.break_it(Idle())
    there.await_rest([], [])
    assert looks[-1] >= began + run.NOTICED


def test_rest_that_does_not_come_is_what_is_missing(field, monkeypatch):
    monkeypatch.setattr(rest, "missing", lambda chosen, wanted: ["a flag"])
    monkeypatch.setattr(account, "expected", lambda *_: {})
    monkeypatch.setattr(run, "REST_LIMIT", 0.0)
    monkeypatch.setattr(run, "LOSS_LIMIT", 0.0)
    assert field().await_rest([], []) == ["a flag"]


def test_time_is_limited_whatever_is_waited_for():
    with pytest.raises(limit.OutOfTime, match="this: not over after 0 s"), limit.limited("this", 0.05):
        threading.Event().wait(10)
    with limit.limited("this", 60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0), "it does not ring later"
