# SPDX-License-Identifier: Apache-2.0
"""What is decided, as tables: a snapshot in, steps out."""

import pytest

from nova_ha import decide
from nova_ha.attempts import INHERITED_SETTLE, SETTLE, Attempts
from nova_ha.policy import Policy
from tests.unit.worlds import OURS, host, instance, record, service, world

NOW = 1000.0
ALL = Policy()


def steps(*hosts, attempts=None, policy=ALL, limit=40, reported=(), now=NOW, dead=("compute-1",)):
    return decide.steps(world(*hosts, dead=dead), attempts or Attempts(), policy, limit, now, set(reported))


def kinds(found):
    return [type(step).__name__ for step in found]


@pytest.mark.parametrize(
    ("value", "own", "others", "kind"),
    [
        ("yes", {}, set(), "Claim"),
        ("yes", {"compute-1": OURS}, set(), "Claim"),  # fenced again while we recovered it
        ("control-2@90", {}, set(), "Claim"),
        ("control-2@90", {}, {"control-2"}, "Wait"),
        ("control-1@90", {}, set(), "Claim"),  # ours, of a former life
        (OURS, {"compute-1": OURS}, set(), None),
        ("no", {}, set(), None),
        ("maybe", {}, set(), "Wait"),
    ],
)
def test_which_hosts_are_taken_up(value, own, others, kind):
    found = decide.claims({"compute-1": value}, own, others)
    assert kinds(found) == ([kind] if kind else [])
    if kind == "Claim":
        assert found[0].old == value


@pytest.mark.parametrize(
    ("before", "kind", "mark"),
    [
        (service(enabled=True, forced_down=False, reason=None), "TakeOut", "nova-ha: being recovered"),
        (service(enabled=True, reason=None), "TakeOut", "nova-ha: being recovered"),
        (service(forced_down=False), "TakeOut", None),
        (service(reason="bad RAM"), "TakeOut", "nova-ha: being recovered; was disabled: bad RAM"),
        (service(reason="x" * 250), "Close", None),  # too long to carry: the operator's reason is left
        (service(reason=None), "Close", None),
        (service(), "Close", None),
    ],
)
def test_a_dead_host_is_taken_out_before_anything_else(before, kind, mark):
    found = steps(host(service_=before))
    assert kinds(found) == [kind]
    assert getattr(found[0], "mark", None) == mark


def test_nothing_is_evacuated_from_a_host_that_is_not_forced_down():
    found = steps(host(instances=[instance()], service_=service(forced_down=False)))
    assert kinds(found) == ["TakeOut"]


@pytest.mark.parametrize(
    ("vm_state", "task_state", "kind"),
    [
        ("active", None, "Evacuate"),
        ("stopped", None, "Evacuate"),
        ("error", None, "Evacuate"),
        ("active", "rebooting", "Evacuate"),
        ("active", "powering-off", "Evacuate"),
        ("active", "image_snapshot", "Evacuate"),
        ("active", "deleting", "Leave"),
        ("error", "deleting", "Leave"),
        ("active", "soft-deleting", "Leave"),
        ("soft-delete", None, "Leave"),
        ("deleted", None, "Leave"),
        ("building", None, "Leave"),
        ("building", "spawning", "Leave"),
        ("shelved", None, "Leave"),
        ("shelved_offloaded", None, "Leave"),
        ("paused", None, "Wait"),
        ("suspended", None, "Wait"),
        ("rescued", None, "Wait"),
        ("resized", None, "Wait"),
    ],
)
def test_what_is_done_with_an_instance_in_each_state(vm_state, task_state, kind):
    found = steps(host(instances=[instance(vm_state=vm_state, task_state=task_state)]))
    # A host is closed when every instance is left for good, and only then.
    assert kinds(found) == ([kind, "Close"] if kind == "Leave" else [kind])
    assert found[0].reason


@pytest.mark.parametrize("status", ["accepted", "pre-migrating", "migrating", "running", "what-is-this"])
def test_an_evacuation_in_flight_is_waited_for(status):
    assert kinds(steps(host(instances=[instance()], evacuations=[record(7, status)]))) == ["Wait"]


