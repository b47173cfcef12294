# SPDX-License-Identifier: Apache-2.0
"""Runs a program to its end, within a limit, in an environment that says nothing of ours."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


class NotInTime(Exception):
    """A program did not end within its limit, and has been killed."""


def run(
    command: Sequence[str], timeout: float, environment: Mapping[str, str], request: bytes = b"", apart: bool = False
) -> tuple[int, str, str]:
    """Run a program; return (exit code, standard output, standard error).

    :param timeout: seconds
    :param environment: all of its environment: ours may carry passwords
    :param request: its standard input
    :param apart: in a session of its own, with / as its directory; it is killed with all that it has started
    :raises NotInTime: it did not end in time
    :raises OSError: it cannot be started; FileNotFoundError: it is not installed
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE if request else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/" if apart else None,
        env=environment,
        start_new_session=apart,
    ) as child:
        try:
            out, err = child.communicate(request or None, timeout=timeout)
        except BaseException as error:
            if apart:
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                raise NotInTime(f"{command[0]} did not end within {timeout:g} s") from error
            raise
    return child.returncode, out.decode(errors="replace"), err.decode(errors="replace")
