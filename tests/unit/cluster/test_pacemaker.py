# SPDX-License-Identifier: Apache-2.0
"""The door to Pacemaker, against a scripted runner: an unexpected command fails the test."""

from unittest.mock import ANY

import pytest

from nova_ha.cluster.pacemaker import Cluster, ClusterError, run
from nova_ha.model.snapshot import FOUND_RUNNING
from tests.unit.cluster.scripts import Script, query

NODE = (
    '<node id="compute-1" uname="compute-1" type="remote"><instance_attributes id="nodes-compute-1">'
    '<nvpair id="nodes-compute-1-osprole" name="osprole" value="compute"/>'
    '<nvpair id="nodes-compute-1-evacuate" name="evacuate" value="{}"/></instance_attributes></node>'
)
FLAGGED = '//nodes/node[instance_attributes/nvpair[@name="evacuate"]]'
ONE = '//nodes/node[@uname="compute-1"]'
SMALL = 'translate(@uname, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")'
GUARDED = f'{ONE}//nvpair[@id="nodes-compute-1-evacuate"][@value="yes"]'


def cluster(*expected):
    return Cluster(runner=Script(*expected))


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        ((105, "", "No such device or address"), {}),
        ((0, NODE.format("yes"), ""), {"compute-1": "yes"}),
        (
            (
                0,
                f"<xpath-query>{NODE.format('no')}{NODE.format('a@1').replace('compute-1', 'compute-2')}</xpath-query>",
                "",
            ),
            {"compute-1": "no", "compute-2": "a@1"},
        ),
    ],
)
def test_flags_are_read_for_all_hosts_at_once(answer, flags):
    assert cluster((query(FLAGGED), answer)).flags() == flags


def test_which_hosts_have_a_flag_of_another_attribute():
    other = query('//nodes/node[instance_attributes/nvpair[@name="maintenance"]]')
    assert cluster((other, (0, NODE.format("yes"), ""))).flagged("maintenance") == {"compute-1"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((102, "", "x\nConnection to the CIB manager failed\n"), "cannot be read: Connection to .* failed$"),
        ((102, "", ""), "cannot be read: nothing$"),
        ((0, "not xml", ""), "Pacemaker answered what is not XML: "),
    ],
)
def test_a_cluster_that_does_not_answer_is_said_so(answer, said):
    with pytest.raises(ClusterError, match=said):
        cluster((query(FLAGGED), answer)).flags()


def test_a_flag_is_changed_in_one_guarded_step():
    pair = '<nvpair id="nodes-compute-1-evacuate" name="evacuate" value="c@1" />'
    replace = ["cibadmin", "--replace", "--xpath", GUARDED, "--xml-text", pair]
    change = cluster(
        (query(ONE), (0, NODE.format("yes"), "")), (replace, (0, "", "")), (query(FLAGGED), (0, NODE.format("c@1"), ""))
    )
    assert change.swap_flag("compute-1", "yes", "c@1")


def test_a_flag_is_deleted_in_one_guarded_step():
    delete = ["cibadmin", "--delete", "--xpath", GUARDED]
    change = cluster((query(ONE), (0, NODE.format("yes"), "")), (delete, (0, "", "")), (query(FLAGGED), (105, "", "")))
    assert change.swap_flag("compute-1", "yes", None)


def test_a_flag_that_changed_before_is_left():
    assert not cluster((query(ONE), (0, NODE.format("no"), ""))).swap_flag("compute-1", "yes", "c@1")


def test_a_flag_that_changes_in_between_is_left():
    delete = ["cibadmin", "--delete", "--xpath", GUARDED]
    change = cluster(
        (query(ONE), (0, NODE.format("yes"), "")), (delete, (0, "", "")), (query(FLAGGED), (0, NODE.format("d@2"), ""))
    )
    assert not change.swap_flag("compute-1", "yes", None)


PLAIN = '<node id="compute-1" uname="compute-1" type="remote"/>'
FRESH = f'{ONE}[not(instance_attributes/nvpair[@name="evacuate"])]'


