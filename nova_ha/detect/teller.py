# SPDX-License-Identifier: Apache-2.0
"""Tells the cluster which instances of this host have failed: at each change, and again and again.

It is a private attribute of this node, which costs no run of the scheduler. Pacemaker loses those of a remote node
whenever its connection is lost or moved, and says so to nobody.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from typing import Callable

from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.private_attributes import LONGEST, PrivateAttributes
from nova_ha.model import instance_failures
from nova_ha.model.instance_failures import InstanceFailure

log = logging.getLogger("nova-ha")

# Seconds until the same is told again; and until what could not be told is.
AGAIN, RETRY = 10.0, 2.0


class Teller:
    """Tells it for this node.

    :param board: where
    :param clock: seconds, of which only differences count
    :ivar trouble: why the cluster has not been told, in one line, or None
    """

    def __init__(self, board: PrivateAttributes, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._clock = clock
        self._told: str | None = None
        self._due = clock()
        self.trouble: str | None = None

    def rest(self) -> float:
        """Seconds until something has to be told though nothing changes."""
        return max(0.0, self._due - self._clock())

    def tell(self, failures: Iterable[InstanceFailure]) -> None:
        """Have the cluster know these, and no others."""
        failures = list(failures)
        text = instance_failures.written(failures, LONGEST)
        if text == self._told and self.rest() > 0:
            return
        if text != self._told and (left_out := len(failures) - text.count(";")):
            log.warning("%d of %d failed instances do not fit into what the cluster is told", left_out, len(failures))
        self._told = text
        try:
            self._board.set(text)
        # A program that cannot be started, for want of memory say, must not end us.
        except (ClusterError, OSError) as error:
            self.trouble = str(error)
            self._due = self._clock() + RETRY
            return
        self.trouble = None
        self._due = self._clock() + AGAIN

    def withdraw(self) -> None:
        """Have the cluster know that nobody looks any more."""
        with contextlib.suppress(ClusterError, OSError):
            self._board.clear()
