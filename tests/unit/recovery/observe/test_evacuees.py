# SPDX-License-Identifier: Apache-2.0
"""What became of instances that have to do with a flagged host, and are elsewhere."""

import pytest

from nova_ha.recovery.observe.evacuees import ABSENCE, WHEREABOUTS_AGE
from nova_ha.recovery.observe.observer import GLANCE_AGE
from tests.unit.recovery.observe.watch import Watch, returned
from tests.unit.worlds import instance, record, service


def test_what_was_seen_of_records_that_are_gone_is_forgotten():
    watch = Watch()
    for number in range(20):
        watch.cloud.records = [record(number, "accepted", instance=f"i{number}")]
        watch.look(after=6.0)
        watch.look(after=6.0)
    evacuees = watch.observer._evacuees
    assert len(evacuees._absent) == 1 and len(evacuees._whereabouts) < 4


def test_where_an_instance_went_is_asked_only_when_it_is_gone_for_a_while():
    watch = Watch()
    watch.cloud.records = [record(1, "accepted")]
    watch.cloud.on["compute-2"] = [instance(host="compute-2")]
    assert watch.host().whereabouts == {}
    assert watch.host(ABSENCE - 0.1).whereabouts == {}
    assert watch.host(0.1).whereabouts == {"i1": instance(host="compute-2")}
    assert ("instance", "i1") in watch.cloud.asked
    watch.cloud.on.clear()
    assert watch.host(WHEREABOUTS_AGE).whereabouts == {"i1": instance(host="compute-2")}
    assert ("instance", "i1") not in watch.cloud.asked
    assert watch.host(0.1).whereabouts == {"i1": None}


@pytest.mark.parametrize(
    ("records", "here"),
    [
        ([], False),
        ([record(1, "done")], False),
        ([record(1, "completed")], False),
        ([record(1, "failed")], False),
        ([record(1, "accepted"), record(2, "done")], False),
        ([record(1, "accepted")], True),
    ],
)
def test_of_others_nothing_is_asked(records, here):
    watch = Watch()
    watch.cloud.records = records
    watch.cloud.on["compute-1"] = [instance()] if here else []
    watch.look()
    assert watch.host(ABSENCE + 1).whereabouts == {}
    assert ("instance", "i1") not in watch.cloud.asked


def test_a_newer_record_in_flight_is_asked_about():
    watch = Watch()
    watch.cloud.records = [record(1, "done"), record(2, "accepted", destination=None)]
    watch.look()
    assert watch.host(ABSENCE).whereabouts == {"i1": None}


def broken(number=1, task_state="rebuilding"):
    return instance(number, "error", task_state, host="compute-3")


@pytest.mark.parametrize(
    ("one", "records", "found"),
    [
        (broken(), [record(1, "completed")], True),
        (broken(), [record(1, "failed", destination="compute-1", source="compute-9")], True),
        (broken(task_state="resize_migrating"), [record(1, "completed")], True),
        (broken(), [], False),
        (broken(), [record(1, "completed", instance="i2")], False),
        (broken(task_state=None), [record(1, "completed")], False),
        (broken(task_state="deleting"), [record(1, "completed")], False),
        (broken(task_state="soft-deleting"), [record(1, "completed")], False),
        (broken(task_state="rebuild_spawning"), [record(1, "completed")], False),
        (broken(task_state="rebooting_hard"), [record(1, "completed")], False),
        (broken(task_state="powering-on"), [record(1, "completed")], False),
        (broken(), [record(1, "completed"), record(2, "accepted")], False),  # it is on its way
    ],
)
def test_what_late_requests_of_a_host_have_broken(one, records, found):
    watch = Watch()
    watch.cloud.records, watch.cloud.errors = records, (one,)
    returned(watch)
    assert returned(watch, report="t1").broken == (((one, 0.0),) if found else ())


def test_for_how_long_it_has_been_broken():
    watch = Watch()
    watch.cloud.records, watch.cloud.errors = [record(1, "completed")], (broken(),)
    returned(watch)
    assert [returned(watch, 7.0, report="t1").broken[0][1] for _ in range(3)] == [0, 7, 14]
    watch.cloud.errors = (broken(task_state="resize_prep"),)  # it moves: somebody works on it
    assert returned(watch, 7.0, report="t1").broken[0][1] == 0


def test_what_is_broken_a_second_time_is_not_taken_for_the_first():
    watch = Watch()
    watch.cloud.records, watch.cloud.errors = [record(1, "completed")], (broken(),)
    returned(watch)
    returned(watch, report="t1")
    assert returned(watch, 40.0, report="t1").broken[0][1] == 40
    watch.cloud.errors = ()
    returned(watch, report="t1")
    watch.cloud.errors = (broken(),)
    assert returned(watch, GLANCE_AGE + 1, report="t1").broken[0][1] == 0


def test_two_hosts_that_return_do_not_forget_each_others_broken_instances():
    watch = Watch()
    for number, source in ((1, "compute-1"), (2, "compute-2")):
        watch.cloud.records.append(record(number, "completed", f"i{number}", "compute-3", source))
    watch.cloud.errors = (broken(1), broken(2))
    flags = {"compute-1": "no", "compute-2": "no"}
    watch.cloud.known = {"compute-1": service(), "compute-2": service("compute-2")}
    watch.look(flags=flags)
    watch.cloud.known = {"compute-1": service(report="t1"), "compute-2": service("compute-2", report="t1")}
    watch.look(flags=flags)
    first, second = watch.look(50.0, flags=flags).hosts
    assert first.broken == ((broken(1), 50.0),) and second.broken == ((broken(2), 50.0),)
