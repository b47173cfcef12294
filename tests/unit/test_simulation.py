# SPDX-License-Identifier: Apache-2.0
"""The simulated Nova does what was measured on a real one; the letters are those of the measurements."""

import pytest

from nova_ha.cloud.nova import Refused
from nova_ha.model.snapshot import Instance
from tests.unit.simulation import states
from tests.unit.simulation.clock import Clock
from tests.unit.simulation.cluster import SimulatedCluster
from tests.unit.simulation.nova import SimulatedNova


class Bench:
    """A Nova whose compute-1 is dead and forced down, with one instance, and short ways to handle it."""

    def __init__(self, state="active", dead=True, **more):
        self.clock = Clock()
        self.cluster = SimulatedCluster()
        self.nova = SimulatedNova(self.clock, self.cluster, count=0, **more)
        self.nova.add(*states.ALL[state][:3], wanted=states.ALL[state].wanted)
        if dead:
            self.die("compute-1")

    @property
    def instance(self):
        return self.nova.servers["i0"]

    def die(self, host):
        self.nova.computes[host].power_cut()
        self.cluster.fence(host)
        self.nova.force_down(self.nova.service(host), True)

    def comes_back(self, host, seconds=0.0):
        del self.cluster.values[host]
        self.nova.computes[host].powered = True
        self.nova.computes[host].start()
        self.clock.advance(seconds)

    def evacuate(self, seconds=30.0, destination=None):
        self.nova.evacuate(self.instance, destination)
        self.clock.advance(seconds)

    def is_now(self):
        """Where and how Nova says that the instance is."""
        return self.instance.host, self.instance.vm_state, self.instance.task_state, self.instance.power_state

    def records(self):
        return [(record.source, record.destination, record.status) for record in self.nova.records]

    def status(self, change, *arguments):
        """The HTTP status that a change is refused with, or 200."""
        try:
            change(*arguments)
        except Refused as error:
            return error.status
        return 200


@pytest.mark.parametrize("state", states.ALL)
def test_a_tags(state):
    taggable = states.ALL[state].vm_state in ("active", "stopped", "paused", "suspended")
    bench = Bench(state)
    assert bench.status(bench.nova.tag, bench.instance, "t") == (200 if taggable else 409)
    assert bench.instance.tags == ({"t"} if taggable else set())


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("active", ("active", "running")),
        ("stopped", ("stopped", "shutdown")),
        ("error", ("active", "running")),
        ("error, off", ("active", "running")),
        ("rebooting", ("active", "running")),
    ],
)
def test_b_what_an_evacuation_makes_of_each_state(state, after):
    bench = Bench(state)
    bench.evacuate()
    assert bench.is_now() == ("compute-2", after[0], None, after[1])
    assert bench.records() == [("compute-1", "compute-2", "done")]
    assert bool(bench.nova.guests.running) == (after[1] == "running")


@pytest.mark.parametrize("state", ["paused", "suspended", "rescued", "resized", "resized, off"])
def test_b_what_nova_refuses_goes_by_a_reset_which_keeps_the_power_state(state):
    bench = Bench(state)
    assert bench.status(bench.nova.evacuate, bench.instance) == 409
    bench.nova.reset_state(bench.instance, "active")
    assert bench.is_now() == ("compute-1", "active", None, states.ALL[state].power_state)
    bench.evacuate()
    assert bench.is_now() == ("compute-2", "active", None, "running")


def test_b_a_host_with_done_records_is_forced_up_once_its_nova_compute_has_started():
    bench = Bench()
    bench.evacuate()
    service = bench.nova.service("compute-1")
    del bench.cluster.values["compute-1"]
    assert bench.status(bench.nova.force_down, service, False) == 400
    bench.nova.computes["compute-1"].start()
    assert bench.records()[0][2] == "completed"
    assert bench.status(bench.nova.force_down, service, False) == 200
    assert ("i0", "compute-1") not in bench.nova.guests.copies


def test_c_a_deletion_is_finished_at_once_on_a_dead_host():
    bench = Bench("deleting")
    bench.nova.delete(bench.instance)
    assert bench.nova.servers == {}


@pytest.mark.parametrize(
    ("ask", "task"), [(SimulatedNova.rebuild, "rebuilding"), (SimulatedNova.resize, "resize_migrating")]
)
def test_c2_a_late_request_leaves_an_error_and_a_task(ask, task):
    bench = Bench(dead=False)
    bench.nova.computes["compute-1"].power_cut()
    ask(bench.nova, "i0")
    bench.die("compute-1")
    bench.evacuate()
    assert bench.is_now()[:2] == ("compute-2", "active")
    bench.comes_back("compute-1", 5)
    assert bench.is_now() == ("compute-2", "error", task, "none")
    assert set(bench.nova.guests.running) == {("i0", "compute-2")}


