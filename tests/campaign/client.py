# SPDX-License-Identifier: Apache-2.0
"""The tenant: uses the cloud all the while, as the plan says, and keeps account of what he asked for and was told."""

import time

import keystoneauth1.exceptions
import novaclient.exceptions

from tests.campaign.account import Done
from tests.lab import workload
from tests.lab.shell import LabError

# Seconds that he looks for what he asked for to be done.
PATIENCE = 10
SHOWN = {"create": "ACTIVE", "stop": "SHUTOFF", "delete": None}
_ERRORS = (LabError, novaclient.exceptions.ClientException, keystoneauth1.exceptions.ClientException)


class Client:
    """A tenant.

    :param field: the ``run.Field``
    :param deeds: the plan's
    :param mine: ids of the running instances that he may stop or delete
    """

    def __init__(self, field, deeds, mine):
        self._field = field
        self._deeds = deeds
        self._mine = list(mine)
        self.done = []

    def work(self):
        """Do all deeds at their times; none of them fails the run."""
        for deed in self._deeds:
            if not self._field.at(deed.at):
                return
            try:
                self._do(deed)
            except _ERRORS as error:
                self._field.say(f"the tenant's {deed.what}: {' '.join(str(error).split())[:160]}")

    def _do(self, deed):
        if deed.what == "create":
            done = self._begin(Done(time.time(), "create"))
            [done.instance] = workload.create(
                self._field.settings, 1, None, prefix=f"new-{len(self.done)}", flavor="tiny"
            )
            self._mine.append(done.instance)
        else:
            chosen = self._choose(deed.pick)
            if chosen is None:
                return
            done = self._begin(Done(time.time(), deed.what, chosen["id"], chosen["host"]))
            servers = workload.client(self._field.settings).servers
            getattr(servers, deed.what)(chosen["id"])
        done.accepted, done.answered = True, time.time()
        self._follow(done)

    def _begin(self, done):
        self.done.append(done)
        if done.instance in self._mine:
            self._mine.remove(done.instance)
        return done

    def _choose(self, pick):
        """One of his instances with which nothing is being done, on a host that is not being recovered."""
        flags = self._field.standing()
        fit = [
            entry
            for entry in workload.instances(self._field.settings)
            if entry["id"] in self._mine
            and (entry["status"], entry["task_state"]) == ("ACTIVE", None)
            and entry["host"] not in flags
        ]
        return fit[int(pick * len(fit))] if fit else None

    def _follow(self, done):
        """Look until it is done, for a while."""
        end = time.monotonic() + PATIENCE
        while not done.confirmed and time.monotonic() < end and not self._field.over.wait(0.5):
            found = {entry["id"]: entry for entry in workload.instances(self._field.settings)}
            entry = found.get(done.instance)
            done.host = (entry or {}).get("host") or done.host
            done.confirmed = (entry["status"] if entry else None) == SHOWN[done.what]
        word = "done" if done.confirmed else "accepted"
        self._field.say(f"the tenant's {done.what} of {done.instance} on {done.host}: {word}")
