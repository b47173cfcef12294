# SPDX-License-Identifier: Apache-2.0
"""How an evacuation stands, by Nova's record of it and by what has been seen: the table of docs/architecture.md."""

import ast
import dataclasses
import pathlib

import pytest

from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SENT, Requests
from nova_ha.policy.rules import Rules
from nova_ha.recovery import decide
from nova_ha.recovery.decide import classification
from nova_ha.recovery.decide.classification import State
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import SETTLE
from tests import pages
from tests.unit.worlds import NOW, host, instance, living, nothing_asked, record, request, told, world

STUCK = Rules().stuck_after
BOTH = frozenset({"compute-1", "compute-2"})


class Story:
    """An evacuation of ``i1`` from compute-1 that has the status of each row, and what is seen of it until NOW."""

    def __init__(self, status, destination):
        self.memory = nothing_asked()
        self.seen = host(instances=[instance()], evacuations=[record(7, status, destination=destination)])
        self.dead = {"compute-1"}
        self.since = NOW - SETTLE

    def watched(self, since, until=NOW, dead=None):
        for moment in range(int(since), int(until) + 1, 10):
            reports = {each: living(each, report=told(moment)) for each in ("compute-2", "compute-3")}
            self.memory.observe_services(reports, moment)
            self.memory.observe(self.seen, moment, frozenset(dead or self.dead))
        return self

    def state(self):
        self.memory.observe(self.seen, NOW, frozenset(self.dead))
        situation = Situation(world(self.seen, dead=self.dead), self.memory, Rules(), NOW)
        return next(each.state for each in situation.every_evacuation() if each.record.id == 7)

    # What may be seen

    def late(self):
        """It has not moved for ``stuck_after``."""
        self.watched(NOW - STUCK)

    def young(self):
        """It has moved a while ago."""
        self.watched(NOW - STUCK + 10)

    def destination_dead(self):
        self.dead = set(BOTH)

    def destination_died(self):
        """And is back."""
        self.memory.observe(self.seen, NOW - 200, BOTH)

    def requests_over(self):
        self._reads(request(1, OVER))

    def request_sent(self):
        """For long, and what the scheduler has claimed for it tells where to."""
        self._reads(request(1, SENT, at=NOW - 300), claims=BOTH)

    def request_queued(self):
        self._reads(request(1, QUEUED, at=NOW - 300))

    def _reads(self, *requests, claims=None):
        self.watched(NOW - 300)
        self.seen = dataclasses.replace(self.seen, requests={"i1": Requests(requests, claims, read_at=NOW)})
        self.memory.observe_requests(world(self.seen), NOW)

    def overtaken_there(self):
        """Its destination has begun with what was asked for later; Nova does not tell who has this one."""
        self.watched(NOW - STUCK, NOW - STUCK)
        later = record(8, "pre-migrating", instance="i2")
        self.seen = dataclasses.replace(self.seen, evacuations=(*self.seen.evacuations, later))
        self.watched(NOW - STUCK + 10)

    def handed_on(self):
        """To its destination, as its request tells."""
        self._handed_on(NOW - STUCK)

    def handed_on_now(self):
        self._handed_on(NOW)

    def _handed_on(self, at):
        self.watched(at, at)
        self.seen = dataclasses.replace(self.seen, requests={"i1": Requests((request(1, SENT),), read_at=at)})
        self.memory.observe_requests(world(self.seen), at)

    def taken_up(self):
        """By its destination, which its record does not say yet."""
        both = Requests((request(1, SENT), request(2, RUNNING)), read_at=NOW)
        self.seen = dataclasses.replace(self.seen, requests={"i1": both})

    def silent(self):
        """Its destination did not report for a while."""
        self.memory.observe_services({"compute-2": living(up=False)}, NOW - 20)

    def restarted(self):
        """nova-compute was started anew on its destination, which had begun with it."""
        self.watched(NOW - 300)
        for start, moment in (("a", NOW - 300), ("b", NOW - 200)):
            self.memory.restarts.observe(world(self.seen), moment)
            self.memory.restarts.learn({"compute-2": start}, moment)


def row(status, seen, state, destination="compute-2"):
    return pytest.param(status, destination, seen, state, id=" and ".join([status, *seen.split()]))


