# SPDX-License-Identifier: Apache-2.0
"""``nova-ha notify``: whether the receivers of notifications take what this control node sends them.

Masakari is left out: it has no message that is about no host.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator

from nova_ha.notifications.formats import TEST
from nova_ha.notifications.masakari import Masakari
from nova_ha.notifications.notification import FIRING, Message, Notification
from nova_ha.notifications.receiver import NotTaken, Receiver

_SUMMARY = "a test of nova-ha's notifications: nothing is wrong"


def tried(
    receivers: Collection[tuple[Receiver, Collection[str]]], resource: str, now: float
) -> Iterator[tuple[str, str | None]]:
    """Send each receiver a test; yield its name, and why it has not taken it (None: it has).

    :param resource: see ``Message``
    :param now: seconds since the epoch
    """
    test = Notification(FIRING, TEST, "info", None, None, _SUMMARY, None, (), now, now)
    for receiver, _wanted in receivers:
        if isinstance(receiver, Masakari):
            continue
        try:
            receiver.send(Message(resource, socket.gethostname(), [test]))
        except NotTaken as error:
            yield receiver.name, str(error)
        else:
            yield receiver.name, None
