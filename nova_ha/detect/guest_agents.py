# SPDX-License-Identifier: Apache-2.0
"""Asks the guest agents of this host's instances whether they are there, one after the other, again and again.

libvirt lets nobody do so by a read-only connection. The question is QEMU's ``guest-ping``, which changes nothing. Who
does not answer holds up the others for no more than the question's timeout, and libvirt's events not at all.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable, NoReturn

from nova_ha.detect.tracker import Tracker
from nova_ha.detect.watcher import Change, is_instance

# Seconds that a guest agent has for its answer.
TIMEOUT = 5

_PING = '{"execute":"guest-ping"}'


class GuestAgents:
    """The thread.

    :param libvirt: the library
    :param ask: ``libvirt_qemu.qemuAgentCommand``
    :param uri: libvirtd's
    :param interval: seconds between two rounds
    """

    _post: Callable[[Change], None]

    def __init__(
        self,
        libvirt: Any,
        ask: Callable[[Any, str, int, int], object],
        uri: str,
        interval: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._libvirt = libvirt
        self._ask = ask
        self._uri = uri
        self._interval = interval
        self._sleep = sleep
        self._connection: Any = None

    def run(self, post: Callable[[Change], None]) -> NoReturn:
        """Be the thread.

        :param post: takes each change of the tracker; must not block
        """
        self._post = post
        while True:
            self._sleep(self._interval)
            try:
                self._connection = self._connection or self._libvirt.open(self._uri)
                self._round()
            except self._libvirt.libvirtError:
                # The watcher says that libvirtd is away.
                self._leave()

    def _round(self) -> None:
        for domain in self._connection.listAllDomains(self._libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING):
            instance = domain.UUIDString()
            try:
                if not is_instance(self._libvirt, domain):
                    continue
                self._ask(domain, _PING, TIMEOUT, 0)
            except self._libvirt.libvirtError as error:
                # Any other says that it has no guest agent, does not run any more, or is busy.
                if error.get_error_code() == self._libvirt.VIR_ERR_AGENT_UNRESPONSIVE:
                    self._tell(Tracker.agent_is_silent, instance)
            else:
                self._tell(Tracker.agent_answers, instance)
        # Errors of the connection look like a domain's.
        if not self._connection.isAlive():
            self._leave()

    def _tell(self, what: Callable[[Tracker, str], None], instance: str) -> None:
        self._post(lambda tracker: what(tracker, instance))

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        with contextlib.suppress(self._libvirt.libvirtError):
            connection and connection.close()
