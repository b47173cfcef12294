# SPDX-License-Identifier: Apache-2.0
"""What an engine knows of its own requests, as tables."""

import collections
import dataclasses

import pytest

from nova_ha.model import request as outcomes
from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SENT, Requests
from nova_ha.model.reasons import Code
from nova_ha.model.request import ACCEPTED, FAILED, SENDING, UNCLEAR
from nova_ha.model.snapshot import Services
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.memory.timing import BACKOFFS, SETTLE
from tests.unit.worlds import NOW, host, instance, living, nothing_asked, record, request, service, told, world


def asked(outcome=ACCEPTED, newest=0, at=NOW):
    """An engine that has asked for ``i1``."""
    memory = nothing_asked()
    memory.sending("i1", newest)
    if outcome == ACCEPTED:
        memory.accepted("i1", at)
    elif outcome == UNCLEAR:
        memory.unclear("i1", at, "timed out")
    elif outcome == FAILED:
        memory.failed("i1", at, "refused")
    return memory


def seen(*records, **more):
    """A dead host with ``i1`` on it, and those records."""
    return host(instances=[instance(**more)], evacuations=records)


# Asking


def failed(cause):
    attempts = nothing_asked()
    attempts.failed("i1", NOW, "refused", cause)
    return attempts


@pytest.mark.parametrize("cause", sorted(outcomes.RETRIED))
def test_a_pause_after_a_failure_is_ended_where_an_operator_wants_that(cause):
    attempts = failed(cause)
    before = attempts.get("i1")
    assert attempts.retry("i1", NOW + 1)
    assert attempts.get("i1") == dataclasses.replace(before, until=NOW + 1)
    assert not attempts.retry("i1", NOW + 1)


def paused(**more):
    attempts = nothing_asked()
    attempts.later("i1", NOW, 30, "asked", **more)
    return attempts


@pytest.mark.parametrize(
    "make",
    [
        *(lambda outcome=outcome: asked(outcome) for outcome in (SENDING, ACCEPTED, UNCLEAR)),
        lambda: paused(),
        lambda: paused(moving=True),
        lambda: paused(code=Code.CLOUD_BUSY),
        lambda: failed(outcomes.REFUSED),
        nothing_asked,
    ],
)
def test_what_may_still_be_carried_out_is_not_tried_again_whatever_an_operator_wants(make):
    attempts = make()
    before = attempts.get("i1")
    assert not attempts.retry("i1", NOW + 1)
    assert attempts.get("i1") == before


@pytest.mark.parametrize("outcome", [SENDING, ACCEPTED, UNCLEAR, FAILED])
def test_what_was_asked_is_known(outcome):
    memory = asked(outcome, newest=7)
    assert (memory.get("i1").outcome, memory.get("i1").newest) == (outcome, 7)
    assert memory.get("i2") is None


@pytest.mark.parametrize(
    ("outcome", "until"), [(SENDING, 0.0), (ACCEPTED, NOW + SETTLE), (UNCLEAR, NOW + SETTLE), (FAILED, NOW + 5)]
)
def test_how_long_nothing_else_is_asked(outcome, until):
    assert asked(outcome).get("i1").until == until


@pytest.mark.parametrize(
    ("outcome", "after", "is_open"),
    [
        (SENDING, 10**6, True),  # until its worker has answered
        (ACCEPTED, SETTLE - 1, True),
        (ACCEPTED, SETTLE, False),
        (UNCLEAR, SETTLE - 1, True),
        (UNCLEAR, SETTLE, False),
        (FAILED, 0, False),
    ],
)
def test_what_is_under_way(outcome, after, is_open):
    assert asked(outcome).open(NOW + after) == ({"i1"} if is_open else set())


def test_a_former_engines_requests_are_under_way_for_a_moment():
    memory = nothing_asked()
    memory.inherited("i1", 7, NOW)
    assert memory.open(NOW + SETTLE - 1) == {"i1"}
    assert memory.open(NOW + SETTLE) == set()


@pytest.mark.parametrize("outcome", [SENDING, ACCEPTED, UNCLEAR, FAILED])
def test_what_was_asked_in_this_life_is_not_overruled_by_a_former_one(outcome):
    memory = asked(outcome, newest=7)
    before = memory.get("i1")
    memory.inherited("i1", 9, NOW)
    assert memory.get("i1") == before


def test_failures_stay_known_when_it_is_asked_again():
    memory = asked(FAILED)
    memory.sending("i1", 9)
    assert (memory.get("i1").failures, memory.get("i1").newest, memory.get("i1").until) == (1, 9, 0.0)
    memory.accepted("i1", NOW)
    assert memory.get("i1").failures == 1


# Failing


