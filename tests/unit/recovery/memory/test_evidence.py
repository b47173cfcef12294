# SPDX-License-Identifier: Apache-2.0
"""What the control plane's own life proves of a request: the table of stages and losses (docs/exactly-once.md).

The times are written out here: each is that of an option of Nova, and must not change unnoticed.
"""

import pytest

from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SCHEDULING, SENT, Event, Request, Requests
from nova_ha.model.snapshot import Services
from nova_ha.policy.rules import Rules
from nova_ha.recovery.memory.control_plane import ControlPlane
from nova_ha.recovery.memory.evidence import GONE, OPEN, Evidence, Fate
from tests.unit.worlds import living, record, request, service, told

UNTOLD = Fate(True, untold=True)
FROM_2 = frozenset({"compute-2"})
BOTH = frozenset({"compute-2", "compute-3"})


def test_nova_s_own_times_may_be_others():
    cloud = Cloud()
    cloud.control_plane.go_by(Rules(long_rpc_timeout=600, rpc_response_timeout=30))
    cloud.look(0).seen(request(1, QUEUED))
    cloud.works(10, 779)
    assert cloud.fate(request(1, QUEUED)).open
    assert not cloud.look(780).fate(request(1, QUEUED)).open


class Cloud:
    """A cloud whose hosts report every ten seconds, by a clock that is Nova's, too."""

    def __init__(self, takes=None):
        """:param takes: seconds in which what is asked for is scheduled; None: that has not been seen"""
        self.control_plane = ControlPlane()
        self.evidence = Evidence(self.control_plane)
        self.now = self.report = 0
        if takes is not None:
            self.look(0).control_plane.sees_time_to_schedule(told(-takes), was_seen=True)

    def look(self, at, report=None, away=(), conductors=None, hosts=("compute-2", "compute-3")):
        """A look at the services at that second; the newest report is of then, or of another second.

        One conductor reports always, unless it is said otherwise.
        """
        conductors = {"control-9": told(at)} if conductors is None else conductors
        self.now, self.report = at, at if report is None else report
        known = {host: living(host, report=told(self.report)) for host in hosts}
        self.control_plane.sees_reports(Services(known, frozenset(away), conductors), at)
        return self

    def works(self, since, until, **more):
        """From one second to another all is at work."""
        for second in [*range(since, until, 10), until]:
            self.look(second, **more)
        return self

    def breaks(self, until):
        """No host reports any more, until that second."""
        last = self.report
        for second in range(self.now + 10, until, 10):
            self.look(second, report=last)
        return self

    def fates(self, *requests, claims=None, dead=(), may_come=True, unheard=frozenset()):
        known = Requests(requests, None if claims is None else frozenset(claims) | {"compute-1"})
        return self.evidence.fates(known, "compute-1", frozenset(dead), self.now, may_come, unheard)

    def fate(self, one, **more):
        return self.fates(one, **more)[0]

    def forgets(self):
        """Nothing is flagged any more."""
        self.evidence.forget()
        self.control_plane.forget()

    def seen(self, *requests):
        """They have been read, and no more is made of them now."""
        self.fates(*requests)
        return self


# What has been seen at work


def test_reports_that_come_all_the_time_show_that_all_is_at_work():
    cloud = Cloud().works(100, 160)
    assert cloud.control_plane.at_work_for(160, "compute-1") == 60
    assert cloud.control_plane.answering_for(160) == 60


def test_before_the_first_look_nothing_is_known_to_be_at_work():
    assert ControlPlane().at_work_for(1000, "compute-1") == 0


@pytest.mark.parametrize(("gap", "at_work"), [(30, 130), (31, 0)])
def test_how_long_no_host_may_report(gap, at_work):
    cloud = Cloud().works(0, 100).breaks(100 + gap).look(100 + gap)
    assert cloud.control_plane.at_work_for(cloud.now, "compute-1") == at_work


def test_while_no_host_reports_nothing_is_at_work():
    cloud = Cloud().works(0, 100)
    cloud.look(130, report=100)
    assert cloud.control_plane.at_work_for(130, "compute-1") == 130
    cloud.look(131, report=100)
    assert cloud.control_plane.at_work_for(131, "compute-1") == 0


