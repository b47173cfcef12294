# SPDX-License-Identifier: Apache-2.0
"""NovaEvacuate as the cluster's operators meet it: on the real Keystone, in a real ``pcs status``."""

import contextlib
import json
import re
import shlex
from xml.etree import ElementTree

import pytest

from tests.functional.steps import eventually
from tests.lab import cluster, nodes
from tests.lab.cloud import identity
from tests.lab.passwords import password
from tests.lab.shell import LabError

pytestmark = pytest.mark.lab_c

AGENT = "/usr/lib/ocf/resource.d/openstack/NovaEvacuate"
# An engine of its own, beside that of the cluster, which keeps to another flag.
BESIDE = {"attribute": "story"}
NOBODY = "nova-ha-nobody"
SUCCESS, CONFIGURED, DEGRADED = 0, 6, 190


@pytest.fixture(scope="module")
def nobody(settings):
    """A user who may do nothing in the project service but read."""
    api = identity.Api(identity.token("admin", password("openstack-admin"), "admin"))
    content = {"name": NOBODY, "domain_id": "default", "password": password(f"openstack-{NOBODY}")}
    user = api.keystone("POST", "/users", {"user": content})["user"]["id"]
    roles = {role["name"]: role["id"] for role in api.keystone("GET", "/roles")["roles"]}
    (project,) = api.keystone("GET", "/projects?name=service")["projects"]
    api.keystone("PUT", f"/projects/{project['id']}/users/{user}/roles/{roles['reader']}")
    yield {"username": NOBODY, "password": content["password"]}
    api.keystone("DELETE", f"/users/{user}")


MISTAKES = {
    "password": ({"password": "mistyped"}, "credentials are refused: .* nova-ha .domain Default. in project service"),
    "user": ({"username": "nobdy"}, "credentials are refused: .* user nobdy"),
    "project": ({"tenant_name": "srevice"}, "credentials are refused: .* in project srevice"),
    "domain": ({"user_domain": "Defualt"}, "credentials are refused: .*domain Defualt"),
    "region": ({"region_name": "Atlantis"}, "no internal endpoint .* in region Atlantis .* internal in RegionOne"),
    "auth_url": ({"auth_url": "{keystone}/identity/v3"}, "/identity/v3: .* auth_url is correct"),
    "TLS where there is none": ({"auth_url": "https{rest}"}, "SSL"),
    "role": (None, "must have the role that administers Nova .admin."),
}


