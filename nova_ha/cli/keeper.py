# SPDX-License-Identifier: Apache-2.0
"""``nova-ha keeper``: has this node come to have the history that the other control nodes have, and they what it has.

It asks Pacemaker's memory every few seconds, and changes what it tells there only where there is something new: no run
of the scheduler, no write to the cluster's configuration. It is no part of the engine.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from nova_ha.cli.printing import remark
from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.private_attributes import LONGEST
from nova_ha.reporting import exchange
from nova_ha.reporting.exchange import Offer
from nova_ha.reporting.history_log import HistoryLog

# The private attribute in which the control nodes tell each other.
ATTRIBUTE = "nova-ha-history"

# Seconds between two looks: what one node tells of, all have after two of them.
INTERVAL = 5.0
# Between two looks at what is too old.
PRUNING = 3600.0

# Lines that are read of a log to be told: more than fit.
_LINES = 1500


class Board(Protocol):
    """Where control nodes leave a word for all others."""

    def set(self, text: str) -> None:
        """Leave this node's."""

    def read(self) -> Mapping[str, str]:
        """``{node: its word}``."""


class Keeper:
    """One node's.

    :param node: the cluster's name of it
    :param control_nodes: tells those of all control nodes: what a compute host says is not heeded
    """

    def __init__(
        self, history: HistoryLog, board: Board, node: str, control_nodes: Callable[[], Collection[str]]
    ) -> None:
        self._history = history
        self._board = board
        self._node = node
        self._control_nodes = control_nodes
        self._known_nodes: Collection[str] = ()
        self._word: str | None = None  # as it was left last

    def exchange(self) -> None:
        """Take what the others tell, and tell what they lack.

        :raises ClusterError: Pacemaker does not answer
        :raises OSError: the disk does not take it; the others go on telling it
        """
        words = self._board.read()
        if not set(words) <= set(self._known_nodes):
            self._known_nodes = self._control_nodes()
        # What attrd has lost, as when it was restarted, is told anew.
        self._word = self._word if words.get(self._node) == self._word else None
        others = {
            node: told
            for node, word in words.items()
            if node != self._node and node in self._known_nodes and (told := exchange.unpacked(word)) is not None
        }
        try:
            self._take([offers for told in others.values() for offers in told.offers.items()])
        finally:
            self._tell({node: told.have for node, told in others.items()})

    def _take(self, offers: Collection[tuple[str, Offer]]) -> None:
        have = self._history.have() if offers else {}
        for log, offer in offers:
            if exchange.is_next(have.get(log, 0), offer):
                self._history.extend(log, offer.first, offer.lines)
                have = self._history.have()

    def _tell(self, others: Mapping[str, Mapping[str, int]]) -> None:
        have = self._history.have()
        offers = []
        for log, last in exchange.wanted(self._node, have, others).items():
            oldest = self._history.first(log)
            first = max(oldest, last + 1)
            offers.append((log, Offer(first, first == oldest, self._history.lines(log, first, _LINES))))
        word = exchange.packed(have, offers, LONGEST)
        if word != self._word:
            self._board.set(word)
            self._word = word


def keep(keeper: Keeper, history: HistoryLog, sleep: Callable[[float], object] = time.sleep) -> None:
    """Go on with it, until the process ends. What does not work is told once, and tried again."""
    failure = None
    pruned = float("-inf")
    while True:
        try:
            keeper.exchange()
            if time.monotonic() >= pruned + PRUNING:
                history.prune()
                pruned = time.monotonic()
        except (ClusterError, OSError) as error:
            if failure is None:
                remark(f"the history is not exchanged with other nodes: {error}")
            failure = error
        else:
            if failure is not None:
                remark("the history is exchanged again")
            failure = None
        sleep(INTERVAL)


def begin(history: HistoryLog) -> int | None:
    """Become the one keeper of this node, until the process ends.

    :return: a file that is to stay open; None if there is one already
    :raises OSError: the directory cannot be used
    """
    os.makedirs(history.directory, mode=0o700, exist_ok=True)
    lock = os.open(_lock(history), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def runs(history: HistoryLog) -> bool:
    """Whether this node has a keeper."""
    try:
        lock = os.open(_lock(history), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _lock(history: HistoryLog) -> str:
    return f"{history.directory}/keeper"
