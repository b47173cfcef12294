# SPDX-License-Identifier: Apache-2.0
"""Programs end in time or are killed, and see nothing of our environment."""

import signal

import pytest

from nova_ha.system import programs
from tests.unit.engines import alive_in
from tests.unit.waiting import until

PATH = {"PATH": "/usr/bin:/bin"}


def shell(script, timeout=20.0, **more):
    return programs.run(["sh", "-c", script], timeout, PATH, **more)


def test_what_it_says_on_both_ways_and_its_exit_code():
    assert shell("echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")


def test_what_is_no_text_is_no_error():
    assert shell(r"printf 'a\377b'")[1] == "a\N{REPLACEMENT CHARACTER}b"


def test_it_reads_what_it_is_given_or_nothing():
    assert shell("cat", request=b"a=b\n")[1] == "a=b\n"
    assert shell("cat")[1] == ""


def test_nothing_of_our_environment_is_handed_on(monkeypatch):
    monkeypatch.setenv("OCF_RESKEY_password", "secret")
    assert "secret" not in programs.run(["env"], 20.0, PATH)[1]


@pytest.fixture
def started(monkeypatch):
    """The processes that are started from now on."""
    found = []

    class Popen(programs.subprocess.Popen):
        def __init__(self, *args, **how):
            super().__init__(*args, **how)
            found.append(self)

    monkeypatch.setattr(programs.subprocess, "Popen", Popen)
    return found


@pytest.mark.parametrize("apart", [False, True])
def test_one_that_does_not_end_is_killed(started, apart):
    with pytest.raises(programs.NotInTime, match="sleep did not end within 0.3 s"):
        programs.run(["sleep", "60"], 0.3, PATH, apart=apart)
    assert started[0].returncode == -signal.SIGKILL


def test_one_that_is_apart_is_killed_with_what_it_has_started(started):
    with pytest.raises(programs.NotInTime):
        shell("sleep 60 & sleep 60", 0.5, apart=True)
    until(lambda: not alive_in(started[0].pid))


def test_where_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shell("pwd", apart=True)[1] == "/\n"
    assert shell("pwd")[1] == f"{tmp_path}\n"


def test_one_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        programs.run(["no-such-program"], 20.0, PATH)
