# SPDX-License-Identifier: Apache-2.0
"""Writes the engine's events to this node's disk, beside the engine: it never waits for that.

What cannot be written, the disk being full say, is kept and tried again; that it is so is told once. What an engine had
no time to write, the next one on this node finds in its report.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nova_ha.cluster.errors import ClusterError
from nova_ha.reporting.history_log import HistoryLog

log = logging.getLogger("nova-ha")

# Seconds between two writes: each is made sure to be on the disk.
INTERVAL = 1.0
# Seconds between two tries of what could not be written.
PATIENCE = 10.0
# Events that are kept meanwhile: those of a recovery of 5,000 instances, in 10 MB.
MOST = 20_000


class Recorder:
    """The thread that does so, from ``start`` until the process ends.

    :param history: where they are written
    :param resource: whose engine it is
    :param node: asks for the cluster's name of this node
    :param former: the events of the engine before, of which some may not have been written
    :param interval: seconds
    :param patience: seconds
    """

    def __init__(
        self,
        history: HistoryLog,
        resource: str,
        node: Callable[[], str],
        former: Sequence[Mapping[str, Any]] = (),
        interval: float = INTERVAL,
        patience: float = PATIENCE,
    ) -> None:
        self._history = history
        self._resource = resource
        self._node = node
        self._former = list(former)
        self._interval = interval
        self._patience = patience
        self._lock = threading.Lock()
        self._pending: list[Mapping[str, Any]] = []
        self._left_out = 0
        self._told = threading.Event()
        self._written = threading.Event()
        self._failed = False

    def start(self) -> None:
        """Write from now on what ``tell`` is told."""
        self._told.set()
        threading.Thread(target=self._go_on, name="recorder", daemon=True).start()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Have an event written; returns at once."""
        with self._lock:
            self._written.clear()
            if len(self._pending) < MOST:
                self._pending.append(event)
            else:
                self._left_out += 1
        self._told.set()

    def finish(self, seconds: float) -> None:
        """Wait until all is written, so many seconds at most."""
        self._written.wait(seconds)

    def _go_on(self) -> None:
        while True:
            self._told.wait()
            self._told.clear()
            if self._write():
                time.sleep(self._interval)
            else:
                self._told.set()
                time.sleep(self._patience)

    def _write(self) -> bool:
        with self._lock:
            events = list(self._pending)
        try:
            self._catch_up()
            self._history.append(self._resource, self._node(), events)
        # A program that cannot be started, for want of memory say, must not end the thread.
        except (ClusterError, OSError, ValueError) as error:
            if not self._failed:
                log.warning("nova-ha history: events are not written to %s: %s", self._history.directory, error)
            self._failed = True
            return False
        with self._lock:
            del self._pending[: len(events)]
            if not self._pending:
                self._written.set()
            left_out, self._left_out = self._left_out, 0
        if self._failed:
            log.warning("nova-ha history: events are written again; left out: %d", left_out)
        self._failed = False
        return True

    def _catch_up(self) -> None:
        """Write the events of the engine before that it had no time to write."""
        if not self._former:
            return
        known = set(map(_key, self._history.events(min(event["time"] for event in self._former))))
        missing = [event for event in self._former if _key(event) not in known]
        self._history.append(self._resource, self._node(), missing)
        self._former = []


def _key(event: Mapping[str, Any]) -> tuple[object, ...]:
    """What tells an event from all others."""
    return tuple(event[key] for key in ("time", "event", "host", "instance", "request", "code"))
