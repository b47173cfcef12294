# SPDX-License-Identifier: Apache-2.0
"""How faults are carried out: at their moment, each to its end, whatever goes wrong with them. There is no lab."""

import dataclasses
import time

import pytest

from tests.campaign import disturbances, moments, plan, run
from tests.campaign.disturbances.base import Death, Disturbance
from tests.lab import history, settings
from tests.lab.shell import LabError
from tests.unit.lab.test_audits import SOUND


class Dies(Death):
    """The host dies."""

    name = "dies"

    def begin(self, field):
        field.done.append("dies")

    stand = Disturbance.stand


class Breaks(Disturbance):
    """Something breaks."""

    name = "breaks"
    fails, stubborn = False, 0

    def begin(self, field):
        field.done.append("breaks")
        if self.fails:
            raise LabError("in vain")

    def end(self, field):
        if self.stubborn:
            self.stubborn -= 1
            raise LabError("not yet")
        field.done.append("mended")


class Idle:
    """A tenant who does nothing."""

    def work(self):
        pass


@pytest.fixture
def field(monkeypatch):
    """A function that makes a field with a death and another fault."""
    monkeypatch.setattr(disturbances, "KINDS", {"dies": Dies, "breaks": Breaks})
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
    there = field()
    there.break_it(Idle())
    assert there.done.index("dies") < there.done.index("breaks") < there.done.index("mended")
    assert there.over.is_set()


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
    assert any("not carried out: LabError: in vain" in text for text in said(there))


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
    assert any("breaks: not undone: LabError" in text for text in said(there))
