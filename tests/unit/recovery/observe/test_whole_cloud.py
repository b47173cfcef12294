# SPDX-License-Identifier: Apache-2.0
"""What is read of the cloud as a whole, and for how long it is kept."""

import dataclasses

import pytest

from nova_ha.model.evacuable_tag import Selection
from nova_ha.recovery.observe.whole_cloud import SELECTION_AGE, SETTINGS_AGE
from tests.unit.recovery.observe.watch import Watch
from tests.unit.worlds import OURS, instance, living, service, spare


def test_settings_are_read_once_a_minute():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    for after, again in ((0, True), (1, False), (SETTINGS_AGE - 1, False), (1, True), (1, False)):
        watch.look(after)
        assert ("selection" in watch.cloud.asked, "aggregates" in watch.cloud.asked) == (again, again)


def test_another_tag_selects_from_the_next_look_on():
    watch = Watch(tag="ha")
    watch.cloud.on["compute-1"] = [instance()]
    assert watch.look().selection.images == {"ha-image"}
    watch.observer.reconfigure(None, False, "evacuable")
    assert watch.look().selection.images == {"evacuable-image"}


def glanceless(watch):
    """Take Glance away."""
    watch.cloud.selected = Selection(False, None, "Glance is away")


def test_while_glance_is_away_what_it_said_last_holds():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    watch.look()
    glanceless(watch)
    for _ in range(3):
        found = watch.look(SETTINGS_AGE + 1).selection
        assert found == Selection(False, frozenset({"evacuable-image"}), "Glance is away")
    assert "selection" in watch.cloud.asked


def test_what_glance_never_said_is_asked_for_again_soon():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    glanceless(watch)
    assert watch.look().selection.images is None
    assert watch.look(SELECTION_AGE - 1).selection.images is None and "selection" not in watch.cloud.asked
    watch.cloud.selected = None
    assert watch.look(2).selection.images == {"evacuable-image"}


def test_what_one_tag_selects_is_not_taken_for_what_another_does():
    watch = Watch(tag="ha")
    watch.cloud.on["compute-1"] = [instance()]
    watch.look()
    glanceless(watch)
    watch.observer.reconfigure(None, False, "evacuable")
    assert watch.look().selection.images is None


def test_without_instances_it_does_not_matter_what_selects_them():
    watch = Watch()
    assert watch.look().selection is None and "selection" not in watch.cloud.asked


@pytest.mark.parametrize(
    ("matter", "others", "asked"), [(True, [], True), (False, [], False), (False, [spare()], True)]
)
def test_aggregates_are_read_only_where_they_matter(matter, others, asked):
    watch = Watch(service(), *others, aggregates_matter=matter)
    world = watch.look()
    assert ("aggregates" in watch.cloud.asked) is asked and bool(world.aggregates) is asked


def test_tagged_instances_are_looked_for_as_long_as_there_may_be_any():
    watch = Watch()
    tagged = instance(noted="stopped")
    watch.look()
    assert "restoring" in watch.cloud.asked  # a former engine may have left some
    watch.look()
    assert "restoring" not in watch.cloud.asked
    watch.cloud.on["compute-1"], watch.cloud.tagged = [tagged], (tagged,)
    assert watch.look().restoring == (tagged,)
    watch.cloud.on["compute-1"], watch.cloud.tagged = [], (dataclasses.replace(tagged, host="compute-2"),)
    assert watch.look().restoring == watch.cloud.tagged
    watch.cloud.tagged = ()
    assert watch.look().restoring == () and "restoring" in watch.cloud.asked
    watch.look()
    assert "restoring" not in watch.cloud.asked


TWO = (service(), service("compute-2"), living("compute-3"))


OFF = {"compute-1": "no", "compute-2": "no"}


LATE = instance(9, vm_state="error", task_state="rebuilding", host="compute-3")


RESTED = instance(8, vm_state="stopped", reached="stopped", host="compute-3")


WANTED = instance(8, vm_state="active", noted="stopped", host="compute-3")


def asks_for_lists(watch, after, **more):
    watch.look(after=after, **{"flags": OFF, **more})
    return [question for question in watch.cloud.asked if question in ("in_error", "restoring")]


def test_while_hosts_are_off_the_whole_clouds_instances_are_listed_now_and_then():
    watch = Watch(*TWO)
    watch.cloud.tagged = (RESTED,)
    assert sorted(asks_for_lists(watch, 5)) == ["in_error", "restoring"]
    for _ in range(100):
        assert asks_for_lists(watch, 5) == []
    watch.cloud.errors = (LATE,)
    assert sorted(asks_for_lists(watch, 100)) == ["in_error", "restoring"]
    assert watch.look(flags=OFF).late == {LATE.id} and watch.look(flags=OFF).restoring == (RESTED,)


@pytest.mark.parametrize(
    ("change", "more", "asked"),
    [
        (None, {}, []),
        ({"known": {"compute-1": service(report="t9")}}, {}, ["in_error", "restoring"]),
        ({"known": {"compute-1": living("compute-1")}}, {}, ["in_error", "restoring"]),
        (None, {"flags": {**OFF, "compute-1": OURS}}, ["in_error", "restoring"]),
        (None, {"flags": {**OFF, "compute-1": "restart"}}, ["in_error", "restoring"]),
        (None, {"others": {"compute-3": "yes"}}, ["in_error", "restoring"]),
        (None, {"flags": {}}, ["restoring"]),
    ],
)
def test_a_host_that_is_dead_or_comes_back_has_them_listed_at_once(change, more, asked):
    watch = Watch(*TWO)
    watch.cloud.tagged = (RESTED,)
    watch.look(flags=OFF)
    for name, values in (change or {}).items():
        getattr(watch.cloud, name).update(values)
    assert sorted(asks_for_lists(watch, 5, **more)) == asked


@pytest.mark.parametrize(
    ("errors", "tagged", "asked"),
    [
        ((), (RESTED,), []),
        ((), (WANTED,), ["restoring"]),
        ((), (dataclasses.replace(WANTED, host="compute-2"),), []),  # not before its host is up
        ((), (dataclasses.replace(RESTED, vm_state="active"),), ["restoring"]),  # its owner has started it
        ((LATE,), (), ["in_error"]),
        ((instance(9, vm_state="error", host="compute-3"),), (), []),
    ],
)
def test_what_is_to_be_seen_to_is_listed_at_each_look(errors, tagged, asked):
    watch = Watch(*TWO)
    watch.cloud.errors, watch.cloud.tagged = errors, tagged
    watch.look(flags=OFF)
    assert asks_for_lists(watch, 5) == asked


def test_notes_that_are_left_without_a_flag_are_looked_for_once_a_minute():
    watch = Watch()
    assert watch.observer.may_find_notes()  # of a former engine
    watch.cloud.tagged = (instance(noted="stopped"),)
    watch.look()
    assert not watch.observer.may_find_notes()
    watch.now += SETTINGS_AGE + 1
    assert watch.observer.may_find_notes()
    watch.cloud.asked.clear()
    assert watch.observer.look({}).restoring == watch.cloud.tagged
    assert watch.cloud.asked == ["services", "aggregates", "restoring"]
    watch.cloud.tagged = ()
    watch.observer.look({})
    watch.now += SETTINGS_AGE + 1
    assert not watch.observer.may_find_notes()
