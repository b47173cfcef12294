# SPDX-License-Identifier: Apache-2.0
"""The operator's command, and an engine that is a real process."""

import io
import json
import os
import subprocess
import sys

import pytest

from nova_ha.cli import keeper as keeping
from nova_ha.cli import main, orders
from nova_ha.reporting import history_log
from nova_ha.reporting.history_log import HistoryLog
from tests import schemas
from tests.unit.agent_programs import TREE
from tests.unit.cli.scenes import RESOURCE


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The history on this node's disk."""
    monkeypatch.setattr(history_log, "ROOT", str(tmp_path / "history"))
    return HistoryLog()


@pytest.fixture
def keeper(kept):
    """A keeper of it that runs."""
    lock = keeping.begin(kept)
    yield
    os.close(lock)


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    """Runs nova-ha on a cluster; returns exit code, standard output and standard error."""
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def run(pacemaker, *arguments):
        file = str(tmp_path / "nova-ha.conf")
        code = main.main(arguments, pacemaker, str(tmp_path), file)
        out, err = capsys.readouterr()
        if "--json" in arguments and out:
            schemas.check(arguments[0], json.loads(out))
        return code, out, err

    return run


@pytest.fixture
def engine(tmp_path):
    """Starts a process that holds the engine's lock, and has reported what it is given."""
    begun = []

    def start(**report):
        text = (
            "import json, sys, time\n"
            f"sys.path.append({str(TREE)!r})\n"
            "from nova_ha.rundir.engine_state import RunState\n"
            f"state = RunState({RESOURCE!r}, {str(tmp_path)!r})\n"
            "state.acquire()\n"
            "report = json.load(sys.stdin)\n"
            "if report: state.report(**report)\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        begun.append(process)
        process.stdin.write(json.dumps(report))
        process.stdin.close()
        assert process.stdout.readline() == "ready\n"

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def noted(monkeypatch):
    """What is left in the journal of an operator's orders."""
    lines = []
    monkeypatch.setattr(orders.journal, "note", lambda _ident, _priority, line, _fields: lines.append(line))
    return lines


@pytest.fixture
def answers(monkeypatch):
    """Gives a terminal, on which somebody answers so."""

    def give(text):
        terminal = io.StringIO(text)
        terminal.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", terminal)

    return give