@pytest.mark.parametrize("ask", [SimulatedNova.stop, SimulatedNova.pause, SimulatedNova.reboot])
def test_c2_other_late_requests_do_no_harm(ask):
    bench = Bench(dead=False)
    bench.nova.computes["compute-1"].power_cut()
    ask(bench.nova, bench.instance)
    bench.die("compute-1")
    bench.evacuate()
    bench.comes_back("compute-1", 30)
    assert bench.is_now() == ("compute-2", "active", None, "running")


def queued(**more):
    """Nova has not noticed that compute-2 is dead, and has asked it for the evacuation."""
    bench = Bench(**more)
    bench.nova.computes["compute-2"].power_cut()
    bench.evacuate()
    assert bench.is_now() == ("compute-1", "active", "rebuilding", "running")
    # Which host it was sent to, Nova does not tell.
    assert bench.records() == [("compute-1", None, "accepted")]
    bench.die("compute-2")
    return bench


def test_d_a_retry_takes_over_the_record_and_leaves_its_own():
    bench = queued()
    bench.evacuate()
    assert bench.records() == [("compute-1", "compute-3", "done"), ("compute-1", None, "accepted")]
    bench.comes_back("compute-2", 2)
    assert bench.is_now() == ("compute-3", "active", None, "running")
    bench.clock.advance(1)
    assert not bench.nova.service("compute-2").up
    assert bench.records()[0] == ("compute-1", "compute-2", "failed")
    assert bench.is_now() == ("compute-3", "error", "rebuilding", "none")
    assert bench.instance.fault is None
    assert set(bench.nova.guests.running) == {("i0", "compute-3")}
    bench.nova.reset_state(bench.instance, "active")
    assert bench.is_now() == ("compute-3", "active", None, "none")


def test_d_a_record_that_died_in_the_spawn_stays():
    bench = Bench(spawn_seconds=20)
    bench.evacuate(5)
    assert bench.is_now() == ("compute-1", "active", "rebuild_spawning", "none")
    bench.die("compute-2")
    bench.evacuate()
    bench.comes_back("compute-2", 30)
    assert bench.is_now() == ("compute-3", "active", None, "running")
    assert bench.records() == [("compute-1", "compute-2", "pre-migrating"), ("compute-1", "compute-3", "done")]
    bench.comes_back("compute-1")
    # One record of each instance is ended at each start.
    assert [status for *_, status in bench.records()] == ["pre-migrating", "completed"]


def test_d2_a_dead_destination_that_returns_breaks_the_spawn_elsewhere():
    bench = queued(spawn_seconds=20)
    bench.evacuate(5)
    bench.comes_back("compute-2", 30)
    assert bench.is_now() == ("compute-1", "error", None, "running")
    assert bench.instance.fault.startswith("Conflict updating instance")
    assert set(bench.nova.guests.running) == {("i0", "compute-3")}


def test_d2_a_reset_disarms_what_is_only_queued():
    bench = queued()
    bench.nova.reset_state(bench.instance, "error")
    bench.comes_back("compute-2", 10)
    assert bench.records() == [("compute-1", "compute-2", "failed")]
    assert bench.is_now() == ("compute-1", "error", "rebuilding", "none")
    assert bench.nova.guests.running == {}


def test_e_two_requests_queued_at_one_host_make_a_guest_that_nova_does_not_know():
    bench = Bench()
    bench.nova.computes["compute-2"].stop()
    bench.evacuate(1)
    bench.evacuate(1)
    assert bench.nova.guests.breaches == ["second evacuation of i0: compute-2 has one"]
    bench.nova.computes["compute-2"].start()
    bench.clock.advance(30)
    assert bench.is_now()[:2] == ("compute-1", "error")
    assert [status for *_, status in bench.records()] == ["failed", "accepted"]
    assert set(bench.nova.guests.running) == {("i0", "compute-2")}


def test_e_a_second_request_in_the_spawn_ends_in_error():
    bench = Bench(spawn_seconds=10)
    bench.evacuate(5)
    bench.evacuate(6, "compute-2")
    assert bench.is_now() == ("compute-2", "active", None, "running")
    bench.clock.advance(10)
    assert bench.is_now()[:2] == ("compute-2", "error")
    assert [status for *_, status in bench.records()] == ["done", "failed"]


def test_f2_a_guest_that_is_there_already_is_found():
    bench = Bench(spawn_seconds=20)
    bench.evacuate(5)
    bench.nova.computes["compute-2"].stop(defined=True)
    bench.nova.computes["compute-2"].start()
    bench.clock.advance(60)
    assert bench.is_now()[:3] == ("compute-1", "active", "rebuild_spawning")
    bench.evacuate(30, "compute-2")
    assert bench.is_now()[:3] == ("compute-1", "error", None)
    assert bench.instance.fault.endswith("already exists.")
    assert bench.nova.guests.breaches == []
    bench.evacuate(30, "compute-3")
    assert bench.nova.guests.breaches == ["i0 runs twice: on compute-3 and compute-2"]


