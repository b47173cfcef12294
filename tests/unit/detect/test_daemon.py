# SPDX-License-Identifier: Apache-2.0
"""The process that tells of failed instances, as its agent starts it: on a libvirtd and a cluster that are files."""

import os
import queue
import shutil
import signal

import pytest

from nova_ha.agents import supervision
from nova_ha.agents.framework import ocf
from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.detect import daemon
from nova_ha.detect.teller import Teller
from nova_ha.detect.tracker import Memory, Tracker
from nova_ha.detect.watcher import Watcher
from nova_ha.rundir.engine_state import RunState
from tests.unit.agent_programs import RESOURCE, failure
from tests.unit.waiting import limit, until

ONE = "00000000-0000-0000-0000-000000000001"
RUNS, CRASHED, AWAY, HANGS = "1 1", "5 3", "away", "hangs"

# The process, but for libvirt's module, for where Pacemaker's programs are, and for how patient it is.
PROCESS = f"""
import sys, time
from nova_ha.cluster import tools
from nova_ha.detect import daemon, teller, watcher
from tests.unit.detect.fake_libvirt import Domain, Libvirt
directory, name = sys.argv[1:]
daemon.PATIENCE, daemon._STEP, teller.AGAIN, teller.RETRY, watcher.PAUSES = 1.0, 0.1, 0.5, 0.2, (0.1, 0.1)
tools._ENVIRONMENT["PATH"] = directory
one = Domain({ONE!r})

class Files(Libvirt):
    def demand(self):
        said = open(directory + "/libvirtd").read()
        while said == {HANGS!r}:
            time.sleep(0.05)
            said = open(directory + "/libvirtd").read()
        self.is_away = said == {AWAY!r}
        if not self.is_away:
            one.now = tuple(map(int, said.split()))
        super().demand()

    def next(self):
        time.sleep(0.05)
        self.time_passes()

sys.modules["libvirt"] = Files([one])
sys.argv[1:] = ["--name", name]
daemon.process()
"""

TELLS = """#!/bin/sh
[ -e {directory}/deaf ] && echo "Connection to cluster failed" >&2 && exit 102
echo "$*" >>{directory}/told
"""


class Scene:
    def __init__(self, directory):
        self.directory = directory
        self.state = RunState(RESOURCE, what=daemon.WHAT)
        (directory / "told").touch()
        (directory / "attrd_updater").write_text(TELLS.format(directory=directory))
        (directory / "attrd_updater").chmod(0o755)
        self.libvirtd(RUNS)

    def libvirtd(self, said):
        """What libvirtd says of the instance from now on."""
        (self.directory / "new").write_text(said)
        (self.directory / "new").replace(self.directory / "libvirtd")

    def start(self, text=PROCESS):
        command = ["/usr/bin/python3", "-c", text, str(self.directory), RESOURCE]
        supervision.start(self.state, {"connection_uri": "qemu:///system"}, limit(20), command)

    def told(self):
        """What the cluster was told, the newest last."""
        return [line.rpartition(" ")[2] for line in (self.directory / "told").read_text().splitlines()]

    def tells(self, kind):
        """Whether the cluster knows of this failure, or of none."""
        told = self.told()[-1:] or [""]
        return f",{kind}," in told[0] if kind else told == ["1"]

    def complains(self, text):
        """Wait until the monitor does."""
        until(lambda: (self.state.read_complaint() or "").startswith(text))
        assert failure(supervision.monitor, self.state)[0] == supervision.DEGRADED


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path)
    yield scene
    supervision.stop(scene.state, lambda: 5)
    shutil.rmtree(scene.state.directory, ignore_errors=True)


def test_a_failure_is_told_until_it_ends(scene):
    scene.start()
    until(lambda: scene.tells(None))
    until(lambda: scene.state.read_report()["state"] == "working")
    scene.libvirtd(CRASHED)
    until(lambda: scene.tells("crashed"))
    # Again and again.
    until(lambda: len([text for text in scene.told() if "crashed" in text]) > 2)
    assert len({text for text in scene.told() if "crashed" in text}) == 1
    supervision.monitor(scene.state)
    scene.libvirtd(RUNS)
    until(lambda: scene.tells(None))


def test_a_restart_goes_on_with_the_same_failure(scene):
    scene.start()
    scene.libvirtd(CRASHED)
    until(lambda: scene.tells("crashed"))
    before = scene.told()[-1]
    os.kill(scene.state.holder(), signal.SIGKILL)
    until(lambda: scene.state.holder() is None)
    (scene.directory / "told").write_text("")
    # Of what is shut off for no known reason libvirtd has forgotten how it ended.
    scene.libvirtd("5 0")
    scene.start()
    until(lambda: scene.told())
    assert set(scene.told()) == {before}


