# SPDX-License-Identifier: Apache-2.0
"""How many evacuations may be in flight now: as many as configured, fewer while Nova says or shows that it is too much.

As TCP does with the packets of a connection: halve at a sign of overload; then quickly back to half of what was too
much, and from there one more for each round that goes well. What was too much is a matter of minutes: it is forgotten
once nothing has complained for a while, and a recovery that begins finds out anew, quickly.
"""

from __future__ import annotations

# Seconds that nothing is sent after Nova said that it is busy: at first, and at most, however long it goes on or asks
# for: a proxy's word must not put a recovery off for an hour.
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0

# Seconds without a complaint after which Nova is held to be well: what an outage of RabbitMQ lost has been asked for
# again by then (250 s, measured).
QUIET = 300.0


class Pace:
    """The window of evacuations in flight; not to be shared between threads. ``now`` is always monotonic seconds.

    :param limit: evacuations in flight at most, which is also what it begins with
    :param slow_after: seconds after which an accepted request counts as slow
    """

    def __init__(self, limit: int, slow_after: float = 10.0) -> None:
        self._limit = limit
        self._slow_after = slow_after
        self._window = float(limit)
        self._goal = float(limit)  # up to here the window grows quickly
        self._pause = FIRST_PAUSE
        self._paused_until = 0.0
        self._bound = float("inf")
        self._complained_at = float("-inf")
        self._since_cut = limit  # requests sent since the window was cut, so that the first slow one counts

    def relimit(self, limit: int) -> None:
        """Go by another limit from now on; what was learned of Nova under the former one is learned anew."""
        if limit != self._limit:
            self._limit = limit
            self._open()

    def begin(self) -> None:
        """A recovery begins, and no other goes on: as long as Nova accepts briskly, the window grows quickly."""
        self._goal = float(self._limit)
        self._since_cut = self._limit

    def forget(self, now: float) -> None:
        """Nova may have been left alone since it complained: it is held to be well after a while."""
        if self._window < self._limit and now - self._complained_at >= QUIET:
            self._open()

    def bound(self, most: float) -> None:
        """No more than ``most`` may be in flight now for another reason; 0, where nothing can be, tells nothing."""
        self._bound = most or self._bound

    @property
    def window(self) -> int:
        """Evacuations that may be in flight now, 1 at least."""
        return int(min(self._window, self._bound))

    def paused(self, now: float) -> float:
        """Seconds from now on in which nothing is to be sent, 0.0 for none."""
        return max(0.0, self._paused_until - now)

    def accepted(self, now: float, took: float) -> None:
        """Nova accepted a request ``took`` seconds after it was sent."""
        if took > self._slow_after:
            self.unanswered(now)
            return
        self._since_cut += 1
        if self.paused(now) == 0.0:
            self._pause = FIRST_PAUSE
        growth = 1.0 if self._window < self._goal else 1.0 / self._window
        self._window = min(self._window + growth, float(self._limit))

    def unanswered(self, now: float) -> None:
        """Nova did not answer a request that it may have taken, or was slow to."""
        self._complained_at = now
        self._since_cut += 1
        # The requests that were sent beside it say the same thing.
        if self._since_cut > self._window:
            self._cut()

    def busy(self, now: float, retry_after: float | None = None) -> None:
        """Nova said that it is busy, and asked to be left alone for ``retry_after`` seconds if that is not None."""
        wanted = min(retry_after or 0.0, LONGEST_PAUSE)
        self._complained_at = now
        if self.paused(now) > 0.0:
            # It was sent before the pause: one more word of what is known already.
            self._paused_until = max(self._paused_until, now + wanted)
            return
        self._paused_until = now + max(self._pause, wanted)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._cut()

    def _open(self) -> None:
        self._window = self._goal = float(self._limit)
        self._since_cut = self._limit

    def _cut(self) -> None:
        # Of what could be in flight: nobody fills a wider window.
        half = max(min(self._window, self._bound) / 2, 1.0)
        if self._since_cut:  # else it is the same trouble still, and no news of how much would be too much
            self._goal = half
        self._window = half
        self._since_cut = 0
