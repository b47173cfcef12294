# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of fencing counts as added, and when it is content."""

import pytest

from tests.benchmarks import fencing


@pytest.mark.parametrize(
    ("only", "second", "code"),
    [(250.0, 150.0, 0), (251.0, 150.0, 1), (250.0, 151.0, 1)],
)
def test_what_is_added_to_the_power_agent_decides_the_exit_code(only, second, code, capsys):
    took = {f"the power agent, {action}": [40.0, 60.0, 50.0] for action in ("off", "on", "status")}
    # An order and its proof are the agent's own; of a reboot there are two.
    took |= {"only device, off": [only] * 3, "only device, reboot": [350.0, 1000.0, 10.0]}
    took |= {"second device, off": [second], "cibadmin --query": [500.0]}
    assert fencing.report(3, took) == code
    lines = {line.split("  ")[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["only device, off"][-3:] == [f"{only - 100:.2f}", "<=", "150"]
    assert lines["only device, reboot"][-3:] == ["150.00", "<=", "150"]
    assert lines["cibadmin --query"][-1] == "500.00"
