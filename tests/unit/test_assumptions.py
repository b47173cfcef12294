# SPDX-License-Identifier: Apache-2.0
"""Histories in which one time or habit of Nova or Pacemaker is not what the engine once took for granted.

Each broke "exactly once" or forgot something, and each fails when the assumption is put back.
"""

import pytest

from nova_ha.cloud.nova import Unreachable
from tests.unit.scenes import ends_well
from tests.unit.simulation.scene import Scene


@pytest.mark.parametrize("finishing", [61, 130, 300])
def test_an_evacuation_that_waits_for_its_destinations_lock_is_not_lost(finishing):
    """Its guest runs, Nova shows it active with no task, and its record says the same for minutes."""
    scene = Scene(count=4, spawn_seconds=1, finishing=finishing).dies("compute-1")
    ends_well(scene, 1500)
    assert len(scene.nova.posts) == 4


@pytest.mark.parametrize("seconds", [6, 16, 45])
def test_a_former_engines_request_may_be_carried_out_long_after_its_end(seconds):
    scene = Scene(count=1, spawn_seconds=10, lateness=seconds).dies("compute-1")
    scene.nova.next_answers = ["late"]
    assert scene.run_until(lambda: scene.nova.posts)
    scene.new_engine("control-2")
    ends_well(scene, 300)
    assert len(scene.nova.evacuations) == 1


def queued_at_a_host_that_is_back(**more):
    """An instance is queued at compute-2, which died, was recovered, and whose nova-compute is just being started."""
    scene = Scene(count=1, hosts=3, **more).dies("compute-1", off=True)
    scene.breaks("compute-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-2"].waiting)
    scene.nova.full = {"compute-3"}
    scene.fenced("compute-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-2"].running)
    scene.nova.full = set()
    return scene


@pytest.mark.parametrize("starting", [2, 130, 300])
def test_a_host_that_is_held_back_in_the_middle_of_a_start_may_still_take_requests_up(starting):
    scene = queued_at_a_host_that_is_back(starting=starting, listens=starting - 1)
    scene.run(600)
    assert scene.nova.guests.breaches == []
    scene.boots("compute-1")
    # Where the stop comes just after the guest's start, nobody but an operator can tell whether that runs.
    assert scene.run_until(lambda: scene.is_over() or scene.alarms(), 3000)
    scene.operator_looks()
    ends_well(scene, 3000)


def test_a_nova_compute_that_pacemaker_does_not_manage_is_never_taken_for_stopped():
    scene = queued_at_a_host_that_is_back(listens=290)
    scene.unmanaged = True
    scene.run(600)
    assert scene.nova.guests.breaches == []
    scene.unmanaged = False
    scene.boots("compute-1")
    ends_well(scene, 3000)


# What became of a request is read, and not guessed from the time


@pytest.mark.parametrize("scheduling", [61, 160, 400, 600])
def test_a_scheduler_that_takes_long_has_lost_nothing(scheduling):
    scene = Scene(count=3, scheduling=scheduling).dies("compute-1")
    ends_well(scene, 1500)
    assert len(scene.nova.posts) == 3


@pytest.mark.parametrize("conducting", [61, 160, 600])
def test_a_conductor_that_comes_to_nothing_for_long_has_lost_nothing(conducting):
    scene = Scene(count=3, conducting=conducting).dies("compute-1")
    ends_well(scene, 1500)
    assert len(scene.nova.posts) == 3


@pytest.mark.parametrize("seconds", [90, 400, 900])
def test_a_conductor_that_is_away_has_lost_nothing_yet(seconds):
    scene = Scene(count=2).dies("compute-1")
    scene.run(0.1)
    scene.nova.conductor_away = True
    scene.run(seconds)
    assert len(scene.nova.posts) == 2
    scene.nova.conductor_away = False
    ends_well(scene)
    assert len(scene.nova.posts) == 2


