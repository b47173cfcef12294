# SPDX-License-Identifier: Apache-2.0
"""The cluster that the scheduler is timed with: what docs/deploy.md has operators configure, and a state of rest."""

from xml.etree import ElementTree

import pytest

from tests.benchmarks import cib


def cluster(*arguments):
    return ElementTree.fromstring(cib.cluster(*arguments))


def test_each_host_has_a_connection_a_power_device_and_a_level_that_flags_last():
    made = cluster(7)
    names = [f"compute-{number}" for number in range(1, 8)]
    assert [e.get("id") for e in made.iterfind(".//primitive[@type='remote']")] == names
    assert [e.get("id") for e in made.iterfind(".//primitive[@type='fence_ipmilan']")] == [f"ipmi-{n}" for n in names]
    levels = {e.get("target"): e.get("devices") for e in made.iterfind(".//fencing-level")}
    assert levels == {name: f"ipmi-{name},fence-nova" for name in names}


def test_ids_are_unique_in_the_configuration():
    ids = [e.get("id") for e in cluster(3, 1).find("configuration").iter() if e.get("id")]
    # A remote node and its connection have one name.
    assert sorted(id for id in ids if ids.count(id) > 1) == sorted(2 * ["compute-1", "compute-2", "compute-3"])


@pytest.mark.parametrize("held_back", [True, False])
def test_rule_that_holds_nova_compute_back_is_the_only_difference(held_back):
    made = cluster(2, 1, held_back)
    rules = {e.get("id"): e for e in made.iterfind(".//rsc_location")}
    assert set(rules) - {cib.HELD_BACK} == {"nova-evacuate-on-control", "nova-compute-on-compute"}
    assert (cib.HELD_BACK in rules) is held_back
    if held_back:
        expressions = [
            (e.get("operation"), e.get("attribute"), e.get("value")) for e in rules[cib.HELD_BACK].iter("expression")
        ]
        assert expressions == [("defined", "evacuate", None), ("ne", "evacuate", "no")]
        assert rules[cib.HELD_BACK].get("rsc") == "nova-compute-clone"


def test_flagged_hosts_carry_the_flag_and_run_no_nova_compute():
    made = cluster(5, 2)
    flagged = [n.get("uname") for n in made.iterfind(".//node") if n.find(".//nvpair[@name='evacuate']") is not None]
    assert flagged == ["compute-1", "compute-2"]
    states = made.iterfind(".//node_state[@remote_node='true']")
    found = {state.get("id"): state.find(".//lrm_rsc_op").get("rc-code") for state in states}
    assert found == {f"compute-{number}": "7" if number <= 2 else "0" for number in range(1, 6)}


def test_everything_on_control_nodes_runs_on_one_of_them():
    made = cluster(4)
    running = [
        resource.get("id")
        for resource in made.iterfind(".//node_state/lrm/lrm_resources/lrm_resource")
        if resource.find("lrm_rsc_op[@operation='start']") is not None
    ]
    hosts = [f"compute-{number}" for number in range(1, 5)]
    others = [*hosts, *(f"ipmi-{host}" for host in hosts), "fence-nova", "nova-evacuate"]
    assert sorted(running) == sorted(others + 4 * ["nova-compute"])


@pytest.mark.parametrize(
    ("parameters", "known"),
    [
        # As Pacemaker 2.1.5 has them in its own status section.
        ({}, "f2317cad3d54cec5d7d7aa7d0bf35cf8"),
        ({"CRM_meta_timeout": "20000"}, "4811cef7f7f94e3a35a70be7916cb2fd"),
    ],
)
def test_digests_are_those_of_pacemaker(parameters, known):
    assert cib.digest(parameters) == known
