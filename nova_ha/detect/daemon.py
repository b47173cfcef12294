# SPDX-License-Identifier: Apache-2.0
"""Tells the cluster which instances of this host have failed: a process. ``instance_monitor`` starts it.

The main thread has the tracker, and tells; it never waits for libvirtd, which the other threads may. SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import os
import queue
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Callable, NoReturn

from nova_ha import rundir
from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.detect.guest_agents import GuestAgents
from nova_ha.detect.teller import Teller
from nova_ha.detect.tracker import Memory, Tracker
from nova_ha.detect.watcher import SCAN, Change, Watcher
from nova_ha.model.instance_failures import ATTRIBUTE, InstanceFailure
from nova_ha.reporting import journal
from nova_ha.rundir import engine_state
from nova_ha.rundir.engine_state import RunState

log = logging.getLogger("nova-ha")

# What messages call this process.
WHAT = "instance watcher"

# Seconds without a sight of all states after which monitors say so; libvirtd may just be restarted.
PATIENCE = 3 * SCAN

# Seconds between two signs of life at least.
_STEP = 5.0


class Loop:
    """What the main thread does, until it is stopped.

    :param state: what monitors see
    :param memory: the file that outlives a restart
    """

    def __init__(self, state: RunState, tracker: Tracker, watcher: Watcher, teller: Teller, memory: str) -> None:
        self._state = state
        self._tracker = tracker
        self._watcher = watcher
        self._teller = teller
        self._file = memory
        self._kept = ""
        self._known: dict[str, InstanceFailure] = {each.episode: each for each in tracker.failures}
        self._reported: tuple[str, str] | None = None
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._goes_on = True

    def post(self, change: Change) -> None:
        """Have a change made to the tracker; any thread may, and a signal's handler."""
        self._changes.put(change)

    def stop(self) -> None:
        """End ``run`` soon."""
        self._goes_on = False
        self.post(lambda _tracker: None)

    def run(self) -> None:
        """Go on until ``stop``."""
        # Before libvirtd has answered: the agent's start does not wait for it, and no other host's fencing for that.
        self._report()
        while self._goes_on:
            self.step()
        self._teller.withdraw()

    def step(self) -> None:
        """Wait for changes, and tell them."""
        self._state.progress()
        rest = min(_STEP, self._teller.rest()) if self._tracker.is_sure else _STEP
        with contextlib.suppress(queue.Empty):
            change = self._changes.get(timeout=rest)
            while True:
                change(self._tracker)
                change = self._changes.get_nowait()
        self._keep()
        self._log()
        if self._tracker.is_sure:
            self._teller.tell(self._tracker.failures)
        self._report()

    def _keep(self) -> None:
        text = self._tracker.memory.written()
        if text != self._kept:
            rundir.write(self._file, text)
            self._kept = text

    def _log(self) -> None:
        known, self._known = self._known, {each.episode: each for each in self._tracker.failures}
        for episode in self._known.keys() - known.keys():
            failure = self._known[episode]
            detail = f" ({failure.detail})" if failure.detail else ""
            log.warning("instance %s has failed: %s%s", failure.instance, failure.kind.meaning, detail)
        for episode in known.keys() - self._known.keys():
            log.info("instance %s has no failure any more (%s)", known[episode].instance, known[episode].kind.value)

    def _report(self) -> None:
        is_blind = self._watcher.silence() > PATIENCE
        away = self._watcher.trouble or (f"no answer for more than {PATIENCE:.0f} s" if is_blind else None)
        if away:
            report = (engine_state.WAITING, f"libvirtd cannot be asked: {away}")
        elif self._tracker.is_sure:
            report = (engine_state.WORKING, f"failed instances of this host: {len(self._tracker.failures)}")
        else:
            report = (engine_state.WAITING, "libvirtd has not answered yet")
        if report != self._reported:
            self._state.report(*report)
            self._reported = report
        blind = f"failures of instances are not seen: libvirtd cannot be asked: {away}. See systemctl status libvirtd"
        self._state.complain("libvirt", blind if is_blind else None)
        deaf = f"failures of instances are not told: {self._teller.trouble}"
        self._state.complain("cluster", deaf if self._teller.trouble else None)


def main(arguments: Sequence[str] | None = None) -> str | int:
    """Run it; parameters come as JSON on standard input."""
    parser = argparse.ArgumentParser(prog="nova_ha.detect.daemon", description="nova-ha's instance watcher")
    parser.add_argument("--name", required=True, help="the resource that supervises it")
    state = RunState(parser.parse_args(arguments).name, what=WHAT)
    try:
        state.acquire()
    except engine_state.AlreadyRunning as error:
        return str(error)
    parameters = json.load(sys.stdin)["parameters"]
    logging.raiseExceptions = False
    logging.lastResort = None
    log.addHandler(journal.handler(f"NovaInstances({state.name})", state.name))
    log.setLevel(logging.INFO)
    try:
        _run(state, parameters)
    except ImportError as error:
        state.report(engine_state.NOT_INSTALLED, f"libvirt's Python module is not installed (python3-libvirt): {error}")
        return 1
    return 0


def _run(state: RunState, parameters: Mapping[str, str]) -> None:
    """Be it until SIGTERM comes.

    :raises ImportError: libvirt's module is not installed
    """
    libvirt = importlib.import_module("libvirt")
    uri, interval = parameters["connection_uri"], parameters.get("guest_agent_interval")
    file = f"{state.directory}/memory"
    tracker = Tracker(_memory(file), time.time, lambda: secrets.token_hex(4), asks=bool(interval))
    watcher = Watcher(libvirt, uri)
    loop = Loop(state, tracker, watcher, Teller(PrivateAttributes(ATTRIBUTE)), file)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    _begin("libvirt", lambda: watcher.run(loop.post))
    if interval:
        ask = importlib.import_module("libvirt_qemu").qemuAgentCommand
        agents = GuestAgents(libvirt, ask, uri, float(interval))
        _begin("guest agents", lambda: agents.run(loop.post))
    loop.run()


def _memory(file: str) -> Memory:
    """What the process before has kept."""
    try:
        with open(file, encoding="utf-8") as kept:
            return Memory.read(kept.read())
    except FileNotFoundError:
        return Memory()


def _begin(name: str, work: Callable[[], NoReturn]) -> None:
    """Have a thread do its work for as long as the process lives, which ends with it."""

    def guarded() -> None:
        try:
            work()
        except Exception:
            _die()

    threading.Thread(target=guarded, name=name, daemon=True).start()


def _die() -> NoReturn:
    traceback.print_exc()
    log.critical("the %s dies of %s", WHAT, traceback.format_exc(limit=-1).strip().replace("\n", " "))
    sys.stderr.flush()
    os._exit(1)


def process() -> NoReturn:
    """``main``, then the process' end, at once: threads may wait for libvirtd."""
    try:
        said = main()
    except Exception:
        _die()
    if isinstance(said, str):
        sys.stderr.write(f"{said}\n")
    sys.stderr.flush()
    os._exit(1 if said else 0)


if __name__ == "__main__":
    process()
