# SPDX-License-Identifier: Apache-2.0
"""Parameters that are configured are data: whatever they hold, nothing of it is run, and all that is said is brief."""

import shlex

import pytest

from tests.hostile import EVERY, HARM, is_brief
from tests.workbench.bench import EMPTY, SCRATCH

CLOUD = "auth_url=http://k:5000/v3 username=u password=p tenant_name=t"
COMMANDS = {
    "NovaEvacuate region_name": f"resource create x ocf:openstack:NovaEvacuate {CLOUD} region_name={{}}",
    "NovaEvacuate domain": f"resource create x ocf:openstack:NovaEvacuate {CLOUD} domain={{}}",
    "NovaEvacuate endpoint_type": f"resource create x ocf:openstack:NovaEvacuate {CLOUD} endpoint_type={{}}",
    "NovaCompute unit": "resource create x ocf:openstack:NovaCompute unit={}",
    "fence_compute record_only": "stonith create x fence_compute record_only={}",
    "fence_compute power_agent": "stonith create x fence_compute power_agent={} ip=192.0.2.1",
}


@pytest.fixture(autouse=True, scope="module")
def no_harm(bench):
    """Nothing was run that was meant as a value, in none of the tests."""
    yield
    assert bench.run(f"test -e {HARM}").returncode == 1


@EVERY
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_as_a_parameter_that_is_configured(bench, value, command):
    done = bench.run(f"{EMPTY} && pcs -f {SCRATCH} {command.format(shlex.quote(value))} --agent-validation")
    # Where it will not do, that is what the agent says, though Pacemaker 2.1.5 spoils its words: it escapes no entity.
    assert (done.returncode, "from agent" in done.stderr) in ((0, False), (1, True))
    assert is_brief(done.stderr)
