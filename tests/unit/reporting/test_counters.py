# SPDX-License-Identifier: Apache-2.0
"""What the engine counts and times, by its events."""

import json
import logging

import pytest

from nova_ha.reporting.counters import BOUNDS, Counters
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account


def recovered(seconds):
    """An account of a host from which an instance arrives elsewhere, after so many seconds."""
    now = [1000.0]
    account = Account(logging.getLogger("test"), lambda: now[0])
    account.event(Event.HOST_CLAIMED, "compute-1")
    now[0] += seconds
    account.event(Event.INSTANCE_EVACUATED, "compute-1", "i1")
    account.event(Event.HOST_RECOVERED, "compute-1")
    now[0] += 100
    account.event(Event.HOST_IN_SERVICE, "compute-1")
    return account.as_dict()["counters"]


def test_events_are_counted_and_what_they_end_is_timed():
    found = recovered(42)
    assert found["events"] == dict.fromkeys(
        ["host_claimed", "instance_evacuated", "host_recovered", "host_in_service"], 1
    )
    sums = {name: histogram["sum"] for name, histogram in found["timed"].items()}
    assert sums == {"instance_outage": 42, "recovery": 42, "return_to_service": 142}


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (5, 0), (5.1, 1), (42, 4), (BOUNDS[-1], -2), (BOUNDS[-1] + 1, -1), (-3, 0)]
)
def test_what_took_as_long_as_a_bound_is_below_it(seconds, bucket):
    counts = recovered(seconds)["timed"]["instance_outage"]["counts"]
    assert len(counts) == len(BOUNDS) + 1
    assert sum(counts) == counts[bucket] == 1


def test_a_host_that_another_engine_took_up_is_counted_and_not_timed():
    account = Account(logging.getLogger("test"))
    account.event(Event.HOST_RECOVERED, "compute-1")
    found = account.as_dict()["counters"]
    assert (found["events"], sum(found["timed"]["recovery"]["counts"])) == ({"host_recovered": 1}, 0)


def test_the_next_engine_on_the_node_goes_on():
    former = json.loads(json.dumps(recovered(42)))
    assert Counters.from_dict(former).as_dict() == former


@pytest.mark.parametrize(
    "former",
    [
        None,
        [],
        {"events": 7, "timed": 8},
        {"events": {"nonsense": 1}, "timed": {"recovery": {"counts": [1], "sum": 2}}},
        {"timed": {"recovery": {"counts": [0] * 11, "sum": "x"}}},
    ],
)
def test_what_another_version_left_is_not_guessed_at(former):
    assert Counters.from_dict(former).as_dict() == Counters().as_dict()
