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
