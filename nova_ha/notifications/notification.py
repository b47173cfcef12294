# SPDX-License-Identifier: Apache-2.0
"""What a receiver is sent: a message of one notification or more, as plain data (``schemas/notification.json``)."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nova_ha.notifications.conditions import KINDS, Condition
from nova_ha.rundir.engine_state import SCHEMA

FIRING, RESOLVED = "firing", "resolved"

# How many instances are told by their ids; the summary tells how many there are.
MOST_INSTANCES = 20

# Of this project alone: the ids of notifications are made with it.
_NAMESPACE = uuid.UUID("6a1f0a52-9f3c-4b0e-8f0e-6d2f9a5d7c18")


@dataclasses.dataclass(frozen=True)
class Notification:
    """That a condition began, or is over.

    :param status: FIRING or RESOLVED
    :param since: when it was first seen; seconds since the epoch
    :param time: when this was made; likewise
    """

    status: str
    event: str
    severity: str
    host: str | None
    code: str | None
    summary: str
    command: str | None
    instances: tuple[str, ...]
    since: float
    time: float

    @property
    def key(self) -> str:
        """That of the condition."""
        return f"{self.event}/{self.host or ''}/{self.code or ''}"

    @property
    def id(self) -> str:
        """The same whenever, and by whichever engine, the same is told: a receiver knows by it what it has had."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.key}@{self.since:.3f}/{self.status}"))

    def as_dict(self) -> dict[str, Any]:
        """As plain data that JSON can hold."""
        return {"id": self.id, **dataclasses.asdict(self), "instances": list(self.instances)}

    @classmethod
    def from_dict(cls, former: Mapping[str, Any]) -> Notification:
        """What ``as_dict`` has given.

        :raises ValueError: it is of another version
        """
        try:
            kept = {field.name: former[field.name] for field in dataclasses.fields(cls)}
            kind = KINDS[kept["event"]]
            return cls(**{**kept, "event": kind.value, "instances": tuple(kept["instances"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"no notification of this version: {error}") from error


def begun(condition: Condition, now: float) -> Notification:
    """That a condition stands from now on."""
    kind = condition.kind
    return Notification(
        FIRING,
        kind.value,
        kind.severity,
        condition.host,
        condition.code,
        condition.summary,
        condition.command,
        condition.instances[:MOST_INSTANCES],
        now,
        now,
    )


class Message(NamedTuple):
    """What is sent at once.

    :param resource: the NovaEvacuate resource whose engine sends it
    :param node: the control node on which it runs
    """

    resource: str
    node: str
    notifications: Sequence[Notification]

    def as_dict(self) -> dict[str, Any]:
        """As plain data that JSON can hold."""
        told = [each.as_dict() for each in self.notifications]
        return {"schema": SCHEMA, "resource": self.resource, "node": self.node, "notifications": told}
