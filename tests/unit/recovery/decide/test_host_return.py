# SPDX-License-Identifier: Apache-2.0
"""How a recovered host comes back into service, as tables: a snapshot in, steps out."""

import dataclasses

import pytest

from nova_ha.model.actions import RestartCompute, ReturnToService, Wait
from nova_ha.model.reasons import Code
from nova_ha.model.request import FORBIDDEN
from nova_ha.recovery.memory.timing import CLEANING, STOPPING, STRAY_TASK_CERTAIN
from tests.unit.worlds import NOW, decided, host, instance, kinds, living, nothing_asked, record, service


def back(service_=None, evacuations=(), reported_for=CLEANING, **more):
    """A recovered host that has reported for so many seconds."""
    return host("no", service_=service_, evacuations=evacuations, reported_for=reported_for, **more)


BACK_IN_NOVA = living("compute-1")
STAYS_DISABLED = living("compute-1", enabled=False, reason="bad RAM")


@pytest.mark.parametrize(
    ("before", "records", "reported", "kind"),
    [
        (service(), [], False, "Wait"),
        (service(), [record(7, "completed")], False, "Wait"),
        (service(), [], True, "ReturnToService"),
        (service(reason="bad RAM"), [], True, "ReturnToService"),  # an operator changed it meanwhile
        (service(), [record(7, "completed")], True, "ReturnToService"),
        (service(), [record(7, "failed"), record(8, "error"), record(9, "cancelled")], True, "ReturnToService"),
        (service(), [record(7, "done")], True, "RestartCompute"),
        (service(), [record(7, "accepted")], True, "RestartCompute"),
        (service(), [record(7, "pre-migrating")], True, "RestartCompute"),
        (service(), [record(7, "what-is-this")], True, "RestartCompute"),
        (service(), [record(7, "completed"), record(8, "accepted")], True, "RestartCompute"),
        (service(), [record(7, "done"), record(8, "done")], True, "RestartCompute"),  # it ends one of each instance
        (service(up=True, forced_down=False), [], True, "ReturnToService"),  # died between un-forcing and enabling
        (service(up=True, forced_down=False), [], False, "Wait"),
        (service(up=True, forced_down=False), [record(7, "accepted")], True, "RestartCompute"),
        (BACK_IN_NOVA, [], False, "ClearFlag"),
        (BACK_IN_NOVA, [], True, "ClearFlag"),
        (STAYS_DISABLED, [], False, "ClearFlag"),
        (living("compute-1", up=False), [], False, "Wait"),
        (living("compute-1", up=False), [], True, "Wait"),
    ],
)
def test_the_way_back(before, records, reported, kind):
    found = decided(back(before, records, CLEANING if reported else None))
    assert kinds(found) == [kind]
    assert found[0].reason and found[0].host == "compute-1"


@pytest.mark.parametrize("status", ["accepted", "pre-migrating", "done", "what-is-this"])
@pytest.mark.parametrize("reported_for", [None, 0.0, CLEANING, 9999.0])
@pytest.mark.parametrize("forced_down", [True, False])
def test_no_host_is_put_back_with_a_record_for_which_it_would_destroy_an_instance(status, reported_for, forced_down):
    one = back(service(forced_down=forced_down, up=not forced_down), [record(7, status)], reported_for)
    found = decided(one)
    assert not [step for step in found if isinstance(step, ReturnToService)]


def test_what_is_put_back_is_the_service_as_it_was_read():
    (found,) = decided(back(service(reason="nova-ha: being recovered; was disabled: bad RAM")))
    assert found.service.disabled_reason.endswith("bad RAM")


@pytest.mark.parametrize(("starts", "kind"), [(0, RestartCompute), (4, RestartCompute), (5, Wait)])
def test_a_record_that_no_start_ends_is_an_operators_to_look_at(starts, kind):
    memory = nothing_asked()
    for _ in range(starts):
        memory.flags.starts_again("compute-1")
    (found,) = decided(back(evacuations=[record(7, "accepted")]), memory=memory)
    assert isinstance(found, kind) and "7 is accepted" in found.reason
    assert kind is RestartCompute or (found.needs_operator and found.code == Code.RECORDS_LEFT)


@pytest.mark.parametrize(("seconds", "kind"), [(0.0, "Wait"), (9.9, "Wait"), (10.0, "RestartCompute")])
@pytest.mark.parametrize("status", ["done", "accepted", "pre-migrating"])
def test_the_clean_up_is_given_time_but_not_for_ever(seconds, kind, status):
    """Nova-compute may have been running already when they were done: then it has not cleaned up."""
    assert kinds(decided(back(evacuations=[record(7, status)], reported_for=seconds))) == [kind]


@pytest.mark.parametrize(("seconds", "kind"), [(0.0, "Wait"), (9.9, "Wait"), (10.0, "AllowStart")])
@pytest.mark.parametrize("records", [[], [record(7, "done"), record(8, "accepted")]])
def test_a_nova_compute_that_is_to_start_once_more_is_first_stopped(seconds, kind, records):
    found = decided(host("restart", evacuations=records, flagged_for=seconds, reported_for=99.0))
    assert kinds(found) == [kind]