@pytest.mark.parametrize("state", ["active", "stopped"])
def test_g_no_valid_host_keeps_the_power_state_until_the_host_is_back(state):
    bench = Bench(state)
    bench.nova.full = {"compute-2", "compute-3"}
    bench.evacuate()
    assert bench.is_now() == ("compute-1", "error", None, states.ALL[state].power_state)
    assert bench.records() == [("compute-1", None, "error")]
    bench.comes_back("compute-1", 10)
    assert bench.is_now() == ("compute-1", "error", None, "shutdown")
    assert ("i0", "compute-1") in bench.nova.guests.copies
    bench.nova.reboot(bench.instance)
    assert bench.is_now() == ("compute-1", "active", None, "running")


@pytest.mark.parametrize(
    ("resumes", "then"), [(True, ("active", None, "running")), (False, ("stopped", None, "shutdown"))]
)
def test_g_what_is_active_when_its_host_returns_is_started_or_stopped(resumes, then):
    bench = Bench(resumes=resumes)
    bench.comes_back("compute-1", 10)
    assert bench.is_now() == ("compute-1", *then)


def test_g2_what_was_stopped_and_is_in_error_is_started():
    bench = Bench("stopped")
    bench.nova.full = {"compute-2", "compute-3"}
    bench.evacuate()
    bench.nova.full = set()
    bench.evacuate()
    assert bench.is_now() == ("compute-2", "active", None, "running")


@pytest.mark.parametrize(
    ("destination", "status", "after"),
    [
        ("compute-3", 200, ("compute-3", "active")),
        ("compute-2", 200, ("compute-1", "error")),
        ("compute-1", 400, ("compute-1", "active")),
        ("nosuch", 404, ("compute-1", "active")),
    ],
)
def test_i_a_destination_that_is_named(destination, status, after):
    bench = Bench()
    bench.nova.disable(bench.nova.service("compute-2"), "by an operator")
    assert bench.status(bench.nova.evacuate, bench.instance, destination) == status
    bench.clock.advance(30)
    assert bench.is_now()[:2] == after


def test_x_a_reset_in_the_spawn_makes_a_guest_that_nova_does_not_know():
    bench = Bench(spawn_seconds=20)
    bench.evacuate(5)
    bench.nova.reset_state(bench.instance, "active")
    bench.clock.advance(30)
    assert bench.is_now()[:2] == ("compute-1", "error")
    assert set(bench.nova.guests.running) == {("i0", "compute-2")}


def test_x_a_record_that_is_left_destroys_a_guest_that_came_back():
    bench = Bench(spawn_seconds=20)
    bench.evacuate(5)
    bench.die("compute-2")
    bench.evacuate()
    bench.comes_back("compute-1", 30)
    bench.nova.guests.destroy("i0", "compute-3")
    bench.nova.set("i0", host="compute-1")
    bench.nova.guests.start("i0", "compute-1")
    bench.nova.computes["compute-1"].stop()
    bench.nova.computes["compute-1"].start()
    assert bench.nova.guests.running == {}
    assert bench.nova.guests.breaches == ["compute-1 destroys i0, which is its own, for record 1"]


def test_x_a_live_migration_whose_source_died_is_given_up():
    bench = Bench(dead=False)
    bench.nova.computes["compute-1"].power_cut()
    bench.nova.live_migrate("i0", "compute-2")
    bench.die("compute-1")
    bench.clock.advance(70)
    assert bench.nova.records[0].status == "error"
    assert bench.is_now()[:3] == ("compute-1", "active", None)


def test_x_an_evacuation_takes_over_the_record_of_a_live_migration():
    bench = Bench(dead=False)
    bench.nova.computes["compute-1"].power_cut()
    bench.nova.live_migrate("i0", "compute-3")
    bench.die("compute-1")
    bench.evacuate()
    kinds = [(record.kind, record.status) for record in bench.nova.records]
    assert kinds == [("live-migration", "done"), ("evacuation", "accepted")]
    # It was asked for less than a minute ago, and goes on when its source is back.
    bench.comes_back("compute-1", 5)
    assert bench.is_now()[:2] == ("compute-3", "error")
    assert bench.nova.guests.breaches == ["i0 runs twice: on compute-3 and compute-2"]


def test_an_evacuation_from_a_living_host_is_a_breach():
    bench = Bench(dead=False)
    # Asked for, which Nova refuses; and taken.
    assert bench.status(bench.nova.evacuate, bench.instance) == 400
    assert bench.nova.guests.breaches == ["evacuation of i0 asked for from compute-1, which is not proved dead"]
    bench.nova.force_down(bench.nova.service("compute-1"), True)
    bench.nova.evacuate(bench.instance)
    assert bench.nova.guests.breaches[-1] == "evacuation of i0 from compute-1, which is not proved dead"


def test_a_service_reads_up_for_a_minute_after_its_death():
    bench = Bench(dead=False)
    bench.nova.computes["compute-1"].power_cut()
    bench.clock.advance(50)
    assert bench.nova.service("compute-1").up
    bench.clock.advance(15)
    assert not bench.nova.service("compute-1").up


def test_instances_are_the_doors():
    assert isinstance(Bench().instance, Instance)
