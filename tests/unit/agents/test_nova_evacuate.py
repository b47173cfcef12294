# SPDX-License-Identifier: Apache-2.0
"""NovaEvacuate's work, on engines that are real processes with a scripted life."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nova_ha.agents import nova_evacuate, supervision
from nova_ha.agents.framework import ocf
from nova_ha.rundir import engine_state
from nova_ha.rundir.engine_state import RunState
from tests.unit.agent_programs import TREE, failure
from tests.unit.engines import alive_in, signals
from tests.unit.waiting import limit, until

BEGIN = """
import json, os, signal, sys, time
sys.path.append({tree!r})
from nova_ha.rundir.engine_state import RunState
state = RunState("r", {root!r})
state.acquire()
given = json.load(sys.stdin)
"""
LIVE = """
while True:
    state.progress()
    time.sleep(0.05)
"""
WORK = 'state.report("working", "no host is flagged")' + LIVE


@pytest.fixture
def state(tmp_path):
    state = RunState("r", str(tmp_path))
    yield state
    supervision.stop(state, lambda: 5)


def start(state, life, seconds=10):
    text = BEGIN.format(tree=str(TREE), root=os.path.dirname(state.directory)) + life
    given = {"auth_url": "http://k", "password": "sEcret"}
    supervision.start(state, given, limit(seconds), [sys.executable, "-c", text])


@pytest.mark.parametrize("word", ["working", "waiting"])
def test_start_returns_when_the_engine_works_or_waits_for_the_cloud(state, word):
    start(state, f'time.sleep(0.3); state.report("{word}", "x")' + LIVE)
    assert state.read_report()["state"] == word
    supervision.monitor(state)


def test_start_hands_the_parameters_over_where_nobody_else_can_read_them(state):
    start(state, 'state.report("working", "x", given=given, environment=dict(os.environ))' + LIVE)
    report = state.read_report()
    assert report["given"] == {"parameters": {"auth_url": "http://k", "password": "sEcret"}}
    assert set(report["environment"]) - {"LC_CTYPE"} == {"PATH", "LC_ALL", "PYTHONPATH"}
    for file in ("cmdline", "environ"):
        with open(f"/proc/{state.holder()}/{file}", "rb") as shown:
            assert b"sEcret" not in shown.read()


LIMIT = """
import resource
from nova_ha.agents import framework as agent
from nova_ha.agents import nova_evacuate as supervisor
agent.run = lambda *_arguments: print(*resource.getrlimit(resource.RLIMIT_CORE))
supervisor.main()
"""


def test_the_agent_itself_leaves_no_core_with_the_password_that_pacemaker_gave_it():
    done = subprocess.run(["/usr/bin/python3", "-c", LIMIT], cwd=TREE, capture_output=True, text=True, check=True)
    soft, hard = done.stdout.split()
    assert soft == ("0" if hard == "0" else "1")


@pytest.fixture
def named(monkeypatch):
    monkeypatch.setattr(ocf, "OCF_RESOURCE_INSTANCE", "r")


def test_what_the_agent_says_is_in_the_log_under_the_resource_s_name(named, monkeypatch):
    said = []
    monkeypatch.setattr(nova_evacuate.syslog, "openlog", lambda *arguments: said.append(arguments[0]))
    monkeypatch.setattr(nova_evacuate.core_dumps, "leave_none", lambda: None)
    monkeypatch.setattr(nova_evacuate.framework, "run", lambda *_arguments: None)
    nova_evacuate.main()
    assert said == ["NovaEvacuate(r)"]


def test_only_what_can_be_taken_over_is_laid_out_for_a_running_engine(named, monkeypatch):
    for name, value in {"password": "sEcret", "auth_url": "http://k", "verbose": "yes", "domain": "d"}.items():
        monkeypatch.setenv(f"OCF_RESKEY_{name}", value)
    handed = []
    monkeypatch.setattr(nova_evacuate, "reload", lambda _state, changes, _left: handed.append(changes))
    nova_evacuate._reload()
    assert handed == [{"verbose": "yes", "domain": "d"}]


def test_the_engine_is_on_its_own(state):
    start(state, WORK)
    pid = state.holder()
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"


def test_start_of_a_running_engine_changes_nothing(state):
    start(state, WORK)
    pid = state.holder()
    start(state, "raise SystemExit('a second one')")
    assert state.holder() == pid


def test_a_misconfigured_engine_is_an_error_of_configuration_and_ends(state):
    life = 'state.report("misconfigured", "Keystone refuses the password of admin")' + LIVE
    assert failure(start, state, life) == (ocf.OCF_ERR_CONFIGURED, "Keystone refuses the password of admin")
    assert state.holder() is None


def test_a_misconfigured_engine_may_end_by_itself(state):
    life = 'state.report("misconfigured", "no such region"); sys.exit(1)'
    assert failure(start, state, life) == (ocf.OCF_ERR_CONFIGURED, "no such region")


def test_an_engine_that_dies_says_its_last_words(state):
    code, reason = failure(start, state, 'raise OSError("No space left on device")')
    assert code == ocf.OCF_ERR_GENERIC
    assert reason == "the engine ended at once (code 1): OSError: No space left on device"


def test_what_is_missing_on_this_node_is_said_as_such(state):
    code, reason = failure(start, state, "import keystoneauth_that_is_missing")
    assert code == ocf.OCF_ERR_INSTALLED
    assert reason == "not installed for /usr/bin/python3: No module named 'keystoneauth_that_is_missing'"


def test_start_does_not_wait_for_ever_for_the_first_answer_of_the_cloud(state, monkeypatch):
    monkeypatch.setattr(supervision, "_PATIENCE", 0.5)
    begun = time.monotonic()
    start(state, 'state.report("asking", "the cloud has not answered yet")' + LIVE, 60)
    assert 0.5 < time.monotonic() - begun < 30, "its patience, not all the time that it has"
    supervision.monitor(state)


def test_a_mistake_that_the_cloud_tells_late_is_an_error_of_start_if_start_still_waits(state):
    life = 'state.report("asking", "x"); time.sleep(0.5); state.report("misconfigured", "no such region"); sys.exit(1)'
    assert failure(start, state, life) == (ocf.OCF_ERR_CONFIGURED, "no such region")


def test_the_report_of_a_former_engine_is_not_taken_for_this_one_s(state):
    start(state, WORK)
    supervision.stop(state, lambda: 5)
    code, reason = failure(start, state, "sys.exit(3)")
    assert (code, reason.partition(":")[0]) == (ocf.OCF_ERR_GENERIC, "the engine ended at once (code 3)")


def test_an_engine_that_does_not_get_to_work_is_stopped(state):
    code, reason = failure(start, state, LIVE, 1)
    assert code == ocf.OCF_ERR_GENERIC
    assert reason == "the engine was not ready before the start timeout: the engine is starting"
    assert state.holder() is None


def test_monitor_tells_dead_from_hung(state, monkeypatch):
    code, reason = failure(supervision.monitor, state)
    assert code == ocf.OCF_NOT_RUNNING
    assert reason == "the engine does not run: it left no message; see the journal"
    start(state, 'state.report("working", "x"); time.sleep(600)')
    supervision.monitor(state)
    monkeypatch.setattr(supervision, "HUNG_AFTER", -1)
    code, reason = failure(supervision.monitor, state)
    assert code == ocf.OCF_ERR_GENERIC
    assert reason.startswith("engine hung: no progress for ")


def test_monitor_tells_why_an_engine_ended_by_itself(state):
    life = 'state.report("working", "x"); time.sleep(0.5); state.report("misconfigured", "no such region"); sys.exit(1)'
    start(state, life)
    until(lambda: state.holder() is None)
    code, reason = failure(supervision.monitor, state)
    assert (code, reason) == (ocf.OCF_NOT_RUNNING, "the engine does not run: no such region")


def test_monitor_passes_a_complaint_on_and_a_probe_does_not(state, monkeypatch):
    start(state, 'state.report("working", "x"); state.complain("cloud", "recoveries wait: refused")' + LIVE)
    assert failure(supervision.monitor, state) == (190, "recoveries wait: refused")
    monkeypatch.setattr(ocf, "is_probe", lambda: True)
    supervision.monitor(state)


def test_a_firm_stop_ends_what_the_engine_has_started_too(state):
    life = "import subprocess; child = subprocess.Popen(['sleep', '1000'])\n"
    life += "signal.signal(signal.SIGTERM, signal.SIG_IGN); state.report('working', str(child.pid))" + LIVE
    start(state, life)
    child = int(state.read_report()["reason"])
    assert os.getpgid(child) == state.holder()
    supervision.stop(state, lambda: 10)
    until(lambda: not alive_in(os.getpgid(child) if os.path.exists(f"/proc/{child}") else 0))


@pytest.mark.parametrize(
    ("deaf", "grace", "needed"), [(False, 60, [signal.SIGTERM]), (True, 0.5, [signal.SIGTERM, signal.SIGKILL])]
)
def test_stop_ends_the_engine_kindly_or_firmly(state, monkeypatch, deaf, grace, needed):
    monkeypatch.setattr(supervision, "_GRACE", grace)
    sent = signals(monkeypatch)
    start(state, ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else "") + WORK)
    began = time.monotonic()
    supervision.stop(state, limit(60))
    assert sent == needed
    assert state.holder() is None
    assert time.monotonic() - began < 30, "its grace, not all the time that it has"


def test_stop_of_an_engine_that_is_frozen(state):
    start(state, WORK)
    os.kill(state.holder(), 19)
    supervision.stop(state, lambda: 10)
    assert state.holder() is None


def test_a_stop_after_which_the_engine_is_still_there_is_no_success():
    class Immortal:
        what = "engine"

        def holder(self):
            return 999999999

    reason = "the engine, process 999999999, cannot be killed"
    assert failure(supervision.stop, Immortal(), lambda: 0.1) == (ocf.OCF_ERR_GENERIC, reason)


class Outside:
    """An engine that holds its lock from another namespace of process ids."""

    name, what = "r", "engine"
    directory = "/run/nova-ha/r"

    def holder(self):
        return engine_state.UNTOLD


@pytest.mark.parametrize(
    ("action", "consequence"),
    [
        (lambda: supervision.start(Outside(), {}, lambda: 5, ["/bin/false"]), "no other one is started"),
        (lambda: supervision.stop(Outside(), lambda: 5), "it is not stopped"),
        (lambda: nova_evacuate.reload(Outside(), {}, lambda: 5), "it is not told to read its configuration anew"),
    ],
    ids=["start", "stop", "reload"],
)
def test_an_engine_that_is_no_process_of_this_system_is_not_signalled(monkeypatch, action, consequence):
    # Process 0 would be the agent's own process group.
    monkeypatch.setattr(supervision.os, "kill", None)
    monkeypatch.setattr(supervision.os, "killpg", None)
    assert failure(action) == (
        ocf.OCF_ERR_GENERIC,
        f"the engine that holds /run/nova-ha/r/lock is no process of this system (of a container?): {consequence}. "
        "End it where it was started",
    )


def test_the_agent_s_own_process_group_is_not_killed(monkeypatch):
    killed = []
    monkeypatch.setattr(supervision.os, "kill", lambda pid, number: killed.append(("one", pid)))
    monkeypatch.setattr(supervision.os, "killpg", lambda pid, number: killed.append(("group", pid)))
    monkeypatch.setattr(supervision.os, "getpgid", lambda _pid: 7)
    monkeypatch.setattr(supervision.os, "getpgrp", lambda: 7)
    supervision.send(7, 9)
    assert killed == [("one", 7)]


def test_stop_of_none_is_well(tmp_path):
    supervision.stop(RunState("none", str(tmp_path)), lambda: 5)


def test_two_engines_started_at_once_leave_one(state):
    text = BEGIN.format(tree=str(TREE), root=os.path.dirname(state.directory)) + WORK
    pair = [subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in "12"]
    for engine in pair:
        engine.stdin.write(b"{}")
        engine.stdin.close()
    until(lambda: any(engine.poll() is not None for engine in pair))
    refused, running = sorted(pair, key=lambda engine: engine.poll() is None)
    assert b"AlreadyRunning" in refused.stderr.read()
    assert state.holder() == running.pid
    assert engine_state.RunState("r", os.path.dirname(state.directory)).is_well()
    running.kill()
    running.wait()
