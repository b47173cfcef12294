# SPDX-License-Identifier: Apache-2.0
"""A drill of a host: it says what recovery would lack, on each control node, and does not touch the host."""

import json

import pytest

from tests import schemas
from tests.functional.steps import eventually
from tests.lab import bmc, faults, nodes

pytestmark = pytest.mark.lab_b

PASSED, NOT_PASSED = 0, 4


def test_a_drill_says_what_recovery_would_lack(story):
    # Given a host that is well,
    host = story.spare
    one, another, third = story.settings.control_nodes
    before = story.fencings(host)
    # when it is drilled, all that it takes answers, from the node that asks,
    assert _wrong(_drilled(one, host, 0, PASSED)) == set()
    assert _wrong(_drilled(one, host, 1, PASSED)) == set()
    # and the others learn of that.
    eventually("another node to know", lambda: _phases(_drilled(another, host, 1, PASSED))[f"from {one}"] is True, 60)
    # When its BMC does not answer, that is found,
    bmc.stop(story.settings, host)
    try:
        assert _wrong(_drilled(third, host, 1, NOT_PASSED)) == {f"fencing ipmi-{host}"}
    finally:
        bmc.start(story.settings, host)
    # and also that its nova-compute does not answer, which Nova has up still.
    faults.freeze_service("nova-compute", host)
    try:
        assert _wrong(_drilled(third, host, 1, NOT_PASSED)) >= {"bus"}
    finally:
        faults.thaw_service("nova-compute", host)
    # Nothing was done to the host,
    assert story.fencings(host) == before and story.flags() == {}
    # and a host in recovery is in the way of another's drill.
    faults.kill(host)
    story.flagged(host)
    found = _wrong(_drilled(one, story.settings.compute_hosts[-1], 0, NOT_PASSED))
    assert "flags" in found
    story.closed(host)


def _drilled(node, host, level, code):
    done = nodes.execute(node, "nova-ha", "drill", host, "--level", str(level), "--json", check=False, timeout=200)
    assert done.returncode == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    schemas.check("drill", told)
    return told


def _phases(told):
    return {each["name"]: each["ok"] for each in told["phases"]}


def _wrong(told):
    return {name for name, ok in _phases(told).items() if ok is False}
