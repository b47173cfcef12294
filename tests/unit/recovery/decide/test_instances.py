# SPDX-License-Identifier: Apache-2.0
"""What a dead host's instances need next, as tables: a snapshot in, steps out."""

import dataclasses

import pytest

from nova_ha.model import request as outcomes
from nova_ha.model import restore_tags
from nova_ha.model.actions import Evacuate, FinishRecovery, PrepareInstance, Restart, Skip, Wait
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SCHEDULING, SENT, Event, Requests
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Services
from nova_ha.policy.rules import RESTART_IN_PLACE, WAIT, Rules
from nova_ha.policy.selection import Policy
from nova_ha.recovery.decide import planner
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import (
    CONFIRMATION_PATIENCE,
    KEY_ATTEMPTS,
    MANY,
    MIGRATION_PATIENCE,
    SELECTION_PATIENCE,
    SETTLE,
)
from tests.unit.worlds import (
    NOW,
    OURS,
    decided,
    host,
    instance,
    kinds,
    living,
    nothing_asked,
    record,
    request,
    service,
    told,
    world,
)

STUCK = Rules().stuck_after
EXISTS = "Instance instance-0000002a already exists."
DEAD_TOO = {"compute-1", "compute-2"}


def steps_for(instances, evacuations=(), **more):
    """The steps for instances of one dead host."""
    of_the_host = ("live_migrations", "resizes", "whereabouts", "online", "service_")
    about_host = {key: more.pop(key) for key in of_the_host if key in more}
    instances = instances if isinstance(instances, list) else [instances]
    return decided(host(instances=instances, evacuations=evacuations, **about_host), **more)


def watched(seen, memory=None, since=NOW, until=NOW, every=10):
    """Attempts that have seen a host for a while."""
    memory = memory or nothing_asked()
    moment = since
    while moment < until:
        memory.observe(seen, moment)
        moment += every
    memory.observe(seen, until)
    return memory


def reporting(memory, since, until, every=10):
    """Attempts see, for a while, that a living host reports."""
    for moment in [*range(int(since), int(until), every), until]:
        memory.observe_services({"compute-2": living(report=f"t{moment}")}, moment)


def read(memory, seen, *requests, now=NOW, **more):
    """It has been read what was asked for ``i1``."""
    known = Requests(requests, read_at=now, **more)
    memory.observe_requests(world(dataclasses.replace(seen, requests={"i1": known})), now)


def at_work():
    """Attempts that have seen the control plane at work for long."""
    memory = nothing_asked()
    for after in range(0, 301, 10):
        memory.observe_services({"compute-3": living("compute-3", report=told(after))}, NOW - 300 + after)
    return memory


# By state


@pytest.mark.parametrize(
    ("vm_state", "task_state", "kind", "noted"),
    [
        ("active", None, "Evacuate", None),
        ("active", "rebooting", "Evacuate", None),
        ("active", "reboot_started_hard", "Evacuate", None),
        ("active", "image_snapshot", "Evacuate", None),
        ("active", "resize_prep", "Evacuate", None),
        ("active", "resize_migrating", "Evacuate", None),
        ("active", "resize_finish", "Evacuate", None),
        ("active", "migrating", "Evacuate", None),  # and no record of a live migration that goes on
        ("active", "rebuilding", "Evacuate", None),
        ("active", "shelving", "Evacuate", None),
        ("active", "what-is-this", "Evacuate", None),
        ("error", None, "Evacuate", None),
        ("error", "rebuilding", "Evacuate", None),
        ("stopped", None, "PrepareInstance", "stopped"),
        ("stopped", "powering-on", "PrepareInstance", "running"),
        ("paused", "unpausing", "PrepareInstance", "running"),
        ("suspended", "resuming", "PrepareInstance", "running"),
        ("active", "powering-off", "PrepareInstance", "stopped"),
        ("active", "pausing", "PrepareInstance", "paused"),
        ("active", "suspending", "PrepareInstance", "stopped"),
        ("paused", None, "PrepareInstance", "paused"),
        ("suspended", None, "PrepareInstance", "stopped"),
        ("rescued", None, "PrepareInstance", "running"),
        ("resized", None, "PrepareInstance", None),
        ("active", "deleting", "FinishDeletion", None),
        ("error", "deleting", "FinishDeletion", None),
        ("building", "deleting", "FinishDeletion", None),
        ("paused", "deleting", "FinishDeletion", None),
        ("active", "soft-deleting", "FinishDeletion", None),
        ("soft-delete", None, "Skip", None),
        ("deleted", None, "Skip", None),
        ("building", None, "Skip", None),
        ("building", "spawning", "Skip", None),
        ("shelved", None, "Skip", None),
        ("shelved_offloaded", None, "Skip", None),
        ("mystery", None, "Wait", None),
    ],
)
def test_what_is_done_with_an_instance_in_each_state(vm_state, task_state, kind, noted):
    found = steps_for(instance(vm_state=vm_state, task_state=task_state))
    # A host is closed when every instance is left for good, and only then.
    assert kinds(found) == ([kind, "FinishRecovery"] if kind == "Skip" else [kind])
    assert found[0].instance.id == "i1" and found[0].reason
    assert getattr(found[0], "restore", None) == noted
    codes = {"Wait": Code.UNKNOWN_STATE, "Skip": Code.NOTHING_TO_RECOVER}
    assert getattr(found[0], "code", None) == codes.get(kind)
    assert getattr(found[0], "needs_operator", False) is (vm_state == "mystery")


@pytest.mark.parametrize(
    ("vm_state", "noted", "power_state", "kind"),
    [
        ("stopped", "stopped", "shutdown", "Evacuate"),
        ("active", "paused", "paused", "Evacuate"),
        ("active", "stopped", "shutdown", "Evacuate"),
        ("error", "stopped", "shutdown", "Evacuate"),
        ("error", "paused", "running", "Evacuate"),
        ("paused", "paused", "paused", "PrepareInstance"),
        ("suspended", "stopped", "shutdown", "PrepareInstance"),
        ("rescued", "running", "running", "PrepareInstance"),
        ("resized", "stopped", "shutdown", "PrepareInstance"),
    ],
)
def test_what_is_noted_is_not_noted_again(vm_state, noted, power_state, kind):
    (found,) = steps_for(instance(vm_state=vm_state, noted=noted, power_state=power_state))
    assert type(found).__name__ == kind
    assert getattr(found, "restore", None) is None


@pytest.mark.parametrize("power_state", ["shutdown", "crashed", "suspended"])
@pytest.mark.parametrize("vm_state", ["error", "resized"])
def test_what_was_not_running_is_noted_as_stopped(vm_state, power_state):
    (found,) = steps_for(instance(vm_state=vm_state, power_state=power_state))
    assert isinstance(found, PrepareInstance) and found.restore == restore_tags.STOPPED


# Policy


@pytest.mark.parametrize(
    ("policy", "selection", "more", "kind"),
    [
        (Policy(), Selection(), {}, "Evacuate"),
        (Policy(), Selection(True), {}, "Skip"),
        (Policy(), Selection(True), {"extra_specs": {"evacuable": "True"}}, "Evacuate"),
        (Policy(), Selection(False, frozenset({"img"})), {"image": "img"}, "Evacuate"),
        (Policy(), Selection(False, frozenset({"img"})), {"image": None}, "Skip"),
        (Policy(), Selection(), {"metadata": {"evacuable": "no"}}, "Skip"),
        (Policy(), Selection(True), {"metadata": {"evacuable": "yes"}}, "Evacuate"),
        (Policy(skip_names=("web-*",)), Selection(), {}, "Skip"),
        (Policy(skip_aggregates=("lab",)), Selection(), {}, "Skip"),
        (Policy(skip_aggregates=("other",)), Selection(), {}, "Evacuate"),
        (Policy(aggregates=("lab",)), Selection(), {}, "Evacuate"),
        (Policy(aggregates=("other",)), Selection(), {}, "Skip"),
        (Policy(error_instances=False), Selection(), {"vm_state": "error"}, "Skip"),
        (Policy(error_instances=False), Selection(), {}, "Evacuate"),
        (Policy(skip_names=("web-*",)), Selection(), {"task_state": "deleting"}, "FinishDeletion"),
        (Policy(skip_names=("web-*",)), Selection(), {"vm_state": "paused"}, "Skip"),
    ],
)
def test_operators_and_owners_choose(policy, selection, more, kind):
    aggregates = {"lab": frozenset({"compute-1"}), "other": frozenset({"compute-2"})}
    found = steps_for(instance(**more), rules=Rules(policy), selection=selection, aggregates=aggregates)
    assert kinds(found)[0] == kind


