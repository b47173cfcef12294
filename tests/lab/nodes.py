# SPDX-License-Identifier: Apache-2.0
"""The hosts: containers with systemd as their first process, each with an address of its own.

A host keeps its root file system and its address when it loses its power; /run is fresh after each start. Whoever
switches a *powered* host does it by ``power``, which keeps the record; here are the means.
"""

import json
import os
import pathlib

from tests.lab import images, runtime, settings
from tests.lab.shell import LabError, run
from tests.lab.waiting import wait_for

# corosync locks its memory and asks for a real-time priority; NET_RAW is for ping, AUDIT_WRITE for PAM.
CAPABILITIES = "NET_ADMIN,NET_RAW,SYS_NICE,IPC_LOCK,AUDIT_WRITE"
HOSTS_FILE = settings.RUN / "hosts"
# One file for each container whose id has been asked for, which stays as long as the container.
IDS = settings.RUN / "ids"
# Seconds: it took 88 where two labs came up beside the unit tests.
BOOT_LIMIT = 300


def create(chosen, node, kind, mounts=(), options=()):
    """Make the container of a node, unless it is there.

    :param kind: of the image, one of ``images.of_lab``
    :param mounts: podman's volumes, ``SOURCE:DESTINATION:ro``
    :param options: further options of podman
    """
    if exists(node):
        return
    (IDS / node).unlink(missing_ok=True)
    HOSTS_FILE.write_text(_hosts())
    address = settings.address(node)
    runtime.podman(
        *("create", "--name", settings.container(node), "--hostname", node, "--systemd=always"),
        # A MAC that stays, so that no neighbour is left with a stale ARP entry when the host comes back.
        *("--network", settings.NETWORK, "--ip", address, "--mac-address", settings.mac(address)),
        *("--cap-add", CAPABILITIES, "--shm-size", "512m"),
        *("--no-hosts", "--volume", f"{HOSTS_FILE}:/etc/hosts:ro"),
        *(f"--volume={mount}" for mount in mounts),
        *options,
        images.name(chosen, kind),
        "/sbin/init",
    )


def start(node):
    """Switch a container on; returns while systemd still boots (``wait_booted``)."""
    runtime.podman("start", settings.container(node))


