# SPDX-License-Identifier: Apache-2.0
"""The demo: twenty instances on one host, its power is cut, and the cloud heals itself while you watch."""

import sys
import time

from tests.lab import audits, faults, healing, history, scenario, timeline, workload
from tests.lab.settings import COMMAND
from tests.lab.waiting import wait_for

INSTANCES = 20
# Seconds from the power cut until the host must be back in service; about 60 are usual.
LIMIT = 300

HINTS = f"""
The lab stays up. Look around with
    {COMMAND} status            the cluster, its flags, Nova's services and instances
    {COMMAND} shell control-1   then: crm_mon -A1, pcs status, ...
    {COMMAND} kill compute-2    another host dies
and take it down with
    {COMMAND} down"""


def demo(settings, out=None):
    """Cut the power of a host with ``INSTANCES`` instances, show how they come back, and audit what happened.

    The lab must be up.

    :param settings: of the lab
    :param out: stream to print to, standard output by default
    :return: exit code: 0 if every instance runs again and every audit holds, else 1
    :raises LabError: it did not come to an end in time, or the lab failed
    """
    show = Show(out or sys.stdout)
    host = settings.compute_hosts[0]
    healing.heal(settings)
    with scenario.recorded(settings) as story:
        show.line(f"{INSTANCES} instances are booted on {host} ...")
        ids = workload.boot(settings, INSTANCES, host)
        story.expect(history.RUNNING, *ids)
        since = time.time()
        faults.power_cut(host)
        show.line(f"The power of {host} is cut, without a goodbye on the network. Seconds since then:")
        found = _follow(settings, host, since, show)
        _await_service(settings, host)
    past = story.history()
    lost = _lost(past, ids)
    for line in ["", *timeline.table(found, since), "", *audits.report(past), ""]:
        show.line(line)
    show.line(f"{INSTANCES - len(lost)} of {INSTANCES} instances run again, {len(lost)} lost.")
    show.line(HINTS)
    return 1 if lost or audits.audit(past) else 0


class Show:
    """Prints the timeline line by line, and on a terminal a bar that grows in its place."""

    WIDTH = 30

    def __init__(self, out):
        self._out = out
        self._bar = None

    def line(self, text):
        """Print a line; a bar that stands stays above it."""
        if self._bar and self._out.isatty():
            print(file=self._out)
        self._bar = None
        print(text, file=self._out, flush=True)

    def moment(self, moment, since):
        """Print a moment of the timeline."""
        self.line(f"{moment.time - since:7.1f}  {moment.phase:<12} {moment.text}")

    def bar(self, now, done, total):
        """Show how many instances are back; nothing is printed unless that changed."""
        if (done, total) == self._bar or not total:
            return
        filled = self.WIDTH * done // total
        text = f"{now:7.1f}  {'back':<12} [{'#' * filled}{'.' * (self.WIDTH - filled)}] {done}/{total}"
        print("\r" + text if self._out.isatty() else text, end="" if self._out.isatty() else "\n", file=self._out)
        self._out.flush()
        self._bar = (done, total)


def _follow(settings, host, since, show):
    """Print what happens as it happens, until the host is back in service; return the moments."""
    # The services tell which requests are about which host; that does not change.
    services = workload.services(settings)
    shown = []
    seen = set()
    before = 0

    def over():
        nonlocal before
        past = history.read(services=services)
        done, total = timeline.instances_back(past, host, since)
        if done != before:
            show.bar(time.time() - since, done, total)
            before = done
        for moment in timeline.moments(past, host, since):
            if moment.phase not in seen:
                seen.add(moment.phase)
                shown.append(moment)
                show.moment(moment, since)
        return timeline.BACK_IN_SERVICE in seen

    wait_for(f"{host} to be recovered and back in service", over, LIMIT, look=f"{COMMAND} collect")
    return sorted(shown, key=lambda moment: moment.time)


def _await_service(settings, host):
    """Nova's own view follows with the service's next report."""

    def usable():
        states = {service["host"]: service for service in workload.services(settings)}
        return states[host]["state"] == "up" and states[host]["status"] == "enabled"

    wait_for(f"Nova to have {host} up and enabled", usable, 90, interval=1, look=f"{COMMAND} status")


def _lost(past, ids):
    """The instances that do not run, by Nova's word."""
    running = {instance.id for instance in past.instances if instance.status == "ACTIVE" and not instance.task_state}
    return set(ids) - running
