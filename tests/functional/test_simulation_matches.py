# SPDX-License-Identifier: Apache-2.0
"""The real Nova does what the simulated one does: the same script of calls, the same answers (tests/conformance.py).

No host is fenced for it and the engine is off: the script kills and starts nova-compute itself, while Pacemaker leaves
its resources alone, and asks as the engine asks.
"""

import concurrent.futures
import time

import pytest

from nova_ha.cloud.errors import Unreachable
from nova_ha.config import loader
from tests import conformance
from tests.functional.steps import LONG
from tests.lab import cluster, faults, healing, nodes, workload
from tests.lab.cloud import configuration, identity, impair, layout
from tests.lab.passwords import password
from tests.lab.settings import CLOUD
from tests.lab.waiting import wait_for

pytestmark = pytest.mark.lab_b

UNIT = "nova-compute"
GUESTS = "/run/nova-ha-lab/guests"

# What an owner or operator does to have an instance in a state, as methods of novaclient's ``servers``.
DEEDS = {
    "active": (),
    "stopped": (("stop",),),
    "error": (("reset_state", "error"),),
    "error, off": (("stop",), ("reset_state", "error")),
    "paused": (("pause",),),
    "suspended": (("suspend",),),
    "rescued": (("rescue",),),
    "resized": (("migrate", conformance.HOST),),
    "resized, off": (("stop",), ("migrate", conformance.HOST)),
}


class RealCloud(conformance.RecordingCloud):
    """The lab's cloud, by the admin endpoint, so that the records of the agents' requests are not touched."""

    def __init__(self, settings):
        self._settings = settings
        super().__init__(_door(identity.WORKLOAD_USER, identity.WORKLOAD_PROJECT, "admin"))
        self._guests_are = {}
        self._stopped = set()
        self._aside = concurrent.futures.ThreadPoolExecutor(1)

    def boot(self, states):
        moved = [name for name, state in states.items() if state.startswith("resized")]
        unfinished = [name for name, state in states.items() if state == "building"]
        there = [name for name in states if name not in moved + unfinished]
        for names, host in ((there, conformance.HOST), (moved, conformance.LAST)):
            self.ids.update(zip(names, workload.boot(self._settings, len(names), host) if names else ()))
        self._bring({self.ids[name]: DEEDS[states[name]] for name in there + moved})
        if unfinished:
            self.spawns_take(120)
            self.ids.update(zip(unfinished, workload.create(self._settings, len(unfinished), conformance.HOST)))
            wait_for("the builds to begin", lambda: "spawning" in self._tasks(), 30, 0.5)
            self.spawns_take(0.5)

    def _bring(self, deeds):
        """Bring instances into states, all of them one deed at a time."""
        servers = workload.client(self._settings).servers
        for turn in range(max(map(len, deeds.values()))):
            for ident, those in deeds.items():
                for deed, *given in those[turn : turn + 1]:
                    getattr(servers, deed)(ident, *given)
            wait_for("Nova to be done with all instances", lambda: not any(self._tasks()), 60, 0.5)

    def _tasks(self):
        return [entry["task_state"] for entry in workload.instances(self._settings)]

    def dies(self, host):
        self.stops(host)
        nodes.execute(host, "sh", "-c", f"rm -f {GUESTS}/*")

    def stops(self, host):
        self._stopped.add(host)
        faults.stop_service(UNIT, host, at_once=True)

    def starts(self, host):
        faults.start_service(UNIT, host)
        self._awaits_reports(host)

    def ends_all(self):
        """Put an end to all that was broken. A host that does not report yet may seem to be in use again."""
        faults.end_all(self._settings)
        self._awaits_reports(*self._stopped)

    def _awaits_reports(self, *hosts):
        before = self._reports()
        wait_for(f"{hosts} to report", lambda: all(self._reports()[host] != before[host] for host in hosts), 200, 0.5)
        self._stopped -= set(hosts)

    def _reports(self):
        return {host: service.last_report for host, service in self.door.services().items()}

    def spawns_take(self, seconds):
        self._have_guests(spawn_seconds=seconds)

    def spawns_fail(self, *hosts):
        self._have_guests(fail_spawn_on=hosts)

    def ends_wait(self, *hosts):
        self._have_guests(hold_end_on=hosts)

    def _have_guests(self, **switches):
        self._guests_are.update(switches)
        impair.set_guests(**self._guests_are)

    def scheduling_takes(self, seconds):
        impair.set_scheduler(seconds)

    def part_dies(self, name):
        faults.stop_service(name, at_once=True)

    def part_stops(self, name):
        faults.stop_service(name)

    def part_starts(self, name):
        faults.start_service(name)

    def workers_die(self, name):
        script = 'kill -KILL $(pgrep -P "$(systemctl show --property=MainPID --value "$0")")'
        nodes.execute(CLOUD, "sh", "-c", script, name)

    def aside(self, call):
        return self._aside.submit(call)

    def asks_and_goes(self, ident, destination, seconds):
        impair.set_rules([{"name": "held back", "action": "evacuate", "latency": seconds, "count": 1}])
        hasty = _door(identity.WORKLOAD_USER, identity.WORKLOAD_PROJECT, "public", timeout=3)
        try:
            hasty.evacuate(hasty.instance(ident), destination)
        except Unreachable:
            return
        raise AssertionError("a request that was to be held back was answered")

    def operator_resets(self, ident):
        operator = _door(identity.AGENT_USER, "service", "admin")
        operator.reset_state(operator.instance(ident), "error")

    def guests(self):
        return dict(zip(conformance.HOSTS, cluster.on_each(conformance.HOSTS, self._guests_on)))

    def _guests_on(self, host):
        # "/dev/null" has grep name the file even if there is but one.
        found = nodes.execute(host, "sh", "-c", f"grep -H '' /dev/null {GUESTS}/*", check=False).stdout
        lines = [line.partition(":") for line in found.splitlines()]
        return {path.rpartition("/")[2]: how for path, _, how in lines}

    def now(self):
        return time.monotonic()

    def moment(self):
        time.sleep(0.5)