@pytest.mark.parametrize("status", ["failed", "error", "cancelled", "completed"])
def test_an_evacuation_that_ended_elsewhere_than_well_is_tried_again(status):
    found = steps(host(instances=[instance()], evacuations=[record(7, status)]))
    assert kinds(found) == ["Evacuate"]
    assert found[0].newest == 7


@pytest.mark.parametrize(
    ("destination", "dead", "kind"),
    [
        ("compute-2", {"compute-1"}, "Wait"),
        ("compute-2", {"compute-1", "compute-2"}, "Evacuate"),
        (None, {"compute-1", "compute-2"}, "Wait"),
    ],
)
def test_an_evacuation_to_a_host_that_died_is_given_up_only_once_that_is_proved(destination, dead, kind):
    found = steps(host(instances=[instance()], evacuations=[record(7, "accepted", destination=destination)]), dead=dead)
    assert kinds(found) == [kind]


def test_a_request_that_is_being_sent_is_not_sent_again():
    attempts = Attempts()
    attempts.sending("i1", 0)
    assert kinds(steps(host(instances=[instance()]), attempts=attempts)) == ["Wait"]


@pytest.mark.parametrize(("after", "kind"), [(SETTLE - 1, "Wait"), (SETTLE + 1, "Evacuate")])
@pytest.mark.parametrize("outcome", ["accepted", "unclear"])
def test_a_request_without_a_record_is_given_time_to_show(outcome, after, kind):
    attempts = Attempts()
    attempts.sending("i1", 0)
    if outcome == "accepted":
        attempts.accepted("i1", NOW)
    else:
        attempts.unclear("i1", NOW, "timed out")
    assert kinds(steps(host(instances=[instance()]), attempts=attempts, now=NOW + after)) == [kind]


def test_what_a_former_engine_may_have_sent_is_given_time_to_show():
    attempts = Attempts()
    attempts.inherited("i1", 0, NOW)
    flagged = host(instances=[instance()])
    assert kinds(steps(flagged, attempts=attempts, now=NOW + INHERITED_SETTLE - 1)) == ["Wait"]
    assert kinds(steps(flagged, attempts=attempts, now=NOW + INHERITED_SETTLE + 1)) == ["Evacuate"]


def test_failures_are_retried_ever_more_slowly_but_always():
    attempts = Attempts(jitter=lambda: 1.0)
    pauses = []
    for _ in range(9):
        attempts.sending("i1", 0)
        attempts.failed("i1", NOW, "no valid host")
        pauses.append(attempts.get("i1").until - NOW)
        assert kinds(steps(host(instances=[instance()]), attempts=attempts, now=NOW + pauses[-1] - 1)) == ["Wait"]
        assert kinds(steps(host(instances=[instance()]), attempts=attempts, now=NOW + pauses[-1])) == ["Evacuate"]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_view_older_than_the_evacuation_does_not_lead_to_a_second_one():
    flagged = host(instances=[instance()], evacuations=[record(7, "done")])
    for ours in (True, False):
        attempts = Attempts()
        if ours:
            attempts.sending("i1", 0)
            attempts.accepted("i1", NOW)
        attempts.observe(flagged, NOW)
        assert kinds(steps(flagged, attempts=attempts)) == ["Wait"]


def test_an_instance_that_somebody_else_began_to_rebuild_is_looked_at_twice():
    flagged = host(instances=[instance(task_state="rebuilding")])
    attempts = Attempts()
    attempts.observe(flagged, NOW)
    assert kinds(steps(flagged, attempts=attempts)) == ["Wait"]
    assert kinds(steps(flagged, attempts=attempts, now=NOW + INHERITED_SETTLE)) == ["Evacuate"]


