# SPDX-License-Identifier: Apache-2.0
"""The cluster's configuration as plain data: templates, references and clones as Pacemaker has them; and its rules."""

from xml.etree import ElementTree

import pytest

from nova_ha.cluster import configuration, survey
from nova_ha.cluster.location import Expression, Rule, location

CIB = """
<cib><configuration>
  <crm_config>
    <cluster_property_set id="a" score="1"><nvpair id="a1" name="stonith-enabled" value="false"/></cluster_property_set>
    <cluster_property_set id="b" score="2"><nvpair id="b1" name="stonith-enabled" value="On"/></cluster_property_set>
  </crm_config>
  <nodes>
    <node id="1" uname="control-1"/>
    <node id="c" uname="compute-1" type="remote">
      <instance_attributes id="n"><nvpair id="n1" name="evacuate" value="yes"/></instance_attributes>
    </node>
  </nodes>
  <resources>
    <template id="power" class="stonith" type="fence_ipmilan">
      <instance_attributes id="t"><nvpair id="t1" name="lanplus" value="1"/><nvpair id="t2" name="ip" value="old"/>
      </instance_attributes>
      <meta_attributes id="tm"><nvpair id="tm1" name="failure-timeout" value="2min"/></meta_attributes>
      <operations><op id="to" name="monitor" interval="60s" timeout="40"/></operations>
    </template>
    <primitive id="ipmi-1" template="power">
      <instance_attributes id="p"><nvpair id="p1" name="ip" value="192.0.2.1"/><nvpair id-ref="t1"/>
      </instance_attributes>
    </primitive>
    <clone id="outer">
      <meta_attributes id="om"><nvpair id="om1" name="target-role" value="Stopped"/></meta_attributes>
      <group id="inner">
        <primitive id="compute" class="ocf" provider="openstack" type="NovaCompute">
          <operations>
            <op id="o1" name="start" interval="0" timeout="PT1M"/>
            <op id="o2" name="monitor" interval="10000ms" enabled="false"><instance_attributes id="o3">
              <nvpair id="o4" name="timeout" value="30s"/></instance_attributes></op>
          </operations>
        </primitive>
      </group>
    </clone>
  </resources>
  <fencing-topology><fencing-level id="l" target="compute-1" index="1" devices="ipmi-1"/></fencing-topology>
</configuration></cib>
"""


@pytest.fixture
def found():
    return configuration.parse(ElementTree.fromstring(CIB))


def test_of_properties_the_set_of_the_highest_score_counts(found):
    assert found.is_set("stonith-enabled", False) and not found.is_set("maintenance-mode", False)


def test_a_resource_has_what_its_template_says_unless_it_says_otherwise(found):
    (device,) = found.fencing_devices()
    assert (device.agent, device.type) == ("stonith:fence_ipmilan", "fence_ipmilan")
    assert device.parameters == {"ip": "192.0.2.1", "lanplus": "1"}
    assert device.meta == {"failure-timeout": "2min"}
    assert [(each.name, each.interval, each.timeout) for each in device.operations] == [("monitor", 60, 40)]


def test_a_resource_in_a_group_in_a_clone(found):
    (compute,) = found.of_agent("ocf:openstack:NovaCompute")
    assert (compute.within, compute.cloned, compute.disabled) == (("outer", "inner"), True, True)
    assert [(each.name, each.interval, each.timeout, each.enabled) for each in compute.operations] == [
        ("start", 0, 60, True),
        ("monitor", 10, 30, False),
    ]


def test_nodes_and_levels(found):
    assert [(node.name, node.is_remote, node.attributes) for node in found.nodes] == [
        ("control-1", False, {}),
        ("compute-1", True, {"evacuate": "yes"}),
    ]
    assert [level.get("id") for level in found.levels] == ["l"]


def test_a_cluster_that_is_not_configured_at_all():
    assert configuration.parse(ElementTree.fromstring("<cib/>")) == configuration.Configuration()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20", 20),
        ("20s", 20),
        ("2min", 120),
        ("1h", 3600),
        ("500ms", 0.5),
        ("PT1M30S", 90),
        ("soon", None),
        (None, None),
    ],
)
def test_times_as_pacemaker_writes_them(text, seconds):
    assert configuration.seconds(text) == seconds


@pytest.mark.parametrize(
    ("expression", "own", "holds"),
    [
        (("defined", None), "yes", True),
        (("defined", None), None, False),
        (("not_defined", None), None, True),
        (("eq", "yes"), "yes", True),
        (("eq", "YES"), "yes", True),
        (("eq", "yes"), None, False),
        (("ne", "no"), "yes", True),
        # As Pacemaker has it: this is why the flag's rule needs defined as well.
        (("ne", "no"), None, True),
        (("lt", "10"), "9", True),
        (("gte", "10"), "9", False),
        (("gt", "x"), "9", None),
        (("matches", "x"), "9", None),
    ],
)
def test_an_expression_of_a_rule(expression, own, holds):
    attributes = {} if own is None else {"a": own}
    assert Expression("a", *expression).holds(attributes) is holds