@pytest.mark.parametrize(
    ("cause", "pauses"),
    [
        (outcomes.NO_ROOM, [10, 20, 40, 80, 160, 320, 640, 1200, 1200]),
        (outcomes.SPAWN, [5, 10, 20, 40, 80, 160, 300, 300]),
        (outcomes.CONFLICT, [5, 10, 20, 40, 60, 60]),
        (outcomes.FORBIDDEN, [60, 120, 240, 480, 600, 600]),
        (outcomes.AWAY, [2, 4, 8, 16, 30, 30]),
        (outcomes.UNKNOWN, [5, 10, 20, 40, 80, 160, 300, 300]),
        (outcomes.REFUSED, [0, 0]),
    ],
)
def test_each_cause_has_its_own_pauses(cause, pauses):
    memory, found = nothing_asked(), []
    for _ in pauses:
        memory.failed("i1", NOW, "it failed", cause)
        found.append(memory.get("i1").until - NOW)
    assert found == pauses
    assert (memory.get("i1").cause, memory.get("i1").reason) == (cause, "it failed")


@pytest.mark.parametrize("cause", BACKOFFS)
def test_years_of_failures_do_not_overflow(cause):
    memory = nothing_asked()
    for _ in range(5000):
        memory.failed("i1", NOW, "it failed", cause)
    assert memory.get("i1").until - NOW == BACKOFFS[cause].longest


def test_another_cause_begins_with_its_shortest_pause():
    memory = nothing_asked()
    for _ in range(6):
        memory.failed("i1", NOW, "spawn", outcomes.SPAWN)
    memory.failed("i1", NOW, "no room", outcomes.NO_ROOM)
    assert memory.get("i1").until == NOW + 10
    assert memory.get("i1").failures == 7


def test_that_the_cloud_was_away_is_no_failure_of_the_instance():
    memory = nothing_asked()
    for _ in range(9):
        memory.failed("i1", NOW, "connection refused", outcomes.AWAY)
    assert memory.get("i1").failures == 0
    assert memory.get("i1").until == NOW + 30


def test_the_pauses_of_many_are_spread():
    memory = Memory()
    for number in range(200):
        memory.failed(f"i{number}", NOW, "it failed")
    pauses = [memory.get(f"i{number}").until - NOW for number in range(200)]
    assert 3 < min(pauses) < 4.5 and 5.5 < max(pauses) < 7


def test_to_be_let_alone_is_no_failure():
    memory = asked(SENDING)
    memory.later("i1", NOW, 7.0, "Nova asks to slow down")
    found = memory.get("i1")
    assert (found.outcome, found.failures, found.until, found.reason) == (FAILED, 0, NOW + 7, "Nova asks to slow down")
    memory.later("i9", NOW, 1.0, "healed")
    assert memory.get("i9").until == NOW + 1


def test_the_code_of_a_pause_is_what_it_follows():
    memory = asked(SENDING)
    codes = [memory.get("i1").code]
    memory.accepted("i1", NOW)
    codes.append(memory.get("i1").code)
    memory.unclear("i1", NOW, "no answer")
    codes.append(memory.get("i1").code)
    memory.failed("i1", NOW, "no room", outcomes.NO_ROOM)
    codes.append(memory.get("i1").code)
    memory.later("i1", NOW, 7.0, "its deletion was asked for")
    codes.append(memory.get("i1").code)
    memory.failed("i1", NOW, "it failed")
    codes.append(memory.get("i1").code)
    assert codes == [
        Code.SENDING,
        Code.EVACUATING,
        Code.REQUEST_UNANSWERED,
        Code.NO_ROOM,
        Code.ASKED,
        Code.UNKNOWN_FAILURE,
    ]


def test_moves_towards_a_former_state_come_ever_more_slowly():
    memory, pauses = nothing_asked(), []
    for _ in range(6):
        memory.moved("i1", NOW, "asked to stop")
        pauses.append(memory.get("i1").until - NOW)
    assert pauses[0] <= 5 and pauses == sorted(pauses) and pauses[-1] >= 30
    assert memory.get("i1").failures == 0


# Room


def services(*up, down=(), disabled=(), dead=()):
    found = [living(name) for name in up]
    found += [living(name, up=False) for name in down]
    found += [living(name, enabled=False, reason="x") for name in disabled]
    found += [service(name) for name in dead]
    return {each.host: each for each in found}


def without_room(cause=outcomes.NO_ROOM, times=3):
    memory = nothing_asked()
    memory.observe_services(services("c2"), NOW - 100)
    for _ in range(times):
        memory.failed("i1", NOW - 100, "it failed", cause)
    return memory


