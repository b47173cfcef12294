# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out on the lab: boot, break, mend, wait for rest, and hand everything to the verdict.

Each fault has a thread of its own, and so has the tenant. A fault that cannot be carried out, for what others have done
to the lab, is told in the run's log and is no failure of the run. Whatever becomes of a run, also when it is ended in
the middle, what it broke is mended before ``carry_out`` is left.
"""

import contextlib
import functools
import json
import threading
import time

from tests.campaign import account, disturbances, moments, rest, secrets, verdict
from tests.campaign.client import Client
from tests.campaign.plan import STATES, TAG
from tests.functional.steps import Story, eventually, on_control
from tests.lab import bmc, facts, faults, healing, history, scenario, workload
from tests.lab.cloud import impair
from tests.lab.shell import LabError

# Seconds for which the tenant works at least before anything is broken.
FIRST = 3.0
# Seconds: for a fault's moment to come, for all faults to be over, for a host to be fenced.
MOMENT_LIMIT = 90
FAULTS_LIMIT = 300
FENCING_LIMIT = 180
# Seconds between two looks whether something has come.
LOOK = 0.2
# Seconds in which a fault must have been undone, other faults being in the way; and, twice that, all of them.
UNDO_LIMIT = 90
# Seconds for everything, from healing to evidence: nothing should take so long.
RUN_LIMIT = 1500
# Seconds in which anybody has noticed what broke: before that all may seem to be well.
NOTICED = 20
# From when all is mended until all is well: usually, and where Nova lost requests, which is certain only after minutes.
REST_LIMIT, LOSS_LIMIT = 240, 420
# What fills a host to the brim, MiB.
HOST_MIB, FILLER = 256 * 1024, "filler"
FLAVORS = {"tiny": 64, "small": 128}
# As many events does the engine keep (nova_ha.reporting.status_report).
EVENTS_KEPT = 1000


def carry_out(settings, plan, say):
    """Do all of a plan, and judge it.

    :param say: called with each line about what is done
    :return: a ``verdict.Verdict``
    :raises LabError: the lab failed
    """
    healing.heal(settings, plan.options)
    with scenario.recorded(settings) as recorded:
        field = Field(settings, recorded, plan, say)
        with secrets.watched(settings) as leaks:
            try:
                ids = field.prepare()
                client = Client(field, plan.deeds, _running(plan, ids))
                field.break_it(client)
            finally:
                field.mend()
            missing = field.await_rest(ids, client.done)
        evidence = field.evidence(ids, client.done, missing, leaks)
    return verdict.judge(plan, evidence)


def _running(plan, ids):
    return [ident for ident, wanted in zip(ids, plan.instances) if wanted.state == "running"]


def neighbour(hosts, host):
    """The host that comes after one in a list, the first after the last."""
    return hosts[(hosts.index(host) + 1) % len(hosts)]


class Field(Story):
    """What disturbances and the tenant act on: a story on the lab, with its plan and its clock.

    :param settings, recorded: see ``Story``
    :param plan: the ``plan.Plan``
    :param say: called with each line about what is done
    :ivar struck: when the victim was struck, seconds since the epoch; None before
    :ivar over: set once nothing more is to be done
    :ivar log: what was done, as ``(seconds since the epoch, text)``
    :ivar carried_out: names of the faults that were
    """

    def __init__(self, settings, recorded, plan, say):
        super().__init__(settings, recorded)
        self.plan = plan
        self.struck = None
        self.over = threading.Event()
        self.log = []
        self.carried_out = []
        self.since = time.time()
        self._say = say
        self._engine_before = None
        self._death_at = None
        self._broke_at = 0.0
        self._guests = {"spawn_seconds": plan.spawn_seconds}
        self._faults = [disturbances.KINDS[strike.fault](strike) for strike in plan.strikes]
        self._threads = []

    # The acts of a run.

    def prepare(self):
        """Boot what the plan wants and bring it into its states; returns the ids in the plan's order."""
        workload.create_flavor(self.settings, "small", FLAVORS["small"])
        ids = [None] * len(self.plan.instances)
        alike = {}
        for place, wanted in enumerate(self.plan.instances):
            alike.setdefault((wanted.host, wanted.flavor, wanted.priority), []).append(place)
        for (host, flavor, priority), places in alike.items():
            metadata = {} if priority is None else {"nova-ha:priority": str(priority)}
            prefix = f"{host}-{flavor}-{places[0]}"
            made = workload.create(
                self.settings, len(places), host, prefix=prefix, flavor=flavor, metadata=metadata
            )
            for place, ident in zip(places, made):
                ids[place] = ident
        eventually("all instances to be ACTIVE", lambda: self._all_show(dict.fromkeys(ids, "ACTIVE")), 180)
        self._bring(ids)
        impair.set_guests(**self._guests)
        self._engine_before = self.engine_node()
        self.say(f"{len(ids)} instances are there")
        return ids

    def break_it(self, client):
        """Let all faults strike at their moments while the tenant works; return when all of that is over."""
        before = [s.delay for s in self.plan.strikes if s.moment == moments.BEFORE]
        self._death_at = time.time() + max([FIRST, *before])
        for work in [client.work, *(functools.partial(self._strike, one) for one in self._faults)]:
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)
        if not self._have_ended(FAULTS_LIMIT):
            self.say(f"not all faults were over after {FAULTS_LIMIT} s")

    def mend(self):
        """End all that still stands, and let nothing else be broken."""
        self.over.set()
        if not self._have_ended(2 * UNDO_LIMIT):
            self.say(f"not all faults could be ended in {2 * UNDO_LIMIT} s")
        with contextlib.suppress(LabError):
            impair.clear()
        impair.set_guests(spawn_seconds=min(2.0, self.plan.spawn_seconds))
        try:
            eventually("all faults to be ended", self._end_all, UNDO_LIMIT)
        except LabError as error:
            self.say(f"not all could be mended: {error}")

    def wanted(self, ids, done):
        """What every instance has to be at the end, as far as that is known now.

        :param ids: of the plan's instances, in its order
        :param done: what the tenant did
        """
        before = {ident: STATES[wanted.state][1] for ident, wanted in zip(ids, self.plan.instances)}
        past = history.read()
        wanted = account.expected(before, done, past.flags, self.plan.forgets)
        # Asked for, and the answer lost; or a filler.
        seen = {run.instance for run in facts.guest_runs(past)}
        return {**dict.fromkeys(seen - set(wanted), history.UNSURE), **wanted}

    def await_rest(self, ids, done):
        """Wait until all is well again; returns what is missing if that does not come."""
        limit = LOSS_LIMIT if self.plan.patient else REST_LIMIT
        deadline = time.monotonic() + limit
        well = False
        while True:
            missing = rest.missing(self.settings, self.wanted(ids, done))
            if not missing and well and time.time() >= self._broke_at + NOTICED:
                self.say("all is well again")
                return []
            well = not missing
            if time.monotonic() > deadline:
                self.say(f"after {limit} s: {'; '.join(missing)}")
                return missing
            if missing:
                self._attend()
            time.sleep(2)

    def evidence(self, ids, done, missing, leaks):
        """All that is known of the run now.

        :raises LabError: the cluster or Nova does not answer
        """
        wanted = self.wanted(ids, done)
        self.recorded.expect_all(wanted)
        status, events, node = self._own_account()
        forgotten = len(events) >= EVENTS_KEPT and events[0]["time"] > self.since
        return verdict.Evidence(
            ids=tuple(ids),
            wanted=wanted,
            missing=tuple(missing),
            past=self.recorded.history(),
            entries=tuple(workload.instances(self.settings)),
            status=status,
            events=tuple(event for event in events if event["time"] >= self.since),
            partial=node != self._engine_before or forgotten,
            leaks=tuple(sorted(leaks)),
            log=tuple(self.log),
            struck=self.struck,
            carried_out=tuple(fault for fault in self.plan.faults if fault in self.carried_out),
        )

    # For disturbances and the tenant.

    def say(self, text):
        """Tell what is being done."""
        now = time.time()
        self.log.append((now, text))
        self._say(f"{now - (self.struck or self._death_at or now):+7.1f}  {text}")

    def past(self):
        """The records so far."""
        return history.read()

    def at(self, seconds):
        """Wait until so many seconds after the death, or before; returns whether there is still something to do."""
        return not self.over.wait(max(0.0, self._death_at + seconds - time.time()))

    def after(self, seconds):
        """Wait for so long, unless the run is over."""
        self.over.wait(seconds)

    def until(self, what, condition, limit):
        """Wait until a condition is true; a cluster or cloud without an answer is not there yet.

        :raises LabError: the limit passed, or the run is over
        """
        eventually(what, lambda: self.over.is_set() or condition(), limit, LOOK)
        if self.over.is_set():
            raise LabError(f"the run was over before {what}")

    def until_off(self, host, since):
        """Wait until a host has lost its power since a moment."""
        self._until_power(host, since, on=False)

    def until_on(self, host, since):
        """Wait until a host has its power again, having lost it since a moment."""
        self.until_off(host, since)
        self._until_power(host, since, on=True)

    def _until_power(self, host, since, on):
        def switched():
            return [c for c in self.past().power if c.host == host and c.on == on and c.time >= since - 0.5]

        self.until(f"the power of {host} to be {'on' if on else 'off'}", switched, FENCING_LIMIT)

    def other(self, host):
        """Another compute host, always the same one."""
        return neighbour(self.settings.compute_hosts, host)

    def standing(self):
        """The hosts whose flag stands, by the records."""
        return {window.host for window in facts.flag_windows(self.past()) if window.end == facts.NEVER}

    def migrations(self):
        """All evacuations that Nova knows of."""
        return workload.migrations(self.settings)

    def on_control(self, script):
        """Run a shell script on a control node.

        :raises LabError: it failed
        """
        done = on_control(self.settings, script)
        if done.returncode != 0:
            raise LabError(f"{script}: {' '.join((done.stderr or done.stdout).split())[-300:]}")

    def power_on(self, node):
        """Press the power button of a host."""
        bmc.power_on(node)

    def guests(self, **switches):
        """Change how guests start, beside what was set before."""
        self._guests.update(switches)
        impair.set_guests(**self._guests)

    def fill_hosts(self, but, fillers):
        """Boot an instance on every other host that leaves no room there.

        :param fillers: list that their ids are added to
        """
        nova = workload.client(self.settings)
        used = {}
        for server in nova.servers.list(search_opts={"all_tenants": 1}, limit=-1):
            host = getattr(server, workload.HOST)
            used[host] = used.get(host, 0) + server.flavor["ram"]
        for host in self.settings.compute_hosts:
            if host != but:
                room = HOST_MIB - used.get(host, 0)
                workload.create_flavor(self.settings, f"{FILLER}-{room}", room)
                fillers += workload.create(self.settings, 1, host, prefix=FILLER, flavor=f"{FILLER}-{room}")

    def restart_nova_compute_where_stuck(self):
        """As every story's operator does it; and tell."""
        before = set(self._restarted)
        super().restart_nova_compute_where_stuck()
        for host in sorted(self._restarted - before):
            self.say(f"an operator restarts nova-compute on {host}: the engine says that it is stuck")

    # The rest

    def _own_account(self):
        """The engine's status, its events, and where it runs; that there is no engine is a status, too."""
        try:
            events = json.loads(self.on_engine_node("nova-ha history --json").stdout or "{}").get("events", [])
            return self.account(), events, self.engine_node()
        except LabError as error:
            return {"verdict": f"not to be had: {error}"}, [], None

    def _strike(self, disturbance):
        """The whole of one fault; what goes wrong with it is told."""
        strike = disturbance.strike
        try:
            self._await_moment(strike)
            if self.over.is_set():
                return
            disturbance.began = time.time()
            if strike is self.plan.strikes[0]:
                self.struck = disturbance.began
            self.say(strike.what)
            disturbance.begin(self)
            self._broke_at = time.time()
            self.carried_out.append(strike.fault)
            disturbance.stand(self)
        except Exception as error:  # noqa: BLE001 (a thread's error would be lost, and so would the fault's end)
            self.say(f"{strike.fault}: {_brief(error)}")
        try:
            eventually(f"{strike.fault} to be undone", functools.partial(_undone, disturbance, self), UNDO_LIMIT)
            if strike.lasts:
                self.say(f"{strike.fault}: over")
        except LabError as error:
            self.say(f"{strike.fault}: {_brief(error)}")

    def _await_moment(self, strike):
        if strike is self.plan.strikes[0] or strike.moment == moments.BEFORE:
            self.at(-strike.delay if strike.moment == moments.BEFORE else 0)
            return
        try:
            self.until(
                f"the moment {strike.moment}",
                lambda: moments.reached(strike.moment, self.past(), self.plan.victim, self.struck),
                MOMENT_LIMIT,
            )
        except LabError as error:
            self.say(f"{strike.fault}: {error}: now, then")
        self.after(strike.delay)

    def _have_ended(self, limit):
        """Wait for all threads; returns whether they have ended in time."""
        end = time.monotonic() + limit
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _end_all(self):
        try:
            faults.end_all(self.settings)
        except LabError as error:
            self.say(f"mending: {_brief(error)}")
            raise
        return True

    def _attend(self):
        """What the faults leave to an operator."""
        for disturbance in self._faults:
            if disturbance.strike.fault in self.carried_out:
                # A lab that does not answer now does so the next time.
                with contextlib.suppress(LabError):
                    disturbance.attend(self)

    def _all_show(self, statuses):
        entries = {entry["id"]: entry for entry in workload.instances(self.settings)}
        return all(
            entries.get(ident, {}).get("status") == status and not entries[ident]["task_state"]
            for ident, status in statuses.items()
        )

    def _bring(self, ids):
        """Bring the instances into their states."""
        servers = workload.client(self.settings).servers
        shown = {}
        for ident, wanted in zip(ids, self.plan.instances):
            if "stopped" in wanted.state:
                servers.stop(ident)
                shown[ident] = "SHUTOFF"
            elif wanted.state == "paused":
                servers.pause(ident)
                shown[ident] = "PAUSED"
            elif wanted.state == "tagged":
                servers.add_tag(ident, TAG)
        eventually("the instances to be in their states", lambda: self._all_show(shown), 60)
        for ident, wanted in zip(ids, self.plan.instances):
            if "locked" in wanted.state:
                servers.lock(ident)


def _undone(disturbance, field):
    """Undo a fault; whatever keeps that from being done may pass.

    :raises LabError: it could not be done
    """
    try:
        disturbance.end(field)
    except Exception as error:  # noqa: BLE001 (a client's, and what else there may be)
        raise LabError(_brief(error)) from error
    return True


def _brief(error):
    kind = "" if isinstance(error, LabError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())[:300]
