# SPDX-License-Identifier: Apache-2.0
"""Reads about several hosts, side by side: one after the other, those of a failed rack would take minutes a look."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable
from typing import TypeVar

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

# Reads under way at once. They are apart from the workers, whose requests may hang for as long as Nova lets them.
AT_ONCE = 8


class Readers:
    """Some threads that read."""

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(AT_ONCE, "reader")

    def each(self, function: Callable[[Argument], Answer], arguments: Iterable[Argument]) -> list[Answer]:
        """What a function returns for each of some arguments, in their order.

        :raises Exception: what it raised for one of them, once it has been called for all: none is under way any more
        """
        arguments = list(arguments)
        if len(arguments) < 2:
            return [function(argument) for argument in arguments]
        calls = [self._threads.submit(function, argument) for argument in arguments]
        concurrent.futures.wait(calls)
        return [call.result() for call in calls]

    def stop(self) -> None:
        """Begin with nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
