# SPDX-License-Identifier: Apache-2.0
"""Has the engine's receivers told what it reports, as the configuration of the moment names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from nova_ha.cluster.private_attributes import LONGEST, PrivateAttributes
from nova_ha.config import loader
from nova_ha.model.reasons import Code
from nova_ha.notifications import notifier, receivers
from nova_ha.notifications.notifier import Notifier
from nova_ha.rundir.engine_state import RunState


class Telling:
    """Does so once ``go_by`` has been called.

    :param resource: name of the resource that supervises the engine
    :param state: whose reports are told, and who is told what an operator has to set right
    """

    def __init__(self, resource: str, state: RunState) -> None:
        self._resource = resource
        self._state = state
        self._notifier: Notifier | None = None
        self._problems: list[str] = []

    def go_by(self, conf: cfg.ConfigOpts) -> None:
        """Tell the receivers of a configuration from now on; what others have not taken yet stays on disk."""
        former = self._notifier
        if former is not None:
            former.stop()
        found = receivers.configured(conf, lambda: loader.access(conf))
        board = PrivateAttributes(notifier.attribute(self._resource))
        self._problems = found.problems
        self._notifier = Notifier(lambda: receivers.couriers(found, self._resource, conf), board, LONGEST)
        self._notifier.start(former)
        self.complain()

    def tell(self, report: Mapping[str, Any], _complaint: str | None) -> None:
        """Have a report told; returns at once. See ``RunState.listen``."""
        if self._notifier is not None:
            self._notifier.tell(report, self._state.complaints)

    def complain(self) -> None:
        """Have the cluster's operators told what keeps receivers from being told."""
        trouble = self._notifier.trouble() if self._notifier is not None else None
        why = "; ".join(filter(None, (*self._problems, trouble)))
        self._state.complain("notify", f"{Code.NOT_NOTIFIED.value}: {why}" if why else None)

    def give_up(self) -> None:
        """Have the last report told before the process ends; returns after a few seconds at the latest."""
        if self._notifier is not None:
            self._notifier.give_up()
