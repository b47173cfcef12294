# SPDX-License-Identifier: Apache-2.0
"""The engine against a Nova and a cluster in memory: whole recoveries, and its death at every line."""

import inspect
import itertools
import pathlib
import subprocess
import sys
import types

import pytest

from nova_ha.cloud.nova import Nova, Refused
from nova_ha.model import disabled_reason, flag, orders, pauses
from nova_ha.model.orders import End, Retry
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Services
from nova_ha.policy.instance_restarts import InstanceRules
from nova_ha.policy.mass_failure import Guard
from nova_ha.policy.priorities import Order
from nova_ha.policy.rules import RESTART_IN_PLACE, Rules
from nova_ha.policy.selection import Policy
from nova_ha.recovery.cloud_health import CHECK
from nova_ha.recovery.memory.timing import RESTARTS_LATER, RESTARTS_SOON, SETTLE, SILENT_HOST_PATIENCE
from tests.unit.scenes import ends_well, scene_with
from tests.unit.simulation import states
from tests.unit.simulation.guests import PAUSED, STOPPED
from tests.unit.simulation.process import HELD, LATE, PROMPT, SLOW, Tripwire
from tests.unit.simulation.scene import Scene

MIXED = ["active", "paused", "suspended", "stopped", "error", "resized", "rescued", "deleting", "powering-off"]


# From the flag to the way back


def test_a_dead_host_is_recovered_and_put_back():
    scene = Scene().dies("compute-1")
    ends_well(scene, 30)
    values = [value for _, value in scene.cluster.history]
    assert values[0].startswith("control-1@")
    assert values[1:] == ["no", None]
    assert {server.host for server in scene.nova.servers.values()} == {"compute-2"}


@pytest.mark.parametrize("name", [*states.RECOVERED, *states.DELETED_ONES])
def test_an_instance_comes_back_as_it_was_or_goes_as_its_owner_wanted(name):
    scene = scene_with([name, "active"]).dies("compute-1")
    ends_well(scene, 120)
    assert ("i0" in scene.nova.servers) == (name in states.RECOVERED)
    assert "compute-1" not in {server.host for server in scene.nova.servers.values()}


@pytest.mark.parametrize("name", states.LEFT)
def test_an_instance_that_nobody_can_or_should_revive_stays(name):
    scene = scene_with([name, "active"]).dies("compute-1")
    scene.run_until(lambda: not scene.cluster.values, 120)
    left = scene.nova.servers["i0"]
    assert left.host == "compute-1"
    assert left.vm_state == ("error" if name == "building" else states.LEFT[name].vm_state)
    assert scene.nova.guests.hosts("i0") == set()
    assert scene.nova.guests.breaches == []


def test_a_host_that_an_operator_had_disabled_stays_so():
    scene = Scene().dies("compute-1")
    scene.nova.status["compute-1"].enabled = False
    scene.nova.status["compute-1"].disabled_reason = "bad RAM"
    scene.run_until(lambda: not scene.cluster.values, 60)
    service = scene.nova.service("compute-1")
    assert (service.enabled, service.disabled_reason, service.forced_down) == (False, "bad RAM", False)
    assert scene.cluster.values == {}


def test_what_the_policy_leaves_does_not_hold_the_host_back():
    scene = Scene(Rules(policy=Policy(skip_names=("vm-i1",)))).dies("compute-1")
    scene.run_until(lambda: not scene.cluster.values, 60)
    assert [server.host for server in scene.nova.servers.values()] == ["compute-2", "compute-1", "compute-2"]
    assert scene.cluster.values == {}
    assert scene.nova.guests.breaches == []


def test_what_nova_refuses_for_what_it_is_is_asked_for_once_and_does_not_hold_the_host_back():
    scene = Scene().dies("compute-1")
    asked, evacuate = [], scene.nova.evacuate

    def refusing(instance, destination=None):
        asked.append(instance.id)
        if instance.id == "i1":
            raise Refused("Operation 'evacuate' not supported for vTPM-enabled instance (i1). (HTTP 400)", 400)
        return evacuate(instance, destination)

    scene.nova.evacuate = refusing
    scene.run_until(lambda: not scene.cluster.values, 60)
    assert scene.cluster.values == {} and scene.alarms() == {}
    assert [server.host for server in scene.nova.servers.values()] == ["compute-2", "compute-1", "compute-2"]
    assert sorted(asked) == ["i0", "i1", "i2"]
    assert scene.nova.guests.breaches == []


# Answers that do not come


ANSWERS = ["ok", "lost", "dropped", "late", "hung", "refused", "busy", "conflict", "slow"]


@pytest.mark.parametrize("answers", itertools.product(ANSWERS, repeat=2))
def test_unclear_answers_are_resolved_by_looking(answers):
    scene = Scene(count=2).dies("compute-1")
    scene.nova.next_answers = list(answers)
    ends_well(scene, 250)
    assert len(scene.nova.evacuations) == 2


@pytest.mark.parametrize("answer", ["lost", "dropped", "refused", "busy", "conflict", "slow"])
@pytest.mark.parametrize("at", range(1, 8))
def test_any_other_change_may_fail_once(at, answer):
    scene = scene_with(MIXED).dies("compute-1")
    scene.nova.next_changes = ["ok"] * at + [answer]
    ends_well(scene, 300)


@pytest.mark.parametrize("fenced_again", [False, True])
@pytest.mark.parametrize("answer", ["late", "hung"])
def test_a_request_that_outlives_its_engine_is_waited_for(answer, fenced_again):
    scene = Scene(count=1, spawn_seconds=10).dies("compute-1")
    scene.nova.next_answers = [answer]
    assert scene.run_until(lambda: scene.nova.posts)
    if fenced_again:
        scene.cluster.fence("compute-1")
    scene.new_engine("control-2")
    ends_well(scene, 100)
    assert len(scene.nova.evacuations) == 1


@pytest.mark.parametrize("seconds", [90, 130, 400])
@pytest.mark.parametrize("before", [0.01, 0.2, 0.5, 1, 3])
def test_a_request_that_a_hung_nova_carries_out_when_it_goes_on_is_not_repeated(seconds, before):
    scene = Scene(count=2, lateness=seconds).dies("compute-1")
    scene.nova.next_answers = ["late"]
    assert scene.run_until(lambda: scene.nova.posts)
    scene.nova.away = True
    # It answers the engine a moment before it gets to what it had been asked for.
    goes_on = scene.nova.posts[0][0] + seconds - before
    scene.clock.after(goes_on - scene.clock.now, lambda: setattr(scene.nova, "away", False))
    ends_well(scene, 900)
    assert len(scene.nova.evacuations) == 2


def test_a_cloud_that_is_away_loses_nothing():
    scene = Scene().dies("compute-1")
    scene.one_pass()
    scene.nova.away = True
    scene.run(20)
    assert scene.cluster.values["compute-1"].startswith("control-1@")
    scene.nova.away = False
    ends_well(scene, 60)


@pytest.mark.parametrize("conductor_away", [False, True])
def test_a_control_plane_that_is_away_in_the_middle_is_waited_for(conductor_away):
    scene = Scene(count=5, spawn_seconds=4).dies("compute-1")
    scene.nova.conductor_away = conductor_away
    scene.run(6)
    scene.nova.away = True
    scene.run(60)
    scene.nova.away = scene.nova.conductor_away = False
    ends_well(scene, 120)
    assert len(scene.nova.evacuations) == 5


# Requests that take their time


def held_requests(names):
    """Requests for these instances are with the workers, and not sent yet; with the workers."""
    scene = scene_with(names, workers=HELD).dies("compute-1")
    workers = scene.engines["control-1"].workers
    assert scene.run_until(lambda: workers.given == len(names))
    return scene, workers


