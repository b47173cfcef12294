# SPDX-License-Identifier: Apache-2.0
"""NovaCompute's work on a scripted service, whatever way that is run, and a scripted Pacemaker."""

import os

import pytest

from nova_ha.agents import nova_compute
from nova_ha.agents.framework import Failure, ocf
from nova_ha.compute import rpc_ping
from nova_ha.compute.container import Container
from nova_ha.compute.process import Direct
from nova_ha.compute.rpc_ping import Answer
from nova_ha.compute.service import NotInTime, Service, ServiceError, State
from nova_ha.compute.systemd import Unit
from nova_ha.rundir.pidfile import Record
from tests.unit.agent_programs import Clock, failure

RUNNING = State("it", True, True, os.getpid(), "it runs")
STOPPED = State("it", False, True, 0, "it is down")
MOVING = State("it", False, False, 0, "it moves")
LEFT = State("it", False, True, os.getpid(), "it has left something")
NAMELESS = State("it", True, True, 0, "it runs, and has no main process")
STARTING = RUNNING._replace(settled=False, words="it is starting")
GONE = RUNNING._replace(main_pid=999999999)


class Place(Service):
    """A service that is in each of these states in turn; the last one stays, and an order makes it another.

    :param states: State, None (not installed) or "?" (no answer)
    :param refuses: an order that fails
    :param slow: an order that does not end in time; what it becomes says ``states``
    :param idle: an order that is taken, and does nothing
    :param mute: how many looks have no answer after an order that was taken
    """

    missing = "there is no such service"

    def __init__(self, *states, refuses=None, slow=None, idle=(), mute=0):
        self.states, self.refuses, self.slow, self.idle, self.mute = list(states), refuses, slow, idle, mute
        self.orders, self.times, self.patience = [], [], []

    def find(self, timeout=None):
        self.patience.append(timeout)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state == "?":
            raise ServiceError("no answer")
        return state

    def start(self, state, timeout):
        self.times.append(timeout)
        self._order("start", RUNNING)

    def stop(self, state, timeout):
        self.times.append(timeout)
        self._order("stop", STOPPED)

    def kill(self, state):
        self._order("kill", STOPPED)

    def _order(self, order, becomes):
        self.orders.append(order)
        if order == self.refuses:
            raise ServiceError(f"{order}: refused")
        if order == self.slow:
            raise NotInTime(f"{order}: not done")
        if order not in self.idle:
            self.states = [*["?"] * self.mute, becomes]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(nova_compute.time, "sleep", clock.sleep)
    return clock


@pytest.fixture(autouse=True)
def name(monkeypatch):
    monkeypatch.setattr(ocf, "OCF_RESOURCE_INSTANCE", "nova-compute")


@pytest.fixture
def record(tmp_path):
    return Record("r", tmp_path)


@pytest.fixture
def answered(tmp_path):
    return Record("r.answered", tmp_path)


@pytest.fixture
def asked(monkeypatch):
    """Each question gets these answers in turn; the last one stays."""
    answers = []

    class Question:
        def __init__(self, place, state, seconds):
            assert 0 < seconds <= 60

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            answers.append("closed")

        def answer(self):
            return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(rpc_ping, "Question", Question)
    return answers


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(ocf.logger, "warning", said.append)
    return said


@pytest.mark.parametrize(
    ("given", "systemd", "way"),
    [
        ({}, True, Unit),
        ({}, False, Direct),
        ({"unit": "x.service"}, False, Unit),
        ({"binary": "/x"}, True, Direct),
        ({"user": "x"}, True, Direct),
        ({"config_files": "/x"}, True, Direct),
        ({"container": "x"}, True, Container),
        ({"container": "x"}, False, Container),
    ],
)
def test_the_way_in_which_it_is_run(monkeypatch, given, systemd, way):
    monkeypatch.setattr(nova_compute.systemd, "is_running", lambda: systemd)
    assert type(nova_compute.service(given)) is way


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"unit": "x.service"}, "no such systemd unit: x.service"),
        ({"binary": "/x", "user": "root", "config_files": "/y"}, "no such program: /x"),
        ({"container": "x", "container_engine": "docker"}, "no container x, or no docker"),
    ],
)
def test_what_is_configured_of_a_way_is_what_is_looked_for(given, missing):
    assert nova_compute.service(given).missing == missing


