# SPDX-License-Identifier: Apache-2.0
"""What the ways to run nova-compute have in common.

The ways are systemd (``nova_ha.compute.systemd``), a process of its own (``nova_ha.compute.process``) and a container
(``nova_ha.compute.container``). Which one it is the agent's parameters say: see
``nova_ha.agents.nova_compute.service``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Callable, NamedTuple

from nova_ha.compute.procfs import Identity
from nova_ha.system import programs

# Runs a program within so many seconds; returns (exit code, standard output, standard error).
Runner = Callable[[list[str], float], tuple[int, str, str]]

# Nothing of the agent's environment, which may carry passwords.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# Seconds that a start waits for nova-compute to be ready: to tell systemd so, and to answer. One that finds all that it
# needs does both within a few. While a start lasts, Pacemaker fences no other host that dies; and nobody needs to wait:
# Nova, and the engine, go by nova-compute's reports.
PATIENCE = 20


class ServiceError(Exception):
    """Whoever runs the service did not answer, or refused; the text says what was asked and what was said."""


class NotInTime(ServiceError):
    """A service did not start or stop within the limit; it may do so still."""


class State(NamedTuple):
    """A service as it was at one moment.

    :param name: what it is called: a unit, a binary or a container
    :param runs: whether it is up; also one that has still to tell systemd that it is ready, once its process is there
    :param settled: whether it is neither starting nor stopping
    :param main_pid: its main process; 0 if there is none, or none is known (a systemd unit may be up without)
    :param words: the same for people
    :param by_itself: whether it starts at boot by itself, whether or not the host is being recovered
    """

    name: str
    runs: bool
    settled: bool
    main_pid: int
    words: str
    by_itself: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it is down, and no process of it is left.

        Other processes of a systemd unit may remain where the unit says so (KillMode=process): they are meant to
        outlive it.
        """
        return not self.runs and self.settled and self.main_pid == 0


class Service:
    """One way to run nova-compute on this host.

    Every method but ``problems`` and ``inside`` raises ServiceError when whoever runs it does not answer or refuses.
    """

    # What to say when ``find`` finds none.
    missing = "nova-compute is not installed"

    def find(self, timeout: float = math.inf) -> State | None:
        """Its State now, or None where it is not installed.

        :param timeout: seconds; no answer takes longer than its way allows it anyway
        """
        raise NotImplementedError

    def start(self, state: State, timeout: float) -> None:
        """Start it; whether it then runs, ``find`` says.

        :param state: what ``find`` has said
        :param timeout: seconds
        :raises NotInTime: it is still starting, and may run already
        """
        raise NotImplementedError

    def stop(self, state: State, timeout: float) -> None:
        """Ask it to end, and wait until it has.

        :param timeout: seconds
        :raises NotInTime: it is still there
        """
        raise NotImplementedError

    def kill(self, state: State) -> None:
        """End all its processes at once; ``find`` says when they are gone."""
        raise NotImplementedError

    def problems(self) -> Iterable[str]:
        """What is wrong with the parameters of this way on this host, a line each."""
        return ()

    def inside(self, state: State, words: list[str]) -> tuple[list[str], Identity]:
        """How to run a program where the service runs, and as whom.

        :param words: the program and its arguments
        :raises OSError: its process is gone
        """
        raise NotImplementedError


def run(command: list[str], timeout: float) -> tuple[int, str, str]:
    """Run a program; return (exit code, standard output, standard error).

    :param timeout: seconds
    :raises ServiceError: it is not installed
    :raises NotInTime: it did not end in time
    """
    try:
        return programs.run(command, timeout, ENVIRONMENT)
    except FileNotFoundError as error:
        raise ServiceError(f"{command[0]} is not installed") from error
    except programs.NotInTime as error:
        raise NotInTime(f"{' '.join(command)}: not done within {timeout:.0f} s") from error


def demand(runner: Runner, command: list[str], timeout: float) -> str:
    """Run a program that must succeed; return its standard output.

    :raises ServiceError: it failed; the text says what it said
    """
    code, out, err = runner(command, timeout)
    if code != 0:
        said = " ".join(err.split()) or f"exit code {code}"
        raise ServiceError(f"{' '.join(command[:2])} {command[-1]}: {said}")
    return out
