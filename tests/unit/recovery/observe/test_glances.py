# SPDX-License-Identifier: Apache-2.0
"""Glances: a cheap look that shows whether a whole one is worth while."""

import pytest

from nova_ha.cloud.nova import Unreachable
from nova_ha.recovery.observe.evacuees import ABSENCE
from nova_ha.recovery.observe.observer import GLANCE_AGE
from tests.unit.recovery.observe.watch import BOTH, Watch, away, two_cells
from tests.unit.worlds import OURS, instance, living, record


def following():
    """An observer that has looked at a host with instances on their way."""
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(1), instance(2)]
    watch.cloud.records = [record(1, "accepted"), record(2, "accepted", instance="i2")]
    watch.look()
    return watch


def test_a_glance_costs_one_request_a_host():
    watch = following()
    seen = watch.glance(1.0)
    assert watch.cloud.asked == [("migrations", "compute-1")]
    assert seen.hosts[0].instances == (instance(1), instance(2))


@pytest.mark.parametrize(
    ("status", "stays"),
    [("accepted", True), ("pre-migrating", True), ("failed", True), ("error", True), ("done", False)],
)
def test_a_glance_shows_what_records_say(status, stays):
    watch = following()
    watch.cloud.records[0] = record(1, status)
    (host,) = watch.glance(1.0).hosts
    assert host.evacuations[0].status == status
    assert (instance(1) in host.instances) is stays and instance(2) in host.instances


@pytest.mark.parametrize(
    "change",
    [
        lambda watch: setattr(watch, "now", watch.now + GLANCE_AGE + 0.1),
        lambda watch: watch.cloud.on.clear() or watch.look(),
        lambda watch: watch.cloud.known.update({"compute-2": living("compute-2", up=False)}) or watch.look(),
        lambda watch: (
            setattr(watch.cloud, "tagged", (instance(noted="stopped"),))
            or watch.cloud.on.update({"compute-1": [instance(noted="stopped")]})
            or watch.look()
        ),
    ],
)
def test_a_glance_is_not_enough(change):
    watch = following()
    change(watch)
    assert watch.glance() is None


@pytest.mark.parametrize(
    "flags",
    [{"compute-1": "yes"}, {"compute-1": "no"}, {"compute-1": "restart"}, {"compute-1": OURS, "compute-2": "yes"}, {}],
)
def test_a_glance_is_not_enough_when_a_flag_has_changed(flags):
    watch = following()
    watch.now += 1
    assert watch.observer.glance(flags) is None


@pytest.mark.parametrize("value", ["no", "restart"])
def test_a_glance_is_not_enough_for_a_host_that_returns(value):
    watch = following()
    flags = {"compute-1": OURS, "compute-2": value}
    watch.look(flags=flags)
    assert watch.glance(flags=flags) is None


def test_a_glance_is_not_enough_while_a_cell_is_away():
    watch = two_cells()
    away(watch, "compute-3")
    watch.look(flags=BOTH)
    assert watch.glance(1.0, flags=BOTH) is None


def test_a_glance_that_fails_leads_to_a_look():
    watch = following()

    def away(host):
        raise Unreachable("its cell does not answer")

    watch.cloud.migrations = away
    assert watch.glance(1.0) is None


def test_there_is_no_glance_before_the_first_look():
    assert Watch().glance() is None


def test_with_the_last_flag_what_was_seen_is_forgotten():
    watch = Watch()
    watch.cloud.records = [record(1, "accepted")]
    watch.look()
    assert watch.host(ABSENCE).whereabouts == {"i1": None}
    watch.observer.forget()
    assert watch.host(1.0).whereabouts == {}
    assert watch.host(ABSENCE).whereabouts == {"i1": None} and ("instance", "i1") in watch.cloud.asked
