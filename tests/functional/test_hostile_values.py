# SPDX-License-Identifier: Apache-2.0
"""Parameters and host names are data: whatever they hold, nothing of it is run, and what is wrong is said in a line."""

import json
import shlex
from xml.sax.saxutils import quoteattr

import pytest

from tests.functional.steps import eventually, in_turn, on_control, told
from tests.hostile import EVERY, HARM, VALUES, is_brief
from tests.lab import cluster, nodes

pytestmark = pytest.mark.lab_c


@pytest.fixture(autouse=True, scope="module")
def no_harm(settings):
    """Nothing was run on any node that was meant as a value, in none of the tests."""
    yield
    for node in (*settings.control_nodes, *settings.compute_hosts):
        assert nodes.execute(node, "test", "-e", HARM, check=False).returncode == 1, node


@pytest.fixture(scope="module")
def taken_by_the_engine(settings):
    """What came of each value as a parameter of an engine that runs, which needs it for no host here."""
    with told(settings) as story:
        return in_turn(VALUES.values(), lambda value: _give_to_the_engine(story, value))


def _give_to_the_engine(story, value):
    settings = story.settings
    cluster.pcs(settings, "resource", "update", cluster.ENGINE, f"domain={value}", "--wait=60")
    try:
        if "\n" in value:
            # Pacemaker hands it on with a blank for the end of a line, and it is refused, in one line;
            (failure,) = eventually("a refusal", lambda: cluster.failures(settings, cluster.ENGINE), 60)
            assert failure.endswith("expected a name without white space")
        else:
            # otherwise the engine works.
            assert story.account()["engine"]["state"] == "working"
            assert not cluster.failures(settings, cluster.ENGINE)
    finally:
        cluster.pcs(settings, "resource", "update", cluster.ENGINE, "domain=", "--wait=60")
        cluster.pcs(settings, "resource", "cleanup", cluster.ENGINE)
    story.engine_node()


@EVERY
def test_as_a_parameter_of_the_engine_that_runs(taken_by_the_engine, value):
    taken_by_the_engine[value].result()


@EVERY
def test_as_the_name_of_a_host_that_is_flagged(settings, value):
    # Given a node of such a name in the configuration, and its flag,
    _xml(settings, "--create", "--scope", "nodes", xml=_flagged_node(value))
    try:
        # then the engine says of it that it waits (and Pacemaker writes the end of a line in two characters),
        named = value.replace("\n", "\\n")
        eventually("the engine to tell of that host", lambda: _hosts(settings).get(named, {}).get("doing"), 60)
        # and no other host is held to be flagged;
        assert {name: entry["doing"] for name, entry in _hosts(settings).items()} == {named: "wait"}
        # an operator is shown it.
        assert "Traceback" not in on_control(settings, "nova-ha status").stderr
    finally:
        _xml(settings, "--delete", "--scope", "nodes", xml='<node id="hostile"/>')
    eventually("the engine to know of no flag", lambda: not _hosts(settings), 60)


@EVERY
@pytest.mark.parametrize("action", ["off", "status"])
def test_as_the_host_to_be_fenced(settings, value, action):
    # As the fencer hands it over: by standard input, where a line is an option.
    options = f"action={action}\nrecord_only=1\nplug={value}\n"
    done = nodes.execute(cluster.any_control(settings), "fence_compute", stdin=options, check=False)
    assert done.returncode == 1
    assert done.stderr
    assert is_brief(done.stderr)
    assert not cluster.flags(settings)


@EVERY
@pytest.mark.parametrize("command", ["status", "plan", "history", "go"])
def test_as_the_host_that_an_operator_asks_about(settings, value, command):
    done = on_control(settings, f"nova-ha {command} {shlex.quote(value)}")
    # History is kept of hosts and instances that are gone, too.
    assert done.returncode == (0 if command == "history" else 1)
    # His own words may come back whole.
    assert is_brief((done.stdout + done.stderr).replace(value, "..."))


def _hosts(settings):
    """What ``nova-ha status --json`` says of hosts, on the engine's node."""
    node = eventually("the engine to run", lambda: cluster.active_on(settings, cluster.ENGINE), 60)
    return json.loads(nodes.execute(node, "nova-ha", "status", "--json", check=False).stdout)["hosts"]


def _flagged_node(name):
    flag = f'<nvpair id="hostile-flag" name="{cluster.FLAG}" value="yes"/>'
    attributes = f'<instance_attributes id="hostile-attributes">{flag}</instance_attributes>'
    return f'<node id="hostile" type="remote" uname={quoteattr(name)}>{attributes}</node>'


def _xml(settings, *words, xml):
    nodes.execute(cluster.any_control(settings), "cibadmin", *words, "--xml-pipe", stdin=xml)
