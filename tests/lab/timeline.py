# SPDX-License-Identifier: Apache-2.0
"""One host's way from its failure back into service: moments, found in the records by pure functions."""

import dataclasses

from tests.lab import facts


@dataclasses.dataclass(frozen=True)
class Moment:
    """The first time that something happened in a host's recovery.

    :param time: seconds since the epoch
    :param phase: its short name
    :param text: what happened, for people
    """

    time: float
    phase: str
    text: str


BACK_IN_SERVICE = "in service"


def moments(history, host, since):
    """What has happened to a host since its failure, in the order of time; what has not happened yet is left out.

    :param since: when it failed, seconds since the epoch
    """
    asked = [request for request in facts.evacuate_requests(history) if request.instance in _hit(history, host, since)]
    returns = list(_returns(history, host, since).values())
    flags = [flag for flag in history.flags if flag.host == host]
    fencing = [step for step in history.fencing if step.host == host]
    closed = [flag for flag in flags if flag.value == "no"]
    found = [
        _first(since, [step.time for step in fencing if step.device is None], "detected",
               "Pacemaker decides to fence it"),
        _first(since, [step.time for step in fencing if step.device], "power off",
               "its BMC says that the power is off"),
        _first(since, [flag.time for flag in flags if flag.value == "yes"], "flagged",
               "fence_compute has proved the power off and flagged it"),
        _first(since, [flag.time for flag in flags if flag.claimed], "claimed", _claim(flags, since)),
        _first(since, [request.end for request in facts.service_changes(history, host)
                       if request.service.get("forced_down")], "forced down", "Nova knows that it is dead"),
        _first(since, [request.time for request in asked], "evacuating", "the first instance is asked for elsewhere"),
        _first(since, [max(returns)] if returns and None not in returns else [], "all back",
               f"{len(returns)} instances run again"),
        _first(since, [flag.time for flag in closed], "closed", "recovered: nova-compute may start there again"),
        _first(since, [flag.time for flag in flags if flag.value is None and closed and flag.time > closed[0].time],
               BACK_IN_SERVICE, "un-forced and enabled, the flag is gone"),
    ]  # fmt: skip
    return sorted((moment for moment in found if moment), key=lambda moment: moment.time)


def instances_back(history, host, since):
    """How many of the instances that died with a host run elsewhere, and how many died, as a pair."""
    returns = _returns(history, host, since)
    return sum(time is not None for time in returns.values()), len(returns)


def table(found, since):
    """The moments as lines of text: seconds since the failure, and seconds since the moment before.

    :param found: what ``moments`` gave
    """
    lines = [f"{'phase':<12} {'at (s)':>8} {'took (s)':>9}"]
    before = since
    for moment in found:
        lines.append(f"{moment.phase:<12} {moment.time - since:8.1f} {moment.time - before:9.1f}")
        before = moment.time
    return lines


def _first(since, times, phase, text):
    later = [time for time in times if time >= since]
    return Moment(min(later), phase, text) if later else None


def _claim(flags, since):
    claims = [flag.value for flag in flags if flag.claimed and flag.time >= since]
    return f"the engine on {claims[0].partition('@')[0]} takes it up" if claims else ""


def _hit(history, host, since):
    """The instances that died with a host."""
    runs = facts.guest_runs(history)
    return {run.instance for run in runs if run.died and run.host == host and run.end >= since}


def _returns(history, host, since):
    """When each instance that died with a host first ran elsewhere; None: not yet."""
    returns = dict.fromkeys(_hit(history, host, since))
    for run in facts.guest_runs(history):
        if run.instance in returns and run.host != host and run.start >= since and returns[run.instance] is None:
            returns[run.instance] = run.start
    return returns
