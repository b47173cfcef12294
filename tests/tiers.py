# SPDX-License-Identifier: Apache-2.0
"""What ``./lab test`` and ``./lab story`` run: lint, unit tests, the workbench, and the stories on three labs at once.

    python3 -m tests.tiers test [quick | long | pytest's options and paths]
    python3 -m tests.tiers stories [pytest's options and paths]
    python3 -m tests.tiers story NAME [pytest's options]

A story's marker says which lab it is told on: ``lab_a`` is lab 0, with eight compute hosts; ``lab_b`` and ``lab_c`` are
labs 1 and 2, with three each.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterable

from tests.functional.labs import COMPUTES, IS_UP
from tests.lab import runtime
from tests.lab.settings import FAKE, SOURCE_TREE
from tests.parts import NOTHING, Part, Run

PYTHON = "/usr/bin/python3"
PYTEST = (PYTHON, "-m", "pytest")
STORIES_DIRECTORY = "tests/functional"
KEEP = "NOVA_HA_LAB_KEEP"
# Those of pytest's options of one letter that take the next word.
TAKES_A_WORD = ("-c", "-k", "-m", "-n", "-o", "-p", "-W")
CAMPAIGN = ("--seed", "1", "--runs", "60", "--minutes", "60")
OTHER_RELEASE = "trixie"


def _on_lab(number: int) -> tuple[tuple[str, str], ...]:
    return (("NOVA_HA_LAB_NUMBER", str(number)),)


def _lab(number: int, *words: str) -> Part:
    return Part(f"lab {number}: {words[0]}", (PYTHON, "-m", "tests.lab", *words), None, _on_lab(number))


# Of all that is needed ruff and mypy alone are not Debian's: so lint alone needs tox's virtual environment.
LINT = Part("lint", ("tox", "-qq", "-e", "lint"))
UNIT = Part("unit", (*PYTEST, "-q", "-n", "auto"), "tests/unit")
# Stories wait most of the time: the histories, which are a third of the unit tests' time, have the processors then.
UNIT_FIRST = UNIT.with_words("--ignore=tests/unit/test_histories.py")
HISTORIES = Part("histories", ("nice", "-n", "10", *PYTEST, "-q", "-n", "auto"), "tests/unit/test_histories.py")
WORKBENCH = Part("workbench", (*PYTEST, "-q", "-n", "auto", "--maxprocesses=4"), "tests/workbench")
STORIES = tuple(
    Part(f"stories of lab {n}", (*PYTEST, "-v", "--durations=30", "-m", marker), STORIES_DIRECTORY, _on_lab(n))
    for n, marker in enumerate(COMPUTES)
)
# Most stories need the fake driver's switches: a lab of real guests, as a demo may have left, is named and not used.
UPS = tuple(_lab(n, "up", f"--computes={count}", f"--virt={FAKE}") for n, count in enumerate(COMPUTES.values()))
DOWNS = tuple(_lab(n, "down") for n in range(len(COMPUTES)))


class UsageError(Exception):
    """The arguments select no test; the text says why."""


def main(arguments: list[str]) -> int:
    """Run a tier; returns the exit code: 0 if nothing failed, 2 for wrong arguments."""
    command, *words = arguments
    # A shell that runs us in the background has SIGINT ignored, and so would have all that we are to interrupt.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    try:
        with Run() as run:
            if command == "story":
                story(run, words)
            elif command == "stories":
                stories(run, words)
            elif words in (["quick"], ["long"]):
                {"quick": quick, "long": long}[words[0]](run)
            elif words:
                selected(run, words)
            else:
                everything(run)
            return run.close()
    except UsageError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


def quick(run: Run) -> None:
    """What needs no lab."""
    run.side_by_side(*map(_whole, (LINT, UNIT, WORKBENCH)))


def everything(run: Run) -> None:
    """All. The labs come up beside what needs none, but for the histories; where that is red, no story is begun."""
    # What was up before may be another tree's.
    before = runtime.labs()
    if run.side_by_side(*map(_whole, (LINT, UNIT_FIRST, WORKBENCH)), beside=UPS):
        run.side_by_side(*map(_just_up, STORIES), _whole(HISTORIES))
    elif os.environ.get(KEEP) != "1":
        run.side_by_side(beside=[down for n, down in enumerate(DOWNS) if n not in before])


def long(run: Run) -> None:
    """All, with what takes minutes; the campaign's seeds; and the stories on the other release of Debian."""
    os.environ.update(NOVA_HA_LAB_LONG="1", NOVA_HA_HISTORIES="10000")
    everything(run)
    if run.failed:
        return
    run.side_by_side(Part("campaign", (PYTHON, "-m", "tests.campaign", *CAMPAIGN), None, _on_lab(1)))
    run.side_by_side(beside=DOWNS)
    if run.side_by_side(beside=[up.with_words(f"--release={OTHER_RELEASE}") for up in UPS]):
        run.side_by_side(*map(_just_up, STORIES))


