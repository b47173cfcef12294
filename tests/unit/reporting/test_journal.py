# SPDX-License-Identifier: Apache-2.0
"""What gets into systemd's journal, with its fields; and into syslog, where there is none."""

import importlib.util
import json
import logging
import logging.handlers
import subprocess
import sys
import syslog
import types

import pytest

from nova_ha.model.reasons import Code
from nova_ha.reporting import journal
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account
from tests import pages
from tests.unit.agent_programs import TREE


@pytest.fixture
def entries(tmp_path, monkeypatch):
    """What python3-systemd is given, where journald listens."""
    told = []
    library = types.ModuleType("systemd")
    library.journal = types.SimpleNamespace(send=lambda text, **fields: told.append({"MESSAGE": text, **fields}))
    monkeypatch.setitem(sys.modules, "systemd", library)
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path))
    return told


@pytest.fixture
def log():
    log = logging.Logger("engine", logging.INFO)
    yield log
    for handler in log.handlers:
        handler.close()


def ours(entry):
    return {name: value for name, value in entry.items() if name.startswith("NOVA_HA_")}


def test_an_event_has_its_line_and_its_fields(entries, log):
    log.addHandler(journal.handler("NovaEvacuate(x)", "x"))
    account = Account(log, clock=lambda: 1000.7)
    account.event(Event.HOST_CLAIMED, "compute-1")
    account.event(Event.EVACUATION_NOT_ACCEPTED, "compute-1", "i1", "req-1", "it said no", Code.CONFLICT, "do this")
    account.event(Event.FLAG_CLEARED, "compute-1")
    account.event(Event.HOST_WAITS, "compute-2", code=Code.PAUSED)
    (first, second, third, other) = entries
    assert first["MESSAGE"] == "host_claimed: host=compute-1"
    assert ours(second) == {
        "NOVA_HA_EVENT": "evacuation_not_accepted",
        "NOVA_HA_RESOURCE": "x",
        "NOVA_HA_HOST": "compute-1",
        "NOVA_HA_INSTANCE": "i1",
        "NOVA_HA_RECOVERY": "compute-1@1001",
        "NOVA_HA_REQUEST": "req-1",
        "NOVA_HA_CODE": "conflict",
        "NOVA_HA_REASON": "it said no",
        "NOVA_HA_COMMAND": "do this",
    }
    assert (second["PRIORITY"], second["SYSLOG_IDENTIFIER"], second["SYSLOG_FACILITY"]) == ("4", "NovaEvacuate(x)", "3")
    # The first and the last event of a recovery belong to it, too.
    assert first["NOVA_HA_RECOVERY"] == third["NOVA_HA_RECOVERY"] == "compute-1@1001"
    assert "NOVA_HA_RECOVERY" not in other


def test_what_is_no_event_has_the_resource_alone(entries, log):
    log.addHandler(journal.handler("NovaEvacuate(x)", "x"))
    log.error("the cloud is away: %s", "why")
    assert (entries[0]["MESSAGE"], entries[0]["PRIORITY"]) == ("the cloud is away: why", "3")
    assert ours(entries[0]) == {"NOVA_HA_RESOURCE": "x"}


def test_a_journal_that_cannot_be_written_does_no_harm(entries, log, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    sys.modules["systemd"].journal.send = fails
    log.addHandler(journal.handler("NovaEvacuate(x)", "x"))
    log.error("x")


def test_an_order_has_who_gave_it(entries):
    journal.note("nova-ha", syslog.LOG_NOTICE, "operator_ordered: ...", {"operator": "alice@c1", "code": None})
    assert ours(entries[0]) == {"NOVA_HA_OPERATOR": "alice@c1"}
    assert entries[0]["PRIORITY"] == "5"


@pytest.mark.parametrize("missing", ["journald", "library"])
def test_without_either_syslog_has_the_line(entries, monkeypatch, missing):
    if missing == "journald":
        monkeypatch.setattr(journal, "SOCKET", "/nonexistent")
    else:
        monkeypatch.setitem(sys.modules, "systemd", None)
    plain = journal.handler("NovaEvacuate(x)", "x")
    assert isinstance(plain, logging.handlers.SysLogHandler) and plain.ident == "NovaEvacuate(x): "
    plain.close()
    lines = []
    monkeypatch.setattr(syslog, "syslog", lambda *line: lines.append(line))
    journal.note("nova-ha", syslog.LOG_NOTICE, "operator_ordered: ...", {"operator": "alice"})
    assert (lines, entries) == ([(syslog.LOG_NOTICE, "operator_ordered: ...")], [])


# A journald of one's own, as the real library finds it.
REAL = """
import json, os, socket
os.makedirs("/run/systemd/journal", exist_ok=True)
listens = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listens.bind("/run/systemd/journal/socket")
from nova_ha.reporting import journal
journal.note("nova-ha", 5, "a line", {"host": "compute-1", "reason": "two\\nlines"})
print(json.dumps(listens.recv(65536).decode("latin-1")))
"""


@pytest.mark.skipif(importlib.util.find_spec("systemd") is None, reason="python3-systemd is not installed")
def test_the_real_library_takes_it():
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$0" -c "$1"', sys.executable, REAL]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    assert "MESSAGE=a line\n" in sent and "NOVA_HA_HOST=compute-1\n" in sent and "SYSLOG_IDENTIFIER=nova-ha\n" in sent


def test_the_page_has_every_field():
    page = (TREE / "docs/events.md").read_text(encoding="utf-8")
    found = {row["field"]: row["what it is"] for row in pages.rows(page.partition("## Fields")[2])}
    assert found == {f"NOVA_HA_{name.upper()}": meaning for name, meaning in journal.FIELDS.items()}
