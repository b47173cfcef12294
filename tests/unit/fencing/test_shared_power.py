# SPDX-License-Identifier: Apache-2.0
"""What is read of fencing devices and nodes, from a whole CIB, by the XPath that Pacemaker's library speaks."""

import subprocess

import pytest

from nova_ha.cluster.pacemaker import UnknownNode
from nova_ha.fencing.shared_power import Behind, Devices

CIB = """
<cib><configuration>
  <nodes>
    <node id="1" uname="control-1"/>
    <node id="Compute-1" uname="Compute-1" type="remote"><instance_attributes id="a">
      <nvpair id="a-1" name="rack" value="1"/>
      <nvpair id="a-2" name="evacuate" value="yes"/></instance_attributes></node>
    <node id="compute-2.SITE-A" uname="compute-2.SITE-A" type="remote"/>
    <node id="compute-2.site-b" uname="compute-2.site-b" type="remote"/>
    <node id="compute-3" uname="compute-3" type="remote"/>
  </nodes>
  <resources>
    <template id="bmc" class="stonith" type="fence_compute">
      <instance_attributes id="bmc-ia"><nvpair id="bmc-1" name="ip" value="192.0.2.1"/>
        <nvpair id="bmc-2" name="ipport" value="623"/></instance_attributes></template>
    <template id="web" class="ocf" provider="heartbeat" type="apache"/>
    <primitive id="psu-a" template="bmc"><instance_attributes id="psu-a-ia">
      <nvpair id="psu-a-1" name="pcmk_host_list" value="compute-1"/></instance_attributes></primitive>
    <primitive id="elsewhere" template="bmc"><instance_attributes id="elsewhere-ia">
      <nvpair id="elsewhere-1" name="ip" value="192.0.2.2"/>
      <nvpair id="elsewhere-2" name="pcmk_host_list" value="compute-2"/></instance_attributes></primitive>
    <primitive id="overruled" template="urgent"><instance_attributes id="overruled-ia">
      <nvpair id="overruled-1" name="ip" value="192.0.2.2"/>
      <nvpair id="overruled-2" name="pcmk_host_list" value="compute-3"/></instance_attributes></primitive>
    <template id="urgent" class="stonith" type="fence_compute">
      <instance_attributes id="urgent-ia" score="INFINITY"><nvpair id="urgent-1" name="ip" value="192.0.2.1"/>
        <nvpair id="urgent-2" name="ipport" value="623"/></instance_attributes></template>
    <group id="g"><primitive id="grouped" class="stonith" type="fence_compute"><instance_attributes id="grouped-ia">
      <nvpair id-ref="bmc-1"/><nvpair id-ref="bmc-2" name="ipport"/>
      <nvpair id="grouped-1" name="pcmk_host_list" value="compute-4"/></instance_attributes></primitive></group>
    <clone id="c"><primitive id="cloned" class="stonith" type="fence_compute">
      <instance_attributes id-ref="bmc-ia"/><instance_attributes id="cloned-ia">
      <nvpair id="cloned-1" name="pcmk_host_map" value="compute-5:7"/></instance_attributes></primitive></clone>
    <primitive id="ipmi" class="stonith" type="fence_ipmilan"/>
    <primitive id="homeless" template="gone"/>
    <primitive id="httpd" template="web"/>
    <primitive id="false-friend" class="ocf" provider="openstack" type="fence_compute"/>
  </resources>
  <fencing-topology>
    <fencing-level id="l-1" index="1" target-attribute="rack" target-value="1" devices="ipmi,psu-a"/>
    <fencing-level id="l-2" index="1" target-attribute="rack" target-value="2" devices="ipmi"/>
  </fencing-topology>
</configuration></cib>
"""


def pacemaker(command, timeout):
    """A runner that answers as cibadmin does, with libxml2's XPath."""
    assert command[:3] == ["cibadmin", "--query", "--xpath"]
    asked = ["xmllint", "--xpath", command[3], "-"]
    done = subprocess.run(asked, input=CIB, capture_output=True, text=True, timeout=30)
    if "XPath set is empty" in done.stderr:
        return 105, "", "No such device or address"
    assert done.returncode == 0, done.stderr
    return 0, f"<xpath-query>{done.stdout}</xpath-query>", ""


DEVICES = Devices(runner=pacemaker)


def test_a_device_has_its_agent_wherever_it_stands_and_from_its_template():
    asked = ("psu-a", "overruled", "grouped", "cloned", "ipmi", "homeless", "httpd", "false-friend", "none", "ipmi ")
    agents = DEVICES.fence_agents(asked)
    mine = dict.fromkeys(("psu-a", "overruled", "grouped", "cloned"), "fence_compute")
    assert agents == {**mine, "ipmi": "fence_ipmilan", "watchdog": "fence_watchdog"}


def test_the_parameters_are_those_of_the_device_and_of_its_template():
    here = {Behind(host, host) for host in ("compute-1", "compute-3", "compute-4")} | {Behind("compute-5", "7")}
    assert DEVICES.behind("fence_compute", {"ip": "192.0.2.1", "ipport": "623"}) == here
    assert DEVICES.behind("fence_compute", {"ip": "192.0.2.2", "ipport": "623"}) == {Behind("compute-2", "compute-2")}


def test_an_attribute_is_that_of_the_node_of_exactly_this_name():
    assert DEVICES.fencing_levels("Compute-1") == [["ipmi", "psu-a"]]
    assert DEVICES.fencing_levels("compute-1") == []


@pytest.mark.parametrize(
    ("name", "domain", "node"),
    [
        ("compute-1", None, "Compute-1"),
        ("COMPUTE-1.site-a", None, "Compute-1"),
        ("compute-1.site-a", "SITE-A", "Compute-1"),
        ("compute-2.site-a", None, "compute-2.SITE-A"),
        ("COMPUTE-2", "site-b", "compute-2.site-b"),
        ("Compute-3", "site-a", "compute-3"),
    ],
)
def test_a_node_is_found_without_case(name, domain, node):
    assert DEVICES.resolve(name, domain) == node


@pytest.mark.parametrize(
    ("name", "domain"),
    [("compute-2", None), ("compute-2", "site-c"), ("compute-3.site-b", "site-a"), ("compute", None)],
)
def test_a_like_named_node_is_not_taken(name, domain):
    with pytest.raises(UnknownNode):
        DEVICES.resolve(name, domain)


def test_a_flag_is_found_without_case():
    assert (DEVICES.flag("Compute-1"), DEVICES.flag("compute-1"), DEVICES.flag("compute-11")) == ("yes", "yes", None)
