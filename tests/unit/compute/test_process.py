# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a process of its own: real processes, which root starts as another user."""

import contextlib
import os
import pathlib
import pwd
import resource
import signal
import subprocess
import sys
import tempfile

import pytest

from nova_ha.compute import procfs
from nova_ha.compute.process import Direct
from nova_ha.compute.service import NotInTime, ServiceError
from nova_ha.rundir import pidfile
from tests.unit.waiting import until

# Says who it is and what it was given; as it is told, it hears SIGTERM or not, and leaves a child behind.
SCRIPT = """#!{python} -u
import os, signal, subprocess, sys, time
print(os.getuid(), os.getgid(), os.getsid(0) == os.getpid(), os.environ.get("HOME"), sys.argv[1:])
if "handles" in {how!r}:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
if "deaf" in {how!r}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "child" in {how!r}:
    subprocess.Popen(["sleep", "300"], start_new_session=True)
if "ends" in {how!r}:
    sys.exit("no configuration")
print("up")
time.sleep(300)
"""
USER = "nobody"
INTERPRETER = os.path.realpath(sys.executable)


@pytest.fixture
def tmp_path():
    """A directory that another user can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="nova-ha-") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


@pytest.fixture
def name(tmp_path):
    """A resource's name that no other test has, wherever it runs: marks are looked for on the whole machine."""
    return tmp_path.name


@pytest.fixture
def make(tmp_path, name):
    """Makes a Direct whose binary behaves in some way; whatever is left is killed in the end."""
    made = []

    def make(how="", user=USER, **more):
        binary = tmp_path / "nova-compute"
        binary.write_text(SCRIPT.format(python=INTERPRETER, how=how))
        binary.chmod(0o755)
        direct = Direct(name, str(binary), user=user, run=str(tmp_path / "run"), logs=str(tmp_path / "log"), **more)
        made.append(direct)
        return direct

    yield make
    for direct in made:
        state = direct.find()
        if state and state.main_pid:
            direct.kill(state)


@contextlib.contextmanager
def running(command, **how):
    """A process that somebody else has started."""
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, **how)
    try:
        yield started.pid
    finally:
        started.kill()
        started.wait()


def log_file(tmp_path):
    (file,) = (tmp_path / "log").iterdir()
    return file


def output(tmp_path):
    return log_file(tmp_path).read_text()


def start(direct, tmp_path):
    direct.start(direct.find(), 60)
    until(lambda: "up" in output(tmp_path))
    return direct.find()


def test_it_runs_as_its_user_with_its_configuration_and_outlives_the_agent(make, tmp_path):
    state = start(make(files=("/etc/a.conf", "/etc/b.conf")), tmp_path)
    assert state.runs and state.settled and not state.is_over
    nobody = pwd.getpwnam(USER)
    options = ["--config-file=/etc/a.conf", "--config-file=/etc/b.conf"]
    assert output(tmp_path).splitlines()[0] == f"{nobody.pw_uid} {nobody.pw_gid} True {nobody.pw_dir} {options}"
    assert log_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_program_inside_is_no_more_than_its_user(make, tmp_path):
    direct = make()
    command, how = direct.inside(start(direct, tmp_path), ["id", "-u"])
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **how)
    assert done.stdout.strip() == str(pwd.getpwnam(USER).pw_uid)
    assert how["extra_groups"] == os.getgrouplist(USER, pwd.getpwnam(USER).pw_gid)


def test_a_parameter_is_data(make, tmp_path):
    start(make(files=("/etc/$(reboot);x.conf",)), tmp_path)
    assert "['--config-file=/etc/$(reboot);x.conf']" in output(tmp_path)


def test_the_environment_of_the_agent_is_not_handed_on(make, tmp_path, monkeypatch):
    monkeypatch.setenv("OCF_RESKEY_password", "sEcret")
    state = start(make(), tmp_path)
    with open(f"/proc/{state.main_pid}/environ") as environment:
        assert "sEcret" not in environment.read()


def test_it_stops(make, tmp_path):
    direct = make()
    state = start(direct, tmp_path)
    direct.stop(state, 10)
    assert direct.find().is_over


def test_one_that_does_not_hear_is_killed(make, tmp_path):
    direct = make("deaf")
    state = start(direct, tmp_path)
    with pytest.raises(NotInTime):
        direct.stop(state, 0.3)
    assert not direct.find().is_over
    direct.kill(direct.find())
    until(lambda: direct.find().is_over)


def test_one_that_is_frozen_hears_that_it_is_to_end(make, tmp_path):
    direct = make("handles")
    state = start(direct, tmp_path)
    os.kill(state.main_pid, signal.SIGSTOP)
    direct.stop(state, 10)
    assert direct.find().is_over


def test_nothing_that_it_started_is_left(make, tmp_path):
    direct = make("child")
    state = start(direct, tmp_path)
    # It dies by itself, and its child lives on: it is neither up nor gone.
    os.kill(state.main_pid, signal.SIGKILL)
    until(lambda: not direct.find().runs)
    left = direct.find()
    assert not left.is_over
    assert "behind" in left.words
    direct.stop(left, 10)
    until(lambda: direct.find().is_over)
    assert pidfile.start_time(left.main_pid) is None