@pytest.mark.parametrize(("gap", "answering", "at_work"), [(45, 145, 0), (46, 0, 0)])
def test_how_long_nobody_may_have_looked(gap, answering, at_work):
    cloud = Cloud().works(0, 100).look(100 + gap)
    assert cloud.control_plane.answering_for(cloud.now) == answering
    assert cloud.control_plane.at_work_for(cloud.now, "compute-1") == at_work


def test_what_moves_the_time_of_a_service_that_is_down_is_no_report():
    """Our own change of it does."""
    known = ControlPlane()
    for second in range(0, 70, 10):
        moved = service(report=told(20 + second))
        known.sees_reports({"compute-1": moved, "compute-2": living(report=told(10))}, second)
    assert known.at_work_for(60, "compute-1") == 0


def test_of_a_host_in_a_cell_that_is_away_nothing_is_seen_at_work():
    cloud = Cloud().works(0, 100).look(110, away=["compute-1"]).works(120, 160)
    assert cloud.control_plane.at_work_for(160, "compute-1") == 50
    assert cloud.control_plane.answering_for(160, "compute-1") == 50
    assert cloud.control_plane.at_work_for(160, "compute-3") == cloud.control_plane.answering_for(160) == 160


# With nobody dead and nothing broken


@pytest.mark.parametrize("stage", [QUEUED, SCHEDULING, SENT])
@pytest.mark.parametrize("claims", [None, (), ["compute-2"], ["compute-2", "compute-3"]])
def test_what_has_just_been_asked_for_is_open(stage, claims):
    cloud = Cloud().works(0, 100)
    claimed = frozenset(claims or ()) if stage != QUEUED else frozenset()
    assert cloud.fate(request(1, stage, at=95), claims=claims) == Fate(True, queued_at=claimed, untold=not claimed)


@pytest.mark.parametrize("failed", [True, False])
def test_what_is_over_is_over(failed):
    over = Event(told(0), told(9), failed, "compute-2")
    assert Cloud().look(10).fate(Request("req-1", told(0), Event(told(0), told(1)), over)) == GONE


def test_what_the_conductor_gave_up_is_over():
    """Also by a MessagingTimeout: nothing but this event says so."""
    assert Cloud().look(70).fate(Request("req-1", told(0), Event(told(0), told(61), True, "control-1"))) == GONE


@pytest.mark.parametrize("stage", [QUEUED, SCHEDULING])
@pytest.mark.parametrize(("seconds", "is_open"), [(1979, True), (1980, False)])
def test_longer_than_the_conductor_waits_for_a_scheduler_nothing_is_open(stage, seconds, is_open):
    cloud = Cloud().look(0)
    assert cloud.fate(request(1, stage)) == UNTOLD
    cloud.works(10, seconds)
    assert cloud.fate(request(1, stage)) == Fate(is_open, untold=True)


def test_what_is_on_its_way_to_a_host_that_nothing_names_is_not_given_up():
    """Placement is away, or does not answer us: the host may have begun."""
    cloud = Cloud().look(0)
    cloud.fate(request(1, SENT))
    assert cloud.works(10, 9000).fate(request(1, SENT)) == UNTOLD


# The bus breaks


@pytest.mark.parametrize(
    ("asked_at", "at_work", "fate"),
    [
        (90, 59, UNTOLD),
        (90, 60, GONE),  # it was in a queue of that bus
        (130, 60, GONE),  # asked while it was away: the message waited in the API
        (159, 60, GONE),
        (160, 60, UNTOLD),  # as the first host reported again
        (165, 60, UNTOLD),  # afterwards
    ],
)
def test_what_waits_for_the_conductor_is_lost_with_the_bus(asked_at, at_work, fate):
    waits = request(1, QUEUED, at=asked_at)
    cloud = Cloud(takes=1).works(0, 100).breaks(160).works(160, 180).seen(waits).works(190, 160 + at_work)
    assert cloud.fate(waits) == fate


@pytest.mark.parametrize(("seen", "gone"), [(261, False), (260, True)])
def test_what_waits_for_the_conductor_is_looked_at_twice(seen, gone):
    waits = request(1, QUEUED, at=90)
    cloud = Cloud(takes=1).works(0, 100).breaks(160).works(160, seen).seen(waits).look(280)
    assert (cloud.fate(waits) == GONE) is gone