@pytest.mark.parametrize(
    ("node", "set_id"),
    [(PLAIN, "nodes-compute-1"), (NODE.replace("evacuate", "x").replace("nodes-", "s-"), "s-compute-1")],
)
@pytest.mark.parametrize("stolen", [False, True])
def test_a_flag_is_set_where_there_is_none_in_one_guarded_step(node, set_id, stolen):
    pair = f'<nvpair id="{set_id}-evacuate" name="evacuate" value="w" />'
    merged = f'<node id="compute-1"><instance_attributes id="{set_id}">{pair}</instance_attributes></node>'
    modify = ["cibadmin", "--modify", "--xpath", FRESH, "--xml-text", merged]
    change = cluster((query(ONE), (0, node, "")), (modify, (105 if stolen else 0, "", "")))
    assert change.swap_flag("compute-1", None, "w") is not stolen


def test_a_flag_that_stands_is_not_taken_for_none():
    assert not cluster((query(ONE), (0, NODE.format("yes"), ""))).swap_flag("compute-1", None, "w")


def test_that_a_flag_could_not_be_set_is_said():
    with pytest.raises(ClusterError, match="not changed: no quorum"):
        cluster((query(ONE), (0, PLAIN, "")), (ANY, (1, "", "no quorum"))).swap_flag("compute-1", None, "w")


def test_where_a_resource_runs():
    text = (
        '<pacemaker-result><resources><resource id="e" active="true"><node name="control-2"/></resource>'
        '<resource id="e" active="false"><node name="control-3"/></resource>'
        '<clone><resource id="other" active="true"><node name="control-1"/></resource></clone>'
        "</resources></pacemaker-result>"
    )
    asked = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,resources"]
    assert cluster((asked, (0, text, ""))).active_on("e") == {"control-2"}


def test_where_resources_of_an_agent_run():
    resource = '<resource id="{}" resource_agent="{}" active="{}"><node name="{}"/></resource>'
    resources = [
        ("e", "ocf:openstack:NovaEvacuate", "true", "control-2"),
        ("former", "ocf::openstack:NovaEvacuate", "true", "control-1"),
        ("stopped", "ocf:openstack:NovaEvacuate", "false", "control-3"),
        ("c", "ocf:openstack:NovaCompute", "true", "compute-1"),
    ]
    text = f"<x><resources>{''.join(resource.format(*each) for each in resources)}</resources></x>"
    asked = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,resources"]
    found = cluster((asked, (0, text, ""))).active("NovaEvacuate")
    assert found == {"e": {"control-2"}, "former": {"control-1"}}


def status(nodes, resources):
    """crm_mon's answer: nodes as (name, type, online, unclean), resources as (name, role)."""
    node = '<node name="{}" type="{}" online="{}" unclean="{}"/>'
    resource = '<resource id="{}" role="{}" active="true"><node name="control-1"/></resource>'
    return (
        f"<pacemaker-result><nodes>{''.join(node.format(*each) for each in nodes)}</nodes>"
        f"<resources>{''.join(resource.format(*each) for each in resources)}</resources></pacemaker-result>"
    )


@pytest.mark.parametrize(
    ("node", "role", "is_online", "is_adrift"),
    [
        (("n", "remote", "true", "false"), "Started", True, False),
        (("n", "remote", "false", "false"), "Stopped", False, True),
        (("n", "remote", "false", "true"), "Stopped", False, False),
        # As crm_mon has a dead remote node while its connection is started anew.
        (("n", "remote", "true", "false"), "Starting", False, True),
        (("n", "remote", "true", "false"), None, False, True),
        (("n", "remote", "true", "true"), "Started", False, False),
        # Its resource is called n.
        (("N", "remote", "true", "false"), "Started", True, False),
        (("n", "member", "true", "false"), None, True, False),
        (("n", "member", "false", "true"), None, False, False),
        (("n", "member", "false", "false"), None, False, False),
        (("n", "member", "true", "true"), None, False, False),
    ],
)
def test_which_nodes_are_online_and_which_remote_ones_are_adrift(node, role, is_online, is_adrift):
    asked = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes,resources"]
    text = status([node, ("control-1", "member", "true", "false")], [("n", role)] if role else [])
    assert cluster((asked, (0, text, ""))).online() == {"control-1"} | ({node[0]} if is_online else set())
    assert cluster((asked, (0, text, ""))).adrift() == ({node[0]} if is_adrift else set())


