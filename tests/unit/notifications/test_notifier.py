# SPDX-License-Identifier: Apache-2.0
"""From the engine's report to the receiver: in threads, as in the engine; and what an engine elsewhere knows of it."""

import threading
import time

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.notifications import notifier as notifiers
from nova_ha.notifications.notifier import Notifier
from tests.unit.cli.scenes import account, doing
from tests.unit.notifications.inbox import EVERY, Clock, courier, outbox
from tests.unit.waiting import until

CLAIM = "control-1@1000"


class Receiver:
    """Keeps what it takes; holds whoever sends while it is closed."""

    id = name = "webhook-plain-1"
    most = 100

    def __init__(self):
        self.taken = []
        self.open = threading.Event()
        self.open.set()

    def send(self, message):
        self.open.wait(30)
        self.taken += [f"{each.status} {each.key}" for each in message.notifications]


class Board:
    """The control nodes' memory."""

    def __init__(self):
        self.text = None
        self.away = False

    def set_on_all(self, text):
        if self.away:
            raise ClusterError("attrd does not answer")
        self.text = text

    def read(self):
        if self.away:
            raise ClusterError("attrd does not answer")
        return {"control-1": self.text} if self.text else {}


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(notifiers, "INTERVAL", 0.01)
    monkeypatch.setattr(notifiers, "LEAVE_EVERY", 0.02)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def engines(tmp_path, receiver, board):
    """Starts an engine's notifier on a node."""
    started = []

    def start(node="control-1", after=None, clock=time.monotonic):
        def make():
            return [courier(receiver, outbox(tmp_path / node, EVERY))]

        one = Notifier(make, board, 60_000, clock)
        started.append(one)
        one.start(after)
        return one

    yield start
    receiver.open.set()
    for one in started:
        one.stop()
        for thread in one._threads:
            thread.join(10)


def report(hosts=(), state="working", **more):
    return {"state": state, "reason": "r", "hosts": dict(hosts), **more}


DEAD = report({"compute-1": account(CLAIM)})
RECOVERED = report({"compute-1": account("no", back=3)})
STUCK = report({"compute-1": account(CLAIM, [doing(1, needs_operator=True, code="stuck")])})


def test_a_recovery_is_told_from_beginning_to_end(engines, receiver):
    one = engines()
    for each in (report(), DEAD, RECOVERED, report()):
        one.tell(each, {})
        until(lambda newest=each: one._newest[0] is newest and not one._changed.is_set())
        time.sleep(0.03)
    until(lambda: len(receiver.taken) == 4)
    assert set(receiver.taken[:2]) == {"firing host_down/compute-1/", "firing recovery/compute-1/"}
    assert receiver.taken[2:] == ["resolved recovery/compute-1/", "resolved host_down/compute-1/"]


def test_the_engine_waits_for_nothing(engines, receiver, board):
    board.away = True
    receiver.open.clear()
    one = engines()
    begun = time.monotonic()
    for _ in range(1000):
        one.tell(DEAD, {})
    assert time.monotonic() - begun < 1


def test_what_comes_and_goes_is_over_only_after_a_while(engines, receiver):
    clock = Clock()
    one = engines(clock=clock)
    one.tell(STUCK, {})
    until(lambda: len(receiver.taken) == 3)
    one.tell(DEAD, {})
    until(lambda: one._missing)
    clock.now += notifiers.SETTLED / 2
    one.tell(STUCK, {})
    until(lambda: not one._missing)
    one.tell(DEAD, {})
    until(lambda: one._missing)
    clock.now += notifiers.SETTLED - 1
    time.sleep(0.1)
    assert len(receiver.taken) == 3
    clock.now += 1
    until(lambda: receiver.taken[3:] == ["resolved needs_operator/compute-1/stuck"])


def test_nothing_is_over_by_a_report_that_does_not_know(engines, receiver):
    one = engines()
    one.tell(STUCK, {})
    until(lambda: len(receiver.taken) == 3)
    for state in ("starting", "asking", "waiting"):
        one.tell(report(state=state), {})
        time.sleep(0.05)
    assert len(receiver.taken) == 3


def test_an_engine_elsewhere_goes_on_with_what_was_told(engines, receiver, board):
    one = engines("control-1")
    one.tell(DEAD, {})
    until(lambda: len(receiver.taken) == 2 and board.text is not None and one._left == one._versions())
    one.stop()  # its node is dead
    other = engines("control-2")
    other.tell(DEAD, {})
    until(lambda: other._learned.is_set() and not other._changed.is_set())
    time.sleep(0.05)
    assert len(receiver.taken) == 2
    other.tell(report(), {})
    until(lambda: len(receiver.taken) == 4)
    assert set(receiver.taken[2:]) == {"resolved recovery/compute-1/", "resolved host_down/compute-1/"}


