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


class Workers(concurrent.futures.Executor):
    """An executor in the caller's thread.

    :param prompt: whether each call is made as it is submitted, rather than by ``run``
    """

    def __init__(self, prompt=True):
        self._prompt = prompt
        self._waiting = []

    def submit(self, fn, *args):
        future = concurrent.futures.Future()
        self._waiting.append((future, fn, args))
        if self._prompt:
            self.run()
        return future

    def run(self):
        """Make the calls that wait."""
        while self._waiting:
            future, fn, args = self._waiting.pop(0)
            try:
                future.set_result(fn(*args))
            except Exception as error:
                future.set_exception(error)


class State:
    """Stands in for ``runstate.RunState``."""

    def __init__(self):
        self.reports = []

    def progress(self):
        pass

    def report(self, state, reason, **more):
        self.reports.append((state, reason))
