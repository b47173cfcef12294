# SPDX-License-Identifier: Apache-2.0
"""What is published of the engine's account, and when: in a thread of its own, as it is in the engine."""

import threading

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.recovery.publisher import Publisher
from nova_ha.reporting.published import unpacked
from tests.unit.waiting import until


class Board:
    """Takes what is published, or not; holds whoever publishes while it is closed."""

    def __init__(self):
        self.reasons = []
        self.refuses = 0
        self.error = None
        self.open = threading.Event()
        self.open.set()

    def set(self, word):
        self.open.wait(30)
        if self.refuses:
            self.refuses -= 1
            raise self.error
        self.reasons.append(unpacked(word)["reason"])


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def tell(board):
    publisher = Publisher(board, interval=0.01)
    publisher.start()
    return lambda reason, **more: publisher.tell({"state": "working", "reason": reason, **more}, None)


def test_only_changes_are_published(board, tell):
    tell("a", time=1.0)
    until(lambda: board.reasons == ["a"])
    tell("a", time=2.0)
    tell("b", time=3.0)
    until(lambda: board.reasons[-1] == "b")
    assert board.reasons == ["a", "b"]


def test_the_engine_does_not_wait_and_the_newest_is_published(board, tell):
    board.open.clear()
    for reason in "abcdef":
        tell(reason)
    board.open.set()
    until(lambda: board.reasons[-1:] == ["f"])
    assert len(board.reasons) <= 2


@pytest.mark.parametrize("error", [ClusterError("Connection to cluster failed"), OSError(12, "Cannot allocate memory")])
def test_what_could_not_be_published_is_tried_again_and_told_once(board, tell, caplog, error):
    board.refuses, board.error = 3, error
    tell("a")
    until(lambda: board.reasons == ["a"])
    assert len([record for record in caplog.records if str(error) in record.message]) == 1
