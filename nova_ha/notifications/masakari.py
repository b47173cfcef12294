# SPDX-License-Identifier: Apache-2.0
"""Tells Masakari of hosts that are down, and of those that are back."""

from __future__ import annotations

from collections.abc import Callable

from nova_ha.cloud import masakari
from nova_ha.cloud.errors import CloudError
from nova_ha.cloud.session import Access
from nova_ha.model import hostnames
from nova_ha.notifications.notification import FIRING, Message
from nova_ha.notifications.receiver import NotTaken, Refused


class Masakari:
    """Masakari's API. See ``receiver.Receiver``.

    :param connect: gives the way to the cloud's services
    :param domain: DNS domain of Nova's host names, or None
    """

    id = name = "masakari"
    most = 1

    def __init__(self, connect: Callable[[], Access], domain: str | None) -> None:
        self._connect = connect
        self._domain = domain
        self._access: Access | None = None

    def send(self, message: Message) -> None:
        """See ``receiver.Receiver.send``."""
        for each in message.notifications:
            what = masakari.STOPPED if each.status == FIRING else masakari.STARTED
            host = each.host or ""
            try:
                self._access = self._access or self._connect()
                known = any(masakari.tell(self._access, name, what, each.time) for name in self._names(host))
            except CloudError as error:
                raise NotTaken(str(error)) from error
            if not known:
                raise Refused(f"{host} is in no failover segment")

    def _names(self, host: str) -> list[str]:
        """What Nova may call a host, as Masakari's segments do: as the cluster does, in its domain, without one."""
        label = hostnames.label(host)
        names = [host, *([f"{label}.{self._domain}"] if self._domain else []), label]
        return list(dict.fromkeys(names))
