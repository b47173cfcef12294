# SPDX-License-Identifier: Apache-2.0
"""fence_compute in its other places: as the only device, telling Nova at once, unfencing."""

import contextlib
import re

import pytest

from tests.functional.devices import only_device
from tests.functional.steps import eventually, in_turn, on_control, told
from tests.lab import bmc, cloud, cluster, exposure, faults, nodes, settings
from tests.lab.passwords import password
from tests.lab.shell import LabError

pytestmark = pytest.mark.lab_a

HOST, OTHER = "compute-1", "compute-2"


@contextlib.contextmanager
def telling_nova(story):
    """fence-nova has the cloud's parameters, in the existing agent's spelling, and force_down."""
    who = cloud.agent_credentials(story.settings)
    given = f"auth_url={who['auth_url']} login={who['username']} passwd=@CLOUD_PASSWORD@ tenant_name=service"
    names = ("force_down", "auth_url", "login", "passwd", "tenant_name")
    update = f"stonith update {cluster.FENCE_NOVA}"
    cluster.configure(story.settings, [f"{update} force_down=1 {given}"], {"CLOUD_PASSWORD": who["password"]})
    try:
        yield
    finally:
        cluster.configure(story.settings, [f"{update} {' '.join(f'{name}=' for name in names)}"], {})


def told_by_a_fence(story):
    """Wait until Nova has the host down. A courtesy within 3 s: where no processor was free, a later fence shows it."""
    for _ in range(3):
        with contextlib.suppress(LabError):
            story.flagged(HOST)
            return eventually("the service to be forced down", lambda: story.service(HOST)["forced_down"], 15)
        on_control(story.settings, f"stonith_admin --reboot {HOST} --timeout=60", timeout=90)
    raise AssertionError(f"{HOST} was fenced three times, and Nova was not told")


def said_since(logs):
    """What fence_compute has said in the logs that ``exposure.Logs`` began with."""
    return "\n".join(line for _node, line in logs.added() if "fence_compute" in line)


def by_hand(story, *lines):
    """Run fence_compute on a control node as the fencer does."""
    text = "".join(f"{line}\n" for line in (f"nodename={HOST}", f"plug={HOST}", *lines))
    return nodes.execute(cluster.any_control(story.settings), "fence_compute", stdin=text, check=False)


def test_a_wrong_password_of_the_bmc_is_a_failed_fence_until_it_is_right(story):
    # Given a host whose BMC refuses the password that the device has,
    host = story.spare
    ids = story.instances_on(host, 2)
    with only_device(story.settings, (host, OTHER), secret="mistyped") as device:
        # when it dies, and Pacemaker has tried in vain to fence it,
        before, logs = story.fencings(host), exposure.Logs(story.settings.control_nodes)
        faults.kill(host)
        eventually("a fencing that failed", lambda: "failed" in str(story.fencings(host) - before), 120)
        # then it is not flagged, and the log says why, without the password.
        assert host not in story.flags()
        said = said_since(logs)
        assert f"{host} is not proved to be off, and is not flagged: fence_ipmilan off: " in said
        assert "mistyped" not in said
        # Once it is right, its instances are recovered.
        update = f"stonith update {device} password=@BMC_PASSWORD@"
        cluster.configure(story.settings, [update], {"BMC_PASSWORD": password("bmc")})
        story.recovered(host, ids)
    story.closed(host)


def test_what_is_wrong_with_a_bmc_is_named_and_the_host_lives_on(story):
    # Given a host that lives,
    address = (f"ip={settings.bmc_address(HOST)}", f"username={bmc.USER}", "lanplus=1", "cipher=3", "power_timeout=3")
    right = f"password={password('bmc')}"
    # when somebody wants it off through a BMC that refuses the password, that takes the order and does nothing, or
    # that does not answer, then that is a failure that says which.
    refused = by_hand(story, "action=off", *address, "password=mistyped")
    faults.impair_bmc(HOST, lies=True)
    ignored = by_hand(story, "action=off", *address, right)
    faults.mend_bmc(HOST)
    bmc.stop(story.settings, HOST)
    silent = by_hand(story, "action=off", *address, right, "power_agent_timeout=4")
    bmc.start(story.settings, HOST)
    begin = f"Failed: {HOST} is not proved to be off, and is not flagged: fence_ipmilan off: "
    assert [done.returncode for done in (refused, ignored, silent)] == [1, 1, 1]
    assert f"{begin}Unable to obtain correct plug status or plug is not available" in refused.stderr
    assert f"{begin}Timed out waiting to power OFF" in ignored.stderr
    assert re.search(f"{begin}(no answer within 4 s|Connection timed out)", silent.stderr)
    # It is not flagged, and has its power.
    assert not story.flags()
    assert by_hand(story, "action=status", *address, right).stdout == "Status: ON\n"


def test_nova_is_told_by_the_fence_itself_and_the_engine_goes_on_from_there(story):
    # Given a cluster in which no engine runs, and a fence_compute that tells Nova,
    ids = story.instances_on(HOST, 3)
    with telling_nova(story):
        cluster.pcs(story.settings, "resource", "disable", cluster.ENGINE, "--wait=60")
        try:
            # when a host dies,
            faults.kill(HOST)
            # then Nova has it down at once, and nothing else of the service is changed;
            told_by_a_fence(story)
            assert story.service(HOST)["status"] == "enabled"
            assert story.flags() == {HOST: "yes"}
        finally:
            cluster.pcs(story.settings, "resource", "enable", cluster.ENGINE)
        # and an engine takes it from there.
        story.recovered(HOST, ids)
        story.back_in_service(HOST)
    assert story.service(HOST)["status"] == "enabled"


