# SPDX-License-Identifier: Apache-2.0
"""What is made worse in the cloud is what the driver and the scheduler's filter read."""

import dataclasses
import importlib
import json
import sys
import time
import types

import pytest

from tests.lab.cloud import guests, impair, layout
from tests.lab.shell import LabError


@pytest.fixture(autouse=True)
def control(tmp_path, monkeypatch):
    """The directory that the cloud's containers have at ``layout.CONTROL_MOUNT``."""
    monkeypatch.setattr(layout, "SWITCHES_FILE", tmp_path / layout.SWITCHES_FILE.name)
    monkeypatch.setattr(layout, "SCHEDULER_FILE", tmp_path / layout.SCHEDULER_FILE.name)
    return tmp_path


@pytest.fixture
def slow_filter(monkeypatch):
    """The module that nova-scheduler loads, without Nova."""
    stub = types.ModuleType("nova.scheduler")
    stub.filters = types.SimpleNamespace(BaseHostFilter=object)
    monkeypatch.setitem(sys.modules, "nova.scheduler", stub)
    monkeypatch.setitem(sys.modules, "nova", types.ModuleType("nova"))
    yield importlib.import_module("tests.lab.cloud.slow_filter")
    del sys.modules["tests.lab.cloud.slow_filter"]


def test_the_driver_reads_every_switch(control):
    impair.set_guests(hold_end_on=["compute-2"])
    told = json.loads(layout.SWITCHES_FILE.read_text())
    assert set(told) == {field.name for field in dataclasses.fields(guests.Switches)}
    assert guests.Switches.read(layout.SWITCHES_FILE).hold_end_on == ["compute-2"]
    impair.set_guests()
    assert not guests.Switches.read(layout.SWITCHES_FILE).hold_end_on


def test_a_switch_that_does_not_exist_is_an_error():
    with pytest.raises(LabError, match="no such switch: hold"):
        impair.set_guests(hold=True)


def test_the_scheduler_takes_the_time_and_passes_over_the_hosts_that_are_set(control, monkeypatch, slow_filter):
    assert slow_filter.TOLD.parent.as_posix() == str(layout.CONTROL_MOUNT)
    monkeypatch.setattr(slow_filter, "TOLD", control / slow_filter.TOLD.name)
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)

    def passed():
        hosts = (types.SimpleNamespace(host=name) for name in ("a", "b"))
        return [host.host for host in slow_filter.LabSlowFilter().filter_all(hosts, None)]

    assert passed() == ["a", "b"]
    impair.set_scheduler(160, without=["a"])
    assert passed() == ["b"]
    impair.set_scheduler()
    assert passed() == ["a", "b"]
    assert slept == [0, 160, 0]
