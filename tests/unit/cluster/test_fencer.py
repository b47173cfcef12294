# SPDX-License-Identifier: Apache-2.0
"""This node's fencer: which devices it can use, and whether each answers."""

import pytest

from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.fencer import Fencer

# As stonith_admin of Pacemaker 2.1.5 prints it.
TWO = "fence-nova\nipmi-compute-1\n2 fence devices found\n"
NONE = "0 fence devices found\n"


@pytest.mark.parametrize(("text", "devices"), [(TWO, ["fence-nova", "ipmi-compute-1"]), (NONE, [])])
def test_which_devices_this_node_can_use(text, devices):
    def run(command, _timeout):
        assert command == ["stonith_admin", "--list", "compute-1"]
        return 0, text, ""

    assert Fencer(runner=run).devices("compute-1") == devices


def test_a_fencer_that_does_not_answer_is_told():
    with pytest.raises(ClusterError, match="devices of compute-1 not known"):
        Fencer(runner=lambda _command, _timeout: (102, "", "no connection")).devices("compute-1")
