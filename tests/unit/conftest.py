# SPDX-License-Identifier: Apache-2.0
"""What tests of several modules are given."""

import importlib.machinery
import importlib.util
import logging
import os
import signal
import sys

import pytest

from nova_ha.fencing.shared_power import Devices
from tests.unit.agent_programs import FENCE_COMPUTE

# The processes that xdist starts must find the same tests, and hypothesis the same histories each time: what the engine
# does first, and by that how many changes a story has, depends on the order of sets of names.
os.environ.setdefault("PYTHONHASHSEED", "0")

# A shell that runs pytest in the background has SIGINT ignored: so would programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONG = ("test_histories.py", "test_model.py")  # of all tests' time they take half


def pytest_collection_modifyitems(items):
    """Spread the long tests over the first half: xdist hands out neighbours, and one process would get all of them."""
    long = [item for item in items if item.path.name in LONG]
    others = [item for item in items if item.path.name not in LONG]
    share = len(others) // (2 * len(long)) if long else 0
    items[:] = [each for number, item in enumerate(long) for each in (item, *others[number * share :][:share])]
    items += others[len(long) * share :]


@pytest.fixture
def agent(monkeypatch):
    """Call as ``agent(pacemaker, *lines)``: runs fence_compute's main in this process; returns its exit code."""

    def run(pacemaker, *lines):
        loader = importlib.machinery.SourceFileLoader("fence_compute_under_test", str(FENCE_COMPUTE))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        monkeypatch.setattr(module, "Devices", lambda attribute: Devices(attribute, runner=pacemaker))
        monkeypatch.setattr(module.atexit, "register", lambda _handler: None)
        monkeypatch.setattr(module.core_dumps, "leave_none", lambda: None)
        monkeypatch.setattr(module.fencing, "SyslogLibHandler", logging.NullHandler)
        monkeypatch.setattr(sys, "argv", ["fence_compute"])
        monkeypatch.setattr(sys, "stdin", Lines(lines))
        with pytest.raises(SystemExit) as ended:
            module.main()
        return ended.value.code or 0

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.syspath_prepend("/usr/share/fence")
    return run


class Lines:
    """A standard input."""

    def __init__(self, lines):
        self._lines = lines

    def readlines(self):
        return [f"{line}\n" for line in self._lines]

    def reconfigure(self, errors):
        assert errors == "surrogateescape"
