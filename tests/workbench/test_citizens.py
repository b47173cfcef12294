# SPDX-License-Identifier: Apache-2.0
"""The agents as other tools of the cluster know agents: pcs, crm, and the schemas of their metadata."""

import re
import shlex
from xml.etree import ElementTree

import pytest

from tests.lab.settings import SOURCE_TREE
from tests.workbench.bench import EMPTY, OPENSTACK, SCRATCH

OCF_AGENTS = sorted(path.name for path in (SOURCE_TREE / "ocf").iterdir() if path.is_file())
FENCE_AGENT = "fence_compute"
SECRET = "sEcret"
CLOUD = {"auth_url": "http://k:5000/v3", "username": "u", "password": SECRET, "tenant_name": "t"}
# How pcs makes one of each, and the parameters that it has anyway.
CREATE = {
    "NovaEvacuate": ("resource create x ocf:openstack:NovaEvacuate", CLOUD),
    "NovaCompute": ("resource create x ocf:openstack:NovaCompute", {}),
    "NovaInstances": ("resource create x ocf:openstack:NovaInstances", {}),
    "nova-compute-wait": ("resource create x ocf:openstack:nova-compute-wait", CLOUD),
    FENCE_AGENT: (f"stonith create x {FENCE_AGENT}", {}),
}


@pytest.mark.parametrize("agent", OCF_AGENTS)
def test_the_metadata_is_what_pcs_understands(bench, agent):
    text = bench.run(f"export OCF_ROOT=/usr/lib/ocf; {OPENSTACK}/{agent} meta-data").stdout
    # pcs takes the schema of the version that the agent says it is of.
    schema = f"/usr/share/pcs/data/ocf-{ElementTree.fromstring(text).findtext('version')}.rng"
    script = f"cd /usr/share/resource-agents && xmllint --noout --relaxng {schema} - 2>&1"
    done = bench.run(script, stdin=text)
    assert (done.returncode, done.stdout.strip()) == (0, "- validates")


@pytest.mark.parametrize("agent", [*OCF_AGENTS, FENCE_AGENT])
@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_every_parameter_is_described(bench, agent, shell):
    described = _described_by_pcs(bench, agent) if shell == "pcs" else _described_by_crm(bench, agent)
    declared = _declared(bench, agent)
    assert set(declared) <= set(described)
    # Words about it, and not just its name once more.
    poor = [name for name in declared if len(described[name].split()) < 2]
    assert not poor


@pytest.mark.parametrize(
    ("agent", "values", "wanted"),
    [
        # One of each kind of parameter.
        ("NovaEvacuate", "auth_url=keystone:5000", "http://HOST"),
        ("NovaEvacuate", "endpoint_type=privateURL", "one of publicURL"),
        ("NovaEvacuate", "insecure=perhaps", "one of 1, 0, true"),
        ("NovaEvacuate", "attribute='a b'", "the name of a node attribute"),
        ("NovaEvacuate", "domain='a b'", "without white space"),
        ("NovaEvacuate", "config=nova.conf", "an absolute path"),
        ("NovaEvacuate", "config=/nowhere", "not a file on this node"),
        ("NovaEvacuate", "evacuate_delay=-1", "seconds as a whole number"),
        ("NovaEvacuate", "tenant_name=", "required, and not set"),
        ("NovaCompute", "unit='a b'", "the name of a systemd unit"),
        ("NovaCompute", "binary=bin/nova-compute", "a program's name or absolute path"),
        ("NovaCompute", "config_files=nova.conf", "absolute paths"),
        ("NovaCompute", "user='a b'", "without white space"),
        ("NovaCompute", "container=--all", "the name of a container"),
        ("NovaCompute", "container=x container_engine=lxc", "one of podman, docker"),
        ("NovaInstances", "connection_uri=qemu+tcp://compute-2/system", "the URI of a libvirtd on this host"),
        ("NovaInstances", "guest_agent=perhaps", "one of 1, 0, true"),
        ("NovaInstances", "guest_agent_interval=0", "seconds as a whole number, 1 to 9999"),
        ("nova-compute-wait", "evacuation_delay=soon", "seconds as a whole number"),
        (FENCE_AGENT, "record_only=perhaps", "record_only: invalid value 'perhaps': expected one of 1, true, yes"),
        (FENCE_AGENT, "record_only=1 attribute='a b'", "the name of a node attribute"),
        (FENCE_AGENT, "record_only=1 domain='a b'", "without white space"),
        (FENCE_AGENT, "record_only=1 force_down=perhaps", "one of 1, 0, true"),
        (FENCE_AGENT, "ip=192.0.2.1 power_agent=fence_none", "there is no power agent"),
        (FENCE_AGENT, "ip=192.0.2.1 power_agent_timeout=soon", "not a valid time in seconds"),
    ],
)
def test_a_bad_value_is_refused_when_it_is_configured(bench, agent, values, wanted):
    name = values.rpartition("=")[0].split()[-1]
    done = _create(bench, agent, values)
    assert done.returncode == 1
    assert "Validation result from agent (use --force to override)" in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if wanted in line]
    assert name in re.sub("[- ]", "_", said)
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr + done.stdout


