# SPDX-License-Identifier: Apache-2.0
"""What is decided about hosts, as tables: a snapshot in, steps out. What their instances need: test_recovering."""

import dataclasses

import pytest

from nova_ha.model.actions import Claim, DisableHost, EnableReservedHost, FinishRecovery, Skip, Wait, is_action
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.request import FORBIDDEN
from nova_ha.policy.holds import by_guard
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import planner
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import MANY, UNREAD_PATIENCE
from tests.unit.worlds import (
    AMBIGUOUS,
    NOW,
    OURS,
    decided,
    host,
    instance,
    kinds,
    living,
    nothing_asked,
    record,
    service,
    spare,
    world,
)

MARK = "nova-ha: being recovered"


# Which hosts to take up


@pytest.mark.parametrize(
    ("value", "own", "others", "kind"),
    [
        ("yes", {}, set(), "Claim"),
        ("go", {}, set(), "Claim"),
        ("yes", {"compute-1": OURS}, set(), "Claim"),  # fenced again while we recovered it
        ("go", {"compute-1": OURS}, set(), "Claim"),
        ("control-2@90", {}, set(), "Claim"),
        ("control-2@90", {}, {"control-2"}, "Wait"),
        ("control-2@90", {}, {"control-3"}, "Claim"),
        ("control-2@90", {"compute-1": OURS}, {"control-2"}, "Wait"),
        ("control-1@90", {}, set(), "Claim"),  # ours, of a former life
        ("a@b@90", {}, {"a@b"}, "Wait"),
        (OURS, {"compute-1": OURS}, set(), None),
        (OURS, {"compute-2": OURS}, set(), "Claim"),
        ("no", {}, set(), None),
        ("restart", {}, set(), None),
        ("no", {"compute-1": OURS}, set(), None),
        ("maybe", {}, set(), "Wait"),
        ("", {}, set(), "Wait"),
        ("YES", {}, set(), "Wait"),
    ],
)
def test_which_hosts_are_taken_up(value, own, others, kind):
    found = planner.claims({"compute-1": value}, own, others, {})
    assert kinds(found) == ([kind] if kind else [])
    if kind == "Claim":
        assert found[0].old == value
    if found:
        assert found[0].host == "compute-1" and found[0].reason


@pytest.mark.parametrize(
    ("value", "code", "needs_operator"),
    [("maybe", Code.UNKNOWN_FLAG, True), ("control-2@90", Code.OTHER_ENGINE, False)],
)
def test_what_waits_for_an_operator_says_so(value, code, needs_operator):
    (found,) = planner.claims({"compute-1": value}, {}, {"control-2"}, {})
    assert (found.code, found.needs_operator) == (code, needs_operator)


def test_a_held_host_is_not_taken_up_and_others_are():
    flags = {"compute-1": "yes", "compute-2": "go", "compute-3": "yes", "compute-4": OURS}
    found = planner.claims(flags, {"compute-4": OURS}, set(), {"compute-1": by_guard("compute-1", "too many")})
    assert [(type(step), step.host) for step in found] == [
        (Wait, "compute-1"),
        (Claim, "compute-2"),
        (Claim, "compute-3"),
    ]
    assert found[0].needs_operator and found[0].reason == "too many"
    assert (found[0].code, found[0].command) == (Code.HELD_BY_GUARD, "nova-ha go compute-1")


# Taking a host out


@pytest.mark.parametrize(
    ("before", "kind", "mark"),
    [
        (living("compute-1"), "DisableHost", MARK),
        (living("compute-1", up=False), "DisableHost", MARK),
        (service(enabled=True, reason=None), "DisableHost", MARK),
        (service(enabled=True, reason=MARK), "DisableHost", MARK),  # an operator enabled it meanwhile
        (service(forced_down=False), "DisableHost", None),
        (service(reason="bad RAM"), "DisableHost", f"{MARK}; was disabled: bad RAM"),
        (service(reason="bad RAM", forced_down=False), "DisableHost", f"{MARK}; was disabled: bad RAM"),
        (service(reason="nova-ha: reserved"), "DisableHost", f"{MARK}; was disabled: nova-ha: reserved"),
        (service(reason=None), "DisableHost", f"{MARK}; was disabled"),
        (service(), "FinishRecovery", None),
    ],
)
def test_a_dead_host_is_taken_out_before_anything_else(before, kind, mark):
    found = decided(host(service_=before))
    assert kinds(found) == [kind]
    assert getattr(found[0], "mark", None) == mark


