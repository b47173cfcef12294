# SPDX-License-Identifier: Apache-2.0
"""nova-compute in each of the three ways: systemd's unit, a process of its own, a container.

What takes its time is done on three hosts at once, one for each way, by a fixture; each test judges one host.
"""

import contextlib
import json
import re
import time
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from tests.functional.steps import all_of, eventually, heal_if_needed, side_by_side, told
from tests.lab import cluster, computes, exposure, faults, nodes

pytestmark = pytest.mark.lab_b

SYSTEMD, DIRECT, CONTAINED = HOSTS = ("compute-1", "compute-2", "compute-3")
OPENSTACK = "/usr/lib/ocf/resource.d/openstack"
WAIT = "nova-compute-wait"
GENERIC, NOT_RUNNING = 1, 7
DEEP = "monitor interval=11s timeout=20s OCF_CHECK_LEVEL=10"
# Seconds until a hung one is found: the interval and the time that it has for an answer, twice, for a monitor says
# nothing where the machine is so busy that the conductor does not answer in time either; and until it is restarted.
FOUND_LIMIT = 2 * (11 + 20)
RESTARTED_LIMIT = 90
# Seconds that a start may take in which nova-compute does not answer: 20, and what it takes to look and to start it.
START_LIMIT = 30
# Seconds for a stop of one that has found no Nova: as the first process of its container it heeds no SIGTERM yet,
# and is killed when nearly all of the time is over.
STOP_TIMEOUT = 30
# Seconds until a dead host is flagged: 20 until the start elsewhere is over, and fencing.
FENCED_LIMIT = 20 + 20
LOG = "/run/nova-ha-lab-agent.log"
# What makes a monitor ask nova-compute.
DEEPLY = {"OCF_RESKEY_CRM_meta_interval": "60000", "OCF_CHECK_LEVEL": "10"}

# What a monitor may cost, in interpreter starts; and the program that measures it, for a host's own Python.
GOAL = 2
MEASURE = """
import json, os, subprocess, sys, time

def cost(command):
    wall, before = time.monotonic(), os.times()
    for _ in range(20):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu / 20, (time.monotonic() - wall) / 20

os.environ.update(OCF_ROOT="/usr/lib/ocf", OCF_RESOURCE_INSTANCE="nova-compute", OCF_RESKEY_CRM_meta_interval="10000")
bare = ["python3", "-I", "-S", "-c", "pass"]
# Whatever else the machine does makes it slower, never faster: in turns, so that it does so to both.
rounds = [[cost(command) for command in (bare, sys.argv[1:])] for _ in range(8)]
print(json.dumps([[min(costs) for costs in zip(*each)] for each in zip(*rounds)]))
"""


@pytest.mark.parametrize("host", HOSTS)
def test_monitor_costs_no_more_than_two_starts_of_an_interpreter(settings, host):
    done = nodes.execute(host, "python3", "-", computes.AGENT, "monitor", stdin=MEASURE, timeout=120)
    bare, monitor = json.loads(done.stdout)
    print(f"{host}: CPU {monitor[0] / bare[0]:.2f}, wall {monitor[1] / bare[1]:.2f} starts; {bare}, {monitor}")
    assert monitor[0] <= GOAL * bare[0]
    assert monitor[1] <= GOAL * bare[1]


def test_each_host_runs_it_in_its_own_way(settings):
    found = {host: nodes.execute(host, "cat", f"/proc/{_pid(host)}/cgroup").stdout for host in HOSTS}
    assert "nova-compute.service" in found[SYSTEMD]
    assert "nova-compute.service" not in found[DIRECT]
    running = nodes.execute(CONTAINED, "podman", "ps", "--format", "{{.Names}}").stdout.split()
    assert running == [computes.CONTAINER]
    assert nodes.execute(CONTAINED, "podman", "exec", computes.CONTAINER, "cat", "/proc/1/cmdline").stdout.count("nova")


