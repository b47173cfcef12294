# SPDX-License-Identifier: Apache-2.0
"""The words that the functional tests are told with: what is given, what happens, what must come of it.

Everything that is awaited has a limit, in seconds from the moment it is awaited.
"""

import concurrent.futures
import contextlib
import json
import os
import time

import pytest

from nova_ha.model.reasons import Code
from tests.lab import audits, cluster, facts, faults, healing, history, nodes, scenario, workload
from tests.lab.cloud import impair
from tests.lab.settings import SOURCE_TREE, VIRT_VARIABLE, Settings
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for
from tests.pages import commands

# Detection of a silent death takes 20 s, fencing a few, the recovery of 20 instances 10 on two cores; with room.
RECOVERY_LIMIT = 150
# The host boots, its connection is retried, nova-compute starts and cleans up, and reports.
RETURN_LIMIT = 150

# The same where another engine goes on with it: it gives what the former one may have sent a minute to show.
TAKE_OVER_LIMIT = RECOVERY_LIMIT + 60

# Seconds until all is recovered though a part of Nova took with it what it had taken up: that is certain once Nova has
# been at work again for a minute, and after an outage of the message bus a nova-compute may not report for two.
LOSS_LIMIT = 330

# For stories that take minutes.
LONG = pytest.mark.skipif(os.environ.get("NOVA_HA_LAB_LONG") != "1", reason="takes minutes: NOVA_HA_LAB_LONG=1")


# For stories whose guests are virtual machines that keep diaries; every other lab skips them.
REAL_GUESTS = pytest.mark.skipif(not Settings.load().real_guests, reason=f"needs real guests: {VIRT_VARIABLE}=libvirt")