@pytest.mark.parametrize(
    ("place", "orders"),
    [(Place(STOPPED), ["start"]), (Place(RUNNING), []), (Place(STARTING), []), (Place(LEFT), ["start"])],
    ids=["stopped", "running", "starting", "left-over"],
)
@pytest.mark.parametrize("answering", [True, False])
def test_start(place, orders, answering, record, answered, clock, asked):
    asked[:] = [None, Answer(rpc_ping.ANSWERS)]
    place = Place(*place.states)
    nova_compute.start(place, record, answered if answering else None, clock.left)
    assert place.orders == orders
    assert record.is_alive()
    assert ("closed" in asked) == answering
    assert answered.is_alive() == answering


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place(STOPPED, refuses="start"), "start: refused"),
        (Place(STOPPED, slow="start"), "start: not done"),
        (Place(STOPPED, MOVING, slow="start"), "start: not done"),
        (Place(STOPPED, None, slow="start"), "start: not done"),
        (Place(STOPPED, idle=("start",)), "it is down"),
        (Place(STOPPED, None, idle=("start",)), "there is no such service"),
        (Place("?"), "no answer"),
    ],
)
def test_a_start_that_fails(place, said, record, answered, clock):
    clock.end = 600.0
    code, reason = failure(nova_compute.start, place, record, answered, clock.left)
    assert (code, reason) == (ocf.OCF_ERR_GENERIC, f"nova-compute does not start: {said}")
    assert not record.is_alive()
    assert clock.now <= 20 or MOVING in place.states, "only one that is about to run has all of the operation's time"


def test_a_service_that_starts_at_boot_by_itself_is_named(record, clock, warnings):
    nova_compute.start(Place(STOPPED._replace(by_itself=True)), record, None, clock.left)
    assert warnings == ["it starts at boot by itself, even while the host is being recovered"]


@pytest.mark.parametrize("states", [[STARTING], [MOVING, MOVING, STARTING], [MOVING, "?", RUNNING]])
def test_one_whose_manager_is_not_content_yet_is_started_when_its_process_runs(record, clock, states):
    # A unit of Type=notify that does not say READY=1.
    place = Place(STOPPED, *states, slow="start")
    nova_compute.start(place, record, None, clock.left)
    assert record.is_alive()


def test_start_waits_until_it_answers(record, answered, clock, asked):
    asked[:] = [None, None, None, Answer(rpc_ping.ANSWERS)]
    nova_compute.start(Place(STOPPED), record, answered, clock.left)
    assert 0.5 < clock.now < 1


@pytest.mark.parametrize("answer", [None, Answer(rpc_ping.SILENT), Answer(rpc_ping.UNKNOWN)])
def test_one_that_does_not_answer_for_a_while_is_started_all_the_same_and_the_log_says_so(
    record, answered, clock, asked, warnings, answer
):
    # Pacemaker fences no other host as long as a start lasts; here it could last 600 s.
    clock.end = 600.0
    asked[:] = [answer]
    nova_compute.start(Place(STOPPED), record, answered, clock.left)
    assert clock.now <= 20
    assert (answer is not None) or clock.now > 19
    assert record.is_alive() and not answered.is_alive()
    assert warnings == [
        "nova-compute runs, but does not answer on Nova's message bus yet: Nova gives this host no work until it "
        "reports. See its log, and whether RabbitMQ and nova-conductor work"
    ]
    assert "closed" in asked


def test_what_systemd_has_waited_for_is_not_waited_for_once_more(record, answered, clock, asked, warnings):
    class Slow(Place):
        def start(self, state, timeout):
            clock.sleep(18)
            self.states = [STARTING]
            raise NotInTime("start: not done")

    asked[:] = [None]
    nova_compute.start(Slow(STOPPED), record, answered, clock.left)
    assert 18 < clock.now <= 20
    assert len(warnings) == 1


