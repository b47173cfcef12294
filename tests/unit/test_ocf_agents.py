# SPDX-License-Identifier: Apache-2.0
"""The OCF agents' own files, run as Pacemaker's executor runs them."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from nova_ha.agents import nova_compute_wait
from nova_ha.agents.framework import Failure
from nova_ha.rundir import ROOT
from nova_ha.rundir.engine_state import RunState
from nova_ha.rundir.pidfile import Record
from nova_ha.rundir.started import Passed
from tests.unit.agent_programs import (
    NOVA_COMPUTE,
    NOVA_COMPUTE_WAIT,
    NOVA_EVACUATE,
    NOVA_INSTANCES,
    RESOURCE,
    TREE,
    ocf,
    reasons,
    validates,
)

# Those that existing deployments have, with the cloud's parameters; and all.
EXISTING = [NOVA_COMPUTE, NOVA_COMPUTE_WAIT, NOVA_EVACUATE]
AGENTS = [*EXISTING, NOVA_INSTANCES]
EVERY = pytest.mark.parametrize("agent", AGENTS, ids=[agent.name for agent in AGENTS])
EVERY_EXISTING = pytest.mark.parametrize("agent", EXISTING, ids=[agent.name for agent in EXISTING])
NAMES = "auth_url username password tenant_name user_domain project_domain domain endpoint_type region_name insecure "
NAMES += "no_shared_storage verbose attribute"
CLOUD = {"auth_url": "http://192.0.2.1:5000/v3", "username": "admin", "password": "sEcret", "tenant_name": "admin"}
CONFIGURED, INSTALLED, UNIMPLEMENTED, NOT_RUNNING, GENERIC, ARGS = 6, 5, 3, 7, 1, 2


@pytest.fixture
def instance():
    """The name of a resource whose state is removed in the end."""
    yield RESOURCE
    Record(RESOURCE).forget()
    Passed(RESOURCE).clear()
    shutil.rmtree(f"{ROOT}/{RESOURCE}", ignore_errors=True)


@EVERY
def test_the_metadata_is_valid(agent):
    done = ocf(agent, "meta-data")
    assert (done.returncode, done.stderr) == (0, "")
    # As ocf-tester does it.
    assert validates(done.stdout, "--valid", cwd="/usr/share/resource-agents")


@EVERY_EXISTING
def test_what_can_be_reloaded_is_marked_as_pacemaker_wants_it(agent):
    root = ElementTree.fromstring(ocf(agent, "meta-data").stdout)
    marked = {parameter.get("name") for parameter in root.iter("parameter") if parameter.get("reloadable") == "1"}
    assert root.findtext("version") == "1.1", "else Pacemaker does not look for reload-agent"
    assert marked >= {"verbose", "no_shared_storage", "domain"}
    assert [action for action in root.iter("action") if action.get("name") == "reload-agent"]
    if agent == NOVA_EVACUATE:
        assert "evacuate_delay" in marked
        assert not marked & {"auth_url", "username", "password", "config", "attribute"}


@EVERY
def test_the_metadata_is_complete(agent):
    root = ElementTree.fromstring(ocf(agent, "meta-data").stdout)
    assert root.get("name") == agent.name
    parameters = {parameter.get("name"): parameter for parameter in root.iter("parameter")}
    assert set(parameters) >= (set(NAMES.split()) if agent in EXISTING else {"connection_uri"})
    for parameter in parameters.values():
        assert len(parameter.findtext("longdesc")) > len(parameter.findtext("shortdesc")) > 3
    if agent in EXISTING:
        assert "ensitive" in parameters["password"].findtext("longdesc")
        assert parameters["password"].find("content").get("default") is None
    actions = {action.get("name"): action for action in root.iter("action")}
    assert set(actions) - {"reload-agent"} == {"start", "stop", "monitor", "validate-all", "meta-data"}
    assert (actions["monitor"].get("interval"), actions["monitor"].get("timeout")) == ("10s", "20s")


def test_the_timeouts_that_pcs_takes_over_hold_the_cluster_up_no_longer_than_they_must():
    actions = ElementTree.fromstring(ocf(NOVA_COMPUTE, "meta-data").stdout).iter("action")
    timeouts = {action.get("name"): action.get("timeout") for action in actions}
    assert (timeouts["start"], timeouts["stop"]) == ("60s", "240s")


@EVERY
@pytest.mark.parametrize("action", ["promote", "", None, "--verbose"])
def test_an_action_that_it_does_not_do(agent, action):
    done = ocf(agent, action)
    assert done.returncode == UNIMPLEMENTED
    assert len(reasons(done)) == 1
    assert "does one of start, stop, monitor, " in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("auth_url", "ftp://k/v3", "http://HOST"),
        ("auth_url", "http://", "http://HOST"),
        ("auth_url", "http://k:port/v3", "http://HOST"),
        ("auth_url", "http://[::1/v3", "http://HOST"),
        ("auth_url", "keystone", "http://HOST"),
        ("auth_url", "http://k /v3", "http://HOST"),
        ("endpoint_type", "privateURL", "one of publicURL, internalURL, adminURL, public, internal, admin"),
        ("insecure", "perhaps", "one of 1, 0, true, false"),
        ("no_shared_storage", "2", "one of 1, 0, true, false"),
        ("verbose", "very", "one of 1, 0, true, false"),
        ("evacuate_delay", "-1", "seconds as a whole number"),
        ("username", "a\udcffb", "text in UTF-8"),
        ("domain", "a b", "without white space"),
        ("username", "a\nb", "a single line"),
        ("evacuation_delay", "-1", "seconds as a whole number"),
        ("evacuation_delay", "1.5", "seconds as a whole number"),
        ("attribute", "a b", "the name of a node attribute"),
        ("unit", "--all", "the name of a systemd unit"),
        ("unit", "x; reboot", "the name of a systemd unit"),
        ("binary", "-c", "a program's name or absolute path"),
        ("binary", "bin/nova-compute", "a program's name or absolute path"),
        ("binary", "nova compute", "a program's name or absolute path"),
        ("config_files", "/etc/nova/nova.conf nova.conf", "absolute paths, separated by spaces"),
        ("config_files", " ", "absolute paths, separated by spaces"),
        ("user", "a b", "without white space"),
        ("container", "--all", "the name of a container"),
        ("container", "a/b", "the name of a container"),
        ("container", "$(reboot)", "the name of a container"),
        ("container_engine", "lxc", "one of podman, docker"),
        ("container_engine", "podman", "container, the container's name, is not set"),
        ("started_when", "soon", "one of answer, process"),
        ("config", "nova.conf", "an absolute path"),
        ("connection_uri", "qemu+ssh://compute-2/system", "the URI of a libvirtd on this host"),
        ("connection_uri", "qemu:///system x", "the URI of a libvirtd on this host"),
        ("guest_agent", "perhaps", "one of 1, 0, true, false"),
        ("guest_agent_interval", "0", "seconds as a whole number, 1 to 9999"),
        ("colour", "blue", "there is no such parameter"),
    ],
)
def test_a_bad_value_is_one_clear_line(name, value, wanted):
    agent, given = NOVA_COMPUTE, CLOUD
    if name in ("config", "evacuate_delay", *NAMES.split()):
        agent = NOVA_EVACUATE
    elif name in ("connection_uri", "guest_agent", "guest_agent_interval"):
        agent, given = NOVA_INSTANCES, {}
    for action in ("validate-all", "start"):
        done = ocf(agent, action, {**given, name: value})
        assert done.returncode == CONFIGURED
        (reason,) = reasons(done)
        assert name in reason
        assert wanted in reason


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**CLOUD, "config": "/nonexistent"}, "config: /nonexistent is not a file on this node"),
        ({}, "/etc/nova-ha/nova-ha.conf is not on this node: set auth_url, username, password, tenant_name, or put "),
    ],
)
def test_a_file_that_only_this_node_lacks_leaves_the_other_nodes_to_be_tried(given, said):
    done = ocf(NOVA_EVACUATE, "start", given)
    assert done.returncode == INSTALLED
    (reason,) = reasons(done)
    assert reason.startswith(said)


@EVERY_EXISTING
def test_all_problems_are_told_at_once(agent):
    done = ocf(agent, "validate-all", {**CLOUD, "insecure": "x", "endpoint_type": "y"})
    assert done.returncode == CONFIGURED
    assert len(reasons(done)) == 2


@pytest.mark.parametrize("name", ["auth_url", "username", "password", "tenant_name"])
def test_what_is_missing_is_named(name):
    done = ocf(NOVA_EVACUATE, "validate-all", {**CLOUD, name: ""})
    assert done.returncode == CONFIGURED
    (reason,) = reasons(done)
    assert reason.startswith(f"{name}: required, and not set")


def test_a_configuration_file_stands_in_for_parameters(tmp_path):
    (tmp_path / "nova-ha.conf").touch()
    done = ocf(NOVA_EVACUATE, "validate-all", {"config": f"{tmp_path}/nova-ha.conf"})
    assert (done.returncode, done.stderr) == (0, "")


@EVERY_EXISTING
def test_a_good_configuration(agent):
    more = {"user_domain": "Default", "project_domain": "Default", "domain": "cloud.example", "insecure": "false"}
    more |= {"endpoint_type": "internalURL", "region_name": "R", "no_shared_storage": "True", "verbose": "yes"}
    done = ocf(agent, "validate-all", {**CLOUD, **more})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("value", ["1", "True", "yes", "ON", "y", "ja", "0", "FALSE", "no", "off"])
def test_what_the_existing_agents_took_for_yes_or_no_is_taken(value):
    done = ocf(NOVA_EVACUATE, "validate-all", {**CLOUD, "insecure": value, "no_shared_storage": value})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_password_is_no_parameter_of_what_needs_none():
    done = ocf(NOVA_INSTANCES, "validate-all", {"password": "sEcret"})
    assert done.returncode == CONFIGURED
    assert "there is no such parameter" in done.stderr
    assert "sEcret" not in done.stderr


@pytest.mark.parametrize("action", ["start", "validate-all"])
def test_a_clone_is_refused(instance, action):
    done = ocf(NOVA_EVACUATE, action, {**CLOUD, "CRM_meta_clone": "0"}, instance=instance)
    assert (done.returncode, reasons(done)) == (CONFIGURED, ["it must not be cloned: there must be one engine only"])


@pytest.mark.parametrize("agent", [NOVA_EVACUATE, NOVA_INSTANCES], ids=lambda agent: agent.name)
def test_a_name_that_cannot_be_one_is_refused(agent):
    done = ocf(agent, "monitor", instance="../x")
    assert (done.returncode, reasons(done)) == (ARGS, ["OCF_RESOURCE_INSTANCE: '../x' cannot name a resource"])


@pytest.mark.parametrize("agent", [NOVA_COMPUTE, NOVA_COMPUTE_WAIT, NOVA_INSTANCES], ids=lambda agent: agent.name)
def test_compute_hosts_need_no_credentials(agent):
    assert ocf(agent, "validate-all").returncode == 0
    parameters = ElementTree.fromstring(ocf(agent, "meta-data").stdout).iter("parameter")
    assert not [parameter.get("name") for parameter in parameters if parameter.get("required") == "1"]


@EVERY_EXISTING
@pytest.mark.parametrize("value", ["sEc\nret", "sEc\x01ret"])
def test_a_password_is_not_repeated(agent, value):
    done = ocf(agent, "validate-all", {**CLOUD, "password": value})
    assert done.returncode == CONFIGURED
    assert "sEc" not in done.stderr + done.stdout


def test_a_value_of_10_kb_makes_no_line_of_10_kb():
    assert len(ocf(NOVA_EVACUATE, "validate-all", {**CLOUD, "endpoint_type": "x" * 10000}).stderr) < 400


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"unit": "x.service", "container": "x"}, "unit and container"),
        ({"unit": "x.service", "user": "x"}, "unit and user"),
        ({"binary": "/x", "user": "x", "container": "x"}, "binary and container"),
    ],
)
def test_two_ways_to_run_it_are_one_too_many(given, names):
    done = ocf(NOVA_COMPUTE, "validate-all", given)
    assert done.returncode == CONFIGURED
    assert reasons(done) == [f"{names}: only one of them can be set, each is another way to run nova-compute"]


def test_what_can_be_told_only_on_the_host_is_told_there():
    given = {"binary": "/nonexistent/nova-compute", "config_files": "/nonexistent/nova.conf", "user": "root"}
    # Whoever configures it may do so on another node.
    assert ocf(NOVA_COMPUTE, "validate-all", given).returncode == 0
    done = ocf(NOVA_COMPUTE, "validate-all", given, level=10)
    assert done.returncode == CONFIGURED
    assert reasons(done) == [
        "binary: no such program: /nonexistent/nova-compute",
        "config_files: /nonexistent/nova.conf is not a file on this host",
    ]


def test_what_needs_no_restart_is_reloaded():
    root = ElementTree.fromstring(ocf(NOVA_COMPUTE, "meta-data").stdout)
    firm = {parameter.get("name") for parameter in root.iter("parameter") if parameter.get("reloadable") != "1"}
    # With another of these it would be another process.
    assert firm == {"unit", "binary", "config_files", "user", "container", "container_engine"}
    assert "reload-agent" in {action.get("name") for action in root.iter("action")}
    assert ocf(NOVA_COMPUTE, "reload-agent", {"evacuation_delay": "5"}).returncode == 0
    assert ocf(NOVA_COMPUTE, "reload-agent", {"evacuation_delay": "x"}).returncode == CONFIGURED


# NovaEvacuate on an engine that is a process like the real one, as far as the agent can see.

ENGINE = """
import sys, time
sys.path.append({tree!r})
from nova_ha.rundir.engine_state import RunState
state = RunState({name!r})
state.acquire()
state.report("working", "no host is flagged")
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def engine(instance):
    text = ENGINE.format(tree=str(TREE), name=instance)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.communicate()