@pytest.mark.parametrize(("seconds", "needs_operator"), [(STOPPING, False), (899.0, False), (900.0, True)])
def test_a_nova_compute_that_pacemaker_does_not_stop_is_not_taken_for_stopped(seconds, needs_operator):
    (found,) = decided(host("restart", flagged_for=seconds, stopped_for=None, reported_for=99.0))
    assert (found.code, found.needs_operator) == (Code.STOPPING_COMPUTE, needs_operator)
    assert found.command == ("pcs stonith fence compute-1" if needs_operator else None)


def test_a_host_that_the_cluster_has_by_another_name_cannot_be_held_back_by_this_flag():
    held = host("restart", flagged_for=0.0, stopped_for=None, online=True, online_as="compute-1.example.org")
    (found,) = decided(held, attribute="flagged")
    assert (found.code, found.needs_operator) == (Code.RENAMED_IN_CLUSTER, True)
    change, removal = found.command.split(" && ")
    assert change == "crm_attribute --node compute-1.example.org --name flagged --lifetime forever --update restart"
    assert removal == "cibadmin --delete --xpath \"//nodes/node[@uname='compute-1']\""


@pytest.mark.parametrize("noted", [None, "running"])
@pytest.mark.parametrize("value", ["no", "restart"])
def test_nothing_is_evacuated_from_a_host_that_is_recovered(noted, value):
    """It lives: nobody has proved it dead since."""
    alive = host(value, instances=[instance(2, noted=noted)], flagged_for=99.0, reported_for=99.0)
    found = decided(alive, restoring=(instance(2, noted="running"),))
    assert not {"Evacuate", "PrepareInstance", "FinishDeletion", "FinishRecovery"} & set(kinds(found))


def test_a_service_that_nova_does_not_list_is_not_taken_for_removed_at_once():
    """Nova leaves out, without a word, the cells that do not answer."""
    (found,) = decided(dataclasses.replace(back(), service=None, reported_for=None))
    assert isinstance(found, Wait) and found.needs_operator


# Instances that still have to get their former state


@pytest.mark.parametrize(
    ("where", "evacuated", "others", "kind"),
    [
        ("compute-1", [], [], "Wait"),
        ("compute-2", [record(7, "completed")], [], "Wait"),
        ("compute-2", [], [], "Wait"),  # the last flag stays until all is done
        ("compute-2", [], [host("no", name="compute-7")], "ClearFlag"),
    ],
)
def test_the_flag_stays_until_instances_have_their_former_state(where, evacuated, others, kind):
    unrestored = instance(host=where, vm_state="active", noted="stopped")
    found = decided(back(BACK_IN_NOVA, evacuated), *others, restoring=(unrestored,))
    own = [step for step in found if step.host == "compute-1" and not getattr(step, "instance", None)]
    assert kinds(own) == [kind]


@pytest.mark.parametrize(
    "unrestorable",
    [
        instance(host=None, vm_state="shelved_offloaded", noted="stopped"),
        instance(host="compute-2", vm_state="rescued", noted="stopped"),
        instance(host="compute-2", vm_state="resized", noted="paused"),
    ],
)
def test_the_flag_does_not_wait_for_what_cannot_be_restored(unrestorable):
    found = decided(back(BACK_IN_NOVA, [record(7, "completed")]), restoring=(unrestorable,))
    assert "ClearFlag" in kinds(found)


# What late requests have broken

BROKEN = instance(vm_state="error", task_state="rebuilding", host="compute-3")


@pytest.mark.parametrize("task_state", ["rebuilding", "resize_migrating"])
@pytest.mark.parametrize(("seconds", "kind"), [(0.0, "Wait"), (89.9, "Wait"), (90.0, "RepairInstanceState")])
def test_what_a_late_request_broke_is_healed_once_that_is_certain(task_state, seconds, kind):
    broken = dataclasses.replace(BROKEN, task_state=task_state)
    found = decided(back(broken=((broken, seconds),)))
    assert kinds(found) == [kind]
    assert found[0].instance == broken


@pytest.mark.parametrize(
    ("where", "services"),
    [
        ("compute-3", [living("compute-2")]),
        ("compute-1", [living("compute-2")]),
        ("compute-9", [living("compute-2")]),
        (None, [living("compute-2")]),
    ],
)
def test_only_what_runs_on_another_living_host_is_healed(where, services):
    broken = dataclasses.replace(BROKEN, host=where)
    assert kinds(decided(back(broken=((broken, 999.0),)), services=services)) == ["ReturnToService"]


