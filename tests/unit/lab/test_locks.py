# SPDX-License-Identifier: Apache-2.0
"""A lab is for one process at a time: the second one is told whose it is, and takes nothing away from the first."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.lab import cli, lab, locks, runtime, settings
from tests.lab.progress import Progress
from tests.lab.shell import LabError

# Claims the lab in another process until its standard input ends.
HOLDER = """
import pathlib, sys
from tests.lab import lab, locks
locks.DIRECTORY = pathlib.Path(sys.argv[1])
with lab.claimed():
    print("claimed", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other():
    """Another process that uses the lab."""
    command = [sys.executable, "-c", HOLDER, str(locks.DIRECTORY)]
    root = pathlib.Path(settings.SOURCE_TREE)
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        yield process


@pytest.fixture
def untouchable(monkeypatch):
    """Whoever would do something to the lab has gone too far."""
    for name in ("prepare", "require", "restore"):
        monkeypatch.setattr(runtime, name, lambda: pytest.fail("the lab is touched"))
    monkeypatch.setattr(lab, "other_trees", list)


@pytest.mark.parametrize("act", [lab.up, lab.down])
def test_a_lab_that_another_process_uses_is_left_alone_and_the_process_is_named(other, untouchable, act):
    with pytest.raises(LabError) as refused:
        act(settings.Settings(), Progress())
    assert f"pid {other.pid}" in str(refused.value)
    assert str(settings.SOURCE_TREE) in str(refused.value)


def test_the_command_line_says_so_in_one_line(other, untouchable, capsys):
    assert cli.main(["down"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"kill -INT {other.pid}" in line


def test_a_lab_is_free_again_when_its_process_is_gone(other):
    other.kill()
    other.wait()
    with lab.claimed():
        pass


def test_whoever_has_it_may_claim_it_again():
    with lab.claimed():
        with lab.claimed():
            pass
        # The inner block has not given it up.
        command = [sys.executable, "-c", HOLDER, str(locks.DIRECTORY)]
        tree, nothing = settings.SOURCE_TREE, subprocess.DEVNULL
        done = subprocess.run(command, cwd=tree, stdin=nothing, capture_output=True, text=True, timeout=30)
    assert f"pid {os.getpid()}" in done.stderr


def test_the_two_labs_of_a_machine_may_be_in_use_at_once(other):
    with locks.claimed(f"lab-{1 - settings.NUMBER}", "the other one"):
        pass


def test_a_lab_of_another_tree_is_told(monkeypatch, capsys):
    monkeypatch.setattr(lab, "other_trees", lambda: ["/elsewhere"])
    monkeypatch.setattr(lab, "status", lambda chosen: "node power")
    assert cli.main(["status"]) == 0
    assert "/elsewhere" in capsys.readouterr().err