def test_the_engine_goes_on_while_requests_take_long_and_asks_for_nothing_twice():
    scene, workers = held_requests(MIXED)
    looks, before = scene.nova.asked.count("instances"), dict(scene.nova.servers)
    scene.run(10)
    assert scene.nova.asked.count("instances") > looks + 2
    assert workers.given == len(MIXED) and scene.nova.servers == before
    workers.make_all()
    assert scene.nova.servers != before
    workers.when = PROMPT
    ends_well(scene)


def test_what_is_done_to_an_instance_in_the_middle_of_a_look_is_not_done_again():
    scene, workers = held_requests(["stopped"])
    # The look has read the instance, and not yet its end.
    workers.meanwhile = lambda: scene.nova.asked[-1] == "instances" and workers.make_all()
    scene.one_pass()
    assert scene.nova.asked.count("tag") == 1
    workers.when = PROMPT
    ends_well(scene)
    # Noted, noted as done, and both taken off.
    assert [call for call in scene.nova.asked if "tag" in call] == ["tag", "tag", "untag", "untag"]
    assert len(scene.nova.posts) == 1


def test_an_instance_that_has_been_made_ready_is_evacuated_at_once():
    scene = scene_with(["stopped"]).dies("compute-1")
    assert scene.run_until(lambda: scene.nova.posts)
    assert scene.nova.posts[0][0] < 0.6


def test_a_host_is_not_closed_while_a_request_for_its_instance_is_being_sent():
    scene, workers = held_requests(["active"])
    scene.nova.set("i0", vm_state="soft-delete")
    scene.run(10)
    assert scene.cluster.stands("compute-1")
    workers.make_all()
    scene.run(10)
    assert not scene.cluster.stands("compute-1")


@pytest.mark.parametrize("workers", [LATE, SLOW])
@pytest.mark.parametrize("story", ["one host dies", "two hosts die"])
def test_instances_in_all_states_come_back_however_slow_the_workers_are(story, workers):
    scene = scene_with(MIXED, workers=workers, spawn_seconds=3.0).dies("compute-1")
    if story == "two hosts die":
        scene.clock.after(6, lambda: scene.dies("compute-2"))
    ends_well(scene)


def test_a_nova_that_is_busy_is_left_alone_by_other_requests_too():
    scene = scene_with(["stopped"] * 30).dies("compute-1")
    scene.nova.next_changes = ["ok", "ok", "ok", "busy"]
    assert scene.run_until(lambda: scene.nova.asked.count("tag") == 3)
    began = scene.clock.now
    assert scene.run_until(lambda: scene.nova.asked.count("tag") > 3)
    assert scene.clock.now - began >= 4
    ends_well(scene, 120)


# Retries, by what went wrong


def times(scene):
    """Seconds between the evacuate requests."""
    moments = [when for when, _ in scene.nova.posts]
    return [later - earlier for earlier, later in zip(moments, moments[1:])]


def test_what_a_quota_forbids_is_tried_slowly():
    scene = Scene(count=1).dies("compute-1")
    scene.nova.next_answers = ["forbidden"] * 3
    ends_well(scene, 900)
    assert [pause > low for pause, low in zip(times(scene), [45, 90, 180])] == [True] * 3


def test_a_spawn_that_fails_is_tried_again_soon_then_more_slowly():
    scene = Scene(count=1).dies("compute-1")
    scene.nova.next_spawns = ["failed"] * 4
    ends_well(scene, 300)
    pauses = times(scene)
    assert pauses[0] < 12
    assert pauses == sorted(pauses)
    assert pauses[3] > 30


def test_what_found_no_room_is_tried_again_as_soon_as_a_host_is_there():
    scene = Scene(count=3).dies("compute-1")
    scene.nova.full = {"compute-2"}
    scene.nova.status["compute-3"].enabled = False
    scene.run(300)
    assert scene.nova.guests.running == {}
    tried = len(scene.nova.posts)
    assert tried < 3 * 8
    scene.nova.status["compute-3"].enabled = True
    scene.run(15)
    assert len(scene.nova.posts) == tried + 3
    ends_well(scene, 60)


def test_what_found_no_room_is_tried_again_when_an_operator_orders_it():
    """For a quota that was raised, or room that was made on a host, no host appears."""
    scene = Scene(count=3).dies("compute-1")
    scene.nova.full = {"compute-2", "compute-3"}
    scene.run(300)
    scene.nova.full = set()
    tried = len(scene.nova.posts)
    scene.cluster.ordered["compute-1"] = orders.written(Retry(None, "alice@control-1", 7))
    scene.run(15)
    assert len(scene.nova.posts) == tried + 3
    assert scene.cluster.ordered == {}
    ends_well(scene, 60)


def test_what_is_under_way_is_not_asked_for_again_whatever_an_operator_orders():
    scene = Scene(count=3, spawn_seconds=200).dies("compute-1")
    assert scene.run_until(lambda: len(scene.nova.posts) == 3, 60)
    for _again in range(5):
        scene.cluster.ordered["compute-1"] = orders.written(Retry(None, "alice@control-1", 7))
        scene.run(15)
    assert scene.cluster.ordered == {}
    assert len(scene.nova.posts) == 3
    ends_well(scene)


def test_a_recovery_that_an_operator_ends_leaves_what_nothing_was_asked_for_and_finishes_the_rest():
    scene = Scene(count=3, in_flight=1, spawn_seconds=30).dies("compute-1", off=True)
    assert scene.run_until(lambda: len(scene.nova.posts) == 1, 60)
    claim = scene.cluster.values["compute-1"]
    scene.cluster.ordered["compute-1"] = orders.written(End(claim, "alice@control-1", 7))
    scene.run(15)
    assert scene.cluster.values == {"compute-1": claim}
    scene.run(60)
    assert (scene.cluster.values, scene.cluster.ordered) == ({"compute-1": flag.RECOVERED}, {})
    assert len(scene.nova.posts) == 1
    assert sorted(server.host for server in scene.nova.servers.values()) == ["compute-1", "compute-1", "compute-2"]


@pytest.mark.parametrize(("rest", "soon", "sent"), [(5, 1.0, 20), (400, 0.2, 40)])
def test_a_recovery_is_not_slower_for_what_the_one_before_met_with(rest, soon, sent):
    """A few minutes later that is forgotten; before, it begins as slowly, and soon gets quick."""
    scene = Scene(count=0, hosts=6)
    for number in range(60):
        scene.nova.add(host=f"compute-{1 + number // 30}")
    scene.nova.next_answers = ["ok", "busy"] * 6
    scene.dies("compute-1", off=True)
    assert scene.run_until(lambda: all(s.host != "compute-1" for s in scene.nova.servers.values()), 2000)
    scene.run(rest)
    before = len(scene.nova.posts)
    scene.dies("compute-2")
    assert scene.run_until(lambda: len(scene.nova.posts) > before, 30)
    scene.run(soon)
    assert len(scene.nova.posts) - before >= sent


def test_a_nova_that_is_busy_is_asked_more_slowly():
    scene = Scene(count=40, spawn_seconds=0.1).dies("compute-1")
    scene.nova.next_answers = ["busy"]
    assert scene.run_until(lambda: len(scene.nova.posts) > 1, 30)
    scene.one_pass()
    # What waited behind the one that was refused is not sent.
    refused, again = scene.nova.posts[:1], scene.nova.posts[1:]
    # It is left alone for as long as it wants; then it is asked for half as much at once.
    assert again[0][0] - refused[-1][0] >= 5
    assert len([when for when, _ in again if when < again[0][0] + 0.5]) == 20
    ends_well(scene, 60)
    assert len(scene.nova.evacuations) == 40


# Double failures


