# SPDX-License-Identifier: Apache-2.0
"""The last thing that was asked of Nova for an instance, and what became of it."""

from __future__ import annotations

import dataclasses

from nova_ha.model.reasons import Code

SENDING = "sending"
ACCEPTED = "accepted"
UNCLEAR = "unclear"
FAILED = "failed"

# Why an attempt failed.
NO_ROOM = Code.NO_ROOM
SPAWN = Code.SPAWN_FAILED
CONFLICT = Code.CONFLICT
FORBIDDEN = Code.FORBIDDEN
AWAY = Code.CLOUD_AWAY
REFUSED = Code.NOT_EVACUABLE  # it is not asked again
UNKNOWN = Code.UNKNOWN_FAILURE
# After these it is asked for again after a pause, which an operator may end.
RETRIED = frozenset((NO_ROOM, SPAWN, CONFLICT, FORBIDDEN, AWAY, UNKNOWN))
_ASKED = {SENDING: Code.SENDING, ACCEPTED: Code.EVACUATING, UNCLEAR: Code.REQUEST_UNANSWERED}


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The last thing asked for one instance.

    :param outcome: SENDING, ACCEPTED, UNCLEAR or FAILED
    :param newest: id of the instance's newest evacuation record when we asked, 0 if it had none
    :param until: seconds (monotonic) until which nothing else is asked
    :param failures: how often it failed in a row, not counting that the cloud was away
    :param streak: how often in a row it failed for the present cause
    :param reason: what there is to say about it
    :param cause: why it failed the last time, one of the causes above
    :param since: seconds (monotonic) since when it has been failing for this cause
    :param settle: UNCLEAR: seconds in which a Nova that answers carries out what it still has of the request
    :param moving: what was asked for was a move towards the instance's former state
    :param pause: FAILED: why nothing is asked for a while, the cause or what ``later`` was told
    """

    outcome: str
    newest: int = 0
    until: float = 0.0
    failures: int = 0
    reason: str = ""
    cause: Code = UNKNOWN
    since: float = 0.0
    streak: int = 0
    settle: float = 0.0
    moving: bool = False
    pause: Code = UNKNOWN

    @property
    def code(self) -> Code:
        """Why nothing is asked for the instance until ``until``."""
        return _ASKED.get(self.outcome, self.pause)

    def is_paused(self, now: float) -> bool:
        """Whether it failed, and waits for no other reason than that before it is asked for again.

        :param now: monotonic seconds
        """
        return self.outcome == FAILED and self.pause in RETRIED and not self.moving and now < self.until
