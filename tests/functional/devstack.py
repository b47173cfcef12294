# SPDX-License-Identifier: Apache-2.0
"""Hosts of the lab as nodes of a DevStack: DevStack's own functions call the plugin in the phases of its scripts.

The scripts themselves, which would install and start OpenStack, have no part in it: the lab's cloud is there. What of
them matters to a plugin is ``_PHASES``: what is sourced, and the order of the phases.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shlex
import tempfile
from collections.abc import Iterator

from tests.lab import bmc, cluster, images, lab, nodes, runtime, settings, workload
from tests.lab.cloud import configuration, identity, layout
from tests.lab.passwords import password
from tests.lab.progress import Progress
from tests.lab.settings import Settings

# A clone of https://opendev.org/openstack/devstack; nothing on this machine brings one along.
TREE = os.environ.get("NOVA_HA_DEVSTACK_TREE", "")
HOME = "/opt/stack"
UNIT = "devstack@n-cpu.service"
# Seconds; stack.sh waits for the cluster and the engine.
STACK_LIMIT = 420
SERVICES = {"control": "key,n-api,n-sch", "compute": "n-cpu", "all-in-one": "key,n-api,n-sch,n-cpu"}

_CONFIGURATION = [f"--config-file {file}" for file in layout.COMPUTE_FILES]
_NOVA_COMPUTE = " ".join([str(layout.COMPUTE_PROGRAM), *_CONFIGURATION])

# In the order of stack.sh, unstack.sh and clean.sh. What the lab has in the place of what they start: its Keystone at
# another address, and a nova-compute of its own, which run_process makes DevStack's unit of.
_PHASES = f"""\
TOP_DIR={HOME}/devstack
FILES=$TOP_DIR/files
cd $TOP_DIR
export PATH={HOME}/data/venv/bin:$PATH
if [[ $1 == stack ]]; then
    function echo_summary {{ echo "SUMMARY: $*"; }}
fi
source $TOP_DIR/functions
GetDistro
rm -f $TOP_DIR/.localrc.auto
extract_localrc_section $TOP_DIR/local.conf $TOP_DIR/localrc $TOP_DIR/.localrc.auto
source $TOP_DIR/stackrc
[[ $1 != stack ]] || set -o errexit
run_phase override_defaults
for library in tls keystone nova; do source $TOP_DIR/lib/$library; done
KEYSTONE_SERVICE_URI={configuration.keystone_url()}
load_plugin_settings
verify_disabled_services
set -o xtrace
if [[ $1 == stack ]]; then
    for package in $(get_plugin_packages); do is_package_installed $package; done
    for phase in pre-install install post-config; do run_phase stack $phase; done
    run_process n-cpu "{_NOVA_COMPUTE}" "" root
    run_phase stack extra
    service_check
    run_phase stack test-config
else
    run_phase $1
