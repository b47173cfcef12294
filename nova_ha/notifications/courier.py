# SPDX-License-Identifier: Apache-2.0
"""Takes what is in an outbox to its receiver: so often at most, again and again until it is taken."""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable

from nova_ha.notifications.notification import Message
from nova_ha.notifications.outbox import Outbox, Waiting
from nova_ha.notifications.receiver import NotTaken, Receiver, Refused

log = logging.getLogger("nova-ha")

# Seconds between two tries: the first pause, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0

# Seconds until there is something to send, where there is nothing.
IDLE = 3600.0

# Seconds after which it is told that a receiver takes nothing.
PATIENCE = 900.0


class Courier:
    """One receiver's: ``step`` again and again, in a thread of its own.

    :param resource: see ``Message``
    :param node: likewise
    :param a_minute: how many messages are sent in any minute, at most
    :param clock: monotonic seconds
    :param epoch: seconds since the epoch
    """

    def __init__(
        self,
        receiver: Receiver,
        outbox: Outbox,
        resource: str,
        node: str,
        a_minute: int,
        clock: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self.outbox = outbox
        self._receiver = receiver
        self._about = resource, node
        self._clock = clock
        self._epoch = epoch
        self._sent: collections.deque[float] = collections.deque(maxlen=a_minute)
        self._most = receiver.most
        self._tries = 0
        self._next_try = float("-inf")
        self._failing_since: float | None = None
        self._why: str | None = None

    def trouble(self) -> str | None:
        """That the receiver has taken nothing for long, and why; None if it takes."""
        if self._failing_since is None or self._clock() - self._failing_since < PATIENCE:
            return None
        return f"{self._receiver.name}: {self._why}"

    def step(self) -> float:
        """Send one message, if it is time; returns the seconds until it is time for the next."""
        waiting = self.outbox.next(self._most)
        pause = self._pause()
        if not waiting or pause > 0:
            return pause if waiting else IDLE
        self._sent.append(self._clock())
        try:
            self._receiver.send(Message(*self._about, [each.notification for each in waiting]))
        except Refused as error:
            self._is_refused(waiting, error)
        except NotTaken as error:
            self._is_not_taken(error)
        # Whatever a library raises: the thread, and what it has to tell, must outlive it. A text could have secrets.
        except Exception as error:
            self._is_not_taken(NotTaken(f"it cannot be sent ({type(error).__name__})"))
        else:
            self.outbox.took(waiting, self._epoch())
            self._is_well()
        return max(0.0, self._pause())

    def _pause(self) -> float:
        """Seconds until a message may be sent."""
        now = self._clock()
        full = len(self._sent) == self._sent.maxlen
        return max(self._next_try - now, self._sent[0] + 60.0 - now if full else 0.0, 0.0)

    def _is_well(self) -> None:
        if self._why is not None:
            log.info("notifications: %s takes them again", self._receiver.name)
        self._tries, self._why, self._failing_since = 0, None, None
        self._most = self._receiver.most

    def _is_refused(self, waiting: list[Waiting], error: Refused) -> None:
        if len(waiting) > 1:
            self._most = 1  # which of them it is shows when they are sent one by one
            return
        (number, notification) = waiting[0]
        what = f"{notification.status} {notification.key}"
        log.warning("notifications: %s refuses %s, which is set aside: %s", self._receiver.name, what, error)
        self.outbox.refused(Waiting(number, notification))
        self._tries = 0

    def _is_not_taken(self, error: NotTaken) -> None:
        why = str(error)
        if why != self._why:
            log.warning("notifications: %s takes none, and is tried again: %s", self._receiver.name, why)
        if self._failing_since is None:
            self._failing_since = self._clock()
        self._why = why
        pause = min(FIRST_PAUSE * 2**self._tries, LONGEST_PAUSE)
        self._tries = min(self._tries + 1, 10)
        self._next_try = self._clock() + max(pause, error.retry_after or 0.0)