YES, NO = Expression("a", "defined"), Expression("b", "defined")


@pytest.mark.parametrize(
    ("all_of", "conditions", "holds"),
    [
        (True, (YES, YES), True),
        (True, (YES, NO), False),
        (False, (YES, NO), True),
        (False, (NO, NO), False),
        (True, (YES, None), None),
        (True, (NO, None), False),
        (False, (YES, None), True),
        (True, (YES, Rule(None, False, (NO, YES))), True),
    ],
)
def test_conditions_together(all_of, conditions, holds):
    assert Rule(-1000000, all_of, conditions).holds({"a": "1"}) is holds


RULE = '<rule score="-INFINITY"><expression attribute="evacuate" operation="eq" value="yes"/></rule>'


@pytest.mark.parametrize(
    ("text", "ids", "is_for"),
    [
        (f'<rsc_location id="l" rsc="clone">{RULE}</rsc_location>', ["compute", "clone"], True),
        (f'<rsc_location id="l" rsc="other">{RULE}</rsc_location>', ["compute", "clone"], False),
        (f'<rsc_location id="l" rsc-pattern="^comp">{RULE}</rsc_location>', ["compute"], True),
        (f'<rsc_location id="l" rsc-pattern="comp(">{RULE}</rsc_location>', ["compute"], False),
        (
            f'<rsc_location id="l"><resource_set><resource_ref id="compute"/></resource_set>{RULE}</rsc_location>',
            ["compute"],
            True,
        ),
    ],
)
def test_what_a_constraint_is_for(text, ids, is_for):
    found = location(ElementTree.fromstring(text), {})
    assert found.is_for(ids) is is_for
    assert found.bans({"evacuate": "yes"}) and not found.bans({"evacuate": "no"})
    assert found.mentions("evacuate") and not found.mentions("osprole")


def test_a_rule_that_is_written_elsewhere():
    rule = ElementTree.fromstring(RULE.replace("<rule", '<rule id="r"'))
    text = '<rsc_location id="l" rsc="x"><rule id-ref="r"/></rsc_location>'
    assert location(ElementTree.fromstring(text), {"r": rule}).bans({"evacuate": "yes"})


STATE = """
<r><summary><current_dc version="3.0.1-1.el10" with_quorum="true" mixed_version="false"/></summary>
<nodes><node name="c1" online="true" unclean="false" type="remote"/>
<node name="c2" online="true" type="remote"/><node name="c3" online="true" type="remote"/></nodes>
<resources>
  <resource id="c1" role="Starting" active="true" failed="false"><node name="control-1"/></resource>
  <resource id="C2" role="Started" active="true" failed="false"><node name="control-1"/></resource>
  <clone id="k"><resource id="n:0" role="Started" active="true" failed="false"><node name="c1"/></resource>
  <resource id="n:1" role="Started" active="true" failed="true"><node name="c2"/></resource></clone>
</resources></r>
"""


def test_what_runs_where():
    found = survey.state(ElementTree.fromstring(STATE))
    assert (found.version, found.quorum, found.mixed) == ((3, 0, 1), True, False)
    # Of a host that died the connection is being started, or is none, and Pacemaker shows it online.
    assert {name: node.connected for name, node in found.nodes.items()} == {"c1": False, "c2": True, "c3": False}
    assert (found.resources["n"].nodes, found.resources["n"].failed) == ({"c1", "c2"}, True)


def test_nothing_is_known_where_no_node_decides():
    found = survey.state(ElementTree.fromstring("<r><summary/><nodes/></r>"))
    assert (found.version, found.quorum) == ((), False)


def test_an_agent_says_how_long_its_operations_may_take():
    def runner(command, timeout):
        assert command == ["crm_resource", "--show-metadata", "ocf:openstack:X"]
        actions = '<action name="start" timeout="60s"/><action name="odd" timeout="soon"/>'
        return (
            0,
            f'<resource-agent><parameters><parameter name="port-as-ip"/></parameters>{actions}</resource-agent>',
            "",
        )

    found = survey.Survey(runner=runner).metadata("ocf:openstack:X")
    assert (found.timeouts, found.parameters) == ({"start": 60}, {"port_as_ip"})


def test_a_large_cluster_is_measured_as_its_daemons_send_it():
    text = CIB.replace("</nodes>", "".join(f'<node id="{n}" uname="compute-{n}"/>' for n in range(20_000)) + "</nodes>")
    found = survey.Survey(runner=lambda command, timeout: (0, text, "")).configuration()
    assert 10_000 < found.size < len(text) / 2
    assert survey.Survey(runner=lambda command, timeout: (0, CIB, "")).configuration().size == 0