def test_change_that_needs_no_restart_makes_none(settings):
    # Given nova-compute on all hosts, started by the cluster (what it but found to run, as after a cleanup, it starts
    # anew for any change);
    for host in _not_started(settings):
        faults.kill_service(computes.SERVICE, host)
    eventually("the cluster to have started all", lambda: not _not_started(settings), RESTARTED_LIMIT)
    # when an operator changes how long start pauses,
    former = [_pid(host) for host in HOSTS]
    logs = exposure.Logs(settings.control_nodes)
    for value in ("evacuation_delay=1", "evacuation_delay="):
        cluster.pcs(settings, "resource", "update", cluster.COMPUTE, value, "--wait=60")
    # then each host's agent is told, and nova-compute runs on.
    eventually("reloads on all hosts", lambda: _reloaded(logs) == set(settings.compute_hosts), 60)
    assert [_pid(host) for host in HOSTS] == former


@pytest.fixture(scope="module")
def hung(settings):
    """nova-compute has hung on a host of each way."""
    with told(settings) as story:
        # Given instances on hosts whose nova-compute has answered, and an operator who wants to know whether it does,
        all_of(side_by_side(HOSTS, lambda host: story.instances_on(host, 2)))
        all_of(side_by_side(HOSTS, lambda host: computes.run_agent(host, "monitor", 60, **DEEPLY)))
        with deep_monitor(settings):
            outcomes = side_by_side(HOSTS, lambda host: _hang(story, host))
            cluster.pcs(settings, "resource", "cleanup", cluster.COMPUTE)
        assert not story.flags()
    return outcomes


def _hang(story, host):
    former = _pid(host)
    # when nova-compute hangs, though its process is there,
    faults.freeze_service(computes.SERVICE, host)
    try:
        # then the cluster finds that, says so, and starts it again; the guests run on (the audits see to that).
        words = f" on {host}:", "nova-compute hangs: no answer"
        eventually("a reason in the status", lambda: _told(story, cluster.COMPUTE, *words), FOUND_LIMIT)
        eventually("another process", lambda: _pid(host) not in (None, former), RESTARTED_LIMIT)
    finally:
        faults.thaw_service(computes.SERVICE, host)


@pytest.mark.parametrize("host", HOSTS)
def test_hung_nova_compute_is_found_and_started_again(hung, host):
    hung[host].result()


def test_away_bus_is_not_held_against_nova_compute(story):
    # Given an operator who wants to know whether nova-compute answers,
    with deep_monitor(story.settings):
        former = [_pid(host) for host in HOSTS]
        # when the message bus is away for longer than several monitors take,
        story.outage("rabbitmq-server", seconds=45)
        # then nothing is restarted for it.
        assert not cluster.failures(story.settings, cluster.COMPUTE)
        assert [_pid(host) for host in HOSTS] == former


@pytest.fixture(scope="module")
def tested(settings):
    """OCF's own tester has tried the agent on a host of each way, and the one that waits."""
    with maintenance(settings):
        return side_by_side((*HOSTS, WAIT), lambda what: _ocf_tester_of_wait() if what == WAIT else _ocf_tester(what))


def _ocf_tester(host):
    parameters = computes.PARAMETERS.get(host, {})
    options = [word for name, value in parameters.items() for word in ("-o", f"{name}={value}")]
    command = ["ocf-tester", "-n", computes.SERVICE, *options, computes.AGENT]
    done = nodes.execute(host, *command, timeout=400, check=False)
    computes.start(host)
    return done


@pytest.mark.parametrize("host", HOSTS)
def test_ocf_tester_passes(tested, host):
    done = tested[host].result()
    assert (done.returncode, "passed all tests" in done.stdout) == (0, True), done.stdout + done.stderr


def _ocf_tester_of_wait():
    command = ["ocf-tester", "-n", "tested", "-o", "auth_url=http://192.0.2.1:5000/v3", f"{OPENSTACK}/{WAIT}"]
    return nodes.execute(SYSTEMD, *command, timeout=120, check=False)


def test_ocf_tester_passes_for_what_waits(tested):
    done = tested[WAIT].result()
    assert (done.returncode, "passed all tests" in done.stdout) == (0, True), done.stdout + done.stderr


class Started(NamedTuple):
    """What came of starts of nova-compute on a host of each way, each as a future by host."""

    while_flagged: dict
    while_nova_works: dict
    without_nova: dict


