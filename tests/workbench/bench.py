# SPDX-License-Identifier: Apache-2.0
"""The workbench: a control node's image in a container of its own, without systemd, cluster, cloud and network.

pcs and crm work there on a scratch configuration, which is a file.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Iterator

from tests.lab import images, runtime
from tests.lab.cluster import SOURCE_MOUNT
from tests.lab.progress import Progress
from tests.lab.settings import SOURCE_TREE, Settings
from tests.lab.shell import LabError

# What each script begins with: a scratch configuration that has nothing in it.
SCRATCH = "/root/scratch.xml"
EMPTY = f"cibadmin --empty >{SCRATCH}"
OPENSTACK = "/usr/lib/ocf/resource.d/openstack"
# Not the lab's names: whoever takes a lab down takes all that have them.
PREFIX = "nova-ha-workbench-"
READY = "ready\n"
# Seconds until the container runs and the agents are installed: 1 to 2, with room for a busy machine.
START_LIMIT = 60
END_LIMIT = 30


class Workbench:
    """A container that runs; see ``started``.

    :param ident: podman's id of it
    """

    def __init__(self, name: str, ident: str):
        self.name = name
        self._ident = ident

    def run(self, script: str, stdin: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess:
        """Run a shell script; returns what it printed and its exit code, whatever that is.

        :param timeout: seconds
        :raises LabError: it ran too long
        """
        command = ("sh", "-c", script)
        return runtime.run_inside(self.name, self._ident, *command, stdin=stdin, timeout=timeout, check=False)

    def deploy(self, commands: str) -> str:
        """Run shell commands against a configuration that has nothing but nodes; return what became of it, as XML.

        :raises AssertionError: a command failed, or Pacemaker finds an error in the outcome
        """
        done = self.run(f"{_PRELUDE}{commands}", timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        verified = self.run(f"crm_verify -V --xml-file {SCRATCH}")
        assert "error:" not in verified.stdout + verified.stderr
        return self.run(f"cat {SCRATCH}").stdout


@contextlib.contextmanager
def started(name: str = f"{PREFIX}{os.getpid()}") -> Iterator[Workbench]:
    """A workbench with the agents of this tree. It ends with the block, and with this process, however that ends.

    :raises LabError: it did not start
    """
    # The release of the lab that is up, or the default one.
    with container(name, Settings.load(), "control", f"{SOURCE_MOUNT}/tools/install") as bench:
        yield bench


@contextlib.contextmanager
def container(name: str, chosen: Settings, kind: str, setup: str, *volumes: str) -> Iterator[Workbench]:
    """A container of one of the lab's images, as ``started``.

    :param kind: of the image
    :param setup: a shell command that is run in it first
    :param volumes: to mount beside the tree, as podman takes them
    :raises LabError: it did not start
    """
    images.build(chosen, Progress(), [kind])
    command = ["podman", "run", "--rm", "--replace", "--interactive", "--network=none", "--pull=never"]
    mounted = [f"{SOURCE_TREE}:{SOURCE_MOUNT}:ro", *volumes]
    command += [f"--name={name}", *(f"--volume={volume}" for volume in mounted), images.name(chosen, kind)]
    # Its first process reads from this process: when this one is gone, it ends, and podman removes the container.
    command += ["sh", "-ec", f"{setup}; echo {READY.strip()}; exec cat"]
    environment = {**os.environ, **runtime.ENVIRONMENT}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as podman:
        try:
            if not select.select([podman.stdout], [], [], START_LIMIT)[0]:
                raise LabError(f"{name} is not ready after {START_LIMIT} s")
            if podman.stdout.readline() != READY:
                raise LabError(f"{name} did not start: the reason is on standard error")
            inspected = runtime.podman("container", "inspect", "--format", "{{.ID}}", name)
            yield Workbench(name, inspected.stdout.strip())
        finally:
            podman.stdin.close()
            try:
                podman.wait(END_LIMIT)
            except subprocess.TimeoutExpired:
                runtime.podman("rm", "--force", "--time", "0", "--ignore", name)
                podman.kill()


def _nodes() -> str:
    """The nodes of the lab's cluster, as its configuration has them before anybody gives them attributes."""
    named = Settings()
    full = [f'<node id="{number}" uname="{node}"/>' for number, node in enumerate(named.control_nodes, 1)]
    remote = [f'<node id="{host}" type="remote" uname="{host}"/>' for host in named.compute_hosts]
    return f"<nodes>{''.join(full + remote)}</nodes>"


_PRELUDE = f"""set -e
{EMPTY}
export CIB_file={SCRATCH}
cibadmin --replace --scope nodes --xml-text '{_nodes()}'
pcs() {{ command pcs -f {SCRATCH} "$@"; }}
"""