def test_a_failed_record_counts_once():
    attempts = Attempts(jitter=lambda: 1.0)
    attempts.sending("i1", 0)
    attempts.accepted("i1", NOW)
    flagged = host(instances=[instance()], evacuations=[record(7, "error")])
    for later in range(3):
        attempts.observe(flagged, NOW + later)
    assert (attempts.get("i1").failures, attempts.get("i1").until) == (1, NOW + 5)


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([record(7, "done")], "Close"),
        ([record(7, "completed")], "Close"),
        ([record(7, "failed"), record(8, "done")], "Close"),
        ([record(7, "pre-migrating")], "Wait"),  # Nova moves the instance before the record is done
        ([record(7, "accepted", destination="compute-3"), record(8, "done")], "Close"),
        ([record(7, "done"), record(8, "accepted")], "Wait"),
    ],
)
def test_a_host_is_closed_when_nothing_of_it_is_in_flight(records, kind):
    assert kinds(steps(host(evacuations=records))) == [kind]


def test_a_host_with_one_instance_left_is_not_closed():
    found = steps(host(instances=[instance(1, "deleted"), instance(2, "paused")]))
    assert kinds(found) == ["Leave", "Wait"]


@pytest.mark.parametrize(
    ("before", "records", "reported", "kind"),
    [
        (service(), [], False, "Wait"),
        (service(), [], True, "PutBack"),
        (service(), [record(7, "done")], True, "Wait"),
        (service(), [record(7, "completed")], True, "PutBack"),
        (service(), [record(7, "accepted")], True, "Wait"),
        (service(up=True, forced_down=False), [], True, "PutBack"),  # died between un-forcing and enabling
        (service(up=True, forced_down=False, enabled=True, reason=None), [], False, "Clear"),
        (service(up=True, forced_down=False, reason="bad RAM"), [], False, "Clear"),
        (service(up=False, forced_down=False, enabled=True, reason=None), [], False, "Wait"),
    ],
)
def test_the_way_back(before, records, reported, kind):
    found = steps(host("no", service_=before, evacuations=records), reported=["compute-1"] if reported else [])
    assert kinds(found) == [kind]


def test_a_host_that_nova_does_not_know_keeps_its_flag():
    unknown = host()
    unknown = type(unknown)(unknown.name, unknown.flag)
    assert kinds(steps(unknown)) == ["Wait"]
    assert kinds(steps(host(problem="ambiguous"))) == ["Wait"]


def test_the_limit_holds_over_all_hosts_and_is_shared_fairly():
    crowd = [
        host(
            name=name,
            service_=service(name),
            instances=[instance(f"{name}-{n}", host=name) for n in range(10)],
            evacuations=[record(1, "accepted", instance=f"i{name}-0", source=name)],
        )
        for name in ("compute-1", "compute-2")
    ]
    found = steps(*crowd, limit=8, dead={"compute-1"})
    sent = [step.host for step in found if isinstance(step, decide.Evacuate)]
    # Two are in flight already.
    assert sent == ["compute-1", "compute-2"] * 3
    assert len(found) == 20


@pytest.mark.parametrize(
    ("policy", "more", "kind"),
    [
        (Policy(), {}, "Evacuate"),
        (Policy(flavors_tagged=True), {}, "Leave"),
        (Policy(flavors_tagged=True), {"extra_specs": {"evacuable": "True"}}, "Evacuate"),
        (Policy(images=frozenset({"img"})), {"image": "img"}, "Evacuate"),
        (Policy(images=frozenset({"img"})), {"image": "other"}, "Leave"),
        (Policy(images=frozenset({"img"})), {"image": None}, "Leave"),
        (Policy(True, frozenset({"img"})), {"image": "img"}, "Evacuate"),
    ],
)
def test_operators_choose_by_flavor_and_image(policy, more, kind):
    assert kinds(steps(host(instances=[instance(**more)]), policy=policy))[0] == kind


def test_an_instance_is_never_left_while_its_evacuation_runs():
    found = steps(host(instances=[instance()], evacuations=[record(7, "accepted")]), policy=Policy(flavors_tagged=True))
    assert kinds(found) == ["Wait"]
