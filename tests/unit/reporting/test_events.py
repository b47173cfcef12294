# SPDX-License-Identifier: Apache-2.0
"""The catalogue of events: programs go by the names, docs/events.md has all of them, and engines tell what it says."""

import logging
import pathlib
import re

import pytest

from nova_ha.reporting import events
from nova_ha.reporting.events import Event
from tests import pages
from tests.unit.simulation.scene import Scene

TREE = pathlib.Path(__file__).resolve().parents[3]
PAGE = TREE / "docs" / "events.md"
MODULES = [path for path in (TREE / "nova_ha").glob("**/*.py") if path.name != "events.py"]


def test_a_name_is_words_with_underscores_that_agree_with_its_constant():
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", event.value) and event.name == event.value.upper() for event in Event)


def test_the_page_has_every_event_as_it_is_and_no_other():
    found = {row["event"]: row for row in pages.rows(PAGE.read_text(encoding="utf-8").partition("## Fields")[0])}
    assert list(found) == [event.value for event in Event]
    for event in Event:
        row = found[event.value]
        level = logging.getLevelName(event.level).lower()
        assert (row["level"], row["beside host and reason"], row["meaning"]) == (
            level,
            ", ".join(event.fields) or None,
            event.meaning,
        )


@pytest.mark.parametrize("event", Event)
def test_each_event_is_told(event):
    assert any(f"Event.{event.name}" in path.read_text(encoding="utf-8") for path in MODULES)


def test_what_an_engine_tells_of_a_recovery_has_what_the_catalogue_says():
    scene = Scene(hosts=3).dies("compute-1")
    assert scene.run_until(scene.is_over, 600)
    told = [each for process in scene.engines.values() for each in process.account.as_dict()["events"]]
    assert {Event.HOST_CLAIMED, Event.EVACUATION_ACCEPTED, Event.FLAG_CLEARED} <= {each["event"] for each in told}
    for each in told:
        has = {field for field in (events.INSTANCE, events.REQUEST, events.CODE) if each[field] is not None}
        fields = set(Event(each["event"]).fields)
        assert has <= fields and (events.INSTANCE in has) is (events.INSTANCE in fields), each
