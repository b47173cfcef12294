# SPDX-License-Identifier: Apache-2.0
"""The door to Pacemaker, against a scripted runner: an unexpected command fails the test."""

import pytest

from nova_ha.cluster import Cluster, ClusterError, run

NODE = (
    '<node id="compute-1" uname="compute-1" type="remote"><instance_attributes id="nodes-compute-1">'
    '<nvpair id="nodes-compute-1-osprole" name="osprole" value="compute"/>'
    '<nvpair id="nodes-compute-1-evacuate" name="evacuate" value="{}"/></instance_attributes></node>'
)
FLAGGED = '//nodes/node[instance_attributes/nvpair[@name="evacuate"]]'
ONE = '//nodes/node[@uname="compute-1"]'
GUARDED = f'{ONE}//nvpair[@id="nodes-compute-1-evacuate"][@value="yes"]'


def query(xpath):
    return ["cibadmin", "--query", "--xpath", xpath]


class Script:
    """Answers the commands that are expected, in order."""

    def __init__(self, *expected):
        self.expected = list(expected)

    def __call__(self, command, timeout):
        wanted, answer = self.expected.pop(0)
        assert (command, timeout) == (wanted, 20)
        return answer


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


@pytest.mark.parametrize("answer", [(102, "", "Connection to the CIB manager failed"), (0, "not xml", "")])
def test_a_cluster_that_does_not_answer_is_said_so(answer):
    with pytest.raises(ClusterError):
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


def test_where_a_resource_runs():
    text = (
        '<pacemaker-result><resources><resource id="e" active="true"><node name="control-2"/></resource>'
        '<resource id="e" active="false"><node name="control-3"/></resource>'
        '<clone><resource id="other" active="true"><node name="control-1"/></resource></clone>'
        '</resources></pacemaker-result>'
    )
    asked = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,resources"]
    assert cluster((asked, (0, text, ""))).active_on("e") == {"control-2"}


def status(nodes, resources):
    """crm_mon's answer: nodes as (name, type, online, unclean), resources as (name, role)."""
    node = '<node name="{}" type="{}" online="{}" unclean="{}"/>'
    resource = '<resource id="{}" role="{}" active="true"><node name="control-1"/></resource>'
    return (
        f"<pacemaker-result><nodes>{''.join(node.format(*each) for each in nodes)}</nodes>"
        f"<resources>{''.join(resource.format(*each) for each in resources)}</resources></pacemaker-result>"
    )


@pytest.mark.parametrize(
    ("node", "role", "is_online"),
    [
        (("n", "remote", "true", "false"), "Started", True),
        (("n", "remote", "false", "false"), "Stopped", False),
        # As crm_mon has a dead remote node while its connection is started anew.
        (("n", "remote", "true", "false"), "Starting", False),
        (("n", "remote", "true", "false"), None, False),
        (("n", "remote", "true", "true"), "Started", False),
        (("n", "member", "true", "false"), None, True),
        (("n", "member", "false", "true"), None, False),
        (("n", "member", "true", "true"), None, False),
    ],
)
def test_which_nodes_are_online(node, role, is_online):
    asked = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes,resources"]
    text = status([node, ("control-1", "member", "true", "false")], [("n", role)] if role else [])
    assert cluster((asked, (0, text, ""))).online() == {"control-1"} | ({"n"} if is_online else set())


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
