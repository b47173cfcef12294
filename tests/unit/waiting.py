# SPDX-License-Identifier: Apache-2.0
"""Waiting for what is certain to come, on a machine that may be busy."""

import time


def until(condition, seconds=30):
    """Wait until a condition holds; its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"it did not come true within {seconds} s"
        time.sleep(0.02)
    return value


def limit(seconds):
    """How many of those seconds are left: a function, as ``framework.Deadline.left``."""
    end = time.monotonic() + seconds
    return lambda: max(0.0, end - time.monotonic())