@pytest.mark.parametrize(
    "half_out",
    [
        service(forced_down=False),
        service(enabled=True, reason=None),
        service(enabled=True, reason=None, forced_down=False),
        living("compute-1"),
    ],
)
@pytest.mark.parametrize("vm_state", ["active", "stopped", "error", "paused", "deleted"])
def test_nothing_is_done_to_instances_of_a_host_that_is_not_out(half_out, vm_state):
    assert kinds(decided(host(instances=[instance(vm_state=vm_state)], service_=half_out))) == ["DisableHost"]


def test_a_host_that_nova_does_not_know_keeps_its_flag():
    unknown = dataclasses.replace(host(), service=None)
    for odd, code in ((unknown, Code.NO_SERVICE), (host(problem=AMBIGUOUS), Code.AMBIGUOUS_HOST)):
        (found,) = decided(odd)
        assert (found.code, found.needs_operator) == (code, True) and found.reason


def test_a_flagged_host_that_lives_is_to_be_fenced_by_an_operator():
    (found,) = decided(host(instances=[instance()]), living=frozenset({"compute-1"}))
    assert (found.code, found.needs_operator) == (Code.FLAGGED_HOST_LIVES, True)
    assert found.command == "pcs stonith fence compute-1"


def test_a_problem_with_one_host_holds_up_no_other():
    other = host(name="compute-2", instances=[instance(2, host="compute-2")])
    assert kinds(decided(host(problem=AMBIGUOUS), other, services=[living("compute-3")])) == ["Evacuate", "Wait"]


@pytest.mark.parametrize(
    ("seconds", "needs_operator"), [(0, False), (UNREAD_PATIENCE - 1, False), (UNREAD_PATIENCE, True)]
)
def test_a_host_whose_cell_is_away_waits_whatever_was_known_of_it(seconds, needs_operator):
    away = {"problem": Problem(Code.CELL_AWAY, "its cell is away"), "unread_for": seconds}
    for one in (host(instances=[instance()], **away), host("no", reported_for=60.0, **away)):
        other = host(name="compute-4", instances=[instance(4, host="compute-4")])
        found = decided(one, other)
        assert kinds(found) == ["Evacuate", "Wait"] and found[0].host == "compute-4"
        assert (found[1].code, found[1].needs_operator) == (Code.CELL_AWAY, needs_operator)


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (living("compute-2", up=False), "Wait"),
        (service("compute-2", forced_down=False), "Wait"),
        (service("compute-2", enabled=True), "Evacuate"),  # it is only to be disabled again: Nova knows that it is dead
        (service("compute-2"), "Evacuate"),
    ],
)
def test_nothing_is_sent_before_nova_knows_of_every_dead_host(other, kind):
    """Its scheduler might choose one of them."""
    found = decided(
        host(instances=[instance()]), host(name="compute-2", service_=other), services=[living("compute-3")]
    )
    assert [type(step).__name__ for step in found if step.host == "compute-1"] == [kind]


def test_a_host_that_nova_refuses_to_force_down_does_not_hold_up_all_others():
    memory = nothing_asked()
    memory.failed("id-compute-2", NOW, "refused")
    odd = host(name="compute-2", service_=service("compute-2", forced_down=False))
    hosts, services = (host(instances=[instance()]), odd), [living("compute-3")]
    until = memory.get("id-compute-2").until
    found = decided(*hosts, memory=memory, services=services, now=until - 0.1)
    assert sorted(kinds(found)) == ["Evacuate", "Wait"]
    found = decided(*hosts, memory=memory, services=services, now=until)
    assert sorted(kinds(found)) == ["DisableHost", "Evacuate"]