class Story:
    """One test's scenario on the lab.

    :param settings: of the lab
    :param recorded: the ``Scenario`` that is going on
    :param returning: hosts that are still on their way back
    """

    def __init__(self, settings, recorded, returning=()):
        self.settings = settings
        self.recorded = recorded
        self._restarted = set()  # hosts whose nova-compute an operator has restarted
        self._returning = returning

    @property
    def spare(self):
        """A host for a death whose return the story need not wait for; see ``closed``."""
        return next(host for host in (*self._spares, *self.settings.compute_hosts) if host not in self._returning)

    @property
    def _spares(self):
        # The others have compute-1 to -3.
        return self.settings.compute_hosts[3:]

    # Given ...

    def instances_on(self, host, count, **how):
        """Boot instances on a host (``how``: see ``workload.boot``), which are to run at the end. Returns their ids."""
        ids = workload.boot(self.settings, count, host, **how)
        self.recorded.expect(history.RUNNING, *ids)
        return ids

    def stop(self, instance):
        """Stop an instance as its owner does; it is expected to be stopped at the end."""
        workload.client(self.settings).servers.stop(instance)
        self.stopped(instance)
        self.recorded.expect(history.STOPPED, instance)

    def pause(self, instance):
        """Pause an instance as its owner does; it is expected to be paused at the end."""
        workload.client(self.settings).servers.pause(instance)
        eventually(f"instance {instance} to pause", lambda: self._instance(instance)["status"] == "PAUSED", 60)
        self.recorded.expect(history.PAUSED, instance)

    def delete(self, instance):
        """Delete an instance as its owner does; it is expected to be gone at the end."""
        workload.client(self.settings).servers.delete(instance)
        self.recorded.expect(history.GONE, instance)

    def disable(self, host, reason):
        """Disable a host's service as an operator does."""
        workload.client(self.settings).services.disable_log_reason(self.service(host)["id"], reason)

    def enable(self, host):
        """Enable a host's service as an operator does."""
        workload.client(self.settings).services.enable(self.service(host)["id"])

    def options(self, **sections):
        """Give the engine these options (by section, as dicts) for the rest of the story."""
        cluster.set_options(self.settings, sections)
        self.engine_node()

    # When ...

    @contextlib.contextmanager
    def spawns_held(self):
        """No instance's spawn ends for as long as the block lasts."""
        impair.set_guests(hold_spawn_on=self.settings.compute_hosts)
        try:
            yield
        finally:
            impair.set_guests()

    def outage(self, *units, seconds=20):
        """Have services of the cloud die, and come back so much later, in that order. Returns when they began to."""
        died = time.time()
        for unit in units:
            # The lab's database writes to the disk once a second: killed, it would forget what it has promised.
            faults.stop_service(unit, at_once=unit != "mariadb")
        after(seconds, died, f"{', '.join(units)} to have been away for {seconds} s")
        back = time.time()
        for unit in units:
            faults.start_service(unit)
        return back

    # Then ...

    def recovered(self, host, ids, limit=RECOVERY_LIMIT, meanwhile=lambda: None):
        """Wait until all instances are somewhere else than on the host, each done with and in its former state.

        :param meanwhile: what somebody does now and then until it is so
        """

        def all_elsewhere():
            meanwhile()
            return are_elsewhere(workload.instances(self.settings), host, ids)

        eventually(f"{len(ids)} instances of {host} to be recovered", all_elsewhere, limit)

    def online(self, host, limit=60):
        """Wait until the cluster has the host online again."""
        eventually(f"{host} to be online", lambda: host in cluster.online_nodes(self.settings), limit)

    def stopped(self, instance, limit=60):
        """Wait until Nova has an instance as stopped."""
        eventually(f"instance {instance} to stop", lambda: self._instance(instance)["status"] == "SHUTOFF", limit)

    def gone(self, instance, limit=60):
        """Wait until Nova has the instance no more."""
        eventually(f"instance {instance} to be gone", lambda: instance not in self._instances(), limit)

    def back_in_service(self, host, limit=RETURN_LIMIT):
        """Wait until the host has no flag, and Nova has its service up again and not forced down."""
        eventually(f"{host} to be back in service", lambda: self.is_back(host), limit)

    def closed(self, host, limit=30):
        """Wait until the host's recovery is over; its return is looked at when the story after the next one begins.

        Where that needs the host, it is waited for here.
        """
        if host not in self._spares:
            self.back_in_service(host)
            return
        eventually(f"the recovery of {host} to end", lambda: self._flag(host) in (None, "no"), limit)
        self.recorded.may_be_returning(host)
        _LEFT[-1].add(host)

    def flagged(self, host, limit=60):
        """Wait until the host has a flag that stands."""
        eventually(f"{host} to be flagged", lambda: self._flag(host) not in (None, "no"), limit)

    def evacuating(self, limit=90):
        """Wait for the first request to evacuate."""
        wait_for("the first evacuate request", lambda: facts.evacuate_requests(history.read()), limit, 0.05)

    def waits(self, host, code, limit=60):
        """Wait until the engine says of a host, or of one of its instances, that it waits for this reason."""

        def told():
            about = self.account()["hosts"].get(host, {})
            entries = [about, *(about.get("instances") or {}).values()]
            return any(entry.get("code") == code for entry in entries)

        eventually(f"the engine to say of {host}: {code.value}", told, limit)

    def restart_nova_compute_where_stuck(self):
        """Kill nova-compute, which Pacemaker starts anew, where an evacuation is said to be stuck: once each."""
        hosts = self.account().get("hosts", {}).values()
        instances = [about for host in hosts for about in (host["instances"] or {}).values()]
        asked = [about["restart"] for about in instances if about["restart"]]
        named = {restart["host"] for restart in asked if restart["process"] == "nova-compute"}
        for host in sorted(named - self._restarted):
            self._restarted.add(host)
            faults.kill_service("nova-compute", host)

    def fence_where_a_guest_is_unknown(self):
        """Do what the engine asks for of instances with a guest that Nova does not know of: one host after the other.

        The next one only once no other host is out of service: an instance must find room.
        """
        told = {
            instance: host
            for host, about in self.account().get("hosts", {}).items()
            for instance, entry in (about.get("instances") or {}).items()
            if entry["code"] == Code.UNKNOWN_GUEST
        }
        away = set(self.flags()) - set(told.values())
        tried = {
            record["dest"]
            for record in workload.migrations(self.settings)
            if record["instance"] in told and record["dest"] and record["status"] == "failed"
        }
        if tried and not away and all(self.service(host)["state"] == "up" for host in tried):
            on_control(self.settings, f"stonith_admin --reboot {min(tried)} --timeout=60", timeout=90)

    def engine_never_failed(self):
        """The cluster holds nothing against the engine."""
        assert not cluster.failures(self.settings, cluster.ENGINE)

    # What is.

    def is_back(self, host):
        """Whether the host has no flag, and Nova has its service up again and not forced down."""
        service = self.service(host)
        return self._flag(host) is None and service["state"] == "up" and not service["forced_down"]

    def account(self):
        """What ``nova-ha status --json`` says on the engine's node."""
        return json.loads(self.on_engine_node("nova-ha status --json").stdout or "{}")

    def on_engine_node(self, script):
        """Run a shell script on the engine's control node; see ``on_control``."""
        return nodes.execute(self.engine_node(), "sh", "-c", script, check=False)

    def flags(self):
        """The flags of all hosts that have one."""
        return cluster.flags(self.settings)

    def service(self, host):
        """The host's compute service, as Nova reports it."""
        return next(entry for entry in workload.services(self.settings) if entry["host"] == host)

    def fencings(self, host):
        """What Pacemaker's fencer remembers to have done to a host, and how it ended: a line for each."""
        lines = on_control(self.settings, f"stonith_admin --history {host} --verbose").stdout.splitlines()
        return {line for line in lines if "completed=" in line}

    def engine_node(self):
        """The control node on which the recovery engine runs."""
        return eventually("the engine to run somewhere", lambda: cluster.active_on(self.settings, cluster.ENGINE), 60)

    def _flag(self, host):
        """The host's flag as recorded, which costs the nodes nothing: for waits."""
        return {change.host: change.value for change in history.flags()}.get(host)

    def _instance(self, ident):
        return self._instances()[ident]

    def _instances(self):
        return {entry["id"]: entry for entry in workload.instances(self.settings)}


