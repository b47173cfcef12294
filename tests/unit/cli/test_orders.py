# SPDX-License-Identifier: Apache-2.0
"""What an operator orders: go, hold, pause, resume. Shown, confirmed, changed only if nobody else has, and noted."""

import dataclasses
import json
import time

import pytest

from nova_ha.cli import main
from nova_ha.model import pauses
from nova_ha.model.pauses import ALL, HOST, Pause
from tests.unit.cli.scenes import Pacemaker

FLAGS = {"compute-1": "yes", "compute-2": "yes", "compute-3": "no", "compute-4": "control-2@7", "compute-5": "go"}
OF_ALL = Pause(ALL, "", 1000, None, "bob@control-2", "storm")
OF_ONE = Pause(HOST, "compute-1", 1000, 2**40, "bob@control-2", "disks")
WHY = ("--reason", "CHG 4711: new switch")


@pytest.fixture(autouse=True)
def by_alice(noted, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "alice")


def put_off(pacemaker):
    return pauses.read(pacemaker.put_off)


def paused(*standing, flags=FLAGS):
    pacemaker = Pacemaker(flags)
    pacemaker.put_off = pauses.written(standing)
    return pacemaker


# Confirmed, and noted


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_an_order_is_carried_out_when_it_is_confirmed(command, answers, noted, answer):
    answers(answer)
    pacemaker = Pacemaker(FLAGS)
    code, out, err = command(pacemaker, "go", "compute-1", *WHY)
    assert (code, err, pacemaker.flags) == (0, "", {**FLAGS, "compute-1": "go"})
    assert "compute-1: flag yes -> go" in out
    assert noted == ['operator_ordered: host=compute-1 order=go operator=alice@control-1 reason="CHG 4711: new switch"']


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yess\n"])
@pytest.mark.parametrize(
    "order",
    [
        ["go", "compute-1"],
        ["pause", "--all", *WHY],
        ["hold", "compute-5", *WHY],
        ["resume", "--all"],
    ],
    ids=lambda order: order[0],
)
def test_nothing_is_changed_without_a_yes(command, answers, noted, order, answer):
    answers(answer)
    pacemaker = paused(OF_ONE)
    before = pacemaker.put_off
    code, _out, err = command(pacemaker, *order)
    assert (code, err) == (1, "nova-ha: nothing has been changed\n")
    assert (pacemaker.flags, pacemaker.put_off, noted) == (FLAGS, before, [])


def test_without_a_terminal_nobody_is_asked(command):
    pacemaker = Pacemaker(FLAGS)
    code, _out, err = command(pacemaker, "go", "--all")
    assert (code, pacemaker.flags) == (1, FLAGS)
    assert "--yes" in err


@pytest.mark.parametrize("order", [["go"], ["pause", *WHY], ["resume"]], ids=lambda order: order[0])
def test_whether_all_or_some_are_meant_is_not_guessed(command, order):
    pacemaker = paused(OF_ONE)
    before = pacemaker.put_off
    code, _out, err = command(pacemaker, *order, "compute-1", "--all", "--yes")
    assert (code, pacemaker.flags, pacemaker.put_off) == (1, FLAGS, before)
    assert err.startswith("nova-ha: --all: ")


# go


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        (["--all"], {"compute-1", "compute-2"}),
        (["compute-2"], {"compute-2"}),
        (["compute-1.x", "compute-1"], {"compute-1"}),
    ],
)
def test_held_hosts_are_let_go(command, asked, gone):
    pacemaker = Pacemaker(FLAGS)
    code, out, err = command(pacemaker, "go", "--yes", *asked)
    assert (code, err) == (0, "")
    assert pacemaker.flags == {**FLAGS, **dict.fromkeys(gone, "go")}
    assert {line.partition(":")[0] for line in out.splitlines() if "flag yes -> go" in line} == gone


