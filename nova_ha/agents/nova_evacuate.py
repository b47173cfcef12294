# SPDX-License-Identifier: Apache-2.0
"""What the agent NovaEvacuate does: it starts, watches and stops the recovery engine, a process of its own.

Monitors of a healthy engine end before this module is imported: see ``ocf/NovaEvacuate`` and
``nova_ha.rundir.engine_state``.
"""

from __future__ import annotations

import json
import os
import signal
import site
import subprocess
import syslog
import time
from collections.abc import Mapping
from typing import IO, Callable, cast

from nova_ha.agents import core_dumps, framework
from nova_ha.agents.framework import Action, Deadline, Failure, ocf
from nova_ha.config.agent_parameters import DEFAULT_CONFIG
from nova_ha.config.agent_parameters import ENGINE as PARAMETERS
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

REQUIRED = ("auth_url", "username", "password", "tenant_name")

SHORT = "Recovery of the instances of dead compute hosts"
LONG = """
Runs the recovery engine, on one control node. When a compute host has been fenced and flagged (fence_compute), the
engine has Nova resurrect the host's instances elsewhere (evacuate, in the words of Nova's API), each exactly once, and
tries until all of them run; then it gives the host back. If it dies, it goes on where it was on whichever node it is
started next.

A cloud that is away does not fail the resource: the engine waits for it. A cloud that refuses the engine does, when it
starts; refused later, it waits, and its monitor says so (exit code 190, degraded).

Keep it on control nodes with a location rule, and do not clone it. auth_url, username, password and tenant_name are
required, unless a configuration file (config) gives them.
"""

DEGRADED = 190  # Pacemaker's code for what is active and needs an operator; it changes nothing of where that runs

# Exit codes for what the engine reports when it cannot work.
_CODES = {MISCONFIGURED: ocf.OCF_ERR_CONFIGURED, NOT_INSTALLED: ocf.OCF_ERR_INSTALLED}

_GRACE = 3  # seconds that the engine has to end by itself
_PATIENCE = 20  # seconds that start waits for the cloud's first answer, for mistakes to show at once
_LOOK = 0.05  # seconds between two looks at the engine's state


def main() -> None:
    """Be the agent."""
    actions = {
        "start": Action(_start, 60),
        "stop": Action(_stop, 20),
        "monitor": Action(_monitor, 20, 10),
        "reload-agent": Action(_reload, 20),
        "validate-all": Action(check_configuration, 20),
        "meta-data": Action(None, 5),
    }
    # Pacemaker hands it the password.
    core_dumps.leave_none()
    # Exit reasons go to the log, too: under the name that the engine's own lines have.
    syslog.openlog(f"NovaEvacuate({ocf.OCF_RESOURCE_INSTANCE or ''})", syslog.LOG_PID, syslog.LOG_DAEMON)
    framework.run("NovaEvacuate", SHORT, LONG, PARAMETERS, actions)


def _start() -> None:
    start(_state(), check_configuration(), Deadline(60).left)


def _stop() -> None:
    stop(_state(), Deadline(20).left)


def _monitor() -> None:
    monitor(_state())


def _reload() -> None:
    # Their values are checked by the engine: an exit code that says what is wrong with them would have it stopped.
    given = framework.values()
    changes = {known.name: given[known.name] for known in PARAMETERS if known.reloadable and known.name in given}
    reload(_state(), changes, Deadline(20).left)


def _state() -> RunState:
    try:
        return RunState(framework.instance())
    except ValueError as error:
        raise Failure(ocf.OCF_ERR_ARGS, f"OCF_RESOURCE_INSTANCE: {error}") from error


def check_configuration() -> dict[str, str]:
    """Demand a configuration that the engine can work with, as far as can be told without the cloud.

    :return: the parameters that are set, by name
    :raises Failure: OCF_ERR_CONFIGURED; OCF_ERR_INSTALLED where this node lacks a file that another may have
    """
    given = framework.check_parameters(PARAMETERS)
    if framework.meta("clone") is not None:
        framework.check(["it must not be cloned: there must be one engine only"])
    config = given.get("config", DEFAULT_CONFIG)
    if os.path.isfile(config):
        return given
    if "config" in given:
        raise Failure(ocf.OCF_ERR_INSTALLED, f"config: {config} is not a file on this node")
    missing = [name for name in REQUIRED if name not in given]
    if len(missing) == len(REQUIRED):
        wanted = f"set {', '.join(missing)}, or put them into {config}"
        raise Failure(ocf.OCF_ERR_INSTALLED, f"{config} is not on this node: {wanted}")
    framework.check(f"{name}: required, and not set (nor is there {config})" for name in missing)
    return given


def start(
    state: RunState, given: Mapping[str, str], left: Callable[[], float], command: list[str] | None = None
) -> None:
    """Start the engine, unless it runs, and wait until it works, or waits for the cloud.

    :param given: the agent's parameters, by name
    :param left: says how many seconds the operation has still
    :param command: the engine's command line, if not ours
    :raises Failure: it does not start
    """
    begun = time.monotonic()
    pid = _engine(state, "no other one is started")
    engine = None
    if pid is None:
        engine = _spawn(
            state, given, command or ["/usr/bin/python3", "-m", "nova_ha.recovery.daemon", "--name", state.name]
        )
        pid = engine.pid
    while left() > _LOOK:
        # Looked at before its report, so that the last report of an engine that ended is seen.
        code = engine.poll() if engine else None
        report = state.read_report()
        if report.get("pid") == pid:
            asking = report["state"] == ASKING and time.monotonic() > begun + _PATIENCE
            if report["state"] in (WORKING, WAITING) or asking:
                ocf.logger.info(f"the engine is {report['state']}: {report['reason']}")
                return
            if report["state"] in _CODES:
                stop(state, left)
                raise Failure(_CODES[report["state"]], report["reason"])
        if code is not None:
            raise _ended_at_once(code, _last_words(state))
        time.sleep(_LOOK)
    account = state.read_report()
    stop(state, lambda: _GRACE)
    reason = account["reason"] if account.get("pid") == pid else "it reported nothing"
    raise Failure(ocf.OCF_ERR_GENERIC, f"the recovery engine was not ready before the start timeout: {reason}")


