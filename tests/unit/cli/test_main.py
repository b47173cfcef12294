# SPDX-License-Identifier: Apache-2.0
"""The operator's command, on a cluster in memory and, where it matters, an engine that is a real process."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import types
import typing

import pytest

from nova_ha.cli import colour, main, plan, status, status_text, table
from nova_ha.cli.colour import GREEN, RED, YELLOW, plain
from nova_ha.cloud import nova
from nova_ha.cluster import cib_secrets
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.config import loader
from nova_ha.model import disabled_reason, instance_states
from nova_ha.model.evacuable_tag import Selection
from nova_ha.policy import reserved_hosts
from nova_ha.recovery.decide import planner
from nova_ha.reporting import published
from nova_ha.rundir import engine_state
from tests.unit.agent_programs import TREE
from tests.unit.cli.scenes import ID, RESOURCE, Pacemaker, account, doing
from tests.unit.doubles import CHANGES, FakeCloud
from tests.unit.worlds import instance, record, service


def look(pacemaker, state):
    """The status, at a time of 1000."""
    board = PrivateAttributes(published.attribute(RESOURCE), runner=pacemaker)
    return status.look(Cluster(runner=pacemaker), RESOURCE, state, board, 1000.0)


# status


def test_nothing_is_wrong(command, engine):
    engine(state="working", reason="no host is flagged", hosts={})
    code, out, err = command(Pacemaker(active=["control-1"]), "status")
    assert (code, err) == (0, "")
    assert out == "Engine nova-evacuate: working on control-1: no host is flagged\nNo host is flagged.\n"


def test_where_the_engine_runs_its_account_is_shown(command, engine):
    claim = f"control-1@{int(time.time()) - 300}"
    instances = [doing(1), doing(2, "evacuate", "its host is dead", 2, "no valid host was found", age=250)]
    engine(state="working", reason="1 host is flagged", hosts={"compute-1": account(claim, instances)})
    code, out, err = command(Pacemaker({"compute-1": claim}, ["control-1"]), "status")
    assert (code, err) == (3, "")
    for line in (
        rf"compute-1  {claim}  recover  3 min",
        r"    its instances are being recovered",
        r"    2 instances: 1 evacuate, 1 wait",
        rf"{ID.format(2)}  web-2  evacuate  4 min",
        r"    its host is dead",
        r"    failed 2 times, last: no valid host was found",
        rf"{ID.format(1)}  web-1  wait      3\d s",
        r"    evacuating: evacuation 7 is running",
    ):
        assert re.search(f"^{line}$", out, re.MULTILINE), (line, out)
    assert max(map(len, out.splitlines())) <= 120


def test_the_way_out_stands_on_one_line_that_can_be_copied(command, engine):
    unset = f"openstack server unset --tag nova-ha:restore=paused --tag {'x' * 80} {ID.format(1)}"
    failed = doing(1, reason="it hangs", needs_operator=True, code="restore_failed", command=unset)
    held = {"code": "held_by_guard", "command": "nova-ha go compute-1"}
    held = account("control-1@7", [failed], "wait", "too many", True, **held)
    engine(state="working", reason="r", hosts={"compute-1": held})
    _code, out, _err = command(Pacemaker({"compute-1": "control-1@7"}, ["control-1"]), "status")
    lines = out.splitlines()
    for why, way_out in (("restore_failed: it hangs", unset), ("held_by_guard: too many", "nova-ha go compute-1")):
        assert lines[lines.index(f"    NEEDS AN OPERATOR: {why}") + 1] == f"    command: {way_out}"


def test_the_account_of_an_engine_of_another_version_is_not_guessed_at(command, engine):
    """Who installs another version may have the engine of the former run on for a while."""
    former = {"flag": "control-1@7", "doing": "take out", "instances": {"i1": {"doing": "wait"}}}
    engine(schema=0, state="working", reason="1 host flagged", hosts={"compute-1": former}, events=[{"event": "x"}])
    pacemaker = Pacemaker({"compute-1": "control-1@7"}, ["control-1"])
    code, out, _err = command(pacemaker, "status", "--json")
    found = json.loads(out)
    assert (code, found["engine"]["state"], found["hosts"]["compute-1"]["doing"]) == (3, "working", None)
    assert "of another version" in found["engine"]["reason"]
    assert json.loads(command(pacemaker, "history", "--json")[1])["events"] == []


def test_elsewhere_the_flags_are_shown_and_whom_to_ask(command):
    flags = {"compute-1": f"control-2@{int(time.time()) - 200}", "compute-2": "yes", "compute-3": "no"}
    code, out, _err = command(Pacemaker(flags), "status")
    assert code == 3
    for text in (
        "it has published nothing yet: run nova-ha on control-2",
        "taken up by the engine on control-2",
        "3 min",
        "taken it up yet",
    ):
        assert text in out
    assert out.count("not known here") == 3


def test_status_for_programs(command, engine):
    claim = "control-1@1000"
    host = account(claim, [doing()])
    engine(state="working", reason="1 host is flagged", hosts={"compute-1": host})
    code, out, _err = command(Pacemaker({"compute-1": claim, "compute-2": "yes"}, ["control-1"]), "status", "--json")
    found = json.loads(out)
    assert code == 3
    assert abs(found.pop("time") - time.time()) < 60
    unknown = dict.fromkeys(["claimed_by", "claimed_at", *host.keys() - {"flag"}])
    assert found == {
        "schema": 1,
        "verdict": "recovering",
        "engine": {
            "resource": RESOURCE,
            "nodes": ["control-1"],
            "here": True,
            "complaint": None,
            "state": "working",
            "reason": "1 host is flagged",
        },
        "pauses": [],
        "maintenance": {},
        "hosts": {
            "compute-1": {**host, "claimed_by": "control-1", "claimed_at": 1000},
            "compute-2": {"flag": "yes", **unknown},
        },
    }


@pytest.mark.parametrize(
    ("asked", "shown", "listed"),
    [([], 10, False), (["compute-1"], 30, True), (["compute-1.example.org"], 30, True)],
)
def test_an_overview_lists_the_worst_and_one_host_lists_all(command, engine, asked, shown, listed):
    claim = "control-1@1000"
    instances = [doing(number) for number in range(28)]
    instances += [doing(28, failures=3, last="x"), doing(29, needs_operator=True)]
    hosts = {"compute-1": account(claim, instances), "compute-2": account(claim, [doing(40)])}
    engine(state="working", reason="2 hosts are flagged", hosts=hosts)
    flags = dict.fromkeys(hosts, claim)
    _code, out, _err = command(Pacemaker(flags, ["control-1"]), "status", *asked)
    rows = [line.split()[1] for line in out.splitlines() if line.startswith("8d3f1a2b")]
    assert rows[:2] == ["web-29", "web-28"]
    assert len([row for row in rows if row != "web-40"]) == shown
    assert ("web-40" in rows) is not listed
    assert ("and 20 instances: 20 wait (nova-ha status compute-1 lists them)" in out) is not listed


def test_a_host_that_is_not_flagged(command):
    code, out, _err = command(Pacemaker({"compute-2": "yes"}), "status", "compute-9")
    assert (code, out) == (0, "compute-9 is not flagged: it is not in recovery.\n")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_name_that_was_mistyped_does_not_pass_for_a_host_that_is_well(command, form):
    code, out, err = command(Pacemaker({"compute-2": "yes"}), "status", "compute-8", *form)
    assert (code, out, err) == (1, "", "nova-ha: the cluster knows no node 'compute-8'\n")


@pytest.mark.parametrize(
    ("holder", "active", "report", "age", "state", "verdict"),
    [
        (7, ["control-1"], {"pid": 7, "state": "working", "reason": "r"}, 1, "working", "well"),
        (7, ["control-1"], {"pid": 7, "state": "working", "reason": "complains"}, 1, "working", "attention"),
        (7, ["control-1"], {"pid": 7, "state": "starting", "reason": "r"}, None, "starting", "well"),
        (7, ["control-1"], {"pid": 7, "state": "asking", "reason": "r"}, 1, "asking", "well"),
        (7, ["control-1"], {"pid": 7, "state": "waiting", "reason": "r"}, 1, "waiting", "attention"),
        (7, ["control-1"], {"pid": 7, "state": "misconfigured", "reason": "r"}, 1, "misconfigured", "attention"),
        (7, ["control-1"], {"pid": 7, "state": "working", "reason": "r"}, 121, "hung", "attention"),
        (7, ["control-1"], {"pid": 6, "state": "waiting", "reason": "r"}, 1, "starting", "well"),
        (7, ["control-1"], {}, None, "starting", "well"),
        # From within a container.
        (engine_state.UNTOLD, ["control-1"], {"pid": 7, "state": "working", "reason": "r"}, 1, "working", "well"),
        (engine_state.UNTOLD, ["control-1"], {}, None, "starting", "well"),
        (None, ["control-1"], {"pid": 6, "state": "working", "reason": "r"}, 1, "dead", "attention"),
        (None, ["control-2"], {"pid": 6, "state": "working", "reason": "r"}, 1, "elsewhere", "well"),
        (None, [], {}, None, "stopped", "attention"),
    ],
)
def test_the_state_of_the_engine(holder, active, report, age, state, verdict):
    stub = types.SimpleNamespace(
        holder=lambda: holder,
        read_report=lambda: report,
        progress_age=lambda: age,
        read_complaint=lambda: "complaint" if report.get("reason") == "complains" else None,
    )
    found = look(Pacemaker(active=active), stub)
    assert (found["engine"]["state"], found["verdict"]) == (state, verdict)
    assert found["engine"]["state"] in status.ENGINE_STATES
    shown = " ".join(status_text.lines(found, 80))
    assert f" {state}" in shown or state == "elsewhere"
    assert ("complaint" in shown) == (report.get("reason") == "complains")


@pytest.mark.parametrize(
    ("value", "known", "verdict"),
    [
        ("yes", None, "recovering"),
        ("go", None, "recovering"),
        ("no", None, "recovering"),
        ("control-1@7", None, "recovering"),
        ("gibberish", None, "attention"),
        ("yes", account("yes", reason="held by the guard", needs_operator=True), "attention"),
        ("go", account("yes", reason="held by the guard", needs_operator=True), "recovering"),
        ("control-1@7", account("control-1@7", [doing()]), "recovering"),
        ("control-1@7", account("control-1@7", [doing(needs_operator=True)]), "attention"),
        ("control-1@8", account("control-1@7", [doing(needs_operator=True)]), "recovering"),
        ("no", account(None, [doing(needs_operator=True)]), "recovering"),
        (None, account(None, [doing()]), "recovering"),
        (None, account(None, [doing(needs_operator=True)]), "attention"),
        (None, account("control-1@7", [doing(needs_operator=True)]), "well"),
    ],
)
def test_when_an_operator_is_needed(value, known, verdict):
    report = {"schema": 1, "pid": 7, "state": "working", "reason": "r", "hosts": {"compute-1": known} if known else {}}
    stub = types.SimpleNamespace(
        holder=lambda: 7, read_report=lambda: report, progress_age=lambda: 1, read_complaint=lambda: None
    )
    pacemaker = Pacemaker({"compute-1": value} if value else {})
    found = look(pacemaker, stub)
    assert found["verdict"] == verdict
    assert ("NEEDS AN OPERATOR" in "\n".join(status_text.lines(found, 80))) == (verdict == "attention")


@pytest.mark.parametrize(
    ("value", "known", "name"),
    [
        ("yes", None, "yellow"),
        ("no", None, "green"),
        (None, account(None), "green"),
        ("gibberish", None, "red"),
        ("control-1@7", account("control-1@7", [doing(), doing(2, needs_operator=True)]), "red"),
    ],
)
def test_the_colour_says_what_needs_an_operator_and_what_waits(value, known, name):
    report = {"schema": 1, "pid": 7, "state": "working", "reason": "r", "hosts": {"compute-1": known} if known else {}}
    stub = types.SimpleNamespace(
        holder=lambda: 7, read_report=lambda: report, progress_age=lambda: 1, read_complaint=lambda: None
    )
    names = {RED: "red", YELLOW: "yellow", GREEN: "green"}
    found = look(Pacemaker({"compute-1": value} if value else {}), stub)
    said = status_text.lines(found, 80, True, lambda text, paint: f"{names[paint]}|{text}")
    bare = status_text.lines(found, 80, True)
    assert [line.partition("|")[0] for line in said if "|compute-1 " in line] == [name]
    assert [line.startswith("red|") for line in said if doing(2)[0] in line] in ([], [True])
    assert [line.rpartition("|")[2] for line in said] == bare


def test_an_engine_that_is_not_there_is_red_and_no_flag_is_green():
    said = status_text.lines(look(Pacemaker(active=[]), None), 80, False, lambda _text, colour: colour)
    assert (said[0], said[-1]) == (RED, GREEN)


@pytest.mark.parametrize("refused", [False, True])
def test_status_is_coloured_unless_the_command_line_says_no(command, monkeypatch, refused):
    monkeypatch.setattr(colour, "painter", lambda no: plain if no else lambda text, _colour: f"<{text}>")
    said = command(Pacemaker(), *(["--no-color"] if refused else []), "status")[1]
    assert ("<No host is flagged.>" in said) is not refused


def test_the_exit_code_says_that_an_operator_is_needed(command):
    code, out, _err = command(Pacemaker({"compute-1": "yes"}, active=[]), "status")
    assert code == 4
    assert "it runs nowhere" in out
    code, out, _err = command(Pacemaker({"compute-1": "yes"}, resources={}), "status")
    assert code == 4
    assert "no resource of the agent ocf:openstack:NovaEvacuate" in out


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({RESOURCE: {"attribute": "rescue"}}, ""),
        ({RESOURCE: {}}, "[recovery]\n# the flag\nattribute = rescue\n"),
        ({RESOURCE: {"attribute": "rescue"}}, "[recovery]\nattribute = other\n"),
    ],
)
def test_the_flag_s_attribute_is_the_engine_s(command, tmp_path, resources, text):
    (tmp_path / "nova-ha.conf").write_text(text)
    _code, out, _err = command(Pacemaker({"compute-1": "yes"}, resources=resources, attribute="rescue"), "status")
    assert "compute-1" in out


def test_an_instance_s_name_does_not_steer_the_terminal(command, engine):
    number, about = doing()
    hosts = {"compute-1": account("control-1@7", [(number, {**about, "name": "\x1b[2J\x1b]0;x\x07\nweb" + "w" * 90})])}
    engine(state="working", reason="r", hosts=hosts)
    _code, out, _err = command(Pacemaker({"compute-1": "control-1@7"}, ["control-1"]), "status")
    assert "?[2J?]0;x??web" in out
    assert set(out) & set("\x1b\x07") == set()
    assert max(map(len, out.splitlines())) <= 120


# plan


def made_up(service_=None, others=9):
    """A Nova of a few hosts, whose policy selects by a tag."""
    alive = service("compute-9", up=True, enabled=True, forced_down=False, reason=None)
    rest = [dataclasses.replace(alive, host=f"compute-{number}", id=f"id-{number}") for number in range(1, others)]
    found = FakeCloud(service_ or alive, *rest)
    found.on = {each.host: [instance(4, host=each.host)] for each in rest}
    found.on["compute-9"] = [instance(1), instance(2, "soft-delete"), instance(3, "building")]
    found.selected = Selection(False)
    return found


@pytest.fixture
def planned(monkeypatch, command):
    """Has plans made of a fake cloud; returns the worlds that were decided on, and the command."""
    worlds = []

    def steps(situation, *more):
        worlds.append(situation.world)
        return planner.steps(situation, *more)

    monkeypatch.setattr(plan, "planner", types.SimpleNamespace(steps=steps, claims=planner.claims))

    def run(cloud, pacemaker, *arguments):
        monkeypatch.setattr(plan, "connect", lambda conf: cloud)
        return command(pacemaker, "plan", *arguments)

    return worlds, run


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """Where Pacemaker keeps secrets: writes one of RESOURCE."""
    monkeypatch.setattr(cib_secrets, "ROOT", str(tmp_path / "secrets"))

    def write(name, text, sign=None):
        directory = tmp_path / "secrets" / RESOURCE
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
        (directory / f"{name}.sign").write_text(sign or hashlib.md5(text.strip().encode()).hexdigest() + "\n")

    return write


SECRET = {RESOURCE: {"auth_url": "http://c/v3", "username": "u", "tenant_name": "t", "password": "lrm://"}}


def test_a_plan_is_made_with_the_secret_that_the_cluster_only_points_to(planned, secrets, monkeypatch):
    secrets("password", "sesame\n")
    _worlds, run = planned
    asked = []
    load = loader.load
    monkeypatch.setattr(loader, "load", lambda parameters: asked.append(parameters) or load(parameters))
    assert run(made_up(), Pacemaker({}, resources=SECRET), "compute-9")[0] == 0
    assert asked == [{**SECRET[RESOURCE], "password": "sesame"}]


@pytest.mark.parametrize(
    ("sign", "said"), [(None, "password cannot be read here: No such file"), ("0" * 32, "password is not what its sum")]
)
def test_a_secret_that_is_not_here_is_said_so(planned, secrets, sign, said):
    if sign:
        secrets("password", "sesame", sign)
    _worlds, run = planned
    code, _, err = run(made_up(), Pacemaker({}, resources=SECRET), "compute-9")
    assert code == 1 and said in err and "cibsecret sync" in err and "sesame" not in err


def of(world, name="compute-9"):
    return next(host for host in world.hosts if host.name == name)


def test_a_plan_shows_what_nova_does_not_evacuate(planned):
    nova = made_up()
    nova.on = {"compute-9": [instance(1), instance(2, extra_specs={"hw:tpm_version": "2.0"})]}
    _worlds, run = planned
    _code, out, _err = run(nova, Pacemaker({}), "compute-9", "--json")
    steps = {step["instance"]: step for step in json.loads(out)["steps"]}
    assert (steps["i1"]["step"], steps["i2"]["step"]) == ("evacuate", "skip")
    assert (steps["i2"]["code"], steps["i2"]["needs_operator"]) == ("not_evacuable", True)


def test_a_plan_takes_the_host_for_dead_and_changes_nothing(planned):
    worlds, run = planned
    flags = {"compute-1": "yes", "compute-2": "no"}
    pacemaker = Pacemaker(flags)
    code, out, err = run(made_up(), pacemaker, "compute-9", "--json")
    assert (code, err, pacemaker.flags) == (0, "", flags)
    before, after = worlds
    for world in worlds:
        assert [host.name for host in world.hosts] == ["compute-1", "compute-9"]
        assert of(world).flag.startswith("plan@")
    assert not of(before).service.forced_down
    dead = of(after).service
    assert (dead.up, dead.forced_down, dead.enabled) == (False, True, False)
    assert disabled_reason.is_marked(dead)
    found = json.loads(out)
    assert abs(found.pop("time") - time.time()) < 60
    assert found["counts"] == {"evacuate": 1, "skip": 2}
    assert (found["host"], found["flag"], found["in_flight"]) == ("compute-9", None, 100)
    assert [(step["step"], step["instance"]) for step in found["steps"]] == [
        ("disable_host", None),
        ("evacuate", "i1"),
        ("skip", "i2"),
        ("skip", "i3"),
    ]
    assert found["steps"][3] == {
        "step": "skip",
        "code": "nothing_to_recover",
        "reason": instance_states.treatment(instance(3, "building")).why,
        "command": None,
        "needs_operator": False,
        "instance": "i3",
        "name": "web-3",
        "vm_state": "building",
        "task_state": None,
    }


def test_a_plan_tells_the_limit_and_does_not_heed_it(planned):
    _worlds, run = planned
    cloud = made_up(others=3)
    cloud.on = {"compute-9": [instance(n) for n in range(30)]}
    code, out, err = run(cloud, Pacemaker({"compute-1": "yes"}), "compute-9", "--json")
    found = json.loads(out)
    assert (code, err, found["counts"], found["in_flight"]) == (0, "", {"evacuate": 30}, 20)


def test_a_plan_for_people(planned):
    _worlds, run = planned
    code, out, _err = run(made_up(), Pacemaker({}), "compute-9")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith("    ")] == [
        "If compute-9 were lost now (nothing has been changed):",
        "  disable_host: dead hosts are forced down and disabled in Nova",
        "  then, at most 100 evacuations at once: 1 evacuate, 2 skip",
        "",
        "INSTANCE  NAME   STATE        WOULD",
        "i1        web-1  active       evacuate",
        "i2        web-2  soft-delete  skip",
        "i3        web-3  building     skip",
    ]
    assert f"    nothing_to_recover: {instance_states.treatment(instance(3, 'building')).why}\n" in out


def test_a_plan_tells_the_way_out_of_what_an_instance_waits_for(planned):
    _worlds, run = planned
    cloud = made_up()
    cloud.on = {"compute-9": [instance(1, "error", host="compute-9", fault="Instance instance-1 already exists.")]}
    cloud.records = [record(1, "failed", source="compute-9")]
    _code, out, _err = run(cloud, Pacemaker({}), "compute-9")
    lines = out.splitlines()
    assert any(line.startswith("    NEEDS AN OPERATOR: unknown_guest: ") for line in lines)
    assert lines[-1] == "    command: openstack server set --state active i1"


def test_a_plan_for_a_host_that_is_dead_already(planned):
    worlds, run = planned
    dead = service("compute-9")
    code, out, _err = run(made_up(dead), Pacemaker({"compute-9": "control-2@7"}), "compute-9")
    assert code == 0
    assert [of(world).service for world in worlds] == [dead]
    assert out.startswith("compute-9 is in recovery (flag control-2@7). What an engine would do that has tried nothing")
    assert "disable_host" not in out


@pytest.mark.parametrize(
    ("flags", "others", "is_held"),
    [
        ({"compute-1": "yes", "compute-2": "yes"}, 4, True),
        ({"compute-1": "control-2@7", "compute-2": "no"}, 4, False),
        ({"compute-1": "yes", "compute-2": "yes"}, 9, False),
        ({"compute-1": "yes", "compute-2": "yes", "compute-9": "go"}, 4, False),
        ({"compute-1": "yes", "compute-2": "yes", "compute-9": "yes"}, 4, True),
        ({"compute-1": "yes", "compute-2": "yes", "compute-9": "no"}, 4, True),
    ],
)
def test_a_plan_says_that_the_mass_failure_guard_would_hold_the_host(planned, flags, others, is_held):
    _worlds, run = planned
    _code, out, _err = run(made_up(others=others), Pacemaker(flags), "compute-9")
    assert ("  wait: NEEDS AN OPERATOR: held_by_guard: " in out) == is_held
    assert ("    command: nova-ha go compute-9" in out.splitlines()) == is_held
    assert re.search(r"i1 +web-1 +active +evacuate", out)


def test_a_plan_goes_on_behind_the_reserved_host_that_is_enabled_first(planned):
    worlds, run = planned
    cloud = made_up()
    cloud.known["compute-1"] = service("compute-1", up=True, forced_down=False, reason=reserved_hosts.REASON)
    _code, out, _err = run(cloud, Pacemaker({}), "compute-9", "--json")
    steps = [(step["step"], step["instance"]) for step in json.loads(out)["steps"]]
    assert steps[:3] == [("disable_host", None), ("enable_reserved_host", None), ("evacuate", "i1")]
    assert [world.services["compute-1"].enabled for world in worlds] == [False, False, True]
    assert not cloud.known["compute-1"].enabled


@pytest.mark.parametrize(("tag", "step"), [("ha", "skip"), ("other", "evacuate")])
def test_a_plan_goes_by_the_configured_tag(planned, tmp_path, tag, step):
    _worlds, run = planned
    cloud = made_up()
    cloud.selection = lambda asked: Selection(asked == "ha")
    file = tmp_path / "policy.conf"
    file.write_text(f"[policy]\ntag = {tag}\n")
    pacemaker = Pacemaker({}, resources={RESOURCE: {"config": str(file)}})
    _code, out, _err = run(cloud, pacemaker, "compute-9", "--json")
    assert {"step": step, "instance": "i1"}.items() <= json.loads(out)["steps"][1].items()


def test_a_plan_for_a_host_that_nova_does_not_know(planned):
    _worlds, run = planned
    cloud = made_up()
    del cloud.known["compute-9"]
    code, out, _err = run(cloud, Pacemaker({}), "compute-9")
    assert code == 0
    assert out.splitlines()[1].startswith("  wait: NEEDS AN OPERATOR: no_service: ")


def test_a_plan_for_a_host_whose_cell_is_away(planned):
    _worlds, run = planned
    cloud = made_up()
    del cloud.known["compute-9"]
    cloud.away = ("compute-9",)
    _code, out, _err = run(cloud, Pacemaker({}), "compute-9")
    assert out.splitlines()[1].startswith("  wait: cell_away: ")


def test_a_plan_counts_hosts_whose_cell_is_away(planned):
    _worlds, run = planned
    cloud = made_up(others=4)
    cloud.away = ("compute-4", "compute-5")
    _code, out, _err = run(cloud, Pacemaker({"compute-1": "yes", "compute-2": "yes"}), "compute-9")
    assert "are flagged at once" not in out  # three of six


def test_a_plan_cannot_change_anything():
    """What it is given reads and does no more: mypy holds ``connect`` and ``look`` to it."""
    assert all(hasattr(nova.Nova, change) for change in CHANGES)
    for kind in (typing.get_type_hints(plan.connect)["return"], plan.Imagined):
        assert [change for change in CHANGES if hasattr(kind, change)] == []
        assert hasattr(kind, "services")


@pytest.mark.parametrize("error", [nova.Unreachable("connection refused"), nova.Misconfigured("no\ncredentials")])
def test_a_cloud_that_does_not_answer_is_one_line(planned, monkeypatch, error):
    _seen, run = planned
    cloud = made_up()
    monkeypatch.setattr(cloud, "services", lambda: (_ for _ in ()).throw(error))
    code, out, err = run(cloud, Pacemaker({}), "compute-9")
    assert (code, out, err) == (1, "", f"nova-ha: {' '.join(str(error).split())}\n")


def test_a_plan_for_a_host_that_the_cluster_does_not_know(planned):
    _seen, run = planned
    code, out, err = run(made_up(), Pacemaker({}), "compute-8")
    assert (code, out, err) == (1, "", "nova-ha: the cluster knows no node 'compute-8'\n")


# all of them


@pytest.mark.parametrize("arguments", [["status"], ["history"], ["go"], ["plan", "compute-9"]])
def test_who_may_not_and_a_cluster_that_is_away(command, monkeypatch, arguments):
    pacemaker = Pacemaker()
    pacemaker.away = True
    code, out, err = command(pacemaker, *arguments)
    assert (code, out) == (1, "")
    assert err == "nova-ha: the cluster's configuration cannot be read: Connection to the CIB manager failed\n"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    code, out, err = command(Pacemaker(), *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("nova-ha: must be run as root")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("resources", "arguments", "code", "said"),
    [
        ({"a": {}, "b": {}}, ["status"], 1, "nova-ha: --resource is needed, one of a, b\n"),
        ({"a": {}, "b": {}}, ["--resource", "c", "status"], 1, "no resource 'c' of the agent NovaEvacuate"),
        ({"a": {}, RESOURCE: {}}, ["--resource", RESOURCE, "status"], 0, ""),
        ({}, ["history"], 1, "no engine either"),
    ],
)
def test_which_engine_is_meant(command, resources, arguments, code, said):
    found, _out, err = command(Pacemaker(resources=resources), *arguments)
    assert found == code
    assert said in err


def test_a_configuration_file_that_cannot_be_read(command, tmp_path):
    (tmp_path / "nova-ha.conf").write_text("no section")
    code, _out, err = command(Pacemaker(), "status")
    assert code == 1
    assert err.count("\n") == 1
    assert f"{tmp_path}/nova-ha.conf" in err


@pytest.mark.parametrize("arguments", [[], ["frob"], ["plan"], ["status", "a", "b"], ["go", "--json"], ["-x", "go"]])
def test_wrong_usage_is_one_line(arguments):
    done = subprocess.run([TREE / "tools/nova-ha", *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nova-ha")
    assert done.stderr.count("\n") == 1


def test_help():
    done = subprocess.run([TREE / "tools/nova-ha", "status", "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "4 something needs an" in done.stdout


SMALL = """
import sys
sys.path.append({tree!r})
from nova_ha.cli import main as cli
def runner(command, timeout):
    if command[0] == "crm_mon":
        return 0, "<r/>", ""
    return 0, '<primitive id="e"/>' if "//primitive" in command[3] else '<xpath-query/>', ""
