# SPDX-License-Identifier: Apache-2.0
"""The audits: whatever was broken, did the safety rules of the design hold over the whole history?

As Pacemaker's CTS does, they run after every scenario. Each rule is a pure function over a ``History`` that
yields its breaches; none asks whether the scenario went as it was meant to, only whether harm was done.
"""

import dataclasses
import time as clock

from tests.lab import facts
from tests.lab.history import GONE, IN_ERROR, PAUSED, RUNNING, SHELVED, STOPPED, UNSURE

# A change of the flag is recorded late by no more than this (seconds): the CIB's way to the disk.
LAG = 0.5
# Seconds after which the engine knows of every flag; it always knows of those that are older than the one it claims.
KNOWN = 5.0
# The guard's defaults (docs/parameters.md): from so many hosts on, and more than this share of all, it is a mass.
MASS, MASS_SHARE = 3, 0.5

# What is to live at the end, or is there without a guest that runs, and what Nova calls it then.
_LIVE = {RUNNING: "ACTIVE", PAUSED: "PAUSED"}
_LIFELESS = {STOPPED: "SHUTOFF", SHELVED: "SHELVED_OFFLOADED", IN_ERROR: "ERROR"}

RULES = {
    1: "no evacuation without proof of death",
    2: "never two evacuations of one instance at once",
    3: "the source host stays out until it is recovered",
    4: "nothing is forgotten",
    5: "nothing is resurrected that should be dead",
    6: "a doubtful mass failure stops the machine",
}


@dataclasses.dataclass(frozen=True)
class Breach:
    """A safety rule was broken.

    :param rule: its number in the design
    :param time: when (seconds since the epoch), None for what is wrong at the end
    :param subject: the host or instance that it happened to
    :param text: what happened
    """

    rule: int
    time: float
    subject: str
    text: str

    def __str__(self):
        when = f" at {_time_of_day(self.time)}" if self.time is not None else " at the end"
        return f"rule {self.rule} ({RULES[self.rule]}): BROKEN{when}: {self.subject}: {self.text}"


def audit(history):
    """Check every rule; return the breaches in the order of the rules."""
    return [breach for check, _seen in _CHECKS.values() for breach in check(history)]


def report(history):
    """The audits' verdicts as lines: one for each rule that held, and one for each breach."""
    breaches = audit(history)
    lines = []
    for rule, (_check, seen) in _CHECKS.items():
        broken = [str(breach) for breach in breaches if breach.rule == rule]
        lines += broken or [f"rule {rule} ({RULES[rule]}): holds, {seen(history)}"]
    return lines


def proof_of_death(history):
    """Rule 1: flagged with the power off; forced down and no guest left when an evacuation is asked for."""
    offs = facts.power_offs(history)
    for flag in history.flags:
        if flag.value == "yes" and not _at(offs, flag.host, flag.time - LAG, flag.time):
            yield Breach(1, flag.time, flag.host, "was flagged while its power was on")
    windows = facts.flag_windows(history)
    runs = facts.guest_runs(history)
    flights = facts.flights(history)
    for request in facts.evacuate_requests(history):
        source = _source(request, flights, runs)
        if source is None:
            yield Breach(1, request.time, request.instance, "evacuation asked for, and no record says where it was")
            continue
        asked = f"evacuation from {source} asked for"
        if not _at(windows, source, request.time, request.time + LAG):
            yield Breach(1, request.time, request.instance, f"{asked} without its flag")
        if not _forced_down(history, source, request.time):
            yield Breach(1, request.time, request.instance, f"{asked} before its service was forced down")
        if any(
            run.instance == request.instance and run.host == source and run.start <= request.time < run.end
            for run in runs
        ):
            yield Breach(1, request.time, request.instance, f"{asked} while its guest still ran there")


def one_at_a_time(history):
    """Rule 2: no two requests, evacuations or guests of one instance at the same time."""
    for before, after in _neighbours(facts.evacuate_requests(history)):
        if after.time < before.end:
            text = f"evacuation asked for again while the request of {_time_of_day(before.time)} was not answered"
            yield Breach(2, after.time, after.instance, text)
    flights = facts.flights(history)
    for before, after in _overlaps(flights):
        text = f"a second evacuation while that from {before.source} to {before.destination} was {before.status}"
        yield Breach(2, after.start, after.instance, text)
    for before, after in _overlaps(facts.guest_runs(history)):
        yield Breach(2, after.start, after.instance, f"ran on {before.host} and {after.host} at once")
    yield from _doubled(history)
    # Without Nova's records the rest of this rule would hold for want of evidence.
    asked = [flight.request for flight in flights]
    known = {instance.id for instance in history.instances}
    for request in facts.evacuate_requests(history):
        if request.status == 200 and request not in asked and request.instance in known:
            yield Breach(2, request.time, request.instance, "evacuation accepted, but Nova has no record of it")


