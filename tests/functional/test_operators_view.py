# SPDX-License-Identifier: Apache-2.0
"""What an operator, and a program, is told of a recovery: before, during and after it."""

import json
import re
import time

import pytest

from nova_ha.model.reasons import Code
from tests import schemas
from tests.functional.steps import eventually
from tests.lab import cluster, facts, faults, nodes, workload

pytestmark = pytest.mark.lab_a

HOST, EMPTY = "compute-1", "compute-2"

# Exit codes of ``nova-ha status`` and ``check``.
WELL, RECOVERING, NEEDS_OPERATOR = 0, 3, 4


def test_recovery_as_it_is_told(story):
    # Given instances on a host, one of them stopped, and one that its owner opted out,
    running, stopped, *more, left = story.instances_on(HOST, 5)
    story.stop(stopped)
    workload.client(story.settings).servers.set_meta(left, {"evacuable": "false"})
    engine, another = _engine_and_another(story)
    # then any control node tells what would be done if it died, without doing anything,
    began = time.time()
    plan = _told(another, "plan", HOST)
    assert {step["instance"] for step in plan["steps"] if step["step"] == "skip"} == {left}
    to_recover = {step["instance"] for step in plan["steps"] if step["step"] in ("prepare_instance", "evacuate")}
    assert to_recover == {running, stopped, *more}
    assert f"If {HOST} were lost now" in _said(another, "plan", HOST, code=0)
    assert not [request for request in story.recorded.history().requests if request.method != "GET"]
    assert "No host is flagged." in _said(engine, "status", code=WELL)
    # when it dies, and its instances spawn,
    with story.spawns_held():
        faults.kill(HOST)
        # then the engine's node tells of each instance what is going on,
        eventually("status to tell of all evacuations", lambda: _all_in_flight(engine, to_recover), 60)
        status = _told(engine, "status", code=RECOVERING)
        assert (status["verdict"], status["engine"]["here"]) == ("recovering", True)
        instances = status["hosts"][HOST]["instances"]
        assert (instances[left]["doing"], set(instances)) == ("skip", {*to_recover, left})
        assert status["hosts"][HOST]["claimed_by"] == engine
        assert all(ident in _said(engine, "status", HOST, code=RECOVERING) for ident in instances)
        # and the others tell the same a moment later.
        eventually(f"{another} to tell of all evacuations", lambda: _all_in_flight(another, to_recover), 15)
        elsewhere = _told(another, "status", code=RECOVERING)
        assert (elsewhere["engine"]["state"], elsewhere["engine"]["nodes"]) == ("working", [engine])
        assert not elsewhere["engine"]["here"]
        eventually("both to tell the same", lambda: _instances(another) == _instances(engine), 15)
        assert all(ident in _said(another, "status", HOST, code=RECOVERING) for ident in instances)
    # When all is over, and what was left on the host runs there again,
    story.recovered(HOST, sorted(to_recover))
    story.back_in_service(HOST)
    eventually("status to be well again", lambda: _run(engine, "status").returncode == WELL, 30)
    # then what was planned was done, and nothing else,
    asked = {request.instance: request.request_id for request in facts.evacuate_requests(story.recorded.history())}
    assert set(asked) == to_recover
    # the history tells it with Nova's own ids of the requests, and so does the journal.
    events = [event for event in _told(engine, "history", HOST)["events"] if event["time"] > began]
    accepted = {e["instance"]: e["request"] for e in events if e["event"] == "evacuation_accepted"}
    assert accepted == asked
    milestones = ["host_claimed", "host_disabled", "host_recovered", "host_in_service", "flag_cleared"]
    assert [event["event"] for event in events if event["event"] in milestones] == milestones
    assert asked[running] in _said(engine, "history", running[:8], code=0)
    # on every control node alike,
    eventually(f"{another} to have the same history", lambda: _history(another, began) == _history(engine, began), 30)
    # and a report of it, too;
    assert HOST in _said(another, "report", "--last", code=0)
    journal = _journal(engine, began)
    for ident, request in asked.items():
        assert f"evacuation_accepted: host={HOST} instance={ident} request={request} " in journal


def _engine_and_another(story):
    """The engine's control node, and another one."""
    engine = story.engine_node()
    return engine, next(node for node in story.settings.control_nodes if node != engine)


def _level(node):
    """The devices of the first fencing level of the host, in their order."""
    text = nodes.execute(node, "pcs", "stonith", "level", "config").stdout
    return re.search(rf"Target: {HOST}\n\s*Level 1 - (\S+)", text).group(1).split(",")