@pytest.mark.parametrize(("wrong", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_the_exit_reason_of_start(settings, nobody, wrong, said):
    right = _parameters(settings)
    keystone = right["auth_url"].removesuffix("/v3")
    wrong = wrong or nobody
    given = {name: value.format(keystone=keystone, rest=right["auth_url"][4:]) for name, value in wrong.items()}
    with _beside(settings) as agent:
        done = agent("start", {**right, **BESIDE, **given})
        assert done.returncode == CONFIGURED, done.stderr
        (reason,) = re.findall("ocf-exit-reason:(.*)", done.stderr)
        assert re.search(said, reason), reason
        assert right["password"] not in done.stderr
        assert "mistyped" not in reason
        # And then, with everything right,
        assert agent("start", {**right, **BESIDE}).returncode == SUCCESS


def test_a_second_engine_for_the_same_flag_is_refused(settings):
    with _beside(settings) as agent:
        done = agent("start", _parameters(settings))
    assert done.returncode == CONFIGURED
    assert f"resource {cluster.ENGINE} does the same on {cluster.active_on(settings, cluster.ENGINE)}" in done.stderr


def test_what_a_running_engine_can_take_over_does_not_restart_it(settings):
    # Given the engine, at work,
    node, pid = _engine(settings)
    # when an operator wants more of it logged,
    try:
        cluster.pcs(settings, "resource", "update", cluster.ENGINE, "verbose=true", "evacuate_delay=5")
        # then it takes that over,
        eventually("the engine to read its configuration", lambda: "has been read anew" in _log(node, pid), 60)
        # and has not been started anew.
        assert _engine(settings) == (node, pid)
    finally:
        cluster.pcs(settings, "resource", "update", cluster.ENGINE, "verbose=", "evacuate_delay=")
    assert not cluster.failures(settings, cluster.ENGINE)


def test_what_will_not_do_is_said_in_the_status_and_the_engine_goes_on(settings):
    # Given the engine, at work, when an operator gives it what it cannot take over,
    node, pid = _engine(settings)
    try:
        cluster.pcs(settings, "resource", "update", cluster.ENGINE, "evacuate_delay=soon")
        # then the cluster's status says so,
        why = eventually("the reason in the status", lambda: cluster.failures(settings, cluster.ENGINE), 60)
        assert "configuration_refused: evacuate_delay: invalid value 'soon'" in "\n".join(why)
        # and nothing else comes of it, as it does not count as a failure.
        assert _engine(settings) == (node, pid)
        assert not _fail_count(settings)
    finally:
        cluster.pcs(settings, "resource", "update", cluster.ENGINE, "evacuate_delay=")
    # Once that is mended, the line goes away.
    eventually("the monitor to be content", lambda: _monitors(settings)[-1] == SUCCESS, 60)
    cluster.pcs(settings, "resource", "cleanup", cluster.ENGINE)
    eventually("the status to be clear", lambda: not cluster.failures(settings, cluster.ENGINE), 60)
    assert _engine(settings) == (node, pid)


def test_the_log_is_in_the_journal_under_the_resource_s_name(settings):
    node, pid = _engine(settings)
    assert "connected to Nova" in _log(node, pid)


@contextlib.contextmanager
def _beside(settings):
    """Runs the agent by hand, as another resource; called with an action and parameters."""
    node = cluster.active_on(settings, cluster.ENGINE) or cluster.any_control(settings)

    def agent(action, parameters=()):
        values = {f"OCF_RESKEY_{name}": value for name, value in dict(parameters).items()}
        values |= {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": "story", "OCF_RESKEY_CRM_meta_timeout": "40000"}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
        return nodes.execute(node, "sh", stdin="\n".join([*lines, f"{AGENT} {action}"]), check=False)

    try:
        yield agent
    finally:
        stopped = agent("stop")
        nodes.execute(node, "rm", "-rf", "/run/nova-ha/story")
        assert stopped.returncode == SUCCESS


def _parameters(settings):
    """The engine's parameters, as configured."""
    root = ElementTree.fromstring(cluster.cib(settings))
    found = root.findall(f".//primitive[@id='{cluster.ENGINE}']/instance_attributes/nvpair")
    return {pair.get("name"): pair.get("value") for pair in found}


def _engine(chosen):
    """The engine's node and process."""
    node = eventually("the engine to run", lambda: cluster.active_on(chosen, cluster.ENGINE), 60)
    report = json.loads(nodes.execute(node, "cat", f"/run/nova-ha/{cluster.ENGINE}/status.json").stdout)
    return node, report["pid"]


def _log(node, pid):
    tag = f"NovaEvacuate({cluster.ENGINE})"
    return nodes.execute(node, "journalctl", "--no-pager", "-o", "cat", "-t", tag, f"_PID={pid}").stdout


def _fail_count(chosen):
    done = nodes.execute(cluster.any_control(chosen), "crm_mon", "-1f", "--output-as=xml").stdout
    found = ElementTree.fromstring(done).iter("resource_history")
    return [entry.get("fail-count") for entry in found if entry.get("id") == cluster.ENGINE and entry.get("fail-count")]


def _monitors(chosen):
    """The exit codes of the engine's recurring monitor, as the cluster last knew them."""
    root = ElementTree.fromstring(cluster.cib(chosen))
    found = root.findall(f".//lrm_resource[@id='{cluster.ENGINE}']/lrm_rsc_op[@operation='monitor']")
    codes = [int(entry.get("rc-code")) for entry in found if entry.get("interval") != "0"]
    if not codes:
        raise LabError("the engine is not monitored yet")
    return codes
