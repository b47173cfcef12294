# SPDX-License-Identifier: Apache-2.0
"""Nothing of a workbench outlives who uses it."""

import os
import signal
import subprocess
import sys

import pytest

from tests.lab import runtime
from tests.lab.settings import SOURCE_TREE
from tests.lab.waiting import wait_for
from tests.workbench import bench as workbench

# A program with a workbench of its own, of which it tells and then waits.
USER = """
import sys, time
from tests.workbench import bench
with bench.started(sys.argv[1]):
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda ends: ends.name)
def test_it_goes_with_the_program_that_uses_it(bench, ends):
    name = f"{workbench.PREFIX}{os.getpid()}-{ends.name.lower()}"
    command = [sys.executable, "-c", USER, name]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=SOURCE_TREE, start_new_session=True, **pipe) as user:
        assert user.stdout.readline() == "started\n", user.stderr.read()
        assert _exists(name)
        # The signal reaches its podman, too, as an interrupt at a terminal does.
        os.killpg(user.pid, ends)
    wait_for(f"{name} to be removed", lambda: not _exists(name), limit=30, interval=0.2)
    # The others stay.
    assert bench.run("true").returncode == 0


def _exists(name):
    return runtime.podman("container", "exists", name, check=False).returncode == 0