@contextlib.contextmanager
def told(settings):
    """A ``Story`` on a healthy lab without instances, of which everything is recorded; at its end the audits must hold.

    The options that it gives the engine are taken away again.
    """
    with recorded(settings) as story:
        yield story
        cluster.set_options(settings, {})
        past = story.recorded.history()
    print("\n".join(audits.report(past)))
    assert not audits.audit(past), "safety rules were broken, see the audits' report"


@contextlib.contextmanager
def recorded(settings, whole=False):
    """A ``Story`` on a healthy lab without instances, of which everything is recorded; others see to the audits.

    :param whole: all hosts are there; otherwise those that the story before has left may still be on their way back
    """
    returning = set() if whole else _LEFT[-1]
    healing.heal(settings, returning=returning)
    _LEFT[:] = [returning, set()]
    with scenario.recorded(settings) as going_on:
        going_on.may_be_returning(*returning)
        yield Story(settings, going_on, returning)


def heal_if_needed(settings, failed):
    """Heal the lab, if a test has failed since, or if it is not certain that all hosts are back."""
    if failed or any(_LEFT):
        healing.heal(settings)
        _LEFT[:] = [set(), set()]


# Hosts that were recovered, and that the last but one, and the last story have left on their way back.
_LEFT = [set(), set()]


def side_by_side(names, tried):
    """Try something with each name, all at once; gives what came of it by name, as a future that is over."""
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return {name: pool.submit(tried, name) for name in names}


def in_turn(names, tried):
    """The same, one after the other; a failure does not keep the others from it."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return {name: pool.submit(tried, name) for name in names}


def all_of(outcomes):
    """What came of all that was tried, by name; the first failure is raised."""
    return {name: outcome.result() for name, outcome in outcomes.items()}


def eventually(what, condition, limit, interval=0.5):
    """Wait until a condition is true, and return its value; a cluster or cloud that gives no answer is not there yet.

    :param limit: seconds
    :param interval: seconds between two looks
    :raises LabError: the limit passed
    """

    def true_by_now():
        try:
            return condition()
        except LabError:
            return None

    return wait_for(what, true_by_now, limit, interval, look="what ./lab collect packs")


def after(seconds, since, what):
    """Wait until so many seconds have passed since a moment: where time itself is what a story is about."""
    wait_for(what, lambda: time.time() >= since + seconds, seconds + 1)


def on_control(settings, script, timeout=60):
    """Run a shell script on a control node that is up; returns what it printed and its exit code, as ``run`` does."""
    return nodes.execute(cluster.any_control(settings), "sh", "-c", script, timeout=timeout, check=False)


def migration_block(marker):
    """The shell commands that follow a marker in the page about the move from the former agents."""
    return commands(SOURCE_TREE / "docs/migrate.md")[marker]


def are_elsewhere(entries, host, ids):
    """Whether all instances are somewhere else than on a host, each done with and in a state that lasts.

    :param entries: as ``workload.instances`` gives them
    """
    found = [entry for entry in entries if entry["id"] in ids]
    return len(found) == len(ids) and all(_settled(entry) and entry["host"] != host for entry in found)


def _settled(entry):
    return entry["status"] in ("ACTIVE", "SHUTOFF", "PAUSED") and not entry["task_state"]
