# SPDX-License-Identifier: Apache-2.0
"""Hosts of a cell whose database is away."""

import dataclasses

from nova_ha.model.reasons import Code
from tests.unit.recovery.observe.watch import BOTH, Watch, away, two_cells
from tests.unit.worlds import OURS, instance, service


def test_a_cell_that_is_away_is_a_problem_of_its_own_hosts():
    watch = two_cells()
    away(watch, "compute-3", "compute-4")
    first, second = watch.look(1.0, flags=BOTH).hosts
    assert first.problem is None and first.instances
    assert second.problem.code == Code.CELL_AWAY and second.unread_for == 0
    assert ("instances", "compute-3") not in watch.cloud.asked and ("migrations", "compute-3") not in watch.cloud.asked
    assert watch.look(7.0, flags=BOTH).hosts[1].unread_for == 7
    watch.cloud.known, watch.cloud.away = {"compute-3": service("compute-3"), "compute-1": service()}, ()
    assert watch.look(1.0, flags=BOTH).hosts[1].problem is None
    away(watch, "compute-3")
    assert watch.look(1.0, flags=BOTH).hosts[1].unread_for == 0


def test_what_is_known_of_a_host_is_kept_while_its_cell_is_away():
    """The engine forgets what it has asked for instances that it does not see any more."""
    watch = two_cells()
    known = watch.look(flags=BOTH).hosts[1]
    away(watch, "compute-3")
    for _ in range(2):
        found = watch.look(1.0, flags=BOTH).hosts[1]
        assert dataclasses.replace(found, problem=None, unread_for=None) == known
    assert watch.look(flags={**BOTH, "compute-3": "yes"}).hosts[1].instances == ()  # fenced anew


def test_notes_of_a_cell_that_is_away_are_not_forgotten():
    """Nova's lists leave its instances out."""
    watch = Watch()
    watch.cloud.tagged = (instance(noted="stopped", host="compute-9"),)
    watch.look()
    watch.cloud.tagged = ()
    away(watch, "compute-9")
    for _ in range(2):
        watch.look()
        assert "restoring" in watch.cloud.asked
    watch.cloud.away = ()
    watch.look()
    watch.look()
    assert "restoring" not in watch.cloud.asked


def test_a_host_of_which_nothing_was_ever_read_is_not_taken_for_one_that_nova_does_not_have():
    watch = Watch(service())
    away(watch, "compute-3")
    host = watch.look(flags={"compute-3": OURS}).hosts[0]
    assert host.service is None and host.problem
