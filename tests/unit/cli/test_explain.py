# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha explain`` says of codes, hosts and instances."""

import json
import subprocess
import time

import pytest

from nova_ha.cli import main
from nova_ha.rundir import engine_state
from tests import schemas
from tests.unit.agent_programs import TREE
from tests.unit.cli.scenes import ID, Pacemaker, account, doing

CLAIM = "control-1@1000"
STUCK = {"code": "stuck", "reason": "evacuation 7 stands still", "needs_operator": True}


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    """Runs nova-ha explain; returns exit code, standard output and standard error."""
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def run(pacemaker, *arguments):
        code = main.main(["explain", *arguments], pacemaker, str(tmp_path), str(tmp_path / "nova-ha.conf"))
        out, err = capsys.readouterr()
        if "--json" in arguments and out:
            schemas.check("explain", json.loads(out))
        return code, out, err

    return run


@pytest.fixture
def engine(monkeypatch):
    """Has an engine of this node report what it is given."""

    def report(complaint=None, **hosts):
        known = {"schema": 1, "pid": 7, "state": "working", "reason": "r", "hosts": hosts, "time": time.time()}
        monkeypatch.setattr(engine_state.RunState, "holder", lambda self: 7)
        monkeypatch.setattr(engine_state.RunState, "read_report", lambda self: known)
        monkeypatch.setattr(engine_state.RunState, "progress_age", lambda self: 1)
        monkeypatch.setattr(engine_state.RunState, "read_complaint", lambda self: complaint)
        return Pacemaker({host.replace("_", "-"): about["flag"] for host, about in hosts.items()}, ["control-1"])

    return report


@pytest.mark.parametrize(
    ("code", "kind", "page"),
    [
        ("stuck", "reason", "docs/troubleshooting.md#stuck"),
        ("stonith_disabled", "finding", "docs/check.md#stonith_disabled"),
        ("hung", "state", "docs/troubleshooting.md#hung"),
        ("cloud_refuses", "reason", "docs/troubleshooting.md#cloud_refuses"),
    ],
)
def test_a_code_is_explained_to_everybody_though_the_cluster_is_away(command, monkeypatch, code, kind, page):
    pacemaker = Pacemaker()
    pacemaker.away = True
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done, out, err = command(pacemaker, code)
    assert (done, err) == (0, "")
    assert out.startswith(f"{code}: ") and f"    page    {page}\n" in out
    (text,) = json.loads(command(pacemaker, code, "--json")[1])["codes"]
    assert (text["code"], text["kind"], f"docs/{text['page']}") == (code, kind, page)


def test_the_parts_of_an_explanation_stand_in_their_order(command):
    lines = command(Pacemaker(), "stuck")[1].splitlines()
    labels = [line[4:12].strip() for line in lines if line[4:12].strip() in ("means", "look", "do", "never", "page")]
    assert labels == ["means", "look", "do", "never", "page"]
    assert max(map(len, lines)) <= 120
    # Markdown is for pages.
    assert "](" not in " ".join(lines) and "exactly once (docs/exactly-once.md)" in " ".join(" ".join(lines).split())


def test_a_host_is_explained_by_what_is_the_matter_with_it(command, engine):
    instances = [doing(1, **STUCK, command="openstack server set"), doing(2, **STUCK), doing(3)]
    pacemaker = engine(**{"compute-1": account(CLAIM, instances)})
    code, out, _err = command(pacemaker, "compute-1.example.org")
    assert code == 0
    assert out.startswith("compute-1: recover, for 3 min\n    its instances are being recovered\n")
    assert out.index("\nstuck: ") < out.index("\nevacuating: ") < out.index("\nworking: ")
    assert f"    2 others with it: {ID.format(1)}, {ID.format(2)}\n" in out


@pytest.mark.parametrize("word", [ID.format(1), "web-1"])
def test_an_instance_is_explained_with_its_command(command, engine, word):
    instances = [doing(1, **STUCK, command="openstack server set --state error x"), doing(2)]
    pacemaker = engine(**{"compute-1": account(CLAIM, instances)})
    _code, out, _err = command(pacemaker, word)
    assert out.startswith(f"{ID.format(1)}, of compute-1: wait, for 30 s\n")
    assert "\n    NEEDS AN OPERATOR: stuck: evacuation 7 stands still\n" in out
    assert "\n    command: openstack server set --state error x\n" in out
    assert "evacuating: " not in out  # that is another one


def test_for_programs_the_facts_come_with_the_texts(command, engine):
    pacemaker = engine(**{"compute-1": account(CLAIM, [doing(1), doing(2, **STUCK)])})
    found = json.loads(command(pacemaker, "compute-1", "--json")[1])
    assert [fact["instance"] for fact in found["facts"]] == [None, ID.format(2), ID.format(1)]
    assert [text["code"] for text in found["codes"]] == ["stuck", "evacuating", "working"]


def test_an_instance_that_could_be_several(command, engine):
    pacemaker = engine(**{"compute-1": account(CLAIM, [doing(1), doing(2)])})
    code, out, err = command(pacemaker, ID.format(1)[:8])
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "give the whole id" in err


def test_a_host_that_is_not_flagged_and_an_engine_that_is_not_there(command):
    code, out, _err = command(Pacemaker({}, active=[]), "compute-9")
    assert code == 0
    assert out.startswith("compute-9 is not flagged: it is not in recovery.\n\nstopped: ")
    assert json.loads(command(Pacemaker({}, active=[]), "compute-9", "--json")[1])["facts"] == []


def test_what_the_engine_complains_of_is_explained_with_a_host(command, engine):
    pacemaker = engine(
        complaint="cloud_refuses: recoveries wait: the credentials are refused",
        **{"compute-1": account(CLAIM, [doing(1)])},
    )
    found = json.loads(command(pacemaker, "compute-1", "--json")[1])
    assert [text["code"] for text in found["codes"]] == ["evacuating", "cloud_refuses", "working"]
    assert "it is not in recovery.\n\ncloud_refuses: " in command(pacemaker, "compute-9")[1]


def test_where_the_engine_is_elsewhere_the_flag_is_all_that_is_known(command):
    code, out, _err = command(Pacemaker({"compute-1": CLAIM}), "compute-1")
    assert code == 0
    assert out.startswith("compute-1: what is done with it is known where the engine runs\n\nelsewhere: ")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("stuk", "'stuk' is no code, no instance in recovery, and no node; codes that are alike: stuck"),
        ("compute-77", "'compute-77' is no code, no instance in recovery, and no node"),
    ],
)
def test_what_is_nothing_that_is_known_is_one_line(command, word, said):
    code, out, err = command(Pacemaker(), word)
    assert (code, out, err) == (1, "", f"nova-ha: {said}\n")


def test_who_is_not_root_learns_of_codes_only(command, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    code, out, err = command(Pacemaker(), "compute-9")
    assert (code, out) == (1, "") and err.startswith("nova-ha: must be run as root")


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_wrong_usage_is_one_line(arguments):
    done = subprocess.run([TREE / "tools/nova-ha", "explain", *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