def test_a_stop_takes_what_it_started_along(make, tmp_path):
    direct = make("child")
    direct.stop(start(direct, tmp_path), 10)
    until(lambda: direct.find().is_over)


def test_one_that_ends_at_once_does_not_run(make, tmp_path):
    direct = make("ends")
    direct.start(direct.find(), 60)
    until(lambda: not direct.find().runs)
    assert direct.find().words.endswith(f"does not run; see {log_file(tmp_path)}")
    assert "no configuration" in output(tmp_path)


def test_another_resource_s_process_is_not_taken_for_it(make, tmp_path, name):
    start(make("child"), tmp_path)
    other = Direct(f"{name}-other", "/bin/true", user=USER, run=str(tmp_path / "run"), logs=str(tmp_path / "log"))
    assert other.find().is_over


def test_one_that_somebody_started_by_hand_is_found(make, tmp_path):
    direct = make(user="root")
    with running([tmp_path / "nova-compute", "--config-file", "x"]) as pid:
        assert direct.find().main_pid == pid
    assert direct.find().is_over


def test_one_that_was_started_by_another_path_is_found(make, tmp_path):
    direct = make(user="root")
    link = tmp_path / "nova-compute-of-the-venv"
    link.symlink_to(tmp_path / "nova-compute")
    with running([link]) as pid:
        assert direct.find().main_pid == pid


def test_it_may_have_as_many_files_open_as_the_unit_of_a_distribution(make, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        state = start(make(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    with open(f"/proc/{state.main_pid}/limits") as limits:
        (line,) = [line for line in limits if line.startswith("Max open files ")]
    assert int(line.split()[3]) == wanted


FOOLS = {
    "as an argument": [INTERPRETER, "-c", "import time; time.sleep(300)", "BINARY"],
    "as a name": ["BINARY", "300"],
}


@pytest.mark.parametrize("command", FOOLS.values(), ids=FOOLS)
def test_no_command_line_can_fool_it(make, tmp_path, command):
    direct = make(user="root")
    binary = str(tmp_path / "nova-compute")
    executable = INTERPRETER if command[0] == INTERPRETER else "/bin/sleep"
    with running([binary if word == "BINARY" else word for word in command], executable=executable):
        assert direct.find().is_over


def test_another_user_s_process_is_not_it(make, tmp_path, name):
    direct = make(user="daemon")
    environment = {"NOVA_HA_RESOURCE": name}
    with running([tmp_path / "nova-compute"], user=USER, env=environment):
        assert direct.find().is_over


CONTAINED = ["unshare", "--pid", "--fork", "--kill-child"]


def test_a_process_in_a_container_on_the_host_is_not_it(make, tmp_path, name):
    direct = make(user="root")
    up = tmp_path / "up"
    script = f"touch {up}; exec sleep 300"
    # By its mark it would be what a start of ours has left behind, and be killed.
    with running([*CONTAINED, "env", f"NOVA_HA_RESOURCE={name}", "sh", "-c", script]):
        until(up.exists)
        assert direct.find().is_over
    # By its program it would be one that somebody has started by hand.
    with running([*CONTAINED, tmp_path / "nova-compute"]) as outer:
        until(lambda: [pid for pid in procfs.descendants(outer) if procfs.executes(pid, INTERPRETER)])
        assert direct.find().is_over


def test_one_that_is_not_installed():
    direct = Direct("r", "no-such-nova-compute", ("/nonexistent/nova.conf",), "no-such-user")
    assert direct.find() is None
    assert list(direct.problems()) == [
        "binary: no such program: no-such-nova-compute",
        "config_files: /nonexistent/nova.conf is not a file on this host",
        "user: there is no user no-such-user on this host",
    ]


@pytest.mark.parametrize("is_up", [True, False], ids=["running", "its child is left"])
def test_one_whose_program_is_gone_is_found_and_stopped_and_not_started(make, tmp_path, name, is_up):
    before = make("child")
    state = start(before, tmp_path)
    if not is_up:
        os.kill(state.main_pid, signal.SIGKILL)
        until(lambda: not before.find().runs)
    (tmp_path / "nova-compute").unlink()
    direct = Direct(name, before._name, user=USER, run=str(tmp_path / "run"), logs=str(tmp_path / "log"))
    state = direct.find()
    assert state.runs == is_up and not state.is_over
    with pytest.raises(ServiceError, match=f"no such program: {tmp_path}/nova-compute"):
        direct.start(state, 60)
    direct.stop(state, 10)
    until(lambda: direct.find() is None)


def test_a_program_that_goes_while_it_is_looked_at_does_not_run(make, tmp_path):
    direct = make()
    (tmp_path / "nova-compute").unlink()
    assert direct.find().is_over
    with pytest.raises(ServiceError, match="nova-compute: No such file"):
        direct.start(direct.find(), 60)


def test_nothing_is_wrong_with_what_is_there(make):
    assert list(make(files=("/etc/passwd",)).problems()) == []


def test_a_start_that_cannot_be(make, tmp_path):
    direct = make(user="no-such-user")
    with pytest.raises(ServiceError, match="there is no user no-such-user"):
        direct.start(direct.find(), 60)
    direct = make()
    (tmp_path / "nova-compute").write_text("#!/nonexistent/python\n")
    with pytest.raises(ServiceError, match="nova-compute: No such file"):
        direct.start(direct.find(), 60)
