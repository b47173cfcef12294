# SPDX-License-Identifier: Apache-2.0
"""Instances fail while their host lives: the engine has Nova restart them, and leaves what it must not touch."""

import pytest

from nova_ha.model.reasons import Code
from tests.functional.guests import booted
from tests.functional.steps import REAL_GUESTS, eventually
from tests.lab import cluster, history, nodes, workload
from tests.lab.guest import disk
from tests.lab.guest.disk import Command
from tests.lab.settings import SOURCE_TREE
from tests.pages import commands

pytestmark = [pytest.mark.lab_b, REAL_GUESTS]

HOST = "compute-1"

# Seconds in which Nova takes an instance for stopped whose guest has ended, with room.
NOTICED = 60


@pytest.fixture(autouse=True)
def watched(story):
    """The agent is configured as the page says; what it tells is heeded once a story has given the options."""
    settings = story.settings
    text = commands(SOURCE_TREE / "docs" / "instance-failures.md")["instances-pcs"]
    script = [line.removeprefix("pcs ") for line in text.replace("\\\n", " ").splitlines()]
    cluster.configure(settings, script, {})
    try:
        eventually("all hosts to tell of their instances", lambda: told(settings) == set(settings.compute_hosts), 60)
        yield
    finally:
        cluster.configure(settings, ["resource delete nova-instances"], {})


def told(settings):
    """The hosts that tell of their instances."""
    node = cluster.any_control(settings)
    answer = nodes.execute(node, "attrd_updater", "--query", "--all", "--name", "nova-ha-instances", check=False)
    return {line.split('"')[3] for line in answer.stdout.splitlines() if 'value="1' in line}


def crash(instance):
    """The QEMU process of an instance dies."""
    nodes.execute(HOST, "pkill", "-KILL", "-f", f"qemu-system.*-uuid {instance}")


def asked(story, instance):
    """What was asked of Nova for an instance, the oldest first."""
    return [each.action for each in reversed(workload.client(story.settings).instance_action.list(instance))]


def test_an_instance_whose_qemu_dies_runs_again_before_nova_takes_it_for_stopped(story):
    story.options(instances={"restart": "true", "min_uptime": "0"})
    ids = story.instances_on(HOST, 3)
    for instance in booted(ids):
        crash(instance)
    booted(ids, 2)
    assert [asked(story, instance) for instance in ids] == [["create", "reboot"]] * 3


def test_what_nova_has_taken_for_stopped_runs_again_and_what_its_owner_has_stopped_does_not(story):
    crashed, stopped, off = booted(story.instances_on(HOST, 3))
    for instance in (crashed, stopped):
        crash(instance)
    disk.tell(off, Command.POWER_OFF)
    for instance in (crashed, stopped, off):
        story.stopped(instance, NOTICED)
    story.recorded.expect(history.STOPPED, stopped, off)
    # Nova does not let its owner stop what is stopped: he starts it, and stops it.
    client = workload.client(story.settings)
    client.servers.start(stopped)
    booted([stopped], 2)
    story.stop(stopped)
    story.options(instances={"restart": "true", "min_uptime": "0"})
    booted([crashed], 2)
    assert asked(story, crashed) == ["create", "stop", "reboot"]
    assert "reboot" not in asked(story, stopped) + asked(story, off)


def test_what_fails_soon_after_its_start_is_left_until_an_operator_restarts_it(story):
    story.options(instances={"restart": "true", "min_uptime": "3600"})
    (instance,) = booted(story.instances_on(HOST, 1))
    crash(instance)
    story.waits(HOST, Code.FAILS_AT_ONCE)
    story.stopped(instance, NOTICED)
    workload.client(story.settings).servers.reboot(instance, "HARD")
    booted([instance], 2)
    eventually("the engine to say nothing of it any more", lambda: HOST not in story.account()["hosts"], 60)