@pytest.mark.parametrize(
    ("seconds", "needs_operator"), [(0, False), (SELECTION_PATIENCE - 1, False), (SELECTION_PATIENCE, True)]
)
def test_what_only_glance_could_tell_waits_and_holds_the_flag(seconds, needs_operator):
    selection = Selection(False, None, "Glance is away")
    memory = nothing_asked()
    memory.observe(host(instances=[instance(image="img")]), NOW - seconds)
    found = steps_for([instance(image="img"), instance(2)], memory=memory, selection=selection)
    assert kinds(found) == ["Evacuate", "Wait"]
    assert (found[1].instance.id, found[1].code, found[1].needs_operator) == (
        "i1",
        Code.SELECTION_UNKNOWN,
        needs_operator,
    )


def test_nothing_is_sent_while_it_has_not_been_read_what_selects():
    (found,) = steps_for(instance(), selection=None)
    assert (kinds([found]), found.code) == (["Wait"], Code.SELECTION_UNKNOWN)


@pytest.mark.parametrize("status", ["failed", "error", "cancelled"])
def test_what_our_attempt_put_into_error_is_tried_again_whatever_the_policy_says_of_errors(status):
    rules = Rules(Policy(error_instances=False))
    left = instance(vm_state="error", fault="boom")
    assert kinds(steps_for(left, [record(7, status)], rules=rules)) == ["Evacuate"]
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.failed("i1", NOW - 999, "refused")
    assert kinds(steps_for(instance(vm_state="error"), rules=rules, memory=memory)) == ["Evacuate"]


@pytest.mark.parametrize("status", ["accepted", "pre-migrating"])
def test_an_instance_is_never_left_while_its_evacuation_runs(status):
    found = steps_for(instance(), [record(7, status)], rules=Rules(Policy(skip_names=("*",))))
    assert kinds(found) == ["Wait"]


@pytest.mark.parametrize("status", ["accepted", "pre-migrating", "done"])
@pytest.mark.parametrize("vm_state", ["shelved", "soft-delete", "building"])
def test_an_instance_that_its_hosts_return_would_destroy_is_not_left_in_silence(status, vm_state):
    (found,) = steps_for(instance(vm_state=vm_state), [record(7, status)])
    assert found.code == Code.WOULD_BE_DESTROYED and found.needs_operator and "7" in found.reason


@pytest.mark.parametrize("status", ["failed", "error", "cancelled", "completed"])
def test_an_evacuation_that_is_over_does_not_keep_an_instance_from_being_left(status):
    assert kinds(steps_for(instance(vm_state="shelved"), [record(7, status)])) == ["Skip", "FinishRecovery"]


# In flight


@pytest.mark.parametrize("status", ["accepted", "pre-migrating", "migrating", "running", "what-is-this"])
@pytest.mark.parametrize("vm_state", ["active", "stopped", "error", "paused", "rescued", "resized", "mystery"])
@pytest.mark.parametrize("task_state", [None, "deleting", "rebuild_spawning"])
def test_nothing_is_done_to_an_instance_whose_evacuation_is_in_flight(status, vm_state, task_state):
    found = steps_for(instance(vm_state=vm_state, task_state=task_state), [record(7, status)])
    assert kinds(found) == ["Wait"]
    assert (found[0].code, found[0].needs_operator) == (Code.EVACUATING, False) and "7" in found[0].reason


@pytest.mark.parametrize(
    ("records", "newest"),
    [
        ([record(7, "failed")], 7),
        ([record(7, "error", destination=None)], 7),
        ([record(7, "cancelled")], 7),
        ([record(7, "completed")], 7),
        ([record(7, "failed"), record(9, "error")], 9),
        ([record(7, "failed", instance="i2")], 0),
    ],
)
def test_an_evacuation_that_ended_elsewhere_than_well_is_tried_again(records, newest):
    (found,) = steps_for(instance(), records)
    assert isinstance(found, Evacuate) and (found.newest, found.destination) == (newest, None)


@pytest.mark.parametrize(
    ("destination", "dead", "kind"),
    [
        ("compute-2", {"compute-1"}, "Wait"),
        ("compute-2", DEAD_TOO, "Evacuate"),
        (None, DEAD_TOO, "Wait"),
        ("compute-3", DEAD_TOO, "Wait"),
    ],
)
def test_an_evacuation_to_a_host_that_died_is_given_up_only_once_that_is_proved(destination, dead, kind):
    assert kinds(steps_for(instance(), [record(7, "pre-migrating", destination=destination)], dead=dead)) == [kind]


@pytest.mark.parametrize(
    ("stage", "kind"), [(QUEUED, "Wait"), (SCHEDULING, "Wait"), (SENT, "Evacuate"), (OVER, "Evacuate")]
)
def test_a_request_that_names_a_host_that_died_may_be_with_the_conductor_still(stage, kind):
    dead = host(instances=[instance(task_state="rebuilding")], evacuations=[record(7, "accepted")])
    memory = at_work()
    memory.observe(dead, NOW, DEAD_TOO)
    read(memory, dead, request(1, stage), claims=frozenset({"compute-1", "compute-2"}) if stage == SENT else None)
    assert kinds(decided(dead, memory=memory, dead=DEAD_TOO)) == [kind]


@pytest.mark.parametrize(("after", "kind"), [(59, "Wait"), (60, "Evacuate")])
def test_what_is_lost_on_its_way_to_a_host_is_not_sent_again_before_that_has_reported_for_a_minute(after, kind):
    """It was silent, and takes up what waits for it when it is back."""
    seen = host(instances=[instance(task_state="rebuilding")], evacuations=[record(7, "accepted")])
    memory = nothing_asked()
    for second in range(0, 210, 10):
        others = {"compute-3": living("compute-3", report=told(second))}
        memory.observe_services({"compute-2": living(up=second > 190, report=told(0)), **others}, NOW + second)
        memory.observe(seen, NOW + second)
        read(memory, seen, request(1, SENT), now=NOW + second, claims=frozenset({"compute-1", "compute-2"}))
    (found,) = decided(seen, memory=memory, now=NOW + 190 + after)
    assert kinds([found]) == [kind] and getattr(found, "destination", "compute-2") == "compute-2"


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([record(7, "pre-migrating"), record(8, "accepted", destination="compute-3")], "Wait"),
        ([record(7, "pre-migrating"), record(8, "failed", destination="compute-3")], "Evacuate"),
        ([record(7, "accepted", destination="compute-3"), record(8, "pre-migrating")], "Wait"),
        ([record(7, "pre-migrating"), record(8, "pre-migrating")], "Evacuate"),
    ],
)
def test_every_record_of_an_instance_is_looked_at(records, kind):
    assert kinds(steps_for(instance(), records, dead=DEAD_TOO)) == [kind]


@pytest.mark.parametrize("outcome", ["sending", "accepted", "unclear", "inherited"])
@pytest.mark.parametrize("vm_state", ["active", "error", "paused", "stopped"])
def test_what_was_just_asked_for_is_not_asked_for_again(outcome, vm_state):
    memory = nothing_asked()
    if outcome == "inherited":
        memory.inherited("i1", 0, NOW)
    else:
        memory.sending("i1", 0)
    if outcome == "accepted":
        memory.accepted("i1", NOW)
    if outcome == "unclear":
        memory.unclear("i1", NOW, "timed out")
    found = steps_for(instance(vm_state=vm_state, noted="stopped"), memory=memory, now=NOW + 1)
    codes = {"accepted": Code.EVACUATING, "sending": Code.SENDING}
    assert [step.code for step in found] == [codes.get(outcome, Code.REQUEST_UNANSWERED)]
    reporting(memory, NOW + 1000, NOW + 2000)
    later = steps_for(instance(), memory=memory, now=NOW + 2000)
    assert kinds(later) == (["Wait"] if outcome == "sending" else ["Evacuate"])


@pytest.mark.parametrize(("after", "kind"), [(SETTLE - 1, "Wait"), (SETTLE, "Evacuate")])
@pytest.mark.parametrize("outcome", ["accepted", "unclear"])
def test_a_request_without_a_record_is_given_time_to_show(outcome, after, kind):
    memory = nothing_asked()
    memory.sending("i1", 0)
    if outcome == "accepted":
        memory.accepted("i1", NOW)
    else:
        memory.unclear("i1", NOW, "timed out")
    reporting(memory, NOW, NOW + after)
    assert kinds(steps_for(instance(), memory=memory, now=NOW + after)) == [kind]


@pytest.mark.parametrize(("after", "kind"), [(0, "Wait"), (SETTLE - 1, "Wait"), (SETTLE, "Evacuate")])
def test_what_a_hung_nova_may_still_have_is_given_time_to_show_once_it_goes_on(after, kind):
    memory = nothing_asked()
    reporting(memory, NOW - 100, NOW)
    memory.sending("i1", 0)
    memory.unclear("i1", NOW, "timed out")
    goes_on = NOW + 10 * SETTLE
    reporting(memory, goes_on, goes_on + after)
    assert kinds(steps_for(instance(), memory=memory, now=goes_on + after)) == [kind]


