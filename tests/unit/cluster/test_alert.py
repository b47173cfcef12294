# SPDX-License-Identifier: Apache-2.0
"""The alert agent, run as Pacemaker runs it, and what the engine sees of it."""

import subprocess
import time

import pytest

from nova_ha.cluster import pacemaker
from tests.unit.agent_programs import TREE
from tests.unit.waiting import until

AGENT = TREE / "tools/alert_nova_ha.sh"


def alert(file, kind):
    environment = {"CRM_alert_kind": kind, "CRM_alert_recipient": str(file), "PATH": "/usr/bin:/bin"}
    return subprocess.run([AGENT], env=environment, capture_output=True, text=True, timeout=30)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(pacemaker, "ALERT_FILE", str(tmp_path / "nova-ha-fencing"))
    return tmp_path / "nova-ha-fencing"


def test_a_fencing_is_a_change(file):
    for _again in range(2):
        before = pacemaker.last_change()
        until(lambda: not file.exists() or time.time_ns() > file.stat().st_mtime_ns + 20_000_000)
        assert alert(file, "fencing").returncode == 0
        assert pacemaker.last_change() != before


@pytest.mark.parametrize("kind", ["node", "resource", "attribute", ""])
def test_nothing_else_is(file, kind):
    before = pacemaker.last_change()
    assert alert(file, kind).returncode == 0
    assert pacemaker.last_change() == before


def test_the_agent_touches_what_the_engine_looks_at():
    assert f":-{pacemaker.ALERT_FILE}}}" in AGENT.read_text(encoding="utf-8")


def test_a_node_without_pacemaker_s_directory_has_no_failing_alert(tmp_path):
    done = alert(tmp_path / "none/nova-ha-fencing", "fencing")
    assert (done.returncode, done.stderr) == (0, "")
