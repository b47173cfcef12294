# SPDX-License-Identifier: Apache-2.0
"""The whole lab: up, down, wipe, status, and the logs of all parts."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
import io
import pathlib
import shutil
import tarfile
import tempfile

from tests.lab import (
    bmc,
    cloud,
    cluster,
    computes,
    images,
    locks,
    nodes,
    passwords,
    power,
    runtime,
    settings,
    workload,
)
from tests.lab.guest import refusals
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for

BOOTED_AT_ONCE = 3


def claimed() -> contextlib.AbstractContextManager[None]:
    """A block that has the lab for this process alone; see ``locks.claimed``."""
    return locks.claimed(f"lab-{settings.NUMBER}", f"lab {settings.NUMBER}")


def _alone(function):
    """Have a function run only while no other process uses the lab."""

    @functools.wraps(function)
    def alone(*arguments):
        with claimed():
            return function(*arguments)

    return alone


@_alone
def up(chosen, progress):
    """Bring the lab up. What is up already stays as it is; what is off or was stopped is started.

    :raises LabError: a part did not come up, another lab is up, or another process uses it
    """
    _make_hosts(chosen, progress)
    with concurrent.futures.ThreadPoolExecutor(2) as side_by_side:
        parts = [side_by_side.submit(part, chosen, progress) for part in (cloud.up, cluster.up)]
        for part in parts:
            part.result()
    cluster.on_each(chosen.compute_hosts, lambda host: _install_compute(chosen, host))
    cluster.deploy_agents(chosen, cloud.agent_credentials(chosen), progress)
    with progress.step("cloud: compute hosts known to Nova"):
        # nova-compute runs a moment before it has registered; whoever has not cannot be mapped.
        wait_for(
            "nova-compute of every host to register",
            lambda: {entry["host"] for entry in workload.services(chosen)} >= set(chosen.compute_hosts),
            limit=cluster.UP_LIMIT,
            interval=0.5,
            look=f"{settings.COMMAND} status",
        )
        cloud.discover_hosts(chosen)
    progress.say("the lab is up")


@_alone
def up_without_cluster(chosen, progress):
    """Bring up hosts and a cloud: whoever makes a cluster of them is what is tried. The lab must be down.

    Control nodes have what nova-compute needs as well, and no nova-compute runs anywhere.

    :raises LabError: a part did not come up, a lab is up, or another process uses it
    """
    if existing := nodes.existing():
        raise LabError(f"{', '.join(existing)} are there: {settings.COMMAND} down first")
    _make_hosts(chosen, progress, on_control=cloud.mounts(chosen, "compute"))
    cloud.up(chosen, progress)
    cluster.on_each(chosen.powered, lambda host: cloud.install_compute(chosen, host))


def _make_hosts(chosen, progress, on_control=()):
    clear_lost(chosen, progress)
    _refuse_another(chosen)
    runtime.prepare()
    chosen.save()
    # Both labs' images are the same: the one builds, the other waits and has them.
    with locks.held("cache"):
        images.build(chosen, progress, images.of_lab(chosen))
        cloud.prepare(chosen, progress)
    with progress.step("hosts: containers and BMCs"):
        _create_nodes(chosen, on_control)


def clear_lost(chosen, progress):
    """Take a lab down whose processes have ended behind its back, so that nothing of it can be used any more."""
    if lost := nodes.lost():
        progress.say(f"of an earlier lab only the remains are there ({', '.join(lost)} ended behind its back)")
        down(chosen, progress)


@_alone
def down(chosen, progress):
    """Take the lab down and put the machine back as it was; images and the cloud's environment are kept.

    All that there is goes, also hosts that these settings do not know.

    :raises LabError: another process uses it
    """
    with progress.step("down: containers, BMCs, network, sysctls"):
        runtime.require()
        bmc.stop_all()
        nodes.remove_all()
        runtime.restore()
        shutil.rmtree(settings.RUN, ignore_errors=True)


def wipe(chosen, progress):
    """Take the lab down and remove all that it keeps.

    :raises LabError: another lab uses what would be removed
    """
    if others := runtime.other_labs():
        raise LabError(f"lab {others[0]} is up and uses the images: NOVA_HA_LAB_NUMBER={others[0]} ./lab down first")
    down(chosen, progress)
    with progress.step("wipe: images and caches"):
        images.remove_all()
        shutil.rmtree(settings.HOME, ignore_errors=True)


def status(chosen):
    """One screen about the lab, as text."""
    if not nodes.existing():
        return f"The lab is down: {settings.COMMAND} up brings it up."
    try:
        online, flags, resources = cluster.online_nodes(chosen), cluster.flags(chosen), cluster.resources(chosen)
    except LabError as error:
        online, flags, resources = [], {}, [str(error)]
    lines = [f"{'node':<12}{'power':<10}{'BMC':<8}{'cluster':<10}flag"]
    for node in chosen.powered:
        present = "online" if node in online else "OFFLINE"
        reachable = "up" if bmc.running(node) else "DOWN"
        lines.append(f"{node:<12}{_power(node):<10}{reachable:<8}{present:<10}{flags.get(node, '-')}")
    lines += ["", "resources", *(f"  {line}" for line in resources)]
    services = cloud.status(chosen)
    lines += ["", "cloud", *(f"  {name:<20}{state}" for name, state in services.items())]
    lines += ["", f"instances: {_guests(chosen)}"]
    return "\n".join(lines)


def other_trees() -> list[str]:
    """The trees other than this one whose files the lab's hosts run; none if there is no lab."""
    trees = {nodes.mounted(node, cluster.SOURCE_MOUNT) for node in nodes.existing() if node != settings.CLOUD}
    return sorted(trees - {str(settings.SOURCE_TREE)})