def test_a_destination_that_dies_is_recovered_from_as_soon_as_it_is_proved_dead():
    scene = Scene(count=4, spawn_seconds=5).dies("compute-1")
    scene.run(8)
    scene.dies("compute-2", off=True)
    died = scene.clock.now
    assert scene.run_until(lambda: {server.host for server in scene.nova.servers.values()} == {"compute-3"}, 100)
    assert scene.clock.now < died + 40
    scene.boots("compute-2")
    ends_well(scene)


def queued_to_a_dead_host(count=2, named=True, **more):
    """compute-2 died unnoticed: what it is asked for waits for its return.

    :param named: whether the records name it, as those of requests do that name their destination
    """
    scene = Scene(count=count, spawn_seconds=20, **more).dies("compute-1")
    scene.breaks("compute-2")
    scene.run(10)
    assert len(scene.nova.computes["compute-2"].waiting) == count
    for record in scene.nova.records if named else ():
        record.destination = "compute-2"
    return scene


@pytest.mark.parametrize("back_after", [0, 60, 140, 149, 151, 160, 175, 400])
def test_what_is_queued_unseen_at_a_dead_host_is_started_once_whenever_that_returns(back_after):
    scene = queued_to_a_dead_host(named=False)
    scene.fenced("compute-2", True)
    scene.run(back_after)
    scene.boots("compute-2")
    ends_well(scene)


def test_a_dead_destination_stays_out_while_what_was_sent_to_it_starts_elsewhere():
    scene = queued_to_a_dead_host()
    scene.fenced("compute-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-3"].spawning, 400)
    scene.run(18)
    assert not scene.nova.computes["compute-2"].running
    ends_well(scene)


@pytest.mark.parametrize("seconds", [1, 5, 12])
def test_a_new_engine_keeps_a_dead_destination_out_too(seconds):
    scene = queued_to_a_dead_host()
    scene.fenced("compute-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-3"].spawning, 400)
    scene.run(seconds)
    scene.new_engine("control-2")
    ends_well(scene)


def test_what_two_dead_hosts_in_a_row_were_asked_for_starts_no_guest_when_they_return():
    scene = queued_to_a_dead_host(hosts=4)
    scene.breaks("compute-3")
    scene.fenced("compute-2")
    scene.run(20)
    scene.fenced("compute-3")
    ends_well(scene)
    assert {server.host for server in scene.nova.servers.values()} == {"compute-4"}
    assert scene.clock.now < 400


def test_a_dead_destination_does_not_return_just_as_its_instance_is_sent_elsewhere():
    scene = queued_to_a_dead_host()
    scene.nova.full = {"compute-3"}
    scene.fenced("compute-2", off=True)
    scene.run(60)
    scene.nova.full = set()
    scene.run(30)
    scene.boots("compute-2")
    ends_well(scene)


def queued_at_a_host_that_stays_off(named):
    """What had been queued at compute-2 when it died runs on compute-3; compute-2 is recovered, and off."""
    scene = queued_to_a_dead_host(count=2, named=named)
    scene.fenced("compute-2", off=True)
    assert scene.run_until(lambda: {*scene.cluster.values} == {"compute-2"}, 400)
    assert {*on(scene)} == {"compute-3"}
    assert scene.run_until(lambda: scene.cluster.values["compute-2"] == flag.RECOVERED, 100)
    return scene


def on(scene):
    """The hosts of all instances."""
    return [server.host for server in scene.nova.servers.values()]


@pytest.mark.parametrize("engine", ["the same", "new before", "new in the middle"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("boots_after", [0, 3, 9, 12, 20, 45])
def test_a_host_that_was_off_for_long_does_not_boot_into_a_later_evacuation(boots_after, named, engine):
    scene = queued_at_a_host_that_stays_off(named)
    if engine == "new before":
        scene.new_engine("control-2")
    scene.run(30)
    scene.nova.next_spawns = ["ok", "failed"]
    scene.clock.after(boots_after, lambda: scene.boots("compute-2"))
    if engine == "new in the middle":
        scene.clock.after(boots_after / 2, lambda: scene.new_engine("control-2"))
    scene.dies("compute-3", off=True)
    assert scene.run_until(lambda: {*on(scene)} == {"compute-1"}, 400)
    scene.boots("compute-3")
    ends_well(scene)


@pytest.mark.parametrize("boots_after", [0, 5, 12])
def test_a_new_engine_reckons_with_the_past_of_a_host_that_was_fenced_again(boots_after):
    """Its flag is as that of a host that nobody has taken up yet."""
    scene = queued_at_a_host_that_stays_off(named=True)
    scene.dies("compute-2", "compute-3", off=True)
    scene.new_engine("control-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-1"].spawning, 200)
    scene.clock.after(boots_after, lambda: scene.boots("compute-2"))
    scene.run(60)
    scene.boots("compute-3")
    ends_well(scene)


@pytest.mark.parametrize("engine", ["the same", "new"])
def test_nothing_waits_for_a_host_that_is_off(engine):
    scene = queued_at_a_host_that_stays_off(named=True)
    if engine == "new":
        scene.new_engine("control-2")
    asked, died = len(scene.nova.posts), scene.clock.now
    scene.dies("compute-3", off=True)
    assert scene.run_until(lambda: len(scene.nova.posts) == asked + 2, 30)
    assert scene.clock.now < died + 12
    assert scene.cluster.values["compute-2"] == flag.RESTART
    assert scene.run_until(lambda: {*on(scene)} == {"compute-1"}, 300)
    scene.run(30)
    if engine == "the same":
        # Both may have been asked for the same: they come back one after the other, whichever boots first.
        assert scene.cluster.values == {"compute-2": flag.RESTART, "compute-3": flag.RECOVERED}
    scene.boots("compute-2")
    assert scene.run_until(lambda: scene.cluster.values == {"compute-3": flag.RECOVERED}, 200)
    scene.boots("compute-3")
    ends_well(scene)


@pytest.mark.parametrize("boots", [True, False])
def test_a_host_that_is_held_back_is_let_start_though_no_room_is_found(boots):
    scene = queued_at_a_host_that_stays_off(named=True)
    scene.nova.full = {"compute-1"}
    before = len(scene.cluster.history)
    scene.dies("compute-3", off=True)
    scene.run(300)
    assert scene.cluster.values["compute-2"] == flag.RESTART
    if boots:
        scene.boots("compute-2")
        # It is the room that there is.
        assert scene.run_until(lambda: {*on(scene)} == {"compute-2"}, 400)
    else:
        values = [value for host, value in scene.cluster.history[before:] if host == "compute-2"]
        assert values == [flag.RESTART]  # once
        scene.nova.full = set()
    scene.boots("compute-3")
    scene.boots("compute-2")
    ends_well(scene)


def test_a_nova_compute_that_does_not_report_holds_up_nothing_for_ever():
    scene = queued_at_a_host_that_stays_off(named=True)
    scene.broken = {"compute-2"}
    scene.boots("compute-2")
    scene.run(200)
    scene.dies("compute-3", off=True)
    assert scene.run_until(lambda: {*on(scene)} == {"compute-1"}, 250)
    scene.broken = set()
    scene.boots("compute-3")
    ends_well(scene)


def test_hosts_that_die_together_do_not_wait_for_each_other():
    """With all that was asked seen by one engine, it is known that nothing is queued at the one that is back first."""
    scene = Scene(count=1, hosts=4, spawn_seconds=3)
    for _ in range(20):
        scene.nova.add(host="compute-2")
    scene.dies("compute-1", "compute-2")
    ends_well(scene)
    assert scene.nova.guests.hosts("i0") == {"compute-3"}
    first, second = ([v for host, v in scene.cluster.history if host == f"compute-{n}"] for n in (1, 2))
    assert first[1:] == second[1:] == [flag.RECOVERED, None]
    assert scene.cluster.history.index(("compute-1", None)) < scene.cluster.history.index(("compute-2", flag.RECOVERED))
    assert scene.cluster.looks == 0


def test_hosts_that_an_operator_let_go_do_not_wait_for_each_other():
    scene = lost_at_once(1, 2, 3, max_hosts=2)
    scene.run(60)
    for host in ("compute-1", "compute-2", "compute-3"):
        scene.cluster.go(host)
    ends_well(scene)
    assert flag.RESTART not in dict(scene.cluster.history).values()
    assert scene.cluster.looks == 0


def test_an_instance_that_two_hosts_began_to_start_is_gone_on_with_by_an_operators_word():
    scene = Scene(count=1, spawn_seconds=20, hosts=4).dies("compute-1")
    scene.run(5)
    scene.dies("compute-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-3"].spawning, 400)
    scene.run(8)
    scene.cluster.runs_nova_compute = False
    scene.nova.computes["compute-3"].stop()
    assert scene.run_until(scene.alarms, 1000)
    scene.operator_looks()
    ends_well(scene)


