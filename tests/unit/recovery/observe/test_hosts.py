# SPDX-License-Identifier: Apache-2.0
"""A flagged host, dead or on its way back."""

import dataclasses

import pytest

from nova_ha.cloud.nova import Refused, Unreachable
from nova_ha.model.reasons import Code
from nova_ha.recovery.observe.observer import GLANCE_AGE
from nova_ha.recovery.observe.whole_cloud import SETTINGS_AGE
from tests.unit.recovery.observe.watch import Watch, returned
from tests.unit.worlds import OURS, instance, record, service


@pytest.mark.parametrize("value", [OURS, "no", "restart"])
def test_two_services_of_one_host_are_a_problem_of_that_host(value):
    watch = Watch(dataclasses.replace(service(), twin="id-2"), service("compute-3"))
    first, second = watch.look(flags={"compute-1": value, "compute-3": "no"}).hosts
    assert first.problem.code == Code.TWO_SERVICES and "id-compute-1 and id-2" in first.problem.reason
    assert first.service is None
    assert second.problem is None and second.service.host == "compute-3"


@pytest.mark.parametrize(
    ("hypervisor", "evacuates"),
    [
        ("ironic", False),
        ("VMware vCenter Server", False),
        ("QEMU", True),
        (None, True),
        (Refused("no", 403), True),
        (Unreachable("away"), True),
    ],
)
def test_a_host_whose_guests_nova_cannot_evacuate_is_refused(hypervisor, evacuates):
    watch = Watch()
    watch.cloud.hypervisor = hypervisor
    watch.cloud.on["compute-1"] = [instance(node=None), instance(2, node="node-7")]
    host = watch.host()
    assert ("hypervisor_type", "compute-1", "node-7") in watch.cloud.asked
    assert (host.problem is None, bool(host.instances)) == (evacuates, evacuates)
    assert evacuates or host.problem.code == Code.UNSUPPORTED_HYPERVISOR
    again = watch.host(SETTINGS_AGE + 1)
    assert (again.problem, [q for q in watch.cloud.asked if q[0] == "hypervisor_type"]) == (host.problem, [])


def test_what_a_host_drives_is_asked_only_where_an_instance_names_its_hypervisor():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    assert watch.host().problem is None
    assert "hypervisor_type" not in {question[0] for question in watch.cloud.asked}


@pytest.mark.parametrize(("task_state", "again"), [("migrating", True), (None, False), ("rebooting", False)])
def test_live_migrations_are_read_until_there_are_none(task_state, again):
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(2), instance(task_state=task_state)]
    watch.cloud.live = (record(5, "running"),)  # away from it
    assert watch.host().live_migrations == watch.host().live_migrations == (record(5, "running"),)
    watch.cloud.live = ()
    assert watch.host().live_migrations == ()
    # None begins on a dead host; only where an instance says so may one have been overlooked.
    watch.cloud.live = (record(6, "running"),)
    assert watch.host().live_migrations == ((record(6, "running"),) if again else ())
    # Fenced anew, it may have run meanwhile.
    assert watch.look(flags={"compute-1": "control-2@7"}).hosts[0].live_migrations == (record(6, "running"),)


@pytest.mark.parametrize(
    ("one", "goes_on"),
    [
        (instance(host="compute-2", task_state="migrating"), True),
        (instance(host="compute-2"), False),  # its source died, and it was started again there, or elsewhere
        (None, False),
        (instance(host="compute-1"), True),  # it has just arrived, and is not among those that were read
    ],
)
def test_a_live_migration_to_a_dead_host_is_over_when_its_instance_does_not_move_any_more(one, goes_on):
    watch = Watch()
    watch.cloud.live = (record(5, "running", source="compute-2", destination="compute-1"),)
    watch.cloud.instance = lambda id: one
    assert bool(watch.host().live_migrations) is goes_on


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (instance(vm_state="resized"), True),
        (instance(vm_state="error", fault="Instance instance-0000002a already exists."), True),
        (instance(vm_state="error", fault="No valid host was found."), False),
        (instance(), False),
    ],
)
def test_resizes_are_read_only_where_they_matter(one, asked):
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(2), one]
    watch.cloud.resized = (record(5, "finished", destination="compute-1", source="compute-2"),)
    assert watch.host().resizes == (watch.cloud.resized if asked else ())


@pytest.mark.parametrize(("inherited", "found"), [((), False), (["compute-1"], True), (["compute-2"], False)])
@pytest.mark.parametrize("value", [OURS, "no", "restart"])
def test_whether_another_engine_may_have_sent_instances_there(value, inherited, found):
    assert Watch().host(flags={"compute-1": value}, inherited=inherited).inherited is found


def test_a_host_that_has_not_reported_is_not_looked_into():
    watch = Watch()
    for _ in range(3):
        host = returned(watch)
        assert host.reported_for is None and not {q[0] for q in watch.cloud.asked} & {"migrations", "instances"}


def test_a_host_has_reported_when_its_report_changes():
    watch = Watch()
    returned(watch)
    assert returned(watch, report="t1").reported_for == 0
    assert ("migrations", "compute-1") in watch.cloud.asked
    assert ("instances", "compute-1") not in watch.cloud.asked
    assert returned(watch, 5.0, report="t1").reported_for == 5


@pytest.mark.parametrize("between", [["restart"], ["yes", OURS], [OURS]])
def test_only_what_it_reported_since_it_was_recovered_counts(between):
    watch = Watch()
    returned(watch)
    assert returned(watch, report="t1").reported_for == 0
    for value in between:
        returned(watch, report="t1", value=value)
    assert returned(watch, report="t1").reported_for is None
    assert returned(watch, report="t2").reported_for == 0


def test_a_host_that_is_up_has_its_records_read_though_it_was_not_seen_to_begin():
    watch = Watch()
    watch.cloud.records = [record(1, "done")]
    host = returned(watch, up=True, forced_down=False, enabled=True)
    assert host.reported_for is None and host.evacuations == (record(1, "done"),)


def test_for_how_long_a_flag_has_been_what_it_is():
    watch = Watch()
    seen = []
    for after, value in ((0, "no"), (5, "no"), (5, "restart"), (7, "restart"), (1, "no"), (2, "no")):
        seen.append(returned(watch, after, value=value).flagged_for)
    assert seen == [0, 5, 0, 7, 0, 2]


def test_a_host_that_is_well_is_not_read_again_at_once():
    watch = Watch()
    watch.cloud.records = [record(1, "completed")]
    returned(watch)
    for after, asked in ((1.0, True), (1.0, False), (GLANCE_AGE, True)):
        returned(watch, after, report="t1")
        assert (("migrations", "compute-1") in watch.cloud.asked) is asked


@pytest.mark.parametrize("status", ["done", "accepted", "pre-migrating"])
def test_a_host_that_is_not_well_is_read_each_time(status):
    watch = Watch()
    watch.cloud.records = [record(1, status)]
    returned(watch)
    for _ in range(3):
        assert returned(watch, report="t1").evacuations == (record(1, status),)
