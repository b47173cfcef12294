# SPDX-License-Identifier: Apache-2.0
"""A hard limit to what may take long, whatever it waits for."""

import contextlib
import signal


class OutOfTime(Exception):
    """The limit passed. It is no LabError: those who wait for a lab that does not answer would swallow that."""


@contextlib.contextmanager
def limited(what, seconds):
    """End what is done in the block when its time is up; in a program's main thread only.

    :raises OutOfTime: in the middle of it
    """

    def ring(*_):
        raise OutOfTime(f"{what}: not over after {seconds:.0f} s")

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