def test_an_instance_that_fails_while_nobody_looks_has_failed(scene):
    scene.start()
    until(lambda: scene.tells(None))
    os.kill(scene.state.holder(), signal.SIGKILL)
    until(lambda: scene.state.holder() is None)
    scene.libvirtd(CRASHED)
    (scene.directory / "told").write_text("")
    scene.start()
    until(lambda: scene.told())
    assert ",crashed," in scene.told()[0], "nothing else is told before"


def test_a_stop_takes_back_what_was_told(scene):
    scene.start()
    until(lambda: scene.told())
    supervision.stop(scene.state, limit(10))
    assert (scene.directory / "told").read_text().splitlines()[-1] == "--name nova-ha-instances --delete"


def test_a_libvirtd_that_is_away_is_waited_for(scene):
    scene.libvirtd(AWAY)
    scene.start()
    assert scene.state.read_report()["state"] == "waiting"
    scene.complains("failures of instances are not seen: libvirtd cannot be asked: Failed to connect socket")
    assert scene.told() == [], "nothing is known yet"
    scene.libvirtd(RUNS)
    until(lambda: scene.tells(None))
    until(lambda: scene.state.read_complaint() is None)


def test_a_start_does_not_wait_for_libvirtd(scene):
    scene.libvirtd(HANGS)
    scene.start(PROCESS.replace("daemon._STEP, ", "", 1).replace("1.0, 0.1, ", "1.0, ", 1))
    assert scene.state.read_report()["reason"] == "libvirtd has not answered yet"
    scene.libvirtd(RUNS)
    until(lambda: scene.tells(None))


class Rests:
    """A queue in which nothing comes; ``rests`` are the seconds that somebody was ready to wait."""

    def __init__(self):
        self.rests = []

    def get(self, timeout):
        self.rests.append(timeout)
        raise queue.Empty


def test_it_rests_while_nothing_happens_and_while_nothing_is_known(tmp_path):
    def run(_command, _timeout):
        return 0, "", ""

    state = RunState("r", str(tmp_path))
    state.acquire()
    tracker = Tracker(Memory(), lambda: 0, lambda: "00000000")
    teller = Teller(PrivateAttributes("a", runner=run), lambda: 0)
    loop = daemon.Loop(state, tracker, Watcher(None, "qemu:///system"), teller, f"{tmp_path}/memory")
    loop._changes = Rests()
    loop.step()
    tracker.tell_all({})
    loop.step()
    loop.step()
    assert loop._changes.rests == [daemon._STEP, 0, daemon._STEP]


def test_a_libvirtd_that_hangs_holds_up_nothing_and_is_told(scene):
    scene.start()
    scene.libvirtd(CRASHED)
    until(lambda: scene.tells("crashed"))
    scene.libvirtd(HANGS)
    scene.complains("failures of instances are not seen: libvirtd cannot be asked: no answer for more than 1 s")
    count = len(scene.told())
    until(lambda: len(scene.told()) > count)
    assert scene.tells("crashed")


def test_a_cluster_that_does_not_listen_is_told_later(scene):
    (scene.directory / "deaf").touch()
    scene.start()
    scene.complains("failures of instances are not told: attrd_updater --name nova-ha-instances")
    (scene.directory / "deaf").unlink()
    until(lambda: scene.tells(None))
    until(lambda: scene.state.read_complaint() is None)


def test_where_libvirt_s_module_is_missing_the_start_says_so(scene):
    missing = PROCESS.replace('sys.modules["libvirt"] = Files([one])', 'sys.modules["libvirt"] = None')
    code, reason = failure(scene.start, missing)
    assert code == ocf.OCF_ERR_INSTALLED
    assert reason.startswith("libvirt's Python module is not installed (python3-libvirt): ")


def test_a_thread_that_dies_takes_the_process_along(scene):
    broken = PROCESS.replace("self.time_passes()", "raise KeyError('state.state')")
    scene.start(broken)
    until(lambda: scene.state.holder() is None)
    code, reason = failure(supervision.monitor, scene.state)
    assert (code, reason) == (ocf.OCF_NOT_RUNNING, "the instance watcher does not run: KeyError: 'state.state'")


def test_there_is_one_for_each_resource(scene, capsys):
    scene.start()
    assert daemon.main(["--name", RESOURCE]).startswith(f"the instance watcher of {RESOURCE} is running already")