@pytest.mark.parametrize(("failures", "needs_operator"), [(MANY - 1, False), (MANY, True)])
def test_a_host_that_nova_goes_on_to_refuse_to_force_down_is_an_operators_matter(failures, needs_operator):
    memory = nothing_asked()
    for _ in range(failures):
        memory.failed("id-compute-1", NOW, "policy (HTTP 403)", FORBIDDEN)
    (found,) = decided(host(service_=service(forced_down=False)), memory=memory)
    assert (type(found), found.needs_operator) == (Wait, needs_operator)
    assert found.code == Code.SERVICE_CHANGE_REFUSED and "HTTP 403" in found.reason


# Reserved hosts


def lost(name="compute-1", **more):
    return host(name=name, service_=living(name, up=False, **more))


@pytest.mark.parametrize(
    ("spares", "aggregates", "reserve"),
    [
        ([], {}, None),
        ([spare("spare-1")], {}, "spare-1"),
        ([spare("spare-2"), spare("spare-1")], {}, "spare-1"),
        ([spare("spare-1", up=False), spare("spare-2")], {}, "spare-2"),
        ([spare("spare-1", reason="bad RAM")], {}, None),
        ([spare("spare-1", zone="other")], {}, None),
        ([spare("spare-1", zone="other")], {"rack": {"compute-1", "spare-1"}}, "spare-1"),
        ([spare("spare-1"), spare("spare-2")], {"rack": {"compute-1", "spare-2"}}, "spare-2"),
    ],
)
def test_a_reserved_host_is_promised_in_the_mark(spares, aggregates, reserve):
    (found,) = decided(lost(), services=spares, aggregates={name: frozenset(h) for name, h in aggregates.items()})
    assert isinstance(found, DisableHost)
    assert found.mark == (f"{MARK}; reserve: {reserve}" if reserve else MARK)


def test_the_promised_host_is_enabled_before_instances_are_evacuated():
    marked = service(reason=f"{MARK}; reserve: spare-1")
    dead = host(service_=marked, instances=[instance()])
    (found,) = decided(dead, services=[spare(), living("compute-3")])
    assert isinstance(found, EnableReservedHost) and found.service.host == "spare-1" and found.host == "compute-1"
    assert kinds(decided(dead, services=[living("spare-1"), living("compute-3")])) == ["Evacuate"]
    assert kinds(decided(dead, services=[living("compute-3")])) == ["Evacuate"]  # it is gone from Nova
    assert kinds(decided(dead, services=[spare(reason="bad RAM"), living("compute-3")])) == ["Evacuate"]


def test_no_second_reserved_host_is_used_up_for_one_host():
    marked = service(reason=f"{MARK}; reserve: spare-1")
    assert kinds(decided(host(service_=marked), services=[living("spare-1"), spare("spare-2")])) == ["FinishRecovery"]


def test_what_is_promised_to_one_host_is_not_promised_to_another():
    first = host(service_=service(reason=f"{MARK}; reserve: spare-1"))
    found = decided(first, lost("compute-2"), services=[living("spare-1"), spare("spare-2")])
    assert [step.mark for step in found if isinstance(step, DisableHost)] == [f"{MARK}; reserve: spare-2"]
    found = decided(first, lost("compute-2"), services=[spare("spare-1")])
    assert [step.mark for step in found if isinstance(step, DisableHost)] == [MARK]


def test_two_hosts_lost_at_once_get_two_reserved_hosts():
    found = decided(lost("compute-1"), lost("compute-2"), services=[spare("spare-1"), spare("spare-2")])
    assert sorted(step.mark for step in found) == [f"{MARK}; reserve: spare-1", f"{MARK}; reserve: spare-2"]


def test_a_lost_reserved_host_takes_nobodys_place():
    reserved = host(name="spare-1", service_=service("spare-1", reason="nova-ha: reserved", up=True, forced_down=False))
    found = decided(lost(), reserved, services=[])
    assert sorted(step.mark for step in found) == [MARK, f"{MARK}; was disabled: nova-ha: reserved"]


