# SPDX-License-Identifier: Apache-2.0
"""Publishes the engine's account to all control nodes, beside the engine: it never waits for that.

Only the newest account is of interest, and only where it has changed: while nothing happens, nothing is written. One
that could not be published is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.private_attributes import LONGEST, PrivateAttributes
from nova_ha.reporting import published

log = logging.getLogger("nova-ha")

# Seconds between two accounts, or two tries: an operator looks that often, and a recovery changes at each pass.
INTERVAL = 2.0


class Publisher:
    """The thread that does so, from ``start`` until the process ends.

    :param board: where it is published
    :param interval: seconds
    """

    def __init__(self, board: PrivateAttributes, interval: float = INTERVAL) -> None:
        self._board = board
        self._interval = interval
        self._changed = threading.Event()
        self._newest: tuple[Mapping[str, Any], str | None] = ({}, None)
        self._failed = False

    def start(self) -> None:
        """Publish from now on what ``tell`` is told."""
        threading.Thread(target=self._go_on, name="publisher", daemon=True).start()

    def tell(self, report: Mapping[str, Any], complaint: str | None) -> None:
        """Have a report published; returns at once. See ``RunState.listen``."""
        self._newest = (report, complaint)
        self._changed.set()

    def _go_on(self) -> None:
        known = None
        while True:
            self._changed.wait()
            self._changed.clear()
            word = published.packed(*self._newest, LONGEST)
            if word != known:
                known = word if self._publish(word) else None
                if known is None:
                    self._changed.set()
            time.sleep(self._interval)

    def _publish(self, word: str) -> bool:
        try:
            self._board.set(word)
        # A program that cannot be started, for want of memory say, must not end the thread.
        except (ClusterError, OSError) as error:
            if not self._failed:
                log.warning("nova-ha status on other nodes shows what was published last: %s", error)
            self._failed = True
            return False
        self._failed = False
        return True
