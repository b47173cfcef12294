# SPDX-License-Identifier: Apache-2.0
"""Does nova-compute answer? Asked by Nova's message bus, with nova-compute's own configuration: see ``rpc_ping_probe``.

No credentials but those that nova-compute has are used, and the program that asks is no more than nova-compute is.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import NamedTuple

from nova_ha.compute import procfs, service
from nova_ha.compute.service import Service, State

ANSWERS = "answers"
SILENT = "silent"
UNKNOWN = "unknown"
IMPOSSIBLE = "impossible"

_BINARY = "nova-compute"
_BECOMES = 10  # seconds that what was started may take to become nova-compute, or to start it
_PROGRAM = f"{os.path.dirname(__file__)}/rpc_ping_probe.py"
# Options that say where the configuration is, which alone is handed on.
_CONFIGURATION = ("--config-file", "--config-dir")


class Answer(NamedTuple):
    """What came of a question.

    :param word: ANSWERS; SILENT, though the bus and Nova's conductor work; UNKNOWN, because these do not; or
        IMPOSSIBLE: it cannot be asked
    :param why: for IMPOSSIBLE, the reason
    """

    word: str
    why: str = ""


class Question:
    """A question under way; to be closed, or used as a context.

    :param place: the service
    :param seconds: after which it gives up
    """

    def __init__(self, place: Service, state: State, seconds: float) -> None:
        self._place, self._state = place, state
        self._began = time.monotonic()
        self._end = self._began + seconds
        self._asker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Question:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def answer(self) -> Answer | None:
        """The Answer, or None as long as there is none."""
        if self._state.main_pid == 0:
            return Answer(IMPOSSIBLE, f"{self._state.name} has no main process")
        try:
            if self._asker is None:
                self._ask()
        except OSError as error:
            return Answer(IMPOSSIBLE, f"{error.strerror}: {error.filename or self._state.name}")
        if self._asker is None and time.monotonic() > self._began + _BECOMES:
            return Answer(IMPOSSIBLE, f"no process of {self._state.name} has the command line of {_BINARY}")
        if self._asker is None or self._asker.stdout is None or self._asker.poll() is None:
            return None
        # One line at most, which the pipe has kept.
        return _parse(self._asker.stdout.read(4096).decode(errors="replace"), self._asker.returncode)

    def close(self) -> None:
        """Ask no more."""
        if self._asker:
            self._asker.kill()
            self._asker.communicate()

    def _ask(self) -> None:
        """Start the program that asks, if nova-compute is there already."""
        words = command(self._state.main_pid)
        if words is None:
            return
        interpreter, *options = words
        seconds = max(1, int(self._end - time.monotonic()))
        line, how = self._place.inside(self._state, [interpreter, "-W", "ignore", "-", str(seconds), *options])
        with open(_PROGRAM, "rb") as program:
            self._asker = subprocess.Popen(
                line,
                stdin=program,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=service.ENVIRONMENT,
                **how,
            )


def command(pid: int) -> list[str] | None:
    """The interpreter of nova-compute, and its options that say where its configuration is.

    :param pid: its main process, which may be a wrapper around it
    :return: None if no process of it can be told for nova-compute
    """
    for each in procfs.descendants(pid):
        words = procfs.command_line(each)
        scripts = [index for index, word in enumerate(words) if index and os.path.basename(word) == _BINARY]
        # The kernel puts the interpreter first, with an absolute path.
        if scripts and os.path.isabs(words[0]) and "python" in os.path.basename(words[0]):
            return [words[0], *_configuration(words[scripts[0] + 1 :])]
    return None


def _configuration(options: list[str]) -> list[str]:
    """Of a command line's options, those that say where the configuration is."""
    found: list[str] = []
    for index, option in enumerate(options):
        if option in _CONFIGURATION:
            found += options[index : index + 2]
        elif option.startswith(tuple(f"{name}=" for name in _CONFIGURATION)):
            found.append(option)
    return found


def _parse(said: str, code: int) -> Answer:
    word, _, why = said.strip().partition(": ")
    if word in (ANSWERS, SILENT, UNKNOWN, IMPOSSIBLE):
        return Answer(word, why)
    return Answer(IMPOSSIBLE, f"the program that asks ended with code {code}")