@pytest.mark.parametrize(("seen", "gone"), [(261, False), (260, True)])
def test_a_conductor_that_waits_for_a_slow_scheduler_may_have_what_waits_for_it(seen, gone):
    waits = request(1, QUEUED, at=90)
    cloud = Cloud(takes=1).works(0, 100).breaks(160).works(160, 180).seen(waits)
    cloud.works(190, seen).seen(request(9, SCHEDULING, at=80)).look(280)
    assert (cloud.fate(waits) == GONE) is gone
    assert cloud.seen(request(9, OVER)).fate(waits) == GONE


def test_a_time_in_which_nobody_looked_is_no_proof_that_the_bus_broke():
    cloud = Cloud().works(0, 100).works(160, 260)
    assert cloud.fate(request(1, QUEUED, at=90)) == UNTOLD


@pytest.mark.parametrize(("silent_at", "gone"), [(None, False), (110, False), (111, True)])
def test_a_late_engine_has_seen_a_break_only_for_as_long_as_it_saw_that_nobody_reported(silent_at, gone):
    waits = request(1, QUEUED, at=90)
    cloud = Cloud(takes=1).works(0, 100)
    if silent_at is not None:
        cloud.look(silent_at, report=100)
    cloud.look(140).seen(waits).works(150, 330)
    assert (cloud.fate(waits) == GONE) is gone


@pytest.mark.parametrize("gap", [20, 30])
def test_a_report_that_is_late_is_no_break(gap):
    cloud = Cloud(takes=1).works(0, 100).breaks(100 + gap).works(100 + gap, 300)
    assert cloud.fate(request(1, QUEUED, at=90)) == UNTOLD


@pytest.mark.parametrize("stage", [SCHEDULING, SENT])
def test_a_break_alone_tells_nothing_of_what_is_further(stage):
    """The scheduler's answer may have come; what the destination took before it goes on."""
    cloud = Cloud(takes=1).works(0, 100).breaks(160).works(160, 300)
    assert cloud.fate(request(1, stage, at=90)) == UNTOLD


def test_a_second_break_does_not_take_away_what_the_first_has_proved():
    cloud = Cloud(takes=1).works(0, 100).seen(request(1, QUEUED, at=90)).breaks(160).works(160, 220)
    assert cloud.fate(request(1, QUEUED, at=90)) == GONE
    assert cloud.breaks(300).fate(request(1, QUEUED, at=90)) == GONE


# The destination


@pytest.mark.parametrize(
    ("at_work", "sent_for", "fate"),
    [
        (60, 60, Fate(False, "compute-2", FROM_2)),
        (60, 500, Fate(False, "compute-2", FROM_2)),
        (59, 500, Fate(True, queued_at=FROM_2)),  # the bus has just come back
        (500, 59, Fate(True, queued_at=FROM_2)),  # it has just been sent there
    ],
)
def test_what_a_host_has_not_begun_with_for_a_minute_is_lost_there(at_work, sent_for, fate):
    cloud = Cloud().works(1000, 1000 + at_work)
    assert cloud.fate(request(1, SENT, at=1000 + at_work - sent_for), claims=FROM_2) == fate


@pytest.mark.parametrize(("finish", "is_open"), [(140, False), (141, True)])
def test_what_was_long_at_the_scheduler_has_not_been_sent_for_long(finish, is_open):
    sent = Request("req-1", told(10), Event(told(10), told(finish), host="control-1"))
    assert Cloud().works(0, 200).fate(sent, claims=FROM_2).open is is_open


@pytest.mark.parametrize(("rested", "at_work", "lost"), [(59, 300, False), (60, 300, True), (300, 59, False)])
def test_what_was_claimed_and_not_gone_on_with_is_lost_there(rested, at_work, lost):
    """The scheduler has answered; the conductor that was to hand it on died, or the bus had its answer."""
    start = 1000 - max(rested, at_work)
    cloud = Cloud()
    for second in sorted({*range(start, 1000, 10), 1000 - at_work, 1000 - rested, 1000}):
        report = second if second >= 1000 - at_work else 0
        cloud.look(second, report=report)
        if second == 1000 - rested:
            cloud.fate(request(1, SCHEDULING, at=start), claims=FROM_2)
    expected = Fate(False, "compute-2", FROM_2) if lost else Fate(True, queued_at=FROM_2)
    assert cloud.fate(request(1, SCHEDULING, at=start), claims=FROM_2) == expected


