# SPDX-License-Identifier: Apache-2.0
"""What is missing until all is well: nothing in a sound lab, and each thing that can be."""

import dataclasses

import pytest

from tests.campaign import rest
from tests.lab.history import GONE, PAUSED, RUNNING, STOPPED, UNSURE
from tests.lab.settings import Settings

SETTINGS = Settings()
HOSTS = SETTINGS.compute_hosts


def service(host, **changes):
    return {"host": host, "state": "up", "status": "enabled", "forced_down": False, **changes}


def instance(ident, status, task=None):
    return {"id": ident, "status": status, "task_state": task}


WANTED = {"r": RUNNING, "s": STOPPED, "p": PAUSED, "g": GONE, "u": UNSURE}
INSTANCES = (instance("r", "ACTIVE"), instance("s", "SHUTOFF"), instance("p", "PAUSED"), instance("u", "ERROR", "x"))
WELL = rest.Seen(
    flags={},
    online=SETTINGS.powered,
    engine="control-1",
    verdict="well",
    failures=(),
    computing=HOSTS,
    services=tuple(service(host) for host in HOSTS),
    instances=INSTANCES,
    parts={"keystone": "active"},
    bmcs=SETTINGS.powered,
)


def test_a_lab_in_which_all_is_well_misses_nothing():
    assert rest.compare(SETTINGS, WELL, WANTED) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"flags": {"compute-1": "no"}}, "the flag of compute-1 is no"),
        ({"online": SETTINGS.powered[1:]}, "control-1 is not online"),
        ({"engine": None, "verdict": None}, "the engine runs nowhere"),
        ({"verdict": "attention"}, "nova-ha status says: attention"),
        ({"failures": ("monitor on b",)}, "the cluster holds on to a failure: monitor on b"),
        ({"computing": HOSTS[1:]}, "nova-compute does not run on compute-1"),
        ({"services": (service("compute-1", state="down"),)}, "the service of compute-1 is down, enabled"),
        ({"services": (service("compute-1", status="disabled"),)}, "the service of compute-1 is up, disabled"),
        ({"services": (service("c", forced_down=True),)}, "the service of c is up, enabled, forced down"),
        ({"parts": {"keystone": "failed"}}, "keystone is failed"),
        ({"bmcs": SETTINGS.powered[1:]}, "the BMC of control-1 is away"),
        ({"instances": INSTANCES[1:]}, "instance r is gone, not ACTIVE"),
        ({"instances": (instance("r", "ACTIVE", "rebuilding"), *INSTANCES[1:])}, "instance r is ACTIVE, rebuilding"),
        ({"instances": (instance("r", "ERROR"), *INSTANCES[1:])}, "instance r is ERROR, not ACTIVE"),
        ({"instances": (*INSTANCES, instance("g", "ACTIVE"))}, "instance g is ACTIVE, not gone"),
    ],
)
def test_what_is_missing_is_named(change, line):
    assert rest.compare(SETTINGS, dataclasses.replace(WELL, **change), WANTED) == [line]
