# SPDX-License-Identifier: Apache-2.0
"""One workbench for all tests of a pytest process."""

import contextlib

import pytest

from tests.workbench import bench as workbench


@pytest.fixture(scope="session")
def bench(pytestconfig):
    """The workbench, which runs; each worker of pytest-xdist has its own."""
    with contextlib.ExitStack() as stack:
        # Where the image has to be built, the person who waits for minutes sees it, past pytest's capture.
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            started = stack.enter_context(workbench.started())
        yield started
