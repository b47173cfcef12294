# SPDX-License-Identifier: Apache-2.0
"""Carries out what ``decide`` decided, one step at a time; all but the sending of evacuations, which is the engine's.

Each deed is idempotent: an engine that dies in the middle of one leaves a world from which the same step follows again.
"""

import contextlib
import logging

from nova_ha import attempts as tried
from nova_ha import flag, mark, nova, restore, states
from nova_ha import steps as step_types

# Seconds after which a deletion that did not take the instance away is asked for again, and likewise a healing.
LOOK_AGAIN = 30.0

# Why Nova refuses, by HTTP status. 400: it holds the host to be alive, or the destination not to be; 409: it does
# something else with the instance just now.
_BY_STATUS = {400: tried.CONFLICT, 409: tried.CONFLICT, 403: tried.FORBIDDEN, 413: tried.FORBIDDEN}


class Deeds:
    """The steps' deeds.

    :param cluster: a ``cluster.Cluster``
    :param cloud: a ``nova.Nova``
    :param attempts: ``attempts.Attempts``, told when an instance is to be left alone for a while
    :param account: ``account.Account``, told what was done
    :param claims: the engine's ``Claims``
    :param clock: monotonic seconds
    """

    def __init__(self, cluster, cloud, attempts, account, claims, clock):
        self._cluster = cluster
        self._cloud = cloud
        self._attempts = attempts
        self._account = account
        self._claims = claims
        self._clock = clock

    def do(self, step):
        """Carry a step out; returns whether the world may be different now, so that looking again is worth while.

        :raises cluster.ClusterError: the cluster is away
        """
        try:
            return self._DEEDS[type(step)](self, step)
        except nova.CloudError as error:
            instance = getattr(step, "instance", None)
            if instance is not None:
                self._attempts.failed(instance.id, self._clock(), str(error), cause(error))
            self._event("failed", step, reason=f"{step.reason}; but {error}", level=logging.WARNING)
            return False

    def _take_out(self, step):
        with self._counted(step.service):
            if step.service.forced_down:
                request = self._cloud.disable(step.service, step.mark)
            elif step.mark is not None:
                request = self._cloud.force_down(step.service, True, enabled=False, reason=step.mark)
            else:
                request = self._cloud.force_down(step.service, True)
        self._event("forced down and disabled", step, request)
        return True

    def _enlist(self, step):
        short = step.service.host.partition(".")[0]
        if any(flagged.partition(".")[0] == short for flagged in self._cluster.flags()):
            reason = f"{step.service.host} is flagged itself"
            self._attempts.failed(step.service.id, self._clock(), reason, tried.CONFLICT)
            self._event("reserved host not enabled", step, reason=reason)
            return True
        with self._counted(step.service):
            request = self._cloud.enable(step.service)
        self._event("reserved host enabled", step, request)
        return True

    @contextlib.contextmanager
    def _counted(self, service):
        """Remember that a change of a service failed, so that nothing else waits for it."""
        try:
            yield
        except nova.CloudError as error:
            self._attempts.failed(service.id, self._clock(), str(error), cause(error))
            raise

    def _make_ready(self, step):
        instance, request = step.instance, None
        # The note first, where Nova takes it in this state: the reset makes the instance look as any other.
        note_first = instance.vm_state in states.TAGGABLE
        if step.restore and note_first:
            self._note(step)
        awkward = instance.vm_state not in ("active", "stopped") or instance.task_state in states.TASK_STATES
        if awkward and (step.restore or not step.in_place):
            request = self._cloud.reset_state(instance, "active")
        if step.restore and not note_first:
            self._note(step)
        wanted = step.restore or restore.wanted(instance)
        if step.in_place and (wanted, instance.vm_state) != (restore.STOPPED, "stopped"):
            request = self._cloud.reset_state(instance, "error")
        self._event("made ready", step, request)
        return True

    def _note(self, step):
        """Note the state that the instance is to have again; without a note it is recovered nevertheless."""
        try:
            self._cloud.tag(step.instance, restore.TAGS[step.restore])
        except nova.Refused as error:
            if error.status == 409:  # it is in another state by now
                raise
            self._attempts.not_notable(step.instance.id)
            reason = f"that it is to be {step.restore} again cannot be noted on it: {error}"
            self._event("not noted", step, reason=reason, level=logging.WARNING)

    def _confirm_resize(self, step):
        request = self._cloud.confirm_resize(step.instance)
        # It shows in the instance's state once it is done; until then, and if it never is, it counts as a failure.
        self._attempts.failed(step.instance.id, self._clock(), "its resize was to be confirmed", tried.CONFLICT)
        self._event("resize confirmed", step, request)
        return True

    def _defuse(self, step):
        self._event("defused", step, self._cloud.reset_state(step.instance, "error"))
        return True

    def _delete(self, step):
        request = self._cloud.delete(step.instance)
        self._attempts.later(step.instance.id, self._clock(), LOOK_AGAIN, "its deletion was asked for")
        self._event("deletion finished", step, request)
        return True

    def _restore(self, step):
        instance = step.instance
        moves = {
            "clear": lambda: self._cloud.reset_state(instance, "error"),
            "activate": lambda: self._cloud.reset_state(instance, "active"),
            "reboot": lambda: self._cloud.reboot(instance),
            "stop": lambda: self._cloud.stop(instance),
            "pause": lambda: self._cloud.pause(instance),
            "settle": lambda: self._retag(instance, restore.DONE_TAGS[restore.wanted(instance)]),
            "untag": lambda: self._retag(instance, None),
        }
        request = moves[step.move]()
        if step.move not in ("settle", "untag"):
            self._attempts.moved(instance.id, self._clock(), step.reason)
        self._event(f"restoring: {step.move}", step, request)
        return True

    def _retag(self, instance, tag):
        """Put a tag of ours (None: none) in the place of those that the instance has."""
        request = None if tag is None else self._cloud.tag(instance, tag)
        for old in sorted({*restore.TAGS.values(), *restore.DONE_TAGS.values()} & instance.tags - {tag}):
            request = self._cloud.untag(instance, old)
        return request

    def _heal(self, step):
        request = self._cloud.reset_state(step.instance, "active")
        before = restore.reached(step.instance)
        if before:
            self._retag(step.instance, restore.TAGS[before])
        self._attempts.later(step.instance.id, self._clock(), LOOK_AGAIN, step.reason)
        self._event("healed", step, request)
        return True

    def _close(self, step):
        closed = self._claims.close(step.host)
        if closed:
            self._event("recovered", step)
        return closed

    def _start_again(self, step):
        held = self._claims.change(step.host, flag.RECOVERED, flag.RESTART)
        if held:
            self._attempts.starting_again(step.host)
            self._event("held back once more", step)
        return held

    def _let_start(self, step):
        let = self._claims.change(step.host, flag.RESTART, flag.RECOVERED)
        if let:
            self._event("let start once more", step)
        return let

    def _put_back(self, step):
        if self._cluster.flag(step.host) != flag.RECOVERED:
            return True  # fenced again since this pass read the flags
        before = mark.reason_before(step.service)
        if before is not None:
            request = self._cloud.force_down(step.service, False, enabled=False, reason=before)
        elif mark.is_marked(step.service):
            request = self._cloud.force_down(step.service, False, enabled=True)
        else:
            request = self._cloud.force_down(step.service, False)
        self._event("put back" + (f", disabled as before: {before}" if before is not None else ""), step, request)
        return True

    def _clear(self, step):
        cleared = self._cluster.swap_flag(step.host, flag.RECOVERED, None)
        if cleared:
            self._event("flag cleared", step)
        return cleared

    def _event(self, name, step, request=None, reason=None, level=logging.INFO):
        instance = getattr(step, "instance", None)
        self._account.event(name, step.host, instance and instance.id, request, reason or step.reason, level)

    _DEEDS = {
        step_types.TakeOut: _take_out,
        step_types.Enlist: _enlist,
        step_types.MakeReady: _make_ready,
        step_types.ConfirmResize: _confirm_resize,
        step_types.Defuse: _defuse,
        step_types.Delete: _delete,
        step_types.Restore: _restore,
        step_types.Heal: _heal,
        step_types.Close: _close,
        step_types.StartAgain: _start_again,
        step_types.LetStart: _let_start,
        step_types.PutBack: _put_back,
        step_types.Clear: _clear,
    }


def cause(error):
    """Why a request failed, one of ``attempts.BACKOFFS``, by what the cloud answered."""
    if isinstance(error, nova.Refused):
        return _BY_STATUS.get(error.status, tried.UNKNOWN)
    return tried.AWAY
