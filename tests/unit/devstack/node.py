# SPDX-License-Identifier: Apache-2.0
"""A node of a DevStack that is none: the plugin's own files, with stand-ins for all that they call."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).parent
PROGRAMS = (
    *("sudo", "pcs", "systemctl", "chpasswd", "usermod", "cibadmin", "crm_resource", "crm_attribute", "nova-ha", "dnf"),
    *("uname", "hostname"),
)
NAME = "controller"
SECRETS = {"SERVICE_PASSWORD": "ser$vice&<secret>", "NOVA_HA_FENCING_PASSWORD": 'fence"&<secret>\\'}
STACK = ("pre-install", "install", "post-config", "extra", "test-config")
# Services, as local.conf would have them.
CONTROL, COMPUTE, ALL_IN_ONE = "key,n-api,n-sch", "n-cpu", "key,n-api,n-sch,n-cpu"
DEFAULTS = {
    "NOVA_CONF": "/etc/nova/nova.conf",
    "KEYSTONE_SERVICE_URI": "http://192.0.2.10/identity",
    "SERVICE_PROJECT_NAME": "service",
    "SERVICE_DOMAIN_NAME": "Default",
    "REGION_NAME": "RegionOne",
    "HOST_IP": "192.0.2.10",
    "VIRT_DRIVER": "libvirt",
    "DISTRO": "bookworm",
    "NOVA_HA_TIMEOUT": "5",
}
# Ways of fencing, as local.conf would have them.
IPMI = {
    "NOVA_HA_FENCING": "ipmi",
    "NOVA_HA_FENCING_USER": "admin",
    "NOVA_HA_HOSTS": "localhost=192.0.2.121",
}
VIRSH = {"NOVA_HA_FENCING": "virsh", "NOVA_HA_FENCING_ADDRESS": "192.0.2.1", "NOVA_HA_FENCING_USER": "root"}
REDFISH = {"NOVA_HA_FENCING": "redfish", "NOVA_HA_FENCING_USER": "admin"}


@dataclasses.dataclass
class Done:
    """What came of a phase: its exit code, what it said, its trace, and a line for each call."""

    returncode: int
    output: str
    trace: str
    calls: list[str]

    @property
    def errors(self) -> list[str]:
        """Its error lines, without bash's own trace."""
        return [line.partition("[ERROR] ")[2] for line in self.trace.splitlines() if line.startswith("[ERROR] ")]


class Node:
    """A node, whose programs and state are below a directory.

    :param variables: as local.conf has them, besides ``DEFAULTS`` and ``SECRETS``
    """

    def __init__(self, root: pathlib.Path, services: str, **variables: str) -> None:
        self.root = root
        self.variables = {**DEFAULTS, **SECRETS, **variables, "ENABLED_SERVICES": services}
        self.told = {"uname": (0, NAME), "systemctl is-active --quiet pacemaker_remote": (3, "")}
        (root / "bin").mkdir(parents=True)
        for program in PROGRAMS:
            (root / "bin" / program).symlink_to(HERE / "programs.py")

    def run(self, mode: str, phase: str = "") -> Done:
        """Have DevStack call the plugin, with its commands traced, as stack.sh has."""
        script = f"""
            source {HERE}/functions.sh
            for file in override-defaults settings; do source {TREE}/devstack/$file; done
            set -o xtrace
            source {TREE}/devstack/plugin.sh {mode} {phase}
        """
        return self.bash(script, MODE=mode)

    def bash(self, script: str, **more: str) -> Done:
        """Run a script in the node."""
        for name in ("calls", "stdin"):
            (self.root / name).write_text("")
        told = [f"{words}\t{code}\t{text}\n" for words, (code, text) in self.told.items()]
        (self.root / "told").write_text("".join(told))
        path = f"{self.root}/bin:{os.environ['PATH']}"
        environment = {**self.variables, **more, "PATH": path, "FAKE_ROOT": str(self.root)}
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
        # What sudo is given is there once more, under its own name.
        return Done(done.returncode, done.stdout, done.stderr, (self.root / "calls").read_text().splitlines())

    def stack(self) -> list[Done]:
        """All phases of stack.sh, in their order; none may fail."""
        done = [self.run("stack", phase) for phase in STACK]
        for each in done:
            assert each.returncode == 0, each.output + each.trace
        return done

    @property
    def cib(self) -> list[str]:
        """The cluster's configuration, a line for each element."""
        return [line for line in (self.root / "cib").read_text().splitlines() if line]