# What hangs, by the host that dies then.
HANGS = {"nova-api": HOST, "keystone": OTHER}


@pytest.fixture(scope="module")
def fenced_while_hanging(settings):
    """Hosts have died, one after the other, while a part of the cloud takes connections and does not answer."""
    with told(settings) as story:
        # Given a fence_compute that tells Nova,
        with telling_nova(story):
            outcomes = in_turn(HANGS, lambda part: _dies_while_hanging(story, part))
        for host in HANGS.values():
            story.back_in_service(host)
        # By the record: without instances a recovery may have been over at once, if Nova still knew the engine.
        flags = story.recorded.history().flags
    return outcomes, {change.host for change in flags if change.value == "yes"}


def _dies_while_hanging(story, part):
    host = HANGS[part]
    before = story.fencings(host)
    faults.freeze_service(part)
    try:
        faults.kill(host)
        return eventually("the fencing to end", lambda: story.fencings(host) - before, 60)
    finally:
        faults.thaw_service(part)


@pytest.mark.parametrize("part", HANGS)
def test_a_cloud_that_hangs_does_not_hold_up_a_fence_that_would_tell_it(fenced_while_hanging, part):
    outcomes, flagged = fenced_while_hanging
    # The host was flagged all the same, and fenced at the first attempt.
    ended = outcomes[part].result()
    assert all(f"reboot of {HANGS[part]} successful" in line for line in ended), ended
    assert HANGS[part] in flagged


@contextlib.contextmanager
def unfencing(story):
    """fence-nova provides unfencing, as in existing deployments: each node, and then each resource, is started anew."""
    try:
        cluster.pcs(story.settings, "stonith", "meta", cluster.FENCE_NOVA, "provides=unfencing")
        settled(story)
        yield
    finally:
        cluster.pcs(story.settings, "stonith", "meta", cluster.FENCE_NOVA, "provides=")
        settled(story)


def settled(story):
    """Wait until the cluster has done all that a change of its configuration asks for."""
    done = on_control(story.settings, "crm_resource --wait --timeout=120", timeout=130)
    assert done.returncode == 0, done.stderr
    story.engine_node()
    hosts = list(story.settings.compute_hosts)
    eventually("nova-compute to run", lambda: cluster.active_nodes(story.settings, cluster.COMPUTE) == hosts, 60)


def test_unfencing_is_part_of_the_return(story):
    # Given a fence_compute that provides unfencing, as existing deployments have it,
    with unfencing(story):
        ids = story.instances_on(HOST, 2)
        before = story.fencings(HOST)
        # when a host dies, then its instances are recovered;
        faults.kill(HOST)
        story.recovered(HOST, ids)
        # and the host is unfenced, and returns.
        story.back_in_service(HOST)
        assert f"unfencing of {HOST} successful" in str(story.fencings(HOST) - before)


@contextlib.contextmanager
def level_by_pattern(story, pattern):
    """The host has its fencing level by a pattern, as a POSIX extended regular expression, and not by its name."""
    devices = f"ipmi-{HOST} {cluster.FENCE_NOVA}"
    remove, add = "stonith level remove 1 target", "stonith level add 1"
    by_pattern = f"'regexp%{pattern}'"
    cluster.configure(story.settings, [f"{remove} {HOST}", f"{add} {by_pattern} {devices}"], {})
    try:
        yield
    finally:
        cluster.configure(story.settings, [f"{remove} {by_pattern}", f"{add} {HOST} {devices}"], {})


@contextlib.contextmanager
def without_power_device(story):
    """Pacemaker can use no device for the host but the one that flags."""
    cluster.pcs(story.settings, "stonith", "disable", f"ipmi-{HOST}")
    settled(story)
    try:
        yield
    finally:
        cluster.pcs(story.settings, "stonith", "enable", f"ipmi-{HOST}")
        settled(story)


def test_a_level_s_pattern_is_a_proof_only_where_pacemaker_matches_it(story):
    ids = story.instances_on(HOST, 2)
    # Given a level whose pattern Python would match and POSIX does not, so that Pacemaker has no level for the host,
    with level_by_pattern(story, r"compute-\d+"), without_power_device(story):
        before, logs = story.fencings(HOST), exposure.Logs(story.settings.control_nodes)
        # when somebody wants the living host fenced, then Pacemaker asks the device that only flags, and it refuses.
        done = on_control(story.settings, f"stonith_admin --reboot {HOST} --timeout=30", timeout=90)
        assert done.returncode != 0
        assert "failed" in str(story.fencings(HOST) - before)
        assert f"{HOST} is not flagged: record_only proves nothing by itself" in said_since(logs)
        assert not story.flags()
    # With a pattern that POSIX does match, the host is fenced when it dies, and flagged, and recovered.
    with level_by_pattern(story, "compute-[[:digit:]]+"):
        faults.kill(HOST)
        story.recovered(HOST, ids)
        story.back_in_service(HOST)