print(cli.main(sys.argv[1:], runner, {root!r}))
CLIENTS = {{"keystoneauth1", "novaclient", "oslo_config", "requests"}}
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & CLIENTS))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="nova-ha is root's")
@pytest.mark.parametrize("arguments", [["status"], ["history"], ["go"], ["explain", "stuck"]])
def test_what_does_not_ask_the_cloud_does_not_import_its_clients(tmp_path, arguments):
    text = SMALL.format(tree=str(TREE), root=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-I", "-c", text, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[-2:] in (["0", ""], ["4", ""])


@pytest.mark.skipif(os.geteuid() != 0, reason="nova-ha is root's")
@pytest.mark.parametrize("arguments", [["status"], ["explain", "stuck"]])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path, arguments):
    text = SMALL.format(tree=str(TREE), root=str(tmp_path)).replace("print(*sorted", "sys.exit(0); print(*sorted")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-I", "-c", text, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=30
    )
    os.close(writer)
    assert done.stderr == ""


@pytest.mark.parametrize(("away", "code"), [(False, 4), (True, main.FAILED)])
def test_who_closes_the_output_still_gets_the_exit_code(command, monkeypatch, away, code):
    """Python has no streams then: nova-ha status >&- 2>&-."""
    pacemaker = Pacemaker(active=())
    pacemaker.away = away
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    assert command(pacemaker, "status")[0] == code


# table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200000, "2 d")],
)
def test_how_long_something_took(seconds, text):
    assert table.ago(seconds) == text


def test_notes_are_wrapped_and_ids_are_not():
    note = f"evacuation of {ID.format(1)} to compute-2 is running " * 3
    lines = table.table(("A",), [(["x"], [note, None])], 80)
    assert len(lines) > 4
    assert max(map(len, lines)) <= 80
    assert sum(line.count(ID.format(1)) for line in lines) == 3


def test_one_cell_that_is_too_long_does_not_spread_the_whole_table():
    heading, long, short = table.table(("A", "B"), [(["x" * 100, "1"], []), (["y", "2"], [])], 80)
    assert long == f"{'x' * 100}  1"
    assert (heading.index("B"), short.index("2")) == (66, 66)


def test_states_of_a_report_are_states_of_the_status():
    words = {
        engine_state.STARTING,
        engine_state.ASKING,
        engine_state.WORKING,
        engine_state.WAITING,
        engine_state.MISCONFIGURED,
    }
    assert words | {engine_state.NOT_INSTALLED} < set(status.ENGINE_STATES)
