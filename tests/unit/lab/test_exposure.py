# SPDX-License-Identifier: Apache-2.0
"""Finding secrets: one that is there is found, wherever it is."""

import bz2
import gzip
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from tests.lab import exposure
from tests.unit.waiting import until

SECRETS = {"one": "sEcret-1", "other": "sEcret-2"}


@pytest.fixture
def one_node(monkeypatch):
    """This machine counts as a node, and is the only one."""
    monkeypatch.setattr(exposure.nodes, "existing", lambda: ["here"])
    monkeypatch.setattr(exposure.nodes, "layer", lambda node: exposure.root_layer(pathlib.Path("/proc/self")))


@pytest.fixture
def proc(tmp_path):
    """A directory as /proc has one for a process: writes it, for a root that is this line of its mountinfo."""

    def write(mount):
        (tmp_path / "cmdline").write_bytes(b"ipmitool\0sEcret-1\0")
        (tmp_path / "environ").write_bytes(b"")
        (tmp_path / "mountinfo").write_text(f"386 270 0:9 / /proc rw - proc proc rw\n{mount}\n")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("command", "environment", "place"),
    [
        (["sh", "-c", "sleep 60 # sEcret-1"], {}, "cmdline"),
        (["sleep", "60"], {"OCF_RESKEY_password": "sEcret-1"}, "environ"),
    ],
)
def test_in_a_process(one_node, command, environment, place):
    with exposure.watching(SECRETS) as found:
        process = subprocess.Popen(command, env={"PATH": "/usr/bin:/bin", **environment})
        try:
            until(lambda: found)
        finally:
            process.kill()
            process.wait()
    assert {(entry.secret, entry.place) for entry in found} == {("one", place)}
    assert not [entry for entry in found if "sEcret" in entry.program]


OVERLAY = "386 270 0:136 / / rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir={layer},workdir=/work"
# A container within a container: a directory of the outer one's root.
NESTED = OVERLAY.replace(" / / ", " /var/lib/nova-rootfs / ")


@pytest.mark.parametrize("mount", [OVERLAY, NESTED], ids=["container", "container within"])
def test_a_process_is_of_the_node_that_its_root_is_of(proc, mount):
    process = proc(mount.format(layer="/overlay/one/diff"))
    layers = {"/overlay/one/diff": "control-1", "/overlay/two/diff": "control-2"}
    found = exposure.in_process(process, SECRETS, layers)
    assert [(entry.node, entry.secret) for entry in found] == [("control-1", "one")]


@pytest.mark.parametrize("mount", [OVERLAY.format(layer="/overlay/three/diff"), "25 1 8:1 / / rw - ext4 /dev/sda rw"])
def test_a_process_of_the_machine_or_of_another_lab_is_of_no_node(proc, mount):
    assert not list(exposure.in_process(proc(mount), SECRETS, {"/overlay/one/diff": "control-1"}))


def test_a_process_that_is_about_to_end_is_met_the_next_time_that_it_runs(proc):
    process = proc(OVERLAY.format(layer="/overlay/one/diff"))
    (process / "environ").write_bytes((process / "cmdline").read_bytes())
    (process / "cmdline").write_bytes(b"")
    assert not list(exposure.in_process(process, SECRETS, {"/overlay/one/diff": "control-1"}))


def test_a_process_that_has_ended_has_no_root():
    process = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert exposure.root_layer(pathlib.Path(f"/proc/{process.pid}")) == ""
    finally:
        process.wait()


def test_a_watch_that_fails_does_not_go_unnoticed(one_node, monkeypatch):
    looked = threading.Event()

    def fail(_looks, _secrets, _layers):
        looked.set()
        raise OSError("no /proc")

    monkeypatch.setattr(exposure, "_look", fail)
    with pytest.raises(OSError, match="no /proc"), exposure.watching(SECRETS):
        looked.wait(30)


def test_in_what_the_logs_get_from_now_on_but_not_in_what_pacemaker_says_of_its_configuration(tmp_path, monkeypatch):
    log = tmp_path / "pacemaker.log"
    log.write_text("before: sEcret-1\n")
    monkeypatch.setattr(exposure, "PACEMAKERS_LOG", log)

    def execute(node, *command, check):
        if command[0] == "journalctl":
            return subprocess.CompletedProcess(command, 0, stdout="MESSAGE=a line of the journal\n")
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=check)

    monkeypatch.setattr(exposure.nodes, "execute", execute)
    logs = exposure.Logs(["a"])
    with log.open("a") as stream:
        stream.write('Nov 21 08:00:00 a pacemaker-based     [12] (cib_perform_op) \tinfo: ++ value="sEcret-1"\n')
        stream.write('Nov 21 08:00:00 a pacemaker-fenced    [13] (any) \tinfo: <nvpair value="sEcret-1"/>\n')
        stream.write("Nov 21 08:00:00 a pacemaker-execd     [14] (log_op_output) \tnotice: sEcret-1\n")
    assert [line.rpartition(" ")[2] for _node, line in logs.added()] == ["journal", "sEcret-1"]


def test_in_files(tmp_path):
    (tmp_path / "plain").write_text("password = sEcret-1")
    (tmp_path / "closed").write_text("sEcret-1 sEcret-2")
    (tmp_path / "closed").chmod(0o640)
    (tmp_path / "none").write_text("secret")
    (tmp_path / "old.gz").write_bytes(gzip.compress(b"a sEcret-2"))
    (tmp_path / "old.bz2").write_bytes(bz2.compress(b"a sEcret-2"))
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "private").mkdir(mode=0o750)
    (tmp_path / "private/file").write_text("sEcret-2")
    assert _search(tmp_path) == {
        ("plain", "one", True),
        ("closed", "one", False),
        ("closed", "other", False),
        ("old.gz", "other", True),
        ("old.bz2", "other", True),
        ("private/file", "other", False),
    }


def _search(directory):
    command = [sys.executable, "-I", "-c", exposure.SEARCH, str(directory)]
    done = subprocess.run(command, input=json.dumps(SECRETS), capture_output=True, text=True, check=True, timeout=30)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(path.removeprefix(f"{directory}/"), name, is_open) for path, name, is_open in found}
