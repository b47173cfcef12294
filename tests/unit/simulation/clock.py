# SPDX-License-Identifier: Apache-2.0
"""Simulated time."""

import datetime
import functools
import heapq
import itertools


class Clock:
    """Monotonic seconds that pass when told to, and what is to happen in them."""

    def __init__(self):
        self.now = 0.0
        self._agenda = []
        self._order = itertools.count()

    def __call__(self):
        return self.now

    def after(self, seconds, happen):
        """Call ``happen()`` in so many seconds."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._order), happen))

    def every(self, seconds, happen):
        """Call ``happen()`` now and again, for ever."""

        def again():
            happen()
            self.after(seconds, again)

        again()

    def advance(self, seconds):
        """Let time pass, and happen what happens in it."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            when, _, happen = heapq.heappop(self._agenda)
            self.now = max(self.now, when)
            happen()
        self.now = max(self.now, end)


@functools.lru_cache(maxsize=1000)  # most are asked for pass after pass
def text(seconds):
    """A moment as Nova writes it."""
    return (datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=seconds)).isoformat(timespec="microseconds")
