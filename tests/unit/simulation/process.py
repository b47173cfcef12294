# SPDX-License-Identifier: Apache-2.0
"""What belongs to the engine's own process: its death, its workers, its status file."""

import concurrent.futures


class Killed(BaseException):
    """The engine's process is gone."""


class Tripwire:
    """Counts the calls that change something outside, and kills the engine after a given one, or just before it.

    :param at: number of the call, from 1; None for never
    :param before: whether the engine dies before the call takes effect
    """

    def __init__(self, at=None, before=False):
        self.calls = 0
        self._at = at
        self._before = before

    def around(self, change):
        self.calls += 1
        if self.calls == self._at and self._before:
            raise Killed
        result = change()
        if self.calls == self._at:
            raise Killed
        return result


# When workers make the calls that they are given: as they are submitted; between two passes of the engine; one between
# two passes, and one in the middle of each request with which it looks at the world; when the story has them made.
PROMPT, LATE, SLOW, HELD = "prompt", "late", "slow", "held"


class Workers(concurrent.futures.Executor):
    """An executor in the caller's thread.

    :param when: PROMPT, LATE, SLOW or HELD
    """

    def __init__(self, when=PROMPT):
        self.given = 0  # how many calls
        self.when = when
        self._waiting = []

    def submit(self, fn, *args):
        future = concurrent.futures.Future()
        self._waiting.append((future, fn, args))
        self.given += 1
        if self.when == PROMPT:
            self._make_one()
        return future

    def meanwhile(self):
        """The engine is in the middle of a look."""
        if self.when == SLOW:
            self._make_one()

    def between_passes(self):
        """The engine rests."""
        if self.when == SLOW:
            self._make_one()
        elif self.when == LATE:
            self.make_all()

    def make_all(self):
        """Make the calls that wait."""
        while self._waiting:
            self._make_one()

    def _make_one(self):
        if self._waiting:
            future, fn, args = self._waiting.pop(0)
            try:
                future.set_result(fn(*args))
            except Exception as error:
                future.set_exception(error)


class State:
    """Stands in for ``engine_state.RunState``."""

    def __init__(self):
        self.reports = []
        self.complaints = {}

    def progress(self):
        pass

    def report(self, state, reason, **more):
        self.reports.append((state, reason))

    def complain(self, subject, text):
        self.complaints[subject] = text
