# SPDX-License-Identifier: Apache-2.0
"""The engine's account of itself: what is going on since when, and what happened."""

import json
import logging

import pytest

from nova_ha.model.actions import Evacuate, FinishRecovery, Restart, Skip, Wait
from nova_ha.model.reasons import Code
from nova_ha.model.request import ACCEPTED, FAILED, SENDING
from nova_ha.recovery.memory.requests import Attempt
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account
from tests.unit.worlds import OURS, instance

FLAGS = {"compute-1": OURS}


class Scene:
    """An account, its clock, and what was logged."""

    def __init__(self, keep=1000):
        self.now = 1000.0
        self.lines = []
        log = logging.Logger("test")
        log.addHandler(self)
        self.account = Account(log, lambda: self.now, keep)
        self.memory = {}

    level = logging.NOTSET

    def handle(self, record):
        self.lines.append((record.levelname, record.getMessage()))

    def after_pass(self, *steps, seconds=0, flags=FLAGS):
        """The hosts' account after a pass that ends so many seconds after the last."""
        self.now += seconds
        self.account.hosts(flags, steps, self.memory.get)
        return self.account.as_dict()["hosts"]

    @property
    def events(self):
        return self.account.as_dict()["events"]


@pytest.mark.parametrize(
    ("about", "line"),
    [
        ({"instance": "i1", "request": "req-1"}, "host=compute-1 instance=i1 request=req-1"),
        ({"reason": "no room"}, 'host=compute-1 reason="no room"'),
        ({"reason": "short"}, 'host=compute-1 reason="short"'),
        ({"reason": 'said "no"\nand left'}, r'host=compute-1 reason="said \"no\"\nand left"'),
        ({"request": "a b=c"}, 'host=compute-1 request="a b=c"'),
    ],
)
def test_an_event_is_one_line_of_text_and_pairs(about, line):
    scene = Scene()
    scene.account.event(Event.EVACUATION_ACCEPTED, "compute-1", **about)
    assert scene.lines == [("INFO", f"evacuation_accepted: {line}")]


def test_an_event_is_kept_as_data():
    scene = Scene()
    scene.account.event(Event.EVACUATION_NOT_ACCEPTED, "compute-1", "i1", "req-1", "quota", Code.FORBIDDEN)
    assert scene.events == [
        {
            "time": 1000.0,
            "level": "warning",
            "event": "evacuation_not_accepted",
            "host": "compute-1",
            "instance": "i1",
            "request": "req-1",
            "code": "forbidden",
            "reason": "quota",
            "command": None,
        }
    ]


def test_so_many_events_are_kept_and_no_more():
    scene = Scene(keep=3)
    for number in range(5):
        scene.account.event(Event.HOST_CLAIMED, f"compute-{number}")
    assert [event["host"] for event in scene.events] == ["compute-2", "compute-3", "compute-4"]


def test_since_is_when_this_began_for_this_reason():
    scene = Scene()
    first = Wait("compute-1", "evacuation 1 is running", Code.NO_HOST, instance())
    scene.after_pass(first)
    hosts = scene.after_pass(first, seconds=5)
    assert hosts["compute-1"]["since"] == hosts["compute-1"]["instances"]["i1"]["since"] == 1000
    hosts = scene.after_pass(Wait("compute-1", "evacuation 2 is running", Code.NO_HOST, instance()), seconds=5)
    assert hosts["compute-1"]["since"] == 1000
    assert hosts["compute-1"]["instances"]["i1"]["since"] == 1010
    assert scene.after_pass(FinishRecovery("compute-1", "done"), seconds=5)["compute-1"]["since"] == 1015


def test_a_host_says_what_it_does_itself_or_that_its_instances_are_recovered():
    scene = Scene()
    own = scene.after_pass(Wait("compute-1", "no service", Code.NO_HOST))["compute-1"]
    assert (own["doing"], own["reason"], own["flag"], own["instances"]) == ("wait", "no service", OURS, {})
    assert scene.after_pass(Evacuate("compute-1", "dead", instance()))["compute-1"]["doing"] == "recover"
    left = Skip("compute-1", "deleted", Code.NOTHING_TO_RECOVER, instance())
    both = scene.after_pass(left, FinishRecovery("compute-1", "over"))["compute-1"]
    assert (both["doing"], both["instances"]["i1"]["doing"]) == ("finish_recovery", "skip")
    assert scene.after_pass()["compute-1"]["doing"] == "wait"
    assert scene.after_pass(flags={}) == {}


def test_what_waits_says_so_by_a_code_and_with_the_way_out():
    scene = Scene()
    stuck = Wait(
        "compute-1", "it hangs", Code.STUCK, instance(), needs_operator=True, command="openstack server show i1"
    )
    found = scene.after_pass(stuck, Wait("compute-1", "held", Code.HELD_BY_GUARD))["compute-1"]
    keys = ("code", "command", "needs_operator")
    assert [found[key] for key in keys] == ["held_by_guard", None, False]
    assert [found["instances"]["i1"][key] for key in keys] == ["stuck", "openstack server show i1", True]
    acted = scene.after_pass(Evacuate("compute-1", "dead", instance()))["compute-1"]
    assert (acted["code"], acted["instances"]["i1"]["code"]) == (None, None)
    assert scene.after_pass()["compute-1"]["code"] == "not_yet"


