# SPDX-License-Identifier: Apache-2.0
"""What the README tells an operator to type works as it stands there, with pcs and with crm.

The commands run on a control node, against a configuration that has nothing but the cluster's nodes.
"""

import re

import pytest

from tests.functional.steps import on_control
from tests.lab import cluster, nodes
from tests.lab.settings import SOURCE_TREE

SCRATCH = "/root/scratch.xml"
PRELUDE = """set -e
nodes=$(cibadmin --query --scope nodes)
cibadmin --empty > {scratch}
export CIB_file={scratch}
cibadmin --replace --scope nodes --xml-text "$nodes"
pcs() {{ command pcs -f {scratch} "$@"; }}
"""
AGENTS = {"fence-nova": "fence_compute", "nova-evacuate": "NovaEvacuate", "nova-compute": "NovaCompute"}


@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_deployment_as_the_readme_prints_it(settings, shell):
    configuration = _deploy(settings, f"deploy-{shell}")
    for resource, agent in AGENTS.items():
        assert re.search(rf'<primitive [^>]*id="{resource}"[^>]*>', configuration), resource
        assert f'type="{agent}"' in configuration
    # Power first, then the flag, in one level.
    assert re.search(r'<fencing-level [^>]*devices="ipmi-compute-1,fence-nova"', configuration)
    # nova-compute is held back while a flag stands.
    assert re.search(r'<rule [^>]*score="-INFINITY"[^>]*>\s*<expression [^>]*attribute="evacuate"', configuration)


def test_fence_compute_as_the_only_device_as_the_readme_prints_it(settings):
    assert 'type="fence_compute"' in _deploy(settings, "deploy-standalone")


@pytest.mark.parametrize(
    "command",
    [
        "pcs resource describe ocf:openstack:NovaEvacuate",
        "pcs resource describe ocf:openstack:NovaCompute",
        "pcs stonith describe fence_compute",
        "crm ra info ocf:openstack:NovaEvacuate",
        "crm ra info ocf:openstack:NovaCompute",
        "crm ra info stonith:fence_compute",
    ],
)
def test_agents_describe_themselves(settings, command):
    done = on_control(settings, command)
    assert done.returncode == 0, done.stderr
    assert "auth_url" in done.stdout


def _deploy(settings, marker):
    """Run a block of the README against an empty configuration; return what became of it."""
    return deploy(settings, _block(marker))


def deploy(settings, commands):
    """Run shell commands against a configuration that has nothing but the nodes; return what became of it."""
    node = cluster.any_control(settings)
    script = PRELUDE.format(scratch=SCRATCH) + commands
    done = nodes.execute(node, "sh", stdin=script, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # It warns of what the nodes' state would be, and that state is another's.
    verified = nodes.execute(node, "crm_verify", "-V", "--xml-file", SCRATCH, check=False)
    assert "error:" not in verified.stdout + verified.stderr
    return nodes.execute(node, "cat", SCRATCH).stdout


def _block(marker):
    """The shell commands that follow a marker in the README."""
    text = (SOURCE_TREE / "README.md").read_text()
    found = re.search(rf"<!-- test: {marker} -->\s*```sh\n(.*?)```", text, re.DOTALL)
    assert found, f"README.md has no block marked {marker}"
    return found.group(1)
