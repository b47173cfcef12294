# SPDX-License-Identifier: Apache-2.0
"""Whether the cloud takes the engine, and what is said of it while it, or the cluster, is away."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

from nova_ha.cloud import nova
from nova_ha.cluster import pacemaker
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Service
from nova_ha.rundir.engine_state import RunState

log = logging.getLogger("nova-ha")

_REQUEST_ID = re.compile("req-[0-9a-f-]+")

# Seconds between two looks at whether the cloud still takes us, a password that has been changed being to be known
# before a host dies; and at whether a host is dead that nobody fences.
CHECK = 120.0

# Seconds for which the cloud must have refused us before monitors tell: Keystone may do so for a moment.
COMPLAIN_AFTER = 60.0


class CloudHealth:
    """What is known of that.

    :param state: has monitors tell what only an operator can put right
    :param clock: monotonic seconds
    :ivar is_connected: whether the cloud has taken us once
    """

    def __init__(self, cloud: nova.Nova, state: RunState, clock: Callable[[], float]) -> None:
        self._cloud = cloud
        self._state = state
        self._clock = clock
        self.is_connected = False
        self._check_at = 0.0  # when to look whether the cloud still takes us
        self._waits: str | None = None  # for what, while the cloud or the cluster does not answer
        self._refused_since: float | None = None  # since when the cloud has refused us, if it does

    def is_due(self) -> bool:
        """Whether it is time to look whether the cloud takes us."""
        return not self.is_connected or self._clock() >= self._check_at

    def look(self) -> Mapping[str, Service]:
        """See that the cloud takes us; returns its services.

        :raises nova.CloudError: it does not
        """
        return self._cloud.connect()

    def looked(self) -> None:
        """It does, and what it said has been seen to: it need not be looked at again soon."""
        self._check_at = self._clock() + CHECK
        if not self.is_connected:
            self.is_connected = True
            log.info("connected to Nova")

    def answers(self) -> None:
        """A whole pass has gone well."""
        self._refused(None)
        if self._waits is not None:
            self._waits = None
            log.info("working again")

    def fails(self, error: nova.CloudError | pacemaker.ClusterError) -> None:
        """A pass has failed, for the cloud or the cluster is away: say so, once, though each request has its own id."""
        what = _REQUEST_ID.sub("", str(error))
        if self._waits != what:
            self._waits = what
            log.warning("waiting: %s", error)
        self._refused(error if isinstance(error, (nova.Misconfigured, nova.WrongAddress)) else None)

    def _refused(self, error: nova.CloudError | None) -> None:
        """Complain of a cloud that goes on refusing us: the recoveries wait, and only an operator can help.

        :param error: how it did in this pass, or None if it did not
        """
        if error is None:
            self._refused_since = None
            self._state.complain("cloud", None)
            return
        self._refused_since = self._refused_since or self._clock()
        if self._clock() - self._refused_since >= COMPLAIN_AFTER:
            self._state.complain("cloud", f"{Code.CLOUD_REFUSES.value}: recoveries wait: {error}")