def test_a_reserved_host_that_cannot_be_enabled_does_not_stop_the_recovery():
    dead = host(service_=service(reason=f"{MARK}; reserve: spare-1"), instances=[instance()])
    memory = nothing_asked()
    memory.failed("id-spare-1", NOW, "refused")
    until = memory.get("id-spare-1").until
    services = [spare(), living("compute-3")]
    assert kinds(decided(dead, services=services, memory=memory, now=until - 0.1)) == ["Evacuate"]
    assert sorted(kinds(decided(dead, services=services, memory=memory, now=until))) == [
        "EnableReservedHost",
        "Evacuate",
    ]
    # Nor does it keep the host from being closed.
    empty = dataclasses.replace(dead, instances=())
    assert kinds(decided(empty, services=services, memory=memory, now=until - 0.1)) == ["FinishRecovery"]


# Closing


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([], "FinishRecovery"),
        ([record(7, "done")], "FinishRecovery"),
        ([record(7, "completed")], "FinishRecovery"),
        ([record(7, "failed")], "FinishRecovery"),
        ([record(7, "error")], "FinishRecovery"),
        ([record(7, "failed"), record(8, "done")], "FinishRecovery"),
        ([record(7, "pre-migrating")], "Wait"),  # Nova moves the instance before the record is done
        ([record(7, "accepted")], "Wait"),
        ([record(7, "accepted", destination=None)], "Wait"),
        ([record(7, "what-is-this")], "Wait"),
        ([record(7, "accepted", destination="compute-3"), record(8, "done")], "FinishRecovery"),
        ([record(7, "done"), record(8, "accepted")], "Wait"),
        ([record(7, "completed"), record(8, "pre-migrating")], "Wait"),
        ([record(7, "done"), record(8, "accepted", instance="i2")], "Wait"),
    ],
)
def test_a_host_is_closed_when_nothing_of_it_is_in_flight(records, kind):
    assert kinds(decided(host(evacuations=records))) == [kind]


ARRIVED = instance(host="compute-2")


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        (ARRIVED, "FinishRecovery"),
        (None, "FinishRecovery"),  # deleted
        (dataclasses.replace(ARRIVED, vm_state="stopped"), "FinishRecovery"),
        (dataclasses.replace(ARRIVED, vm_state="error"), "Wait"),  # a second request may have met the first
        (dataclasses.replace(ARRIVED, task_state="rebuild_spawning"), "Wait"),
        (dataclasses.replace(ARRIVED, host="compute-9"), "Wait"),  # which is dead
        (dataclasses.replace(ARRIVED, host="compute-1"), "Wait"),
    ],
)
@pytest.mark.parametrize("destination", ["compute-2", "compute-3", None])
@pytest.mark.parametrize("status", ["accepted", "pre-migrating"])
def test_a_record_that_never_ends_does_not_keep_a_host_whose_instance_is_elsewhere(where, kind, destination, status):
    left = host(evacuations=[record(7, status, destination=destination)], whereabouts={"i1": where})
    found = decided(left, dead={"compute-1", "compute-9"})
    assert kinds(found) == [kind]


@pytest.mark.parametrize(
    ("state", "is_healed_by_hand"),
    [({"vm_state": "error"}, True), ({"task_state": "rebuilding"}, False)],  # somebody may be at work on the latter
)
def test_a_host_that_cannot_be_closed_is_reported_with_the_way_out(state, is_healed_by_hand):
    left = host(evacuations=[record(7, "accepted")], whereabouts={"i1": dataclasses.replace(ARRIVED, **state)})
    memory = nothing_asked()
    for second in range(0, 2000, 10):
        memory.observe(left, NOW + second)
    (found,) = decided(left, memory=memory, now=NOW + 2000)
    assert found.needs_operator and found.code == Code.STUCK and "see to it there" in found.reason
    assert found.command == ("openstack server set --state active i1" if is_healed_by_hand else None)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["deleted"], ["Skip", "FinishRecovery"]),
        (["building", "shelved", "soft-delete"], ["Skip", "Skip", "Skip", "FinishRecovery"]),
        (["deleted", "paused"], ["Skip", "PrepareInstance"]),
        (["deleted", "active"], ["Evacuate", "Skip"]),
        (["deleted", "mystery"], ["Skip", "Wait"]),
    ],
)
def test_a_host_with_one_instance_left_is_not_closed(states, expected):
    instances = [instance(number, state) for number, state in enumerate(states)]
    assert kinds(decided(host(instances=instances))) == expected


