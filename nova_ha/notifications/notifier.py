# SPDX-License-Identifier: Apache-2.0
"""Tells receivers what stands, beside the engine: it never waits for that, and does not fail by it.

One thread looks at the newest report and puts into each receiver's outbox what is new; each receiver has a thread of
its own that takes it there. What receivers have taken is left with the other control nodes: an engine that goes on
there tells nothing twice, and tells what is over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from nova_ha.cluster.errors import ClusterError
from nova_ha.notifications.conditions import KINDS, Standing, ended, standing
from nova_ha.notifications.courier import Courier
from nova_ha.notifications.ledger import Ledger
from nova_ha.reporting import published

log = logging.getLogger("nova-ha")

# Seconds between two looks.
INTERVAL = 1.0

# Seconds between two times that what was taken is left with the other nodes, or tried to be: in a mass failure it
# changes every second, and the cluster has other things to do.
LEAVE_EVERY = 5.0

# Seconds for which what comes and goes must be gone to be over.
SETTLED = 60.0

# Seconds for which an engine that starts waits for what the others were told, at most.
BOARD_PATIENCE = 30.0

# Seconds that the last of an engine that gives up may take.
LAST_WORDS = 3.0


class Board(Protocol):
    """Where what was taken is left for all control nodes."""

    def set_on_all(self, text: str) -> None:
        """Leave a text with each of them.

        :raises ClusterError: it is not left with all of them
        """

    def read(self) -> Mapping[str, str]:
        """The texts that were left.

        :raises ClusterError: Pacemaker does not answer
        """


def attribute(resource: str) -> str:
    """Name of the private attribute in which it is left what receivers took from the engine of a resource."""
    return f"nova-ha-told-{resource}"


class Notifier:
    """All receivers'.

    :param couriers: makes who takes notifications to each receiver, of what is on disk for them
    :param board: see ``Board``
    :param longest: characters that a text on the board may have
    :param clock: monotonic seconds
    :param epoch: seconds since the epoch
    """

    def __init__(
        self,
        couriers: Callable[[], Sequence[Courier]],
        board: Board,
        longest: int,
        clock: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._make = couriers
        self._couriers: Sequence[Courier] = ()
        self._board = board
        self._longest = longest
        self._clock = clock
        self._epoch = epoch
        self._newest: tuple[Mapping[str, Any], Mapping[str, str | None]] | None = None
        self._changed = threading.Event()
        self._errands: dict[str, threading.Event] = {}  # set: there is something to send
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._learned = threading.Event()
        self._learns_until = float("inf")
        self._looking = threading.Lock()
        self._missing: dict[str, float] = {}  # what was told and does not stand, since when; monotonic seconds
        self._left: list[int] = []  # which versions are left on the board
        self._leave_at = float("-inf")

    def start(self, after: Notifier | None = None) -> None:
        """Tell from now on what ``tell`` is told.

        :param after: one that was stopped; what it has in hand is its own until it has ended
        """
        self._begin(self._look_on, after)

    def stop(self) -> None:
        """Have the threads end; what was not taken stays on disk."""
        self._stopped.set()
        for event in (self._changed, *self._errands.values()):
            event.set()

    def tell(self, report: Mapping[str, Any], complaints: Mapping[str, str | None]) -> None:
        """Have told what is new in a report; returns at once. See ``conditions.standing``."""
        self._newest = (report, complaints)
        self._changed.set()

    def give_up(self) -> None:
        """Have the last report told by an engine that is about to end; returns after LAST_WORDS at the latest."""
        end = self._clock() + LAST_WORDS
        self._learns_until = self._clock() + LAST_WORDS / 3
        if self._learned.wait(LAST_WORDS):
            self._look()
        while self._clock() < end and (self._is_waited_for() or self._left != self._versions()):
            time.sleep(0.05)

    def trouble(self) -> str | None:
        """What keeps receivers from being told, and has for long; None: nothing."""
        return "; ".join(filter(None, (each.trouble() for each in self._couriers))) or None

    def _is_waited_for(self) -> bool:
        return any(each.outbox.next(1) for each in self._couriers)

    def _versions(self) -> list[int]:
        return [each.outbox.version for each in self._couriers]

    # What stands

    def _begin(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="notifier", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _look_on(self, after: Notifier | None) -> None:
        for thread in after._threads if after is not None else ():
            thread.join()
        self._couriers = self._make()
        self._errands = {each.outbox.id: threading.Event() for each in self._couriers}
        if self._couriers:
            self._learn()
        # The others may have forgotten, or never have known, what is known here.
        self._left = [] if any(each.outbox.ledger() for each in self._couriers) else self._versions()
        self._learned.set()
        for courier in self._couriers:
            self._begin(self._send_on, courier)
        while self._couriers and not self._stopped.is_set():
            try:
                self._look()
                self._leave()
            # Whatever a report of another version, or a library, has in store: telling goes on.
            except Exception:
                log.exception("notifications: a report is not told")
            self._stopped.wait(INTERVAL)
            # What is missing becomes over by itself, though nothing changes.
            left = self._left == self._versions()
            self._changed.wait(INTERVAL if self._missing else None if left else LEAVE_EVERY)
            self._changed.clear()

    def _look(self) -> None:
        if self._newest is None:
            return
        report, complaints = self._newest
        found = standing(report, complaints)
        with self._looking:
            told = {key for each in self._couriers for key in each.outbox.told()}
            over = {key: _ended(key, report) for key in self._over(told - set(found.conditions), found)}
            for courier in self._couriers:
                if courier.outbox.reconcile(found.conditions, over, self._epoch()):
                    self._errands[courier.outbox.id].set()

    def _over(self, missing: Iterable[str], found: Standing) -> list[str]:
        """Those of what was told that surely do not stand any more."""
        now = self._clock()
        if not found.complete:
            self._missing = {}
            return []
        self._missing = {key: self._missing.get(key, now) for key in missing}
        settled = {key for key, since in self._missing.items() if now - since >= SETTLED}
        over = settled.union(key for key in self._missing if KINDS[key.partition("/")[0]].certain)
        self._missing = {key: since for key, since in self._missing.items() if key not in over}
        return sorted(over)

    def _send_on(self, courier: Courier) -> None:
        outbox, errand = courier.outbox, self._errands[courier.outbox.id]
        while not self._stopped.is_set():
            before = outbox.version
            pause = courier.step()
            if outbox.version != before:
                self._changed.set()  # it is to be left with the other nodes
            errand.wait(pause)
            errand.clear()

    # What the other control nodes know

    def _learn(self) -> None:
        """Learn what receivers took from the engine before, wherever that was."""
        self._learns_until = min(self._learns_until, self._clock() + BOARD_PATIENCE)
        while not self._stopped.is_set():
            try:
                for text in self._board.read().values():
                    ledgers = (published.unpacked(text) or {}).get("receivers", {})
                    for courier in self._couriers:
                        courier.outbox.learn(Ledger.from_dict(ledgers.get(courier.outbox.id)))
                return
            except (ClusterError, OSError) as error:
                if self._clock() > self._learns_until:
                    log.warning("notifications: what an engine elsewhere has told may be told twice: %s", error)
                    return
            self._stopped.wait(INTERVAL)

    def _leave(self) -> None:
        """Leave with the other nodes what was taken, if that has changed."""
        versions = self._versions()
        if versions == self._left or self._clock() < self._leave_at:
            return
        self._leave_at = self._clock() + LEAVE_EVERY
        text = published.word({"receivers": {each.outbox.id: each.outbox.ledger() for each in self._couriers}})
        if len(text) > self._longest:
            firing = {each.outbox.id: each.outbox.ledger(firing_only=True) for each in self._couriers}
            text = published.word({"receivers": firing})
        try:
            if len(text) <= self._longest:
                self._board.set_on_all(text)
        except (ClusterError, OSError) as error:
            log.debug("notifications: not left with the other nodes: %s", error)
        else:
            self._left = versions


def _ended(key: str, report: Mapping[str, Any]) -> str:
    kind, host, code = key.split("/")
    return ended(KINDS[kind], host or None, code or None, report)