@pytest.mark.parametrize(("late", "needs_operator"), [(-1, False), (0, True)])
def test_a_nova_whose_answers_are_too_far_apart_to_go_on_is_told_of(late, needs_operator):
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.unclear("i1", NOW, "timed out")
    now = NOW + SETTLE + STUCK + late
    reporting(memory, NOW, now, every=SETTLE)
    (found,) = steps_for(instance(), memory=memory, now=now)
    assert (found.code, found.needs_operator) == (Code.REQUEST_UNANSWERED, needs_operator)


@pytest.mark.parametrize(("after", "kind"), [(SETTLE - 1, "Wait"), (SETTLE, "Evacuate")])
def test_what_a_former_engine_may_have_sent_is_given_time_to_show(after, kind):
    memory = nothing_asked()
    memory.inherited("i1", 0, NOW)
    assert kinds(steps_for(instance(), memory=memory, now=NOW + after)) == [kind]


def test_what_was_begun_and_failed_is_only_tried_where_its_guest_may_be():
    left = a_stray(status="pre-migrating", destination="compute-2")
    for seconds in (0, SETTLE - 1, SETTLE, 300, 10 * STUCK):
        memory = watched(left, until=NOW + seconds)
        for services in ([living("compute-2"), living("compute-3")], [living("compute-3")]):
            (found,) = decided(left, memory=memory, now=NOW + seconds, services=services)
            assert isinstance(found, Wait) or found.destination == "compute-2"


@pytest.mark.parametrize("many", [40, 45, 400])
def test_an_engine_that_takes_over_many_instances_sends_after_that_time(many):
    memory = nothing_asked()
    crowd = [instance(number) for number in range(many)]
    for one in crowd:
        memory.inherited(one.id, 0, NOW)
    assert kinds(steps_for(crowd, memory=memory, now=NOW + SETTLE)).count("Evacuate") == 40


def test_a_lost_request_does_not_count_against_the_window_for_ever():
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.unclear("i1", NOW, "timed out")
    reporting(memory, NOW, NOW + SETTLE)
    assert kinds(steps_for(instance(), memory=memory, window=1, now=NOW + SETTLE)) == ["Evacuate"]


def test_failures_are_retried_ever_more_slowly_but_always():
    memory = nothing_asked()
    for _ in range(9):
        memory.sending("i1", 0)
        memory.failed("i1", NOW, "no valid host")
        until = memory.get("i1").until
        assert kinds(steps_for(instance(), memory=memory, now=until - 1)) == ["Wait"]
        assert kinds(steps_for(instance(), memory=memory, now=until)) == ["Evacuate"]


def test_a_view_older_than_the_evacuation_does_not_lead_to_a_second_one():
    flagged = host(instances=[instance()], evacuations=[record(7, "done")])
    for ours in (True, False):
        memory = nothing_asked()
        if ours:
            memory.sending("i1", 0)
            memory.accepted("i1", NOW)
        memory.observe(flagged, NOW)
        assert kinds(decided(flagged, memory=memory)) == ["Wait"]


def test_an_instance_that_somebody_else_began_to_rebuild_is_looked_at_twice():
    flagged = host(instances=[instance(task_state="rebuilding")])
    memory = watched(flagged)
    assert kinds(decided(flagged, memory=memory)) == ["Wait"]
    assert kinds(decided(flagged, memory=memory, now=NOW + SETTLE)) == ["Evacuate"]


def test_without_a_host_to_take_it_nothing_is_sent():
    down = living("compute-2", up=False)
    for services in ([], [down], [living("compute-2", enabled=False, reason="x")]):
        (found,) = steps_for(instance(), services=services)
        assert isinstance(found, Wait) and found.instance.id == "i1"
    assert kinds(steps_for(instance(vm_state="paused"), services=[])) == ["PrepareInstance"]


# Strays


def a_stray(status="accepted", destination=None, vm_state="error", task_state=None):
    """A host with an instance whose first record stays as it is though the second, that took its place, failed."""
    return host(
        instances=[instance(vm_state=vm_state, task_state=task_state)],
        evacuations=[record(1, "failed", destination="compute-3"), record(2, status, destination=destination)],
    )


@pytest.mark.parametrize(("requests", "kind"), [([], "Wait"), ([request(1, OVER)], "Evacuate")])
@pytest.mark.parametrize("destination", [None, "compute-2"])
def test_a_record_that_an_evacuation_that_failed_has_left_is_not_waited_for(requests, kind, destination):
    left = a_stray(destination=destination)
    memory = watched(left)
    read(memory, left, *requests)
    assert kinds(decided(left, memory=memory)) == [kind]


@pytest.mark.parametrize(
    "left",
    [
        a_stray(vm_state="active"),
        a_stray(task_state="rebuilding"),
        a_stray(task_state="rebuild_spawning"),
    ],
)
def test_a_record_is_no_stray_while_its_evacuation_may_go_on(left):
    found = decided(left, memory=watched(left, until=NOW + 300), now=NOW + 300)
    assert kinds(found) == ["Wait"]


def test_a_stray_does_not_count_against_the_window():
    left = a_stray()
    memory = watched(left)
    read(memory, left, request(1, OVER))
    assert kinds(decided(left, memory=memory, window=1)) == ["Evacuate"]


# Begun under a record of another host


@pytest.mark.parametrize(
    ("records", "arrivals", "kind"),
    [
        ([], [], "Wait"),
        ([record(7, "accepted", destination=None)], [], "Wait"),
        ([record(7, "accepted", destination=None)], [record(4, "pre-migrating", source="compute-9")], "Wait"),
        ([record(7, "failed")], [], "Wait"),
        ([record(7, "pre-migrating", destination="compute-7")], [], "Evacuate"),  # it died with its host
        ([], [record(4, "pre-migrating", source="compute-9", destination="compute-7")], "Evacuate"),  # likewise
        ([], [record(4, "failed", source="compute-9", destination="compute-7")], "Wait"),
    ],
)
@pytest.mark.parametrize("task_state", ["rebuild_spawning", "rebuild_block_device_mapping"])
def test_what_some_host_has_begun_to_start_is_not_asked_for_elsewhere(task_state, records, arrivals, kind):
    """The request that came first, or took another's record over, may have been one of a host that is no more."""
    before = host(instances=[instance(task_state="rebuilding")], evacuations=records)
    memory = watched(before, until=NOW + 500)
    seen = dataclasses.replace(before, instances=(instance(task_state=task_state),))
    others = [host(name="compute-7", arrivals=tuple(arrivals))]
    memory.observe(seen, NOW + 510)
    for later, needs_operator in ((510, False), (510 + STUCK, True)):
        found = decided(seen, *others, memory=memory, now=NOW + later)
        (step,) = [step for step in found if getattr(step, "instance", None)]
        assert kinds([step]) == [kind]
        assert kind != "Wait" or step.needs_operator is needs_operator


@pytest.mark.parametrize("task_state", ["rebuild_spawning", "rebuild_block_device_mapping"])
def test_a_rebuild_that_the_host_died_in_is_evacuated(task_state):
    seen = host(instances=[instance(task_state=task_state)])
    memory = watched(seen, until=NOW + 60)
    assert kinds(decided(seen, memory=memory, now=NOW + 60)) == ["Evacuate"]


@pytest.mark.parametrize("task_state", [None, "rebuilding"])
def test_what_has_been_begun_and_has_ended_is_tried_again(task_state):
    memory = watched(host(instances=[instance()]))
    memory = watched(host(instances=[instance(task_state="rebuild_spawning")]), memory, until=NOW + 60)
    seen = host(instances=[instance(vm_state="error", task_state=task_state)])
    memory.observe(seen, NOW + 70)
    assert kinds(decided(seen, memory=memory, now=NOW + 70)) == ["Evacuate"]


# Stuck


def stuck(status, task_state="rebuild_spawning", more=(), seconds=STUCK, **instance_more):
    """A host with an instance whose evacuation has not moved for long, and an engine that has seen that."""
    seen = host(
        instances=[instance(task_state=task_state, **instance_more)],
        evacuations=[record(1, status), *more],
    )
    return seen, watched(seen, until=NOW + seconds), NOW + seconds


@pytest.mark.parametrize("status", ["accepted", "pre-migrating"])
def test_what_is_stuck_is_not_called_so_too_early(status):
    seen, memory, now = stuck(status, seconds=STUCK - 10)
    (found,) = decided(seen, memory=memory, now=now)
    assert isinstance(found, Wait) and not found.needs_operator


def test_a_request_that_its_destination_never_took_up_waits_for_an_operator():
    seen, memory, now = stuck("accepted")
    (found,) = decided(seen, memory=memory, now=now)
    assert (found.code, found.needs_operator, found.command) == (
        Code.STUCK,
        True,
        "openstack server set --state error i1",
    )