@pytest.mark.parametrize(("seconds", "needs_operator"), [(0.0, False), (899.0, False), (900.0, True)])
def test_what_is_broken_on_a_host_that_does_not_report_just_now_is_not_forgotten(seconds, needs_operator):
    """Its nova-compute may be starting anew: the returning host's flag stays until it can be healed."""
    services = [living("compute-2"), living("compute-3", up=False)]
    found = decided(back(BACK_IN_NOVA, broken=((BROKEN, seconds),)), services=services)
    assert kinds(found) == ["Wait"] and found[0].needs_operator is needs_operator and found[0].instance == BROKEN
    assert found[0].code == Code.REPAIR_AWAITS_HOST
    # One that is flagged has a return of its own, which may wait for this one.
    other = host("restart", name="compute-3")
    found = decided(back(BACK_IN_NOVA, broken=((BROKEN, seconds),)), other, services=[living("compute-2")])
    assert [step.host for step in found if kinds([step]) == ["ClearFlag"]] == ["compute-1"]


def test_what_is_on_the_host_itself_is_not_healed():
    """There its guest may not run."""
    here = dataclasses.replace(BROKEN, host="compute-1")
    assert kinds(decided(back(BACK_IN_NOVA, broken=((here, 999.0),)))) == ["ClearFlag"]


@pytest.mark.parametrize(
    ("seen", "more", "code"),
    [
        (back(evacuations=[record(7, "done")], reported_for=0.0), {}, Code.CLEANING_UP),
        (back(living("compute-1", up=False)), {}, Code.NOT_REPORTING),
        (
            back(living("compute-1")),
            {"restoring": (instance(host="compute-2", noted="stopped", task_state="powering-off"),)},
            Code.RESTORING_FIRST,
        ),
        (dataclasses.replace(back(), service=None), {}, Code.NO_SERVICE),
    ],
)
def test_what_a_host_on_its_way_back_waits_for(seen, more, code):
    found = decided(seen, **more)
    assert [step.code for step in found if step.host == "compute-1" and isinstance(step, Wait)] == [code]


def test_a_healing_is_given_time():
    memory = nothing_asked()
    memory.later("i1", NOW, 30.0, "healed")
    seen = back(broken=((BROKEN, 999.0),))
    assert kinds(decided(seen, memory=memory, now=NOW + 29)) == ["Wait"]
    assert kinds(decided(seen, memory=memory, now=NOW + 30)) == ["RepairInstanceState"]


@pytest.mark.parametrize(("times", "needs_operator"), [(4, False), (5, True)])
def test_a_healing_that_does_not_help_is_an_operators_matter_and_keeps_the_host_out_no_longer(times, needs_operator):
    memory = nothing_asked()
    for _ in range(times):
        memory.count_effort("i1")
    memory.later("i1", NOW, 30.0, "healed")
    waits, *more = decided(back(broken=((BROKEN, 999.0),)), memory=memory, now=NOW + 1)
    assert (waits.needs_operator, kinds(more)) == (needs_operator, ["ReturnToService"] if needs_operator else [])
    command = "openstack server set --state active i1" if needs_operator else None
    assert (waits.code, waits.command) == (Code.LATE_REQUEST, command)


@pytest.mark.parametrize(("failures", "needs_operator"), [(4, False), (5, True)])
def test_a_host_that_nova_refuses_to_put_back_is_tried_again_after_pauses_and_told_of(failures, needs_operator):
    memory = nothing_asked()
    for _ in range(failures):
        memory.failed("id-compute-1", NOW, "policy (HTTP 403)", FORBIDDEN)
    until = memory.get("id-compute-1").until
    (found,) = decided(back(), memory=memory, now=until - 0.1)
    assert (type(found), found.needs_operator) == (Wait, needs_operator)
    assert found.code == Code.SERVICE_CHANGE_REFUSED and "HTTP 403" in found.reason
    assert kinds(decided(back(), memory=memory, now=until)) == ["ReturnToService"]


@pytest.mark.parametrize("seconds", [0.0, STRAY_TASK_CERTAIN])
def test_the_flag_stays_while_something_is_broken(seconds):
    assert "ClearFlag" not in kinds(decided(back(BACK_IN_NOVA, broken=((BROKEN, seconds),))))


def test_an_instance_that_two_hosts_have_to_do_with_is_healed_once():
    other = host("no", name="compute-2", reported_for=CLEANING, broken=((BROKEN, 999.0),))
    found = decided(back(broken=((BROKEN, 999.0),)), other, services=[living("compute-3")])
    assert kinds(found).count("RepairInstanceState") == 1


def test_the_next_start_of_nova_compute_does_not_wait_for_a_healing():
    found = decided(back(evacuations=[record(7, "accepted")], broken=((BROKEN, 999.0),)))
    assert kinds(found) == ["RepairInstanceState", "RestartCompute"]


@pytest.mark.parametrize(("seconds", "needs_operator"), [(899, False), (900, True)])
def test_a_host_that_does_not_come_back_is_an_operators_matter_in_the_end(seconds, needs_operator):
    (step,) = decided(back(service(), reported_for=None, flagged_for=seconds))
    assert (step.code, step.needs_operator) == (Code.NOT_REPORTING, needs_operator)
