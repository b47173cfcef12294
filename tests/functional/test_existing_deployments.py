# SPDX-License-Identifier: Apache-2.0
"""Clusters that were configured for the existing agents: their own lines work, and instances are recovered.

The lines are those of TripleO: of its puppet modules (Instance HA since Pike), and of tripleo-ha-utils (before, with
nova-compute a systemd resource). What pcs itself does not take any more is written as pcs 0.11 wants it: ``clone`` for
``--clone``, ``node attribute`` for ``property set --node``, ``meta requires=unfencing`` for ``op start ...``.
"""

import io
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from tests.functional.steps import eventually, migration_block, on_control
from tests.lab import cloud, cluster, facts, faults, nodes
from tests.lab.cloud import layout
from tests.lab.progress import Progress

pytestmark = pytest.mark.lab_b

HOST = "compute-1"
TRIGGER = "compute-unfence-trigger"
CHECK = "nova-compute-checkevacuate"


class Deployment(NamedTuple):
    """A configuration of the agents, as pcs commands.

    :param lines: what makes it
    :param resources: the resources that it has, beside the device that flags
    :param undo: what takes away the rest of it
    """

    lines: list
    resources: list
    undo: list


@pytest.fixture(scope="module")
def deploy(settings):
    """A function that puts a ``Deployment`` in the place of what is configured; the lab's own is back at the end."""
    credentials = cloud.agent_credentials(settings)
    made = []

    def put(deployment):
        _take_away(settings, made)
        made.append(deployment)
        cluster.configure(settings, deployment.lines, {"CLOUD_PASSWORD": credentials["password"]})

    yield put
    _take_away(settings, made)
    cluster.deploy_agents(settings, credentials, Progress(io.StringIO()))


def test_instance_ha_of_tripleo_after_the_move(story, deploy):
    settings = story.settings
    # Given a cluster as TripleO's puppet modules configure it, which the existing agents have used,
    deploy(_tripleo(settings))
    for host in settings.compute_hosts:
        on_control(settings, f"attrd_updater --name {cluster.FLAG} --update no --node {host}")
    # when an operator moves it, by what docs/migrate.md says, to these agents (which are installed),
    _run_blocks(settings, "move-stop")
    for host in settings.compute_hosts:
        nodes.execute(host, "sh", "-e", stdin=migration_block("move-host"))
    _run_blocks(settings, "move-flags", "move-tripleo", "move-start")
    _wait_running(story)
    # then all hosts are unfenced, and nothing is left of the former flags.
    eventually("all hosts to be unfenced", lambda: _active(story, TRIGGER) == set(settings.compute_hosts), 60)
    assert f'name="{cluster.FLAG}"' not in cluster.cib(settings)
    # When a host dies with its instances,
    ids = story.instances_on(HOST, 5)
    faults.kill(HOST)
    # then they are recovered, each asked for once, and the host is unfenced and takes instances again.
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    assert story.service(HOST)["status"] == "enabled"
    asked = [request.instance for request in facts.evacuate_requests(story.recorded.history())]
    assert sorted(asked) == sorted(ids)
    eventually(f"{HOST} to be unfenced", lambda: HOST in _active(story, TRIGGER), 60)
    _nothing_failed(story, cluster.ENGINE, TRIGGER)


def test_instance_ha_of_tripleo_with_nova_compute_as_a_systemd_resource(story, deploy):
    # Given a cluster as tripleo-ha-utils configures it,
    deploy(_tripleo_ha_utils(story.settings))
    _wait_running(story)
    # when a host dies with its instances,
    ids = story.instances_on(HOST, 5)
    faults.kill(HOST)
    # then they are recovered, each asked for once,
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    asked = [request.instance for request in facts.evacuate_requests(story.recorded.history())]
    assert sorted(asked) == sorted(ids)
    # and nova-compute started only after that (the audits see to that as well).
    eventually(f"{CHECK} to let {HOST} start", lambda: HOST in _active(story, CHECK), 60)
    assert HOST in _active(story, cluster.COMPUTE)
    _nothing_failed(story, cluster.ENGINE, CHECK, cluster.COMPUTE)


def _tripleo(settings):
    """As TripleO's puppet modules have it."""
    given = cloud.agent_credentials(settings)
    hosts = settings.compute_hosts
    role = "compute-instanceha-role"
    lines = [
        *(f"node attribute {host} {role}=true" for host in hosts),
        "resource defaults update requires=fencing",
        f"stonith create {cluster.FENCE_NOVA} fence_compute tenant_name={given['tenant_name']}"
        f" auth_url={given['auth_url']} region_name={layout.REGION} passwd=@CLOUD_PASSWORD@ login={given['username']}"
        " domain=localdomain project_domain=Default user_domain=Default record_only=1"
        f" pcmk_host_list={','.join(hosts)} op monitor interval=60s meta provides=unfencing",
        *(f"stonith level add 1 {host} ipmi-{host} {cluster.FENCE_NOVA}" for host in hosts),
        f"resource create {TRIGGER} ocf:pacemaker:Dummy op stop timeout=20 on-fail=block meta requires=unfencing clone",
        f"constraint location {TRIGGER}-clone rule resource-discovery=never score=-INFINITY {role} ne true",
        f"resource create {cluster.ENGINE} ocf:openstack:NovaEvacuate auth_url={given['auth_url']}"
        f" username={given['username']} password=@CLOUD_PASSWORD@ user_domain=Default project_domain=Default"
        f" tenant_name={given['tenant_name']} region_name={layout.REGION} no_shared_storage=true evacuate_delay=1",
        f"constraint location {cluster.ENGINE} rule resource-discovery=never score=-INFINITY {role} eq true",
    ]
    undo = ["resource defaults update requires=", *(f"node attribute {host} {role}=" for host in hosts)]
    return Deployment(lines, [cluster.ENGINE, TRIGGER, cluster.COMPUTE], undo)


