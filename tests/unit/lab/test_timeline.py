# SPDX-License-Identifier: Apache-2.0
"""The timeline: the phases of one host's recovery, found in the records."""

import dataclasses

from tests.lab import timeline
from tests.lab.history import FencingStep
from tests.unit.lab.histories import SOUND

HISTORY = dataclasses.replace(
    SOUND,
    fencing=(
        FencingStep(90, "b"),
        FencingStep(107, "a"),
        FencingStep(109, "a", "ipmi-a"),
        FencingStep(110.1, "a", "fence-nova"),
    ),
)
PHASES = [
    ("detected", 107),
    ("power off", 109),
    ("flagged", 110),
    ("claimed", 111),
    ("forced down", 115.1),
    ("evacuating", 120),
    ("all back", 125),
    ("closed", 130),
    ("in service", 135),
]


def test_every_phase_is_found():
    assert [(moment.phase, moment.time) for moment in timeline.moments(HISTORY, "a", 100)] == PHASES


def test_what_has_not_happened_yet_is_left_out():
    unfinished = dataclasses.replace(HISTORY, guests=HISTORY.guests[:1], flags=HISTORY.flags[:2])
    assert [moment.phase for moment in timeline.moments(unfinished, "a", 100)] == [name for name, _ in PHASES[:6]]


def test_an_earlier_failure_is_not_counted():
    assert timeline.moments(HISTORY, "a", 200) == []


def test_instances_that_are_back_are_counted():
    assert timeline.instances_back(HISTORY, "a", 100) == (1, 1)
    assert timeline.instances_back(dataclasses.replace(HISTORY, guests=HISTORY.guests[:1]), "a", 100) == (0, 1)


def test_table_gives_each_phase_its_own_time():
    lines = timeline.table(timeline.moments(HISTORY, "a", 100), 100)
    assert lines[1].split() == ["detected", "7.0", "7.0"]
    assert lines[2].split() == ["power", "off", "9.0", "2.0"]
    assert lines[-1].split() == ["in", "service", "35.0", "5.0"]
