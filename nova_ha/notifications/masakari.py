# SPDX-License-Identifier: Apache-2.0
"""Tells Masakari of hosts that are down, and of those that are back."""

from __future__ import annotations

import re
from collections.abc import Callable

from nova_ha.cloud import errors, masakari
from nova_ha.cloud.errors import CloudError
from nova_ha.cloud.session import Access
from nova_ha.model import hostnames
from nova_ha.notifications.notification import FIRING, Message, Notification
from nova_ha.notifications.receiver import NotTaken, Refused

# Masakari's answer to what will not do: a host that it does not know by that name, mostly.
_NEVER = 400

_REQUEST_ID = re.compile(", request req-[0-9a-f-]+")


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
            refusals: list[str] = []
            for name in self._names(each.host or ""):
                refusal = self._refusal(name, each)
                if refusal is None:
                    break
                refusals.append(refusal)
            else:
                raise Refused(f"{each.host} is in no failover segment, or: {refusals[0]}")

    def _refusal(self, name: str, notification: Notification) -> str | None:
        """Why Masakari will never take a notification of a host by that name; None: it has taken it."""
        what = masakari.STOPPED if notification.status == FIRING else masakari.STARTED
        try:
            self._access = self._access or self._connect()
            masakari.tell(self._access, name, what, notification.time)
        except CloudError as error:
            # Each request has its own id: the same failure is told once.
            text = _REQUEST_ID.sub("", str(error))
            if isinstance(error, errors.Refused) and error.status == _NEVER:
                return text
            raise NotTaken(text) from error
        return None

    def _names(self, host: str) -> list[str]:
        """What Nova may call a host, as Masakari's segments do: as the cluster does, in its domain, without one."""
        label = hostnames.label(host)
        names = [host, *([f"{label}.{self._domain}"] if self._domain else []), label]
        return list(dict.fromkeys(names))
