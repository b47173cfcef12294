# SPDX-License-Identifier: Apache-2.0
"""Private attributes, by what attrd_updater of Pacemaker 2.1.5 printed and returned on the lab."""

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.private_attributes import PrivateAttributes

# A value of control-1, one that control-2 has deleted, and another of control-3.
ANSWER = 'name="board" host="control-1" value="eJw="\nname="board" host="control-2" value=""\n'
ANSWER += 'name="board" host="control-3" value="a+b/"\n'


def board(code=0, out="", err=""):
    commands = []

    def run(command, timeout):
        commands.append(command)
        return code, out, err

    return PrivateAttributes("board", runner=run), commands


def test_what_each_node_has_set_is_read():
    attributes, commands = board(out=ANSWER)
    assert attributes.read() == {"control-1": "eJw=", "control-3": "a+b/"}
    assert commands == [["attrd_updater", "--name", "board", "--query", "--all"]]


@pytest.mark.parametrize("code", [105, 78])
def test_nobody_has_ever_set_it(code):
    attributes, _commands = board(code, err="Could not query value of board: attribute does not exist")
    assert attributes.read() == {}


def test_a_text_is_set_for_this_node_in_memory_only():
    attributes, commands = board()
    attributes.set("eJw=")
    assert commands == [["attrd_updater", "--name", "board", "--private", "--update", "eJw="]]


def test_what_this_node_has_set_is_taken_away():
    attributes, commands = board()
    attributes.clear()
    assert commands == [["attrd_updater", "--name", "board", "--delete"]]


NODES = """<r><nodes>
<node name="control-1" online="true" type="member"/>
<node name="control-2" online="false" type="member"/>
<node name="control-3" online="true" type="member"/>
<node name="compute-1" online="true" type="remote"/>
</nodes></r>"""


def test_a_text_that_is_to_outlive_the_node_is_set_for_each_control_node_that_is_online():
    attributes, commands = board(out=NODES)
    attributes.set_on_all("eJw=")
    assert [command[0] for command in commands] == ["crm_mon", "attrd_updater", "attrd_updater"]
    set_on = ["attrd_updater", "--name", "board", "--private", "--update", "eJw=", "--node"]
    assert commands[1:] == [[*set_on, "control-1"], [*set_on, "control-3"]]


@pytest.mark.parametrize("act", [PrivateAttributes.read, lambda attributes: attributes.set("x")])
def test_an_attrd_that_does_not_answer_is_told(act):
    attributes, _commands = board(102, err="Connection to cluster failed")
    with pytest.raises(ClusterError, match="Connection to cluster failed"):
        act(attributes)