@pytest.mark.parametrize("status", ["accepted", "pre-migrating"])
def test_what_is_stuck_is_never_sent_to_another_host(status):
    seen, memory, now = stuck(status)
    for services in ([living("compute-2"), living("compute-3")], [living("compute-2", up=False), living("compute-3")]):
        for found in decided(seen, memory=memory, now=now, services=services):
            assert isinstance(found, Wait) or found.destination == "compute-2"


@pytest.mark.parametrize(
    ("status", "restart"), [("accepted", None), ("pre-migrating", Restart("nova-compute", "compute-2"))]
)
def test_what_is_stuck_on_a_host_that_is_down_waits_for_an_operator(status, restart):
    seen, memory, now = stuck(status)
    down = [living("compute-2", up=False), living("compute-3")]
    (found,) = decided(seen, memory=memory, now=now, services=down)
    assert isinstance(found, Wait) and found.needs_operator and found.restart == restart


def test_what_is_stuck_on_a_host_that_is_proved_dead_is_evacuated_elsewhere():
    seen, memory, now = stuck("pre-migrating")
    (found,) = decided(seen, memory=memory, now=now, dead=DEAD_TOO, services=[living("compute-3")])
    assert isinstance(found, Evacuate) and found.destination is None


def test_a_request_that_was_passed_over_is_sent_again_to_the_same_host():
    first = host(instances=[instance(task_state="rebuilding")], evacuations=[record(1, "accepted")])
    memory = watched(first)
    evacuations = (record(1, "accepted"), record(2, "pre-migrating", instance="i2"))
    sent = {"i1": Requests((request(1, SENT),), read_at=NOW + 5)}
    passed = dataclasses.replace(first, evacuations=evacuations, requests=sent)
    memory.observe_requests(world(dataclasses.replace(first, requests=sent)), NOW + 5)
    watched(passed, memory, since=NOW + 10, until=NOW + STUCK)
    (found,) = decided(passed, memory=memory, now=NOW + STUCK)
    assert isinstance(found, Evacuate) and (found.destination, found.newest) == ("compute-2", 1)
    # Its record may name the host that it was asked for, while the conductor or the scheduler has it still.
    for stages in ((QUEUED,), (SCHEDULING,), (SENT, RUNNING), (OVER,), None):
        known = {"i1": Requests(tuple(map(request, range(1, 9), stages)))} if stages else {}
        here = dataclasses.replace(passed, requests=known)
        assert kinds(decided(here, memory=memory, now=NOW + STUCK)) == ["Wait"]


@pytest.mark.parametrize(
    ("failed", "age", "created", "kind"),
    [
        (False, 0, 1, "Wait"),
        (False, 0, 2, "Evacuate"),  # it has come here by way of that host
        (False, 2, 1, "Evacuate"),
        (True, 0, 1, "Evacuate"),
    ],
)
def test_what_has_arrived_since_its_instance_was_read_is_not_asked_for_again(failed, age, created, kind):
    """Seen on the lab: between the two readings the evacuation ended; Nova refused the second one."""
    begun = record(1, "pre-migrating", created=told(created))
    seen = host(instances=[instance(task_state="rebuild_spawning")], evacuations=[begun])
    memory = watched(seen, since=NOW - 30)
    ended = Event(told(0), told(1), failed=failed, host="compute-2")
    known = Requests((dataclasses.replace(request(1, OVER), compute=ended),), read_at=NOW - age)
    seen = dataclasses.replace(seen, requests={"i1": known})
    memory.observe_requests(world(seen), NOW)
    assert kinds(decided(seen, memory=memory)) == [kind]


def test_of_two_that_have_begun_that_one_is_to_be_restarted_which_has_not_been():
    second = record(2, "pre-migrating", destination="compute-3")
    seen, memory, now = stuck("pre-migrating", more=[second])
    reporting(memory, NOW, now)
    for start in ("a", "b"):
        memory.restarts.observe(world(seen), now - SETTLE)
        memory.restarts.learn({"compute-2": start, "compute-3": "a"}, now - SETTLE)
    (found,) = decided(seen, memory=memory, now=now)
    assert (found.code, found.restart) == (Code.STUCK, Restart("nova-compute", "compute-3"))
    assert "evacuation 2" in found.reason


@pytest.mark.parametrize("destination", ["compute-2"])
def test_a_request_that_found_no_room_there_has_passed_nobody(destination):
    first = host(instances=[instance(task_state="rebuilding")], evacuations=[record(1, "accepted")])
    memory = watched(first)
    other = record(2, "error", instance="i2", destination=destination)
    passed = dataclasses.replace(first, evacuations=(record(1, "accepted"), other))
    watched(passed, memory, since=NOW + 10, until=NOW + STUCK)
    assert kinds(decided(passed, memory=memory, now=NOW + STUCK)) == ["Wait"]


@pytest.mark.parametrize("task_state", ["rebuild_spawning", "rebuild_block_device_mapping"])
def test_a_host_that_did_not_report_for_a_while_may_still_be_at_work(task_state):
    """The message bus was away, or its network: nova-compute lives, and goes on with what it has begun."""
    seen = host(instances=[instance(task_state=task_state)], evacuations=[record(1, "pre-migrating")])
    memory = watched(seen)
    for seconds, up in ((10, False), (20, False), (70, True), (80, True)):
        memory.observe_services({"compute-2": living("compute-2", up=up)}, NOW + seconds)
        memory.observe(seen, NOW + seconds)
        services = [living("compute-2", up=up), living("compute-3")]
        (found,) = decided(seen, memory=memory, now=NOW + seconds, services=services)
        assert isinstance(found, Wait) and not found.needs_operator


def lost(task_state="rebuild_spawning", more=()):
    """An evacuation that has not moved for long, and whose destination did not report for a while meanwhile."""
    seen = host(instances=[instance(task_state=task_state)], evacuations=[record(1, "pre-migrating"), *more])
    memory = watched(seen)
    memory.observe_services({each: living(each, up=False) for each in ("compute-2", "compute-3")}, NOW + 10)
    return seen, watched(seen, memory, since=NOW + 20, until=NOW + STUCK), NOW + STUCK


def test_what_was_lost_is_tried_again_on_the_same_host():
    seen, memory, now = lost()
    (found,) = decided(seen, memory=memory, now=now)
    assert isinstance(found, Evacuate) and (found.destination, found.newest) == ("compute-2", 1)


@pytest.mark.parametrize("status", ["accepted", "pre-migrating"])
@pytest.mark.parametrize("seconds", [SETTLE, SETTLE + 60, 300])
def test_the_retry_of_what_was_lost_is_itself_waited_for(status, seconds):
    seen, memory, now = lost()
    memory.sending("i1", 1)
    memory.accepted("i1", now)
    retried = dataclasses.replace(seen, evacuations=(*seen.evacuations, record(2, status)))
    watched(retried, memory, since=now + 1, until=now + seconds)
    (found,) = decided(retried, memory=memory, now=now + seconds)
    assert isinstance(found, Wait) and not found.needs_operator


@pytest.mark.parametrize(("times", "needs_operator"), [(MANY - 1, False), (MANY, True)])
def test_a_deletion_that_takes_nothing_away_is_an_operators_matter(times, needs_operator):
    memory = nothing_asked()
    for _ in range(times):
        memory.count_effort("i1")
    memory.later("i1", NOW, 30.0, "its deletion was asked for")
    (found,) = steps_for(instance(task_state="deleting"), memory=memory, now=NOW + 1)
    assert isinstance(found, Wait) and found.needs_operator is needs_operator
    assert kinds(steps_for(instance(task_state="deleting"), memory=memory, now=NOW + 30)) == ["FinishDeletion"]


@pytest.mark.parametrize(
    ("vm_state", "seconds", "found"),
    [("error", SETTLE, Evacuate), ("error", SETTLE - 1, Wait), ("active", STUCK, Wait), ("stopped", STUCK, Wait)],
)
def test_what_an_operator_set_to_error_is_tried_again_on_the_same_host(vm_state, seconds, found):
    seen = host(instances=[instance(task_state="rebuild_spawning")], evacuations=[record(1, "pre-migrating")])
    memory = watched(seen, until=NOW + STUCK)
    since = NOW + STUCK + 10
    reset = dataclasses.replace(seen, instances=(instance(vm_state=vm_state),))
    watched(reset, memory, since=since, until=since + seconds)
    read(memory, reset, request(1, RUNNING), now=since + seconds, reset=told(1))
    (step,) = decided(reset, memory=memory, now=since + seconds)
    assert isinstance(step, found)
    assert found is Wait or step.destination == "compute-2"