def test_an_instance_that_was_in_error_is_not_called_unknown_when_it_arrives():
    scene = scene_with(["error", "active"], spawn_seconds=3).dies("compute-1")
    scene.nova.next_spawns = ["failed", "failed"]
    said = []
    end = scene.clock.now + 60
    while scene.clock.now < end:
        scene.one_pass()
        said += scene.alarms().values()
    assert said == []
    ends_well(scene)


def test_an_instance_that_a_late_request_left_in_error_is_healed():
    scene = queued_to_a_dead_host()
    scene.fenced("compute-2")
    assert scene.run_until(lambda: scene.nova.computes["compute-2"].running, 400)
    scene.run(4)
    broken = [(server.vm_state, server.task_state, server.host) for server in scene.nova.servers.values()]
    assert broken == [("error", "rebuilding", "compute-3")] * 2
    ends_well(scene)


def test_records_that_one_start_leaves_are_ended_by_one_more():
    """Two records in flight of one instance, of which nova-compute ends one each time it starts."""
    scene = Scene(count=2, spawn_seconds=5).dies("compute-1")
    scene.run(3)
    scene.dies("compute-2")
    ends_well(scene)
    assert {record.status for record in scene.nova.records} == {"completed"}
    values = [value for host, value in scene.cluster.history if host == "compute-1"]
    assert values.count("no") == 2


# What a dead host had still been asked for


def ask(scene, what):
    """An owner, or an operator, asks for something to be done with i0."""
    nova, server = scene.nova, scene.nova.servers["i0"]
    if what == "delete":
        nova.owner_deletes("i0")
    elif what == "live_migrate":
        nova.live_migrate("i0", "compute-2")
    elif what in ("stop", "pause"):
        nova.guests.wanted["i0"] = {"stop": STOPPED, "pause": PAUSED}[what]
        getattr(nova, what)(server)
    else:
        getattr(nova, what)("i0" if what in ("rebuild", "resize") else server)


@pytest.mark.parametrize("unnoticed", [0, 30, 70])
@pytest.mark.parametrize("what", ["delete", "stop", "pause", "reboot", "rebuild", "resize", "live_migrate"])
def test_what_a_dead_host_was_asked_for_does_no_harm_when_it_returns(what, unnoticed):
    scene = Scene(count=2)
    scene.breaks("compute-1")
    ask(scene, what)
    scene.clock.advance(unnoticed)
    scene.fenced("compute-1")
    ends_well(scene)
    assert ("i0" in scene.nova.servers) == (what != "delete")


@pytest.mark.parametrize("after", [0.0, 0.5, 0.9, 1.1, 1.4, 1.6])
@pytest.mark.parametrize("dies", ["compute-1", "compute-2"])
def test_a_live_migration_that_a_death_interrupts_does_not_make_two_guests(dies, after):
    scene = Scene(count=2)
    ask(scene, "live_migrate")
    scene.clock.advance(after)
    scene.dies(dies)
    scene.run_until(lambda: scene.is_over() or scene.alarms(), 900)
    assert scene.nova.guests.breaches == []
    scene.operator_looks()
    ends_well(scene)


# No room


@pytest.mark.parametrize("name", states.RECOVERED)
def test_without_room_the_instances_wait(name):
    scene = scene_with([name]).dies("compute-1")
    scene.nova.full = {"compute-2", "compute-3"}
    scene.run(700)
    assert scene.nova.guests.running == {}
    assert scene.cluster.stands("compute-1")
    scene.nova.full = set()
    ends_well(scene)


RESTART = Rules(no_room=RESTART_IN_PLACE, no_room_patience=60)
EVEN_IF_ALL = Rules(no_room=RESTART_IN_PLACE, no_room_patience=60, guard=Guard(max_share=100))


@pytest.mark.parametrize("name", states.RECOVERED)
def test_without_room_the_instances_restart_in_place_if_the_operator_chose_that(name):
    scene = scene_with([name, "active"], rules=RESTART).dies("compute-1")
    scene.nova.full = {"compute-2", "compute-3"}
    ends_well(scene)
    assert {server.host for server in scene.nova.servers.values()} == {"compute-1"}


def test_a_stopped_instance_whose_image_was_being_taken_is_restarted_in_place_as_any_other():
    scene = Scene(EVEN_IF_ALL, count=0, hosts=2)
    scene.nova.add("stopped", "image_uploading", "shutdown", wanted=STOPPED)
    scene.nova.add(host="compute-2")
    scene.dies("compute-1", "compute-2")
    ends_well(scene)
    assert scene.nova.posts == []


def test_all_hosts_dead_at_once_come_back_where_they_were():
    scene = Scene(EVEN_IF_ALL, count=0)
    for number, name in itertools.product([1, 2, 3], MIXED):
        scene.nova.add(*states.ALL[name][:3], wanted=states.ALL[name].wanted, host=f"compute-{number}")
    scene.dies("compute-1", "compute-2", "compute-3")
    ends_well(scene)


def test_without_room_nothing_restarts_on_a_host_that_is_not_back():
    scene = Scene(RESTART).dies("compute-1", off=True)
    scene.nova.full = {"compute-2", "compute-3"}
    scene.run(400)
    assert scene.cluster.stands("compute-1")
    scene.boots("compute-1")
    ends_well(scene)


# The mass failure guard


def lost_at_once(*dead, **limits):
    """Six hosts with an instance each; some of them die."""
    scene = Scene(Rules(guard=Guard(**limits)), count=0, hosts=6)
    for number in range(1, 7):
        scene.nova.add(host=f"compute-{number}")
    return scene.dies(*[f"compute-{number}" for number in dead])


def test_too_many_dead_hosts_are_held_until_an_operator_says_go():
    scene = lost_at_once(1, 2, 3, max_hosts=2)
    scene.run(300)
    assert scene.nova.posts == []
    assert set(scene.cluster.values.values()) == {flag.FLAGGED}
    assert len(scene.alarms()) == 3
    scene.cluster.go("compute-2")
    scene.run(60)
    assert scene.cluster.values == {"compute-1": "yes", "compute-3": "yes"} or len(scene.nova.posts) == 3
    for host in ("compute-1", "compute-3"):
        scene.cluster.go(host)
    ends_well(scene)


@pytest.mark.parametrize(
    ("dead", "away", "is_mass"),
    [
        ([1, 2, 3], [4, 5, 6], False),  # three of six
        ([1, 2, 3], [], False),
        ([1, 2, 3, 4], [4, 5, 6], True),
        ([1, 4, 5, 6], [4, 5, 6], True),
    ],
)
def test_hosts_of_a_cell_that_is_away_count_among_the_dead_and_among_all(dead, away, is_mass):
    scene = lost_at_once(*dead)
    away, read = {f"compute-{number}" for number in away}, scene.nova.services

    def services():
        found = read()
        return Services({name: found[name] for name in found if name not in away}, away)

    scene.nova.services = services
    scene.run(30)
    if is_mass:
        assert set(scene.cluster.values.values()) == {flag.FLAGGED}
        return
    assert flag.FLAGGED not in scene.cluster.values.values()
    away.clear()
    ends_well(scene)


