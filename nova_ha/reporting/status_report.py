# SPDX-License-Identifier: Apache-2.0
"""The engine's account of itself: what is happening to each host and instance, since when and why, and what happened.

All of it is plain data that JSON can hold. The engine keeps it in its status file (see ``engine_state``), where
``nova-ha`` finds it; each event is also a line in the journal, for people and, in its ``name=value`` pairs, for
programs.

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
instances      ``{instance id: {name, doing, code, reason, command, needs_operator, since, restart, failures,
               last_failure}}``; restart is what must be restarted before the command, ``{process, host}``
               (host None: on each control node), or None
============== =======================================================================================

Events (see ``events``), oldest first: ``{time, level, event, host, instance, request, code, reason, command}``; what
does not apply is None.
"""

import collections
import dataclasses
import json
import logging
import re
import time

from nova_ha.model import request
from nova_ha.model.actions import Wait, is_action
from nova_ha.model.reasons import Code
from nova_ha.reporting.events import Event

RECOVERING = ("recover", None, "its instances are being recovered, see each one")
NOT_YET = ("wait", Code.NOT_YET, "the engine has not come to it yet")

_EVENT_KEYS = ("time", "level", "event", "host", "instance", "request", "code", "reason", "command")
_QUOTED = ("reason", "command")
_BARE = re.compile(r"[^\s\"=]+")


class Account:
    """Keeps the account, and logs the events.

    :param log: a ``logging.Logger``
    :param clock: seconds since the epoch
    :param keep: how many events are kept
    """

    def __init__(self, log, clock=time.time, keep=1000):
        self._log = log
        self._clock = clock
        self._events = collections.deque(maxlen=keep)
        self._hosts = {}

    @classmethod
    def from_dict(cls, former, log, clock=time.time, keep=1000):
        """A new account that begins with the events of a former engine's; see ``as_dict``.

        What cannot be understood, as another version may have written it, is left out. What hosts and instances were
        doing is not taken over: it ended with that engine.
        """
        account = cls(log, clock, keep)
        events = former.get("events")
        known = [event for event in events if _is_event(event)] if isinstance(events, list) else []
        account._events.extend(known)
        return account

    def event(self, event, host, instance=None, request=None, reason=None, code=None, command=None):
        """Keep that something happened, and log it.

        :param event: what happened, an ``events.Event``
        :param host: the cluster's name of the source host
        :param instance: id of the instance
        :param request: Nova's request id
        :param reason: why, for people
        :param code: why, a code of ``reasons``
        :param command: the way out
        """
        about = {"host": host, "instance": instance, "request": request}
        about.update(code=code and code.value, reason=reason, command=command)
        word = logging.getLevelName(event.level).lower()
        self._events.append({"time": self._clock(), "level": word, "event": event.value, **about})
        pairs = [f"{key}={_logfmt(value, key in _QUOTED)}" for key, value in about.items() if value is not None]
        self._log.log(event.level, "%s: %s", event.value, " ".join(pairs))

    def hosts(self, flags, steps, tried):
        """Bring the account of all hosts up to date after a pass; what newly waits or is left is an event.

        :param flags: ``{host: flag value}``; hosts that are neither in it nor in a step are dropped
        :param steps: the pass's steps, of all hosts
        :param tried: called with an instance's id; returns its ``request.Attempt`` or None
        """
        # What several steps are about, the first that needs an operator stands for, or simply the first.
        about = {host: {} for host in flags}
        for step in sorted(steps, key=_needs_operator, reverse=True):
            about.setdefault(step.host, {}).setdefault(_instance_of(step), step)
        self._hosts = {
            host: self._host(host, flags.get(host), own, self._hosts.get(host, {}), tried)
            for host, own in about.items()
        }

    def as_dict(self):
        """The account as ``{"hosts": ..., "events": ...}``, described above."""
        return {"hosts": self._hosts, "events": list(self._events)}

    def _host(self, host, value, steps, before, tried):
        """The account of one host, from its steps by the instance that they are about (None: the host itself)."""
        own = steps.pop(None, None)
        if own is not None:
            now = self._now(own, before, host)
        else:
            now = self._state(*(RECOVERING if steps else NOT_YET), before)
        known = before.get("instances", {})
        instances = {
            instance: self._instance(step, known.get(instance, {}), tried(instance)) for instance, step in steps.items()
        }
        return {"flag": value, **now, "instances": instances}

    def _instance(self, step, before, attempt):
        """The account of one instance."""
        last_failure = before.get("last_failure")
        if attempt is not None and attempt.outcome == request.FAILED:
            last_failure = attempt.reason
        restart = getattr(step, "restart", None)
        return {
            "name": step.instance.name,
            **self._now(step, before, step.host, step.instance.id),
            "restart": restart and dataclasses.asdict(restart),
            "failures": attempt.failures if attempt is not None else 0,
            "last_failure": last_failure,
        }

    def _now(self, step, before, host, instance=None):
        """What a step says is being done; that it is nothing is an event when it is new, and Nova is not at work."""
        code, command = getattr(step, "code", None), getattr(step, "command", None)
        state = self._state(step.label, code, step.reason, before, command, _needs_operator(step))
        if not is_action(step) and not getattr(step, "under_way", False) and not _is_same(state, before):
            self.event(_of_no_action(step), host, instance, None, step.reason, code, command)
        return state

    def _state(self, what, code, reason, before, command=None, needs_operator=False):
        state = {"doing": what, "code": code and code.value, "reason": reason, "command": command}
        state["needs_operator"] = needs_operator
        return {**state, "since": before["since"] if _is_same(state, before) else self._clock()}


def _of_no_action(step):
    """The event of a step that is to do nothing."""
    if _instance_of(step) is None:
        return Event.HOST_NEEDS_OPERATOR if step.needs_operator else Event.HOST_WAITS
    if step.needs_operator:
        return Event.INSTANCE_NEEDS_OPERATOR
    return Event.INSTANCE_WAITS if isinstance(step, Wait) else Event.INSTANCE_SKIPPED


def _needs_operator(step):
    return getattr(step, "needs_operator", False)


def _instance_of(step):
    instance = getattr(step, "instance", None)
    return instance.id if instance is not None else None


def _is_same(state, before):
    return all(before.get(key) == value for key, value in state.items())


def _is_event(event):
    return isinstance(event, dict) and set(event) == set(_EVENT_KEYS) and isinstance(event["time"], (int, float))


def _logfmt(value, quoted):
    """A value as logfmt writes it: in one line, quoted where it must be, or where that is asked."""
    text = str(value)
    return text if not quoted and _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
