# SPDX-License-Identifier: Apache-2.0
"""A run's timeline for people: what was broken and what happened, by the records, in the order of time. Pure."""

from tests.lab import facts

# Moments of one kind that follow each other within so many seconds are one line.
TOGETHER = 2.0


def lines(past, log, since):
    """The timeline as lines, with seconds since the death.

    :param past: the ``history.History``
    :param log: what the run did, as ``(seconds since the epoch, text)``
    :param since: when the host died, seconds since the epoch
    """
    told = sorted([*((time, text, None) for time, text in log), *_moments(past)], key=lambda moment: moment[0])
    since = since if since is not None else told[0][0] if told else 0
    return [f"{time - since:+8.1f}  {text}" for time, text in _together(told)]


def _moments(past):
    """What the records have, as ``(time, text, subject or None)``; what has a subject may be told with its like."""
    for change in past.power:
        yield change.time, f"power of {change.host} {'on' if change.on else 'off'} ({change.by})", None
    for step in past.fencing:
        word = f"{step.device} has done its part of fencing" if step.device else "Pacemaker wants to fence"
        yield step.time, f"{word} {step.host}", None
    for change in past.flags:
        yield change.time, f"flag of {change.host}: {change.value}", None
    for start in past.starts:
        yield start.time, f"nova-compute starts on {start.host}", None
    for request in past.requests:
        if request.action or request.service is not None or request.status is None or request.status >= 400:
            what = request.action or (f"service {dict(request.service)}" if request.service else "")
            text = f"request: {what or request.method + ' ' + request.path.partition('?')[0]} -> {request.status}"
            yield request.time, text, request.instance and request.instance[:8]
    for run in facts.guest_runs(past):
        yield run.start, f"guest starts on {run.host}:", run.instance[:8]
        if run.end != facts.NEVER and not run.died:
            yield run.end, f"guest stops on {run.host}:", run.instance[:8]


def _together(told):
    """Moments of one text soon after each other as one, with all their subjects."""
    merged = []
    last = {}
    for time, text, subject in told:
        before = last.get(text)
        if subject is not None and before is not None and time - before[0] <= TOGETHER:
            before[2].append(subject)
            continue
        entry = (time, text, [subject] if subject else [])
        merged.append(entry)
        last[text] = entry
    return [(time, f"{text} {' '.join(subjects)}".rstrip()) for time, text, subjects in merged]