def story(run: Run, words: list[str]) -> None:
    """One story, by its path or by words of its name, on its lab, which stays up."""
    if not words:
        raise UsageError("name a story: ./lab story NAME")
    name, *options = words
    os.environ[KEEP] = "1"
    run.side_by_side(*selecting(STORIES, [*([name] if is_path(name) else ["-k", name]), "-x", *options]))


def stories(run: Run, words: list[str]) -> None:
    """Those of the stories that pytest's options and paths select; all, without any."""
    run.side_by_side(*(selecting(STORIES, words) if words else map(_whole, STORIES)))


def selected(run: Run, words: list[str]) -> None:
    """What pytest's options and paths select. Where that is red that needs no lab, no story is begun."""
    parts = selecting((UNIT, WORKBENCH, *STORIES), words)
    on_labs = [part for part in parts if part.directory == STORIES_DIRECTORY]
    if run.side_by_side(*(part for part in parts if part not in on_labs)):
        run.side_by_side(*on_labs)


def selecting(parts: Iterable[Part], words: list[str]) -> list[Part]:
    """Those of pytest's parts in which its arguments select any test, with these arguments.

    :raises UsageError: they select none, or pytest does not take them
    """
    paths, options = split(words)
    wanted = [
        part.with_words(*options, *within)
        for part in parts
        if (within := paths_in(part.directory, paths) if paths else [part.directory])
    ]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = [part for part, selects in zip(wanted, pool.map(_selects, wanted)) if selects]
    if not found:
        raise UsageError(f"no test is selected by: {' '.join(words)}")
    return found


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """The paths, and the options, among pytest's arguments."""
    paths: list[str] = []
    options: list[str] = []
    for before, word in zip(["", *words], words):
        (paths if is_path(word) and before not in TAKES_A_WORD else options).append(word)
    return paths, options


def is_path(word: str) -> bool:
    """Does a word name a file or directory of this tree, or a test in one?"""
    return (SOURCE_TREE / word.partition("::")[0]).exists()


def paths_in(directory: str, paths: list[str]) -> list[str]:
    """Those of the paths that are in a directory; the directory itself where it is in one of them."""
    top = SOURCE_TREE / directory
    places = {path: (SOURCE_TREE / path.partition("::")[0]).resolve() for path in paths}
    if any(place in top.parents for place in places.values()):
        return [directory]
    return [path for path, place in places.items() if place == top or top in place.parents]


def _selects(part: Part) -> bool:
    command = (*part.command, "--collect-only", "-qq", "-n0")
    done = subprocess.run(command, cwd=SOURCE_TREE, capture_output=True, text=True)
    if done.returncode not in (0, NOTHING):
        raise UsageError(f"{part.name}: {done.stdout}{done.stderr}")
    return done.returncode == 0


def _just_up(part: Part) -> Part:
    return _whole(dataclasses.replace(part, environment=(*part.environment, (IS_UP, "1"))))


def _whole(part: Part) -> Part:
    return part.with_words(part.directory) if part.directory else part


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