@pytest.mark.parametrize("stage", [SCHEDULING, SENT])
def test_where_several_hosts_are_claimed_it_may_be_at_each(stage):
    cloud = Cloud().look(0)
    cloud.fate(request(1, stage), claims=BOTH)
    assert cloud.works(10, 300).fate(request(1, stage), claims=BOTH) == Fate(True, queued_at=BOTH)


def test_what_a_dead_host_has_begun_is_over_also_when_it_is_back():
    cloud = Cloud().works(0, 100)
    assert cloud.fate(request(1, RUNNING)) == OPEN
    assert cloud.fate(request(1, RUNNING), dead=["compute-2"]) == GONE
    assert cloud.fate(request(1, RUNNING)) == GONE


def test_what_another_host_runs_does_not_end_with_one_that_died():
    assert Cloud().works(0, 9000).fate(request(1, RUNNING), dead=["compute-3"]) == OPEN


def test_what_a_dead_host_has_queued_is_over_till_it_returns():
    cloud = Cloud().works(0, 10)
    sent = request(1, SENT, at=5)
    assert cloud.fate(sent, claims=FROM_2, dead=["compute-2"]) == Fate(False, queued_at=FROM_2)
    assert cloud.fate(sent, claims=FROM_2) == Fate(True, queued_at=FROM_2)


@pytest.mark.parametrize(("rested", "is_open"), [(59, True), (60, False)])
def test_what_is_claimed_at_a_dead_host_may_still_be_handed_on(rested, is_open):
    cloud = Cloud().works(0, 100)
    cloud.fate(request(1, SCHEDULING), claims=FROM_2)
    cloud.works(110, 100 + rested)
    found = cloud.fate(request(1, SCHEDULING), claims=FROM_2, dead=["compute-2"])
    assert found == Fate(is_open, queued_at=FROM_2)


@pytest.mark.parametrize("stage", [SCHEDULING, SENT])
def test_one_of_two_that_are_claimed_is_dead(stage):
    cloud = Cloud().look(0)
    cloud.fate(request(1, stage), claims=BOTH)
    found = cloud.works(10, 300).fate(request(1, stage), claims=BOTH, dead=["compute-2"])
    assert found == Fate(True, queued_at=BOTH)


def test_where_it_is_lost_dies():
    """Then it need not be asked for there. But once that host is back, its queue may have it."""
    cloud = Cloud().works(0, 60)
    sent = request(1, SENT)
    assert cloud.fate(sent, claims=FROM_2).lost_at == "compute-2"
    assert cloud.fate(sent, claims=FROM_2, dead=["compute-2"]) == Fate(False, queued_at=FROM_2)
    assert cloud.fate(sent, claims=FROM_2) == Fate(False, "compute-2", FROM_2)


# Whose claim it is


def test_what_was_claimed_for_an_older_request_is_not_the_newer_ones():
    cloud = Cloud().works(0, 100)
    older, newer = request(1, SCHEDULING), request(2, SCHEDULING, at=99)
    cloud.fates(older, claims=FROM_2)
    assert cloud.fates(older, newer, claims=FROM_2)[1] == UNTOLD
    cloud.works(110, 170)
    assert cloud.fates(older, newer, claims=FROM_2) == [Fate(False, "compute-2", FROM_2), UNTOLD]
    found = cloud.fates(older, newer, claims=BOTH)
    assert found == [Fate(False, "compute-2", FROM_2), Fate(True, queued_at=frozenset({"compute-3"}))]


def test_what_a_host_has_begun_with_is_not_anothers_claim():
    cloud = Cloud().works(0, 100)
    found = cloud.fates(request(1, RUNNING), request(2, SENT), claims=BOTH)
    assert found == [OPEN, Fate(False, "compute-3", frozenset({"compute-3"}))]


def test_nothing_is_claimed_for_what_has_not_come_to_the_conductor():
    cloud = Cloud().works(0, 100)
    assert cloud.fates(request(1, QUEUED), request(2, SENT), claims=FROM_2) == [
        UNTOLD,
        Fate(False, "compute-2", FROM_2),
    ]


# The conductor dies


