# SPDX-License-Identifier: Apache-2.0
"""What podman is told, on the kinds of machines that there are."""

import dataclasses

import pytest

from tests.lab import runtime
from tests.lab.shell import LabError

PLAIN = runtime.Machine(
    runtimes=("crun", "runc"), unified_cgroups=True, systemd=True, may_raise_limits=True, nofile=1024, nproc=4096
)


def conf(**changes):
    return runtime.containers_conf(dataclasses.replace(PLAIN, **changes))


def test_an_ordinary_machine_keeps_podmans_defaults():
    assert 'runtime = "crun"' in conf()
    assert 'cgroup_manager = "systemd"' in conf()
    assert "default_ulimits" not in conf()


def test_crun_is_not_used_with_a_hybrid_cgroup_layout():
    assert 'runtime = "runc"' in conf(unified_cgroups=False)


def test_without_systemd_cgroups_are_made_directly():
    assert 'cgroup_manager = "cgroupfs"' in conf(systemd=False)


def test_limits_stay_within_what_may_not_be_raised():
    assert 'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]' in conf(may_raise_limits=False)


@pytest.mark.parametrize("runtimes", [(), ("crun",)])
def test_a_missing_runtime_is_named(runtimes):
    with pytest.raises(LabError, match="runc"):
        conf(unified_cgroups=False, runtimes=runtimes)