@pytest.mark.parametrize("seconds", [41, 58, 90])
@pytest.mark.parametrize(("known", "limit"), [(True, 100), (False, 960)])
def test_what_was_queued_when_the_bus_broke_is_sent_again_when_that_has_worked_for_long(seconds, known, limit):
    """A minute, if it is known how long the conductor lets a request wait; else a quarter of an hour."""
    scene = Scene(count=2, hosts=4, choose=lambda hosts: hosts[-1]).dies("compute-1", off=True)
    scene.nova.add(host="compute-2")
    if known:
        scene.run_until(lambda: len(scene.nova.posts) == 2)
        scene.run(20)
    scene.dies("compute-2")
    scene.nova.conductor_away = True
    assert scene.run_until(lambda: len(scene.nova.posts) == 3, 60)
    scene.nova.bus_breaks()
    scene.nova.conductor_away = False
    scene.run(seconds)
    scene.nova.bus_is_back()
    lost = len(scene.nova.posts)
    assert scene.run_until(lambda: len(scene.nova.posts) > lost, limit)
    scene.boots("compute-1")
    ends_well(scene)


@pytest.mark.parametrize("seconds", [5, 20, 90])
def test_what_a_killed_conductor_had_at_the_scheduler_is_sent_again_where_that_has_claimed(seconds):
    scene = Scene(count=2, scheduling=2).dies("compute-1")
    scene.run_until(lambda: len(scene.nova.posts) == 2)
    scene.run(1)
    scene.nova.conductor_is_killed()
    scene.run(seconds)
    scene.nova.conductor_away = False
    assert scene.run_until(lambda: len(scene.nova.posts) == 4, 200)
    ends_well(scene)
    # Each after a pause of its own.
    assert sorted(scene.nova.evacuations[2:]) == [("i0", "compute-2"), ("i1", "compute-2")]


def test_what_a_destination_gave_up_before_it_had_begun_is_sent_there_again():
    """Its first call went to a conductor that was just being stopped (seen): no event, and no task any more."""
    scene = Scene(count=1).dies("compute-1", off=True)
    destination = scene.nova.computes["compute-2"]
    ask = destination.ask

    def give_up(message):
        destination.ask = ask
        scene.clock.after(60, lambda: scene.nova.set(message.instance, task_state=None))

    destination.ask = give_up
    assert scene.run_until(lambda: len(scene.nova.posts) == 2, 90), scene.alarms()
    assert scene.nova.evacuations[1:] == [("i0", "compute-2")]
    scene.boots("compute-1")
    ends_well(scene)
    assert len(scene.nova.posts) == 2