def source_stays_out(history):
    """Rule 3: while its flag stands, a host's service is neither un-forced nor enabled, nor nova-compute started."""
    for window in facts.flag_windows(history):
        for request in facts.service_changes(history, window.host):
            if not window.start < request.time < window.end - LAG:
                continue
            if request.service.get("forced_down") is False:
                yield Breach(3, request.time, window.host, "its service was un-forced while its flag stood")
            if request.service.get("status") == "enabled":
                yield Breach(3, request.time, window.host, "its service was enabled while its flag stood")
        for start in history.starts:
            if start.host == window.host and window.start < start.time < window.end - LAG:
                yield Breach(3, start.time, window.host, "nova-compute was started while its flag stood")


def nothing_forgotten(history):
    """Rule 4: no flag is closed early, and at the end no host is left out and no instance lost."""
    yield from _closed_early(history)
    excused = history.expected.flagged
    for window in facts.flag_windows(history):
        if window.end == facts.NEVER and window.host not in excused:
            yield Breach(4, None, window.host, f"its flag of {_time_of_day(window.start)} still stands")
    for service in history.services:
        if service.host in excused:
            continue
        returns = service.host in history.expected.returning
        if service.forced_down and not returns:
            yield Breach(4, None, service.host, "its service is left forced down")
        if not service.enabled and not returns and (service.disabled_reason or "").startswith("nova-ha:"):
            yield Breach(4, None, service.host, f"its service is left disabled: {service.disabled_reason}")
        for migration in history.migrations:
            if migration.source == service.host and facts.is_open(migration):
                left = f"evacuation {migration.id} of instance {migration.instance} is left {migration.status}"
                yield Breach(4, None, service.host, f"{left}: nova-compute would destroy the instance if it came back")
    live = facts.live_runs(history)
    known = {instance.id: instance for instance in history.instances}
    for instance, wanted in sorted(_to_live(history).items()):
        hosts = [run.host for run in live if run.instance == instance]
        problem = _not_living(known.get(instance), wanted, hosts) or _not_beating(history, instance, wanted)
        if problem:
            yield Breach(4, None, instance, problem)


def dead_stays_dead(history):
    """Rule 5: what was stopped is stopped at the end, what was deleted is gone."""
    live = facts.live_runs(history)
    beating = _beating(history)
    known = {instance.id: instance for instance in history.instances}
    for wanted, instance in sorted((wanted, instance) for instance, wanted in history.expected.instances.items()):
        if wanted not in (RUNNING, UNSURE) and instance in beating:
            yield Breach(5, None, instance, f"should be {wanted}, but its guest beats ({beating[instance]})")
        if wanted in _LIVE or wanted == UNSURE:
            continue
        for run in live:
            if run.instance == instance:
                yield Breach(5, run.start, instance, f"should be {wanted}, but its guest was started on {run.host}")
        found = known.get(instance)
        if wanted == GONE and found:
            yield Breach(5, None, instance, f"should be gone, but Nova has it as {found.status} on {found.host}")
        if wanted in _LIFELESS and (found is None or found.status != _LIFELESS[wanted]):
            state = f"is {found.status}" if found else "is gone"
            yield Breach(5, None, instance, f"should be {wanted}, but {state}")


def mass_failure_stops(history):
    """Rule 6: while a mass of hosts is flagged, none is taken up anew without an operator's word."""
    windows = facts.flag_windows(history)
    values = {}
    for change in history.flags:
        before, values[change.host] = values.get(change.host), change.value
        if not change.claimed or before != "yes" or _was_claimed(history, windows, change):
            continue
        own = _window(windows, change)
        known = max(own.start, change.time - KNOWN)
        flagged = [window for window in windows if window.start <= known and change.time < window.end]
        if len(flagged) >= MASS and len(flagged) > MASS_SHARE * len(history.services):
            mass = f"{len(flagged)} of {len(history.services)} hosts were flagged"
            yield Breach(6, change.time, change.host, f"was taken up while {mass}, and nobody had said go")


def _was_claimed(history, windows, change):
    """Whether a host's recovery was going on already: one that was fenced once more."""
    since = _window(windows, change).start
    return any(f.host == change.host and f.claimed and since <= f.time < change.time for f in history.flags)


def _window(windows, change):
    """The span of time for which the flag stands, or stood, that a change is of."""
    return max((w for w in windows if w.host == change.host and w.start <= change.time), key=lambda w: w.start)


def _to_live(history):
    """What the instances have to be at the end that must live: those expected, and those that died with their host."""
    wanted = history.expected.instances
    flagged = {window.host for window in facts.flag_windows(history)}
    died = {run.instance for run in facts.guest_runs(history) if run.died and run.host in flagged}
    unnamed = dict.fromkeys((i for i in died if i not in wanted), RUNNING)
    return {**unnamed, **{i: state for i, state in wanted.items() if state in _LIVE}}


def _not_living(found, wanted, hosts):
    """What is wrong with an instance that should run, or be paused, or None. ``hosts``: where its guest runs."""
    if found is None:
        return "is gone"
    if found.status != _LIVE[wanted] or found.task_state:
        doing = f" ({found.task_state})" if found.task_state else ""
        return f"should be {wanted}, but is {found.status}{doing} on {found.host}"
    if hosts != [found.host]:
        return f"Nova has it on {found.host}, but its guest runs {'on ' + ', '.join(hosts) if hosts else 'nowhere'}"
    return None