def test_the_recovery_of_one_cell_goes_on_while_another_is_away_and_nothing_is_asked_twice():
    scene = lost_at_once(1, 4)
    scene.nova.spawn_seconds = 30
    away, read = set(), scene.nova.services

    def services():
        found = read()
        return Services({name: found[name] for name in found if name not in away}, away)

    scene.nova.services = services
    scene.run_until(lambda: len(scene.nova.evacuations) == 2, 60)
    away.add("compute-4")
    scene.run_until(lambda: scene.cluster.values == {"compute-4": scene.cluster.values["compute-4"]}, 120)
    assert scene.nova.servers["i0"].host != "compute-1" and "compute-1" not in scene.cluster.values
    away.clear()
    ends_well(scene)
    assert len(scene.nova.evacuations) == 2


def test_held_hosts_go_on_when_the_number_falls():
    scene = lost_at_once(1, 2, 3, 4)
    scene.run(60)
    assert scene.nova.posts == []
    del scene.cluster.values["compute-4"]
    scene.nova.add(host="compute-4", wanted=None)
    scene.run(60)
    assert {instance for instance, _ in scene.nova.evacuations} == {"i0", "i1", "i2"}


def test_the_guard_does_not_hold_what_runs():
    scene = lost_at_once(1, max_hosts=2)
    scene.nova.spawn_seconds = 20
    scene.nova.next_spawns = ["failed"]
    scene.run(5)
    scene.dies("compute-2", "compute-3")
    assert scene.run_until(lambda: scene.nova.servers["i0"].host != "compute-1", 120)
    assert {host for host, value in scene.cluster.values.items() if value == flag.FLAGGED} == {"compute-2", "compute-3"}


def test_a_mass_in_one_aggregate_is_held_though_the_cloud_is_large():
    scene = lost_at_once(1, 2, 3, least=2, max_aggregate_share=60)
    scene.nova.groups = {"rack": {"compute-1", "compute-2", "compute-4"}, "other": {"compute-3", "compute-5"}}
    scene.run(40)
    assert {instance for instance, _ in scene.nova.evacuations} == {"i2"}


# What an operator has put off


def put_off(scope=pauses.ALL, name="", until=None):
    return pauses.written([pauses.Pause(scope, name, 0, until, "alice@control-1", "CHG-4711: switch")])


@pytest.mark.parametrize(
    ("pause", "held"),
    [
        (put_off(), {"compute-1", "compute-2"}),
        (put_off(pauses.HOST, "Compute-1"), {"compute-1"}),
        (put_off(until=2**40), {"compute-1", "compute-2"}),
        (put_off(until=1), set()),
        ("somebody's own word", {"compute-1", "compute-2"}),
    ],
    ids=["all", "one", "for ever and a day", "over", "what cannot be read"],
)
def test_a_paused_host_is_out_of_service_and_not_taken_up(pause, held):
    scene = lost_at_once()
    scene.cluster.put_off = pause
    scene.dies("compute-1", "compute-2")
    scene.cluster.go("compute-2")
    scene.run(60)
    assert {host for host, value in scene.cluster.values.items() if flag.is_new(value)} == held
    left = {f"i{number - 1}" for number in (1, 2) if f"compute-{number}" in held}
    assert {instance for instance, _ in scene.nova.evacuations} == {"i0", "i1"} - left
    (process,) = scene.engines.values()
    for host in held:
        assert scene.nova.status[host].forced_down
        assert process.account.as_dict()["hosts"][host]["code"] == "paused"
    scene.cluster.put_off = None
    ends_well(scene)


def test_a_pause_does_not_hold_what_runs_nor_what_another_engine_had_begun():
    scene = lost_at_once(1)
    scene.nova.spawn_seconds = 20
    scene.run(5)
    scene.cluster.put_off = put_off()
    scene.engine_dies("control-1")
    scene.new_engine("control-2")
    assert scene.run_until(lambda: scene.nova.servers["i0"].host != "compute-1", 120)
    ends_well(scene)


def test_a_host_that_is_fenced_once_more_while_it_is_recovered_goes_on_though_paused():
    scene = lost_at_once(1)
    scene.nova.spawn_seconds = 60
    scene.run(5)
    scene.cluster.put_off = put_off()
    scene.cluster.values["compute-1"] = flag.FLAGGED
    scene.run(5)
    assert flag.claimant(scene.cluster.values["compute-1"]) == "control-1"


# Reserved hosts


def with_reserve(**more):
    scene = Scene(Rules(**more), hosts=4)
    for host in ("compute-3", "compute-4"):
        scene.nova.status[host].enabled = False
        scene.nova.status[host].disabled_reason = "nova-ha: reserved"
    return scene


@pytest.mark.parametrize("destination", [False, True])
def test_one_reserved_host_takes_a_lost_ones_place(destination):
    scene = with_reserve(reserve_destination=destination).dies("compute-1")
    scene.run_until(lambda: not scene.cluster.values, 60)
    enabled = {name for name, status in scene.nova.status.items() if status.enabled}
    assert enabled == {"compute-1", "compute-2", "compute-3"}
    expected = "compute-3" if destination else "compute-2"
    assert {server.host for server in scene.nova.servers.values()} == {expected}
    assert scene.nova.guests.breaches == []


def test_each_lost_host_has_its_own_reserve():
    scene = with_reserve().dies("compute-1", "compute-2")
    ends_well(scene, 60)


def test_an_engine_that_dies_does_not_use_a_second_reserve():
    scene = with_reserve()
    scene.arm(Tripwire(3))
    scene.dies("compute-1")
    scene.run_until(lambda: not scene.cluster.values, 60)
    assert not scene.nova.status["compute-4"].enabled


# Order


def test_a_group_starts_when_the_one_before_is_up():
    scene = Scene(Rules(order=Order(groups=("database", "web"))), count=0, spawn_seconds=2)
    for group in ("web", "database", "web", "database", ""):
        scene.nova.add(metadata={"nova-ha:group": group} if group else {})
    scene.nova.next_spawns = ["ok", "failed"]
    scene.dies("compute-1")
    ends_well(scene, 120)
    asked = [instance for _, instance in scene.nova.posts]
    assert [set(asked[:3]), set(asked[3:5]), asked[5:]] == [{"i1", "i3"}, {"i0", "i2"}, ["i4"]]


def test_hosts_are_served_in_turns():
    scene = Scene(count=0, in_flight=4, hosts=4)
    for host in ("compute-1", "compute-1", "compute-1", "compute-1", "compute-2", "compute-2"):
        scene.nova.add(host=host)
    scene.dies("compute-1", "compute-2")
    scene.run_until(lambda: scene.nova.posts)
    assert {instance for _, instance in scene.nova.posts[:4]} == {"i0", "i1", "i4", "i5"}
    ends_well(scene, 60)


# Evacuations that do not move


def in_the_spawn(scene=None, defined=False, broken=(), by_cluster=True):
    """nova-compute of the destination has died while it started the instance.

    :param by_cluster: it is a resource of the cluster's; else that does not tell when it starts
    """
    scene = (scene or Scene(count=1, spawn_seconds=20)).dies("compute-1")
    scene.cluster.runs_nova_compute = by_cluster
    scene.run(5)
    scene.broken = set(broken)
    scene.nova.computes["compute-2"].stop(defined)
    return scene


def test_an_evacuation_whose_nova_compute_was_restarted_at_once_is_asked_for_again_there():
    scene = in_the_spawn()
    scene.run(RESTARTS_LATER + SETTLE - 5)
    assert len(scene.nova.posts) == 1
    assert scene.run_until(lambda: scene.nova.servers["i0"].host == "compute-2", 40)
    ends_well(scene)
    assert [where for _, where in scene.nova.evacuations] == [None, "compute-2"]