@pytest.mark.parametrize(
    ("cause", "then", "at_once"),
    [
        (outcomes.NO_ROOM, services("c2", "c3"), True),
        (outcomes.NO_ROOM, services("c3"), True),
        (outcomes.NO_ROOM, services("c2"), False),
        (outcomes.NO_ROOM, services(), False),
        (outcomes.NO_ROOM, services("c2", down=["c3"]), False),
        (outcomes.NO_ROOM, services("c2", disabled=["c3"]), False),
        (outcomes.SPAWN, services("c2", "c3"), False),
        (outcomes.FORBIDDEN, services("c2", "c3"), False),
    ],
)
def test_what_found_no_room_is_tried_again_when_a_host_comes(cause, then, at_once):
    memory = without_room(cause, times=6)
    before = memory.get("i1").until
    memory.observe_services(then, NOW)
    assert memory.get("i1").until == (NOW if at_once else before)


def test_the_first_look_at_the_hosts_is_no_news():
    memory = nothing_asked()
    memory.failed("i1", NOW, "no room", outcomes.NO_ROOM)
    before = memory.get("i1").until
    memory.observe_services(services("c2"), NOW)
    assert memory.get("i1").until == before


def test_since_when_there_has_been_no_room():
    memory = nothing_asked()
    assert memory.roomless("i1", NOW) == 0 == memory.longest_roomless(NOW)
    memory.failed("i1", NOW, "no room", outcomes.NO_ROOM)
    memory.failed("i1", NOW + 10, "no room", outcomes.NO_ROOM)
    assert memory.roomless("i1", NOW + 50) == 50 == memory.longest_roomless(NOW + 50)
    assert memory.roomless("i2", NOW + 50) == 0
    memory.failed("i1", NOW + 60, "spawn", outcomes.SPAWN)
    assert memory.roomless("i1", NOW + 70) == 0
    memory.failed("i1", NOW + 80, "no room", outcomes.NO_ROOM)
    assert memory.roomless("i1", NOW + 90) == 10


def test_a_host_that_comes_is_tried_before_room_is_given_up():
    memory = without_room()
    assert memory.roomless("i1", NOW) == 100
    memory.observe_services(services("c2", "c3"), NOW)
    assert memory.roomless("i1", NOW) == 0


@pytest.mark.parametrize(
    ("then", "seconds"),
    [
        (services(), 50),
        (services(dead=["c1"]), 50),
        (services(disabled=["c2"], dead=["c1"]), 50),
        (services("c2"), 0),
        (services(down=["c2"], dead=["c1"]), 0),  # all silent: a fault of the control plane, not want of room
    ],
)
def test_where_no_host_could_be_expected_there_is_no_room_for_any(then, seconds):
    memory = nothing_asked()
    memory.observe_services(then, NOW)
    memory.observe_services(then, NOW + 20)
    assert memory.roomless("i1", NOW + 50) == seconds == memory.longest_roomless(NOW + 50)


# Observing


@pytest.mark.parametrize(
    ("status", "destination", "cause"),
    [
        ("error", None, outcomes.NO_ROOM),
        ("error", "compute-2", outcomes.NO_ROOM),  # a destination was named
        ("failed", "compute-2", outcomes.SPAWN),
        ("cancelled", "compute-2", outcomes.UNKNOWN),
        ("cancelled", None, outcomes.UNKNOWN),
    ],
)
@pytest.mark.parametrize("outcome", [ACCEPTED, UNCLEAR])
def test_a_failed_record_counts_once(status, destination, cause, outcome):
    memory = asked(outcome, newest=5)
    for later in range(3):
        memory.observe(seen(record(7, status, destination=destination), vm_state="error"), NOW + later)
    found = memory.get("i1")
    assert (found.outcome, found.failures, found.cause) == (FAILED, 1, cause)
    assert found.until == NOW + BACKOFFS[cause].first
    assert "7" in found.reason


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ([], ACCEPTED),
        ([record(5, "failed")], ACCEPTED),  # of the time before
        ([record(7, "failed", instance="i2")], ACCEPTED),
        ([record(7, "accepted")], ACCEPTED),
        ([record(7, "pre-migrating")], ACCEPTED),
        ([record(7, "what-is-this")], ACCEPTED),
        ([record(7, "done")], ACCEPTED),
        ([record(7, "failed")], FAILED),
        ([record(7, "failed"), record(8, "accepted")], ACCEPTED),
    ],
)
def test_what_records_say_of_an_accepted_request(records, outcome):
    memory = asked(ACCEPTED, newest=5)
    memory.observe(seen(*records), NOW + 1)
    assert memory.get("i1").outcome == outcome


@pytest.mark.parametrize("outcome", [SENDING, FAILED])
@pytest.mark.parametrize("status", ["failed", "error", "done"])
def test_records_say_nothing_of_a_request_that_was_not_taken(outcome, status):
    memory = asked(outcome)
    before = memory.get("i1")
    memory.observe(seen(record(7, status)), NOW + 1)
    assert memory.get("i1") == before


@pytest.mark.parametrize("outcome", [ACCEPTED, UNCLEAR])
def test_a_view_older_than_the_evacuation_is_given_time(outcome):
    memory = asked(outcome)
    for later in (30, 31, 60):
        memory.observe(seen(record(7, "done")), NOW + later)
        assert (memory.get("i1").outcome, memory.get("i1").until) == (ACCEPTED, NOW + 30 + SETTLE)


