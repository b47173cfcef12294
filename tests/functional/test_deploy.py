# SPDX-License-Identifier: Apache-2.0
"""What the README tells an operator to type works as it stands there, with pcs and with crm.

The commands run on a control node, against a configuration that has nothing but the cluster's nodes.
"""

import re

import pytest

from tests.functional.steps import readme_block
from tests.lab import cluster, nodes

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


def _deploy(settings, marker):
    """Run a block of the README against an empty configuration; return what became of it."""
    return deploy(settings, readme_block(marker))


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
