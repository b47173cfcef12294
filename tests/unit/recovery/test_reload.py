# SPDX-License-Identifier: Apache-2.0
"""A configuration that is taken over by a running engine."""

import logging
import types

import pytest

from nova_ha.config import loader
from nova_ha.recovery.reload import Reload
from nova_ha.rundir.engine_state import RunState

GIVEN = {"auth_url": "http://k/v3", "username": "u", "password": "sesame", "domain": "old.example"}
FILE = "[nova]\nregion_name = {region}\n[recovery]\nworkers = {workers}\nstuck_after = {stuck}\n"


class Engine:
    """Keeps what it is told."""

    def __init__(self):
        self.taken = []
        self.wakes = 0

    def wake(self):
        self.wakes += 1

    def reconfigure(self, rules, options):
        self.taken.append((rules, options))


@pytest.fixture
def running(tmp_path):
    """An engine, what reloads it, its state as the supervisor sees it, and a way to write its file."""
    file = tmp_path / "nova-ha.conf"

    def write(region="R", workers=8, stuck=600):
        file.write_text(FILE.format(region=region, workers=workers, stuck=stuck))

    write()
    given = {**GIVEN, "config": str(file)}
    state, engine = RunState("r", str(tmp_path)), Engine()
    state.acquire()
    reload = Reload(engine, state, given, loader.load(given))
    return types.SimpleNamespace(engine=engine, reload=reload, state=state, write=write)


def test_nothing_is_read_unless_it_is_asked_for(running):
    running.reload.if_asked()
    assert (running.engine.taken, running.engine.wakes) == ([], 0)
    running.reload.ask()
    assert (running.engine.taken, running.engine.wakes) == ([], 1), "a signal comes at any line"
    running.reload.if_asked()
    running.reload.if_asked()
    assert len(running.engine.taken) == 1


def test_file_and_parameters_are_taken_over(running):
    running.write(stuck=60)
    running.state.hand_over({"evacuate_delay": "7"})
    running.reload.ask()
    running.reload.if_asked()
    ((rules, options),) = running.engine.taken
    assert (rules.stuck_after, rules.evacuate_delay) == (60, 7)
    assert options.domain is None, "what is not handed over any more has been unset"
    assert running.state.is_handed_over()
    # What was taken over holds when only the file is read again.
    running.reload.ask()
    running.reload.if_asked()
    assert running.engine.taken[-1][0].evacuate_delay == 7


@pytest.mark.parametrize(("more", "named"), [({"region": "R2"}, "[nova] region_name"), ({"workers": 3}, "workers")])
def test_what_must_wait_for_the_next_start_is_named(running, caplog, more, named):
    caplog.set_level(logging.INFO, "nova-ha")
    running.write(**more)
    for _ in range(2):
        running.reload.ask()
        running.reload.if_asked()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2
    assert told[0].startswith("not taken over before the next start: ")
    assert named in told[0]


@pytest.mark.parametrize(("verbose", "level"), [("yes", logging.DEBUG), ("no", logging.INFO)])
def test_more_or_less_is_logged(running, monkeypatch, verbose, level):
    monkeypatch.setattr(logging.getLogger("nova-ha"), "level", logging.WARNING)
    running.state.hand_over({"verbose": verbose})
    running.reload.ask()
    running.reload.if_asked()
    assert logging.getLogger("nova-ha").level == level


def test_what_will_not_do_changes_nothing(running):
    running.state.hand_over({"evacuate_delay": "soon"})
    running.reload.ask()
    running.reload.if_asked()
    assert running.engine.taken == []
    assert running.state.read_complaint().startswith("configuration_refused: evacuate_delay: ")
    assert running.state.is_handed_over()