def test_what_may_be_on_two_hosts_is_tried_again_on_neither():
    seen, memory, now = lost(more=[record(2, "pre-migrating", destination="compute-3")])
    (found,) = decided(seen, memory=memory, now=now)
    assert isinstance(found, Wait) and found.needs_operator


@pytest.mark.parametrize(
    ("task_state", "rules"),
    [("deleting", Rules()), ("soft-deleting", Rules()), ("rebuild_spawning", Rules(Policy(skip_names=("web-*",))))],
)
def test_what_was_lost_is_not_revived_if_it_is_not_to_be_recovered(task_state, rules):
    seen, memory, now = lost(task_state)
    (found,) = decided(seen, memory=memory, now=now, rules=rules)
    assert isinstance(found, Wait) and found.needs_operator


def cut_off(task_state="rebuild_spawning", more=(), seconds=SETTLE, starts=({"compute-2": "a"}, {"compute-2": "b"})):
    """An evacuation whose destination's nova-compute was started anew since it had begun.

    :param starts: what was read of nova-compute's starts when it had begun, and half a minute later
    :param seconds: how long that has been known
    """
    seen = host(instances=[instance(task_state=task_state)], evacuations=[record(1, "pre-migrating"), *more])
    memory = nothing_asked()
    now = NOW + 30 + seconds
    for moment in range(int(NOW), int(now) + 1, 10):
        memory.observe_services({"compute-2": living("compute-2", report=f"t{moment}")}, moment)
        memory.observe(seen, moment)
    for moment, start in zip((NOW, NOW + 30), starts):
        memory.restarts.observe(world(seen), moment)
        memory.restarts.learn(start, moment)
    return seen, memory, now


def test_what_was_cut_off_is_tried_again_on_the_same_host():
    seen, memory, now = cut_off()
    (found,) = decided(seen, memory=memory, now=now)
    assert isinstance(found, Evacuate) and (found.destination, found.newest) == ("compute-2", 1)
    assert "nova-compute on compute-2 was started anew since" in found.reason


def quiet_and_then_an_alarm(**more):
    """That an operator is told of what was cut off, but not before the usual time; returns what."""
    services = more.pop("services", None)
    rules = more.pop("rules", Rules())
    for seconds in (SETTLE, STUCK - 31):
        seen, memory, now = cut_off(seconds=seconds, **more)
        (found,) = decided(seen, memory=memory, now=now, services=services, rules=rules)
        assert isinstance(found, Wait) and not found.needs_operator
    seen, memory, now = cut_off(seconds=STUCK, **more)
    (found,) = decided(seen, memory=memory, now=now, services=services, rules=rules)
    assert (found.code, found.needs_operator, found.command) == (
        Code.STUCK,
        True,
        "openstack server set --state error i1",
    )
    return found


@pytest.mark.parametrize("up", [living("compute-2", enabled=False), living("compute-2", up=False)])
def test_what_was_cut_off_on_a_host_that_takes_nothing_any_more_goes_nowhere_else(up):
    found = quiet_and_then_an_alarm(services=[up, living("compute-3")])
    assert "nova-compute on compute-2 was started anew since" in found.reason and found.restart is None


@pytest.mark.parametrize(
    "more",
    [
        record(2, "pre-migrating", destination="compute-3"),
        record(2, "pre-migrating", destination="compute-2"),
        record(2, "accepted", destination="compute-2"),
        record(2, "accepted", destination=None),
    ],
)
def test_what_may_still_go_on_under_another_record_was_not_cut_off(more):
    unknown = ({"compute-2": "a"}, {"compute-2": "b", "compute-3": "z"})
    seen, memory, now = cut_off(starts=unknown)
    both = dataclasses.replace(seen, evacuations=(*seen.evacuations, more))
    memory.restarts.observe(world(both), now)
    memory.observe(both, now)
    (found,) = decided(both, memory=memory, now=now)
    assert isinstance(found, Wait) and not found.needs_operator


def test_what_was_cut_off_on_two_hosts_is_tried_again_on_neither():
    starts = ({"compute-2": "a", "compute-3": "a"}, {"compute-2": "b", "compute-3": "b"})
    quiet_and_then_an_alarm(more=[record(2, "pre-migrating", destination="compute-3")], starts=starts)


@pytest.mark.parametrize(
    ("task_state", "rules"),
    [("deleting", Rules()), ("soft-deleting", Rules()), ("rebuild_spawning", Rules(Policy(skip_names=("web-*",))))],
)
def test_what_was_cut_off_is_not_revived_if_it_is_not_to_be_recovered(task_state, rules):
    quiet_and_then_an_alarm(task_state=task_state, rules=rules)


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        (SETTLE - 1, ({"compute-2": "a"}, {"compute-2": "b"})),
        (STUCK - 40, ({"compute-2": "a"}, {"compute-2": "a"})),
        (STUCK - 40, ({}, {"compute-2": "b"})),
        (STUCK - 40, ({"compute-2": "a"}, {})),
        (STUCK - 40, ({"compute-2": "a"}, {"compute-3": "b"})),
    ],
)
def test_what_was_not_cut_off_for_certain_is_waited_for(seconds, starts):
    seen, memory, now = cut_off(seconds=seconds, starts=starts)
    (found,) = decided(seen, memory=memory, now=now)
    assert isinstance(found, Wait) and not found.needs_operator


def test_what_is_stuck_does_not_count_against_the_window():
    first = host(instances=[instance(task_state="rebuilding")], evacuations=[record(1, "accepted")])
    memory = watched(first)
    evacuations = (record(1, "accepted"), record(2, "done", instance="i2"))
    sent = {"i1": Requests((request(1, SENT),), read_at=NOW + 5)}
    passed = dataclasses.replace(first, evacuations=evacuations, requests=sent)
    memory.observe_requests(world(dataclasses.replace(first, requests=sent)), NOW + 5)
    watched(passed, memory, since=NOW + 10, until=NOW + STUCK)
    assert kinds(decided(passed, memory=memory, now=NOW + STUCK)) == ["Evacuate"]
    assert kinds(decided(passed, memory=memory, now=NOW + STUCK, window=1)) == ["Evacuate"]


# A recovery that an operator has ended


@pytest.mark.parametrize(
    ("state", "records", "asked", "code"),
    [
        ({}, [], None, Code.ENDED),
        ({}, [record(1, "failed")], None, Code.ENDED),
        ({}, [], lambda memory: memory.failed("i1", NOW, "no room", outcomes.NO_ROOM), Code.ENDED),
        ({"task_state": "deleting"}, [], None, Code.ENDED),
        ({"vm_state": "rescued"}, [], None, Code.ENDED),
        ({}, [], lambda memory: memory.sending("i1", 0), Code.SENDING),
        ({}, [], lambda memory: memory.inherited("i1", 0, NOW), Code.REQUEST_UNANSWERED),
        ({"task_state": "rebuilding"}, [record(1, "accepted")], None, Code.EVACUATING),
        ({"vm_state": "error", "fault": EXISTS}, [record(1, "done")], None, Code.UNKNOWN_GUEST),
        ({"vm_state": "shelved_offloaded"}, [], None, Code.NOTHING_TO_RECOVER),
    ],
)
def test_of_a_recovery_that_is_ended_only_what_was_asked_for_goes_on(state, records, asked, code):
    seen = host(instances=[instance(**state)], evacuations=records)
    memory = watched(seen, since=NOW - 2 * STUCK if code == Code.UNKNOWN_GUEST else NOW)
    if asked is not None:
        asked(memory)
    memory.flags.end("compute-1", OURS)
    steps = decided(seen, memory=memory)
    assert [step.code for step in steps if not isinstance(step, FinishRecovery)] == [code]
    assert isinstance(steps[-1], FinishRecovery) is (code in (Code.ENDED, Code.NOTHING_TO_RECOVER))


@pytest.mark.parametrize(
    ("vm_state", "efforts", "kind"),
    [
        ("active", 0, "RestoreState"),
        ("active", MANY - 1, "RestoreState"),
        ("active", MANY, "Skip"),
        ("error", 0, "Skip"),
    ],
)
def test_what_was_noted_for_a_recovery_that_is_ended_is_taken_off(vm_state, efforts, kind):
    """It would be waited for when the host is back, for ever with a task that nobody works on."""
    seen = host(instances=[instance(vm_state=vm_state, task_state="pausing", noted="paused")])
    memory = watched(seen)
    memory.flags.end("compute-1", OURS)
    for _again in range(efforts):
        memory.count_effort("i1")
    found, *_finish = decided(seen, memory=memory)
    assert type(found).__name__ == kind and getattr(found, "move", "untag") == "untag"


def test_that_another_recovery_of_a_host_was_ended_is_not_heeded():
    seen = host(instances=[instance()])
    memory = watched(seen)
    memory.flags.end("compute-1", "control-1@1")
    assert kinds(decided(seen, memory=memory)) == ["Evacuate"]