@pytest.mark.parametrize(
    ("records", "task_state", "until"),
    [
        ([], None, None),
        ([], "rebooting", None),
        ([], "rebuilding", NOW + SETTLE),
        ([], "rebuild_block_device_mapping", NOW + SETTLE),
        ([], "rebuild_spawning", NOW + SETTLE),
        ([record(7, "done")], None, NOW + SETTLE),
        ([record(7, "completed")], None, None),
        ([record(7, "failed")], None, None),
        ([record(7, "failed")], "rebuilding", None),
        ([record(7, "accepted")], "rebuilding", None),  # the record itself is waited for
    ],
)
def test_what_somebody_else_seems_to_do(records, task_state, until):
    memory = nothing_asked()
    memory.observe(seen(*records, task_state=task_state), NOW)
    found = memory.get("i1")
    assert (found and found.until) == until


def test_the_age_of_a_record_is_that_of_its_status():
    memory = nothing_asked()
    assert memory.age(record(7, "accepted"), NOW) == 0
    for moment, status, destination, age in (
        (0, "accepted", None, 0),
        (10, "accepted", None, 10),
        (20, "accepted", "compute-2", 0),
        (50, "accepted", "compute-2", 30),
        (60, "pre-migrating", "compute-2", 0),
        (99, "pre-migrating", "compute-2", 39),
    ):
        one = record(7, status, destination=destination)
        memory.observe(seen(one), NOW + moment)
        assert memory.age(one, NOW + moment) == age
    assert memory.age(record(7, "done"), NOW + 99) == 0
    assert memory.age(record(8, "pre-migrating"), NOW + 99) == 0


def read(memory, left, *requests, now=NOW, **more):
    """It has been read what was asked for ``i1``."""
    known = Requests(requests, read_at=now, **more)
    memory.observe_requests(world(dataclasses.replace(left, requests={"i1": known})), now)


@pytest.mark.parametrize(
    ("records", "requests", "stray"),
    [
        (["accepted"], [request(1, OVER)], True),
        (["accepted"], [request(1, OVER), request(2, OVER)], True),
        (["accepted"], [request(1, OVER), request(2, QUEUED)], False),
        (["accepted"], [request(1, RUNNING), request(2, OVER)], False),
        (["accepted"], [], False),  # not on record any more
        (["accepted"], [request(1, OVER, at=999)], False),  # likewise that which is older
        (["pre-migrating"], [request(1, OVER)], False),  # it has begun: its guest may be there
        (["what-is-this"], [request(1, OVER)], False),
    ],
)
def test_what_an_evacuation_that_failed_has_left(records, requests, stray):
    memory = nothing_asked()
    left = seen(*(record(7, status, destination=None, created=told(0)) for status in records))
    memory.observe(left, NOW)
    read(memory, left, *requests)
    assert memory.is_stray(left.evacuations[0]) is stray


@pytest.mark.parametrize(
    ("status", "vm_state", "seconds", "more", "unclear"),
    [
        ("accepted", "active", SETTLE - 1, {}, False),
        ("accepted", "active", SETTLE, {}, True),
        ("accepted", "error", 1, {}, True),
        ("accepted", "active", 1, {"dead": {"compute-2"}}, True),  # where it was sent to
        ("accepted", "active", 1, {"dead": {"compute-9"}}, True),  # it may have been sent there
        ("pre-migrating", "active", 9999, {}, False),
        ("pre-migrating", "active", 1, {"dead": {"compute-9"}}, False),
        ("pre-migrating", "error", 1, {}, True),
        ("done", "error", 9999, {}, False),
    ],
)
def test_of_which_instances_the_requests_are_read(status, vm_state, seconds, more, unclear):
    """An undisturbed recovery asks for none."""
    memory, one = nothing_asked(), seen(record(7, status), vm_state=vm_state)
    memory.observe(one, NOW)
    memory.observe(one, NOW + seconds, **more)
    assert memory.to_be_read(world(one), NOW + seconds) == ({"i1"} if unclear else set())


def test_of_a_request_that_took_over_anothers_record_it_is_read_how_far_it_has_come():
    memory, one = nothing_asked(), seen(record(7, "pre-migrating"), record(8, "accepted"))
    memory.observe(one, NOW)
    assert memory.to_be_read(world(one), NOW) == {"i1"}


def test_what_was_read_before_the_last_request_tells_nothing_of_that():
    memory, left = asked(at=NOW + 5), seen(record(7, "accepted"))
    memory.observe(left, NOW + 6)
    read(memory, left, request(1, OVER), now=NOW + 5)
    assert not memory.is_stray(record(7, "accepted"))
    read(memory, left, request(1, OVER), now=NOW + 6)
    assert memory.is_stray(record(7, "accepted"))


