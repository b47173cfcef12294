# SPDX-License-Identifier: Apache-2.0
"""The lab that may be up on this machine is not meant."""

import pytest

from tests.lab import locks


@pytest.fixture(autouse=True)
def locks_of_its_own(monkeypatch, tmp_path):
    """No lock is waited for that a lab holds, and none is taken from one."""
    monkeypatch.setattr(locks, "DIRECTORY", tmp_path / "locks")