# A guest that Nova does not know of

@pytest.mark.parametrize("seconds", [0, SETTLE, 10 * STUCK])
def test_a_guest_that_is_there_already_is_never_started_elsewhere(seconds):
    """Nova-compute died late in the first; asked again on the same host, it found the guest (measured)."""
    seen = host(
        instances=[instance(vm_state="error", fault=EXISTS)],
        evacuations=[record(1, "pre-migrating"), record(2, "failed")],
    )
    memory = watched(seen, until=NOW + seconds)
    (found,) = decided(seen, memory=memory, now=NOW + seconds)
    assert isinstance(found, Wait) and "compute-2" in found.reason
    # The first may just not have come to its end.
    assert found.needs_operator is (seconds >= STUCK)
    assert found.code == (Code.UNKNOWN_GUEST if found.needs_operator else Code.EVACUATING)


@pytest.mark.parametrize(
    ("reset", "is_open"),
    [(None, True), ("2026-01-01T00:00:10.900000", True), ("2026-01-01T00:00:11.000000", False)],
)
def test_that_a_guest_was_there_is_no_news_any_more_once_an_operator_has_reset_the_instance(reset, is_open):
    """Nova tells of it as long as the instance is in error: two alarms asked for the state that the other was about."""
    broken = instance(vm_state="error", fault=EXISTS, fault_at="2026-01-01T00:00:10")
    seen = host(
        instances=[broken],
        evacuations=[record(1, "pre-migrating")],
        requests={"i1": Requests((), reset=reset)},
    )
    memory = watched(seen, until=NOW + STUCK)
    (found,) = decided(seen, memory=memory, now=NOW + STUCK)
    assert (found.code == Code.UNKNOWN_GUEST) is is_open


def test_a_guest_that_is_there_and_whose_evacuation_was_cut_off_is_an_operators_matter():
    seen, memory, now = cut_off(more=[record(2, "failed")])
    broken = dataclasses.replace(seen, instances=(instance(vm_state="error", fault=EXISTS),))
    (found,) = decided(broken, memory=memory, now=now)
    assert (found.code, found.needs_operator) == (Code.UNKNOWN_GUEST, True)


@pytest.mark.parametrize(
    ("stage", "restart"),
    [
        (QUEUED, Restart("nova-conductor", None)),
        (SCHEDULING, Restart("nova-conductor", "control-1")),
        (SENT, None),
        (None, None),
    ],
)
def test_what_does_not_move_is_given_up_only_when_nobody_can_have_it_any_more(stage, restart):
    stuck = host(instances=[instance(task_state="rebuilding")], evacuations=[record(7, "accepted", destination=None)])
    memory = watched(stuck, until=NOW + STUCK)
    known = {"i1": Requests((request(1, stage),))} if stage else {}
    (found,) = decided(dataclasses.replace(stuck, requests=known), memory=memory, now=NOW + STUCK)
    assert (found.code, found.needs_operator, found.command) == (
        Code.STUCK,
        True,
        "openstack server set --state error i1",
    )
    assert found.restart == restart and ("restart nova-conductor on " in found.reason) == bool(restart)


@pytest.mark.parametrize(
    ("host", "text"), [("control-1", "nova-conductor on control-1"), (None, "nova-conductor on each control node")]
)
def test_what_is_to_be_restarted_is_worded(host, text):
    assert str(Restart("nova-conductor", host)) == text


CONFLICT = "Conflict updating instance 1f. Expected: {'task_state': ['rebuild_spawning']}. Actual: {'task_state': None}"


@pytest.mark.parametrize(
    ("fault", "records", "kind"),
    [
        (CONFLICT, [record(2, "failed")], "Wait"),  # its guest was started, and then its state was reset
        (None, [record(2, "done")], "Wait"),  # two evacuations met: it ran there, and is here again, in error
        (None, [record(2, "done"), record(3, "failed", destination="compute-3")], "Wait"),
        (None, [record(2, "completed")], "Evacuate"),
        (CONFLICT, [record(2, "failed", destination="compute-9")], "Evacuate"),  # which is dead
        (None, [record(2, "done", destination="compute-9")], "Evacuate"),
    ],
)
def test_a_guest_that_may_run_unknown_to_nova_is_not_started_a_second_time(fault, records, kind):
    seen = host(instances=[instance(vm_state="error", fault=fault)], evacuations=records)
    memory = watched(seen, since=NOW - SETTLE)
    (found,) = decided(seen, memory=memory, dead={"compute-1", "compute-9"})
    assert type(found).__name__ == kind and getattr(found, "needs_operator", True)


def test_an_evacuation_that_has_just_ended_is_no_alarm_while_nova_is_seen_to_have_the_instance_here():
    # The records are read after the instances: seen on the lab, of instances that were in error when they were sent.
    seen = host(instances=[instance(vm_state="error")], evacuations=[record(2, "done")])
    for age, needs_operator in ((0, False), (SETTLE - 1, False), (SETTLE, True)):
        (found,) = decided(seen, memory=watched(seen, since=NOW - age))
        assert (type(found), found.needs_operator, found.under_way) == (Wait, needs_operator, not needs_operator)


@pytest.mark.parametrize("fault", [EXISTS, CONFLICT])
def test_a_guest_that_may_run_unknown_to_nova_is_not_restarted_in_place(fault):
    lost_guest = instance(vm_state="error", noted="running", fault=fault)
    found = in_place([lost_guest], [record(2, "failed")])
    assert kinds(found) == ["Wait"]


def test_a_guest_that_was_on_a_host_that_is_dead_is_started_elsewhere():
    seen = host(instances=[instance(vm_state="error", fault=EXISTS)], evacuations=[record(2, "failed")])
    assert kinds(decided(seen, dead=DEAD_TOO)) == ["Evacuate"]


def test_other_faults_are_tried_again():
    assert kinds(steps_for(instance(vm_state="error", fault="boom"), [record(2, "failed")])) == ["Evacuate"]


@pytest.mark.parametrize(
    "fault",
    [
        None,
        "No valid host was found. There are not enough hosts available.",
        "Failed to update allocations for consumer 1. Error: another process changed the consumer 1 after ...",
    ],
)
@pytest.mark.parametrize(("may_run", "destination"), [(False, None), (True, "compute-2")])
def test_why_a_host_failed_is_read_before_another_is_asked_for(fault, may_run, destination):
    """Where later requests came to no host, Nova tells only that of the instance (measured)."""
    memory = nothing_asked()
    records = [record(2, "failed"), record(3, "error")]
    seen = host(instances=[instance(vm_state="error", fault=fault)], evacuations=records)
    memory.observe(seen, NOW - 10)
    assert memory.to_be_read(world(seen), NOW - 10) == {"i1"}
    (waits,) = decided(seen, memory=memory)
    assert waits.code is Code.CLOUD_AWAY
    ended = Event(told(0), told(1), failed=True, host="compute-2", may_run=may_run)
    read(memory, seen, dataclasses.replace(request(2, OVER), compute=ended))
    assert memory.to_be_read(world(seen), NOW) == set(), "once"
    assert [step.destination for step in decided(seen, memory=memory)] == [destination]


@pytest.mark.parametrize("fault", ["MessagingTimeout", CONFLICT, EXISTS])
def test_a_guest_that_may_run_is_not_forgotten_when_somebody_s_later_request_comes_to_no_host(fault):
    """That becomes all that Nova tells of the instance (measured)."""
    memory, failed = nothing_asked(), record(2, "failed")
    memory.observe(host(instances=[instance(vm_state="error", fault=fault)], evacuations=[failed]), NOW - 10)
    hidden = instance(vm_state="error", fault="No valid host was found. There are not enough hosts available.")
    seen = host(instances=[hidden], evacuations=[failed, record(3, "error")])
    memory.observe(seen, NOW)
    assert [step.destination for step in decided(seen, memory=memory)] == ["compute-2"]


# Live migrations


def live(status="running", destination="compute-2", instance="i1"):
    return record(50, status, instance, destination)


@pytest.mark.parametrize(
    ("records", "dead", "kind"),
    [
        ([], {"compute-1"}, "Evacuate"),
        ([live()], {"compute-1"}, "Wait"),
        ([live("accepted", None)], {"compute-1"}, "Wait"),
        ([live("preparing")], {"compute-1"}, "Wait"),
        ([live()], DEAD_TOO, "Evacuate"),
        ([live(instance="i2")], {"compute-1"}, "Evacuate"),
    ],
)
@pytest.mark.parametrize("vm_state", ["active", "paused"])
def test_an_instance_that_was_being_migrated_away_may_run_there(records, dead, kind, vm_state):
    moving = instance(vm_state=vm_state, task_state="migrating")
    found = steps_for(moving, live_migrations=tuple(records), dead=dead)
    assert kinds(found) == ["PrepareInstance" if kind == "Evacuate" and vm_state == "paused" else kind]


