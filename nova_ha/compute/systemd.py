# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a systemd unit, and the one door to systemd."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

from nova_ha.compute import procfs, service
from nova_ha.compute.procfs import Identity
from nova_ha.compute.service import Runner, Service, ServiceError, State

UNITS = ("nova-compute.service", "openstack-nova-compute.service", "devstack@n-cpu.service")

# Seconds within which systemd answers a question, or takes an order that it need not finish.
_ANSWER = 10

_PROPERTIES = "LoadState,ActiveState,SubState,MainPID,Result,UnitFileState"


def is_running() -> bool:
    """Whether systemd runs this host."""
    return os.path.isdir("/run/systemd/system")


class Unit(Service):
    """A unit of systemd.

    :param name: its name; without one, the first of ``UNITS`` that runs or is installed
    :param runner: see ``service.run``
    """

    def __init__(self, name: str | None = None, runner: Runner = service.run) -> None:
        self._names: Sequence[str] = [name] if name else UNITS
        self._run = runner
        self.missing = f"no such systemd unit: {name or ' or '.join(UNITS)}"

    def find(self, timeout: float = math.inf) -> State | None:
        """See ``Service``."""
        there = [state for state in map(_state, self._names, self._show(timeout)) if state]
        return next((state for state in there if not state.is_over), there[0] if there else None)

    def start(self, state: State, timeout: float) -> None:
        """See ``Service``."""
        # Whether to try again is Pacemaker's to say: systemd's count of former failures must not refuse it.
        self._run(["systemctl", "reset-failed", "--", state.name], _ANSWER)
        self._order("start", state, min(timeout, service.PATIENCE))

    def stop(self, state: State, timeout: float) -> None:
        """See ``Service``."""
        self._order("stop", state, timeout)

    def kill(self, state: State) -> None:
        """See ``Service``."""
        service.demand(self._run, ["systemctl", "kill", "--signal=SIGKILL", "--", state.name], _ANSWER)

    def problems(self) -> Iterator[str]:
        """See ``Service``."""
        try:
            if self.find() is None:
                yield f"unit: {self.missing}"
        except ServiceError as error:
            yield f"unit: {error}"

    def inside(self, state: State, words: list[str]) -> tuple[list[str], Identity]:
        """See ``Service``."""
        return words, procfs.identity(state.main_pid)

    def _show(self, timeout: float) -> list[str]:
        """What systemd says of each of the units, be there one of that name or not."""
        command = ["systemctl", "show", f"--property={_PROPERTIES}", "--", *self._names]
        blocks = service.demand(self._run, command, min(_ANSWER, timeout)).strip().split("\n\n")
        if len(blocks) != len(self._names):
            raise ServiceError(f"systemctl show: asked for {len(self._names)} units, told of {len(blocks)}")
        return blocks

    def _order(self, order: str, state: State, timeout: float) -> None:
        service.demand(self._run, ["systemctl", order, "--", state.name], timeout)


def _state(name: str, block: str) -> State | None:
    """A unit's state from what systemd says of it, or None if there is none."""
    try:
        said = dict(line.split("=", 1) for line in block.splitlines())
        load, active, sub, result, pid = (
            said[key] for key in ("LoadState", "ActiveState", "SubState", "Result", "MainPID")
        )
        words = f"{name} is {active} ({sub})" + ("" if result == "success" else f", result {result}")
        # A unit of Type=notify is activating until it says READY=1, and some nova-computes never do.
        state = State(
            name,
            runs=active in ("active", "reloading") or (active == "activating" and int(pid) != 0),
            settled=active not in ("activating", "deactivating"),
            main_pid=int(pid),
            words=words,
            by_itself=said["UnitFileState"].startswith("enabled"),
        )
    except (KeyError, ValueError) as error:
        raise ServiceError(f"systemctl show {name}: answered what cannot be understood ({error})") from error
    # A unit whose file is gone while it runs is "not-found" and active.
    return None if load == "not-found" and state.is_over else state
