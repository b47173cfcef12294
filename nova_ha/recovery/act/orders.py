# SPDX-License-Identifier: Apache-2.0
"""Takes up what operators order of the engine: to try again at once what failed, or to end a host's recovery.

What an evacuation has to pass before it is asked for, it has to pass as before; what Nova may still carry out, or has
accepted, is neither asked for again nor left behind, whatever is ordered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from nova_ha.cluster import pacemaker
from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import flag, orders
from nova_ha.model.actions import Step, instance_of
from nova_ha.model.orders import End, Retry
from nova_ha.recovery.memory.requests import Memory

log = logging.getLogger("nova-ha")

# Seconds after which they are read though the configuration does not seem to have changed: it may not show.
EVERY = 10.0


class Orders:
    """The orders, and what becomes of them.

    :param orders: the node attribute that they are, see ``pacemaker.Cluster.orders``
    :param clock: monotonic seconds
    :param changed: tells one state of the cluster's configuration from another, as far as it can
    """

    def __init__(
        self,
        orders: Cluster,
        memory: Memory,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[], object] = pacemaker.last_change,
    ) -> None:
        self._orders = orders
        self._memory = memory
        self._clock = clock
        self._changed = changed
        self._change: object = None  # what ``changed`` told when they were read
        self._read_at = float("-inf")

    def heed(self, flags: Mapping[str, str], ours: Iterable[str], steps: Iterable[Step]) -> None:
        """Take up what has been ordered since the last time. A cluster that does not answer is asked the next time.

        :param flags: ``{host: value}``
        :param ours: the hosts that this engine recovers
        :param steps: those of the last pass: whose instances are on which host
        """
        now, change = self._clock(), self._changed()
        if change == self._change and now < self._read_at + EVERY:
            return
        try:
            for host, text in self._orders.flags().items():
                if host in ours and flags[host] not in flag.OVER:
                    self._take_up(host, flags[host], text, steps)
                elif flags.get(host) in (None, *flag.OVER):
                    self._orders.swap_flag(host, text, None)
        except ClusterError as error:
            log.debug("what operators order is not known: %s", error)
            return
        self._change, self._read_at = change, now

    def _take_up(self, host: str, value: str, text: str, steps: Iterable[Step]) -> None:
        try:
            order = orders.read(text)
        except orders.UnknownOrder as error:
            log.warning("%s: %s: deleted", host, error)
            self._orders.swap_flag(host, text, None)
            return
        if isinstance(order, End):
            self._end(host, value, text, order)
        else:
            self._retry(host, text, order, steps)

    def _end(self, host: str, value: str, text: str, order: End) -> None:
        """The order stands until the flag says recovered: another engine would not know of it else."""
        if order.claim == value:
            self._memory.flags.end(host, value)
            return
        log.warning("%s: %s ordered the end of another recovery (%s): deleted", host, order.who, order.claim)
        self._orders.swap_flag(host, text, None)

    def _retry(self, host: str, text: str, order: Retry, steps: Iterable[Step]) -> None:
        known = {found.id for step in steps if step.host == host and (found := instance_of(step)) is not None}
        wanted = known if order.instances is None else known & order.instances
        ended = [instance for instance in sorted(wanted) if self._memory.retry(instance, self._clock())]
        log.info("%s: %d instances are tried again now, as %s ordered", host, len(ended), order.who)
        self._orders.swap_flag(host, text, None)
