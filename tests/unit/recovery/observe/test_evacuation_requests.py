# SPDX-License-Identifier: Apache-2.0
"""What was asked for instances, read where their records do not tell."""

import pytest

from nova_ha.cloud.nova import Busy, Misconfigured, Refused, Unreachable
from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SCHEDULING, SENT, Requests
from nova_ha.recovery.observe.evacuation_requests import REQUESTS_AGE
from tests.unit.recovery.observe.watch import Watch
from tests.unit.worlds import instance, request


def requested(watch, *instances, after=0.0):
    """Which requests are known of some instances, read anew after a while."""
    watch.cloud.on["compute-1"] = [instance(1), instance(2)]
    world = watch.look(after)
    watch.cloud.asked.clear()
    return watch.observer.with_requests(world, instances)


def test_requests_are_read_of_those_of_which_they_matter_and_not_at_each_look():
    watch = Watch()
    watch.cloud.requests["i1"] = Requests((request(1),))
    found = requested(watch, "i1")
    assert found.hosts[0].requests == {"i1": Requests((request(1),), read_at=1000.0)}
    assert watch.cloud.asked == [("evacuation_requests", "i1")]
    assert requested(watch, "i1", after=9.9).hosts[0].requests["i1"].read_at == 1000.0
    assert watch.cloud.asked == []
    assert requested(watch, "i1", "i2", after=0.1).hosts[0].requests["i1"].read_at == 1010.0
    assert watch.cloud.asked == [("evacuation_requests", "i1"), ("evacuation_requests", "i2")]
    assert REQUESTS_AGE == 10


def test_what_was_known_of_requests_is_forgotten_once_it_does_not_matter():
    watch = Watch()
    requested(watch, "i1")
    assert requested(watch, after=1).hosts[0].requests == {}
    requested(watch, "i1", after=1)
    assert watch.cloud.asked == [("evacuation_requests", "i1")]


@pytest.mark.parametrize("stage", [QUEUED, SCHEDULING, SENT, RUNNING, OVER])
def test_claims_are_read_where_a_request_is_at_the_scheduler_or_was_sent_on(stage):
    watch = Watch()
    watch.cloud.requests["i1"], watch.cloud.claimed = Requests((request(1, stage),)), frozenset({"compute-2"})
    found = requested(watch, "i1")
    is_claimed = stage in (SCHEDULING, SENT)
    assert found.hosts[0].requests["i1"].claims == (frozenset({"compute-2"}) if is_claimed else None)
    assert watch.cloud.asked[1:] == [("claims", "i1")] * is_claimed


@pytest.mark.parametrize("error", [Unreachable("away"), Refused("no", 403), Misconfigured("no placement")])
def test_while_placement_tells_nothing_claims_are_not_known(error):
    watch = Watch()
    watch.cloud.requests["i1"], watch.cloud.claimed = Requests((request(1, SENT),)), error
    known = requested(watch, "i1").hosts[0].requests["i1"]
    assert known.claims is None and known.all == (request(1, SENT),)


@pytest.mark.parametrize("error", [Unreachable("its cell is away"), Refused("deleted", 404), Busy("busy")])
def test_what_cannot_be_read_of_one_instance_holds_up_no_other(error):
    """Nor is what was read of it before taken for true any more."""
    watch = Watch()
    watch.cloud.requests = {"i1": Requests((request(1),)), "i2": Requests((request(2),))}
    requested(watch, "i1", "i2")
    watch.cloud.requests["i1"] = error
    found = requested(watch, "i1", "i2", after=REQUESTS_AGE)
    assert found.hosts[0].requests == {"i2": Requests((request(2),), read_at=1010.0)}


def test_a_user_who_may_not_read_them_is_an_operators_matter():
    watch = Watch()
    watch.cloud.requests["i1"] = Misconfigured("the user needs Nova's admin role")
    with pytest.raises(Misconfigured):
        requested(watch, "i1")