def test_what_is_to_be_restarted_first_is_told_as_data():
    first = Restart("nova-compute", "compute-2")
    stuck = Wait("compute-1", "it hangs", Code.STUCK, instance(), needs_operator=True, restart=first)
    told = Scene().after_pass(stuck)["compute-1"]["instances"]["i1"]
    assert told["restart"] == {"process": "nova-compute", "host": "compute-2"}


def test_instances_are_seen_to_even_after_their_host_s_flag_is_gone():
    scene = Scene()
    host = scene.after_pass(Wait("compute-2", "to be paused again", Code.NO_HOST, instance()), flags={})["compute-2"]
    assert (host["flag"], host["doing"], host["instances"]["i1"]["doing"]) == (None, "recover", "wait")
    assert scene.after_pass(flags={}) == {}


@pytest.mark.parametrize("about", [None, instance()])
def test_of_several_steps_that_which_needs_an_operator_stands_for_all(about):
    scene = Scene()
    steps = [Wait("compute-1", reason, Code.NO_HOST, about, needs_operator=reason == "b") for reason in "abc"]
    host = scene.after_pass(*steps)["compute-1"]
    state = host["instances"]["i1"] if about else host
    assert (state["reason"], state["needs_operator"]) == ("b", True)
    host = scene.after_pass(steps[0], steps[2])["compute-1"]
    assert (host["instances"]["i1"] if about else host)["reason"] == "a"


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (
            Wait("compute-1", "no room", Code.NO_HOST, instance()),
            ("INFO", 'instance_waits: host=compute-1 instance=i1 code=no_host reason="no room"'),
        ),
        (
            Skip("compute-1", "deleted", Code.NOTHING_TO_RECOVER, instance()),
            ("INFO", 'instance_skipped: host=compute-1 instance=i1 code=nothing_to_recover reason="deleted"'),
        ),
        (
            Wait("compute-1", "held", Code.HELD_BY_GUARD, needs_operator=True, command="nova-ha go"),
            ("WARNING", 'host_needs_operator: host=compute-1 code=held_by_guard reason="held" command="nova-ha go"'),
        ),
        (
            Wait("compute-1", "on its way", Code.OTHER_ENGINE),
            ("INFO", 'host_waits: host=compute-1 code=other_engine reason="on its way"'),
        ),
        (
            Skip("compute-1", "a TPM", Code.NOT_EVACUABLE, instance(), needs_operator=True),
            ("WARNING", 'instance_needs_operator: host=compute-1 instance=i1 code=not_evacuable reason="a TPM"'),
        ),
        (Evacuate("compute-1", "dead", instance()), None),
        (Wait("compute-1", "evacuation 1 is running", Code.NO_HOST, instance(), under_way=True), None),
        (FinishRecovery("compute-1", "over"), None),
    ],
)
def test_what_is_not_done_is_said_once(step, line):
    scene = Scene()
    for _pass in range(3):
        scene.after_pass(step, seconds=1)
    assert scene.lines == ([line] if line else [])
    assert len(scene.events) == len(scene.lines)


def test_what_waits_again_is_said_again():
    scene = Scene()
    wait = Wait("compute-1", "no room", Code.NO_HOST, instance())
    for step in (wait, Evacuate("compute-1", "again", instance()), wait):
        scene.after_pass(step, seconds=1)
    assert len(scene.lines) == 2


def test_failures_are_counted_and_the_last_is_remembered():
    scene = Scene()
    wait = Wait("compute-1", "later", Code.NO_HOST, instance())

    def tried(attempt):
        scene.memory["i1"] = attempt
        state = scene.after_pass(wait)["compute-1"]["instances"]["i1"]
        return state["name"], state["failures"], state["last_failure"]

    assert tried(None) == ("web-1", 0, None)
    assert tried(Attempt(FAILED, failures=1, reason="no valid host")) == ("web-1", 1, "no valid host")
    assert tried(Attempt(SENDING, failures=1)) == ("web-1", 1, "no valid host")
    assert tried(Attempt(ACCEPTED, failures=1, reason="accepted")) == ("web-1", 1, "no valid host")
    assert tried(Attempt(FAILED, failures=2, reason="spawn failed")) == ("web-1", 2, "spawn failed")


def test_an_engine_goes_on_with_the_events_of_the_one_before():
    scene = Scene()
    scene.account.event(Event.EVACUATION_ACCEPTED, "compute-1", "i1", "req-1")
    scene.after_pass(Wait("compute-1", "no room", Code.NO_HOST, instance()))
    former = json.loads(json.dumps(scene.account.as_dict()))
    account = Account.from_dict(former, logging.getLogger("test"), keep=1)
    assert account.as_dict() == {"hosts": {}, "events": former["events"][1:], "counters": former["counters"]}
    account = Account.from_dict(former, logging.getLogger("test"))
    assert account.as_dict()["events"] == former["events"]


@pytest.mark.parametrize(
    "former",
    [{}, {"events": None}, {"events": {}}, {"events": [1, {}, {"time": "x"}, {"time": 1, "event": "of another kind"}]}],
)
def test_what_another_version_wrote_is_no_reason_to_fail(former):
    told = Account.from_dict(former, logging.getLogger("test")).as_dict()
    assert (told["hosts"], told["events"], told["counters"]["events"]) == ({}, [], {})