def test_the_cluster_may_know_the_destination_by_another_name(monkeypatch):
    scene = Scene(count=1, spawn_seconds=20)
    view = type(scene.cluster.seen_from("control-1"))
    short = view.starts
    full = lambda *asked: {f"{host}.example.org": start for host, start in short(*asked).items()}  # noqa: E731
    monkeypatch.setattr(view, "starts", full)
    in_the_spawn(scene)
    assert scene.run_until(lambda: len(scene.nova.posts) == 2, 120)


def test_it_is_asked_for_again_as_often_as_that_happens():
    scene = in_the_spawn()
    assert scene.run_until(lambda: len(scene.nova.posts) == 2, 120)
    scene.run(5)
    scene.nova.computes["compute-2"].stop()
    ends_well(scene)
    assert [where for _, where in scene.nova.evacuations] == [None, "compute-2", "compute-2"]


def test_a_slow_evacuation_is_waited_for_whatever_happens_to_other_hosts():
    scene = Scene(count=1, spawn_seconds=400).dies("compute-1")
    scene.run(60)
    scene.nova.computes["compute-3"].stop()
    scene.cluster.cleanup()
    ends_well(scene)
    assert len(scene.nova.posts) == 1


def test_an_evacuation_that_ended_just_before_its_nova_compute_died_is_not_asked_for_again():
    scene = Scene(count=1, spawn_seconds=20).dies("compute-1")
    assert scene.run_until(lambda: scene.nova.servers["i0"].host == "compute-2", 60)
    scene.nova.computes["compute-2"].stop()
    ends_well(scene)
    assert len(scene.nova.posts) == 1


def test_the_cluster_is_not_asked_for_starts_all_the_time():
    scene = Scene(count=20, spawn_seconds=2).dies("compute-1")
    ends_well(scene, 200)
    assert 1 <= scene.cluster.asked_for_starts <= 40 / RESTARTS_SOON + 2
    scene = Scene(count=1, spawn_seconds=300).dies("compute-1")
    ends_well(scene)
    assert scene.cluster.asked_for_starts <= 300 / RESTARTS_LATER + 2


@pytest.mark.parametrize("how", ["not its resource", "started by systemd", "it does not say"])
def test_an_evacuation_that_does_not_move_is_reported_and_not_asked_for_again(how):
    scene = in_the_spawn(by_cluster=how != "not its resource")
    if how == "started by systemd":
        scene.starts("compute-2", by_cluster=False)
    scene.cluster.refuses_starts = how == "it does not say"
    scene.run(590)
    assert scene.alarms() == {}
    scene.run(1000)
    assert len(scene.nova.posts) == 1
    assert list(scene.alarms()) == [("compute-1", "i0")]
    scene.operator_looks()
    ends_well(scene)


def test_an_evacuation_whose_destination_was_down_is_asked_for_again_there():
    scene = in_the_spawn(broken=["compute-2"])
    scene.run(120)
    assert len(scene.nova.posts) == 1
    scene.broken = set()
    ends_well(scene)
    assert [where for _, where in scene.nova.evacuations] == [None, "compute-2"]


@pytest.mark.parametrize(("broken", "by_cluster"), [((), False), (("compute-2",), False), ((), True)])
def test_a_guest_that_nova_does_not_know_of_is_not_started_a_second_time(broken, by_cluster):
    scene = in_the_spawn(defined=True, broken=broken, by_cluster=by_cluster)
    scene.run(120)
    scene.broken = set()
    scene.run(2000)
    assert scene.nova.guests.breaches == []
    assert scene.nova.guests.hosts("i0") == {"compute-2"}
    assert ("unknown to Nova" in scene.alarms()["compute-1", "i0"]) == (bool(broken) or by_cluster)
    scene.operator_looks()
    ends_well(scene)


# Former states


def test_a_restoration_that_fails_is_tried_again():
    scene = scene_with(["paused", "suspended"]).dies("compute-1")
    assert scene.run_until(lambda: scene.nova.servers["i0"].host == "compute-2", 60)
    scene.nova.next_changes = ["conflict", "lost", "busy"]
    ends_well(scene, 300)


def test_a_restoration_outlives_the_flag_and_the_engine():
    scene = scene_with(["paused"]).dies("compute-1")
    assert scene.run_until(lambda: scene.nova.servers["i0"].host == "compute-2", 60)
    scene.nova.set("i0", task_state="image_snapshot")
    scene.run(100)
    assert scene.nova.service("compute-1").up
    scene.new_engine("control-2")
    scene.nova.set("i0", task_state=None)
    ends_well(scene, 120)


@pytest.mark.parametrize("engine", ["the same", "new"])
@pytest.mark.parametrize("dies_after", [0, 1, 30])
def test_a_note_that_is_left_when_the_last_flag_goes_is_seen_to_later(dies_after, engine):
    scene = scene_with(["stopped", "paused"]).dies("compute-1", off=True)
    assert scene.run_until(lambda: {*on(scene)} == {"compute-2"}, 60)
    scene.run(dies_after)
    scene.broken = {"compute-2"}
    scene.nova.computes["compute-2"].stop()
    scene.run(70)
    scene.boots("compute-1")
    assert scene.run_until(lambda: not scene.cluster.values, 60)
    if engine == "new":
        scene.new_engine("control-2")
    scene.run(300)
    assert all(server.tags for server in scene.nova.servers.values())
    asked = scene.nova.asked.count("restoring")
    scene.run(300)
    assert scene.nova.asked.count("restoring") <= asked + 5
    scene.broken = set()
    ends_well(scene, 300)
    scene.run(100)
    asked = scene.nova.asked.count("restoring")
    scene.run(300)
    assert scene.nova.asked.count("restoring") == asked


# Others


def test_a_pass_in_which_somebody_else_changes_a_flag_does_nothing_else():
    """What may be done about other hosts rests on whose that one is."""
    scene = Scene().dies("compute-1")
    assert scene.run_until(lambda: scene.cluster.values.get("compute-1") == "no")
    scene.dies("compute-2")

    def change(host, *_):
        scene.cluster.values[host] = flag.GO
        scene.cluster.judge = lambda *_: None

    scene.cluster.judge = change
    scene.nova.asked.clear()
    scene.one_pass()
    assert scene.cluster.values["compute-2"] == flag.GO
    assert not {"migrations", "instances", "force_down"} & set(scene.nova.asked)
    ends_well(scene)


def test_another_engine_that_runs_is_respected():
    scene = Scene().dies("compute-1")
    scene.cluster.values["compute-1"] = "control-3@5"
    scene.cluster.active.add("control-3")
    scene.run(60)
    assert scene.nova.posts == []
    scene.cluster.active.discard("control-3")
    ends_well(scene, 60)


@pytest.mark.parametrize("workers", [PROMPT, LATE, SLOW])
def test_two_engines_by_mistake_do_each_thing_once(workers):
    scene = scene_with(MIXED, workers=workers).dies("compute-1")
    scene.new_engine("control-2", beside=True)
    scene.run(10)
    scene.dies("compute-2")
    ends_well(scene)


def test_a_host_fenced_again_while_it_is_put_back_keeps_its_flag():
    scene = Scene().dies("compute-1")
    swap = scene.cluster.swap

    def fenced_just_before(host, old, new):
        if new is None:
            scene.cluster.swap = swap
            scene.fenced(host)
        return swap(host, old, new)

    scene.cluster.swap = fenced_just_before
    ends_well(scene)
    values = [value for _, value in scene.cluster.history]
    assert values.count("no") == 2
    assert values[-1] is None


