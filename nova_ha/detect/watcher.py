# SPDX-License-Identifier: Apache-2.0
"""What libvirt says of this host's instances, brought to the tracker: events, and all states again and again.

Each event is told together with the state that its domain has by then. What happened while libvirtd was away, or before
us, shows in the states. The connection is a read-only one. All of it is done in one thread, whose calls libvirtd may
hold up for as long as it hangs.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any, Callable, NoReturn

from nova_ha.detect import verdicts
from nova_ha.detect.tracker import Tracker
from nova_ha.detect.verdicts import Life, Verdict

log = logging.getLogger("nova-ha")

# What is to be done with the tracker, by whoever has it.
Change = Callable[[Tracker], None]

# Seconds between two looks at all states.
SCAN = 10.0

# Seconds until a libvirtd that is away is asked once more: at first, and at most.
PAUSES = (1.0, 15.0)

# The elements that Nova puts into a domain's metadata: since Wallaby, and before.
_NOVA = tuple(f"http://openstack.org/xmlns/libvirt/nova/{version}" for version in ("1.1", "1.0"))

_DISCONNECTED = 2  # virConnectDomainEventAgentLifecycleState


class Watcher:
    """The thread.

    :param libvirt: the library
    :param uri: libvirtd's
    :ivar trouble: why libvirtd cannot be asked, in one line; None: nothing is known of that
    """

    _post: Callable[[Change], None]

    def __init__(self, libvirt: Any, uri: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._libvirt = libvirt
        self._uri = uri
        self._sleep = sleep
        self._connection: Any = None
        self._lost: str | None = None
        self._callbacks: list[int] = []
        self._ours: dict[str, bool] = {}
        self._seen = time.monotonic()
        self.trouble: str | None = None

    def silence(self) -> float:
        """Seconds since all states were seen, or since the beginning."""
        return time.monotonic() - self._seen

    def run(self, post: Callable[[Change], None]) -> NoReturn:
        """Be the thread.

        :param post: takes each change of the tracker; must not block
        """
        self._post = post
        self._libvirt.registerErrorHandler(lambda *_error: None, None)
        self._libvirt.virEventRegisterDefaultImpl()
        self._libvirt.virEventAddTimeout(int(SCAN * 1000), self._on_time, None)
        shortest, longest = PAUSES
        pause = shortest
        while True:
            try:
                self._lost = None
                self._connect()
                pause = shortest
                while self._lost is None:
                    self._libvirt.virEventRunDefaultImpl()
            except self._libvirt.libvirtError as error:
                self._lost = str(error)
            self._leave()
            self._sleep(pause)
            pause = min(2 * pause, longest)

    def _connect(self) -> None:
        library = self._libvirt
        self._connection = library.openReadOnly(self._uri)
        self._connection.registerCloseCallback(self._on_close, None)
        for event, callback in (
            (library.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle),
            (library.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, self._on_io_error),
            (library.VIR_DOMAIN_EVENT_ID_WATCHDOG, self._on_watchdog),
            (library.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot),
            (library.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, self._on_agent),
        ):
            self._callbacks.append(self._connection.domainEventRegisterAny(None, event, callback, None))
        self._post(Tracker.agents_lost)
        # After them, so that nothing happens in between unseen.
        self._scan()
        log.info("libvirtd (%s) tells of %d instances", self._uri, sum(self._ours.values()))

    def _leave(self) -> None:
        """Take leave of a connection that is none any more. No callback may do that: libvirt would wait for its end."""
        if self.trouble is None:
            log.warning("libvirtd (%s) is away: %s", self._uri, self._lost)
        self.trouble = self._lost
        connection, self._connection = self._connection, None
        for number in self._callbacks:
            with contextlib.suppress(self._libvirt.libvirtError):
                connection.domainEventDeregisterAny(number)
        self._callbacks.clear()
        if connection:
            with contextlib.suppress(self._libvirt.libvirtError):
                connection.unregisterCloseCallback()
                connection.close()

    def _scan(self) -> None:
        """Tell the states of all instances."""
        states, known = {}, self._ours
        self._ours = {}
        for domain, stats in self._connection.getAllDomainStats(self._libvirt.VIR_DOMAIN_STATS_STATE, 0):
            instance = domain.UUIDString()
            if instance in known:
                self._ours[instance] = known[instance]
            try:
                if self._is_instance(domain, instance):
                    states[instance] = verdicts.of_state(stats.get("state.state", 0), stats.get("state.reason", 0))
            except self._libvirt.libvirtError as error:
                # Of one that is gone by now there is nothing to tell.
                if error.get_error_code() != self._libvirt.VIR_ERR_NO_DOMAIN:
                    raise
        self._seen, self.trouble = time.monotonic(), None
        self._post(lambda tracker: tracker.tell_all(states))

    def _hear(self, domain: Any, *heard: Verdict) -> None:
        """Tell what was heard of a domain, and the state that it has now."""
        instance = domain.UUIDString()
        try:
            if not self._is_instance(domain, instance):
                return
            now = verdicts.of_state(*domain.state())
        except self._libvirt.libvirtError as error:
            # Else the states tell, once libvirtd is back.
            if error.get_error_code() != self._libvirt.VIR_ERR_NO_DOMAIN or not self._ours.get(instance):
                return
            now = Verdict(Life.OVER)
        self._post(lambda tracker: tracker.tell(instance, *heard, now))

    def _is_instance(self, domain: Any, instance: str) -> bool:
        if instance not in self._ours:
            self._ours[instance] = is_instance(self._libvirt, domain)
        return self._ours[instance]

    # Called by libvirt.

    def _on_time(self, _timer: int, _opaque: object) -> None:
        try:
            if self._connection:
                self._scan()
        except self._libvirt.libvirtError as error:
            self._lost = str(error)

    def _on_close(self, _connection: object, _reason: int, _opaque: object) -> None:
        self._lost = "it has closed the connection"

    def _on_lifecycle(self, _connection: object, domain: Any, event: int, detail: int, _opaque: object) -> None:
        self._hear(domain, verdicts.of_event(event, detail))

    def _on_io_error(
        self, _connection: object, domain: Any, _disk: str, _device: str, action: int, reason: str, _opaque: object
    ) -> None:
        self._hear(domain, verdicts.of_io_error(action, reason))

    def _on_watchdog(self, _connection: object, domain: Any, action: int, _opaque: object) -> None:
        self._hear(domain, verdicts.of_watchdog(action))

    def _on_reboot(self, _connection: object, domain: Any, _opaque: object) -> None:
        self._agent_left(domain)

    def _on_agent(self, _connection: object, domain: Any, state: int, _reason: int, _opaque: object) -> None:
        if state == _DISCONNECTED:
            self._agent_left(domain)

    def _agent_left(self, domain: Any) -> None:
        instance = domain.UUIDString()
        self._post(lambda tracker: tracker.agent_left(instance))


def is_instance(libvirt: Any, domain: Any) -> bool:
    """Whether a domain is Nova's.

    :raises libvirt.libvirtError: libvirtd does not say, or there is no such domain
    """
    for uri in _NOVA:
        try:
            domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, uri, 0)
            return True
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                raise
    return False