def test_without_a_host_what_is_held_is_shown_and_nothing_is_let_go(command):
    pacemaker = paused(OF_ALL)
    code, out, err = command(pacemaker, "go")
    assert (code, err, pacemaker.flags) == (0, "", FLAGS)
    assert "compute-1, compute-2: " in out
    assert "All hosts: paused by bob@control-2: storm" in out


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("compute-3", "its flag is no"),
        ("compute-4", "its flag is control-2@7"),
        ("compute-5", "its flag is go"),
        ("compute-6", "it is not flagged"),
    ],
)
def test_what_is_not_held_is_refused_and_nothing_is_changed(command, host, said):
    pacemaker = Pacemaker(FLAGS)
    code, out, err = command(pacemaker, "go", "--yes", "compute-1", host)
    assert (code, out, pacemaker.flags) == (1, "", FLAGS)
    assert err.count("\n") == 1
    assert err.startswith(f"nova-ha: {host}: {said}")
    assert "nothing has been changed" in err


def test_a_flag_that_changes_in_between_is_left(command):
    pacemaker = Pacemaker({"compute-1": "yes"})
    pacemaker.steal = "control-2@7"
    code, _out, err = command(pacemaker, "go", "--all", "--yes")
    assert (code, pacemaker.flags) == (1, {"compute-1": "control-2@7"})
    assert err == "nova-ha: compute-1: not changed, its flag is control-2@7 meanwhile\n"


@pytest.mark.parametrize("asked", [[], ["--all", "--yes"]])
def test_nobody_is_held(command, asked):
    assert command(Pacemaker({"compute-1": "no"}), "go", *asked) == (0, "No host is held: no flag is yes.\n", "")


def test_that_no_engine_runs_is_said(command):
    code, _out, err = command(Pacemaker({"compute-1": "yes"}, active=[]), "go", "--all", "--yes")
    assert code == 0
    assert err.startswith("nova-ha: no engine runs")


def test_that_a_host_is_paused_though_it_is_let_go_is_said(command):
    code, _out, err = command(paused(OF_ONE), "go", "compute-1", "--yes")
    assert code == 0
    assert "compute-1: paused until" in err


# pause


@pytest.mark.parametrize(
    ("asked", "scope", "names", "seconds"),
    [
        (["--all"], ALL, [""], None),
        (["--all", "--for", "2h"], ALL, [""], 7200),
        (["compute-9"], HOST, ["compute-9"], None),
        (["compute-9", "compute-1.example.org", "--for", "3d"], HOST, ["compute-9", "compute-1"], 259200),
    ],
)
def test_recoveries_are_put_off(command, noted, asked, scope, names, seconds):
    pacemaker = Pacemaker(FLAGS)
    code, _out, err = command(pacemaker, "pause", *asked, *WHY, "--yes")
    assert (code, err) == (0, "")
    found = put_off(pacemaker)
    assert [each.name for each in found] == names
    assert {(each.scope, each.who, each.reason) for each in found} == {(scope, "alice@control-1", WHY[1])}
    for each in found:
        assert abs(each.since - time.time()) < 60
        assert each.until == (seconds and each.since + seconds)
    assert len(noted) == len(names)


def test_a_pause_takes_the_place_of_one_of_the_same_hosts_and_those_that_are_over_go(command):
    over = Pause(HOST, "compute-2", 1000, 2000, "bob", "over")
    pacemaker = paused(OF_ALL, OF_ONE, over)
    assert command(pacemaker, "pause", "compute-1", "--for", "90s", *WHY, "--yes")[0] == 0
    assert [(each.scope, each.name, each.reason) for each in put_off(pacemaker)] == [
        (ALL, "", "storm"),
        (HOST, "compute-1", WHY[1]),
    ]


def test_who_changes_the_pauses_in_between_is_not_overruled(command, noted):
    for pacemaker in (paused(), paused(OF_ONE)):
        pacemaker.steal = pauses.written([OF_ALL])
        code, _out, err = command(pacemaker, "pause", "compute-2", *WHY, "--yes")
        assert (code, put_off(pacemaker), noted) == (1, [OF_ALL], [])
        assert "nothing has been changed" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["pause", "--all"],
        ["hold", *WHY],
        ["hold", "compute-1"],
        ["pause", "--all", "--for", "2", *WHY],
        ["pause", "--all", "--for", "0h", *WHY],
        ["pause", "--all", "--for", "2 h", *WHY],
        ["pause", "--all", "--for", "soon", *WHY],
    ],
)
def test_what_will_not_do_is_told_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("asked", [[], ["compute-8"]])
def test_a_pause_of_nobody_is_refused(command, asked):
    pacemaker = Pacemaker(FLAGS)
    code, _out, err = command(pacemaker, "pause", *asked, *WHY, "--yes")
    assert (code, pacemaker.put_off, err.count("\n")) == (1, None, 1)


