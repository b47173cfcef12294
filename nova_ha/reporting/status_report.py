# SPDX-License-Identifier: Apache-2.0
"""The engine's account of itself: what is happening to each host and instance, since when and why, and what happened.

All of it is plain data that JSON can hold. The engine keeps it in its status file (see ``engine_state``), where
``nova-ha`` finds it; each event is also a line in the journal, for people and, in its ``name=value`` pairs and its
fields, for programs.

Hosts, as ``{name of the host: ...}``:

============== =======================================================================================
key            value
============== =======================================================================================
flag           the flag's value; None where only instances that were evacuated are still seen to
doing          label of the step at hand (see ``actions``); ``recover`` while its instances are recovered
code           why it waits, or is left: a code of ``reasons``; None where something is done
reason         why, for people
command        the way out, complete, where there is one; the reason tells when to take it
needs_operator true if it will not end by itself
since          when it began to do this for this reason; seconds since the epoch
begun          when the engine took the host up; None if another engine did, on another node
back           how many of its instances have been seen to arrive elsewhere since
counts         ``{doing: number of instances}``
instances      ``{instance id: {name, doing, code, reason, command, needs_operator, since, restart, failures,
               last_failure}}``; restart is what must be restarted before the command, ``{process, host}``
               (host None: on each control node), or None
============== =======================================================================================

Events (see ``events``), oldest first: ``{time, level, event, host, instance, request, code, reason, command}``; what
does not apply is None. Counters: see ``counters``.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

from nova_ha.model import request
from nova_ha.model.actions import NoAction, Step, Wait, instance_of
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Instance
from nova_ha.reporting import journal
from nova_ha.reporting.counters import Counters
from nova_ha.reporting.events import Event
from nova_ha.reporting.progress import Progress

RECOVERING: tuple[str, Code | None, str] = ("recover", None, "its instances are being recovered, see each one")
NOT_YET: tuple[str, Code | None, str] = ("wait", Code.NOT_YET, "the engine has not come to it yet")

_EVENT_KEYS = ("time", "level", "event", "host", "instance", "request", "code", "reason", "command")
_QUOTED = ("reason", "command")
_BARE = re.compile(r"[^\s\"=]+")


class _Doing(TypedDict):
    doing: str
    code: str | None
    reason: str
    command: str | None
    needs_operator: bool


class State(_Doing):
    """What is being done about a host or an instance."""

    since: float


class InstanceAccount(State):
    """What is known of an instance."""

    name: str
    restart: dict[str, str | None] | None
    failures: int
    last_failure: str | None


class HostAccount(State):
    """What is known of a host."""

    flag: str | None
    begun: float | None
    back: int
    counts: dict[str, int]
    instances: dict[str, InstanceAccount]


class _About(TypedDict):
    host: str
    instance: str | None
    request: str | None
    code: str | None
    reason: str | None
    command: str | None


class Entry(_About):
    """An event as it is kept."""

    time: float
    level: str
    event: str


class Account:
    """Keeps the account, and logs the events.

    :param clock: seconds since the epoch
    :param keep: how many events are kept
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.time, keep: int = 1000) -> None:
        self._log = log
        self._clock = clock
        self._events: collections.deque[Entry] = collections.deque(maxlen=keep)
        self._hosts: dict[str, HostAccount] = {}
        self._progress = Progress()
        self._counters = Counters()
        self._listener: Callable[[Entry], object] = lambda _entry: None

    @classmethod
    def from_dict(
        cls,
        former: Mapping[str, object],
        log: logging.Logger,
        clock: Callable[[], float] = time.time,
        keep: int = 1000,
    ) -> Account:
        """A new account that begins with the events of a former engine's; see ``as_dict``.

        What cannot be understood, as another version may have written it, is left out. What hosts and instances were
        doing is not taken over: it ended with that engine.
        """
        account = cls(log, clock, keep)
        events = former.get("events")
        known = [event for event in events if _is_event(event)] if isinstance(events, list) else []
        account._events.extend(known)
        account._counters = Counters.from_dict(former.get("counters"))
        for entry in known:
            account._progress.see(entry["event"], entry["host"], entry["instance"], entry["time"])
        return account

    def listen(self, listener: Callable[[Entry], object]) -> None:
        """Have each event from now on told to one more who wants to know, who keeps nobody waiting."""
        self._listener = listener

    def event(
        self,
        event: Event,
        host: str,
        instance: str | None = None,
        request: str | None = None,
        reason: str | None = None,
        code: Code | None = None,
        command: str | None = None,
    ) -> None:
        """Keep that something happened, and log it.

        :param event: what happened
        :param host: the cluster's name of the source host
        :param instance: id of the instance
        :param request: Nova's request id
        :param reason: why, for people
        :param code: why
        :param command: the way out
        """
        about: _About = {
            "host": host,
            "instance": instance,
            "request": request,
            "code": code and code.value,
            "reason": reason,
            "command": command,
        }
        word, now = logging.getLevelName(event.level).lower(), self._clock()
        entry: Entry = {"time": now, "level": word, "event": event.value, **about}
        self._events.append(entry)
        self._listener(entry)
        begun = self._progress.begun(host)
        self._counters.see(event, None if begun is None else now - begun)
        self._progress.see(event.value, host, instance, now)
        taken_up = self._progress.begun(host) or begun  # the last event of a recovery ends it
        recovery = None if taken_up is None else f"{host}@{taken_up:.0f}"
        pairs = [f"{key}={logfmt(value, key in _QUOTED)}" for key, value in about.items() if value is not None]
        fields = {"event": event.value, "recovery": recovery, **about}
        self._log.log(event.level, "%s: %s", event.value, " ".join(pairs), extra={journal.EXTRA: fields})

    def hosts(
        self, flags: Mapping[str, str], steps: Iterable[Step], tried: Callable[[str], request.Attempt | None]
    ) -> None:
        """Bring the account of all hosts up to date after a pass; what newly waits or is left is an event.

        :param flags: ``{host: flag value}``; hosts that are neither in it nor in a step are dropped
        :param steps: the pass's steps, of all hosts
        :param tried: called with an instance's id
        """
        # What several steps are about, the first that needs an operator stands for, or simply the first.
        of_hosts: dict[str, Step] = {}
        of_instances: dict[str, dict[str, tuple[Instance, Step]]] = {host: {} for host in flags}
        for step in sorted(steps, key=_needs_operator, reverse=True):
            known, instance = of_instances.setdefault(step.host, {}), instance_of(step)
            if instance is None:
                of_hosts.setdefault(step.host, step)
            else:
                known.setdefault(instance.id, (instance, step))
        self._hosts = {
            host: self._host(host, flags.get(host), of_hosts.get(host), own, self._hosts.get(host), tried)
            for host, own in of_instances.items()
        }
        self._progress.keep(self._hosts)

    def events(self) -> list[Entry]:
        """What is kept of what has happened, oldest first."""
        return list(self._events)

    def as_dict(self) -> dict[str, object]:
        """The account as ``{"hosts": ..., "events": ..., "counters": ...}``, described above."""
        return {"hosts": self._hosts, "events": list(self._events), "counters": self._counters.as_dict()}

    def _host(
        self,
        host: str,
        value: str | None,
        own: Step | None,
        steps: Mapping[str, tuple[Instance, Step]],
        before: HostAccount | None,
        tried: Callable[[str], request.Attempt | None],
    ) -> HostAccount:
        """The account of one host, from the step about the host itself, and those about instances by their ids."""
        otherwise = RECOVERING if steps else NOT_YET
        now = self._now(own, before) if own is not None else self._state(*otherwise, before)
        known = before["instances"] if before is not None else {}
        instances = {
            id: self._instance(instance, step, known.get(id), tried(id)) for id, (instance, step) in steps.items()
        }
        return {
            "flag": value,
            **now,
            "begun": self._progress.begun(host),
            "back": self._progress.back(host),
            "counts": dict(collections.Counter(about["doing"] for about in instances.values())),
            "instances": instances,
        }

    def _instance(
        self, instance: Instance, step: Step, before: InstanceAccount | None, attempt: request.Attempt | None
    ) -> InstanceAccount:
        """The account of one instance."""
        last_failure = before["last_failure"] if before is not None else None
        if attempt is not None and attempt.outcome == request.FAILED:
            last_failure = attempt.reason
        restart = step.restart if isinstance(step, Wait) else None
        return {
            "name": instance.name,
            **self._now(step, before, instance.id),
            "restart": dataclasses.asdict(restart) if restart else None,
            "failures": attempt.failures if attempt is not None else 0,
            "last_failure": last_failure,
        }

    def _now(self, step: Step, before: State | None, instance: str | None = None) -> State:
        """What a step says is being done; that it is nothing is an event when it is new, and Nova is not at work."""
        if not isinstance(step, NoAction):
            return self._state(step.label, None, step.reason, before)
        state = self._state(step.label, step.code, step.reason, before, step.command, step.needs_operator)
        is_under_way = isinstance(step, Wait) and step.under_way
        if not is_under_way and not _is_same(state, before):
            self.event(_of_no_action(step), step.host, instance, None, step.reason, step.code, step.command)
        return state

    def _state(
        self,
        what: str,
        code: Code | None,
        reason: str,
        before: State | None,
        command: str | None = None,
        needs_operator: bool = False,
    ) -> State:
        state: _Doing = {
            "doing": what,
            "code": code and code.value,
            "reason": reason,
            "command": command,
            "needs_operator": needs_operator,
        }
        since = before["since"] if before is not None and _is_same(state, before) else self._clock()
        return {**state, "since": since}


def _of_no_action(step: NoAction) -> Event:
    """The event of a step that is to do nothing."""
    if step.instance is None:
        return Event.HOST_NEEDS_OPERATOR if step.needs_operator else Event.HOST_WAITS
    if step.needs_operator:
        return Event.INSTANCE_NEEDS_OPERATOR
    return Event.INSTANCE_WAITS if isinstance(step, Wait) else Event.INSTANCE_SKIPPED


def _needs_operator(step: Step) -> bool:
    return isinstance(step, NoAction) and step.needs_operator


def _is_same(state: _Doing, before: _Doing | None) -> bool:
    return before is not None and state.items() <= before.items()


def _is_event(event: object) -> bool:
    return isinstance(event, dict) and set(event) == set(_EVENT_KEYS) and isinstance(event["time"], (int, float))


def logfmt(value: object, quoted: bool) -> str:
    """A value as logfmt writes it: in one line, quoted where it must be, or where that is asked."""
    text = str(value)
    return text if not quoted and _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