def test_nodes_that_have_forgotten_what_was_told_learn_it_again(engines, receiver, board):
    one = engines("control-1")
    one.tell(DEAD, {})
    until(lambda: len(receiver.taken) == 2 and board.text)
    one.stop()
    board.text = None  # the whole cluster was restarted
    engines("control-1")
    until(lambda: board.text)


def test_what_a_dead_node_had_not_got_rid_of_is_told_by_the_next(engines, receiver):
    receiver.open.clear()
    one = engines("control-1")
    one.tell(DEAD, {})
    until(lambda: one._couriers and one._couriers[0].outbox.next(1))
    other = engines("control-2")
    other.tell(DEAD, {})
    until(lambda: other._couriers and other._couriers[0].outbox.next(1))


def test_a_board_that_does_not_answer_is_not_waited_for_for_ever(engines, receiver, board, monkeypatch, caplog):
    monkeypatch.setattr(notifiers, "BOARD_PATIENCE", 0.1)
    board.away = True
    one = engines()
    one.tell(DEAD, {})
    until(lambda: len(receiver.taken) == 2)
    assert len([record for record in caplog.records if "told twice" in record.getMessage()]) == 1
    board.away = False
    until(lambda: board.text is not None)


def test_another_configuration_tells_nothing_twice_and_loses_nothing(engines, receiver):
    receiver.open.clear()
    one = engines()
    one.tell(DEAD, {})
    until(lambda: one._couriers and one._couriers[0].outbox.next(1))
    one.stop()
    second = engines(after=one)
    second.tell(DEAD, {})
    time.sleep(0.1)
    assert not second._couriers, "what the first has in hand is its own"
    receiver.open.set()
    until(lambda: second._learned.is_set() and not second._changed.is_set())
    time.sleep(0.1)
    assert sorted(receiver.taken) == ["firing host_down/compute-1/", "firing recovery/compute-1/"]


def test_the_last_words_of_an_engine_that_gives_up(engines, receiver, board):
    one = engines()
    one.tell(report(state="misconfigured"), {})
    one.give_up()
    assert receiver.taken == ["firing degraded//misconfigured"]
    assert board.text is not None


def test_last_words_are_said_though_the_cluster_is_away(engines, receiver, board):
    board.away = True
    one = engines()
    one.tell(report(state="not_installed"), {})
    one.give_up()
    assert receiver.taken == ["firing degraded//not_installed"]


def test_last_words_do_not_take_for_ever(engines, receiver, monkeypatch):
    monkeypatch.setattr(notifiers, "LAST_WORDS", 0.2)
    receiver.open.clear()
    one = engines()
    one.tell(report(state="misconfigured"), {})
    begun = time.monotonic()
    one.give_up()
    assert 0.1 < time.monotonic() - begun < 5
    assert one._couriers[0].outbox.next(1)


def test_a_report_that_cannot_be_understood_ends_nothing(engines, receiver, caplog):
    one = engines()
    one.tell({"state": "working", "reason": "r", "hosts": {"compute-1": {}}}, {})
    until(lambda: caplog.records)
    one.tell(DEAD, {})
    until(lambda: len(receiver.taken) == 2)


def test_a_mass_failure_is_left_with_the_others_however_long_it_is(engines, receiver, board, tmp_path):
    one = Notifier(lambda: [courier(receiver, outbox(tmp_path / "n", EVERY))], board, 700)
    one.start()
    one.tell(report({f"compute-{number}.example.org": account(CLAIM) for number in range(300)}), {})
    until(lambda: len(receiver.taken) == 600)
    one.tell(report(), {})
    until(lambda: len(receiver.taken) == 1200 and one._left == one._versions())
    one.stop()
    assert board.text is not None and len(board.text) <= 700


def test_what_was_taken_is_left_with_the_others_only_so_often(engines, receiver, board, monkeypatch):
    monkeypatch.setattr(notifiers, "LEAVE_EVERY", 5.0)
    clock = Clock()
    one = engines(clock=clock)
    one.tell(DEAD, {})
    until(lambda: board.text)
    first = board.text
    one.tell(report(), {})
    until(lambda: len(receiver.taken) == 4 and not one._changed.is_set())
    time.sleep(0.05)
    assert board.text == first
    clock.now += 5.0
    one.tell(report(), {})
    until(lambda: board.text != first)


def test_without_receivers_nothing_runs_on(board):
    one = Notifier(lambda: [], board, 60_000)
    one.start()
    one.tell(DEAD, {})
    for thread in one._threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in one._threads)
    one.give_up()
    assert one.trouble() is None