def stood_still(since, until, start, at_work=None, conductor="control-1"):
    """The fate of what was with the scheduler, once its conductor had not reported since then until then."""
    cloud = Cloud().works(0 if at_work is None else until - at_work, until)
    cloud.control_plane.sees_conductors({"control-1": told(since), "control-2": told(until)})
    return cloud.fate(request(1, SCHEDULING, at=start, conductor=conductor))


@pytest.mark.parametrize(
    ("since", "until", "start", "fate"),
    [
        (100, 175, 90, GONE),
        (100, 174, 90, UNTOLD),
        (100, 195, 120, GONE),  # a report before it began is none that it was waiting
        (100, 194, 120, UNTOLD),
        (100, 300, 290, UNTOLD),
        (100, 300, 300, UNTOLD),
    ],
)
def test_a_conductor_that_stands_still_does_not_wait_for_the_scheduler(since, until, start, fate):
    assert stood_still(since, until, start) == fate


def test_the_bus_has_to_be_at_work_for_that():
    assert stood_still(100, 300, 90, at_work=59) == UNTOLD
    assert stood_still(100, 300, 90, at_work=60) == GONE


@pytest.mark.parametrize("conductor", ["control-2", "control-3", None])
def test_another_conductor_that_stands_still_proves_nothing(conductor):
    """Before microversion 2.62 Nova does not tell which it is."""
    assert stood_still(100, 300, 90, conductor=conductor) == UNTOLD


@pytest.mark.parametrize("stage", [QUEUED, SENT])
def test_of_what_is_not_at_the_scheduler_a_conductor_tells_nothing(stage):
    cloud = Cloud().works(0, 300)
    cloud.control_plane.sees_conductors({"control-1": told(100)})
    assert cloud.fate(request(1, stage, at=90)) == UNTOLD


def test_that_a_conductor_stood_still_is_known_when_it_is_back():
    cloud = Cloud().works(0, 200)
    cloud.control_plane.sees_conductors({"control-1": told(100)})
    for second in range(210, 300, 10):
        cloud.look(second)
        cloud.control_plane.sees_conductors({"control-1": told(second)})
    assert cloud.fate(request(1, SCHEDULING, at=90)) == GONE
    assert cloud.fate(request(2, SCHEDULING, at=205)) == UNTOLD


def test_the_last_time_that_a_conductor_stood_still_tells_of_all_before():
    cloud = Cloud().works(0, 90)
    for since, until in ((100, 190), (200, 290)):
        cloud.works(since, until)
        cloud.control_plane.sees_conductors({"control-1": told(since)})
    cloud.works(300, 1000)
    assert cloud.fate(request(1, SCHEDULING, at=110)) == GONE
    assert cloud.fate(request(2, SCHEDULING, at=195)) == GONE
    assert cloud.fate(request(3, SCHEDULING, at=230)) == UNTOLD


@pytest.mark.parametrize("lag", [40, 70])
def test_a_shorter_time_without_reports_takes_nothing_from_a_longer_one(lag):
    cloud = Cloud().works(0, 190)
    cloud.control_plane.sees_conductors({"control-1": told(100)})
    for second in range(200, 310, 10):
        cloud.look(second, conductors={"control-1": told(second)})
    for second in range(310, 300 + lag + 1, 10):
        cloud.look(second, conductors={"control-1": told(300)})
    cloud.look(310 + lag, conductors={"control-1": told(300 + lag)})
    assert cloud.fate(request(1, SCHEDULING, at=90)) == GONE


@pytest.mark.parametrize("reports", [{}, {"control-1": ""}])
def test_a_conductor_of_which_nothing_is_read_is_not_dead(reports):
    cloud = Cloud().works(0, 300)
    cloud.control_plane.sees_conductors(reports)
    assert cloud.fate(request(1, SCHEDULING)) == UNTOLD


# What moves on after all


def lost_with_the_bus():
    cloud = Cloud(takes=1).works(0, 100).seen(request(1, QUEUED, at=90)).breaks(160).works(160, 220)
    assert cloud.fate(request(1, QUEUED, at=90)) == GONE
    return cloud


