# SPDX-License-Identifier: Apache-2.0
"""Which reserved host takes a lost one's place."""

import pytest

from nova_ha.policy import reserved_hosts
from tests.unit.worlds import living, service, spare


@pytest.mark.parametrize(
    ("found", "reserved"),
    [
        (spare(), True),
        (spare(reason="nova-ha: reserved for rack 7"), True),
        (spare(up=False), True),  # but not chosen
        (spare(reason="reserved"), False),
        (spare(reason=None), False),
        (spare(reason="bad RAM; nova-ha: reserved"), False),
        (living(), False),
        (living(reason="nova-ha: reserved"), False),  # enabled, it is no reserve any more
        (service(reason="nova-ha: being recovered; was disabled: nova-ha: reserved"), False),
    ],
)
def test_what_is_a_reserved_host(found, reserved):
    assert reserved_hosts.is_reserved(found) is reserved


A, B, C = (spare(f"spare-{letter}") for letter in "abc")
ELSEWHERE = spare("spare-e", zone="az2")


def choose(spares, aggregates=None, taken=(), lost=None):
    services = {found.host: found for found in [living("compute-2"), *spares]}
    aggregates = {name: frozenset(members) for name, members in (aggregates or {}).items()}
    return reserved_hosts.choose(lost or living("compute-1", up=False), services, aggregates, frozenset(taken))


@pytest.mark.parametrize(
    ("spares", "aggregates", "taken", "chosen"),
    [
        ([], {}, [], None),
        ([A], {}, [], "spare-a"),
        ([C, B, A], {}, [], "spare-a"),
        ([A, B], {}, ["spare-a"], "spare-b"),
        ([A], {}, ["spare-a"], None),
        ([A, B], {"rack": {"compute-1", "spare-b"}}, [], "spare-b"),
        ([A, B], {"rack": {"compute-1", "spare-b"}}, ["spare-b"], "spare-a"),
        ([A, B], {"rack": {"compute-2", "spare-b"}}, [], "spare-a"),
        ([A, B], {"rack": {"compute-1"}, "row": {"compute-1", "spare-b"}}, [], "spare-b"),
        ([ELSEWHERE], {}, [], None),
        ([ELSEWHERE, B], {}, [], "spare-b"),
        ([ELSEWHERE], {"rack": {"compute-1", "spare-e"}}, [], "spare-e"),
        ([ELSEWHERE, B], {"rack": {"compute-1", "spare-e"}}, [], "spare-e"),
        ([spare("spare-a", up=False), B], {}, [], "spare-b"),
        ([spare("spare-a", up=False)], {"rack": {"compute-1", "spare-a"}}, [], None),
        ([spare("spare-a", reason="bad RAM")], {}, [], None),
    ],
)
def test_a_common_aggregate_goes_before_the_zone(spares, aggregates, taken, chosen):
    assert choose(spares, aggregates, taken) == chosen


@pytest.mark.parametrize(("zone", "chosen"), [("az2", "spare-e"), ("nova", None), ("az3", None)])
def test_the_zone_is_that_of_the_lost_host(zone, chosen):
    assert choose([ELSEWHERE], lost=living("compute-1", zone=zone)) == chosen


def test_none_of_the_taken_may_be_unknown():
    assert choose([A], taken=[None]) == "spare-a"
