# SPDX-License-Identifier: Apache-2.0
"""Tiers of the tests: what a person's words select, in which order parts run, and that red is never lost."""

import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests import parts, tiers
from tests.functional.labs import IS_UP
from tests.parts import Part, Run
from tests.unit.lab.summaries import summary

GREEN = "def test_one(): pass\n"
RED = "def test_one(): pass\ndef test_two(): assert False\n"
BROKEN = "import nothing_of_the_kind\n"


@pytest.fixture
def part(tmp_path):
    """Makes a part of pytest's, of a file with such tests."""

    def make(name, text, *words):
        file = tmp_path / f"test_{name}.py"
        file.write_text(text)
        return Part(name, (sys.executable, "-m", "pytest", "-q", str(file), *words), directory="tests/unit")

    return make


def command(name, *words):
    return Part(name, tuple(words))


def closed(run, capsys):
    """The exit code, and what the last line counts."""
    code = run.close()
    return code, summary(capsys.readouterr().out)


def test_parts_are_counted_together_in_the_last_line(part, capsys):
    with Run() as run:
        assert run.side_by_side(part("a", GREEN), part("b", GREEN), command("lint", "true"))
        assert closed(run, capsys) == (0, {"passed": 3, "failed": 0, "skipped": 0})


@pytest.mark.parametrize(
    ("make", "counts"),
    [
        (lambda part: part("r", RED), {"passed": 2, "failed": 1}),
        (lambda part: part("b", BROKEN), {"passed": 1, "failed": 1}),
        (lambda part: part("u", GREEN, "--no-such-option"), {"passed": 1, "failed": 1}),
        (lambda part: command("lint", "false"), {"passed": 1, "failed": 1}),
        (lambda part: command("killed", "sh", "-c", "kill -KILL $$"), {"passed": 1, "failed": 1}),
    ],
    ids=["a failure", "an error of collection", "an error of usage", "another program", "killed"],
)
def test_one_red_part_makes_the_run_red(part, capsys, make, counts):
    with Run() as run:
        assert not run.side_by_side(make(part), part("a", GREEN))
        assert closed(run, capsys) == (1, {**counts, "skipped": 0})


def test_a_part_in_which_nothing_is_selected_is_not_red(part, capsys):
    with Run() as run:
        assert run.side_by_side(part("a", GREEN), part("b", GREEN, "-k", "no_such_test"))
        assert closed(run, capsys) == (0, {"passed": 1, "failed": 0, "skipped": 0})


def test_outputs_are_printed_one_after_the_other(capsys):
    talk = "for i in 1 2 3; do echo {}; sleep 0.1; done"
    with Run() as run:
        run.side_by_side(*(command(name, "sh", "-c", talk.format(name)) for name in ("one", "two")))
    assert re.findall("^(?:one|two)$", capsys.readouterr().out, re.MULTILINE) == ["one"] * 3 + ["two"] * 3


def test_what_comes_up_beside_red_tests_is_interrupted_and_not_counted(part, tmp_path, capsys):
    up = command("up", "sh", "-c", f"trap 'touch {tmp_path}/put-back; exit 130' INT; while :; do sleep 0.05; done")
    with Run() as run:
        assert not run.side_by_side(part("a", RED), beside=[up])
        assert closed(run, capsys) == (1, {"passed": 1, "failed": 1, "skipped": 0})
    assert (tmp_path / "put-back").exists()


def test_a_part_that_does_not_heed_its_interrupt_is_killed(part, monkeypatch):
    monkeypatch.setattr(parts, "ENDING", 0.5)
    with Run() as run:
        deaf = command("deaf", "sh", "-c", "trap '' INT; while :; do sleep 0.05; done")
        assert not run.side_by_side(part("a", RED), beside=[deaf])


def test_a_lab_that_does_not_come_up_is_told_at_once(capsys):
    begun = time.monotonic()
    with Run() as run:
        up = command("up", "sh", "-c", "echo why; exit 1")
        assert not run.side_by_side(command("unit", "sleep", "60"), beside=[up])
        printed = capsys.readouterr().out
        assert run.close() == 1
    assert "why" in printed
    assert time.monotonic() - begun < 30


def test_whoever_ends_a_run_ends_its_parts(tmp_path):
    program = (
        "import sys; from tests import tiers\n"
        "tiers.quick = lambda run: run.side_by_side(tiers.Part('part', ('sh', '-c', sys.argv[1])))\n"
        "sys.exit(tiers.main(['test', 'quick']))"
    )
    part = f"trap 'touch {tmp_path}/ended; exit 1' INT; echo begun; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [sys.executable, "-c", program, part], cwd=tiers.SOURCE_TREE, stdout=subprocess.PIPE, text=True
    )
    with process:
        limit = threading.Timer(30, process.kill)
        limit.start()
        while process.stdout.readline() != "begun\n":
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
        limit.cancel()
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(
    ("words", "paths", "options"),
    [
        (["-k", "reload"], [], ["-k", "reload"]),
        (["tests/unit/cli/test_main.py", "-x"], ["tests/unit/cli/test_main.py"], ["-x"]),
        (["tests/unit/cli/test_main.py::test_a", "-vv"], ["tests/unit/cli/test_main.py::test_a"], ["-vv"]),
        # Words that happen to be the names of files.
        (["-k", "docs"], [], ["-k", "docs"]),
        (["--maxfail=2"], [], ["--maxfail=2"]),
    ],
)
def test_paths_are_told_from_options(words, paths, options):
    assert tiers.split(words) == (paths, options)


