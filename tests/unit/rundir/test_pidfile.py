# SPDX-License-Identifier: Apache-2.0
"""A process is recognized later, and no other is taken for it."""

import os
import subprocess

import pytest

from nova_ha.compute import procfs
from nova_ha.rundir.pidfile import Record, start_time


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_remembered_process_is_alive_until_it_ends(tmp_path, sleeper):
    record = Record("r", tmp_path)
    record.remember(sleeper.pid)
    assert Record("r", tmp_path).is_alive()
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(sleeper.pid) is None, "a zombie is no process that runs"
    assert not record.is_alive()
    sleeper.wait()
    assert not record.is_alive()


def test_another_process_with_the_same_id_is_not_taken_for_it(tmp_path, sleeper):
    Record("r", tmp_path).remember(sleeper.pid)
    (tmp_path / "r.process").write_text(f"{sleeper.pid} {start_time(sleeper.pid) - 1}\n")
    assert not Record("r", tmp_path).is_alive()


def test_a_command_name_cannot_fool_it(tmp_path):
    evil = tmp_path / "a) Z 1 1"
    os.symlink("/bin/sleep", evil)
    process = subprocess.Popen([evil, "60"])
    try:
        assert start_time(process.pid) >= start_time(os.getpid())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("content", ["", "12", "one two", "1 2 3"])
def test_a_spoiled_record_remembers_nothing(tmp_path, content):
    (tmp_path / "r.process").write_text(content)
    assert not Record("r", tmp_path).is_alive()


def test_what_is_forgotten_is_not_alive(tmp_path, sleeper):
    record = Record("r", tmp_path)
    record.remember(sleeper.pid)
    record.forget()
    record.forget()
    assert not record.is_alive()


def test_the_age_of_a_process(sleeper):
    assert 0 <= procfs.age(sleeper.pid) < 5
    assert procfs.age(1) > procfs.age(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert procfs.age(sleeper.pid) == 0
