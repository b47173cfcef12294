# SPDX-License-Identifier: Apache-2.0
"""nova-compute in a container that podman or docker runs, and the one door to these."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator

from nova_ha.compute import service
from nova_ha.compute.procfs import Identity
from nova_ha.compute.service import Runner, Service, ServiceError, State
from nova_ha.rundir import pidfile

ENGINES = ("podman", "docker")

# Seconds within which an engine answers a question, or takes an order that it need not finish.
_ANSWER = 20
# Seconds of a stop's timeout that the engine has for killing what does not end.
_FIRMNESS = 3

_FORMAT = "{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}}"
# On their way to another state.
_MOVING = ("restarting", "removing", "stopping")


class Container(Service):
    """A container that exists already: who makes it, and of which image, is the operator's affair.

    :param name: its name
    :param engine: podman or docker; without one, the first of them that is installed
    :param runner: see ``service.run``
    """

    def __init__(self, name: str, engine: str | None = None, runner: Runner = service.run) -> None:
        self._name = name
        self._engine = engine or next(filter(_is_installed, ENGINES), ENGINES[0])
        self._run = runner
        self.missing = f"no container {name}, or no {self._engine}"

    def find(self, timeout: float = math.inf) -> State | None:
        """See ``Service``."""
        if not _is_installed(self._engine):
            return None
        command = [self._engine, "inspect", "--type=container", f"--format={_FORMAT}", "--", self._name]
        code, out, err = self._run(command, min(_ANSWER, timeout))
        if code == 0:
            return _state(self._name, out)
        if "no such" in err.lower():
            return None
        raise ServiceError(f"{self._engine} inspect {self._name}: {' '.join(err.split()) or f'exit code {code}'}")

    def start(self, state: State, timeout: float) -> None:
        """See ``Service``."""
        self._order(timeout, "start")

    def stop(self, state: State, timeout: float) -> None:
        """See ``Service``."""
        grace = max(1, int(timeout - _FIRMNESS))
        self._order(timeout, "stop", "-t", str(grace))

    def kill(self, state: State) -> None:
        """See ``Service``."""
        self._order(_ANSWER, "kill", "--signal=KILL")
        # To one that is paused the signal may come only when it goes on; any other cannot be unpaused.
        self._run([self._engine, "unpause", "--", self._name], _ANSWER)

    def problems(self) -> Iterator[str]:
        """See ``Service``."""
        if not _is_installed(self._engine):
            yield f"container_engine: {self._engine} is not installed"
            return
        try:
            if self.find() is None:
                yield f"container: {self.missing}"
        except ServiceError as error:
            yield f"container: {error}"

    def inside(self, state: State, words: list[str]) -> tuple[list[str], Identity]:
        """See ``Service``."""
        return [self._engine, "exec", "--interactive", "--", self._name, *words], {}

    def _order(self, timeout: float, *words: str) -> None:
        service.demand(self._run, [self._engine, *words, "--", self._name], timeout)


def _is_installed(engine: str) -> bool:
    return shutil.which(engine, path=service.ENVIRONMENT["PATH"]) is not None


def _state(name: str, said: str) -> State:
    """A container's state from what the engine says of it."""
    try:
        # The policy is empty where none was chosen.
        status, number, code, *policy = said.split()
        pid = int(number)
    except ValueError as error:
        raise ServiceError(f"inspect {name}: answered what cannot be understood ({error})") from error
    is_there = pid != 0 and pidfile.start_time(pid) is not None
    words = f"container {name} is {status}" + ("" if is_there else f", exit code {code}")
    return State(
        name,
        runs=status == "running" and is_there,
        # An engine whose container has just died may not know it yet.
        settled=status not in _MOVING and (status != "running" or is_there),
        main_pid=pid if is_there else 0,
        words=words,
        by_itself=policy not in ([], ["no"], ["on-failure"]),
    )
