# SPDX-License-Identifier: Apache-2.0
"""Every time and count that the engine's memory and decisions go by, each with what it rests on.

A test goes red for each that is changed. Where it is an option of Nova's, docs/exactly-once.md says which, and what
follows if an operator raises that.
"""

from __future__ import annotations

from typing import NamedTuple

from nova_ha.model.request import AWAY, CONFLICT, FORBIDDEN, NO_ROOM, REFUSED, SPAWN, UNKNOWN

# What the control plane is given (docs/exactly-once.md has what each was measured by)

# Seconds after a lost or accepted request in which its record must have shown, or it never took effect; and in which,
# the bus being at work, whoever has a message begins with it. Nova writes the record while it answers, and connects to
# a bus that is back within 30 s (oslo.messaging's rabbit_interval_max).
SETTLE = 60
# Seconds in which all requests that are unclear have been read, and read again.
LOOKED = 20.0
# Seconds without a look at the hosts' reports after which Nova's API was away. They are looked at every ten seconds.
SILENCE = 45.0
# Seconds between two looks at the hosts' reports, of an engine that is not late.
LOOK = 10.0
# Seconds without a new report of any host after which the bus or the conductor was away: each host reports every 10 s
# (Nova's report_interval).
BREAK = 30.0
# Seconds without one, of any host or of one conductor, after which it may have been so: two reports of each.
PAUSE = 20.0
# Seconds, beyond Nova's own times (``Rules.rpc_response_timeout`` and ``long_rpc_timeout``), for a conductor's reports,
# and for the queues before and after it.
FOR_REPORTS, FOR_QUEUES = 15.0, 180.0
# Seconds in which a conductor of which nothing is known has come to all that waits for it: ten minutes of a slow
# scheduler, and half of that again.
FOR_BACKLOG = 900.0
# For so many times as long as requests have taken until they were scheduled, one may take that waits for the conductor.
SLOWER = 1.5

# Hosts

# So many reports within so many seconds prove that a host lives that is held to be dead. One may come of a message that
# it left behind, and one of each change of its service by ourselves or an operator: those move the same time of Nova's,
# but not every ten seconds (measured).
LIFE_REPORTS, LIFE_WITHIN = 3, 60.0
# Seconds for which a host must have been seen silent: Pacemaker has noticed its death, and fenced it, by then.
SILENT_HOST_PATIENCE = 120.0
# Seconds that the database of a cell may be away before an operator is told of each flagged host there.
UNREAD_PATIENCE = 60.0
# Seconds between two looks at the starts: for evacuations that have begun since the last one, and for those that have
# been going on for so long.
RESTARTS_SOON, RESTARTS_LATER = 3.0, 30.0
# Seconds that a host, or what waits for it, has its turn, if the other waits. A host's next turn is twice as long each
# time, up to so many times: nova-compute asks each dead host for a minute when it starts (measured), so how long it
# takes is not known.
TURN = 120.0
TURN_DOUBLINGS = 4
# Seconds in which a start that Pacemaker was about to begin when a host was held back shows in its records.
STOPPING = 10.0
# Seconds that nova-compute is given, from its first report, to clean up. It does so before it reports, but an
# operator's change of the service looks like a report.
CLEANING = 10.0
# Seconds in which a recovered host should be back.
RETURN_PATIENCE = 900.0
# Starts of nova-compute after which we stop to hope that one more ends the records that are left.
MOST_STARTS = 5

# Instances

# What did not help so often an operator should know of, though it goes on.
MANY = 5
# Failures in a row after which an instance holds nobody back any more: as far as others are concerned, for good.
FAILED_FOR_GOOD = 3
# The part of the window that must be free before it is filled up again: each time costs a look at the whole world, and
# what is in flight keeps the destinations busy meanwhile.
REFILL = 0.25
# Seconds: without any evacuation that is younger in its present status, places are filled up singly.
LIVELY = 10.0
# Seconds that an instance must have been seen in error with a task that goes nowhere: its owner's own rebuild looks the
# same while its guest shuts down, for which Nova gives it 60 s (shutdown_timeout), but moves on.
STRAY_TASK_CERTAIN = 90.0
# Seconds that Nova is given to end a live migration whose source has died: twice the usual limit of its own requests.
MIGRATION_PATIENCE = 120
# Evacuations after which it is believed that no host may read the key of an instance's encrypted volume: the key
# manager may refuse one host for a moment, or for that host's configuration.
KEY_ATTEMPTS = 3
# Seconds that Glance is given to say which images select instances, before an operator is told.
SELECTION_PATIENCE = 60
# Seconds after which a resize that its former host does not confirm is given up, though that host reads up.
CONFIRMATION_PATIENCE = 180

# Retries


class Backoff(NamedTuple):
    """Seconds before the first retry, doubled for each further one up to the longest."""

    first: float
    longest: float


# No room is also looked at again at once when a host comes back: see ``observe_services``. Each try leaves a record in
# Nova for good, so that the pauses get long.
BACKOFFS = {
    NO_ROOM: Backoff(10, 1200),
    SPAWN: Backoff(5, 300),
    CONFLICT: Backoff(5, 60),
    FORBIDDEN: Backoff(60, 600),
    AWAY: Backoff(2, 30),
    REFUSED: Backoff(0, 0),
    UNKNOWN: Backoff(5, 300),
}
