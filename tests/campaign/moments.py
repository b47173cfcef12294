# SPDX-License-Identifier: Apache-2.0
"""The moments of a recovery at which faults strike: found in the records, by pure functions."""

from tests.lab import facts

BEFORE = "before the death"
DEATH = "at the death"
FLAG = "at the flag"
CLAIM = "at the claim"
REQUEST = "at the first request"
HALF = "half way"
CLOSED = "at the close"
RETURN = "during the return"

MOMENTS = (BEFORE, DEATH, FLAG, CLAIM, REQUEST, HALF, CLOSED, RETURN)
AROUND_DEATH = (BEFORE, DEATH)
MIDWAY = (CLAIM, REQUEST, HALF)


def reached(moment, history, host, since):
    """Whether a host's recovery has come to a moment.

    :param moment: one of ``MOMENTS`` but BEFORE, which is not of a recovery
    :param history: the records so far; what Nova says is not needed
    :param since: when the host was struck, seconds since the epoch; None if that is still to come
    """
    return since is not None and _REACHED[moment](history, host, since)


def _flags(history, host, since):
    return [change for change in history.flags if change.host == host and change.time >= since]


def _asked(history, since):
    return [request for request in facts.evacuate_requests(history) if request.time >= since]


def _half(history, host, since):
    runs = facts.guest_runs(history)
    died = {run.instance for run in runs if run.died and run.host == host}
    back = {run.instance for run in runs if run.host != host and run.start >= since}
    return bool(died) and 2 * len(died & back) >= len(died)


_REACHED = {
    DEATH: lambda history, host, since: True,
    FLAG: lambda history, host, since: any(change.stands for change in _flags(history, host, since)),
    CLAIM: lambda history, host, since: any(change.claimed for change in _flags(history, host, since)),
    REQUEST: lambda history, host, since: bool(_asked(history, since)),
    HALF: _half,
    CLOSED: lambda history, host, since: any(change.value == "no" for change in _flags(history, host, since)),
    RETURN: lambda history, host, since: any(s.host == host and s.time > since for s in history.starts),
}