def is_whole(chosen, but=()):
    """Whether all parts run, as far as a quick look tells, so that ``up`` would find nothing to do.

    :param but: compute hosts that need not run
    :raises LabError: the cluster does not answer
    """
    powered = set(chosen.powered) - set(but)
    states = nodes.states()
    if not (
        all(states.get(node) == "running" for node in (settings.CLOUD, *powered))
        and all(bmc.running(node) for node in chosen.powered)
        and set(cloud.status(chosen).values()) == {"active"}
    ):
        return False
    seen = cluster.status(chosen)
    return bool(
        set(seen.online()) >= powered
        and seen.active(cluster.ENGINE)
        and set(seen.active(cluster.COMPUTE)) >= set(chosen.compute_hosts) - set(but)
    )


def collect(chosen, file=None):
    """Pack the logs and records of all parts, without the lab's passwords.

    :param file: where to; by default a file in the current directory that is named for the time
    :returns: its path
    """
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    file = pathlib.Path(file or f"{settings.CLUSTER_NAME}-{stamp}.tar.gz").absolute()
    with tarfile.open(file, "w:gz") as archive:

        def add(name, text):
            data = passwords.redact(text).encode()
            entry = tarfile.TarInfo(f"{file.name.partition('.')[0]}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

        add("status.txt", status(chosen))
        for source in sorted([*settings.RECORDS.rglob("*.jsonl"), *cloud.logs(chosen), *bmc.logs(), *images.logs()]):
            add(str(source.relative_to(settings.HOME)), source.read_text(errors="replace"))
        for node in nodes.existing():
            for name, text in _node_logs(node):
                add(f"{node}/{name}", text)
    return file


def _refuse_another(chosen):
    present = settings.Settings.load()
    if nodes.existing() and (
        present.computes > chosen.computes or present != dataclasses.replace(chosen, computes=present.computes)
    ):
        raise LabError(
            f"a lab of {present.computes} compute hosts on {present.release}, with {_guests(present)}, is up:"
            f" {settings.COMMAND} down first, to have another"
        )
    # Its hosts run what that tree holds: whoever tried something here would try that.
    if others := other_trees():
        raise LabError(f"the lab that is up runs what is in {', '.join(others)}: {settings.COMMAND} down first")


def _create_nodes(chosen, on_control):
    source = [f"{settings.SOURCE_TREE}:{cluster.SOURCE_MOUNT}:ro"]
    kinds = {
        settings.CLOUD: ("cloud", cloud.mounts(chosen, "cloud")),
        **dict.fromkeys(chosen.control_nodes, ("control", [*source, *on_control])),
        **{
            host: (images.of_computes(chosen), source + cloud.mounts(chosen, "compute") + cloud.disks(chosen, host))
            for host in chosen.compute_hosts
        },
    }

    def bring(node):
        kind, mounts = kinds[node]
        nodes.create(chosen, node, kind, mounts, computes.podman_options(node))
        if node == settings.CLOUD:
            if not nodes.running(node):
                nodes.start(node)
        else:
            power.power_on(node, by="lab")
            bmc.start(chosen, node)
        nodes.wait_booted(node)

    with concurrent.futures.ThreadPoolExecutor(BOOTED_AT_ONCE) as pool:
        list(pool.map(bring, kinds))


def _install_compute(chosen, host):
    cloud.install_compute(chosen, host)
    computes.install(chosen, host)


def _guests(chosen):
    """What the instances of a lab are, in words."""
    if not chosen.real_guests:
        return "guests of the fake driver"
    return f"guests of libvirt and QEMU, their disks {chosen.instances}"


def _power(node):
    words = {"running": "on", "paused": "on, HUNG", "absent": "ABSENT"}
    return words.get(nodes.state(node), "OFF")


def _node_logs(node):
    """Name and text of each log of a node; the journal needs a node that runs."""
    if nodes.running(node):
        journal = nodes.execute(node, "journalctl", "--no-pager", "--output=short-precise", check=False)
        yield "journal.log", journal.stdout
    if node == settings.CLOUD:
        return
    # QEMU's, of each guest that the host has had; there are none where guests are the fake driver's.
    for file in sorted((nodes.layer(node) / refusals.LOGS).glob("*.log*")):
        yield f"qemu/{file.name}", file.read_text(errors="replace")
    if node.startswith("control") and nodes.running(node):
        yield "status.txt", nodes.execute(node, "pcs", "status", "--full", check=False).stdout
        yield "cib.xml", nodes.execute(node, "cibadmin", "--query", check=False).stdout
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch, "pacemaker.log")
        source = f"{settings.container(node)}:/var/log/pacemaker/pacemaker.log"
        # Works for a node that is off, too; a node that never was in a cluster has none.
        if runtime.podman("cp", source, copy, check=False).returncode == 0:
            yield copy.name, copy.read_text(errors="replace")
