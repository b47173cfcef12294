# SPDX-License-Identifier: Apache-2.0
"""One workbench for all tests of a pytest process."""

import contextlib
import signal

import pytest

from tests.workbench import bench as workbench

# A shell that runs pytest in the background has SIGINT ignored: so would programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def bench(pytestconfig):
    """The workbench, which runs; each worker of pytest-xdist has its own."""
    with contextlib.ExitStack() as stack:
        # Where the image has to be built, the person who waits for minutes sees it, past pytest's capture.
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            started = stack.enter_context(workbench.started())
        yield started
