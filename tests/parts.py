# SPDX-License-Identifier: Apache-2.0
"""Parts of a test run: processes side by side, the output of each printed whole, and one line that counts them all."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from xml.etree import ElementTree

from tests.lab.settings import SOURCE_TREE

# pytest's exit code where nothing is selected.
NOTHING = 5
# Seconds between two looks at what a part has printed.
INTERVAL = 0.2
# Seconds in which a part that is interrupted has put back what it changed: a lab has a story to end, and to go down.
ENDING = 300


@dataclasses.dataclass(frozen=True)
class Part:
    """What runs as one process.

    :param directory: of its tests, if it is pytest
    :param environment: what it is told besides what all are, as pairs
    """

    name: str
    command: tuple[str, ...]
    directory: str | None = None
    environment: tuple[tuple[str, str], ...] = ()

    def with_words(self, *words: str) -> Part:
        """The same with more arguments."""
        return dataclasses.replace(self, command=(*self.command, *words))


class Run:
    """All parts of a run, and what came of them. What still goes on at the end of the block is interrupted."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._scratch = tempfile.TemporaryDirectory(prefix="nova-ha-tests-")
        self._going: list[_Going] = []
        self._started = 0
        self._counts = {"passed": 0, "failed": 0, "skipped": 0}

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if going := [going.name for going in self._going if going.process.poll() is None]:
            print(f"\nwaits for {', '.join(going)} to put back what they have changed ...", flush=True)
        _interrupt(self._going)
        self._scratch.cleanup()

    @property
    def failed(self) -> bool:
        """Has anything failed so far?"""
        return self._counts["failed"] > 0

    def side_by_side(self, *parts: Part, beside: Iterable[Part] = ()) -> bool:
        """Run parts at once; returns whether all went well.

        What each prints is shown as it comes, but one part after the other.

        :param beside: further ones, that are told of only if they fail. Where one of them fails, or one of the others
            has, the rest of all is interrupted: what is to follow cannot.
        """
        shown = [self._start(part) for part in parts]
        silent = [self._start(part) for part in beside]
        self._going = [*shown, *silent]
        for going in shown:
            while not going.show():
                if any(other.is_red for other in silent):
                    _interrupt(self._going)
                time.sleep(INTERVAL)
        if any(going.is_red for going in shown):
            _interrupt(silent)
        for going in silent:
            going.end()
            if going.failed:
                going.show()
        results = [going.count() for going in self._going if going in shown or going.failed]
        for result in results:
            self._counts = {kind: count + result[kind] for kind, count in self._counts.items()}
        well = not any(going.is_red for going in self._going)
        self._going = []
        return well

    def close(self) -> int:
        """Print the line that counts all, as pytest does; returns the exit code."""
        counts = ", ".join(f"{count} {kind}" for kind, count in self._counts.items())
        took = time.monotonic() - self._began
        print(f"{f' {counts} in {took:.0f}s ({took / 60:.0f} min) ':=^100}", flush=True)
        return 1 if self.failed else 0

    def _start(self, part: Part) -> _Going:
        self._started += 1
        return _Going(part, pathlib.Path(self._scratch.name, str(self._started)))


class _Going:
    """A part that runs, or has run.

    :param scratch: a file name to which suffixes are added
    """

    def __init__(self, part: Part, scratch: pathlib.Path) -> None:
        self._part = part
        self.name = part.name
        self._results = scratch.with_suffix(".xml")
        log = scratch.with_suffix(".log")
        command = (*part.command, f"--junitxml={self._results}") if part.directory else part.command
        with log.open("w") as output:
            # In a session of its own: a terminal's Ctrl-C reaches us alone, who pass it on once.
            self.process = subprocess.Popen(
                command,
                cwd=SOURCE_TREE,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **dict(part.environment)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._output = log.open(errors="replace")
        self._titled = False
        self._interrupted = False

    @property
    def is_red(self) -> bool:
        """Has it ended, and not well?"""
        return self.process.poll() not in (None, 0, NOTHING)

    @property
    def failed(self) -> bool:
        """Has it ended like that by itself?"""
        return self.is_red and not self._interrupted

    def show(self) -> bool:
        """Print what it has printed since; returns whether that was all."""
        over = self.process.poll() is not None
        if not self._titled:
            self._titled = True
            print(f"\n--- {self.name} ---", flush=True)
        sys.stdout.write(self._output.read())
        sys.stdout.flush()
        return over

    def interrupt(self) -> None:
        """Ask it to end; it may take minutes, for it puts back what it has changed."""
        if self.process.poll() is None and not self._interrupted:
            self._interrupted = True
            self.process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Wait until it has ended; if it was interrupted, for ``ENDING`` seconds at most: then it is killed."""
        try:
            self.process.wait(ENDING if self._interrupted else None)
        except subprocess.TimeoutExpired:
            print(f"{self.name} has not ended within {ENDING} s of its interrupt: killed", flush=True)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def count(self) -> dict[str, int]:
        """How many tests had which outcome; a part that is none of pytest's counts as one, and so does its failure."""
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        if self._results.exists():
            for suite in ElementTree.parse(self._results).iter("testsuite"):
                failed = int(suite.get("failures")) + int(suite.get("errors"))
                skipped = int(suite.get("skipped"))
                counts["failed"] += failed
                counts["skipped"] += skipped
                counts["passed"] += int(suite.get("tests")) - failed - skipped
        elif self._part.directory is None and not self.is_red:
            counts["passed"] += 1
        if self.failed:
            counts["failed"] = max(1, counts["failed"])
        return counts


def _interrupt(them: Iterable[_Going]) -> None:
    for going in them:
        going.interrupt()
    for going in them:
        going.end()