ENGINE = '//resources//primitive[@class="ocf"][@provider="openstack"][@type="NovaEvacuate"]'
PRIMITIVE = (
    '<primitive class="ocf" provider="openstack" type="NovaEvacuate" id="{0}"><instance_attributes id="{0}-ia">'
    '<nvpair name="auth_url" value="http://{0}"/><nvpair name="domain" value="d"/></instance_attributes>'
    '<meta_attributes id="{0}-m"><nvpair name="failure-timeout" value="120s"/></meta_attributes></primitive>'
)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ((105, "", "No such device or address"), []),
        ((0, PRIMITIVE.format("e"), ""), ["e"]),
        ((0, f"<xpath-query>{PRIMITIVE.format('e')}{PRIMITIVE.format('f')}</xpath-query>", ""), ["e", "f"]),
    ],
)
def test_the_parameters_of_an_agent_s_resources(answer, names):
    found = cluster((query(ENGINE), answer)).resource_parameters("NovaEvacuate")
    assert found == {name: {"auth_url": f"http://{name}", "domain": "d"} for name in names}


def test_a_parameter_that_is_written_elsewhere_is_left_out():
    answer = PRIMITIVE.format("e").replace('<nvpair name="domain" value="d"/>', '<nvpair id-ref="x"/>')
    found = cluster((query(ENGINE), (0, answer, ""))).resource_parameters("NovaEvacuate")
    assert found == {"e": {"auth_url": "http://e"}}


STATES = (
    '/cib/status/node_state[contains(" compute-1 compute-2 ", '
    f'concat(" ", substring-before(concat({SMALL}, "."), "."), " "))]'
    '|/cib/configuration/crm_config//nvpair[@name="enable-startup-probes"]'
)
START = (
    '<lrm_rsc_op id="nova-compute_last_0" operation="start" on_node="control-3" call-id="88" rc-code="0" op-status="0" '
    'interval="0" last-rc-change="1795236637" transition-key="39:1:0:6f42"/>'
)
MONITOR = (
    '<lrm_rsc_op id="nova-compute_monitor_10000" operation="monitor" on_node="control-3" call-id="90" rc-code="0" '
    'op-status="0" interval="10000" last-rc-change="1795236638" transition-key="40:1:0:6f42"/>'
)

STOP = START.replace('"start"', '"stop"')
PROBE = START.replace('"start"', '"monitor"')
FAILURE = MONITOR.replace("monitor_10000", "last_failure_0").replace('rc-code="0"', 'rc-code="7"')


def node_state(*operations, name="compute-1", provider="openstack", type="NovaCompute"):
    return (
        f'<node_state remote_node="true" id="{name}" uname="{name}"><lrm id="{name}"><lrm_resources>'
        f'<lrm_resource id="nova-compute" type="{type}" class="ocf" provider="{provider}">{"".join(operations)}'
        "</lrm_resource></lrm_resources></lrm></node_state>"
    )


@pytest.mark.parametrize(
    ("state", "start"),
    [
        (node_state(START, MONITOR), "39:1:0:6f42"),
        (node_state(MONITOR, START), "39:1:0:6f42"),
        # After a failed monitor, and the restart that followed.
        (node_state(START, MONITOR, FAILURE), "39:1:0:6f42"),
        # Pacemaker found it running (a cleanup makes it look), and records that as a failure, too; later it stopped it.
        (node_state(PROBE, PROBE.replace("_last_0", "_last_failure_0"), MONITOR), FOUND_RUNNING),
        (node_state(PROBE.replace("_last_0", "_last_failure_0"), STOP, MONITOR), None),
        # It looks, found it not running, has just stopped it, is starting it, could not start it.
        (node_state(PROBE.replace('op-status="0"', 'op-status="-1"').replace('rc-code="0"', 'rc-code="193"')), None),
        (node_state(PROBE.replace('rc-code="0"', 'rc-code="7"')), None),
        (node_state(STOP, MONITOR, FAILURE), None),
        (node_state(START.replace('op-status="0"', 'op-status="-1"').replace('rc-code="0"', 'rc-code="193"')), None),
        (node_state(START.replace('rc-code="0"', 'rc-code="1"')), None),
        (node_state(START.replace('op-status="0"', 'op-status="2"')), None),
        (node_state(MONITOR), None),
        (node_state(), None),
        (node_state(START, provider="heartbeat"), None),
        (node_state(START, type="NovaEvacuate"), None),
    ],
)
def test_the_last_start_of_an_agents_resource(state, start):
    found = cluster((query(STATES), (0, state, ""))).starts("NovaCompute", {"Compute-1", "compute-2.example.org"})
    assert found == ({"compute-1": start} if start else {})