@pytest.mark.parametrize("engine", ["the same engine", "another engine", "another engine that may not read at first"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_guest_that_its_host_could_not_tell_of_is_looked_for_where_it_was_made(is_there, engine):
    """The conductor was away for more than a minute when its guest had been started: failed, by the record (seen)."""
    picks = iter([0])
    scene = Scene(count=1, spawn_seconds=5, choose=lambda hosts: hosts[next(picks, -1)]).dies("compute-1", off=True)
    nova, host = scene.nova, scene.nova.computes["compute-2"]
    assert scene.run_until(lambda: host.spawning)
    (rebuild,), end = host.spawning, host._end
    host.spawning = []
    host._end = lambda other, former: None if other is rebuild else end(other, former)
    if is_there:
        nova.guests.start("i0", "compute-2")
    rebuild.record.status, rebuild.job.claimed = "failed", None
    rebuild.job.ends("compute", True, scene.clock.now, may_run=True)
    nova.set("i0", vm_state="error", task_state=None, fault="MessagingTimeout")
    # Where it may be, if Nova may use that host.
    nova.status["compute-2"].enabled = False
    scene.run(120)
    assert len(nova.posts) == 1 and "compute-2" in scene.alarms()["compute-1", "i0"]
    # That it has no room now says nothing of the guest.
    nova.status["compute-2"].enabled, nova.full = True, {"compute-2"}
    scene.run(300)
    assert {host for _, host in nova.evacuations[1:]} == {"compute-2"} and "No valid host" in nova.servers["i0"].fault
    if engine != "the same engine":
        # What Nova tells of the instance by then does not tell why that host had failed.
        scene.new_engine("control-2")
    if "may not read" in engine:
        read, nova.evacuation_requests = nova.evacuation_requests, refused
        scene.run(60)
        nova.evacuation_requests = read
    nova.full = set()
    scene.run(600)  # the pause after five such answers is 400 s at most
    assert {host for _, host in nova.evacuations[1:]} == {"compute-2"}
    assert nova.guests.hosts("i0") == {"compute-2"} and nova.guests.breaches == []
    assert bool(scene.alarms()) == is_there


def refused(instance):
    raise Unreachable("connection refused", sent=False)


# A second proof


def flagged_by_mistake(**more):
    """A host that lives, and that Pacemaker cannot stop anything on, is flagged."""
    scene = Scene(count=6, in_flight=1, spawn_seconds=20, **more)
    scene.unmanaged = True
    scene.cluster.fence("compute-1")
    return scene


def test_a_flagged_host_that_goes_on_reporting_is_not_evacuated_any_further():
    scene = flagged_by_mistake()
    scene.run(40)
    asked = len(scene.nova.posts)
    scene.run(600)
    assert len(scene.nova.posts) == asked <= 2
    assert "not dead" in scene.alarms()["compute-1", None] and "compute-1" in scene.complaints["living"]
    scene.unmanaged = False
    scene.fenced("compute-1")
    assert scene.run_until(lambda: not scene.cluster.values, 900)
    assert scene.complaints["living"] is None


def test_what_a_flagged_host_that_lives_has_begun_is_not_over():
    """Asked for again, its guest would run there as well."""
    scene = Scene(count=1, spawn_seconds=300)
    scene.nova.add(host="compute-2")
    scene.broken = {"compute-3"}
    scene.nova.computes["compute-3"].stop()
    scene.run(70)
    scene.dies("compute-1", off=True)
    assert scene.run_until(lambda: scene.nova.computes["compute-2"].spawning)
    scene.unmanaged = True
    scene.cluster.fence("compute-2")
    assert scene.run_until(lambda: scene.complaints.get("living"), 60)
    scene.starts("compute-3")
    scene.run(120)
    assert len(scene.nova.posts) == 1
    scene.unmanaged, scene.broken = False, set()
    scene.fenced("compute-2", off=True)
    assert scene.run_until(lambda: len(scene.nova.posts) == 3, 120), scene.alarms()


def test_a_dead_hosts_last_report_and_changes_of_its_service_are_no_sign_of_life():
    scene = Scene(count=6, in_flight=1, spawn_seconds=20).dies("compute-1", off=True)
    compute = scene.nova.computes["compute-1"]
    for seconds in (5, 30):
        scene.clock.after(seconds, lambda: setattr(compute, "_last_report", scene.clock.now))
    scene.run(90)
    assert scene.alarms() == {}


def test_an_instance_that_a_second_request_has_broken_when_it_had_arrived_is_seen_to_before_its_host_is_closed():
    scene = Scene(count=1, spawn_seconds=1, finishing=60).dies("compute-1", off=True)
    assert scene.run_until(lambda: scene.nova.guests.hosts("i0"))
    scene.run(5)
    scene.nova.take("i0", "compute-2")  # somebody else's
    scene.nova.guests.breaches.clear()
    assert scene.run_until(lambda: scene.nova.servers["i0"].host == "compute-2", 200)
    assert scene.nova.servers["i0"].vm_state == "error"
    assert scene.run_until(lambda: scene.cluster.values["compute-1"] == "no", 200)
    assert scene.nova.servers["i0"].vm_state == "active"


@pytest.mark.parametrize(("full", "spawns"), [({"compute-2", "compute-3"}, []), (set(), ["failed"])])
def test_what_waits_at_a_host_that_dies_goes_elsewhere_also_if_an_earlier_request_had_failed(full, spawns):
    """The claim is the later one's, though the earlier one found no room, or was begun on the same host."""
    scene = Scene(count=1)
    scene.nova.full, scene.nova.next_spawns = full, spawns
    scene.dies("compute-1", off=True)
    assert scene.run_until(lambda: any(record.status in ("error", "failed") for record in scene.nova.records))
    scene.breaks("compute-2")
    scene.nova.full = {"compute-3"}
    assert scene.run_until(lambda: scene.nova.computes["compute-2"].waiting)
    scene.nova.full = set()
    scene.fenced("compute-2", off=True)
    assert scene.run_until(lambda: scene.nova.guests.hosts("i0") == {"compute-3"}, 120), scene.alarms()
    scene.boots("compute-1")
    scene.boots("compute-2")
    ends_well(scene, 1500)


def test_a_second_request_that_is_not_answered_is_waited_for_as_the_first_is():
    """The one that is to go to the same host again: Nova hangs with it for more than a minute, and then does it."""
    scene = Scene(count=1).dies("compute-1", off=True)
    scene.breaks("compute-2")
    scene.nova.full = {"compute-3"}
    assert scene.run_until(lambda: scene.nova.computes["compute-2"].waiting)
    scene.nova.bus_breaks()
    scene.run(35)
    scene.nova.computes["compute-2"].powered = True
    scene.starts("compute-2", by_cluster=False)
    scene.nova.bus_is_back()
    evacuate = scene.nova.evacuate

    def hang(*asked):
        scene.nova.hangs()
        return evacuate(*asked)

    scene.nova.evacuate = hang
    assert scene.run_until(lambda: scene.nova.hung)
    scene.nova.evacuate = evacuate
    scene.run(62)
    scene.nova.goes_on()
    assert scene.run_until(lambda: scene.nova.guests.hosts("i0") == {"compute-2"}, 120), scene.alarms()
    scene.boots("compute-1")
    ends_well(scene, 1500)
    assert len(scene.nova.posts) == 2


def test_what_a_killed_conductor_had_at_the_scheduler_is_sent_again_also_if_there_had_been_no_room_before():
    scene = Scene(count=1)
    scene.nova.full = {"compute-2", "compute-3"}
    scene.dies("compute-1", off=True)
    assert scene.run_until(lambda: any(record.status == "error" for record in scene.nova.records))
    asked = len(scene.nova.evacuations)
    scene.nova.full, scene.nova.scheduling = set(), 2
    assert scene.run_until(lambda: len(scene.nova.evacuations) > asked)
    scene.run(0.5)
    scene.nova.conductor_is_killed()
    scene.run(20)
    scene.nova.conductor_away = False
    assert scene.run_until(lambda: scene.nova.guests.hosts("i0"), 200), scene.alarms()


def test_what_a_killed_conductor_had_not_given_to_the_scheduler_is_sent_again_once_later_ones_were_scheduled():
    scene = Scene(count=3, hosts=4, scheduling=2, choose=lambda hosts: hosts[-1]).dies("compute-1")
    scene.nova.add(host="compute-2")
    scene.run_until(lambda: len(scene.nova.posts) == 3)
    scene.run(1)
    scene.nova.conductor_is_killed(unheard=True)
    scene.run(25)
    scene.nova.conductor_away = False
    scene.run(100)
    assert len(scene.nova.posts) == 3
    scene.dies("compute-2")
    assert scene.run_until(lambda: len(scene.nova.posts) == 7, 100)
    ends_well(scene)
    assert len(scene.nova.posts) == 7


@pytest.mark.parametrize(("hung", "posts"), [(False, 5), (True, 4)])
def test_what_a_worker_of_the_api_had_noted_when_it_was_killed_is_sent_again_once_later_ones_were(hung, posts):
    """But not what the API may only not have passed on yet."""
    scene = Scene(count=3, hosts=4, choose=lambda hosts: hosts[-1]).dies("compute-1")
    scene.nova.add(host="compute-2")
    scene.nova.next_answers = ["noted and hung" if hung else "noted"]
    scene.run(30)
    scene.dies("compute-2")
    scene.run(250)
    assert len(scene.nova.posts) == posts