def wait_booted(node, limit=BOOT_LIMIT):
    """Wait until systemd has started what is enabled, whether or not a unit failed.

    :param limit: seconds
    """

    def booted():
        done = execute(node, "systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    wait_for(f"{node} to boot", booted, limit, look=f"{settings.COMMAND} shell {node}, journalctl -b")


def kill(node):
    """End every process of a container at once, and return when they are gone."""
    runtime.podman("kill", settings.container(node), check=False)
    if state(node) == "paused":
        # The signal waits until it is thawed.
        runtime.podman("unpause", settings.container(node), check=False)
    wait_for(f"{node} to die", lambda: not powered(node), limit=15, interval=0.05)


def pause(node):
    """Freeze every process of a container: it holds its connections and answers nothing."""
    runtime.podman("pause", settings.container(node))


def unpause(node):
    """Let a frozen container go on."""
    runtime.podman("unpause", settings.container(node))


def unplug(node):
    """Take a container off the network without a word to anybody; its link stays up."""
    run("ip", "link", "set", _link(node), "nomaster")


def plug(node):
    """Put a container back on the network."""
    run("ip", "link", "set", _link(node), "master", settings.BRIDGE)


def remove(node):
    """Remove a container with its root file system, whatever its state."""
    if state(node) == "paused":
        kill(node)
    runtime.podman("rm", "--force", "--time", "0", "--ignore", settings.container(node))
    (IDS / node).unlink(missing_ok=True)


def remove_all():
    """Remove every container of the lab, also those that the present settings do not know."""
    for node in existing():
        remove(node)


def existing():
    """Names of the nodes that have a container."""
    return sorted(states())


def states():
    """The state of each node that has a container, as ``state`` gives it."""
    prefix = settings.container("")
    listed = json.loads(runtime.podman("ps", "--all", "--filter", f"name=^{prefix}", "--format", "json").stdout)
    return {entry["Names"][0][len(prefix) :]: entry["State"] for entry in listed}


def state(node):
    """podman's word for the state of a container: "running", "paused", "exited" ...; "absent" if there is none."""
    form = "{{.State.Status}}"
    done = runtime.podman("container", "inspect", "--format", form, settings.container(node), check=False)
    return done.stdout.strip() if done.returncode == 0 else "absent"


def mounted(node, destination):
    """What directory of the machine a node has at a path of its own."""
    form = '{{range .Mounts}}{{.Destination}}={{.Source}}{{"\\n"}}{{end}}'
    inspected = runtime.podman("container", "inspect", "--format", form, settings.container(node)).stdout
    return dict(line.split("=", 1) for line in inspected.split())[destination]


def layer(node: str) -> pathlib.Path:
    """The writable layer of a node's container: one directory on the machine for as long as the container exists."""
    form = "{{.GraphDriver.Data.UpperDir}}"
    return pathlib.Path(runtime.podman("inspect", "--format", form, settings.container(node)).stdout.strip())


def exists(node):
    """Has the node a container?"""
    return runtime.podman("container", "exists", settings.container(node), check=False).returncode == 0


def running(node):
    """Does the node run, and is it not frozen?"""
    return state(node) == "running"


def lost():
    """Names of the nodes that podman takes for running though their processes are gone.

    So is a lab whose processes were ended without podman's knowledge, as when a whole session is. One that has only
    just died still has its conmon, which is about to tell podman.
    """
    return [node for node in existing() if powered(node) and not any(map(_exists, _pids(node)))]


def powered(node):
    """Does the node draw power? A frozen one does."""
    return state(node) in ("running", "paused", "stopping")


def execute(node, *command, timeout=120, stdin=None, check=True):
    """Run a program in a node; see ``shell.run``.

    :raises LabError: it failed, ran too long, or the node does not run
    """
    return runtime.run_inside(
        settings.container(node), _ident(node), *command, timeout=timeout, stdin=stdin, check=check
    )


def _hosts():
    nodes = [settings.CLOUD]
    nodes += [f"control-{i}" for i in range(1, settings.CONTROLS + 1)]
    nodes += [f"compute-{i}" for i in range(1, settings.MAX_COMPUTES + 1)]
    return "127.0.0.1 localhost\n" + "".join(f"{settings.address(node)} {node}\n" for node in nodes)


def _ident(node):
    """The id of a node's container, None if there is none."""
    file = IDS / node
    if not file.exists():
        done = runtime.podman("container", "inspect", "--format", "{{.ID}}", settings.container(node), check=False)
        if done.returncode != 0:
            return None
        IDS.mkdir(parents=True, exist_ok=True)
        settings.write_whole(file, done.stdout.strip())
    return file.read_text()


def _pids(node):
    """The ids of a container's first process and of its conmon; 0 for what is not there."""
    form = "{{.State.Pid}} {{.State.ConmonPid}}"
    return runtime.podman("container", "inspect", "--format", form, settings.container(node)).stdout.split()


def _exists(pid):
    # Meanwhile podman may know that the node is off.
    return pid == "0" or os.path.exists(f"/proc/{pid}")


def _link(node):
    # The machine's end of the container's cable. The container's end names it by its index.
    pid = _pids(node)[0]
    if pid == "0":
        raise LabError(f"{node} is off: it has no link")
    inside = json.loads(run("nsenter", "--target", pid, "--net", "ip", "-json", "link", "show", "eth0").stdout)
    index = inside[0]["link_index"]
    return next(link["ifname"] for link in json.loads(run("ip", "-json", "link").stdout) if link["ifindex"] == index)
