# SPDX-License-Identifier: Apache-2.0
"""Takes up what operators order to be tried again: ends the pauses after failures, and nothing else.

What an evacuation has to pass before it is asked for, it has to pass as before; what Nova may still carry out, or has
accepted, is not asked for again, whatever is ordered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from nova_ha.cluster import pacemaker
from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import flag, retries
from nova_ha.model.actions import Step, instance_of
from nova_ha.recovery.memory.requests import Memory

log = logging.getLogger("nova-ha")

# Seconds after which they are read though the configuration does not seem to have changed: it may not show.
EVERY = 10.0


class Retries:
    """The orders, and what becomes of them.

    :param orders: the node attribute that they are, see ``pacemaker.Cluster.retries``
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
                if host in ours:
                    self._take_up(host, text, steps)
                elif flags.get(host) in (None, *flag.OVER):
                    self._orders.swap_flag(host, text, None)
        except ClusterError as error:
            log.debug("what operators order to be tried again is not known: %s", error)
            return
        self._change, self._read_at = change, now

    def _take_up(self, host: str, text: str, steps: Iterable[Step]) -> None:
        try:
            order = retries.read(text)
        except retries.UnknownRetry as error:
            log.warning("%s: %s: deleted", host, error)
            self._orders.swap_flag(host, text, None)
            return
        known = {found.id for step in steps if step.host == host and (found := instance_of(step)) is not None}
        wanted = known if order.instances is None else known & order.instances
        ended = [instance for instance in sorted(wanted) if self._memory.retry(instance, self._clock())]
        log.info("%s: %d instances are tried again now, as %s ordered", host, len(ended), order.who)
        self._orders.swap_flag(host, text, None)
