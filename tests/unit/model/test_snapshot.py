# SPDX-License-Identifier: Apache-2.0
"""What follows of a host from its flag, its service and its reports."""

import dataclasses

import pytest

from tests.unit.worlds import AMBIGUOUS, host, living, world


@pytest.mark.parametrize(
    ("one", "back"),
    [
        (host("no"), False),
        (host("no", reported_for=0.0), True),
        (host("no", service_=living("compute-1")), True),
        (host("no", service_=living("compute-1", up=False)), False),
        (host("no", problem=AMBIGUOUS), False),
        (host("restart", reported_for=9.0), False),
        (host("restart", service_=living("compute-1")), False),
        (host(), False),
        (host("yes"), False),
        (dataclasses.replace(host("no"), service=None), False),
    ],
)
def test_which_hosts_are_back(one, back):
    assert one.is_back is back


@pytest.mark.parametrize(
    ("one", "may"),
    [
        (host("no"), True),
        (host("no", service_=living("compute-1", up=False)), True),
        (host("restart", reported_for=9.0), True),
        (host("restart", service_=living("compute-1")), True),
        (host("no", reported_for=0.0), False),
        (host("no", service_=living("compute-1")), False),
        (host(), False),  # it is dead: what is queued there is another matter
        (host("yes"), False),
        (dataclasses.replace(host("no"), service=None), False),
    ],
)
def test_which_hosts_may_take_up_old_requests_when_they_start(one, may):
    assert one.may_have_queued_requests is may


@pytest.mark.parametrize(("value", "dead"), [("yes", True), ("go", True), ("no", False), ("restart", False)])
def test_which_hosts_are_dead_by_their_flags(value, dead):
    assert host(value).is_dead is dead


@pytest.mark.parametrize(("hosts", "back"), [([], True), ([host("no")], False), ([host("no", reported_for=0.0)], True)])
def test_when_no_flagged_host_is_missing(hosts, back):
    assert world(*hosts).all_back is back


def test_what_is_known_of_a_host_is_not_kept_for_one_that_is_made_of_it():
    one = host("no")
    assert not one.is_back
    assert dataclasses.replace(one, reported_for=1.0).is_back
