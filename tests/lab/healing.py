# SPDX-License-Identifier: Apache-2.0
"""Healing: from whatever a scenario left behind back to a healthy lab without instances, without building it anew."""

import contextlib
import functools
import io

from tests.lab import cluster, faults, lab, nodes, workload
from tests.lab.cloud import impair
from tests.lab.progress import Progress
from tests.lab.settings import COMMAND
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for

# Seconds for a host to come back and be recovered.
LIMIT = 180


_failed = 0


def failed_in_succession() -> int:
    """How many heals have failed since the last one that did not."""
    return _failed


def _counted(function):
    @functools.wraps(function)
    def counted(*arguments, **options):
        global _failed
        _failed += 1
        function(*arguments, **options)
        _failed = 0

    return counted


@_counted
def heal(settings, options=None, returning=()):
    """End all faults, and wait until all nodes are online, no instance and no flag is left, and all services are up.

    The engine has its default options then, or those that are given as ``cluster.set_options`` takes them, and there is
    no aggregate.

    Nothing is forced: flags are deleted by the engine, services un-forced by it, as after any recovery; unless a
    scenario has deleted a flag before that.

    :param returning: hosts that were recovered, and may still be on their way back
    :raises LabError: something does not come back
    """
    anything_stood = faults.end_all(settings)
    impair.clear()
    impair.set_guests()
    impair.set_scheduler()
    if anything_stood or not _is_whole(settings, returning):
        with contextlib.suppress(LabError):
            _let_go(settings)
        # It starts what does not run, and leaves the rest.
        lab.up(settings, Progress(io.StringIO()))
    if cluster.status(settings).failures():
        # Those of fence devices, too.
        cluster.pcs(settings, "resource", "cleanup")
    cluster.set_options(settings, options or {})
    workload.delete_all(settings)
    workload.delete_aggregates(settings)
    wait_for("all flags to be gone", lambda: _no_flags(settings, returning), LIMIT, 0.5, cluster.LOOK)
    _enable_services(settings, returning)
    wait_for("all compute services to be up", lambda: _all_usable(settings, returning), LIMIT, 0.5, f"{COMMAND} status")


def _is_whole(settings, returning):
    try:
        return lab.is_whole(settings, returning)
    except LabError:
        # While the cluster elects a leader.
        return False


def _let_go(settings):
    """Let hosts go that wait for an operator, or for what does not come: ``lab.up`` would wait for them in vain.

    :raises LabError: the cluster or the cloud is not up, and so not what they wait for
    """
    cluster.pcs(settings, "resource", "cleanup")
    nodes.execute(cluster.any_control(settings), "nova-ha", "go", "--all", "--yes")
    nodes.execute(cluster.any_control(settings), "nova-ha", "resume", "--all", "--yes")
    if cluster.flags(settings):
        workload.delete_all(settings)


def _no_flags(settings, returning):
    try:
        return set(cluster.flags(settings).items()) <= {(host, "no") for host in returning}
    except LabError:
        # While the cluster elects a leader.
        return False


def _enable_services(settings, returning):
    """What a scenario's operator has disabled, or has left out of service by deleting its flag."""
    services = workload.client(settings).services
    for service in _services(settings, returning):
        if service["forced_down"]:
            services.force_down(service["id"], False)
        if service["status"] != "enabled":
            services.enable(service["id"])


def _services(settings, returning):
    return [service for service in workload.services(settings) if service["host"] not in returning]


def _all_usable(settings, returning):
    return all(
        service["state"] == "up" and service["status"] == "enabled" and not service["forced_down"]
        for service in _services(settings, returning)
    )