def test_monitor_of_an_engine_that_works(instance, engine):
    assert ocf(NOVA_EVACUATE, "monitor", instance=instance, interval=10).returncode == 0


def test_monitor_of_an_engine_that_hangs(instance, engine):
    with open(f"{ROOT}/{instance}/progress", "w") as progress:
        progress.write("-500.000\n")
    done = ocf(NOVA_EVACUATE, "monitor", instance=instance, interval=10)
    assert done.returncode == GENERIC
    assert re.fullmatch("engine hung: no progress for [0-9]+ s", *reasons(done))


def test_monitor_of_an_engine_that_died(instance, engine):
    engine.kill()
    engine.wait()
    done = ocf(NOVA_EVACUATE, "monitor", instance=instance, interval=10)
    assert done.returncode == NOT_RUNNING
    assert reasons(done)[0].startswith("the engine does not run")
    assert reasons(ocf(NOVA_EVACUATE, "monitor", instance=instance)) == [], "a probe finds nothing wrong"


def test_monitor_of_an_engine_that_complains(instance, engine):
    with open(f"{ROOT}/{instance}/complaint", "w") as complaint:
        complaint.write("recoveries wait: refused")
    done = ocf(NOVA_EVACUATE, "monitor", instance=instance, interval=10)
    assert (done.returncode, reasons(done)) == (190, ["recoveries wait: refused"])
    assert ocf(NOVA_EVACUATE, "monitor", instance=instance).returncode == 0, "a probe finds it running"


