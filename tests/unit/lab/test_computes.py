# SPDX-License-Identifier: Apache-2.0
"""The ways in which the lab's hosts run nova-compute: what the agent is told, and what faults do."""

from xml.etree import ElementTree

import pytest

from tests.lab import computes, faults, nodes, power

CIB = '<cib><resources><clone><primitive id="nova-compute"><operations/></primitive></clone></resources></cib>'


@pytest.fixture
def done(monkeypatch):
    """What is done on the hosts, as one line each; faults leave no record."""
    lines = []

    def execute(node, *command, **options):
        lines.append(f"{node}: {' '.join(command)}")

    monkeypatch.setattr(nodes, "execute", execute)
    monkeypatch.setattr(faults, "_begin", lambda *_: None)
    monkeypatch.setattr(faults, "_end", lambda *_: None)
    monkeypatch.setattr(power, "append", lambda *_: None)
    return lines


def test_each_host_has_its_own_parameters():
    primitive = ElementTree.fromstring(computes.add_parameters(CIB)).find(".//primitive")
    # The schema wants them before the operations.
    assert [child.tag for child in primitive] == 3 * ["instance_attributes"] + ["operations"]
    # The first set, which pcs changes, is that of all hosts.
    all_hosts, *of_one_host = primitive.findall("instance_attributes")
    assert not list(all_hosts)
    told = {
        attributes.find("rule/expression").get("value"): {
            pair.get("name"): pair.get("value") for pair in attributes.findall("nvpair")
        }
        for attributes in of_one_host
    }
    assert told == computes.PARAMETERS
    named = [element.get("id") for element in primitive.iter() if element.get("id")]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("host", ["compute-1", "compute-2", "compute-3"])
def test_a_fault_of_nova_compute_is_the_same_whatever_way_it_is_run(done, host):
    faults.freeze_service(computes.SERVICE, host)
    faults.thaw_service(computes.SERVICE, host)
    faults.stop_service(computes.SERVICE, host, at_once=True)
    faults.start_service(computes.SERVICE, host)
    signals = [line.split("kill -")[1].split()[0] for line in done if "kill -" in line]
    assert signals == ["STOP", "CONT", "KILL"]
    orders = [line for line in done if computes.AGENT in line]
    assert [order.rpartition(" ")[2] for order in orders] == ["stop", "start"]
    for name, value in computes.PARAMETERS.get(host, {}).items():
        assert all(f"OCF_RESKEY_{name}={value}" in order for order in orders)


def test_only_the_host_with_the_container_may_mount():
    assert "SYS_ADMIN" in computes.podman_options(computes.CONTAINED)
    assert not computes.podman_options("compute-1")
