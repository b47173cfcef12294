# SPDX-License-Identifier: Apache-2.0
"""What is left of another lab is neither taken for this one nor stood in its way."""

import os

import pytest

from tests.lab import lab, nodes, settings
from tests.lab.progress import Progress
from tests.lab.shell import LabError

OWN = os.getpid()
GONE = 2**22 + 1  # no process has such a number


class Begun(Exception):
    """The lab would now be brought up."""


def begin():
    raise Begun


@pytest.fixture
def present(monkeypatch, tmp_path):
    """Sets what podman says of the lab's containers; ``up`` ends when it would begin its own work.

    :returns: a function, whose result is a list that tells of each time the lab was taken down
    """

    def lab_of(pids=(OWN, OWN), tree=settings.SOURCE_TREE, state="running"):
        downs = []
        # Not those of the lab that may be up on this machine.
        monkeypatch.setattr(settings, "SETTINGS_FILE", tmp_path / "settings.json")
        monkeypatch.setattr(nodes, "existing", lambda: [] if downs else ["cloud", "compute-1"])
        monkeypatch.setattr(nodes, "state", lambda node: state)
        monkeypatch.setattr(nodes, "_pids", lambda node: list(map(str, pids)))
        monkeypatch.setattr(nodes, "mounted", lambda node, destination: str(tree) if node != "cloud" else None)
        monkeypatch.setattr(lab, "down", lambda chosen, progress: downs.append("down"))
        monkeypatch.setattr(lab.runtime, "prepare", begin)
        return downs

    return lab_of


def up():
    with pytest.raises(Begun):
        lab.up(settings.Settings(), Progress())


def test_a_lab_that_runs_stays(present):
    downs = present()
    up()
    assert not downs


def test_a_host_that_is_off_is_not_taken_for_lost(present):
    downs = present(pids=(0, 0), state="exited")
    up()
    assert not downs


@pytest.mark.parametrize("pids", [(GONE, OWN), (0, GONE), (0, 0)])
def test_a_host_that_is_just_dying_is_not_taken_for_lost(present, pids):
    downs = present(pids=pids)
    up()
    assert not downs


def test_a_lab_whose_processes_are_gone_is_taken_down_first(present, capsys):
    downs = present(pids=(GONE, GONE))
    up()
    assert downs == ["down"]
    assert "cloud, compute-1 ended behind its back" in capsys.readouterr().err


def test_a_lab_of_another_tree_is_refused(present):
    downs = present(tree="/elsewhere")
    with pytest.raises(LabError, match="runs what is in /elsewhere: ./lab down first"):
        lab.up(settings.Settings(), Progress())
    assert not downs