@pytest.mark.parametrize(("reset", "idle", "stray"), [(1, SETTLE, True), (1, SETTLE - 1, False), (-1, SETTLE, False)])
def test_an_operator_who_sets_an_instance_to_error_gives_what_was_asked_for_up(reset, idle, stray):
    memory, left = nothing_asked(), seen(record(7, "accepted"), vm_state="error")
    memory.observe(left, NOW)
    read(memory, left, request(1, QUEUED), now=NOW + idle, reset=told(reset))
    assert memory.is_stray(record(7, "accepted")) is stray


def known_stray():
    memory, left = nothing_asked(), seen(record(7, "accepted"), vm_state="error")
    memory.observe(left, NOW)
    read(memory, left, request(1, OVER))
    assert memory.is_stray(record(7, "accepted"))
    return memory, left


@pytest.mark.parametrize(
    "now_says", [record(7, "pre-migrating"), record(7, "accepted", destination="compute-3"), record(8, "accepted")]
)
def test_a_stray_that_moves_is_none(now_says):
    memory, _ = known_stray()
    assert not memory.is_stray(now_says)


def test_the_next_request_may_run_under_the_stray_record():
    memory, left = known_stray()
    memory.sending("i1", 7)
    memory.observe(left, NOW + SETTLE)
    assert not memory.is_stray(record(7, "accepted"))
    memory.observe(left, NOW + 2 * SETTLE - 1)
    assert not memory.is_stray(record(7, "accepted"))


@pytest.mark.parametrize(
    ("older", "cause", "words"),
    [
        (
            (record(5, "failed"), record(7, "accepted")),
            outcomes.SPAWN,
            "evacuation 5: the instance could not be started",
        ),
        ((record(5, "error"), record(7, "accepted")), outcomes.NO_ROOM, "evacuation 5 found no host"),
        ((record(7, "accepted"),), outcomes.UNKNOWN, "evacuation 7 was given up"),
    ],
)
def test_an_evacuation_that_failed_under_an_older_record_counts_once(older, cause, words):
    memory, left = asked(newest=6), seen(*older, vm_state="error")
    memory.observe(left, NOW)
    assert memory.get("i1").failures == 0
    for moment in (SETTLE, SETTLE + 1):
        memory.observe(left, NOW + moment)
        read(memory, left, request(1, OVER), now=NOW + moment)
    attempt = memory.get("i1")
    assert (attempt.outcome, attempt.cause, attempt.failures, attempt.newest) == (FAILED, cause, 1, 7)
    assert attempt.reason.startswith(words)
    assert attempt.until == NOW + SETTLE + BACKOFFS[cause].first


def test_to_be_idle_begins_anew():
    memory = nothing_asked()
    memory.observe(seen(vm_state="error"), NOW)
    assert memory.idle("i1", NOW + 50) == 50
    memory.observe(seen(vm_state="error", task_state="rebuilding"), NOW + 60)
    assert memory.idle("i1", NOW + 70) == 0
    memory.observe(seen(), NOW + 72)
    assert memory.idle("i1", NOW + 75) == 0


@pytest.mark.parametrize(
    ("other", "passed"),
    [
        (record(8, "pre-migrating", instance="i2"), True),
        (record(8, "done", instance="i2"), True),
        (record(8, "completed", instance="i2"), True),
        (record(8, "failed", instance="i2"), True),
        (record(8, "accepted", instance="i2"), False),
        (record(8, "error", instance="i2"), False),  # there was no room: it never got there
        (record(8, "cancelled", instance="i2"), False),
        (record(8, "done", instance="i2", destination="compute-3"), False),
        (record(8, "done", instance="i2", destination=None), False),
    ],
)
def test_which_requests_a_destination_has_passed_over(other, passed):
    memory, waiting = nothing_asked(), record(7, "accepted")
    memory.observe(seen(waiting), NOW)
    memory.observe(seen(waiting, other), NOW + 10)
    assert not memory.was_passed(waiting, (), NOW + 69)  # on their way they overtake each other
    assert memory.was_passed(waiting, (), NOW + 70) is passed


@pytest.mark.parametrize(("seen_at", "passed"), [(5, True), (11, False), (None, False)])
def test_a_request_that_named_its_destination_is_passed_over_only_once_it_was_handed_on(seen_at, passed):
    memory, waiting = nothing_asked(), record(7, "accepted")
    memory.observe(seen(waiting), NOW)
    if seen_at is not None:
        read(memory, seen(waiting), request(1, SENT), now=NOW + seen_at)
    memory.observe(seen(waiting, record(8, "pre-migrating", instance="i2")), NOW + 10)
    assert memory.was_passed(waiting, [request(1, SENT)], NOW + 90) is passed


