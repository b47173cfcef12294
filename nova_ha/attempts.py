# SPDX-License-Identifier: Apache-2.0
"""What this engine has asked of Nova so far, instance by instance: pure, and lost with the engine.

Nova remains the record of what happens; this only adds what Nova cannot tell: that a request is under way or was
lost, and when to try again.
"""

import dataclasses
import random

from nova_ha.snapshot import FINISHED

SENDING = "sending"
ACCEPTED = "accepted"
UNCLEAR = "unclear"
FAILED = "failed"

# Seconds after a lost or accepted request in which its record must have shown, or it never took effect. Nova writes the
# record while it answers, so this bounds how long a request may sit in the API's queue.
SETTLE = 60
# The same for requests of an engine that is gone: its connections ended with it, so only what Nova had read is left.
INHERITED_SETTLE = 5

# Task states of an instance that is being rebuilt, which an evacuation is.
REBUILDING = frozenset({"rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"})

FIRST_RETRY = 5
LONGEST_RETRY = 300


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The last thing asked for one instance.

    :param outcome: SENDING, ACCEPTED, UNCLEAR or FAILED
    :param newest: id of the instance's newest evacuation record when we asked, 0 if it had none
    :param until: seconds (monotonic) until which nothing else is asked
    :param failures: how often it failed in a row
    :param reason: what there is to say about it
    """

    outcome: str
    newest: int = 0
    until: float = 0.0
    failures: int = 0
    reason: str = ""


class Attempts:
    """The attempts of all instances, as ``{instance id: Attempt}`` with what may happen to them.

    :param jitter: returns a factor that spreads the retries of many instances
    """

    def __init__(self, jitter=lambda: random.uniform(0.75, 1.25)):
        self._attempts = {}
        self._jitter = jitter

    def get(self, instance):
        """The attempt for an instance id, or None."""
        return self._attempts.get(instance)

    def open(self):
        """The ids of the instances whose request is under way or unclear."""
        return {i for i, attempt in self._attempts.items() if attempt.outcome in (SENDING, UNCLEAR)}

    def sending(self, instance, newest):
        """A request is about to be sent; ``newest`` is the newest evacuation record known before it."""
        before = self._attempts.get(instance)
        self._attempts[instance] = Attempt(SENDING, newest, failures=before.failures if before else 0)

    def accepted(self, instance, now):
        """Nova took the request."""
        self._settle(instance, ACCEPTED, now + SETTLE, "Nova accepted the request")

    def unclear(self, instance, now, reason):
        """No answer came: Nova may carry the request out, now or later."""
        self._settle(instance, UNCLEAR, now + SETTLE, reason)

    def inherited(self, instance, newest, now):
        """A former engine may have sent a request that has not shown yet."""
        self._attempts.setdefault(
            instance, Attempt(UNCLEAR, newest, now + INHERITED_SETTLE, reason="a former engine may just have asked")
        )

    def failed(self, instance, now, reason):
        """It surely did not happen, or ended badly: wait longer each time."""
        before = self._attempts.get(instance) or Attempt(FAILED)
        pause = min(FIRST_RETRY * 2**before.failures, LONGEST_RETRY) * self._jitter()
        self._attempts[instance] = dataclasses.replace(
            before, outcome=FAILED, until=now + pause, failures=before.failures + 1, reason=reason
        )

    def observe(self, host, now):
        """Learn from what Nova says of a host what became of the requests, this engine's and others'.

        :param host: a ``snapshot.Host``
        """
        newest = {record.instance: record for record in host.evacuations}
        for instance in host.instances:
            record = newest.get(instance.id)
            attempt = self._attempts.get(instance.id)
            if attempt is None:
                self._observe_stranger(instance, record, now)
            elif (
                record
                and not record.in_flight
                and attempt.outcome in (ACCEPTED, UNCLEAR)
                and record.id > attempt.newest
            ):
                # Once counted, the same record must not count again.
                self._attempts[instance.id] = dataclasses.replace(attempt, newest=record.id)
                if record.status in FINISHED:
                    self._settle(instance.id, ACCEPTED, now + SETTLE, f"evacuation {record.id} is {record.status}")
                else:
                    self.failed(instance.id, now, f"evacuation {record.id} ended in {record.status}")

    def _observe_stranger(self, instance, record, now):
        """Be slow to touch an instance that somebody else seems to have under way."""
        if record is None and instance.task_state in REBUILDING:
            # Nova sets the task state before it writes the record.
            self._attempts[instance.id] = Attempt(
                UNCLEAR, until=now + INHERITED_SETTLE, reason=f"it is {instance.task_state}, by whom is not known"
            )
        elif record is not None and record.status == "done":
            # Its source has not cleaned up since, so the instance cannot have come back: this view of it is old.
            self._attempts[instance.id] = Attempt(
                ACCEPTED, record.id, now + SETTLE, reason=f"evacuation {record.id} is done, yet Nova shows it here"
            )

    def forget(self, keep):
        """Drop every attempt but those for the instance ids in ``keep`` and those still being sent."""
        self._attempts = {i: a for i, a in self._attempts.items() if i in keep or a.outcome == SENDING}

    def _settle(self, instance, outcome, until, reason):
        self._attempts[instance] = dataclasses.replace(
            self._attempts[instance], outcome=outcome, until=until, reason=reason
        )
