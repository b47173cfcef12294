# SPDX-License-Identifier: Apache-2.0
"""How long the pure decisions take, and whether that grows faster than the number of instances.

    /usr/bin/python3 -m tests.benchmarks.decisions [--profile MOMENT]

For each moment of a recovery: milliseconds of one pass (what is learned from the snapshot, the steps, the account of
them) at 1,000 and at 5,000 instances on one host. ``growth`` is what an instance costs at 5,000, against at 1,000: 1 is
linear. In the moments of a rack the instances are on 20 and on 100 hosts with 50 each. ``--profile`` prints where the
time of one moment goes at 5,000.
"""

import argparse
import cProfile
import dataclasses
import json
import logging
import pstats
import sys
import time

from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.request import NO_ROOM
from nova_ha.model.snapshot import Host, Instance, Migration, Service, World
from nova_ha.policy.priorities import GROUP_KEY, PRIORITY_KEY, Order
from nova_ha.policy.rules import RESTART_IN_PLACE, Rules
from nova_ha.recovery.decide import planner
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory
from nova_ha.reporting.status_report import Account
from tests.benchmarks.printing import heading, table

FEW, MANY = 1000, 5000
REPEAT = 5
ON_EACH = 50  # instances on each host of a rack
WINDOW = 40
# Monotonic seconds at which a pass is timed, and those at which what it knows was first seen.
NOW, BEFORE = 200.0, 100.0

