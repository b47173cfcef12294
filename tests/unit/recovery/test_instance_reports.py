# SPDX-License-Identifier: Apache-2.0
"""What hosts tell of their failed instances, read in a thread of its own."""

import threading

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.recovery.instance_reports import InstanceReports
from tests.unit.waiting import until


class Board:
    """Has what hosts tell; counts how often it is read."""

    def __init__(self):
        self.told = {}
        self.error = None
        self.reads = 0

    def read(self):
        self.reads += 1
        if self.error is not None:
            raise self.error
        return dict(self.told)


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def woken():
    return threading.Semaphore(0)


@pytest.fixture
def reports(board, woken):
    return InstanceReports(board, woken.release, interval=0.01)


def test_a_change_wakes_the_engine_once(board, woken, reports):
    reports.want(True)
    reports.start()
    until(lambda: board.reads > 2)
    assert not woken.acquire(blocking=False)
    board.told = {"compute-1": "1;x"}
    assert woken.acquire(timeout=30)
    assert reports.newest() == {"compute-1": "1;x"}
    before = board.reads
    until(lambda: board.reads > before + 2)
    assert not woken.acquire(blocking=False)


def test_nothing_is_read_that_is_not_wanted(board, woken, reports):
    board.told = {"compute-1": "1;x"}
    reports.want(True)
    reports.look()
    reports.want(False)
    reports.look()
    assert (reports.newest(), woken.acquire(blocking=False)) == ({}, True)
    reports.start()
    assert board.reads == 2


def test_what_was_told_holds_while_the_cluster_is_away(board, woken, reports, caplog):
    board.told = {"compute-1": "1;x"}
    reports.want(True)
    reports.look()
    board.error = ClusterError("attrd_updater did not answer within 20 s")
    reports.look()
    reports.look()
    assert reports.newest() == board.told
    assert caplog.text.count("did not answer") == 1