def test_every_step_but_claims_names_its_host_and_says_why():
    found = decided(
        host(instances=[instance(n, s) for n, s in enumerate(["active", "paused", "deleted", "mystery"])]),
        host("no", name="compute-2"),
        lost("compute-3"),
        services=[living("compute-4")],
    )
    assert len(found) == 6
    assert all(step.host and step.reason for step in found)
    assert {type(step) for step in found if not is_action(step)} == {Wait, Skip}


# Double failures


def test_a_destination_that_died_is_out_before_its_evacuations_are_repeated():
    """Until the destination is flagged and forced down, its guests may be alive."""
    inflight = host(instances=[instance(task_state="rebuild_spawning")], evacuations=[record(1, "pre-migrating")])
    second = host(name="compute-2", arrivals=(record(1, "pre-migrating"),))
    alive = dataclasses.replace(second, service=living("compute-2", up=False))
    found = decided(inflight, alive, services=[living("compute-3")])
    assert sorted(kinds(found)) == ["DisableHost", "Wait"]
    found = decided(inflight, second, services=[living("compute-3")])
    assert "Evacuate" in kinds(found)


def in_flight_to_the_second():
    """An evacuation to compute-2, of which compute-2 died 10 s after it was asked for."""
    memory = nothing_asked()
    memory.sending("i1", 0)
    memory.accepted("i1", NOW - 10)
    first = host(instances=[instance(task_state="rebuild_spawning")], evacuations=[record(1, "pre-migrating")])
    second = host(name="compute-2", arrivals=(record(1, "pre-migrating"),))
    memory.observe(first, NOW)
    memory.observe(second, NOW)
    return memory, first, second


def test_a_dead_destination_is_not_closed_while_an_evacuation_to_it_is_not_repeated_elsewhere():
    memory, first, second = in_flight_to_the_second()
    found = decided(first, second, memory=memory, services=[living("compute-3")])
    assert not [step for step in found if isinstance(step, FinishRecovery)]


def test_a_dead_destination_is_not_closed_while_the_repeated_evacuation_is_in_flight():
    memory, first, second = in_flight_to_the_second()
    again = record(2, "pre-migrating", destination="compute-3")
    first = dataclasses.replace(first, evacuations=(*first.evacuations, again))
    memory.observe(first, NOW + 60)
    found = decided(first, second, memory=memory, services=[living("compute-3")], now=NOW + 60)
    codes = {"compute-1": Code.EVACUATING, "compute-2": Code.START_INTERLOCK}
    assert {step.host: step.code for step in found} == codes


@pytest.mark.parametrize(
    ("task_state", "services", "kind", "closed"),
    [
        ("rebuild_spawning", [living("compute-3")], "Evacuate", False),
        ("rebuild_spawning", [], "CancelQueuedEvacuation", False),  # else what is queued would start it
        (None, [], "Wait", True),  # there is no other place for it: this host is needed
        (None, [living("compute-3")], "Evacuate", False),
    ],
)
def test_a_dead_destination_comes_back_only_where_it_is_needed(task_state, services, kind, closed):
    memory, first, second = in_flight_to_the_second()
    first = dataclasses.replace(first, instances=(instance(vm_state="error", task_state=task_state),))
    found = decided(first, second, memory=memory, services=services, now=NOW + 70)
    assert [type(step).__name__ for step in found if getattr(step, "instance", None)] == [kind]
    assert bool([step for step in found if isinstance(step, FinishRecovery)]) is closed