def _door(user, project, endpoint, timeout=90):
    """The lab's Nova, as one of its users asks it."""
    conf = loader.load(
        {
            "auth_url": configuration.keystone_url(),
            "username": user,
            "password": password(f"openstack-{user}"),
            "tenant_name": project,
            "user_domain": "Default",
            "project_domain": "Default",
            "endpoint_type": endpoint,
            "region_name": layout.REGION,
        }
    )
    conf.set_override("timeout", timeout, group=loader.GROUP)
    door = loader.cloud(conf)
    door.connect()
    return door


@pytest.fixture(scope="module")
def left_alone(settings):
    """The lab, healthy and without instances, in which neither Pacemaker nor the engine does anything."""
    healing.heal(settings)
    try:
        cluster.pcs(settings, "resource", "disable", cluster.ENGINE, "--wait=60")
        cluster.pcs(settings, "property", "set", "maintenance-mode=true")
        yield settings
    finally:
        cluster.pcs(settings, "property", "set", "maintenance-mode=false")
        cluster.pcs(settings, "resource", "enable", cluster.ENGINE, "--wait=60")
        healing.heal(settings)


@pytest.fixture
def cloud(left_alone):
    """The lab's cloud, put back at the end as it was."""
    made = RealCloud(left_alone)
    yield made
    impair.clear()
    impair.set_guests()
    impair.set_scheduler()
    made.ends_all()
    # The records of evacuations go with their instances: they would keep a host from being un-forced.
    workload.delete_all(left_alone)
    for host in conformance.HOSTS:
        wait_for(f"{host} to be in use again", lambda host=host: _is_taken_back(made.door, host), 60, 0.5)
        _forget_guests(host)


def _is_taken_back(door, host):
    service = door.services()[host]
    if service.forced_down or not service.enabled:
        door.force_down(service, False, enabled=True)
    return service.up and service.enabled


def _forget_guests(host):
    """Guests that Nova knows nothing of, or nothing any more, would be left."""
    places = f"{GUESTS}/* /var/lib/nova/guests/* /var/lib/nova/instances/*"
    nodes.execute(host, "sh", "-c", f"rm -rf {places}")


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(conformance.a_host_dies, id="a_host_dies"),
        pytest.param(conformance.its_destination_dies_too, id="its_destination_dies_too", marks=LONG),
        *(pytest.param(story, id=story.__name__, marks=LONG) for story in conformance.RECORD_STORIES),
    ],
)
def test_the_real_nova_does_what_the_script_says(cloud, story):
    story(cloud)