def test_start_finds_it_running_and_stop_ends_it(instance, engine):
    assert ocf(NOVA_EVACUATE, "start", CLOUD, instance=instance).returncode == 0
    assert RunState(instance).holder() == engine.pid
    for _again in range(2):
        assert ocf(NOVA_EVACUATE, "stop", instance=instance).returncode == 0
    assert engine.wait(timeout=5) == -15


def test_stop_succeeds_whatever_the_configuration_is(instance):
    assert ocf(NOVA_EVACUATE, "stop", {"insecure": "x"}, instance=instance).returncode == 0


@EVERY
@pytest.mark.parametrize("action", ["start", "stop", "monitor"])
def test_without_a_name_nothing_is_started_or_stopped(agent, action):
    done = ocf(agent, action, CLOUD if agent == NOVA_EVACUATE else {}, instance="")
    assert (done.returncode, reasons(done)) == (ARGS, ["OCF_RESOURCE_INSTANCE, the resource's name, is not set"])


# NovaInstances on the same process, which is as much as its own as the agent can see.


def test_monitors_of_an_instance_watcher(instance, engine):
    assert ocf(NOVA_INSTANCES, "monitor", instance=instance, interval=10).returncode == 0
    with open(f"{ROOT}/{instance}/progress", "w") as progress:
        progress.write("-500.000\n")
    done = ocf(NOVA_INSTANCES, "monitor", instance=instance, interval=10)
    assert done.returncode == GENERIC
    assert reasons(done)[0].startswith("instance watcher hung: no progress for ")
    assert ocf(NOVA_INSTANCES, "stop", {"guest_agent": "perhaps"}, instance=instance).returncode == 0
    assert engine.wait(timeout=5) == -15
    done = ocf(NOVA_INSTANCES, "monitor", instance=instance, interval=10)
    assert done.returncode == NOT_RUNNING
    assert reasons(done)[0].startswith("the instance watcher does not run: ")


