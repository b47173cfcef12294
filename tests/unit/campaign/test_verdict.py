# SPDX-License-Identifier: Apache-2.0
"""What is said of a run beside the audits: time, locks and tags, and whether the engine's account agrees."""

import dataclasses

import pytest

from tests.campaign import plan, tell, verdict
from tests.lab.history import RUNNING, STOPPED, UNSURE, GuestChange
from tests.unit.lab.histories import SOUND, but

PAST = but(requests=tuple(
    dataclasses.replace(request, request_id="req-1") if request.action else request for request in SOUND.requests
))  # fmt: skip
EVENTS = (
    {"event": "evacuation_accepted", "request": "req-1", "host": "a"},
    {"event": "host_recovered", "request": None, "host": "a"},
)
QUIET = plan.make(1, ("kill",))
MOVED = plan.make(1, ("kill", "engine-killed"))
WELL = {"verdict": "well", "hosts": {}}


EVIDENCE = verdict.Evidence(
    ids=(), wanted={"i": RUNNING}, missing=(), past=PAST, entries=(), status=WELL, events=EVENTS, partial=False,
    leaks=(), log=((99, "kill (a)"),), struck=99, carried_out=("kill",),
)  # fmt: skip
# The host that dies in the records.
VICTIM = dataclasses.replace(
    QUIET, instances=(), strikes=tuple(dataclasses.replace(strike, target="a") for strike in QUIET.strikes)
)


def disagreements(made=QUIET, **changes):
    return list(verdict.disagreements(dataclasses.replace(EVIDENCE, **changes), made))


def test_a_run_in_which_all_went_well():
    found = verdict.judge(VICTIM, EVIDENCE)
    assert (found.passed, found.lost, found.doubled, found.late) == (True, 0, 0, False)
    assert (found.recovery, found.instances, found.carried_out) == (26, 1, ("kill",))


@pytest.mark.parametrize(
    ("changes", "words", "figures"),
    [
        ({"past": but(PAST, instances=())}, "rule 4", (1, 0, False)),
        ({"past": but(PAST, guests=[GuestChange(126, "c", "i", True)])}, "ran on b and c at once", (1, 1, False)),
        ({"missing": ("the flag of a is no",)}, "no rest: the flag of a is no", (0, 0, True)),
        ({"leaks": ("in a log",)}, "rule 7 (secrets stay where they belong): BROKEN: in a log", (0, 0, False)),
        ({"status": {}}, "the engine's account", (0, 0, False)),
    ],
)
def test_a_run_in_which_something_was_wrong(changes, words, figures):
    found = verdict.judge(VICTIM, dataclasses.replace(EVIDENCE, **changes))
    assert any(words in line for line in found.findings)
    assert (found.lost, found.doubled, found.late) == figures


def test_a_run_in_which_nothing_was_struck_has_no_recovery():
    assert verdict.judge(VICTIM, dataclasses.replace(EVIDENCE, struck=None)).recovery is None


def test_an_account_that_agrees():
    assert disagreements() == []


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"status": {"verdict": "attention", "hosts": {"a": {"reason": "stuck"}}}}, "attention: {'a': 'stuck'}"),
        ({"events": EVENTS[1:]}, "does not know of the evacuation req-1"),
        ({"events": EVENTS[:1]}, "does not know that a was recovered"),
        ({"events": (*EVENTS, {**EVENTS[0], "request": "req-2"})}, "req-2 was accepted, which nobody saw"),
    ],
)
def test_an_account_that_does_not(account, words):
    [line] = disagreements(**account)
    assert words in line


def test_an_answer_that_came_too_late_for_the_engine_need_not_be_known():
    late = but(PAST, requests=tuple(dataclasses.replace(request, duration=50.0) for request in PAST.requests))
    assert disagreements(past=late, events=EVENTS[1:]) == []


def test_an_engine_that_was_moved_need_not_know_what_another_did():
    assert disagreements(MOVED, events=()) == []
    assert disagreements(partial=True, events=()) == []
    assert disagreements(MOVED, status={}, events=())


def test_recovery_is_timed_until_the_last_instance_that_has_to_run():
    assert verdict.recovery(SOUND, "a", 99, {"i": RUNNING}) == 26
    assert verdict.recovery(SOUND, "a", 99, {"i": STOPPED}) is None
    assert verdict.recovery(SOUND, "b", 99, {"i": RUNNING}) is None
    assert verdict.recovery(but(guests=SOUND.guests[:1]), "a", 99, {"i": RUNNING}) is None


def entry(**changes):
    return [{"id": "i", "tags": [], "locked": False, **changes}]


@pytest.mark.parametrize(
    ("state", "found", "right"),
    [
        ("running", {}, True),
        ("running", {"locked": True}, False),
        ("running", {"tags": ["nova-ha:restore=stopped"]}, False),
        ("tagged", {"tags": [plan.TAG]}, True),
        ("tagged", {}, False),
        ("locked, stopped", {"locked": True}, True),
        ("locked", {}, False),
    ],
)
def test_locks_and_tags_are_as_they_were(state, found, right):
    made = dataclasses.replace(QUIET, instances=(plan.Wanted("compute-1", state),))
    assert (not list(verdict.marks(made, ["i"], {"i": RUNNING}, entry(**found)))) == right
    assert not list(verdict.marks(made, ["i"], {"i": UNSURE}, entry(**found)))


def test_the_timeline_tells_what_was_broken_and_what_happened_in_order():
    lines = tell.lines(PAST, [(99.5, "kill (a)")], 100)
    assert [line.split(None, 1)[1] for line in lines if "kill" in line or "flag" in line or "starts" in line] == [
        "nova-compute starts on a",
        "guest starts on a: i",
        "kill (a)",
        "flag of a: yes",
        "flag of a: control-1@111",
        "guest starts on b: i",
        "flag of a: no",
        "nova-compute starts on a",
        "flag of a: None",
    ]
    assert lines == sorted(lines, key=lambda line: float(line.split()[0]))


def test_what_happened_to_many_instances_together_is_one_line():
    many = but(guests=[dataclasses.replace(SOUND.guests[1], instance=name, time=125.5) for name in "jk"])
    [line] = [line for line in tell.lines(many, [], 100) if "starts on b" in line]
    assert line.endswith("guest starts on b: i j k")