@pytest.mark.parametrize(
    ("seconds", "needs_operator"),
    [(0, False), (MIGRATION_PATIENCE - 1, False), (MIGRATION_PATIENCE, True), (10**6, True)],
)
def test_a_live_migration_that_does_not_end_is_an_operators_to_look_at(seconds, needs_operator):
    seen = host(instances=[instance(task_state="migrating")], live_migrations=(live(),))
    memory = watched(seen)
    (found,) = decided(seen, memory=memory, now=NOW + seconds)
    assert (found.code, found.needs_operator) == (Code.LIVE_MIGRATION, needs_operator)
    assert found.command == ("openstack server set --state error i1" if needs_operator else None)


def test_the_operators_word_ends_the_wait_for_a_live_migration():
    seen = host(instances=[instance(vm_state="error")], live_migrations=(live(),))
    assert kinds(decided(seen)) == ["Evacuate"]


# Resizes


def resize(source="compute-2", instance="i1"):
    return record(60, "finished", instance, "compute-1", source)


@pytest.mark.parametrize(
    ("records", "more", "kind"),
    [
        ([resize()], {}, "ConfirmResize"),
        ([], {}, "PrepareInstance"),
        ([resize(instance="i2")], {}, "PrepareInstance"),
        ([resize("compute-9")], {}, "PrepareInstance"),  # which is gone
        ([resize()], {"services": [living("compute-2", up=False), living("compute-3")]}, "PrepareInstance"),
        ([resize()], {"rules": Rules(shared_storage=False)}, "PrepareInstance"),  # its data is there, and nowhere else
        ([resize()], {"rules": Rules(Policy(skip_names=("*",)))}, "Skip"),
    ],
)
def test_a_resize_is_confirmed_where_its_former_host_lives(records, more, kind):
    assert kinds(steps_for(instance(vm_state="resized"), resizes=tuple(records), **more))[0] == kind


def test_a_resize_that_cannot_be_confirmed_is_given_up():
    resized, memory = instance(vm_state="resized"), nothing_asked()
    memory.observe(host(instances=[resized]), NOW)
    for after, kind in ((CONFIRMATION_PATIENCE - 1, "ConfirmResize"), (CONFIRMATION_PATIENCE, "PrepareInstance")):
        found = steps_for(resized, resizes=(resize(),), memory=memory, now=NOW + after)
        assert kinds(found) == [kind]


# The reserved host as the destination

MARKED = service(reason="nova-ha: being recovered; reserve: spare-1")


@pytest.mark.parametrize(
    ("wanted", "services", "destination"),
    [
        (True, [living("spare-1"), living("compute-2")], "spare-1"),
        (False, [living("spare-1"), living("compute-2")], None),
        (True, [living("spare-1", up=False), living("compute-2")], None),
        (True, [living("spare-1", enabled=False, reason="bad RAM"), living("compute-2")], None),
        (True, [living("compute-2")], None),
    ],
)
def test_the_reserved_host_may_be_the_destination(wanted, services, destination):
    rules = Rules(reserve_destination=wanted)
    (found,) = steps_for(instance(), service_=MARKED, services=services, rules=rules)
    assert isinstance(found, Evacuate) and found.destination == destination


@pytest.mark.parametrize(
    "cause",
    [
        outcomes.NO_ROOM,
        outcomes.SPAWN,
        outcomes.CONFLICT,
        outcomes.UNKNOWN,
    ],
)
def test_what_failed_on_the_reserved_host_is_tried_elsewhere(cause):
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.failed("i1", NOW - 999, "it failed", cause)
    services = [living("spare-1"), living("compute-2")]
    rules = Rules(reserve_destination=True)
    (found,) = steps_for(instance(), service_=MARKED, services=services, rules=rules, memory=memory)
    assert isinstance(found, Evacuate) and found.destination is None


@pytest.mark.parametrize("destination", [None, "spare-1"])
def test_a_full_reserved_host_is_not_asked_for_ever(destination):
    """Where a destination is named, the record of a refusal for want of room has it (measured)."""
    seen = host(
        instances=[instance(vm_state="error")],
        evacuations=[record(1, "error", destination=destination)],
        service_=MARKED,
    )
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.accepted("i1", NOW)
    memory.observe(seen, NOW + 1)
    services = [living("spare-1"), living("compute-2")]
    found = decided(
        seen, services=services, rules=Rules(reserve_destination=True), memory=memory, now=NOW + SETTLE + 60
    )
    assert [step.destination for step in found] == [None]


# No room

SILENT = living("compute-3", up=False)
DEAD = service("compute-2")


@pytest.mark.parametrize(
    ("others", "no_room", "needs_operator"),
    [
        ([SILENT], WAIT, False),  # the control plane may be at fault
        ([living("compute-3", enabled=False)], WAIT, False),
        ([DEAD], WAIT, True),  # no flagged host comes back by itself
        ([DEAD, SILENT], WAIT, False),
        ([DEAD], RESTART_IN_PLACE, False),
    ],
)
def test_without_any_host_an_instance_waits_and_an_operator_is_told_if_it_would_be_for_ever(
    others, no_room, needs_operator
):
    (found,) = steps_for([instance()], services=others, dead=DEAD_TOO, rules=Rules(no_room=no_room))
    assert (found.code, found.needs_operator) == (Code.NO_HOST, needs_operator)


@pytest.mark.parametrize(
    ("others", "seconds", "needs_operator"), [([DEAD], 900, True), ([DEAD], 899, False), ([SILENT], 900, False)]
)
def test_that_no_host_was_restarted_in_place_though_none_is_left_is_told_after_a_while(others, seconds, needs_operator):
    memory = roomless("i1", seconds=300.0 + seconds)
    (found,) = steps_for([instance()], services=others, dead=DEAD_TOO, rules=IN_PLACE, memory=memory)
    assert (found.code, found.needs_operator) == (Code.NO_HOST, needs_operator)


@pytest.mark.parametrize("reported", [False, True])
def test_a_host_that_is_recovered_and_does_not_come_back_is_none_that_comes(reported):
    dead = host(instances=[instance()])
    coming = host("no", name="compute-2", reported_for=60.0 if reported else None)
    memory = roomless("i1", seconds=1200.0)
    found, *_ = decided(dead, coming, memory=memory, rules=IN_PLACE, services=[])
    assert (found.code, found.needs_operator) == (Code.NO_HOST, not reported)


def test_hosts_that_cannot_be_read_may_be_there_yet():
    seen = world(host(instances=[instance()]), services=[DEAD], dead=DEAD_TOO, selection=Selection())
    seen = dataclasses.replace(seen, services=Services(seen.services, ["compute-9"]))
    (found,) = planner.steps(Situation(seen, nothing_asked(), Rules(), NOW), 40)
    assert isinstance(found, Wait) and not found.needs_operator


# What Nova does not evacuate

TPM = {"extra_specs": {"hw:tpm_version": "2.0"}}


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "Skip"),
        ({"vm_state": "paused"}, "Skip"),  # and its state is not reset in vain
        ({"vm_state": "stopped"}, "Skip"),
        ({"task_state": "deleting"}, "FinishDeletion"),
        ({"vm_state": "mystery"}, "Wait"),
    ],
)
def test_what_nova_does_not_evacuate_by_its_flavor_is_left_on_its_host(more, kind):
    found = steps_for([instance(**TPM, **more), instance(2)])
    assert kinds(found) == ["Evacuate", kind]
    if kind == "Skip":
        assert (found[1].code, found[1].needs_operator) == (Code.NOT_EVACUABLE, True) and "a virtual TPM" in found[
            1
        ].reason


def test_it_does_not_hold_the_flag_and_the_end_says_so():
    left, closed = steps_for(instance(**TPM))
    assert isinstance(closed, FinishRecovery) and "i1" in closed.reason
    assert "i1" not in steps_for(instance(vm_state="shelved"))[1].reason


def test_the_policys_word_goes_first():
    (left, _) = steps_for(instance(**TPM, metadata={"evacuable": "no"}))
    assert (left.code, left.needs_operator) == (Code.NOT_SELECTED, False)


def test_what_nova_has_refused_for_what_the_instance_is_is_not_asked_for_again():
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.failed("i1", NOW, "Feature not supported with instances that have shares. (HTTP 409)", outcomes.REFUSED)
    for later in (0, 10**6):
        found = steps_for(instance(), memory=memory, now=NOW + later)
        assert (
            kinds(found) == ["Skip", "FinishRecovery"]
            and "Manila shares" in found[0].reason
            and found[0].needs_operator
        )


KEYLESS = {
    "vm_state": "error",
    "fault": "KeyManagerError",
    "fault_cause": "castellan.common.exception.KeyManagerError: Key manager error: Forbidden: Secret payload ...",
}