def test_a_host_fenced_again_just_before_it_is_put_back_stays_out():
    scene = Scene().dies("compute-1")
    in_error, unforced = scene.nova.in_error, []

    def fenced_meanwhile():
        # Between the look at the flags and the deed that follows from it.
        scene.nova.in_error = in_error
        scene.fenced("compute-1")
        return in_error()

    force_down = scene.nova.force_down
    scene.nova.in_error = fenced_meanwhile
    scene.nova.force_down = lambda service, forced, **more: (
        unforced.append(scene.cluster.values[service.host]) if not forced else None,
        force_down(service, forced, **more),
    )
    ends_well(scene)
    assert unforced == [flag.RECOVERED]


# Its death at every line


def changes_of(make):
    """How many calls that change something a story takes."""
    scene = make()
    tripwire = scene.arm(Tripwire())
    scene.run_until(scene.is_over, 900)
    return tripwire.calls


def dead_host_with_all_kinds():
    return scene_with(MIXED).dies("compute-1")


def double_failure():
    """The destination dies as well: while it starts one, with the others still before it."""
    scene = scene_with(MIXED, spawn_seconds=3.0).dies("compute-1")
    scene.clock.after(6, lambda: scene.dies("compute-2"))
    return scene


def nobody_has_room():
    """The instances are restarted in place."""
    scene = scene_with(["active", "paused", "stopped", "error"], rules=RESTART).dies("compute-1")
    scene.nova.full = {"compute-2", "compute-3"}
    return scene


def reserved_host():
    """A spare host takes the place of one that fence_compute has forced down already."""
    scene = with_reserve().dies("compute-1")
    scene.nova.status["compute-1"].forced_down = True
    return scene


def late_requests():
    """A dead destination comes back with requests for instances that are elsewhere by then."""
    scene = queued_to_a_dead_host()
    scene.fenced("compute-2")
    return scene


def instances_crash():
    scene = Scene(count=3, rules=Rules(instances=InstanceRules(restart=True)))
    for instance in list(scene.nova.servers):
        scene.failures.crashes(instance)
    return scene


STORIES = [instances_crash, dead_host_with_all_kinds, double_failure, nobody_has_room, reserved_host, late_requests]


READS = {"connect", "services", "aggregates", "instances", "instance", "restoring", "in_error", "migrations"}
READS |= {"live_migrations", "resizes", "selection", "evacuation_requests", "claims", "conductors", "hypervisor_type"}
READS |= {"instance_actions"}


def test_the_stories_have_every_change_that_an_engine_can_make():
    asked, flags = set(), set()
    for story in STORIES:
        scene = story()
        assert scene.run_until(scene.is_over, 900)
        asked |= {*scene.nova.asked, *("evacuate" for _ in scene.nova.evacuations)}
        flags |= {"claim" if flag.claimant(value) else value for _, value in scene.cluster.history}
    assert asked - READS == {name for name, _ in inspect.getmembers(Nova, inspect.isfunction) if name[0] != "_"} - READS
    assert flags == {"claim", flag.RECOVERED, flag.RESTART, None}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("first", range(1, 11))
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_an_engine_killed_at_any_change_is_gone_on_from_on_another_node(story, first, before):
    """Every tenth change from the first on; how many there are differs by one from run to run, which no id may."""
    for at in range(first, changes_of(story) + 1, 10):
        print(f"killed at change {at}")
        scene = story()
        scene.arm(Tripwire(at, before))
        ends_well(scene)


# What it costs


def in_turn():
    turns = itertools.count()
    return lambda hosts: hosts[next(turns) % len(hosts)]


@pytest.mark.parametrize("count", [20, 60])
def test_a_whole_recovery_costs_few_requests(count):
    scene = Scene(count=count, spawn_seconds=0.6, choose=in_turn()).dies("compute-1")
    assert scene.run_until(lambda: scene.cluster.values["compute-1"] == flag.RECOVERED)
    until_recovered = scene.nova.requests
    ends_well(scene, 60)
    print(f"{count} instances: {until_recovered} requests until recovered, {scene.nova.requests} in all")
    assert until_recovered <= 12 + 0.5 * count  # five of them to Nova and Glance for what selects
    # The way back costs the same however many there were.
    assert scene.nova.requests <= until_recovered + 10


def test_a_thousand_instances_are_not_asked_for_one_by_one():
    scene = Scene(count=1000, spawn_seconds=0.05, choose=in_turn(), hosts=20).dies("compute-1")
    ends_well(scene, 300)
    print(f"1000 instances: {scene.nova.requests} requests, in {scene.clock.now:.0f} s")
    assert scene.nova.requests <= 10 + 0.5 * 1000
    assert "instance" not in scene.nova.asked


# Not by getrusage: that begins with what the process had that started it.
_MEMORY = """
import itertools, re
from tests.unit.simulation.scene import Scene
from nova_ha.recovery.memory.timing import RESTARTS_LATER, RESTARTS_SOON, SETTLE, SILENT_HOST_PATIENCE
turns = itertools.count()
choose = lambda hosts: hosts[next(turns) % len(hosts)]
scene = Scene(count=1000, spawn_seconds=0.05, choose=choose, hosts=20).dies("compute-1")
assert scene.run_until(scene.is_over, 300)
print(re.search(r"VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())[1])
"""


def test_a_thousand_instances_take_little_memory():
    root = pathlib.Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", _MEMORY], stdout=subprocess.PIPE, text=True, check=True, cwd=root)
    most = int(done.stdout) / 1024
    print(f"{most:.0f} MiB at most")
    assert most <= 100


# Configuration


def test_evacuations_wait_for_the_storage_when_a_host_is_taken_up():
    scene = Scene(Rules(evacuate_delay=45)).dies("compute-1")
    begun = scene.clock.now
    scene.run_until(lambda: scene.nova.posts, 120)
    assert 45 <= scene.nova.posts[0][0] - begun < 48
    ends_well(scene)


def test_another_configuration_holds_from_the_next_pass_on_and_nothing_is_forgotten():
    scene = Scene(Rules(policy=Policy(skip_names=("vm-*",)))).dies("compute-1")
    scene.cluster.values["compute-2"] = "no"
    scene.one_pass()
    claimed = scene.cluster.values["compute-1"]
    scene.engine.reconfigure(Rules(), types.SimpleNamespace(in_flight=1, domain=None))
    scene.run_until(lambda: scene.nova.posts, 60)
    assert scene.cluster.values["compute-1"] == claimed, "it was not taken up anew"
    assert len(scene.nova.posts) == 1
    ends_well(scene)


def test_another_tag_selects_from_the_next_pass_on():
    scene = Scene().dies("compute-1")
    scene.nova.full = {"compute-2", "compute-3"}
    scene.run(5)
    scene.nova.flavors_tagged = {"ha"}  # and none of these instances'
    scene.engine.reconfigure(Rules(policy=Policy(tag="ha")), types.SimpleNamespace(in_flight=40, domain=None))
    assert scene.run_until(lambda: scene.cluster.values["compute-1"] == flag.RECOVERED, 60)


def test_an_idle_engine_looks_now_and_then_whether_the_cloud_still_takes_it():
    scene = Scene()
    scene.run(2 * CHECK + 60)
    assert scene.nova.asked == ["connect", "services", "restoring", "connect", "connect"]


def test_how_many_hosts_are_flagged_is_reported_in_words():
    scene = Scene(hosts=3)
    stages = [((), "no host is flagged"), (["compute-1"], "1 host flagged"), (["compute-2"], "2 hosts flagged")]
    for hosts, said in stages:
        scene.dies(*hosts, off=True)
        scene.run(5)
        (process,) = scene.engines.values()
        assert process.state.reports[-1] == ("working", said)


# A flag that somebody deletes