# NovaCompute with a real process, which anything that sleeps can be.


@pytest.fixture
def sleeper(instance):
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_monitor_of_a_remembered_process(instance, sleeper):
    Record(instance).remember(sleeper.pid)
    assert ocf(NOVA_COMPUTE, "monitor", instance=instance, interval=10).returncode == 0
    sleeper.kill()
    sleeper.wait()
    done = ocf(NOVA_COMPUTE, "monitor", {"binary": "/nonexistent"}, instance=instance, interval=10)
    assert done.returncode == INSTALLED
    assert reasons(done) == ["no such program: /nonexistent"]


def test_a_deeper_monitor_looks_deeper(instance, sleeper):
    Record(instance).remember(sleeper.pid)
    done = ocf(NOVA_COMPUTE, "monitor", {"binary": "/nonexistent"}, instance=instance, interval=60, level=10)
    assert done.returncode == INSTALLED


def test_a_probe_where_it_is_not_installed_finds_nothing_wrong(instance):
    done = ocf(NOVA_COMPUTE, "monitor", {"binary": "/nonexistent"}, instance=instance)
    assert (done.returncode, done.stderr) == (NOT_RUNNING, "")


def test_start_where_it_is_not_installed(instance):
    done = ocf(NOVA_COMPUTE, "start", {"binary": "/nonexistent"}, instance=instance)
    assert (done.returncode, reasons(done)) == (INSTALLED, ["no such program: /nonexistent"])


