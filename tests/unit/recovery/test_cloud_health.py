# SPDX-License-Identifier: Apache-2.0
"""What is said of a cloud that is away or refuses us, and when it is looked at again."""

import logging

import pytest

from nova_ha.cloud.nova import Misconfigured, Unreachable, WrongAddress
from nova_ha.cluster.pacemaker import ClusterError
from nova_ha.recovery.cloud_health import CHECK, COMPLAIN_AFTER, CloudHealth
from tests.unit.doubles import FakeCloud
from tests.unit.simulation.process import State


class Watched:
    """The health of a fake cloud, and its clock."""

    def __init__(self):
        self.now, self.state = 1000.0, State()
        self.health = CloudHealth(FakeCloud(), self.state, lambda: self.now)

    def is_away(self, error, after=0.0):
        self.now += after
        self.health.fails(error)
        return self.state.complaints.get("cloud")


def test_it_is_looked_at_until_it_has_taken_us_and_then_now_and_then():
    watched = Watched()
    assert watched.health.is_due() and not watched.health.is_connected
    watched.health.looked()
    assert watched.health.is_connected and not watched.health.is_due()
    watched.now += CHECK
    assert watched.health.is_due()


@pytest.mark.parametrize("refuses", [Misconfigured("401"), WrongAddress("no such host")])
def test_monitors_tell_of_a_cloud_that_goes_on_refusing_us_until_it_does_not(refuses):
    watched = Watched()
    assert watched.is_away(refuses) is None
    assert watched.is_away(refuses, COMPLAIN_AFTER - 1) is None
    assert watched.is_away(refuses, 1) == f"cloud_refuses: recoveries wait: {refuses}"
    watched.health.answers()
    assert watched.state.complaints["cloud"] is None
    assert watched.is_away(refuses) is None


@pytest.mark.parametrize("away", [Unreachable("no answer"), ClusterError("crm_mon did not answer")])
def test_monitors_do_not_tell_of_what_passes_by_itself(away):
    watched = Watched()
    watched.is_away(Misconfigured("401"))
    assert watched.is_away(away, COMPLAIN_AFTER) is None


def test_the_same_trouble_is_logged_once_whatever_its_request_id_and_its_end_too(caplog):
    caplog.set_level(logging.INFO, "nova-ha")
    watched = Watched()
    for number in (1, 2):
        watched.is_away(Unreachable(f"503 (request req-{number})"))
    watched.is_away(Unreachable("504"))
    watched.health.answers()
    watched.health.answers()
    assert [record.getMessage() for record in caplog.records] == [
        "waiting: 503 (request req-1)",
        "waiting: 504",
        "working again",
    ]
