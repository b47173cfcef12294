# SPDX-License-Identifier: Apache-2.0
"""What the DevStack plugin makes of a cluster's configuration, with the real pcs."""

import re
from xml.etree import ElementTree

import pytest

from tests.lab.cluster import SOURCE_MOUNT

# A host for each way of fencing: its entry, its agent, and parameters that it must have.
HOSTS = {
    "compute-1": ("ipmi", "192.0.2.1:6230", "fence_ipmilan", {"ip": "192.0.2.1", "ipport": "6230", "lanplus": "1"}),
    "compute-2": ("redfish", "192.0.2.1:8000/redfish/v1/Systems/1", "fence_redfish",
                  {"ip": "192.0.2.1", "ipport": "8000", "systems_uri": "/redfish/v1/Systems/1"}),
    "compute-3": ("virsh", "domain-3", "fence_virsh", {"ip": "192.0.2.9", "pcmk_host_map": "compute-3:domain-3"}),
}  # fmt: skip
# The plugin's functions on a scratch configuration, without a cluster to ask. pcs takes its time: all of it
# is one script, which keeps what it has made in between.
CONFIGURE = "NOVA_HA_FENCING=ipmi\nnova_ha_edit_cluster\n" + "".join(
    f"NOVA_HA_FENCING={fencing}\nnova_ha_edit_host {host}={target}\n" for host, (fencing, target, *_) in HOSTS.items()
)
SCRIPT = f"""\
bash -e <<'BASH'
for library in values node cluster hosts; do source {SOURCE_MOUNT}/devstack/lib/$library.sh; done
function sudo {{ "$@"; }}
function is_service_enabled {{ false; }}
function nova_ha_this_node {{ echo control-1; }}
NOVA_HA_FENCING_USER=admin
NOVA_HA_FENCING_ADDRESS=192.0.2.9
NOVA_HA_DRAFT=$CIB_file
{CONFIGURE}
cp $CIB_file /root/once
{CONFIGURE}
cp $CIB_file /root/twice
pcs -f $CIB_file property set stonith-enabled=false
for host in {" ".join(HOSTS)}; do nova_ha_edit_host_away $host; done
nova_ha_edit_away
BASH
"""


@pytest.fixture(scope="module")
def made(bench):
    """The configurations, as XML without the version of each change: ``once``, ``twice``, and ``away``."""
    texts = {"away": bench.deploy(SCRIPT)}
    texts |= {name: bench.run(f"cat /root/{name}").stdout for name in ("once", "twice")}
    version = r' (num_updates|epoch|cib-last-written)="[^"]*"'
    return {name: ElementTree.fromstring(re.sub(version, "", text)) for name, text in texts.items()}


def parameters(root, resource):
    """The type of a resource, and its parameters."""
    (primitive,) = root.findall(f".//primitive[@id='{resource}']")
    pairs = primitive.findall("instance_attributes/nvpair")
    return primitive.get("type"), {pair.get("name"): pair.get("value") for pair in pairs}


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_s_device_comes_first_in_its_level(made, host):
    _, _, agent, expected = HOSTS[host]
    found, given = parameters(made["once"], f"power-{host}")
    assert found == agent
    # The password is put in by whoever pushes it.
    assert given.items() >= {**expected, "username": "admin", "password": "@NOVA_HA_FENCING_PASSWORD@"}.items()
    (level,) = made["once"].findall(f".//fencing-level[@target='{host}']")
    assert level.get("devices") == f"power-{host},fence-nova"


def test_nova_compute_is_the_unit_of_devstack_on_hosts_without_a_flag(made):
    assert parameters(made["once"], "nova-compute") == ("NovaCompute", {"unit": "devstack@n-cpu"})
    (held,) = made["once"].findall(".//rsc_location[@id='nova-compute-not-flagged']/rule")
    assert held.get("score") == "-INFINITY"
    (where,) = made["once"].findall(".//rsc_location[@id='nova-compute-on-hosts']")
    assert where.get("resource-discovery") == "exclusive"


def test_to_configure_twice_changes_nothing(made):
    once, twice = ([ElementTree.tostring(part) for part in made[name]] for name in ("once", "twice"))
    assert once == twice


def test_what_was_put_in_is_taken_out(made):
    for part in ("resources", "constraints"):
        assert len(made["away"].find(f"configuration/{part}")) == 0
    assert not list(made["away"].iter("fencing-level"))
