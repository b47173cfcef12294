# SPDX-License-Identifier: Apache-2.0
"""What the agent NovaEvacuate does: it starts, watches and stops the recovery engine, a process of its own.

Monitors of a healthy engine end before this module is imported: see ``ocf/NovaEvacuate`` and ``nova_ha.runstate``.
"""

import json
import os
import signal
import site
import subprocess
import time

from nova_ha import agent, parameters
from nova_ha.agent import Action, Deadline, Failure, ocf
from nova_ha.parameters import ATTRIBUTE, CLOUD, DEFAULT_CONFIG, Parameter
from nova_ha.runstate import HUNG_AFTER, MISCONFIGURED, WAITING, WORKING, RunState

PARAMETERS = (
    *CLOUD,
    ATTRIBUTE,
    Parameter(
        "config",
        "string",
        "Configuration file",
        "File from which the engine reads what no parameter sets. With it, the password need not be in the cluster's "
        "configuration.",
        DEFAULT_CONFIG,
        check=parameters.absolute_path,
    ),
)
REQUIRED = ("auth_url", "username", "password", "tenant_name")

SHORT = "Recovery of the instances of dead compute hosts"
LONG = """
Runs the recovery engine, on one control node. When a compute host has been fenced and flagged (fence_compute), the
engine has Nova resurrect the host's instances elsewhere (evacuate, in the words of Nova's API), each exactly once, and
tries until all of them run; then it gives the host back. If it dies, it goes on where it was on whichever node it is
started next.

Keep it on control nodes with a location rule. auth_url, username, password and tenant_name are required, unless a
configuration file (config) gives them.
"""

_GRACE = 3  # seconds that the engine has to end by itself
_LOOK = 0.05  # seconds between two looks at the engine's state


def main():
    """Be the agent."""
    actions = {
        "start": Action(_start, 60),
        "stop": Action(_stop, 20),
        "monitor": Action(_monitor, 20, 10),
        "validate-all": Action(lambda: check_configuration() and None, 20),
        "meta-data": Action(None, 5),
    }
    agent.run("NovaEvacuate", SHORT, LONG, PARAMETERS, actions)


def _start():
    start(RunState(_name()), check_configuration(), Deadline(60).left)


def _stop():
    stop(RunState(_name()), Deadline(20).left)


def _monitor():
    monitor(RunState(_name()))


def _name():
    if not ocf.OCF_RESOURCE_INSTANCE:
        raise Failure(ocf.OCF_ERR_ARGS, "OCF_RESOURCE_INSTANCE, the resource's name, is not set")
    return ocf.OCF_RESOURCE_INSTANCE


def check_configuration():
    """Demand a configuration that the engine can work with, as far as can be told without the cloud.

    :return: the parameters that are set, by name
    :raises Failure: OCF_ERR_CONFIGURED
    """
    given = agent.check_parameters(PARAMETERS)
    config = given.get("config", DEFAULT_CONFIG)
    if os.path.isfile(config):
        return given
    if "config" in given:
        agent.check([f"config: {config} is not a file on this node"])
    agent.check(f"{name}: required, and not set (nor is there {config})" for name in REQUIRED if name not in given)
    return given


def start(state, given, left, command=None):
    """Start the engine, unless it runs, and wait until it works, or waits for the cloud.

    :param given: the agent's parameters, by name
    :param left: says how many seconds the operation has still
    :param command: the engine's command line, if not ours
    :raises Failure: it does not start
    """
    pid = state.holder()
    engine = None
    if pid is None:
        engine = _spawn(state, given, command or ["/usr/bin/python3", "-m", "nova_ha.daemon", "--name", state.name])
        pid = engine.pid
    while left() > _LOOK:
        # Looked at before its report, so that the last report of an engine that ended is seen.
        code = engine.poll() if engine else None
        report = state.read_report()
        if report.get("pid") == pid:
            if report["state"] in (WORKING, WAITING):
                ocf.logger.info(f"the engine is {report['state']}: {report['reason']}")
                return
            if report["state"] == MISCONFIGURED:
                stop(state, left)
                raise Failure(ocf.OCF_ERR_CONFIGURED, report["reason"])
        if code is not None:
            raise Failure(ocf.OCF_ERR_GENERIC, f"the engine ended at once (code {code}): {_last_words(state)}")
        time.sleep(_LOOK)
    account = state.read_report()
    stop(state, lambda: _GRACE)
    reason = account["reason"] if account.get("pid") == pid else "it has said nothing"
    raise Failure(ocf.OCF_ERR_GENERIC, f"the engine did not get to work in time: {reason}")


def stop(state, left):
    """End the engine, kindly and then firmly.

    :param left: says how many seconds the operation has still
    :raises Failure: it is still there
    """
    for order, patience in ((signal.SIGTERM, lambda: min(_GRACE, left())), (signal.SIGKILL, left)):
        pid = state.holder()
        if pid is None:
            return
        try:
            os.kill(pid, order)
        except ProcessLookupError:
            return
        end = time.monotonic() + patience()
        while state.holder() == pid and time.monotonic() < end:
            time.sleep(_LOOK)
    if state.holder() is not None:
        raise Failure(ocf.OCF_ERR_GENERIC, f"the engine, process {state.holder()}, cannot be killed")


def monitor(state):
    """Return if the engine runs and makes progress.

    :raises Failure: it does not
    """
    if state.holder() is None:
        words = _last_words(state) if not ocf.is_probe() else None
        raise Failure(ocf.OCF_NOT_RUNNING, words and f"the engine does not run: {words}")
    age = state.progress_age()
    if age is not None and age > HUNG_AFTER:
        raise Failure(ocf.OCF_ERR_GENERIC, f"engine hung: no progress for {age:.0f} s")


def _spawn(state, given, command):
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
    try:
        engine.stdin.write(json.dumps({"parameters": given}).encode())
        engine.stdin.close()
    except BrokenPipeError:
        pass  # It is dead already, which whoever waits for it will see.
    return engine


def _environment():
    """A clean environment; the engine is of the same tree as we are, be that installed or not."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    tree = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))
    if tree not in site.getsitepackages():
        environment["PYTHONPATH"] = tree
    return environment


def _last_words(state):
    """The last line that the engine wrote to its standard error."""
    try:
        with open(state.output, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no message; see the journal")