fi
"""
# As DevStack finds a fresh machine, and as its scripts have prepared it by the first phase. Its virtual environment has
# modules that no agent may come upon.
_PREPARE = f"""\
set -e
dpkg --install /root/packages/*.deb
useradd --shell /bin/bash --home-dir {HOME} --create-home stack
echo 'stack ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/50_stack_sh
ln -s {cluster.SOURCE_MOUNT} {HOME}/nova-ha
packages={HOME}/data/venv/lib/$(basename $(readlink -f /usr/bin/python3))/site-packages
mkdir -p {HOME}/data/venv/bin {HOME}/logs $packages
printf 'home = /usr/bin\\ninclude-system-site-packages = true\\n' >{HOME}/data/venv/pyvenv.cfg
ln -s /usr/bin/python3 {HOME}/data/venv/bin/python3
for module in keystoneauth1 novaclient oslo_config nova_ha; do
    echo "raise ImportError('this one is of the virtual environment')" >$packages/$module.py
done
# The lab has the engine's user already.
ln -s /bin/true /usr/local/bin/openstack
rm -f /etc/systemd/system/nova-compute.service
systemctl daemon-reload
cp --recursive --dereference /etc/nova /etc/nova.own && rm /etc/nova && mv /etc/nova.own /etc/nova
chown --recursive stack {HOME}/devstack {HOME}/data {HOME}/logs /etc/nova
"""
# All files but those that every process of a system leaves, with what is known of each.
_FILES = """\
find / -xdev \\( -path /proc -o -path /sys -o -path /tmp -o -path /root/.cache -o -path /opt -o -path /var/log \
-o -path /etc/nova -o -path /var/lib/nova -o -name __pycache__ \\) -prune -o -printf '%M %u %p %l\\n'
"""


class Node:
    """A host of the lab as a node of a DevStack.

    :param role: one of ``SERVICES``
    :param lines: of local.conf, besides those that each has
    """

    def __init__(self, name: str, role: str, *lines: str) -> None:
        self.name = name
        self._lines = (
            f"HOST_IP={settings.address(name)}",
            f"SERVICE_PASSWORD={password(f'openstack-{identity.AGENT_USER}')}",
            *("ADMIN_PASSWORD=unused", "DATABASE_PASSWORD=unused", "RABBIT_PASSWORD=unused"),
            f"NOVA_HA_CLUSTER_PASSWORD={password('hacluster')}",
            # The packages are there; the network is not.
            "OFFLINE=True",
            f"ENABLED_SERVICES={SERVICES[role]}",
            "enable_plugin nova-ha https://opendev.org/x/nova-ha master",
            *lines,
        )

    def prepare(self, packages: pathlib.Path) -> None:
        """Make a fresh host what DevStack's scripts have made of a machine by the plugin's first phase."""
        self.run("mkdir", "-p", "/root/packages", f"{HOME}/devstack")
        for source, target in {packages: "/root/packages", TREE: f"{HOME}/devstack"}.items():
            runtime.podman("cp", f"{source}/.", f"{settings.container(self.name)}:{target}")
        self.write(f"{HOME}/devstack/local.conf", "\n".join(("[[local|localrc]]", *self._lines, "")))
        self.write(f"{HOME}/devstack/phases.sh", _PHASES)
        self.run("sh", stdin=_PREPARE)

    def stack(self) -> str:
        """What stack.sh does with the plugin; returns what it printed.

        :raises LabError: it failed
        """
        return self._devstack("phases.sh stack")

    def unstack(self) -> str:
        """The same of unstack.sh."""
        return self._devstack("phases.sh unstack")

    def clean(self) -> str:
        """The same of clean.sh, which begins with unstack.sh."""
        return self._devstack("phases.sh unstack && bash phases.sh clean")

    def add_hosts(self) -> str:
        """What a person does on the control node once the others have stacked."""
        return self._devstack(f"{HOME}/nova-ha/devstack/add-hosts")

    def _devstack(self, script: str) -> str:
        script = f"cd {HOME}/devstack && bash {script}"
        done = self.run("runuser", "-u", "stack", "--", "bash", "-c", f"({script}) 2>&1", timeout=STACK_LIMIT)
        return done.stdout

    def run(self, *command: str, timeout: float = 120, stdin: str | None = None, check: bool = True):
        """Run a program as root; see ``nodes.execute``."""
        return nodes.execute(self.name, *command, timeout=timeout, stdin=stdin, check=check)

    def output(self, *command: str) -> str:
        """What a program that root runs prints, whatever its exit code."""
        return self.run(*command, check=False).stdout.strip()

    def write(self, file: str, text: str) -> None:
        """Write a file."""
        self.run("sh", "-c", f"cat >{shlex.quote(file)}", stdin=text)

    def unit(self, what: str) -> str:
        """What systemd says of nova-compute's unit.

        :param what: ``is-active`` or ``is-enabled``
        """
        return self.output("systemctl", what, UNIT)

    def state(self) -> set[str]:
        """What of the host a plugin could leave behind: files, enabled units, the password of hacluster."""
        enabled = self.output("systemctl", "list-unit-files", "--state=enabled", "--no-legend").splitlines()
        units = {re.sub(r"\s+", " ", line) for line in enabled if UNIT not in line}
        files = {line for line in self.output("sh", "-c", _FILES).splitlines() if UNIT not in line}
        return files | units | {self.output("getent", "shadow", "hacluster")}


def fencing(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of local.conf by which hosts of the lab are fenced."""
    return (
        f'NOVA_HA_HOSTS="{" ".join(f"{host}={settings.bmc_address(host)}" for host in hosts)}"',
        "NOVA_HA_FENCING=ipmi",
        f"NOVA_HA_FENCING_USER={bmc.USER}",
        f"NOVA_HA_FENCING_PASSWORD={password('bmc')}",
    )


@contextlib.contextmanager
def hosts_without_cluster(chosen: Settings) -> Iterator[pathlib.Path]:
    """The lab anew, without a cluster, and after the block as it was; gives a directory with packages of DevStack's.

    :raises LabError: a part did not come up
    """
    lab.down(chosen, Progress())
    try:
        lab.up_without_cluster(chosen, Progress())
        with tempfile.TemporaryDirectory() as directory:
            # What DevStack has on any machine, and the lab's images have not.
            runtime.podman(
                *("run", "--rm", "--network=host", f"--volume={directory}:/out", "--workdir=/out"),
                *(images.name(chosen, "base"), "apt-get", "-q", "download", "sudo", "lsb-release"),
                timeout=120,
            )
            yield pathlib.Path(directory)
    finally:
        lab.down(chosen, Progress())
        lab.up(chosen, Progress())


def forget_service(chosen: Settings, host: str) -> None:
    """Have Nova forget a host whose nova-compute has stopped for good."""
    nova = workload.client(chosen)
    for service in nova.services.list(host=host):
        nova.services.delete(service.id)
