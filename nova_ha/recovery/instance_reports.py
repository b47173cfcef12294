# SPDX-License-Identifier: Apache-2.0
"""Reads what hosts tell of their failed instances, beside the engine, which never waits for that."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.private_attributes import PrivateAttributes

log = logging.getLogger("nova-ha")

# Seconds between two looks: an instance that has failed is to be restarted within five seconds.
INTERVAL = 2.0


class InstanceReports:
    """The thread that does so, from ``start`` until the process ends.

    :param board: where hosts tell it, see ``instance_failures.ATTRIBUTE``
    :param wake: called when what they tell has changed
    :param interval: seconds
    """

    def __init__(self, board: PrivateAttributes, wake: Callable[[], object], interval: float = INTERVAL) -> None:
        self._board = board
        self._wake = wake
        self._interval = interval
        self._newest: Mapping[str, str] = {}
        self._wanted = threading.Event()
        self._is_away = False

    def start(self) -> None:
        """Read from now on, as long as that is ``wanted``."""
        threading.Thread(target=self._go_on, name="instance reports", daemon=True).start()

    def want(self, wanted: bool) -> None:
        """Whether they are to be read; while they are not, nobody has told anything."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()
            self._newest = {}

    def newest(self) -> Mapping[str, str]:
        """What was read last, as ``{the cluster's name of a host: its text}``."""
        return self._newest

    def _go_on(self) -> None:
        while True:
            self._wanted.wait()
            self.look()
            time.sleep(self._interval)

    def look(self) -> None:
        """Read them once. What a cluster that does not answer had told before holds."""
        try:
            told = self._board.read()
        except ClusterError as error:
            if not self._is_away:
                log.warning("what hosts tell of their failed instances cannot be read: %s", error)
            self._is_away = True
            return
        self._is_away = False
        if told != self._newest and self._wanted.is_set():
            self._newest = told
            self._wake()