@pytest.mark.parametrize(
    ("stage", "claims", "fate"),
    [
        (SCHEDULING, (), UNTOLD),
        (SCHEDULING, FROM_2, Fate(True, queued_at=FROM_2)),
        (RUNNING, FROM_2, OPEN),
        (OVER, FROM_2, GONE),
    ],
)
def test_what_moves_on_after_it_was_given_up_is_judged_anew(stage, claims, fate):
    assert lost_with_the_bus().fate(request(1, stage, at=210), claims=claims) == fate


@pytest.mark.parametrize(
    ("lost", "claims", "fate"),
    [
        (request(1, QUEUED, at=90), (), GONE),
        (request(1, SCHEDULING, at=90), (), GONE),
        (request(1, SENT, at=90), FROM_2, Fate(False, "compute-2", FROM_2)),
    ],
)
def test_what_does_not_move_stays_lost_whatever_breaks_next(lost, claims, fate):
    cloud = Cloud(takes=1).works(0, 100).seen(request(1, lost.stage, at=90)).breaks(160).works(160, 220)
    cloud.control_plane.sees_conductors({"control-1": told(80)})
    assert cloud.fate(lost, claims=claims) == fate
    cloud.breaks(400).look(400)
    assert cloud.control_plane.at_work_for(400, "compute-1") == 0
    assert cloud.fate(lost, claims=claims) == fate


def test_the_time_of_a_stage_begins_with_it():
    cloud = Cloud().look(0)
    cloud.fate(request(1, QUEUED))
    cloud.works(10, 2000)
    assert cloud.fate(request(1, SCHEDULING)) == UNTOLD
    assert cloud.works(2010, 2000 + 1979).fate(request(1, SCHEDULING)) == UNTOLD
    assert cloud.works(3979, 2000 + 1980).fate(request(1, SCHEDULING)) == Fate(False, untold=True)


def test_without_a_flag_the_time_of_a_stage_and_its_claims_are_forgotten():
    cloud = Cloud().look(0)
    cloud.fates(request(1, QUEUED), request(2, SCHEDULING), claims=FROM_2)
    cloud.forgets()
    cloud.works(10, 2000)
    assert cloud.fates(request(1, QUEUED), request(2, SCHEDULING)) == [UNTOLD, UNTOLD]


def test_without_a_flag_all_that_is_forgotten():
    cloud = lost_with_the_bus()
    cloud.control_plane.sees_conductors({"control-1": told(90)})
    cloud.look(230, away=["compute-1"])
    cloud.forgets()
    assert cloud.control_plane.answering_for(230, "compute-1") == 230
    assert cloud.fate(request(2, SCHEDULING, at=90)) == UNTOLD
    assert cloud.breaks(300).look(300).fate(request(1, QUEUED, at=90)) == UNTOLD  # which is what is seen now


@pytest.mark.parametrize(
    ("every", "back", "fate"),
    [(10, 175, GONE), (10, 174, UNTOLD), (45, 210, GONE), (46, 213, UNTOLD)],
)
def test_that_the_only_conductor_stood_still_shows_when_it_is_back(every, back, fate):
    """Meanwhile no host reports. What nobody looked at tells nothing."""
    cloud, seen_back = Cloud().works(0, 100), back + 25
    for second in range(100, seen_back, every):
        cloud.look(second, report=100)
        cloud.control_plane.sees_conductors({"control-1": told(100 if second < back else back)})
    cloud.look(seen_back).control_plane.sees_conductors({"control-1": told(back)})
    cloud.works(seen_back, seen_back + 70)
    assert cloud.fate(request(1, SCHEDULING, at=90)) == fate


@pytest.mark.parametrize(
    ("pause", "created", "scheduled", "fate"),
    [
        (21, 91, 150, GONE),
        (20, 91, 150, UNTOLD),  # a report that is late
        (21, 90, 150, UNTOLD),  # asked for before: the scheduler may be at what came later
        (21, 91, 151, UNTOLD),  # it may only just have gone on
    ],
)
def test_a_conductor_that_was_killed_for_some_seconds_is_told_by_what_was_scheduled_since(
    pause, created, scheduled, fate
):
    """Another request, made after this one had come to the conductor, has been scheduled for a minute."""
    cloud = Cloud().works(0, 100)
    for second in range(101, 100 + pause):
        cloud.look(second, report=100)
    cloud.works(100 + pause, 210)
    cloud.evidence.sees_scheduled(record(7, "done", created=told(created)), scheduled)
    assert cloud.fate(request(1, SCHEDULING, at=90)) == fate
    cloud.forgets()
    assert cloud.fate(request(1, SCHEDULING, at=90)) == UNTOLD


