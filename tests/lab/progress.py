# SPDX-License-Identifier: Apache-2.0
"""Progress for the person who waits: one line a step, with the time since the start."""

import contextlib
import sys
import threading
import time


class Progress:
    """Prints steps as they begin and end; safe to share between threads that bring parts up side by side."""

    def __init__(self, stream=None):
        self._stream = stream or sys.stderr
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text):
        """Print one line with the elapsed time in front."""
        with self._lock:
            print(f"[{time.monotonic() - self._start:6.1f} s] {text}", file=self._stream, flush=True)

    @contextlib.contextmanager
    def step(self, text):
        """Announce a step, and how long it took once it is over."""
        begun = time.monotonic()
        self.say(f"{text} ...")
        yield
        self.say(f"{text}: done in {time.monotonic() - begun:.1f} s")