def test_the_last_starts_on_several_hosts():
    states = node_state(START) + node_state(START.replace("39:1", "40:2"), name="compute-2.example.org")
    answer = (0, f"<xpath-query>{states}</xpath-query>", "")
    found = cluster((query(STATES), answer)).starts("NovaCompute", {"compute-2.example.org", "compute-1"})
    assert found == {"compute-1": "39:1:0:6f42", "compute-2.example.org": "40:2:0:6f42"}
    assert cluster((query(STATES), (105, "", ""))).starts("NovaCompute", {"compute-1", "compute-2"}) == {}


@pytest.mark.parametrize(("value", "is_told"), [("true", True), ("Yes", True), ("false", False), ("0", False)])
def test_without_probes_pacemaker_calls_it_a_start_when_a_resource_runs_already(value, is_told):
    option = f'<nvpair id="o" name="enable-startup-probes" value="{value}"/>'
    answer = (0, f"<xpath-query>{option}{node_state(START)}</xpath-query>", "")
    found = cluster((query(STATES), answer)).starts("NovaCompute", {"compute-1", "compute-2"})
    assert found == ({"compute-1": "39:1:0:6f42"} if is_told else {})


# Whether nova-compute is stopped

PENDING = START.replace('op-status="0"', 'op-status="-1"').replace('rc-code="0"', 'rc-code="193"')
NOT_RUNNING = PROBE.replace('rc-code="0"', 'rc-code="7"')


@pytest.mark.parametrize(
    ("state", "stopped"),
    [
        (node_state(STOP, MONITOR, FAILURE), True),
        (node_state(NOT_RUNNING), True),
        (node_state(STOP, type="nova-compute-wait"), True),
        (node_state(START, MONITOR), False),
        # The start is under way, or has failed in part, or so has the stop.
        (node_state(PENDING), False),
        (node_state(START.replace('op-status="0"', 'op-status="2"')), False),
        (node_state(STOP.replace('rc-code="0"', 'rc-code="1"')), False),
        (node_state(PROBE), False),
        # What is not one of ours tells nothing; and what an operator has had the cluster forget, nobody knows.
        (node_state(STOP, provider="heartbeat"), False),
        (node_state(STOP, type="NovaEvacuate"), False),
        ('<node_state uname="compute-1"/>', False),
        ("", False),
        # One that was fenced, and has not been there since; and one that has.
        ('<node_state uname="compute-1" node_fenced="1795896000"/>', True),
        ('<node_state uname="compute-1" node_fenced="0"/>', False),
    ],
)
def test_nova_compute_is_stopped_where_pacemakers_records_prove_it(state, stopped):
    answer = (0, state, "") if state else (105, "", "")
    found = cluster((query('/cib/status/node_state[@uname="compute-1"]'), answer)).stopped(["compute-1"])
    assert found == ({"compute-1"} if stopped else set())


def test_the_environment_of_an_operation_does_not_reach_pacemakers_tools(monkeypatch):
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "compute-1")
    monkeypatch.setenv("OCF_RESKEY_password", "secret")
    _code, out, _err = run(["env"], 10)
    assert sorted(line.partition("=")[0] for line in out.splitlines()) == ["LC_ALL", "PATH"]


def test_a_program_that_hangs_or_is_missing_is_said_so():
    with pytest.raises(ClusterError, match="did not answer within"):
        run(["sleep", "5"], 0.05)
    with pytest.raises(ClusterError, match="not installed"):
        run(["no-such-program-of-pacemaker"], 1)


def test_the_control_nodes_are_those_that_are_no_remote_nodes():
    found = (0, '<xpath-query><node id="2" uname="control-2"/><node id="1" uname="control-1"/></xpath-query>', "")
    asked = query('//nodes/node[not(@type="remote")]')
    assert cluster((asked, found)).control_nodes() == ["control-1", "control-2"]