def test_what_was_begun_before_has_not_passed_it():
    memory, waiting, other = nothing_asked(), record(7, "accepted"), record(6, "pre-migrating", instance="i2")
    memory.observe(seen(other), NOW)
    memory.observe(seen(other, waiting), NOW + 10)
    memory.observe(seen(dataclasses.replace(other, status="done"), waiting), NOW + 20)
    assert not memory.was_passed(waiting, (), NOW + 90)
    assert not memory.was_passed(record(9, "accepted"), (), NOW + 90)  # which has never been seen


@pytest.mark.parametrize(
    ("looks", "was_down"),
    [
        ([], False),
        ([(0, services("compute-2"))], False),
        ([(-10, services(down=["compute-2"]))], False),
        ([(-10, services(down=["compute-2"])), (10, services("compute-2"))], False),
        ([(10, services(down=["compute-2"]))], True),
        ([(10, services(dead=["compute-2"])), (20, services("compute-2"))], True),
        ([(10, services("compute-2", down=["compute-3"]))], False),
    ],
)
def test_whether_a_destination_was_down_since(looks, was_down):
    memory, one = nothing_asked(), record(7, "pre-migrating")
    for moment, found in (look for look in looks if look[0] < 0):
        memory.observe_services(found, NOW + moment)
    memory.observe(seen(one), NOW)
    for moment, found in (look for look in looks if look[0] >= 0):
        memory.observe_services(found, NOW + moment)
    assert memory.was_down(one) is was_down


@pytest.mark.parametrize(
    ("after", "looks", "cut_off"),
    [
        (SETTLE - 1, range(0, 400, 10), False),
        (SETTLE, range(0, 400, 10), True),
        (SETTLE + 300, range(0, 400, 10), True),
        # The conductor was away, or nobody looked whether it was: what the host said last may still be to come.
        (SETTLE + 300, (), False),
        (SETTLE, [*range(0, 20, 10), *range(80, 100, 10)], False),
    ],
)
def test_what_was_cut_off_may_still_show_for_a_moment_how_it_ended(after, looks, cut_off):
    memory, one = nothing_asked(), record(7, "pre-migrating")
    for start, moment in (("a", NOW), ("b", NOW + 30)):
        memory.restarts.observe(world(seen(one)), moment)
        memory.restarts.learn({"compute-2": start}, moment)
    for seconds in [seconds for seconds in looks if seconds <= 30 + after]:
        memory.observe_services({"compute-2": living(report=f"t{seconds:04}")}, NOW + seconds)
    assert memory.was_cut_off(one, NOW + 30 + after) is cut_off
    memory.forget_all()
    assert not memory.was_cut_off(one, NOW + 30 + after)


def test_where_an_instance_was_once_sent_stays_known():
    memory = nothing_asked()
    memory.observe(seen(record(7, "accepted", destination=None)), NOW)
    memory.observe(seen(record(7, "accepted")), NOW)
    memory.observe(seen(record(7, "done", destination="compute-3")), NOW)  # a repeated request took it over
    assert "i1" in memory.hosts.of("compute-2").sent
    assert "i1" not in memory.hosts.of("compute-4").sent and "i2" not in memory.hosts.of("compute-2").sent


def test_since_when_an_instance_awaits_recovery():
    memory = nothing_asked()
    assert memory.pending("i1", NOW) == 0
    memory.observe(seen(), NOW)
    memory.observe(seen(), NOW + 20)
    assert memory.pending("i1", NOW + 30) == 30


# Forgetting


def test_only_what_is_still_of_use_is_kept():
    memory = nothing_asked()
    for number, outcome in enumerate((SENDING, ACCEPTED, UNCLEAR, FAILED)):
        memory.sending(f"i{number}", 0)
        if outcome == ACCEPTED:
            memory.accepted(f"i{number}", NOW)
        if outcome == UNCLEAR:
            memory.unclear(f"i{number}", NOW, "timed out")
        if outcome == FAILED:
            memory.failed(f"i{number}", NOW, "refused")
    gone = memory.forget(frozenset({"i1"}), ())
    assert [bool(memory.get(f"i{number}")) for number in range(4)] == [True, True, False, False]
    assert gone == {"i2"}


def test_with_the_last_flag_everything_is_forgotten_but_what_is_being_sent():
    memory, left = known_stray()
    memory.flags.starts_again("compute-1")
    memory.not_notable("i1")
    memory.sending("i5", 0)
    memory.forget_all()
    assert memory.get("i5").outcome == SENDING
    assert not memory.is_stray(record(7, "accepted"))
    assert memory.age(record(7, "accepted"), NOW + 999) == 0
    assert memory.flags.starts("compute-1") == 0 and memory.is_notable("i1")
    assert memory.idle("i1", NOW + 999) == 0 == memory.pending("i1", NOW + 999)
    assert "i1" not in memory.hosts.of("compute-2").sent


