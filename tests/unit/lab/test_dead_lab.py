# SPDX-License-Identifier: Apache-2.0
"""The functional tests end soon, with a summary, where the lab does not come back; each failure is packed."""

import re
import subprocess
import sys

import pytest

from tests.functional.labs import IS_UP
from tests.lab import settings
from tests.unit.lab.summaries import summary

# A lab that is but names, for a session of its own.
LAB = """
import contextlib, itertools
from tests.lab import audits, cluster, faults, healing, lab, locks, scenario, settings
from tests.lab.cloud import impair
from tests.lab.shell import LabError

def dead(*_):
    raise LabError("the lab gives no answer")

class Scenario:
    def history(self):
        return None

    def may_be_returning(self, *hosts):
        return None

settings.Settings.load = classmethod(lambda cls: cls())
lab.claimed = contextlib.nullcontext
for module, name in ((lab, "clear_lost"), (lab, "up"), (lab, "down"), (faults, "end_all"), (cluster, "set_options")):
    setattr(module, name, lambda *_: None)
scenario.recorded = lambda _: contextlib.nullcontext(Scenario())
audits.report = audits.audit = lambda _: []
packs = itertools.count(1)
lab.collect = lambda _: f"pack {next(packs)}"
cluster.last_words = lambda _: "nothing"
"""
STORIES = """
import pytest

@pytest.mark.parametrize("number", range(30))
def test_a_story(story, number):
    assert not RED
"""


@pytest.fixture
def session(tmp_path):
    """Run thirty stories on such a lab; returns what pytest printed, and its exit code."""

    def run(broken="", red=False, **environment):
        (tmp_path / "a_lab.py").write_text(LAB + broken)
        (tmp_path / "test_stories.py").write_text(STORIES.replace("RED", str(red)))
        plugins = ("-p", "a_lab", "-p", "tests.functional.conftest", "-p", "no:cacheprovider")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, "--rootdir", tmp_path, tmp_path / "test_stories.py"],
            env={"PYTHONPATH": f"{settings.SOURCE_TREE}:{tmp_path}", "PATH": "/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout, done.returncode

    return run


IN_USE = """
def in_use():
    raise locks.InUse("lab 0 is in use by another process")
lab.claimed = in_use
"""
HEALED = "healing.heal = lambda *_, **__: None\n"


def test_a_lab_that_is_well_is_used_to_the_end(session):
    printed, code = session(HEALED)
    assert (summary(printed), code) == ({"passed": 30}, 0)


def test_two_heals_that_fail_in_succession_end_the_session(session):
    printed, code = session("impair.clear = dead\n")
    assert summary(printed) == {"errors": 2}
    assert code == pytest.ExitCode.INTERRUPTED
    assert "lab 0 is dead" in printed


def test_a_lab_that_does_not_come_up_ends_the_session(session):
    printed, code = session("lab.up = dead\n")
    assert summary(printed) == {"error": 1}
    assert code == pytest.ExitCode.INTERRUPTED


def test_a_lab_that_has_just_come_up_is_not_brought_up_again(session):
    printed, code = session(HEALED + "lab.up = dead\n", **{IS_UP: "1"})
    assert (summary(printed), code) == ({"passed": 30}, 0)


def test_a_lab_that_another_process_uses_ends_the_session_and_its_logs_are_its_own(session):
    printed, code = session(IN_USE)
    assert code == pytest.ExitCode.INTERRUPTED
    assert "lab 0 is in use" in printed
    assert "packed" not in printed


def test_the_logs_of_each_failure_are_packed_up_to_a_limit(session):
    printed, code = session(HEALED, red=True)
    assert (summary(printed), code) == ({"failed": 30}, 1)
    assert re.findall(r"packed in (pack \d+)", printed) == [f"pack {number}" for number in range(1, 21)]