SOURCE = "compute-0"
OTHERS = [f"compute-{number}" for number in range(1, 21)]
TAG = "nova-ha:restore=stopped"


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment of a recovery: a world of ``count`` instances, as it was seen for a while, and the rules.

    :param world: called with the number of instances
    :param failed: whether each instance's last attempt found no room
    :param before: likewise, of the world that was seen for a while before, if it was another
    """

    world: object
    rules: Rules = Rules()
    failed: bool = False
    before: object = None


_log = logging.getLogger("nova-ha.benchmark")
_log.addHandler(logging.NullHandler())
_log.propagate = False


def main(arguments=None):
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=MOMENTS, metavar="MOMENT", help=f"one of: {', '.join(MOMENTS)}")
    chosen = parser.parse_args(arguments)
    if chosen.profile:
        profile(MOMENTS[chosen.profile])
        return 0
    print(heading("milliseconds of one pass, without any request"))
    rows = []
    for name, moment in MOMENTS.items():
        few, many = (best(moment, count) for count in (FEW, MANY))
        rows.append((name, few * 1e3, many * 1e3, growth(few, many)))
    print("\n".join(table(["moment", f"{FEW}", f"{MANY}", "growth"], rows)))
    return 0


def growth(few, many):
    """What an instance costs with many of them, against with few."""
    return (many / MANY) / (few / FEW)


def best(moment, count):
    """Seconds of the fastest of several passes."""
    return min(timed(prepared(moment, count)) for _ in range(REPEAT))


def timed(one_pass):
    """Seconds that a call takes."""
    begun = time.perf_counter()
    one_pass()
    return time.perf_counter() - begun


def prepared(moment, count):
    """One pass that is ready to be called: all that comes before it has happened."""
    world = moment.world(count)
    memory = Memory(jitter=lambda: 1.0)
    memory.observe_services(world.services, BEFORE)
    for host in (moment.before or moment.world)(count).hosts:
        memory.observe(host, BEFORE)
    for host in world.hosts:
        for instance in host.instances if moment.failed else ():
            memory.sending(instance.id, 0)
            memory.failed(instance.id, BEFORE, "no valid host", NO_ROOM)
    account = Account(_log)
    flags = {host.name: host.flag for host in world.hosts}
    account.hosts(flags, planner.steps(Situation(world, memory, moment.rules, BEFORE), WINDOW), memory.get)

    def one_pass():
        for host in world.hosts:
            memory.observe(host, NOW)
        steps = planner.steps(Situation(world, memory, moment.rules, NOW), WINDOW)
        account.hosts(flags, steps, memory.get)
        json.dumps(account.as_dict())

    return one_pass


def profile(moment):
    """Print the functions in which a pass with many instances spends its time."""
    one_pass = prepared(moment, MANY)
    profiler = cProfile.Profile()
    profiler.runcall(one_pass)
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(20)


# The worlds


def world_of(instances, records=(), **more):
    """The source host is claimed and out of service, all others live."""
    host = Host(SOURCE, "control-1@1", _service(SOURCE, dead=True), tuple(instances), tuple(records), **more)
    services = {name: _service(name) for name in OTHERS}
    services[SOURCE] = host.service
    aggregates = {f"rack-{number}": frozenset([SOURCE, *OTHERS]) for number in range(20)}
    return World((host,), services, aggregates, selection=Selection(), dead=frozenset({SOURCE}))


def fresh(count, **more):
    """Nothing has been asked for."""
    return world_of(_instance(number, **more) for number in range(count))


def half_done(count):
    """Half of them are elsewhere, and as many as may be are in flight."""
    half = count // 2
    instances = [
        _instance(number, task_state="rebuild_spawning" if number < half + WINDOW else None)
        for number in range(half, count)
    ]
    records = [_record(number, "done" if number < half else "pre-migrating") for number in range(half + WINDOW)]
    return world_of(instances, records)


def failed_twice(count):
    """Two evacuations of each have failed, and all are in error."""
    records = [_record(number, "failed") for number in range(count)]
    records += [dataclasses.replace(record, id=record.id + count) for record in records]
    return world_of([_instance(number, vm_state="error") for number in range(count)], records)


def stray(count):
    """All are in error, each with a record that will never move again."""
    records = [_record(number, "accepted") for number in range(count)]
    return world_of([_instance(number, vm_state="error") for number in range(count)], records)


def arriving(count):
    """All are elsewhere, with records that still say that they are in flight."""
    records = [_record(number, "pre-migrating") for number in range(count)]
    elsewhere = {f"i{number}": _instance(number, host=OTHERS[number % 20]) for number in range(count)}
    return world_of([], records, whereabouts=elsewhere)


def restored(count):
    """All are elsewhere and done; each is still to be stopped."""
    world = world_of([], [_record(number, "done") for number in range(count)])
    tagged = {"tags": frozenset({TAG})}
    return dataclasses.replace(
        world, restoring=tuple(_instance(number, host=OTHERS[number % 20], **tagged) for number in range(count))
    )


def returning(count):
    """The host is recovered and reports again; its records are still to be completed."""
    world = restored(count)
    arrivals = [_record(number + 2 * count, "completed", source=OTHERS[0], to=SOURCE) for number in range(count)]
    broken = tuple((_instance(number, vm_state="error", host=OTHERS[0]), 60.0) for number in range(count))
    host = dataclasses.replace(world.hosts[0], flag="no", reported_for=60.0, arrivals=tuple(arrivals), broken=broken)
    return dataclasses.replace(world, hosts=(host,), dead=frozenset())


def rack(count, first_done=0, closed=0):
    """Hosts with ``ON_EACH`` instances that died together, all claimed.

    :param first_done: of how many hosts all instances are elsewhere
    :param closed: how many of these are recovered, and have not reported yet
    """
    names = [f"rack-{number}" for number in range(count // ON_EACH)]
    hosts = []
    for place, name in enumerate(names):
        numbers = range(place * ON_EACH, (place + 1) * ON_EACH)
        done = place < first_done
        known = {
            "instances": () if done else tuple(_instance(number, host=name) for number in numbers),
            "evacuations": tuple(_record(number, "done", name) for number in numbers) if done else (),
        }
        flag = "no" if place < closed else "control-1@1"
        hosts.append(Host(name, flag, _service(name, dead=True), **(known if flag != "no" else {})))
    services = {name: _service(name) for name in OTHERS} | {host.name: host.service for host in hosts}
    dead = frozenset(names[closed:])
    return World(tuple(hosts), services, selection=Selection(), dead=dead)


def rack_in_flight(count):
    """All evacuations of a rack's instances are seen to be in flight."""
    world = rack(count, first_done=count // ON_EACH)
    return dataclasses.replace(
        world,
        hosts=tuple(
            dataclasses.replace(
                host, evacuations=tuple(dataclasses.replace(r, status="accepted") for r in host.evacuations)
            )
            for host in world.hosts
        ),
    )


def rack_closing(count):
    """Of all hosts of a rack the last instance has just left."""
    return rack(count, first_done=count // ON_EACH)


def rack_half_closed(count):
    """Half the hosts of a rack are recovered, and have not come back yet; of the others nothing has been asked."""
    half = count // ON_EACH // 2
    return rack(count, first_done=half, closed=half)


def _instance(number, vm_state="active", host=SOURCE, **more):
    return Instance(f"i{number}", f"web-{number}", host, vm_state, **more)


def _record(number, status, source=SOURCE, to=None):
    return Migration(number + 1, f"i{number}", status, source, to or OTHERS[number % 20])


def _service(name, dead=False):
    reason = "nova-ha: being recovered" if dead else None
    return Service(f"id-{name}", name, not dead, not dead, dead, reason, "t0", "nova")


_GROUPED = {"metadata": {GROUP_KEY: "web", PRIORITY_KEY: "7"}}
MOMENTS = {
    "nothing asked": Moment(fresh),
    "half done": Moment(half_done),
    "failed twice": Moment(failed_twice, failed=True),
    "strays": Moment(stray),
    "arriving": Moment(arriving),
    "to be restored": Moment(restored),
    "returning": Moment(returning),
    "all paused": Moment(lambda count: fresh(count, vm_state="paused", power_state="paused")),
    "all deleting": Moment(lambda count: fresh(count, task_state="deleting")),
    "groups": Moment(lambda count: fresh(count, **_GROUPED), Rules(order=Order(groups=("db", "web")))),
    "rack, nothing asked": Moment(rack),
    "rack, closing": Moment(rack_closing, before=rack_in_flight),
    "rack, half closed": Moment(rack_half_closed, before=rack_in_flight),
    "in place": Moment(failed_twice, Rules(no_room=RESTART_IN_PLACE), failed=True),
}


if __name__ == "__main__":
    sys.exit(main())