@pytest.mark.parametrize(
    ("later", "fate"),
    [
        (request(2, RUNNING, at=91), GONE),
        (request(2, SENT, at=91), GONE),
        (request(2, OVER, at=91), GONE),
        (request(2, RUNNING, at=90), UNTOLD),
        (request(2, SCHEDULING, at=91), UNTOLD),
        (request(2, QUEUED, at=91), UNTOLD),
    ],
)
def test_that_a_later_request_was_scheduled_is_told_by_its_events_too(later, fate):
    """Its record may not: it takes over an older one of its instance (measured), and its own stays as it was made."""
    cloud = Cloud().works(0, 100)
    for second in range(101, 121):
        cloud.look(second, report=100)
    cloud.works(121, 150).seen(later).works(160, 210)
    assert cloud.fate(request(1, SCHEDULING, at=90)) == fate


def test_a_request_that_no_scheduler_answered_tells_nothing_of_others():
    cloud = Cloud().works(0, 100)
    for second in range(101, 121):
        cloud.look(second, report=100)
    gave_up = Event(told(91), told(140), failed=True, host="control-1")
    cloud.works(121, 150).seen(Request("req-2", told(91), gave_up)).works(160, 210)
    assert cloud.fate(request(1, SCHEDULING, at=90)) == UNTOLD


@pytest.mark.parametrize(
    ("pause", "conductor", "fate"),
    [(21, "control-1", GONE), (20, "control-1", UNTOLD), (21, "control-2", UNTOLD), (21, None, UNTOLD)],
)
def test_of_several_conductors_the_one_that_was_killed_for_some_seconds_is_known(pause, conductor, fate):
    """Another keeps the hosts' reports coming."""
    cloud = Cloud()
    for second in range(0, 220, 10):
        is_away = 100 < second < 100 + pause
        reports = {"control-1": told(100 if is_away else second), "control-2": told(second)}
        cloud.look(second, conductors=reports)
        if second == 120:
            cloud.look(100 + pause, conductors={**reports, "control-1": told(100 + pause)})
    cloud.evidence.sees_scheduled(record(7, "done", created=told(91)), 150)
    assert cloud.fate(request(1, SCHEDULING, at=90, conductor=conductor)) == fate


@pytest.mark.parametrize(("looked", "fate"), [(None, UNTOLD), (110, UNTOLD), (111, GONE)])
def test_a_conductor_was_away_for_a_late_engine_only_as_long_as_that_saw_no_report(looked, fate):
    cloud = Cloud().works(0, 100, conductors={"control-1": told(100)})
    if looked is not None:
        cloud.look(looked, conductors={"control-1": told(100)})
    cloud.look(122, conductors={"control-1": told(122)}).works(130, 220, conductors={})
    cloud.evidence.sees_scheduled(record(7, "done", created=told(91)), 150)
    assert cloud.fate(request(1, SCHEDULING, at=90)) == fate


def test_without_a_time_in_which_no_host_reported_the_scheduler_is_slow():
    cloud = Cloud().works(0, 210)
    cloud.evidence.sees_scheduled(record(7, "done", created=told(91)), 100)
    assert cloud.fate(request(1, SCHEDULING, at=90)) == UNTOLD


@pytest.mark.parametrize(
    ("may_come", "created", "scheduled", "fate"),
    [(False, 91, 150, GONE), (True, 91, 150, UNTOLD), (False, 90, 150, UNTOLD), (False, 91, 151, UNTOLD)],
)
def test_what_was_passed_on_its_way_to_the_conductor_is_lost(may_come, created, scheduled, fate):
    """With a worker of Nova's API, say, that had noted it. Not what the API may have still."""
    waits = request(1, QUEUED, at=90)
    cloud = Cloud().works(0, 150).seen(waits).works(160, 210)
    cloud.evidence.sees_scheduled(record(7, "done", created=told(created)), scheduled)
    assert cloud.fates(waits, may_come=may_come) == [fate]