def test_a_start_with_little_time_is_over_before_its_timeout(record, answered, clock, asked, warnings):
    clock.end = 8.0
    asked[:] = [None]
    nova_compute.start(Place(STOPPED), record, answered, clock.left)
    assert 7 < clock.now <= 8


@pytest.mark.parametrize("after", [0, 10])
def test_one_that_ends_while_it_starts(record, answered, clock, asked, after):
    asked[:] = [*[None] * 50, Answer(rpc_ping.UNKNOWN)]
    place = Place(STOPPED, STOPPED)
    alive = iter([True] * after)
    record.is_alive = lambda: next(alive, False)
    place.idle = ("start",)
    place.states = [STOPPED, RUNNING, STOPPED]
    code, reason = failure(nova_compute.start, place, record, answered, clock.left)
    assert (code, reason) == (ocf.OCF_ERR_GENERIC, "nova-compute ended while it started: it is down")
    assert clock.now == pytest.approx(after * 0.2)


def test_one_that_cannot_be_asked_is_started_when_it_runs(record, answered, clock, asked, warnings):
    asked[:] = [Answer(rpc_ping.IMPOSSIBLE, "no library")]
    nova_compute.start(Place(STOPPED), record, answered, clock.left)
    assert warnings == ["nova-compute runs, but cannot be asked whether it answers: no library"]


def test_one_of_which_no_main_process_is_known_has_not_ended(record, answered, clock, warnings):
    # A unit that is "active (exited)", or that forks and names no PIDFile.
    nova_compute.start(Place(NAMELESS), record, answered, clock.left)
    assert warnings == ["nova-compute runs, but cannot be asked whether it answers: it has no main process"]
    assert clock.now == 0
    nova_compute.monitor(Place(NAMELESS), record, False, clock.left)
    assert record.pid() is None


@pytest.mark.parametrize(
    ("place", "orders"),
    [
        (Place(RUNNING), ["stop"]),
        (Place(MOVING), ["stop"]),
        (Place(LEFT), ["stop"]),
        (Place(STOPPED), []),
        (Place(None), []),
        (Place(RUNNING, slow="stop"), ["stop", "kill"]),
        (Place(RUNNING, refuses="stop"), ["stop", "kill"]),
        # Who is slow to answer is asked again.
        (Place("?", "?", RUNNING), ["stop"]),
        (Place("?", STOPPED), []),
        (Place(RUNNING, mute=3), ["stop"]),
        (Place(RUNNING, slow="stop", mute=3), ["stop", "kill"]),
        # One that did not end though it was asked to is killed, too.
        (Place(RUNNING, idle=("stop",)), ["stop", "kill"]),
    ],
)
def test_stop(place, orders, record, clock):
    record.remember(os.getpid())
    nova_compute.stop(place, record, clock.left)
    assert place.orders == orders
    assert not record.is_alive()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place(RUNNING, idle=("stop", "kill")), "nova-compute does not stop, though killed: it runs"),
        (Place(LEFT, idle=("stop", "kill")), "nova-compute does not stop, though killed: it has left something"),
        (Place(RUNNING, slow="stop", refuses="kill"), "nova-compute does not stop: kill: refused"),
        (Place(RUNNING, slow="stop", mute=999), "nova-compute does not stop: no answer"),
        (Place("?"), "nova-compute does not stop: no answer"),
    ],
)
def test_a_stop_is_no_success_while_anything_is_left_and_gives_up_in_the_end_only(place, said, record, clock):
    assert failure(nova_compute.stop, place, record, clock.left) == (ocf.OCF_ERR_GENERIC, said)
    assert clock.now >= 59, "a failed stop has the host fenced"
    # A kill that was refused is tried again, and one that was not is not.
    assert (place.orders.count("kill") > 1) == (place.refuses == "kill")