def test_a_dead_destination_is_closed_once_the_instance_runs_elsewhere():
    memory, first, second = in_flight_to_the_second()
    done = record(2, "done", destination="compute-3")
    first = dataclasses.replace(first, instances=(), evacuations=(*first.evacuations, done))
    memory.observe(first, NOW + 90)
    found = decided(first, second, memory=memory, services=[living("compute-3")], now=NOW + 90)
    assert kinds(found) == ["FinishRecovery", "FinishRecovery"]


@pytest.mark.parametrize(("seconds", "kind"), [(0.0, "Wait"), (29.9, "Wait"), (30.0, "Evacuate")])
def test_evacuations_begin_after_the_delay_that_the_storage_needs(seconds, kind):
    (step,) = decided(host(instances=[instance()], flagged_for=seconds), rules=Rules(evacuate_delay=30))
    assert type(step).__name__ == kind
    assert kind == "Evacuate" or step.code == Code.STORAGE_DELAY


def test_the_rules_have_defaults_that_decide():
    assert kinds(planner.steps(Situation(world(), nothing_asked(), Rules(), NOW), 40)) == []


@pytest.mark.parametrize(
    ("destination", "source", "age", "kind"),
    [
        ("compute-1", "compute-9", 0, "Wait"),
        ("compute-1", "compute-9", 1000, "needs_operator"),
        (
            "compute-9",
            "compute-1",
            0,
            "FinishRecovery",
        ),  # away from it: of interest only while the instance is still here
        ("compute-1", "compute-8", 0, "FinishRecovery"),  # its source is dead as well
    ],
)
def test_a_live_migration_to_the_host_may_bring_an_instance_yet(destination, source, age, kind):
    coming = record(5, "running", destination=destination, source=source)
    dead = host(live_migrations=(coming,))
    memory = nothing_asked()
    memory.observe(dead, NOW - age)
    (step,) = decided(dead, memory=memory, dead=("compute-1", "compute-8"))
    assert type(step).__name__ == kind or (kind == "needs_operator" and step.needs_operator)
    assert kind == "FinishRecovery" or step.code == Code.LIVE_MIGRATION


@pytest.mark.parametrize(
    ("second", "kind"), [(None, "FinishRecovery"), ("accepted", "Wait"), ("failed", "FinishRecovery")]
)
def test_a_dead_host_is_not_closed_while_what_was_sent_twice_is_in_flight(second, kind):
    flight = record(7, "pre-migrating", destination="compute-3")
    others = [record(8, second, destination=None)] if second else []
    source = host(instances=[instance(task_state="rebuild_spawning")], evacuations=[flight, *others])
    found = decided(source, host(name="compute-2"), services=[living("compute-3")], dead=("compute-1", "compute-2"))
    assert kinds([step for step in found if step.host == "compute-2"]) == [kind]


@pytest.mark.parametrize(
    ("status", "destination", "arrivals", "kind"),
    [
        ("pre-migrating", "compute-3", 0, "Wait"),  # it has just gone elsewhere
        ("failed", "compute-2", 0, "Wait"),  # to be evacuated once more
        ("failed", "compute-2", 1, "Wait"),
        (None, None, 0, "FinishRecovery"),
    ],
)
def test_a_dead_host_is_not_closed_before_what_had_been_sent_there(status, destination, arrivals, kind):
    """Nothing is left on compute-2; the instance of compute-1 had been sent there before it died, or not."""
    sent = record(7, "accepted", destination="compute-2")
    now = dataclasses.replace(sent, status=status, destination=destination)
    memory = nothing_asked()
    if status and not arrivals:
        memory.observe(host(instances=[instance()], evacuations=[sent]), NOW - 200)
    source = host(instances=[] if status == "pre-migrating" else [instance()], evacuations=[now] if status else [])
    other = host(name="compute-2", arrivals=(sent,) * arrivals)
    found = decided(source, other, memory=memory, services=[living("compute-3")], dead=("compute-1", "compute-2"))
    assert kinds([step for step in found if step.host == "compute-2"]) == [kind]
