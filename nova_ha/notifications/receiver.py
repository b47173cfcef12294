# SPDX-License-Identifier: Apache-2.0
"""What all receivers have in common."""

from __future__ import annotations

from typing import Protocol

from nova_ha.notifications.notification import Message


class NotTaken(Exception):
    """The receiver has not taken a message, as far as is known; the text says why, without secrets.

    :ivar retry_after: seconds after which it wants to be asked again, None if it does not say
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(" ".join(text.split()))
        self.retry_after = retry_after


class Refused(NotTaken):
    """It will never take this message: there is no use in sending the same again."""


class Receiver(Protocol):
    """One.

    :ivar id: names its directory; it stays when the receiver's address changes
    :ivar name: for messages, without secrets
    :ivar most: how many notifications one message may have
    """

    id: str
    name: str
    most: int

    def send(self, message: Message) -> None:
        """Send a message; returns once it is taken.

        :raises NotTaken: it is not
        """