@pytest.mark.parametrize("engine", ["the same", "new"])
@pytest.mark.parametrize("off", [False, True])
def test_a_host_whose_flag_is_deleted_too_early_is_an_operators_to_flag_again(engine, off):
    scene = scene_with(MIXED).dies("compute-1", off=True)
    assert scene.run_until(lambda: scene.cluster.values.get("compute-1") == flag.RECOVERED, 120)
    scene.run(1)
    del scene.cluster.values["compute-1"]
    if not off:
        scene.boots("compute-1")
    if engine == "new":
        scene.new_engine("control-2")
    assert scene.run_until(lambda: ("compute-1", None) in scene.alarms(), 15)
    assert "its flag was deleted" in scene.complaints["unflagged"]
    scene.run(60)
    assert not scene.nova.service("compute-1").up and not scene.cluster.values
    scene.operator_looks()
    scene.boots("compute-1")
    ends_well(scene, 300)
    assert scene.complaints["unflagged"] is None


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("engine", ["the same", "new"])
def test_a_host_that_leaves_the_cluster_in_the_middle_of_its_recovery_is_told_of(engine, known):
    """A new engine knows by the mark that it was taken out, and that it is ours if there is no other cluster."""
    scene = scene_with(MIXED, hosts=4).dies("compute-1", off=True)
    scene.nova.full = {"compute-2", "compute-3", "compute-4"}
    assert scene.run_until(lambda: not scene.nova.service("compute-1").enabled, 60)
    scene.run(5)
    del scene.cluster.values["compute-1"]
    scene.cluster.known = ("compute-2", "compute-3", "compute-4")[: 3 if known else 2]
    if engine == "new":
        scene.new_engine("control-2")
    told = engine == "the same" or known
    assert scene.run_until(lambda: ("compute-1", None) in scene.alarms(), 15) is told
    said = scene.complaints.get("unflagged") or ""
    assert said.startswith("removed_from_cluster: compute-1: nova-ha took it out of service") is told


@pytest.mark.parametrize("engine", ["the same", "new"])
def test_a_held_host_whose_flag_is_deleted_is_told_of(engine):
    scene = Scene(hosts=4).dies("compute-1", "compute-2", "compute-3", off=True)
    assert scene.run_until(lambda: scene.nova.service("compute-1").forced_down, 60)
    scene.run(1)
    del scene.cluster.values["compute-1"]
    if engine == "new":
        scene.new_engine("control-2")
    assert scene.run_until(lambda: "its flag was deleted" in scene.alarms().get(("compute-1", None), ""), 15)
    assert scene.nova.posts == []


def test_a_held_host_that_is_to_come_back_as_it_is_gets_back_what_it_had():
    scene = Scene(hosts=4)
    scene.nova.status["compute-2"].enabled = False
    scene.nova.status["compute-2"].disabled_reason = "bad RAM"
    scene.nova.status["compute-3"].forced_down = True  # by fence_compute
    scene.dies("compute-1", "compute-2", "compute-3", off=True)
    hosts = [f"compute-{number}" for number in (1, 2, 3)]
    assert scene.run_until(lambda: all(disabled_reason.is_marked(scene.nova.service(host)) for host in hosts), 60)
    events = scene.engines["control-1"].account.as_dict()["events"]
    assert any(event["reason"].endswith("disabled before: bad RAM") for event in events)
    for host in hosts:
        scene.cluster.values[host] = flag.RECOVERED
        scene.boots(host)
    assert scene.run_until(lambda: not scene.cluster.values, 300)
    reasons = {host: scene.nova.service(host).disabled_reason for host in hosts}
    assert reasons == {"compute-1": None, "compute-2": "bad RAM", "compute-3": None}
    assert [scene.nova.service(host).enabled for host in hosts] == [True, False, True]


def test_a_flag_that_is_deleted_while_nova_is_away_is_told_of_when_it_answers():
    scene = Scene(hosts=3).dies("compute-1", "compute-2", off=True)
    assert scene.run_until(lambda: set(scene.cluster.values.values()) == {flag.RECOVERED}, 120)
    scene.nova.away = True
    del scene.cluster.values["compute-1"]
    scene.run(30)
    scene.nova.away = False
    assert scene.run_until(lambda: ("compute-1", None) in scene.alarms(), 30)


# A host that dies and is not fenced


@pytest.mark.parametrize("another_dies", [False, True])
def test_a_host_that_the_cluster_has_forgotten_is_an_operators_to_have_fenced(another_dies):
    """Also while the recovery of another host, which stays off, is awaited."""
    scene = Scene(hosts=3)
    scene.run(5)
    scene.breaks("compute-1")
    if another_dies:
        scene.dies("compute-2", off=True)
    assert scene.run_until(lambda: ("compute-1", None) in scene.alarms(), 2 * CHECK + SILENT_HOST_PATIENCE)
    assert "nova-ha evacuate compute-1" in scene.complaints["unflagged"]
    scene.operator_looks()
    scene.boots("compute-2")
    ends_well(scene, 300)
    assert scene.complaints["unflagged"] is None


def test_of_several_hosts_that_nobody_fences_a_monitor_tells_one_and_how_many():
    scene = Scene(hosts=9)
    scene.run(5)
    for host in ("compute-1", "compute-2", "compute-3"):
        scene.breaks(host)
    assert scene.run_until(lambda: len(scene.alarms()) == 3, 2 * CHECK + SILENT_HOST_PATIENCE)
    said = scene.complaints["unflagged"]
    assert said.startswith("not_fenced: compute-1: ") and said.count("nova-ha evacuate") == 1
    assert said.endswith("; and 2 more: see nova-ha status")


def test_whether_a_host_is_still_not_fenced_is_not_looked_at_in_each_pass_of_a_recovery():
    scene = Scene(hosts=3, spawn_seconds=60)
    scene.run(5)
    scene.breaks("compute-3")
    assert scene.run_until(lambda: ("compute-3", None) in scene.alarms(), 2 * CHECK + SILENT_HOST_PATIENCE)
    before, passes = scene.cluster.asked_what_is_adrift, scene.nova.asked.count("migrations")
    scene.dies("compute-1", off=True)
    scene.run(50)
    assert scene.nova.asked.count("migrations") - passes > 10
    assert 3 <= scene.cluster.asked_what_is_adrift - before <= 6


def test_a_recovery_asks_for_no_more_when_its_flag_goes():
    scene = Scene().dies("compute-1")
    assert scene.run_until(lambda: scene.cluster.history[-1:] == [("compute-1", None)], 60)
    asked = len(scene.nova.asked)
    scene.run(60)
    assert len(scene.nova.asked) == asked


# Instances that fail while their hosts live


def test_what_has_failed_on_a_living_host_runs_again_within_seconds():
    scene = instances_crash()
    assert scene.run_until(lambda: len(scene.nova.guests.running) == 3, 5)
    assert scene.run_until(scene.is_over, 60)
    assert (scene.wrong(), scene.nova.guests.breaches, scene.nova.asked.count("reboot")) == ([], [], 3)


def test_what_fails_again_and_again_is_an_operator_s_matter():
    rules = Rules(instances=InstanceRules(restart=True, min_uptime=0))
    scene = Scene(count=1, rules=rules)
    for _again in range(9):
        scene.failures.crashes("i0")
        scene.run(100)
    assert scene.nova.asked.count("reboot") == 3
    assert [about["code"] for about in scene._alarms().values()] == [Code.FAILS_OFTEN]
    scene.operator_looks()
    scene.run(10)
    assert scene.nova.guests.running and not scene.alarms()


def test_a_host_that_dies_while_its_instance_is_restarted_is_evacuated():
    scene = Scene(count=1, rules=Rules(instances=InstanceRules(restart=True)))
    scene.run(5)
    scene.failures.crashes("i0")
    assert scene.run_until(lambda: "reboot" in scene.nova.asked, 10)
    scene.dies("compute-1")
    assert scene.run_until(scene.is_over, 900)
    assert (scene.wrong(), scene.nova.guests.breaches) == ([], [])