@pytest.mark.parametrize(("pause", "until", "fate"), [(21, 301, GONE), (21, 300, UNTOLD), (20, 301, UNTOLD)])
def test_what_a_bus_that_was_away_for_some_seconds_has_lost_shows_after_three_minutes(pause, until, fate):
    """Whoever was only slow has begun with it by then."""
    cloud = Cloud(takes=0).works(0, 100).seen(request(1, QUEUED, at=90))
    for second in range(101, 100 + pause):
        cloud.look(second, report=100)
    cloud.works(100 + pause, until)
    assert cloud.fate(request(1, QUEUED, at=90)) == fate
    assert cloud.fate(request(2, QUEUED, at=122)) == UNTOLD


@pytest.mark.parametrize(("takes", "at_work", "fate"), [(0, 60, GONE), (0, 59, UNTOLD), (None, 899, UNTOLD)])
def test_a_killed_conductor_may_have_taken_a_message_and_not_begun_with_it(takes, at_work, fate):
    """Seen on the lab. Or it comes to it when it is back, as late as it does."""
    cloud, waits = Cloud(takes).works(10, 100), request(1, QUEUED, at=90)
    for second in range(110, 160, 10):
        cloud.look(second, report=100, conductors={"control-9": told(100)}).seen(waits)
    assert cloud.works(160, 160 + at_work).fate(waits) == fate


def test_what_is_queued_at_a_host_that_was_dead_is_queued_there_until_it_has_reported():
    """So that which of the two has its turn is decided as for every host that returns."""
    cloud, sent = Cloud().works(0, 100), request(1, SENT, at=10)
    queued = Fate(False, queued_at=FROM_2)
    assert cloud.fate(sent, claims=FROM_2, dead=FROM_2) == queued
    cloud.works(100, 200)
    assert cloud.fate(sent, claims=FROM_2, unheard=FROM_2) == queued
    assert cloud.fate(sent, claims=FROM_2) == Fate(False, "compute-2", FROM_2)
    assert cloud.fate(sent, claims=FROM_2, unheard=FROM_2) == queued
    assert cloud.fate(request(1, RUNNING, at=10), claims=FROM_2, unheard=FROM_2) == OPEN


@pytest.mark.parametrize(
    ("hosts", "fate"),
    [
        (["compute-2"], UNTOLD),  # its nova-compute may have been restarted
        (["compute-2", "compute-4"], UNTOLD),  # of which one had not been there before
        (["compute-2", "compute-3"], GONE),
    ],
)
def test_one_host_that_reports_again_does_not_tell_of_the_bus(hosts, fate):
    cloud, waits = Cloud(takes=1).works(0, 100), request(1, QUEUED, at=90)
    cloud.seen(waits).breaks(160).works(160, 240, hosts=hosts)
    assert cloud.fate(waits) == fate
    assert cloud.works(240, 160 + 900, hosts=hosts).fate(waits) == GONE


@pytest.mark.parametrize(
    ("takes", "at_work", "fate"),
    [
        (0, 60, GONE),
        (100, 149, UNTOLD),  # half as long again as the slowest so far
        (100, 150, GONE),
        (None, 899, UNTOLD),  # nobody knows
        (None, 900, GONE),
    ],
)
def test_what_the_bus_has_lost_is_told_from_what_a_slow_conductor_has_by_how_long_others_took(takes, at_work, fate):
    cloud, waits = Cloud(takes).works(10, 100), request(1, QUEUED, at=90)
    assert cloud.seen(waits).breaks(160).works(160, 160 + at_work).fate(waits) == fate


@pytest.mark.parametrize(
    ("asked_at", "was_seen", "at_work"),
    [
        (80, False, 60),  # scheduled within two looks
        (79, False, 900),  # or long ago: in a former recovery of its host, say
        (0, True, 150),
        (-1000, True, 900),  # a record that had been left behind, and was taken over
    ],
)
def test_which_requests_tell_how_long_they_take(asked_at, was_seen, at_work):
    cloud, waits = Cloud().works(0, 100), request(1, QUEUED, at=90)
    cloud.control_plane.sees_time_to_schedule(told(asked_at), was_seen)
    cloud.seen(waits).breaks(160)
    assert cloud.works(160, 160 + at_work - 1).fate(waits) == UNTOLD
    assert cloud.look(160 + at_work).fate(waits) == GONE