def test_how_often_a_host_was_started_again_is_forgotten_with_its_flag():
    memory = nothing_asked()
    for name in ("c1", "c1", "c2"):
        memory.flags.starts_again(name)
    assert (memory.flags.starts("c1"), memory.flags.starts("c2"), memory.flags.starts("c3")) == (2, 1, 0)
    memory.forget(frozenset(), {"c1"})
    assert (memory.flags.starts("c1"), memory.flags.starts("c2")) == (2, 0)


def test_what_cannot_be_noted_is_remembered():
    memory = nothing_asked()
    assert memory.is_notable("i1")
    memory.not_notable("i1")
    assert not memory.is_notable("i1") and memory.is_notable("i2")
    memory.forget(frozenset({"i1"}), ())
    assert not memory.is_notable("i1")
    memory.forget(frozenset(), ())
    assert memory.is_notable("i1")


@pytest.mark.parametrize(
    ("destination", "status", "seconds", "queued"),
    [
        ("compute-2", "accepted", 0, ["compute-2"]),
        ("compute-2", "pre-migrating", 0, ["compute-2"]),
        ("compute-2", "failed", 0, []),
        (None, "accepted", 0, []),
        (None, "accepted", SETTLE - 1, []),
        (None, "accepted", SETTLE, ["compute-2", "compute-3"]),  # which one it is does not show
        (None, "error", SETTLE, []),
    ],
)
def test_where_an_instance_may_be_queued(destination, status, seconds, queued):
    memory = asked()
    for moment in (0, seconds):
        memory.observe(seen(record(7, status, destination=destination)), NOW + moment)
    hosts = ["compute-2", "compute-3"]
    assert [host for host in hosts if memory.hosts.may_be_queued("i1", host)] == queued
    # Where it was sent stays known, whatever becomes of it; where it might be is no more, once it shows elsewhere.
    memory.observe(seen(record(7, "done", destination="compute-4")), NOW + 200)
    known = queued if destination else []
    assert [host for host in hosts if memory.hosts.may_be_queued("i1", host)] == known
    assert not any(memory.hosts.may_be_queued("i2", host) for host in hosts)
    memory.forget_all()
    assert not any(memory.hosts.may_be_queued("i1", host) for host in hosts)


@pytest.mark.parametrize(
    ("sent", "same"),
    [
        ({}, False),
        ({"i1": [(7, "compute-2")]}, False),
        ({"i1": [(7, "compute-2")], "i2": [(8, "compute-3")]}, False),
        ({"i1": [(7, "compute-2"), (8, "compute-3")]}, True),
        ({"i1": [(7, "compute-2"), (8, "compute-4")], "i2": [(9, "compute-3"), (10, "compute-4")]}, False),
        ({"i1": [(7, None)]}, False),
        ({"i1": [(7, None), (8, None)]}, True),  # which ones it is does not show
        ({"i1": [(7, None), (8, "compute-2")]}, True),
        ({"i1": [(7, None), (8, "compute-3")]}, True),
        ({"i1": [(7, None), (8, "compute-4")]}, False),
        ({"i1": [(7, None)], "i2": [(8, None), (9, "compute-4")]}, False),
        ({"i1": [(7, None)], "i2": [(8, "compute-2")]}, False),
    ],
)
def test_whether_two_hosts_may_have_an_evacuation_of_one_instance_queued(sent, same):
    memory = Memory()
    records = [
        record(id, "accepted", instance, destination=destination)
        for instance, asked in sent.items()
        for id, destination in asked
    ]
    for moment in (0, SETTLE):
        memory.observe(seen(*records), NOW + moment)
    assert memory.hosts.may_have_the_same("compute-2", "compute-3") is same
    assert memory.hosts.may_have_the_same("compute-3", "compute-2") is same


@pytest.mark.parametrize(
    ("source", "destination", "same"),
    [
        ("compute-2", "compute-3", True),
        ("compute-3", "compute-2", True),
        ("compute-2", None, True),
        ("compute-2", "compute-4", False),
        ("compute-1", "compute-3", False),
    ],
)
def test_whether_a_host_may_have_what_the_owner_asked_for_of_an_instance_that_another_may_have_queued(
    source, destination, same
):
    memory = Memory()
    for moment in (0, SETTLE):
        memory.observe(seen(record(7, "accepted", source=source, destination=destination)), NOW + moment)
    assert memory.hosts.may_have_the_same("compute-2", "compute-3") is same
    assert memory.hosts.may_have_the_same("compute-3", "compute-2") is same


@pytest.mark.parametrize(
    "begin",
    [
        lambda memory: memory.inherited("i1", 0, NOW),
        lambda memory: memory.observe(seen(task_state="rebuilding"), NOW),
    ],
    ids=["a former engine's", "somebody else's"],
)
def test_what_may_have_been_asked_may_show_until_nova_has_answered_for_a_minute(begin):
    memory = nothing_asked()
    begin(memory)
    for moment in (0, 10, 50, 100):  # it was away between the last two
        memory.observe_services({}, NOW + moment)
    assert memory.may_show("i1", NOW + 159) and memory.open(NOW + 159) == {"i1"}
    assert not memory.may_show("i1", NOW + 160) and memory.open(NOW + 160) == set()