def _run(node, *words):
    return nodes.execute(node, "nova-ha", *words, check=False)


def _said(node, *words, code):
    """What nova-ha says for people; it must end with an exit code."""
    done = _run(node, *words)
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def _told(node, *words, code=0):
    """What nova-ha tells programs."""
    answer = json.loads(_said(node, *words, "--json", code=code))
    schemas.check(words[0], answer)
    return answer


def _all_in_flight(node, ids):
    """Whether the engine waits for the evacuations of all these instances."""
    instances = _instances(node)
    return all(instances.get(ident, {}).get("code") == Code.EVACUATING for ident in ids)


def _instances(node):
    """What a node tells of each instance of the host."""
    hosts = json.loads(_run(node, "status", "--json").stdout or "{}").get("hosts", {})
    return hosts.get(HOST, {}).get("instances") or {}


def _history(node, since):
    """The events of the host since a moment, as a node has them."""
    done = _run(node, "history", HOST, "--json")
    events = json.loads(done.stdout or "{}").get("events", [])
    return [event for event in events if event["time"] > since]


def _journal(node, since):
    unit = f"NovaEvacuate({cluster.ENGINE})"
    return nodes.execute(node, "journalctl", "-t", unit, "-o", "cat", "--since", f"@{since:.0f}").stdout


def test_the_doctor_names_a_level_that_flags_nobody_and_its_command_mends_it(story):
    # Given a cluster as the pages say, in which the check finds nothing on any control node,
    engine, another = _engine_and_another(story)
    assert [_told(node, "check")["findings"] for node in (engine, another)] == [[], []]
    # when a host's level loses the device that flags it,
    before = _level(engine)
    nodes.execute(engine, "pcs", "stonith", "level", "remove", "1", "target", HOST)
    nodes.execute(engine, "pcs", "stonith", "level", "add", "1", HOST, before[0])
    try:
        # then any control node finds that,
        (finding,) = _told(another, "check", code=NEEDS_OPERATOR)["findings"]
        assert finding["subject"] == HOST
        # and tells more of what it found.
        assert finding["code"] in _said(another, "explain", finding["code"], code=0)
    finally:
        nodes.execute(engine, "pcs", "stonith", "level", "remove", "1", "target", HOST)
        nodes.execute(engine, "pcs", "stonith", "level", "add", "1", HOST, ",".join(before))
    eventually("the check to find nothing", lambda: _run(another, "check").returncode == 0, 30)


@pytest.fixture
def held(settings):
    """Put recoveries of hosts off, by an order on a control node; what is left of that is ended after the story."""
    yield lambda node, *hosts: _said(node, "hold", *hosts, "--reason", "works on the rack", "--yes", code=0)
    _run(cluster.any_control(settings), "resume", "--all", "--yes")


def test_an_operator_puts_recoveries_off_and_has_one_of_them_ended(story, held):
    # Given a host with instances, and an empty one, whose recoveries an operator has put off,
    ids = story.instances_on(HOST, 2)
    engine, another = _engine_and_another(story)
    began = time.time()
    held(another, HOST, EMPTY)
    # when both die,
    for host in (HOST, EMPTY):
        faults.kill(host)
    # then they are flagged, and not taken up, and that is told everywhere, with who has put it off;
    for host in (HOST, EMPTY):
        story.flagged(host)
        story.waits(host, Code.PAUSED)
    assert {story.flags()[host] for host in (HOST, EMPTY)} == {"yes"}
    assert f"root@{another}" in _said(engine, "explain", HOST, code=0)
    assert facts.evacuate_requests(story.recorded.history()) == []
    # the empty one's recovery, which is ended, leaves that host to return;
    _said(another, "end", EMPTY, "--reason", "it is empty", "--yes", code=0)
    story.back_in_service(EMPTY)
    # the other one's, which is let go, cannot be ended while its evacuations are in flight,
    with story.spawns_held():
        _said(another, "resume", HOST, "--yes", code=0)
        eventually("all to be in flight", lambda: _all_in_flight(engine, ids), 60)
        refused = _run(another, "end", HOST, "--reason", "enough", "--yes")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert all(ident in refused.stderr for ident in ids)
    # and ends as it should.
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    assert {request.instance for request in facts.evacuate_requests(story.recorded.history())} == set(ids)
    journal = nodes.execute(another, "journalctl", "-t", "nova-ha", "-o", "cat", "--since", f"@{began:.0f}").stdout
    orders = [line.split("order=")[1].split()[0] for line in journal.splitlines() if "operator_ordered" in line]
    assert orders == ["hold", "hold", "end", "resume"]