@pytest.fixture(scope="module")
def started(settings):
    """nova-compute was stopped, and started in vain, then while Nova is at work, and then without Nova's conductor."""
    with maintenance(settings):
        all_of(side_by_side(HOSTS, computes.stop))
        while_flagged = _start_all_while_flagged(cluster.any_control(settings))
        while_nova_works = side_by_side(HOSTS, _start_and_ask)
        all_of(side_by_side(HOSTS, computes.stop))
        faults.stop_service("nova-conductor")
        try:
            return Started(while_flagged, while_nova_works, side_by_side(HOSTS, _start_without_nova))
        finally:
            faults.start_service("nova-conductor")
            all_of(side_by_side(HOSTS, computes.start))


def _start_and_ask(host):
    # Given a nova-compute that was stopped,
    computes.stop(host)
    assert computes.run_agent(host, "monitor", check=False).returncode == NOT_RUNNING
    # then a start takes until it answers: a deep monitor at once is content.
    began = time.monotonic()
    computes.start(host)
    print(f"{host}: started in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    done = computes.run_agent(host, "monitor", 60, **DEEPLY)
    print(f"{host}: answered in {time.monotonic() - began:.1f} s")
    return done


@pytest.mark.parametrize("host", HOSTS)
def test_start_is_over_when_nova_can_work_with_it(started, host):
    assert started.while_nova_works[host].result().stderr == ""


def _start_without_nova(host):
    # Given a nova-compute that was stopped, and a Nova whose conductor is away,
    nodes.execute(host, "rm", "-f", LOG)
    # then a start is over soon, so that other hosts can be fenced, and says what is missing;
    began = time.monotonic()
    computes.run_agent(host, "start", timeout=60, HA_LOGFILE=LOG)
    took = time.monotonic() - began
    print(f"{host}: gave up waiting after {took:.1f} s")
    assert took < START_LIMIT
    assert "does not answer on Nova's message bus yet" in nodes.execute(host, "cat", LOG).stdout
    # what it has started runs, and is not held for one that hangs;
    assert computes.run_agent(host, "monitor", check=False).returncode == 0
    assert computes.run_agent(host, "monitor", 30, check=False, **DEEPLY).returncode == 0
    # and a stop leaves nothing.
    computes.stop(host, STOP_TIMEOUT)
    assert computes.run_agent(host, "monitor", check=False).returncode == NOT_RUNNING


@pytest.mark.parametrize("host", HOSTS)
def test_start_does_not_wait_for_a_nova_that_is_away(started, host):
    started.without_nova[host].result()


def test_host_that_dies_while_nova_compute_starts_elsewhere_is_fenced_soon(story):
    # Given instances on a host, and a Nova whose conductor is away, so that no nova-compute that is started answers,
    dying = story.spare
    ids = story.instances_on(dying, 2)
    former = _pid(DIRECT)
    faults.stop_service("nova-conductor")
    try:
        # when the cluster starts nova-compute anew on another host, and the first one dies meanwhile,
        faults.kill_service(computes.SERVICE, DIRECT)
        eventually("nova-compute to be started anew", lambda: _pid(DIRECT) not in (None, former), 60, 0.1)
        faults.kill(dying)
        # then it is fenced and flagged soon, whether or not nova-compute answers;
        story.flagged(dying, FENCED_LIMIT)
    finally:
        faults.start_service("nova-conductor")
    # and once the conductor is back, all is recovered.
    story.recovered(dying, ids)
    story.closed(dying)


def _start_all_while_flagged(node):
    """Try to start it on hosts that are flagged, by another attribute: nobody is to recover them.

    :param node: a control node
    """
    attribute = ["crm_attribute", "--name", "held", "--lifetime", "forever"]
    for host in HOSTS:
        nodes.execute(node, *attribute, "--node", host, "--update", "yes")
    try:
        return side_by_side(HOSTS, _start_while_flagged)
    finally:
        for host in HOSTS:
            nodes.execute(node, *attribute, "--node", host, "--delete", check=False)


def _start_while_flagged(host):
    # When it is started all the same, then that fails at once, and names the rule that is missing;
    began = time.monotonic()
    done = computes.run_agent(host, "start", timeout=60, check=False, OCF_RESKEY_attribute="held")
    assert time.monotonic() - began < 5
    assert done.returncode == GENERIC
    assert f"{host} is being recovered (flag yes): nova-compute is not started. " in done.stderr
    assert "rule score=-INFINITY defined held and held ne no" in done.stderr
    # and nothing was started.
    assert computes.run_agent(host, "monitor", check=False).returncode == NOT_RUNNING


@pytest.mark.parametrize("host", HOSTS)
def test_start_on_a_flagged_host_fails_at_once(started, host):
    started.while_flagged[host].result()


def test_start_that_gives_up_does_not_fence_the_host(story):
    # Given a host that is flagged, and no rule that keeps the cluster from starting there,
    node = cluster.any_control(story.settings)
    attribute = ["crm_attribute", "--node", SYSTEMD, "--name", "held", "--lifetime", "forever"]
    before = len(story.recorded.history().power)
    nodes.execute(node, *attribute, "--update", "yes")
    try:
        cluster.pcs(
            story.settings,
            *("resource", "create", "held", f"ocf:openstack:{WAIT}", "attribute=held", "op", "start"),
            *("timeout=20s", "meta", "failure-timeout=25s", "resource-stickiness=0", "--disabled"),
        )
        cluster.pcs(
            story.settings, *("constraint", "location", "held", "rule", "resource-discovery=exclusive", "score=0"),
            *("#uname", "eq", SYSTEMD),
        )  # fmt: skip
        # when the cluster starts it all the same,
        cluster.pcs(story.settings, "resource", "enable", "held")
        # then the start gives up and says why, and nothing worse comes of it;
        why = f"{SYSTEMD} is being recovered (flag yes): nova-compute is not started"
        eventually("a reason in the cluster's status", lambda: _told(story, "held", why), 60)
        assert SYSTEMD in cluster.online_nodes(story.settings)
        # and with the flag gone it is started, without anybody's doing.
        nodes.execute(node, *attribute, "--delete")
        eventually("it to run", lambda: cluster.active_on(story.settings, "held") == SYSTEMD, 120)
    finally:
        cluster.pcs(story.settings, "resource", "delete", "held", check=False)
        nodes.execute(node, *attribute, "--delete", check=False)
    assert len(story.recorded.history().power) == before


@contextlib.contextmanager
def maintenance(settings):
    """Pacemaker does nothing for as long as the block lasts."""
    heal_if_needed(settings, failed=False)
    cluster.pcs(settings, "property", "set", "maintenance-mode=true")
    try:
        yield
    finally:
        cluster.pcs(settings, "resource", "cleanup", cluster.COMPUTE, check=False)
        cluster.pcs(settings, "property", "unset", "maintenance-mode")


@contextlib.contextmanager
def deep_monitor(settings):
    """The cluster asks nova-compute now and then, and does not wait for ever for one that hangs to end."""
    cluster.pcs(settings, "resource", "op", "add", cluster.COMPUTE, *DEEP.split())
    cluster.pcs(settings, "resource", "update", cluster.COMPUTE, "op", "stop", "timeout=30s")
    try:
        yield
    finally:
        cluster.pcs(settings, "resource", "op", "remove", f"{cluster.COMPUTE}-monitor-interval-11s")
        cluster.pcs(settings, "resource", "update", cluster.COMPUTE, "op", "stop", "timeout=240s")


def _pid(host):
    """The process that the monitor of a host looks at, or None."""
    done = nodes.execute(host, "cat", f"/run/nova-ha/{computes.SERVICE}.process", check=False)
    return done.stdout.split()[0] if done.stdout else None


def _not_started(settings):
    """The hosts of which the cluster does not remember that it has started nova-compute."""
    root = ElementTree.fromstring(cluster.cib(settings))
    started = {
        state.get("uname")
        for state in root.iter("node_state")
        if state.findall(f".//lrm_resource[@id='{cluster.COMPUTE}']/lrm_rsc_op[@operation='start']")
    }
    return set(settings.compute_hosts) - started


def _reloaded(logs):
    """The hosts whose agent of nova-compute the cluster has had take up a change."""
    text = "\n".join(line for _node, line in logs.added())
    return set(re.findall(r"Result of reload-agent operation for nova-compute on (\S+): ok", text))


def _told(story, resource, *words):
    """The failures of a resource that the cluster's status tells in all of these words."""
    return [line for line in cluster.failures(story.settings, resource) if all(word in line for word in words)]
