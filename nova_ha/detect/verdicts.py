# SPDX-License-Identifier: Apache-2.0
"""What an event of libvirt's, or a domain's state, says of an instance: the tables.

The numbers are those of libvirt's API (``virDomainEventType``, ``virDomainState``, their details and reasons), which
never change there; so that the tables need no libvirt.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from nova_ha.model.instance_failures import Kind


class Life(enum.Enum):
    """What is no failure."""

    RUNS = "its guest runs"
    WAITS = "its guest is paused, as somebody wished"
    OVER = "it was ended in an orderly way, or is gone"
    UNTOLD = "nothing: what was known still holds"


class Verdict(NamedTuple):
    """What is said of one instance.

    :param detail: what libvirt says about a failure
    """

    what: Kind | Life
    detail: str = ""


# Lifecycle events, each with its details.
DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED, SHUTDOWN, PMSUSPENDED, CRASHED = range(9)
STARTED_MIGRATED = 1
SUSPENDED_IOERROR, SUSPENDED_WATCHDOG = 2, 3
STOPPED_SHUTDOWN, STOPPED_DESTROYED, STOPPED_CRASHED, STOPPED_MIGRATED, STOPPED_SAVED, STOPPED_FAILED = range(6)
STOPPED_FROM_SNAPSHOT = 6
CRASHED_PANICKED = 0

_ANY = None

EVENTS = {
    (STARTED, _ANY): Verdict(Life.RUNS),
    # Made ready for a guest that comes from another host: it runs once it is resumed, or never.
    (STARTED, STARTED_MIGRATED): Verdict(Life.UNTOLD),
    (RESUMED, _ANY): Verdict(Life.RUNS),
    (SUSPENDED, SUSPENDED_IOERROR): Verdict(Kind.IO_ERROR),
    (SUSPENDED, SUSPENDED_WATCHDOG): Verdict(Kind.WATCHDOG),
    (SHUTDOWN, _ANY): Verdict(Life.OVER),
    (STOPPED, STOPPED_SHUTDOWN): Verdict(Life.OVER),
    (STOPPED, STOPPED_DESTROYED): Verdict(Life.OVER),
    (STOPPED, STOPPED_MIGRATED): Verdict(Life.OVER),
    (STOPPED, STOPPED_SAVED): Verdict(Life.OVER),
    (STOPPED, STOPPED_FROM_SNAPSHOT): Verdict(Life.OVER),
    (STOPPED, STOPPED_CRASHED): Verdict(Kind.CRASHED),
    (STOPPED, STOPPED_FAILED): Verdict(Kind.CRASHED),
    (CRASHED, CRASHED_PANICKED): Verdict(Kind.PANICKED),
}

# States of a domain, each with its reasons.
RUNNING, BLOCKED, PAUSED, IN_SHUTDOWN, SHUTOFF, IN_CRASH, IN_PMSUSPEND = range(1, 8)
PAUSED_UNKNOWN, PAUSED_IOERROR, PAUSED_WATCHDOG, PAUSED_CRASHED = 0, 5, 6, 10
SHUTOFF_SHUTDOWN, SHUTOFF_DESTROYED, SHUTOFF_CRASHED, SHUTOFF_MIGRATED, SHUTOFF_SAVED = range(1, 6)
SHUTOFF_FROM_SNAPSHOT, SHUTOFF_DAEMON = 7, 8

# A domain that is shut off for a reason that is not here (libvirtd was restarted since, or it could not be started) is
# what it was before.
STATES = {
    (RUNNING, _ANY): Verdict(Life.RUNS),
    (BLOCKED, _ANY): Verdict(Life.RUNS),
    (IN_PMSUSPEND, _ANY): Verdict(Life.RUNS),
    # For its owner, a snapshot, a migration.
    (PAUSED, _ANY): Verdict(Life.WAITS),
    (PAUSED, PAUSED_UNKNOWN): Verdict(Life.UNTOLD),
    (PAUSED, PAUSED_IOERROR): Verdict(Kind.IO_ERROR),
    (PAUSED, PAUSED_WATCHDOG): Verdict(Kind.WATCHDOG),
    (PAUSED, PAUSED_CRASHED): Verdict(Kind.PANICKED),
    (IN_SHUTDOWN, _ANY): Verdict(Life.OVER),
    (SHUTOFF, SHUTOFF_SHUTDOWN): Verdict(Life.OVER),
    (SHUTOFF, SHUTOFF_DESTROYED): Verdict(Life.OVER),
    (SHUTOFF, SHUTOFF_MIGRATED): Verdict(Life.OVER),
    (SHUTOFF, SHUTOFF_SAVED): Verdict(Life.OVER),
    (SHUTOFF, SHUTOFF_FROM_SNAPSHOT): Verdict(Life.OVER),
    (SHUTOFF, SHUTOFF_CRASHED): Verdict(Kind.CRASHED),
    # libvirtd had lost it, and killed it.
    (SHUTOFF, SHUTOFF_DAEMON): Verdict(Kind.CRASHED, "daemon"),
    (IN_CRASH, _ANY): Verdict(Kind.PANICKED),
}

# What QEMU does at an I/O error, and at a watchdog's end: of all that, what leaves the guest paused.
IO_ERROR_PAUSE, WATCHDOG_PAUSE = 1, 1


def of_event(event: int, detail: int) -> Verdict:
    """What a lifecycle event says."""
    return EVENTS.get((event, detail)) or EVENTS.get((event, _ANY)) or Verdict(Life.UNTOLD)


def of_state(state: int, reason: int) -> Verdict:
    """What a domain's state says."""
    return STATES.get((state, reason)) or STATES.get((state, _ANY)) or Verdict(Life.UNTOLD)


def of_io_error(action: int, reason: str) -> Verdict:
    """What an error of a disk says.

    :param reason: QEMU's, such as ``enospc``
    """
    return Verdict(Kind.IO_ERROR, reason) if action == IO_ERROR_PAUSE else Verdict(Life.UNTOLD)


def of_watchdog(action: int) -> Verdict:
    """What a watchdog that has fired says. One that resets the guest, or powers it off, was told to by its owner."""
    return Verdict(Kind.WATCHDOG) if action == WATCHDOG_PAUSE else Verdict(Life.UNTOLD)
