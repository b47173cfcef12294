# SPDX-License-Identifier: Apache-2.0
"""Which evacuations are known to be cut off, from what Pacemaker says of nova-compute's starts."""

import pytest

from nova_ha.model.snapshot import FOUND_RUNNING
from nova_ha.recovery.memory.compute_restarts import Restarts
from nova_ha.recovery.memory.timing import RESTARTS_LATER, RESTARTS_SOON
from tests.unit.worlds import NOW, host, instance, record, world

BEGUN = record(7, "pre-migrating")
OTHER = record(8, "pre-migrating", instance="i2")


def seen(*records, **more):
    """The world with a dead host on which instances are left, and these records of their evacuations."""
    return world(host(instances=[instance(1), instance(2)], evacuations=records), **more)


def read(restarts, start, now):
    """The starts are read: that of compute-2, or none."""
    restarts.learn({"compute-2": start} if start else {}, now)


def told(*moments):
    """After these (seconds, records seen, start read): None if it was not read, "" if there was none."""
    restarts = Restarts()
    for seconds, records, start in moments:
        restarts.observe(seen(*records), NOW + seconds)
        if start is not None:
            read(restarts, start, NOW + seconds)
    return restarts


# When the starts are read


@pytest.mark.parametrize(
    "records",
    [
        [],
        [record(7, "accepted")],
        [record(7, "accepted", destination=None)],
        [record(7, "pre-migrating", destination=None)],
        [record(7, "done")],
        [record(7, "failed")],
        [record(7, "pre-migrating", instance="i9")],  # it is not on the dead host any more
    ],
)
@pytest.mark.parametrize("after", [0, RESTARTS_LATER])
def test_they_are_not_read_while_no_evacuation_has_begun(records, after):
    restarts = told((0, records, None))
    assert restarts.asks_for(NOW + after) == set()


def test_they_are_not_read_of_a_destination_that_is_dead():
    restarts = Restarts()
    restarts.observe(seen(BEGUN, record(8, "pre-migrating", "i2", "compute-3"), dead={"compute-1", "compute-2"}), NOW)
    assert restarts.asks_for(NOW) == {"compute-3"}


def test_they_are_read_at_once_when_an_evacuation_begins():
    assert told((0, [BEGUN], None)).asks_for(NOW) == {"compute-2"}


@pytest.mark.parametrize("start", ["a", ""])
@pytest.mark.parametrize(("after", "again"), [(0, False), (RESTARTS_LATER - 1, False), (RESTARTS_LATER, True)])
def test_they_are_read_again_only_while_it_goes_on_for_long(start, after, again):
    assert told((0, [BEGUN], start)).asks_for(NOW + after) == ({"compute-2"} if again else set())


def test_many_that_begin_do_not_have_them_read_all_the_time():
    restarts = told((0, [BEGUN], "a"), (1, [BEGUN, OTHER], None))
    assert restarts.asks_for(NOW + RESTARTS_SOON - 0.1) == set()
    assert restarts.asks_for(NOW + RESTARTS_SOON) == {"compute-2"}
    read(restarts, "a", NOW + RESTARTS_SOON)
    assert restarts.asks_for(NOW + 2 * RESTARTS_SOON) == set()


def test_they_are_not_read_for_what_is_known_to_be_cut_off():
    restarts = told((0, [BEGUN], "a"), (RESTARTS_LATER, [BEGUN], "b"))
    assert restarts.asks_for(NOW + 2 * RESTARTS_LATER) == set()


# What follows from them


@pytest.mark.parametrize(
    ("starts", "cut_off"),
    [
        (["a"], False),
        (["a", "a"], False),
        (["a", "b"], True),
        (["a", "", "b"], True),
        (["a", "b", "b"], True),
        (["a", "b", "a"], True),
        # There was no start when it was seen begun: nova-compute was just being started, or was started otherwise.
        (["", "a"], False),
        (["", "a", "a"], False),
        (["", "a", "b"], True),
        (["a", ""], False),
        (["a", "", "a"], False),
        ([""], False),
        # The cluster forgot the start, and found it running.
        (["a", FOUND_RUNNING], False),
        (["a", FOUND_RUNNING, "a"], False),
        (["a", FOUND_RUNNING, "b"], True),
        ([FOUND_RUNNING, FOUND_RUNNING], False),
        ([FOUND_RUNNING, "a"], True),
    ],
)
def test_it_is_cut_off_by_another_start_than_the_first(starts, cut_off):
    restarts = told(*((10 * number, [BEGUN], start) for number, start in enumerate(starts)))
    assert (restarts.cut_off_for(BEGUN, NOW + 100) > 0) is cut_off


@pytest.mark.parametrize(("starts", "still"), [([""], False), (["a"], True), (["a", "a"], True), (["a", "b"], False)])
def test_whether_what_has_begun_with_it_still_runs(starts, still):
    restarts = told(*((10 * number, [BEGUN], start) for number, start in enumerate(starts)))
    assert restarts.still_runs(BEGUN) is still


def test_since_when_it_is_known_to_be_cut_off():
    restarts = told((0, [BEGUN], "a"), (30, [BEGUN], "b"), (60, [BEGUN], "c"))
    assert restarts.cut_off_for(BEGUN, NOW + 30) == 0
    assert restarts.cut_off_for(BEGUN, NOW + 100) == 70


def test_what_began_after_nova_compute_was_started_anew_goes_on():
    restarts = told((0, [BEGUN], "a"), (30, [BEGUN, OTHER], "b"), (60, [BEGUN, OTHER], "b"))
    assert restarts.cut_off_for(BEGUN, NOW + 60) == 30
    assert restarts.cut_off_for(OTHER, NOW + 60) == 0


def test_a_start_that_was_read_before_it_had_begun_tells_nothing():
    waiting = record(7, "accepted")
    restarts = told((0, [waiting, OTHER], "a"), (10, [BEGUN, OTHER], None), (30, [BEGUN, OTHER], "b"))
    assert restarts.cut_off_for(OTHER, NOW + 40) == 10
    assert restarts.cut_off_for(BEGUN, NOW + 40) == 0


@pytest.mark.parametrize(
    "meanwhile",
    [record(7, "done"), record(7, "post-migrating"), record(7, "pre-migrating", destination="compute-3")],
)
def test_what_has_moved_is_not_cut_off(meanwhile):
    restarts = told((0, [BEGUN], "a"), (30, [BEGUN], "b"), (40, [meanwhile], None), (50, [BEGUN], None))
    assert restarts.cut_off_for(meanwhile, NOW + 60) == 0
    assert restarts.cut_off_for(BEGUN, NOW + 60) == 0


def test_another_host_that_was_started_anew_is_none_of_its_business():
    restarts = told((0, [BEGUN], "a"))
    restarts.learn({"compute-2": "a", "compute-3": "z"}, NOW + 30)
    assert restarts.cut_off_for(BEGUN, NOW + 60) == 0