WRONG = {
    "an option": {"container": "--all"},
    "a pattern": {"unit": "nova*"},
    "shell characters": {"binary": "$(reboot)"},
    "a newline": {"container": "a\nb"},
    "an entity": {"unit": "&amp;"},
    "10 kB": {"unit": "x" * 10000},
}


@pytest.mark.parametrize("parameters", WRONG.values(), ids=WRONG)
def test_a_wrong_configuration_makes_no_failed_stop(instance, parameters):
    # Pacemaker fences a host on which a stop fails.
    assert ocf(NOVA_COMPUTE, "start", parameters, instance=instance).returncode in (CONFIGURED, INSTALLED)
    done = ocf(NOVA_COMPUTE, "stop", parameters, instance=instance)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stop_that_cannot_stop_what_runs_is_no_success(instance, sleeper):
    Record(instance).remember(sleeper.pid)
    done = ocf(NOVA_COMPUTE, "stop", {"unit": "x" * 10000}, instance=instance)
    assert done.returncode == GENERIC
    (reason,) = reasons(done)
    assert reason.startswith("nova-compute does not stop: how it is run is not known: unit: invalid value 'xxx")
    assert len(reason) < 400


# nova-compute-wait.


def test_what_has_not_passed_is_not_running(instance):
    assert ocf(NOVA_COMPUTE_WAIT, "monitor", instance=instance, interval=10).returncode == NOT_RUNNING
    assert ocf(NOVA_COMPUTE_WAIT, "stop", {"evacuation_delay": "x"}, instance=instance).returncode == 0


def test_what_has_passed_is_running_until_it_is_stopped(instance):
    Passed(instance).set()
    assert ocf(NOVA_COMPUTE_WAIT, "monitor", instance=instance, interval=10).returncode == 0
    for _again in range(2):
        assert ocf(NOVA_COMPUTE_WAIT, "stop", instance=instance).returncode == 0
    assert ocf(NOVA_COMPUTE_WAIT, "monitor", instance=instance).returncode == NOT_RUNNING


def test_what_cannot_know_whether_it_may_pass_does_not(instance):
    done = ocf(NOVA_COMPUTE_WAIT, "start", {**CLOUD, "CRM_meta_on_node": "compute-1"}, instance=instance)
    assert done.returncode == INSTALLED
    assert reasons(done) == ["cibadmin is not installed: nova-compute is not started"]
    assert not Passed(instance).is_set()


@pytest.mark.parametrize("is_open", [True, False])
def test_what_the_gate_lets_through_has_passed_and_nothing_else(monkeypatch, instance, is_open):
    def wait(given, left):
        if not is_open:
            raise Failure(GENERIC, "compute-1 is being recovered")

    monkeypatch.setattr(nova_compute_wait.ocf, "OCF_RESOURCE_INSTANCE", instance)
    monkeypatch.setattr(nova_compute_wait.recovery_gate, "wait", wait)
    with contextlib.nullcontext() if is_open else pytest.raises(Failure):
        nova_compute_wait._start()
    assert Passed(instance).is_set() == is_open


def test_reload_of_what_waits():
    assert ocf(NOVA_COMPUTE_WAIT, "reload-agent", {"evacuation_delay": "5"}).returncode == 0
    assert ocf(NOVA_COMPUTE_WAIT, "reload-agent", {"evacuation_delay": "x"}).returncode == CONFIGURED


@EVERY
def test_a_healthy_monitor_imports_next_to_nothing(agent, instance):
    # What the interpreter itself loads without site, and os; everything more is a cost on every host, every 10 seconds.
    Record(instance).remember(os.getpid())
    Passed(instance).set()
    RunState(instance).acquire()
    command = ["/usr/bin/python3", "-IS", "-X", "importtime", agent, "monitor"]
    done = subprocess.run(command, env={"OCF_RESOURCE_INSTANCE": instance}, capture_output=True, text=True)
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "nova_ha" in imported
    assert not imported & {"subprocess", "logging", "xml", "inspect", "re", "json", "site", "ocf", "argparse", "typing"}
