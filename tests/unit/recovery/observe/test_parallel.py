# SPDX-License-Identifier: Apache-2.0
"""Several hosts are read side by side, and nothing of it is left under way."""

import threading

import pytest

from nova_ha.recovery.observe.parallel import AT_ONCE, Readers

LIMIT = 10


@pytest.fixture
def readers():
    made = Readers()
    yield made
    made.stop()


@pytest.mark.parametrize("count", [0, 1, 2, 5 * AT_ONCE])
def test_answers_come_in_the_order_of_what_was_asked(readers, count):
    assert readers.each(lambda number: number * 2, iter(range(count))) == [number * 2 for number in range(count)]


def test_as_many_as_may_be_are_under_way_at_once(readers):
    meeting = threading.Barrier(AT_ONCE)
    # Each waits for all others: one after the other, they would wait for ever.
    assert len(readers.each(lambda _: meeting.wait(LIMIT), range(AT_ONCE))) == AT_ONCE


def test_a_failure_is_told_once_nothing_is_under_way_any_more(readers):
    failed, ended = threading.Event(), []

    def read(number):
        if number == 0:
            failed.set()
            raise ConnectionError("away")
        assert failed.wait(LIMIT)
        ended.append(number)

    with pytest.raises(ConnectionError, match="away"):
        readers.each(read, range(AT_ONCE))
    assert sorted(ended) == list(range(1, AT_ONCE))


def test_once_stopped_nothing_begins(readers):
    readers.stop()
    with pytest.raises(RuntimeError):
        readers.each(print, range(2))