def test_a_kill_that_is_refused_since_it_is_over_is_well(record, clock):
    place = Place(RUNNING, STOPPED, refuses="kill", slow="stop")
    nova_compute.stop(place, record, clock.left)
    assert place.orders == ["stop", "kill"]


def test_no_look_lasts_longer_than_the_operation(record, clock):
    place = Place("?")
    failure(nova_compute.stop, place, record, clock.left)
    assert place.patience[0] == 60
    assert place.patience[-1] <= 1


def test_a_start_has_all_of_its_time_and_a_stop_keeps_some_for_being_firm(record, clock):
    place = Place(STOPPED)
    nova_compute.start(place, record, None, clock.left)
    nova_compute.stop(place, record, clock.left)
    assert place.times == [60, 55]


@pytest.mark.parametrize(
    ("states", "probe", "code"),
    [
        ([RUNNING], False, None),
        ([RUNNING], True, None),  # also when the cluster has not started it
        ([STOPPED], True, ocf.OCF_NOT_RUNNING),
        ([STOPPED], False, ocf.OCF_NOT_RUNNING),
        ([LEFT], True, ocf.OCF_ERR_GENERIC),
        ([LEFT], False, ocf.OCF_ERR_GENERIC),
        ([None], True, ocf.OCF_NOT_RUNNING),
        ([None], False, ocf.OCF_ERR_INSTALLED),
        ([MOVING, MOVING, RUNNING], False, None),
        ([STARTING], False, None),
        ([STARTING], True, None),
        ([MOVING, STOPPED], False, ocf.OCF_NOT_RUNNING),
        ([MOVING, STOPPED], True, ocf.OCF_NOT_RUNNING),
        ([MOVING], False, ocf.OCF_ERR_GENERIC),
        (["?"], True, ocf.OCF_ERR_GENERIC),
        (["?"], False, ocf.OCF_ERR_GENERIC),
        (["?", "?", RUNNING], True, None),
        (["?", RUNNING], False, None),
        (["?", STOPPED], True, ocf.OCF_NOT_RUNNING),
        ([MOVING, "?", STOPPED], True, ocf.OCF_NOT_RUNNING),
    ],
)
def test_monitor_in_every_state(states, probe, code, record, clock):
    arguments = (Place(*states), record, probe, clock.left)
    if code is None:
        nova_compute.monitor(*arguments)
    else:
        assert failure(nova_compute.monitor, *arguments)[0] == code
    assert record.is_alive() == (code is None)


def test_a_monitor_does_not_wait_for_systemd_to_be_content_with_what_runs(record, clock):
    nova_compute.monitor(Place(STARTING), record, False, clock.left)
    assert clock.now == 0


@pytest.mark.parametrize("probe", [True, False])
def test_a_monitor_that_cannot_know_gives_up_in_the_end_only(probe, record, clock):
    # After a probe that failed, Pacemaker stops what it takes for active.
    assert failure(nova_compute.monitor, Place("?"), record, probe, clock.left)[1] == "no answer"
    assert clock.now >= 59


def test_monitor_says_what_became_of_a_service_that_should_run(record, clock):
    _code, reason = failure(nova_compute.monitor, Place(STOPPED), record, False, clock.left)
    assert reason == "nova-compute does not run: it is down"
    assert failure(nova_compute.monitor, Place(STOPPED), record, True, clock.left)[1] is None, "a probe is no alarm"


@pytest.mark.parametrize(
    "answer", [Answer(rpc_ping.ANSWERS), Answer(rpc_ping.UNKNOWN), Answer(rpc_ping.IMPOSSIBLE, "x"), None]
)
def test_what_is_not_nova_compute_s_fault_is_not_held_against_it(answered, clock, asked, warnings, answer):
    asked[:] = [None, answer]
    nova_compute.listen(Place(RUNNING), answered, clock.left)
    assert len(warnings) == (answer != Answer(rpc_ping.ANSWERS))
    assert answered.is_alive() == (answer == Answer(rpc_ping.ANSWERS))


HANGS = "nova-compute hangs: no answer on Nova's message bus for 57 s, though nova-conductor answers"


