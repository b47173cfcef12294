# SPDX-License-Identifier: Apache-2.0
"""What a fencing device is asked of a host, and by what name it knows that."""

import pytest

from nova_ha.fencing import wires
from nova_ha.fencing.options import OptionError
from nova_ha.fencing.power_agent import PowerError
from tests.unit.power_agents import OFF, ON, Stand

BMC = {"ip": "192.0.2.1", "username": "admin", "password": "sesame"}


@pytest.fixture
def stand(tmp_path):
    return Stand(tmp_path)


@pytest.mark.parametrize(("life", "state"), [(ON, "on"), (OFF, "off")])
def test_the_device_is_asked_for_the_status_of_the_host_and_nothing_else(stand, life, state):
    stand.lives(life)
    parameters = {**BMC, "pcmk_host_list": "compute-1", "pcmk_reboot_action": "off", "action": "reboot", "port": "7"}
    assert wires.status(str(stand.path), parameters, "compute-1") == state
    assert [each["options"] for each in stand.notes] == [{**BMC, "plug": "compute-1", "action": "status"}]


@pytest.mark.parametrize("host", ["compute-2", "Compute-2"])
def test_a_device_of_many_hosts_is_asked_by_its_own_name_of_the_host(stand, host):
    stand.lives(ON)
    wires.status(str(stand.path), {**BMC, "pcmk_host_map": "compute-1:1;compute-2:2"}, host)
    assert [each["options"]["plug"] for each in stand.notes] == ["2"]


def test_what_powers_hosts_for_fence_compute_is_asked(stand):
    stand.lives(ON)
    parameters = {**BMC, "power-agent": str(stand.path), "pcmk_host_list": "compute-1", "power_recheck": "5"}
    assert wires.status("fence_compute", parameters, "compute-1") == "on"
    assert [each["options"] for each in stand.notes] == [{**BMC, "plug": "compute-1", "action": "status"}]


@pytest.mark.parametrize("value", ["1", "disabled"])
def test_a_device_that_only_flags_has_nothing_to_be_asked(value):
    assert wires.status("fence_compute", {"record_only": value}, "compute-1") is None


def test_what_keeps_a_device_from_answering_is_told_without_its_password(stand):
    stand.lives('sys.exit("cannot log in with sesame")')
    with pytest.raises(PowerError, match="cannot log in with ..."):
        wires.status(str(stand.path), BMC, "compute-1")
    with pytest.raises(PowerError, match="no power agent"):
        wires.status("fence_nothing", BMC, "compute-1")
    with pytest.raises(OptionError, match="record_only"):
        wires.status("fence_compute", {"record_only": "perhaps"}, "compute-1")