@pytest.mark.parametrize("agent", CREATE)
def test_an_unknown_parameter_is_named(bench, agent):
    done = _create(bench, agent, "colour=red")
    assert done.returncode == 1
    assert "colour" in done.stderr


@pytest.mark.parametrize(
    ("agent", "values"),
    [
        ("NovaEvacuate", "insecure=true no_shared_storage=1 endpoint_type=publicURL evacuate_delay=10"),
        ("NovaCompute", ""),
        ("NovaInstances", ""),
        ("NovaInstances", "connection_uri=qemu:///session guest_agent=yes guest_agent_interval=10"),
        ("NovaCompute", "auth_url=http://k:5000/v3 username=u password=p tenant_name=t evacuation_delay=120"),
        (FENCE_AGENT, "record_only=1"),
        ("nova-compute-wait", "domain=localdomain"),
        (FENCE_AGENT, "ip=192.0.2.1 username=a password=b lanplus=1 cipher=3"),
    ],
)
def test_good_values_are_taken(bench, agent, values):
    done = _create(bench, agent, values)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_line_that_makes_the_flagging_device_today_is_taken_as_it_is(bench):
    cloud_of = "auth_url=http://k:5000/v3 login=u passwd=p tenant_name=t domain=localdomain"
    line = f"stonith create fence-nova {FENCE_AGENT} {cloud_of} record_only=1 no-shared-storage=True"
    script = f"{EMPTY} && pcs -f {SCRATCH} {line} meta provides=unfencing --agent-validation"
    done = bench.run(script)
    assert done.returncode == 0, done.stderr


def _declared(bench, agent):
    """The names of the parameters that an agent declares."""
    ask = f"{FENCE_AGENT} -o metadata" if agent == FENCE_AGENT else f"{OPENSTACK}/{agent} meta-data"
    root = ElementTree.fromstring(bench.run(f"export OCF_ROOT=/usr/lib/ocf; {ask}").stdout)
    # Of a fence agent, these are for whoever calls it by hand: no device has them.
    by_hand = ("version", "help") if agent == FENCE_AGENT else ()
    return [found.get("name") for found in root.iter("parameter") if found.get("name") not in by_hand]


def _described_by_pcs(bench, agent):
    """What pcs says of each parameter."""
    command = "stonith describe" if agent == FENCE_AGENT else "resource describe"
    name = agent if agent == FENCE_AGENT else f"ocf:openstack:{agent}"
    done = bench.run(f"pcs {command} {name} --full")
    assert (done.returncode, done.stderr) == (0, "")
    return dict(re.findall(r"^  ([\w-]+)(?: \([^)]*\))*: *(.*)$", done.stdout, re.MULTILINE))


def _described_by_crm(bench, agent):
    """What crm says of each parameter."""
    name = f"stonith:{agent}" if agent == FENCE_AGENT else f"ocf:openstack:{agent}"
    done = bench.run(f"crm ra info {name}")
    assert (done.returncode, done.stderr) == (0, "")
    # On the first line the short description, and more below.
    entry = r"^([\w-]+)\*? \((?:string|integer|boolean|second|select)[^)]*\):? *(.*(?:\n {4}.*)*)"
    return dict(re.findall(entry, done.stdout, re.MULTILINE))


def _create(bench, agent, values):
    """Have pcs make a resource or device of an agent, in a configuration that has nothing else.

    :param values: parameters, as a shell takes them; an empty one is left out
    """
    command, parameters = CREATE[agent]
    parameters = {**parameters, **dict(word.split("=") for word in shlex.split(values))}
    given = " ".join(shlex.quote(f"{name}={value}") for name, value in parameters.items() if value)
    script = f"{EMPTY} && pcs -f {SCRATCH} {command} {given} --agent-validation"
    return bench.run(script)