@pytest.mark.parametrize(
    ("paths", "within"),
    [
        (["tests/unit/cli/test_main.py", "tests/functional/test_return.py"], ["tests/unit/cli/test_main.py"]),
        (["tests/unit/lab"], ["tests/unit/lab"]),
        (["tests/unit"], ["tests/unit"]),
        (["tests"], ["tests/unit"]),
        ([f"{tiers.SOURCE_TREE}/tests/unit/lab"], [f"{tiers.SOURCE_TREE}/tests/unit/lab"]),
        (["tests/functional"], []),
        (["README.md"], []),
    ],
)
def test_a_part_gets_the_paths_that_are_in_its_directory(paths, within):
    assert tiers.paths_in("tests/unit", paths) == within


def names(words, parts=(tiers.UNIT, *tiers.STORIES)):
    return [part.name for part in tiers.selecting(parts, words)]


def test_a_path_runs_what_is_there_and_nothing_besides():
    assert names(["tests/functional/test_records.py"]) == ["stories of lab 1"]
    assert names(["tests/unit/lab/test_tiers.py"]) == ["unit"]


def test_words_run_what_has_them_in_its_name():
    assert names(["-k", "no_password_shows"], parts=tiers.STORIES) == ["stories of lab 0"]


@pytest.mark.parametrize("words", [["-k", "no_such_test_anywhere"], ["README.md"], ["--no-such-option"]])
def test_words_that_select_nothing_are_an_error(words):
    with pytest.raises(tiers.UsageError):
        names(words, parts=tiers.STORIES)


@pytest.fixture
def told():
    """What each part is told by its environment, by its name, once ``order`` has run it."""
    return {}


@pytest.fixture
def order(monkeypatch, told):
    """What is run in which order, and how each step ends, by what its first part is."""

    def of(tier, *words, red=(), up_before=()):
        steps = []
        told.clear()

        class Recorder:
            failed = False

            def side_by_side(self, *parts, beside=()):
                steps.append([part.name for part in (*parts, *beside)])
                told.update({part.name: dict(part.environment) for part in parts})
                self.failed = self.failed or bool(red)
                return not set(steps[-1]) & set(red)

        monkeypatch.setattr(tiers.runtime, "labs", lambda: list(up_before))
        monkeypatch.delenv(tiers.KEEP, raising=False)
        tier(Recorder(), *words)
        return steps

    return of


FIRST = ["lint", "unit", "workbench", "lab 0: up", "lab 1: up", "lab 2: up"]
STORIES = ["stories of lab 0", "stories of lab 1", "stories of lab 2"]


def test_stories_come_after_what_needs_no_lab(order):
    assert order(tiers.everything) == [FIRST, [*STORIES, "histories"]]


def test_what_the_unit_tests_leave_out_is_run_beside_the_stories():
    left_out = [word.partition("=")[2] for word in tiers.UNIT_FIRST.command if word.startswith("--ignore=")]
    assert left_out == [tiers.HISTORIES.directory]
    assert (tiers.SOURCE_TREE / tiers.HISTORIES.directory).is_file()


def test_only_labs_that_the_run_has_brought_up_are_not_brought_up_again(order, told):
    order(tiers.everything)
    assert [told[name].get(IS_UP) for name in STORIES] == ["1"] * 3
    order(tiers.stories, [])
    assert [told[name].get(IS_UP) for name in STORIES] == [None] * 3


@pytest.mark.parametrize("red", ["lint", "unit", "workbench"])
def test_red_in_what_needs_no_lab_means_that_no_story_is_begun(order, red):
    assert order(tiers.everything, red=[red]) == [FIRST, ["lab 0: down", "lab 1: down", "lab 2: down"]]


def test_a_lab_that_was_up_before_is_not_taken_down_for_that(order):
    assert order(tiers.everything, red=["unit"], up_before=[0])[1:] == [["lab 1: down", "lab 2: down"]]


def test_the_quick_tier_needs_no_lab(order):
    assert order(tiers.quick) == [FIRST[:3]]


def test_a_story_is_told_on_its_lab_which_stays_up(order, monkeypatch):
    environment = {}
    monkeypatch.setattr(tiers.os, "environ", environment)
    assert order(tiers.story, ["no_password_shows"]) == [STORIES[:1]]
    assert environment == {tiers.KEEP: "1"}