@pytest.mark.parametrize(
    ("status", "destination", "seen", "state"),
    [
        row("accepted", "", State.QUEUED),
        row("accepted", "", State.QUEUED, destination=None),
        row("accepted", "young", State.QUEUED),
        row("accepted", "request_queued", State.QUEUED),
        row("accepted", "silent", State.QUEUED),
        row("accepted", "destination_dead", State.QUEUED),
        row("accepted", "late", State.STUCK),
        row("accepted", "late destination_dead", State.STUCK),
        row("accepted", "late silent", State.STUCK),
        row("accepted", "overtaken_there", State.STUCK),
        row("accepted", "overtaken_there handed_on_now", State.STUCK),
        row("accepted", "handed_on overtaken_there", State.LOST),
        row("accepted", "handed_on overtaken_there taken_up", State.STUCK),
        row("accepted", "request_sent", State.LOST),
        row("accepted", "late request_sent", State.LOST),
        row("accepted", "requests_over", State.STRAY),
        row("accepted", "late requests_over", State.STRAY),
        row("pre-migrating", "", State.RUNNING),
        row("pre-migrating", "young", State.RUNNING),
        row("pre-migrating", "silent", State.RUNNING),
        row("pre-migrating", "late", State.STUCK),
        row("pre-migrating", "late silent", State.LOST),
        row("pre-migrating", "restarted", State.CUT_OFF),
        row("pre-migrating", "late restarted", State.CUT_OFF),
        row("pre-migrating", "late silent restarted", State.CUT_OFF),
        row("pre-migrating", "destination_dead", State.DIED_WITH_HOST),
        row("pre-migrating", "destination_died", State.DIED_WITH_HOST),
        row("pre-migrating", "late destination_died", State.DIED_WITH_HOST),
        row("what-is-this", "", State.RUNNING),
        row("done", "", State.ARRIVED),
        row("done", "late destination_dead", State.ARRIVED),
        row("completed", "late", State.OVER),
        row("failed", "late", State.OVER),
        row("error", "late", State.OVER, destination=None),
        row("cancelled", "late", State.OVER),
    ],
)
def test_how_an_evacuation_stands(status, destination, seen, state):
    story = Story(status, destination)
    for each in seen.split():
        getattr(story, each)()
    assert story.state() is state


EVIDENCE = ("has_died", "is_stray", "is_cut_off", "is_lost", "is_late")
PRECEDENCE = (State.DIED_WITH_HOST, State.STRAY, State.CUT_OFF, State.LOST, State.STUCK)


@pytest.mark.parametrize("first", range(len(EVIDENCE)))
@pytest.mark.parametrize("status", ["accepted", "pre-migrating"])
def test_the_strongest_evidence_counts(status, first):
    known = dict.fromkeys(EVIDENCE[first:], True)
    assert classification.state(record(7, status), **known) is PRECEDENCE[first]


@pytest.mark.parametrize(("status", "state"), [("done", State.ARRIVED), ("failed", State.OVER)])
def test_what_nova_says_to_be_over_is_so_whatever_was_seen(status, state):
    assert classification.state(record(7, status), **dict.fromkeys(EVIDENCE, True)) is state


def test_what_a_later_one_has_overtaken_is_told():
    seen = host(evacuations=[record(7, "accepted"), record(8, "done"), record(9, "accepted")])
    known = classification.of_host(seen, world(seen), nothing_asked(), STUCK, NOW)
    assert [each.is_overtaken for each in known] == [True, False, False]


def test_it_is_told_once_a_pass():
    seen = host(instances=[instance()], evacuations=[record(7, "accepted")])
    situation = Situation(world(seen), nothing_asked(), Rules(), NOW)
    assert situation.evacuations is situation.evacuations and situation.in_flight is situation.in_flight


def test_the_page_has_each_state():
    page = (pathlib.Path(__file__).resolve().parents[4] / "docs/architecture.md").read_text(encoding="utf-8")
    (section,) = [each for each in page.split("\n## ") if each.startswith("How an evacuation stands")]
    assert [each["state"] for each in pages.rows(section)] == [state.name for state in State]


DECISIONS = pathlib.Path(decide.__file__).parent
ASKED_ONCE = {"is_stray", "lost_at", "ended_with_its_host", "was_passed", "was_down", "was_cut_off"}


@pytest.mark.parametrize("module", sorted(path.name for path in DECISIONS.glob("*.py")))
def test_no_decision_asks_the_memory_again(module):
    tree = ast.parse((DECISIONS / module).read_text(encoding="utf-8"))
    calls = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    assert calls & ASKED_ONCE == (ASKED_ONCE if module == "classification.py" else set())
