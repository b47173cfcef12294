# SPDX-License-Identifier: Apache-2.0
"""How an agent starts, watches and stops a daemon of ours, a process of its own that outlives the agent.

What both know of each other is in ``nova_ha.rundir.engine_state``.
"""

from __future__ import annotations

import json
import os
import signal
import site
import subprocess
import time
from collections.abc import Mapping
from typing import IO, Callable, cast

from nova_ha.agents import framework
from nova_ha.agents.framework import Failure, ocf
from nova_ha.rundir.engine_state import (
    ASKING,
    HUNG_AFTER,
    MISCONFIGURED,
    NOT_INSTALLED,
    UNTOLD,
    WAITING,
    WORKING,
    RunState,
)

DEGRADED = 190  # Pacemaker's code for what is active and needs an operator; it changes nothing of where that runs

# Exit codes for what a daemon reports when it cannot work.
_CODES = {MISCONFIGURED: ocf.OCF_ERR_CONFIGURED, NOT_INSTALLED: ocf.OCF_ERR_INSTALLED}

_GRACE = 3  # seconds that a daemon has to end by itself
_PATIENCE = 20  # seconds that start waits for what is asked first to answer, for mistakes to show at once
LOOK = 0.05  # seconds between two looks at a daemon's state


def state_of(what: str) -> RunState:
    """What is known of the resource's daemon.

    :param what: what it is called in messages
    :raises Failure: OCF_ERR_ARGS
    """
    try:
        return RunState(framework.instance(), what=what)
    except ValueError as error:
        raise Failure(ocf.OCF_ERR_ARGS, f"OCF_RESOURCE_INSTANCE: {error}") from error


def start(state: RunState, given: Mapping[str, str], left: Callable[[], float], command: list[str]) -> None:
    """Start the daemon, unless it runs, and wait until it works, or waits for what it works with.

    :param given: the agent's parameters, by name
    :param left: says how many seconds the operation has still
    :param command: the daemon's command line
    :raises Failure: it does not start
    """
    begun = time.monotonic()
    pid = running(state, "no other one is started")
    daemon = None
    if pid is None:
        daemon = _spawn(state, given, command)
        pid = daemon.pid
    while left() > LOOK:
        # Looked at before its report, so that the last report of a daemon that ended is seen.
        code = daemon.poll() if daemon else None
        report = state.read_report()
        if report.get("pid") == pid:
            asking = report["state"] == ASKING and time.monotonic() > begun + _PATIENCE
            if report["state"] in (WORKING, WAITING) or asking:
                ocf.logger.info(f"the {state.what} is {report['state']}: {report['reason']}")
                return
            if report["state"] in _CODES:
                stop(state, left)
                raise Failure(_CODES[report["state"]], report["reason"])
        if code is not None:
            raise _ended_at_once(state, code)
        time.sleep(LOOK)
    account = state.read_report()
    stop(state, lambda: _GRACE)
    reason = account["reason"] if account.get("pid") == pid else "it reported nothing"
    raise Failure(ocf.OCF_ERR_GENERIC, f"the {state.what} was not ready before the start timeout: {reason}")


def stop(state: RunState, left: Callable[[], float]) -> None:
    """End the daemon, kindly and then firmly.

    :param left: says how many seconds the operation has still
    :raises Failure: it is still there, or is no process of this system
    """
    turns: list[tuple[int, Callable[[], float]]] = [
        (signal.SIGTERM, lambda: min(_GRACE, left())),
        (signal.SIGKILL, left),
    ]
    for order, patience in turns:
        pid = running(state, "it is not stopped")
        if pid is None:
            return
        send(pid, order)
        end = time.monotonic() + patience()
        while state.holder() == pid and time.monotonic() < end:
            time.sleep(LOOK)
    if state.holder() is not None:
        raise Failure(ocf.OCF_ERR_GENERIC, f"the {state.what}, process {state.holder()}, cannot be killed")


def monitor(state: RunState) -> None:
    """Return if the daemon runs and makes progress.

    :raises Failure: it does not
    """
    if state.holder() is None:
        words = end_of(state) if not ocf.is_probe() else None
        raise Failure(ocf.OCF_NOT_RUNNING, words and f"the {state.what} does not run: {words}")
    age = state.progress_age()
    if age is not None and age > HUNG_AFTER:
        raise Failure(ocf.OCF_ERR_GENERIC, f"{state.what} hung: no progress for {age:.0f} s")
    complaint = state.read_complaint()
    if complaint and not ocf.is_probe():
        raise Failure(DEGRADED, complaint)


def running(state: RunState, consequence: str) -> int | None:
    """The process id of the running daemon, or None.

    :param consequence: what comes of it if it cannot be told
    :raises Failure: one runs that is no process of this system
    """
    pid = state.holder()
    if pid == UNTOLD:
        raise Failure(
            ocf.OCF_ERR_GENERIC,
            f"the {state.what} that holds {state.directory}/lock is no process of this system (of a container?): "
            f"{consequence}. End it where it was started",
        )
    return pid


def _spawn(state: RunState, given: Mapping[str, str], command: list[str]) -> subprocess.Popen[bytes]:
    """Start the daemon as a process that outlives us, with its parameters on a pipe that nobody else can read."""
    state.create()
    # Only what it writes before it can log: nobody reads a pipe once we are gone, and a file can be looked at.
    with open(state.output, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    pipe = cast("IO[bytes]", daemon.stdin)
    try:
        pipe.write(json.dumps({"parameters": given}).encode())
        pipe.close()
    except BrokenPipeError:
        pass  # It is dead already, which whoever waits for it will see.
    return daemon


def _environment() -> dict[str, str]:
    """A clean environment; the daemon is of the same tree as we are, be that installed or not."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    tree = os.path.realpath(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    if tree not in site.getsitepackages():
        environment["PYTHONPATH"] = tree
    return environment


def send(pid: int, number: int) -> None:
    """Send a signal to a daemon; a deadly one to the programs that it started, too, as they would act on after it."""
    try:
        if number == signal.SIGKILL and os.getpgid(pid) == pid != os.getpgrp():
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def _ended_at_once(state: RunState, code: int) -> Failure:
    """The Failure of a start of which nothing is left but the daemon's last words."""
    words = _last_words(state)
    if words.startswith("ModuleNotFoundError: "):
        return Failure(ocf.OCF_ERR_INSTALLED, f"not installed for /usr/bin/python3: {words.partition(': ')[2]}")
    return Failure(ocf.OCF_ERR_GENERIC, f"the {state.what} ended at once (code {code}): {words}")


def end_of(state: RunState) -> str:
    """Why a daemon that does not run any more has ended."""
    report = state.read_report()
    return report["reason"] if report.get("state") in _CODES else _last_words(state)


def _last_words(state: RunState) -> str:
    """The last line that the daemon wrote to its standard error."""
    try:
        with open(state.output, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no message; see the journal")
