# SPDX-License-Identifier: Apache-2.0
"""What engine and supervisor know of each other, between real processes."""

import fcntl
import os
import stat
import struct
import subprocess
import sys

import pytest

from nova_ha.rundir import engine_state
from nova_ha.rundir.engine_state import AlreadyRunning, RunState
from tests.unit.agent_programs import TREE
from tests.unit.waiting import until

ENGINE = """
import sys
from nova_ha.rundir.engine_state import RunState
state = RunState("r", sys.argv[1])
state.acquire()
state.report("working", "as it should")
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def engine(tmp_path):
    """Another process that holds the lock, until its standard input is closed."""
    command = [sys.executable, "-c", ENGINE, str(tmp_path)]
    process = subprocess.Popen(command, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.communicate()


def test_nobody_holds_what_was_never_made(tmp_path):
    state = RunState("r", tmp_path)
    assert (state.holder(), state.progress_age(), state.read_report(), state.is_well()) == (None, None, {}, False)


def test_the_supervisor_sees_the_engine_and_leaves_its_lock_alone(tmp_path, engine):
    state = RunState("r", tmp_path)
    assert [state.holder(), state.holder()] == [engine.pid, engine.pid]
    assert state.is_well()
    assert 0 <= state.progress_age() < 10
    assert state.read_report() | {"time": 0} == {
        "schema": 1, "state": "working", "reason": "as it should", "time": 0, "pid": engine.pid
    }  # fmt: skip


def test_a_second_engine_is_refused(tmp_path, engine):
    with pytest.raises(AlreadyRunning, match=f"process {engine.pid}") as refusal:
        RunState("r", tmp_path).acquire()
    assert refusal.value.pid == engine.pid
    assert RunState("r", tmp_path).holder() == engine.pid


def test_the_lock_goes_with_the_process_however_it_ends(tmp_path, engine):
    engine.kill()
    engine.wait()
    assert RunState("r", tmp_path).holder() is None


def test_a_holder_that_ends_just_then_keeps_no_engine_from_starting(tmp_path, engine, monkeypatch):
    def told(*question):
        # Between the attempt to lock and the question who has it.
        engine.kill()
        engine.wait()
        return asked(*question)

    asked = fcntl.fcntl
    monkeypatch.setattr(engine_state.fcntl, "fcntl", told)
    state = RunState("r", tmp_path)
    state.acquire()
    assert state.holder() == os.getpid()


# In a namespace of process ids of its own nobody has an id for what runs outside of it.
OUTSIDE = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c"]
ACQUIRE = """
import sys
from nova_ha.rundir.engine_state import AlreadyRunning, RunState
state = RunState("r", sys.argv[1])
print(state.holder(), state.is_well())
try:
    state.acquire()
except AlreadyRunning as error:
    print(error)
"""


def test_a_holder_that_is_no_process_of_this_system_is_a_holder_without_a_name(tmp_path, engine):
    done = subprocess.run([*OUTSIDE, ACQUIRE, str(tmp_path)], cwd=TREE, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{engine_state.UNTOLD} True",
        "the engine of r is running already: a process that cannot be told from here (of a container?)",
    ]


@pytest.mark.parametrize("pid", [0, -1])
def test_no_process_id_that_a_signal_would_take_for_many_processes_is_told(tmp_path, monkeypatch, pid):
    state = RunState("r", tmp_path)
    state.create()
    open(f"{state.directory}/lock", "w").close()
    answer = struct.pack(engine_state._FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, pid)
    monkeypatch.setattr(engine_state.fcntl, "fcntl", lambda *_: answer)
    assert state.holder() == engine_state.UNTOLD


def test_an_engine_that_asks_for_the_holder_keeps_its_lock(tmp_path):
    look = "import sys; from nova_ha.rundir.engine_state import RunState; print(RunState('r', sys.argv[1]).holder())"
    state = RunState("r", tmp_path)
    state.acquire()
    assert state.holder() == os.getpid()
    done = subprocess.run([sys.executable, "-c", look, str(tmp_path)], cwd=TREE, capture_output=True, text=True)
    assert done.stdout.strip() == str(os.getpid())


def test_an_engine_without_progress_is_not_well(tmp_path, engine, monkeypatch):
    state = RunState("r", tmp_path)
    monkeypatch.setattr(engine_state, "HUNG_AFTER", 0.05)
    until(lambda: not state.is_well())
    assert state.holder() == engine.pid


def test_progress_takes_the_age_back(tmp_path, monkeypatch):
    now = 100
    monkeypatch.setattr(engine_state.time, "monotonic", lambda: now)
    state = RunState("r", tmp_path)
    state.acquire()
    now = 107
    assert state.progress_age() == 7
    state.progress()
    assert state.progress_age() == 0


def test_only_root_can_look_into_it(tmp_path):
    state = RunState("r", tmp_path / "nova-ha")
    state.acquire()
    state.complain("cloud", "refused")
    state.hand_over({"verbose": "true"})
    for directory in (state.directory, tmp_path / "nova-ha"):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert len(os.listdir(state.directory)) == 5
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(state.directory)} == {0o600}


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(ValueError, match="cannot name a resource"):
        RunState(name)


def test_an_engine_that_complains_is_not_well_until_all_is_set_right(tmp_path):
    state = RunState("r", tmp_path)
    state.acquire()
    state.complain("cloud", "recoveries wait")
    state.complain("configuration", "the former stays in force")
    assert state.read_complaint() == "recoveries wait; the former stays in force"
    state.complain("cloud", None)
    assert (state.read_complaint(), state.is_well()) == ("the former stays in force", False)
    state.complain("configuration", None)
    assert (state.read_complaint(), state.is_well()) == (None, True)


def test_what_a_former_engine_left_behind_is_not_this_one_s(tmp_path):
    former = RunState("r", tmp_path)
    former.create()
    former.complain("cloud", "recoveries wait")
    former.hand_over({"verbose": "true"})
    state = RunState("r", tmp_path)
    state.acquire()
    assert (state.read_complaint(), state.take_changes(), state.is_well()) == (None, None, True)


def test_changes_are_handed_over(tmp_path):
    supervisor, state = RunState("r", tmp_path), RunState("r", tmp_path)
    state.acquire()
    assert state.take_changes() is None
    supervisor.hand_over({"verbose": "true"})
    assert not supervisor.is_handed_over()
    assert state.take_changes() == {"verbose": "true"}
    state.taken_over()
    assert supervisor.is_handed_over()


def test_who_listens_hears_each_report_with_the_complaint_of_that_moment(tmp_path):
    state, heard = RunState("r", tmp_path), []
    state.acquire()
    state.listen(lambda report, complaint: heard.append((report["reason"], complaint)))
    state.report("working", "one")
    state.complain("cloud", "Keystone refuses it")
    state.complain("living", "it lives")
    state.report("working", "two")
    state.complain("cloud", None)
    state.complain("living", None)
    state.report("working", "three")
    assert heard == [("one", None), ("two", "Keystone refuses it; it lives"), ("three", None)]