@pytest.mark.parametrize(("away", "may"), [("compute-1", True), ("compute-9", False)])
def test_what_was_not_answered_may_show_until_its_own_cell_has_answered_for_a_minute(away, may):
    memory = asked()
    memory.unclear("i1", NOW, "timed out")
    for moment in range(0, 101, 10):
        memory.observe_services(Services({}, [away] if moment <= 50 else ()), NOW + moment)
    assert memory.may_show("i1", NOW + 50 + SETTLE - 1, "compute-1") is may
    assert not memory.may_show("i1", NOW + 50 + SETTLE, "compute-1")


@pytest.mark.parametrize(("away", "seconds"), [((), 50), (("compute-9",), 0)])
def test_hosts_that_cannot_be_read_may_still_report(away, seconds):
    memory = nothing_asked()
    for moment in (NOW, NOW + 50):
        memory.observe_services(Services({"compute-1": service()}, away), moment)
    assert memory.roomless("i1", NOW + 50) == seconds


# Memory


def sizes_of(memory, name="memory"):
    """How many things are kept, by the name of what keeps them."""
    found = collections.Counter()
    if isinstance(memory, (dict, set, frozenset)):
        found[name] += len(memory)
    inside = memory.values() if isinstance(memory, dict) else [memory] if hasattr(memory, "__dict__") else []
    for each in inside:
        for field, kept in getattr(each, "__dict__", {}).items():
            found += sizes_of(kept, field)
    return found


def test_what_is_kept_while_a_flag_stands_for_weeks_does_not_grow():
    """Of the hosts that were recovered meanwhile nothing is left; nor of requests for instances that are gone."""
    memory, sizes = nothing_asked(), []
    for week in range(1, 5):
        now = NOW + 600 * week
        number = 2 * week
        known = {f"i{week}": Requests((request(number, QUEUED), request(number + 1, OVER)), read_at=now)}
        records = [record(number, "accepted", f"i{week}")]
        dead = host(instances=[instance(week)], evacuations=records, requests=known)
        off = host(name="compute-9", evacuations=[record(1, "accepted", "i9", source="compute-9")])
        memory.control_plane.sees_reports(Services({"compute-2": living(report=told(600 * week))}), now)
        memory.observe(dead, now, frozenset({"compute-1", "compute-9"}))
        memory.observe(off, now, frozenset({"compute-1", "compute-9"}))
        memory.observe_requests(world(dead), now)
        memory.forget(frozenset(), {"compute-9"})
        sizes.append(sizes_of(memory))
    assert sizes[0]["_records"] == 1
    growing = {name for name, size in sizes[-1].items() if size > sizes[0][name]}
    assert growing == {"sent", "left"}, "these are ids of instances, as many as there are"


@pytest.mark.parametrize(
    ("later", "unheard"),
    [
        ({}, True),
        ({"report": told(5)}, False),  # it has reported
        ({"up": True}, False),
        (None, True),  # its cell is away
    ],
)
def test_a_host_that_was_dead_has_not_reported_until_its_service_shows_it(later, unheard):
    """Until then, what is queued there has not been begun with."""
    memory = nothing_asked()
    dead, off = host(name="compute-2"), {"up": False, "forced_down": True, "report": told(1)}
    for at in (NOW, NOW + 10):
        memory.observe_services({"compute-2": living("compute-2", **off)}, at)
        memory.observe(dead, at, frozenset({"compute-2"}))
    memory.observe(host(name="compute-2", flag="no"), NOW + 20)
    known = {} if later is None else {"compute-2": living("compute-2", **{**off, **later})}
    memory.observe_services(known, NOW + 30)
    assert ("compute-2" in memory.hosts.unheard) is unheard


@pytest.mark.parametrize(
    ("first", "then", "told_of"),
    [
        (None, "done", [("t0", False)]),  # it may have been scheduled long ago
        ("accepted", "pre-migrating", [("t0", True)]),
        ("accepted", "error", [("t0", True)]),
        ("pre-migrating", "done", [("t0", False)]),  # once
        ("accepted", "accepted", []),
    ],
)
def test_when_a_record_tells_how_long_a_request_took_to_be_scheduled(monkeypatch, first, then, told_of):
    memory, found = nothing_asked(), []
    plane = memory.control_plane
    monkeypatch.setattr(plane, "sees_time_to_schedule", lambda at, was_seen: found.append((at, was_seen)))
    for status in filter(None, (first, then, then)):
        memory.observe(seen(record(1, status, created="t0")), NOW)
    assert found == told_of