def _not_beating(history, instance, wanted):
    """What is wrong with the real guest of an instance that should run, or None."""
    if history.disks is None or wanted != RUNNING or instance in _beating(history):
        return None
    lasts = [life.end for life in facts.lives(history) if life.instance == instance]
    return f"its guest does not beat, {f'since {_time_of_day(max(lasts))}' if lasts else 'and never did'}"


def _beating(history):
    """Where the disk is on which an instance's guest still writes, by instance."""
    return {disk.instance: disk.place for disk in history.disks or () if disk.beats}


def _doubled(history):
    """Real guests that ran twice at once, or would have: by what they wrote on their disks, and by QEMU's locks."""
    lives = facts.lives(history)
    for before, after in _overlaps(lives):
        first, second = (f"incarnation {life.number} ({life.place})" for life in (before, after))
        yield Breach(2, after.start, after.instance, f"{second} of its guest booted while {first} ran")
    for life in lives:
        if life.conflicts:
            found = f"found at {_count(life.conflicts, 'beat')} that another had booted from its disk"
            yield Breach(2, life.end, life.instance, f"incarnation {life.number} of its guest ({life.place}) {found}")
    for refusal in history.refusals:
        yield Breach(2, refusal.time, refusal.instance, f"QEMU refused a second start of its guest, on {refusal.host}")


def _closed_early(history):
    """A flag that was closed with an evacuation away from its host still going on, or to come."""
    windows = facts.flag_windows(history)
    for window in windows:
        following = [later.start for later in windows if later.host == window.host and later.start > window.start]
        until = min(following, default=facts.NEVER)
        for flight in facts.flights(history):
            of_it = flight.source == window.host and window.start - LAG <= flight.start < until
            if of_it and window.end < flight.end:
                text = f"its flag was closed before instance {flight.instance} was recovered"
                yield Breach(4, window.end, window.host, text)


def _source(request, flights, runs):
    """The host that an instance was to be evacuated from: by Nova's record, else where its guest was last started."""
    for flight in flights:
        if flight.request == request:
            return flight.source
    started = [run.host for run in runs if run.instance == request.instance and run.start < request.time]
    return started[-1] if started else None


def _is_accepted(request):
    """Whether Nova did what was asked for; one whose answer was lost on its way has an id by which Nova had it."""
    return request.status == 200 or (request.status is None and request.request_id is not None)


def _forced_down(history, host, time):
    """Whether the last word that Nova had accepted of the agents on a host's service by then was: forced down."""
    words = [
        request.service["forced_down"]
        for request in facts.service_changes(history, host)
        if _is_accepted(request) and request.end <= time and request.service.get("forced_down") is not None
    ]
    return bool(words) and words[-1]


def _at(spans, host, begin, end):
    return any(span.host == host and span.touches(begin, end) for span in spans)


def _neighbours(moments):
    """Each moment with the one before it of the same instance."""
    last = {}
    for moment in moments:
        if moment.instance in last:
            yield last[moment.instance], moment
        last[moment.instance] = moment


def _overlaps(intervals):
    """Each interval that begins while another one of the same instance lasts, with that one."""
    longest = {}
    for interval in intervals:
        before = longest.get(interval.instance)
        if before and interval.start < before.end:
            yield before, interval
        if before is None or interval.end > before.end:
            longest[interval.instance] = interval


def _seen_evacuations(history):
    return _count(facts.evacuate_requests(history), "evacuation") + " asked for"


def _seen_guests(history):
    seen = f"{_count(facts.flights(history), 'evacuation')} and {_count(facts.guest_runs(history), 'guest start')} seen"
    return seen if history.disks is None else f"{seen}, {_count(facts.lives(history), 'incarnation')} by their disks"


def _seen_windows(history):
    windows = [window for window in facts.flag_windows(history) if window.end != facts.NEVER]
    kept = ", ".join(f"{window.host} for {window.end - window.start:.1f} s" for window in windows)
    return f"kept out: {kept or 'none'}"


def _seen_recovered(history):
    seen = _count(_to_live(history), "instance") + " running as they should"
    return seen if history.disks is None else f"{seen}, {len(_beating(history))} by their disks"


def _seen_dead(history):
    dead = [state for state in history.expected.instances.values() if state not in _LIVE and state != UNSURE]
    return _count(dead, "dead instance") + " seen"


def _seen_claims(history):
    return _count([flag for flag in history.flags if flag.claimed], "claim") + " seen"


def _count(things, noun):
    number = things if isinstance(things, int) else len(things)
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _time_of_day(time):
    return clock.strftime("%H:%M:%S", clock.localtime(time)) + f".{int(time % 1 * 1000):03d}"


_CHECKS = {
    1: (proof_of_death, _seen_evacuations),
    2: (one_at_a_time, _seen_guests),
    3: (source_stays_out, _seen_windows),
    4: (nothing_forgotten, _seen_recovered),
    5: (dead_stays_dead, _seen_dead),
    6: (mass_failure_stops, _seen_claims),
}
