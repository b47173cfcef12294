# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin's variables: a wrong value ends stack.sh before anything is done, and nothing else."""

import pytest

from tests.unit.devstack.node import COMPUTE, CONTROL, IPMI, REDFISH, VIRSH, Node


@pytest.mark.parametrize(
    ("services", "variables", "variable", "expected"),
    [
        (CONTROL, {"NOVA_HA_FENCING": "ilo"}, "NOVA_HA_FENCING: invalid value 'ilo'", "virsh, ipmi, redfish or none"),
        (CONTROL, {"NOVA_HA_TIMEOUT": "soon"}, "NOVA_HA_TIMEOUT: invalid value 'soon'", "whole number"),
        (CONTROL, {**VIRSH, "NOVA_HA_FENCING_ADDRESS": ""}, "NOVA_HA_FENCING_ADDRESS: invalid value ''", "hypervisor"),
        (CONTROL, {**IPMI, "NOVA_HA_FENCING_USER": ""}, "NOVA_HA_FENCING_USER: invalid value ''", "logs in"),
        (CONTROL, {**IPMI, "NOVA_HA_FENCING_PASSWORD": ""}, "NOVA_HA_FENCING_PASSWORD: no value", "agent's password"),
        (CONTROL, {**VIRSH, "NOVA_HA_FENCING_KEY": "/none"}, "NOVA_HA_FENCING_KEY: invalid value '/none'", "a private"),
        (CONTROL, {**IPMI, "NOVA_HA_FENCING_OPTIONS": "lanplus"}, "NOVA_HA_FENCING_OPTIONS: invalid value 'lanplus'",
         "name=value"),
        (CONTROL, {**IPMI, "NOVA_HA_HOSTS": "c1"}, "NOVA_HA_HOSTS: invalid entry 'c1'", "HOST=ADDRESS[:PORT]"),
        (CONTROL, {**REDFISH, "NOVA_HA_HOSTS": "c1="}, "NOVA_HA_HOSTS: invalid entry 'c1='", "SYSTEMS_URI"),
        (CONTROL, {"NOVA_HA_HOSTS": "c1,c2"}, "NOVA_HA_HOSTS: invalid entry 'c1,c2'", "HOST or HOST=DOMAIN"),
        (CONTROL, {"NOVA_HA_HOSTS": "c1 Controller"}, "NOVA_HA_HOSTS: invalid entry 'Controller'", "control node"),
        (CONTROL, {"NOVA_HA_HOSTS": "c1 C1"}, "NOVA_HA_HOSTS: invalid entry 'C1'", "each host once"),
        (CONTROL, {**IPMI, "NOVA_HA_HOSTS": "c1=a c2=a"}, "NOVA_HA_HOSTS: invalid entry 'c2=a'", "than that of c1"),
        (CONTROL, {"SERVICE_PASSWORD": ""}, "NOVA_HA_CLUSTER_PASSWORD: no value", "the same on all nodes"),
        (COMPUTE, {"VIRT_DRIVER": "fake"}, "VIRT_DRIVER: invalid value 'fake'", "such as libvirt"),
        (COMPUTE, {"USER_UNITS": "True"}, "USER_UNITS: invalid value 'True'", "False"),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_clear_line_before_anything_is_done(tmp_path, services, variables, variable, expected):
    done = Node(tmp_path, services, **variables).run("stack", "pre-install")
    assert done.returncode == 1
    (error,) = done.errors
    assert error.startswith(f"nova-ha: {variable}")
    assert expected in error
    assert not any(call.startswith(("install_package", "pcs", "sudo dnf")) for call in done.calls)


def test_a_password_among_the_options_is_refused_and_not_repeated(tmp_path):
    node = Node(tmp_path, CONTROL, **IPMI, NOVA_HA_FENCING_OPTIONS="lanplus=1 password=hunter2")
    (error,) = node.run("stack", "pre-install").errors
    assert "set NOVA_HA_FENCING_PASSWORD" in error
    assert "hunter2" not in error


def test_bad_values_do_not_keep_devstack_from_being_taken_down(answering):
    answering.run("stack", "extra")
    answering.variables.update(NOVA_HA_FENCING="ilo", NOVA_HA_HOSTS="a=b=c localhost")
    for mode in ("unstack", "clean"):
        done = answering.run(mode)
        assert done.returncode == 0 and not done.errors