@pytest.mark.parametrize(("has_answered", "age"), [(True, 30), (False, 601)])
def test_one_that_hangs_is_found(monkeypatch, answered, clock, asked, has_answered, age):
    asked[:] = [None, Answer(rpc_ping.SILENT)]
    monkeypatch.setattr(nova_compute.procfs, "age", lambda pid: age)
    if has_answered:
        answered.remember(RUNNING.main_pid)
    assert failure(nova_compute.listen, Place(RUNNING), answered, clock.left) == (ocf.OCF_ERR_GENERIC, HANGS)


def test_one_that_may_still_be_starting_is_not_taken_for_one_that_hangs(monkeypatch, answered, clock, asked, warnings):
    # It asks dead hosts for a minute each, and would never get to the end if it were started anew for that.
    asked[:] = [None, Answer(rpc_ping.SILENT)]
    monkeypatch.setattr(nova_compute.procfs, "age", lambda pid: {RUNNING.main_pid: 90}[pid])
    answered.remember(1)
    nova_compute.listen(Place(RUNNING), answered, clock.left)
    since = "since it was started 90 s ago"
    assert warnings == [f"nova-compute has not answered on Nova's message bus {since}: see its log"]


def test_a_deep_look_needs_time(answered, clock, asked):
    clock.end = 5
    code, reason = failure(nova_compute.listen, Place(RUNNING), answered, clock.left)
    assert code == ocf.OCF_ERR_ARGS
    assert "timeout of 60 s" in reason


# The actions, which go by the parameters and by what Pacemaker says of the operation.


@pytest.fixture
def act(monkeypatch, record, answered):
    """Does an action on a Place: ``act(novacompute._start, place, probe, OCF_...=...)``."""

    def act(action, place, probe=False, **environment):
        monkeypatch.setattr(nova_compute, "service", lambda given: place)
        monkeypatch.setattr(nova_compute, "_records", lambda: (record, answered))
        monkeypatch.setattr(ocf, "is_probe", lambda: probe)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        action()

    return act


@pytest.mark.parametrize(("when", "is_asked"), [("answer", True), ("process", False), ("", True)])
def test_when_it_counts_as_started_is_the_operator_s_to_say(act, monkeypatch, asked, when, is_asked):
    monkeypatch.setattr(nova_compute.recovery_gate, "check", lambda given, left: None)
    asked[:] = [None, Answer(rpc_ping.ANSWERS)]
    act(nova_compute._start, Place(STOPPED), OCF_RESKEY_started_when=when)
    assert ("closed" in asked) == is_asked


def test_nothing_is_started_before_the_host_is_recovered(act, monkeypatch):
    def closed(given, left):
        raise Failure(ocf.OCF_ERR_GENERIC, "compute-1 is being recovered")

    monkeypatch.setattr(nova_compute.recovery_gate, "check", closed)
    place = Place(STOPPED)
    assert failure(act, nova_compute._start, place)[1] == "compute-1 is being recovered"
    assert place.orders == []


@pytest.mark.parametrize(
    ("level", "probe", "is_asked"), [("10", False, True), ("10", True, False), ("0", False, False), ("", False, False)]
)
def test_only_a_deep_monitor_asks_it_and_a_probe_never_does(act, asked, level, probe, is_asked):
    asked[:] = [None, Answer(rpc_ping.ANSWERS)]
    act(nova_compute._monitor, Place(RUNNING), probe, OCF_CHECK_LEVEL=level)
    assert ("closed" in asked) == is_asked


@pytest.mark.parametrize("probe", [True, False])
def test_a_monitor_asks_pacemaker_nothing_so_that_no_flag_changes_its_answer(act, monkeypatch, probe):
    monkeypatch.setattr(nova_compute.recovery_gate, "Cluster", None)
    act(nova_compute._monitor, Place(RUNNING), probe)
    assert failure(act, nova_compute._monitor, Place(STOPPED), probe)[0] == ocf.OCF_NOT_RUNNING
