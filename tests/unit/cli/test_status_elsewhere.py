# SPDX-License-Identifier: Apache-2.0
"""``nova-ha status`` is the same on every control node; again and again; and in one line for monitoring systems."""

import json
import re
import time

import pytest

from nova_ha.cli import main, watch
from nova_ha.cluster.errors import ClusterError
from nova_ha.reporting import published
from tests.unit.cli.scenes import Pacemaker, account, doing

CLAIM = "control-1@1000"
STUCK = doing(2, reason="it hangs", needs_operator=True, code="stuck", command="openstack server show")
REPORT = {
    "schema": 1,
    "state": "working",
    "reason": "1 host flagged",
    "hosts": {"compute-1": account(CLAIM, [doing(1), STUCK], begun=time.time() - 80, back=3)},
}


def elsewhere(report=REPORT, complaint=None, **more):
    """The cluster as another node than the engine's sees it."""
    pacemaker = Pacemaker({"compute-1": CLAIM}, ["control-1"], node="control-2", **more)
    pacemaker.published = {"control-1": published.packed(report, complaint, 60_000), "control-3": "stale"}
    return pacemaker


@pytest.mark.parametrize("form", [[], ["--json"], ["compute-1"]])
def test_text_and_exit_code_are_those_of_the_engine_s_node(command, engine, form):
    there = elsewhere()
    told = command(there, "status", *form)
    engine(**REPORT)
    here = command(Pacemaker({"compute-1": CLAIM}, ["control-1"]), "status", *form)
    assert told[0] == here[0] == 4
    if form == ["--json"]:
        known, of_here = json.loads(told[1]), json.loads(here[1])
        assert (known["engine"].pop("here"), of_here["engine"].pop("here")) == (False, True)
        assert known.pop("time") - of_here.pop("time") < 60
        assert known == of_here
    else:
        # Between the two a second may have passed.
        assert re.sub(r"\d+ s\b", "", told[1]) == re.sub(r"\d+ s\b", "", here[1])
        assert "NEEDS AN OPERATOR: stuck: it hangs" in told[1]


@pytest.mark.parametrize(
    ("report", "complaint", "state"),
    [
        ({**REPORT, "hosts": {}}, "Keystone refuses it", "working"),
        ({**REPORT, "state": "waiting", "hosts": {}}, None, "waiting"),
    ],
    ids=["degraded", "the cloud is away"],
)
def test_what_the_engine_suffers_from_needs_an_operator_on_every_node(command, report, complaint, state):
    code, out, _err = command(elsewhere(report, complaint), "status", "--json")
    found = json.loads(out)["engine"]
    assert (code, found["state"], found["complaint"]) == (4, state, complaint)


@pytest.mark.parametrize(
    "word", ["", "no account", "QUJD", published.packed({"schema": 0, "state": "x", "reason": "y"}, None, 99)]
)
def test_what_cannot_be_understood_is_not_guessed_at(command, word):
    pacemaker = elsewhere()
    pacemaker.published = {"control-1": word}
    code, out, err = command(pacemaker, "status")
    assert (code, err) == (3, "") or "another version" in out
    assert "not known here" in out


def test_without_attrd_the_flags_are_shown_all_the_same(command):
    class Deaf(Pacemaker):
        def _attrd_updater(self, *_options):
            raise ClusterError("attrd_updater did not answer within 20 s")

    code, out, err = command(Deaf({"compute-1": CLAIM}, ["control-1"], node="control-2"), "status")
    assert (code, err) == (3, "")
    assert "compute-1" in out


# Progress, and the order of what is shown


def test_how_far_a_recovery_is(command):
    host = account(CLAIM, [doing(1), STUCK, doing(3, "skip")], begun=time.time() - 80, back=3)
    _code, out, _err = command(elsewhere({**REPORT, "hosts": {"compute-1": host}}), "status")
    assert re.search(
        r"^    3 of 5 instances arrived elsewhere within 8\d s; about 5\d s to go at this rate$", out, re.M
    )


def test_hosts_in_trouble_come_first_and_equal_reasons_are_told_once(command):
    waiting = [doing(number) for number in range(3)]
    hosts = {"compute-1": account(CLAIM, waiting), "compute-2": account(CLAIM, [STUCK])}
    pacemaker = elsewhere({**REPORT, "hosts": hosts})
    pacemaker.flags["compute-2"] = CLAIM
    out = command(pacemaker, "status")[1]
    assert re.findall(r"^compute-\d", out, re.M) == ["compute-2", "compute-1"]
    assert out.count("evacuating: evacuation 7 is running") == 1


# Again and again


def looks(*verdicts):
    found = iter(verdicts)

    def look():
        verdict = next(found)
        if verdict is None:
            raise ClusterError("crm_mon did not answer")
        return {"verdict": verdict}

    return look


@pytest.mark.parametrize("last", ["well", "attention"])
def test_until_done_goes_on_over_an_outage_and_ends_with_the_verdict(last, capsys):
    slept, shown = [], []
    look = looks("recovering", None, "recovering", last)
    found = watch.watch(look, shown.append, 7, until_done=True, sleep=slept.append)
    assert found == {"verdict": last}
    assert slept == [7, 7, 7]
    assert [each["verdict"] for each in shown] == ["recovering", "recovering", last]
    assert capsys.readouterr().err == "nova-ha: crm_mon did not answer\n"


def test_watch_goes_on_when_all_is_well():
    with pytest.raises(StopIteration):
        watch.watch(looks("well", "well"), None, 1, until_done=False, sleep=lambda _seconds: None)


@pytest.mark.parametrize("form", [(), ("--watch",), ("--watch=0.1",)])
def test_until_done_shows_the_end_and_its_exit_code(command, form):
    code, out, _err = command(elsewhere(), "status", "--until-done", *form)
    assert code == 4
    assert out.count("stuck: it hangs") == 1


@pytest.mark.parametrize("seconds", ["0", "soon", "-1", "nan"])
def test_a_pause_that_will_not_do_is_named(seconds, capsys):
    with pytest.raises(SystemExit) as end:
        main.main(["status", f"--watch={seconds}"])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


# For monitoring systems


@pytest.mark.parametrize(
    ("flags", "report", "complaint", "code", "words"),
    [
        ({}, {**REPORT, "hosts": {}}, None, 0, ("OK", "working", "hosts=0;")),
        ({"compute-1": CLAIM}, {**REPORT, "hosts": {}}, None, 1, ("WARNING", "hosts=1;")),
        ({"compute-1": CLAIM}, REPORT, None, 2, ("CRITICAL", "nova-ha status compute-1", "instances=2")),
        ({}, {**REPORT, "hosts": {}}, "Keystone|refuses\nit", 2, ("CRITICAL", "Keystone/refuses it")),
        ({}, {**REPORT, "state": "waiting", "hosts": {}}, None, 2, ("CRITICAL", "engine waiting")),
    ],
    ids=["well", "recovering", "stuck", "degraded", "the cloud is away"],
)
def test_one_line_for_monitoring_systems(command, flags, report, complaint, code, words):
    pacemaker = elsewhere(report, complaint)
    pacemaker.flags = flags
    told, out, err = command(pacemaker, "status", "--nagios")
    assert (told, err, out.count("\n"), out.count("|")) == (code, "", 1, 1)
    assert all(word in out for word in words)


def test_monitoring_systems_are_told_that_nothing_is_known(command):
    class Slow(Pacemaker):
        def _crm_mon(self, *_options):
            raise ClusterError("crm_mon did not answer within 20 s")

    code, out, err = command(Slow(), "status", "--nagios")
    assert (code, err) == (3, "")
    assert "UNKNOWN" in out