def stop(state: RunState, left: Callable[[], float]) -> None:
    """End the engine, kindly and then firmly.

    :param left: says how many seconds the operation has still
    :raises Failure: it is still there, or is no process of this system
    """
    turns: list[tuple[int, Callable[[], float]]] = [
        (signal.SIGTERM, lambda: min(_GRACE, left())),
        (signal.SIGKILL, left),
    ]
    for order, patience in turns:
        pid = _engine(state, "it is not stopped")
        if pid is None:
            return
        _signal(pid, order)
        end = time.monotonic() + patience()
        while state.holder() == pid and time.monotonic() < end:
            time.sleep(_LOOK)
    if state.holder() is not None:
        raise Failure(ocf.OCF_ERR_GENERIC, f"the engine, process {state.holder()}, cannot be killed")


def monitor(state: RunState) -> None:
    """Return if the engine runs and makes progress.

    :raises Failure: it does not
    """
    if state.holder() is None:
        words = _end_of(state) if not ocf.is_probe() else None
        raise Failure(ocf.OCF_NOT_RUNNING, words and f"the engine does not run: {words}")
    age = state.progress_age()
    if age is not None and age > HUNG_AFTER:
        raise Failure(ocf.OCF_ERR_GENERIC, f"engine hung: no progress for {age:.0f} s")
    complaint = state.read_complaint()
    if complaint and not ocf.is_probe():
        raise Failure(DEGRADED, complaint)


def reload(state: RunState, changes: Mapping[str, str], left: Callable[[], float]) -> None:
    """Have the running engine take over parameters, and its configuration file; what will not do it complains of.

    :param changes: all that is set of what can be taken over, by name
    :param left: says how many seconds the operation has still
    :raises Failure: no engine runs
    """
    pid = _engine(state, "it is not told to read its configuration anew")
    if pid is None:
        raise Failure(ocf.OCF_NOT_RUNNING, "the engine does not run")
    state.hand_over(changes)
    _signal(pid, signal.SIGHUP)
    while not state.is_handed_over() and left() > _LOOK:
        if state.holder() != pid:
            raise Failure(ocf.OCF_ERR_GENERIC, f"the engine ended: {_end_of(state)}")
        time.sleep(_LOOK)
    # While it waits for a slow answer it cannot; it will as soon as that is there.
    done = "has read" if state.is_handed_over() else "is about to read"
    ocf.logger.info(f"the engine {done} its configuration anew")


def _engine(state: RunState, consequence: str) -> int | None:
    """The process id of the running engine, or None.

    :param consequence: what comes of it if it cannot be told
    :raises Failure: one runs that is no process of this system
    """
    pid = state.holder()
    if pid == UNTOLD:
        raise Failure(
            ocf.OCF_ERR_GENERIC,
            f"an engine holds {state.directory}/lock that is no process of this system (of a container?): "
            f"{consequence}. End it where it was started",
        )
    return pid


def _spawn(state: RunState, given: Mapping[str, str], command: list[str]) -> subprocess.Popen[bytes]:
    """Start the engine as a process that outlives us, with its parameters on a pipe that nobody else can read."""
    state.create()
    # Only what it writes before it can log: nobody reads a pipe once we are gone, and a file can be looked at.
    with open(state.output, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        engine = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    pipe = cast("IO[bytes]", engine.stdin)
    try:
        pipe.write(json.dumps({"parameters": given}).encode())
        pipe.close()
    except BrokenPipeError:
        pass  # It is dead already, which whoever waits for it will see.
    return engine


def _environment() -> dict[str, str]:
    """A clean environment; the engine is of the same tree as we are, be that installed or not."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    tree = os.path.realpath(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    if tree not in site.getsitepackages():
        environment["PYTHONPATH"] = tree
    return environment


def _signal(pid: int, number: int) -> None:
    """Send a signal to the engine; a deadly one to the programs that it started, too, as they would act on after it."""
    try:
        if number == signal.SIGKILL and os.getpgid(pid) == pid != os.getpgrp():
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def _ended_at_once(code: int, words: str) -> Failure:
    """The Failure of a start of which nothing is left but the engine's last words."""
    if words.startswith("ModuleNotFoundError: "):
        return Failure(ocf.OCF_ERR_INSTALLED, f"not installed for /usr/bin/python3: {words.partition(': ')[2]}")
    return Failure(ocf.OCF_ERR_GENERIC, f"the engine ended at once (code {code}): {words}")


def _end_of(state: RunState) -> str:
    """Why an engine that does not run any more has ended."""
    report = state.read_report()
    return report["reason"] if report.get("state") in _CODES else _last_words(state)


def _last_words(state: RunState) -> str:
    """The last line that the engine wrote to its standard error."""
    try:
        with open(state.output, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no message; see the journal")