@pytest.mark.parametrize(
    ("failures", "more", "kind"),
    [
        (0, {}, "Evacuate"),
        (KEY_ATTEMPTS - 1, {}, "Evacuate"),
        (KEY_ATTEMPTS, {}, "Skip"),
        (KEY_ATTEMPTS, {"fault_cause": "KeyManagerError: Key manager error: Bad Gateway"}, "Evacuate"),
    ],
)
def test_an_encrypted_volume_whose_key_nova_may_not_read_is_left_after_a_few_attempts(failures, more, kind):
    records = [record(number + 1, "failed") for number in range(failures)]
    found = steps_for(instance(**{**KEYLESS, **more}), records)
    assert kinds(found)[0] == kind
    if kind == "Skip":
        assert (found[0].code, found[0].command) == (Code.KEY_REFUSED, "openstack server reboot --hard i1")
        assert found[0].needs_operator


def test_an_evacuation_of_it_that_is_in_flight_is_waited_for():
    assert kinds(steps_for(instance(**TPM), [record(1, "accepted")])) == ["Wait"]


@pytest.mark.parametrize(
    ("key", "cause", "more", "told"),
    [
        ("evacuable", outcomes.CONFLICT, {}, True),
        ("ha", outcomes.FORBIDDEN, {}, True),
        ("evacuable", outcomes.UNKNOWN, {}, True),
        ("", outcomes.CONFLICT, {}, False),  # owners are not asked
        ("evacuable", outcomes.NO_ROOM, {}, False),
        ("evacuable", outcomes.SPAWN, {"vm_state": "error"}, False),  # Nova does not let its metadata be changed
        ("evacuable", outcomes.CONFLICT, {"vm_state": "error"}, False),
        ("evacuable", outcomes.CONFLICT, {"task_state": "deleting"}, False),
    ],
)
def test_what_is_refused_again_and_again_can_be_left(key, cause, more, told):
    memory = nothing_asked()
    for _ in range(MANY):
        memory.failed("i1", NOW, "no", cause)
    (found,) = steps_for(instance(**more), memory=memory, rules=Rules(Policy(metadata_key=key)))
    assert (found.code, found.needs_operator) == (cause, True)
    assert found.command == (f"openstack server set --property {key}=false i1" if told else None)


# Restart in place

IN_PLACE = Rules(no_room=RESTART_IN_PLACE, no_room_patience=300.0)


def roomless(*ids, seconds=300.0, cause=outcomes.NO_ROOM):
    """An engine whose requests have found no room for so long."""
    memory = nothing_asked()
    for id in ids:
        memory.sending(id, 0)
        memory.failed(id, NOW - seconds, "no valid host", cause)
    return memory


def in_place(instances, evacuations=(), rules=IN_PLACE, memory=None, online=True, **more):
    memory = memory or roomless(*(one.id for one in instances))
    return steps_for(list(instances), evacuations, rules=rules, memory=memory, online=online, **more)


# Noted, and as nova-compute will find it when it starts: in error, which it does not touch, or stopped.
READY = instance(vm_state="error", noted="running")
READY_STOPPED = instance(3, "stopped", noted="stopped", power_state="shutdown")


@pytest.mark.parametrize(
    ("one", "noted"),
    [
        (instance(), "running"),
        (instance(vm_state="error"), "running"),
        (instance(vm_state="rescued"), "running"),
        (instance(vm_state="resized"), "running"),
        (instance(vm_state="stopped"), "stopped"),
        (instance(vm_state="stopped", task_state="powering-on"), "running"),
        (instance(power_state="shutdown"), "stopped"),
        (instance(vm_state="error", power_state="shutdown"), "stopped"),
        (instance(vm_state="suspended"), "stopped"),
        (instance(vm_state="paused"), "paused"),
        (instance(task_state="powering-off"), "stopped"),
        # Noted already, but as nova-compute would set it to stopped when it starts.
        (instance(noted="running"), None),
        (instance(noted="stopped"), None),
        (instance(vm_state="paused", noted="paused"), None),
        (instance(vm_state="stopped", noted="running"), None),
        (instance(vm_state="stopped", noted="paused"), None),
    ],
)
def test_before_it_is_restarted_in_place_it_is_made_ready(one, noted):
    (found,) = in_place([one])
    assert isinstance(found, PrepareInstance) and found.in_place and found.restore == noted


@pytest.mark.parametrize("noted", ["running", "stopped", "paused"])
def test_when_all_are_ready_the_host_is_closed(noted):
    every = [instance(vm_state="error", noted=noted), READY_STOPPED, instance(2, "deleted")]
    assert kinds(in_place(every)) == ["Skip", "FinishRecovery"]


def test_none_is_closed_before_the_last_is_ready():
    found = in_place([READY, instance(2)])
    assert kinds(found) == ["PrepareInstance"] and found[0].instance.id == "i2"


@pytest.mark.parametrize(
    "more",
    [
        {"rules": dataclasses.replace(IN_PLACE, no_room="wait")},
        {"online": False},
        {"memory": roomless("i1", seconds=299.0)},
        {"memory": roomless("i1", cause=outcomes.SPAWN)},
        {"memory": nothing_asked()},
        {"evacuations": [record(7, "accepted")]},
        {"evacuations": [record(7, "pre-migrating", destination="compute-9")], "dead": {"compute-1", "compute-9"}},
        {"evacuations": [record(7, "done")]},
    ],
)
@pytest.mark.parametrize("one", [instance(), READY])
def test_nothing_is_restarted_in_place(more, one):
    found = in_place([one], **more)
    assert not [step for step in found if isinstance(step, (FinishRecovery, PrepareInstance))]


@pytest.mark.parametrize("status", ["failed", "error", "cancelled", "completed"])
def test_records_that_are_over_do_not_keep_from_restarting_in_place(status):
    assert kinds(in_place([READY], [record(7, status)])) == ["FinishRecovery"]


@pytest.mark.parametrize("other", [instance(2, "mystery"), instance(2, task_state="deleting")])
def test_one_that_must_not_be_started_keeps_the_others_back(other):
    found = in_place([READY, other])
    assert not [step for step in found if isinstance(step, (FinishRecovery, PrepareInstance))]


def test_one_whose_room_is_not_looked_for_long_enough_keeps_the_others_back():
    found = in_place([READY, instance(2, "error", noted="running")], memory=roomless("i1"))
    assert not [step for step in found if isinstance(step, FinishRecovery)]


@pytest.mark.parametrize("one", [instance(), READY])
@pytest.mark.parametrize(
    "outcome",
    ["sending", "accepted", "unclear"],
)
def test_a_request_under_way_keeps_from_restarting_in_place(one, outcome):
    memory = roomless("i1")
    memory.sending("i1", 0)
    if outcome == "accepted":
        memory.accepted("i1", NOW)
    if outcome == "unclear":
        memory.unclear("i1", NOW, "timed out")
    assert kinds(in_place([one], memory=memory)) == ["Wait"]


def test_what_left_the_host_is_settled_before_the_rest_is_restarted_in_place():
    found = in_place([READY], [record(7, "pre-migrating", instance="i9")])
    assert not [step for step in found if isinstance(step, FinishRecovery)]


def test_a_request_that_a_former_engine_may_have_sent_does_not_keep_from_restarting_in_place_for_ever():
    memory = nothing_asked()
    memory.inherited("i1", 0, NOW - 1000)
    memory.observe_services({}, NOW - 900)
    assert kinds(in_place([READY], memory=memory, services=[])) == ["FinishRecovery"]


def test_left_ones_are_told_and_counted_out():
    found = in_place([READY, instance(2, "shelved")])
    assert [type(step) for step in found] == [Skip, FinishRecovery]
    assert "1 instance " in found[-1].reason


@pytest.mark.parametrize(
    ("task_state", "records", "services", "kind"),
    [
        ("rebuilding", [record(7, "pre-migrating", destination="compute-8")], [], "CancelQueuedEvacuation"),
        ("rebuild_spawning", [record(7, "pre-migrating", destination="compute-8")], [], "CancelQueuedEvacuation"),
        ("rebuilding", [record(7, "pre-migrating", destination="compute-8")], [living("compute-9")], "Evacuate"),
        ("rebuilding", [record(7, "accepted", destination="compute-9")], [], "Wait"),  # that host lives
        (None, [record(7, "accepted", destination="compute-8")], [], "Wait"),
        ("rebooting", [], [], "Wait"),
    ],
)
def test_what_is_queued_on_dead_hosts_is_defused_where_there_is_no_room(task_state, records, services, kind):
    found = steps_for(
        instance(task_state=task_state), records, services=services, dead=("compute-1", "compute-8"), now=NOW + 100
    )
    assert kinds(found)[0] == kind