def _tripleo_ha_utils(settings):
    """As the role instance-ha of tripleo-ha-utils has it."""
    given = cloud.agent_credentials(settings)
    hosts = settings.compute_hosts
    cloud_of = f"auth_url={given['auth_url']} username={given['username']} password=@CLOUD_PASSWORD@"
    on_compute = "rule resource-discovery=exclusive score=0 osprole eq compute"
    lines = [
        f"resource create {cluster.ENGINE} ocf:openstack:NovaEvacuate {cloud_of} tenant_name={given['tenant_name']}"
        " no_shared_storage=1",
        f"constraint location {cluster.ENGINE} rule resource-discovery=never score=-INFINITY osprole eq compute",
        f"resource create {CHECK} ocf:openstack:nova-compute-wait {cloud_of} tenant_name={given['tenant_name']}"
        " domain=localdomain op start timeout=300 clone interleave=true --disabled --force",
        f"constraint location {CHECK}-clone {on_compute}",
        f"resource create {cluster.COMPUTE} systemd:nova-compute op start timeout=60s clone interleave=true --disabled"
        " --force",
        f"constraint location {cluster.COMPUTE}-clone {on_compute}",
        f"constraint order start {CHECK}-clone then {cluster.COMPUTE}-clone require-all=true",
        f"constraint order start {cluster.COMPUTE}-clone then {cluster.ENGINE} require-all=false",
        f"stonith create {cluster.FENCE_NOVA} fence_compute auth-url={given['auth_url']} login={given['username']}"
        f" passwd=@CLOUD_PASSWORD@ tenant-name={given['tenant_name']} domain=localdomain record-only=1"
        " no-shared-storage=True --force",
        f"constraint location {cluster.FENCE_NOVA} rule resource-discovery=never score=0 osprole eq controller",
        f"constraint order start {cluster.FENCE_NOVA} then {cluster.COMPUTE}-clone",
        "property set cluster-recheck-interval=1min",
        *(f"stonith level add 1 {host} ipmi-{host},{cluster.FENCE_NOVA}" for host in hosts),
        f"resource enable {CHECK}",
        f"resource enable {cluster.COMPUTE}",
    ]
    return Deployment(lines, [cluster.ENGINE, CHECK, cluster.COMPUTE], ["property unset cluster-recheck-interval"])


def _run_blocks(settings, *markers):
    """Run the page's commands on a control node."""
    script = "".join(migration_block(marker) for marker in markers)
    done = nodes.execute(cluster.any_control(settings), "sh", "-e", stdin=script, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _active(story, resource):
    return set(cluster.active_nodes(story.settings, resource))


def _wait_running(story):
    """Wait until the engine and nova-compute run, the latter everywhere."""
    story.engine_node()
    hosts = set(story.settings.compute_hosts)
    eventually("nova-compute to run everywhere", lambda: _active(story, cluster.COMPUTE) == hosts, 120)
    # When it starts, it sets what is just being built there to ERROR; it reports once it is past that.
    before = {host: story.service(host)["updated_at"] for host in hosts}
    eventually(
        "every nova-compute to report",
        lambda: all(story.service(host)["updated_at"] != time for host, time in before.items()),
        60,
    )


def _nothing_failed(story, *resources):
    found = [failure for resource in resources for failure in cluster.failures(story.settings, resource)]
    assert not found


def _take_away(settings, made):
    """Take away the last one of the deployments that were made; if there is none, the lab's own configuration."""
    for host in settings.compute_hosts:
        # What the existing agents had for a flag would hide ours from the rules.
        on_control(settings, f"crm_attribute --node {host} --name {cluster.FLAG} --lifetime reboot --delete")
    if made:
        _remove(settings, made[-1].resources, made[-1].undo)
    else:
        _remove(settings, [cluster.ENGINE, cluster.COMPUTE])


def _remove(settings, resources, more=()):
    """Have the cluster forget resources, as far as it has them, and the device that flags, and stop them.

    :param more: pcs commands
    """
    configuration = ElementTree.fromstring(cluster.cib(settings))
    configured = {entry.get("id") for entry in configuration.iter("primitive")}
    levelled = {entry.get("target") for entry in configuration.iter("fencing-level")}
    # Without these, pcs would leave levels that have the other device only.
    script = [f"stonith level remove 1 target {host}" for host in settings.compute_hosts if host in levelled]
    script += [f"resource delete {resource}" for resource in resources if resource in configured]
    cluster.configure(settings, [*script, f"stonith delete {cluster.FENCE_NOVA}", *more], {})

    def stopped():
        return not any(cluster.active_nodes(settings, name) for name in (*resources, cluster.FENCE_NOVA))

    eventually(f"{', '.join(resources)} to stop", stopped, 120)