# hold


def test_a_host_is_held_beforehand_and_one_that_was_let_go_is_held_again(command, noted):
    pacemaker = Pacemaker(FLAGS)
    code, out, _err = command(pacemaker, "hold", "compute-9", "compute-5", *WHY, "--yes")
    assert code == 0
    assert {(each.name, each.until) for each in put_off(pacemaker)} == {("compute-9", None), ("compute-5", None)}
    assert pacemaker.flags["compute-5"] == "yes"
    assert "compute-5: flag go -> yes" in out
    assert [" order=hold " in line for line in noted] == [True, True]


@pytest.mark.parametrize("host", ["compute-3", "compute-4"])
def test_a_host_that_is_taken_up_is_not_held(command, host):
    pacemaker = Pacemaker(FLAGS)
    code, _out, err = command(pacemaker, "hold", "compute-1", host, *WHY, "--yes")
    assert (code, pacemaker.put_off) == (1, None)
    assert err.startswith(f"nova-ha: {host}: its flag is")


def test_a_host_that_is_taken_up_before_the_pause_stands_is_told(command):
    class Quick(Pacemaker):
        def _crm_attribute(self, *options):
            self.flags["compute-5"] = "control-2@7"
            return super()._crm_attribute(*options)

    code, _out, err = command(Quick(FLAGS), "hold", "compute-5", *WHY, "--yes")
    assert code == 1
    assert err.startswith("nova-ha: compute-5: taken up")


# resume


@pytest.mark.parametrize(
    ("asked", "left", "free"),
    [
        (["compute-1"], [OF_ALL], None),
        (["--all"], [], "compute-1, compute-2, compute-5"),
    ],
)
def test_pauses_are_ended_and_what_starts_then_is_told(command, asked, left, free):
    pacemaker = paused(OF_ALL, OF_ONE)
    code, out, err = command(pacemaker, "resume", *asked, "--yes")
    assert (code, err, put_off(pacemaker)) == (0, "", left)
    assert (f"Taken up at once, unless the mass failure guard holds them: {free}" in out) is (free is not None)


def test_a_host_that_is_not_paused_itself_is_told(command):
    pacemaker = paused(OF_ALL)
    code, _out, err = command(pacemaker, "resume", "compute-2", "--yes")
    assert (code, put_off(pacemaker)) == (1, [OF_ALL])
    assert "nova-ha resume --all" in err


@pytest.mark.parametrize("asked", [["resume"], ["resume", "--all", "--yes"]])
def test_nothing_is_paused(command, asked):
    assert command(Pacemaker(FLAGS), *asked) == (0, "Nothing is paused.\n", "")


def test_equal_pauses_are_listed_once(command):
    pacemaker = paused(OF_ONE, Pause(HOST, "compute-2", 1001, 2**40, "bob@control-2", "disks"))
    _code, out, _err = command(pacemaker, "resume")
    assert out.startswith("compute-1, compute-2: paused until")
    assert out.count("\n") == 1


def test_what_cannot_be_read_is_ended_by_resume_all_only(command):
    pacemaker = Pacemaker(FLAGS)
    pacemaker.put_off = "yes"
    for order in (["resume", "compute-1", "--yes"], ["pause", "--all", *WHY, "--yes"]):
        code, _out, err = command(pacemaker, *order)
        assert (code, pacemaker.put_off) == (1, "yes")
        assert "nova-ha resume --all" in err
    assert command(pacemaker, "resume", "--all", "--yes")[0] == 0
    assert pacemaker.put_off is None


def test_status_shows_what_is_paused_and_a_pause_alone_is_no_alarm(command):
    pacemaker = paused(OF_ALL, flags={})
    code, out, _err = command(pacemaker, "status")
    assert code == 0
    assert "All hosts: paused by bob@control-2: storm" in out
    pauses_told = json.loads(command(pacemaker, "status", "--json")[1])["pauses"]
    assert pauses_told == [dataclasses.asdict(OF_ALL)]
    pacemaker.put_off = "yes"
    code, out, _err = command(pacemaker, "status")
    assert code == 4
    assert "NEEDS AN OPERATOR" in out
