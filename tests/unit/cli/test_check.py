# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha check`` prints, and how it ends."""

import functools
import json
import subprocess

import pytest

from nova_ha.checks import gather
from nova_ha.cli import check, colour, main
from nova_ha.cli import keeper as keeping
from nova_ha.cloud import errors
from nova_ha.model.findings import FindingCode, error, note, warning
from tests import schemas
from tests.unit.agent_programs import TREE
from tests.unit.checks import clusters


@pytest.fixture
def cluster():
    return clusters.Cluster()


@pytest.fixture
def cloud(monkeypatch):
    found = clusters.Cloud()
    monkeypatch.setattr(gather, "facts", functools.partial(gather.facts, connect=lambda _conf: found))
    return found


@pytest.fixture
def command(tmp_path, capsys, monkeypatch, cluster, cloud, keeper):
    """Runs nova-ha check where the history is kept; returns exit code, standard output and standard error."""
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def run(*arguments):
        code = main.main(["check", *arguments], cluster, str(tmp_path), str(tmp_path / "nova-ha.conf"))
        out, err = capsys.readouterr()
        if "--json" in arguments and out:
            schemas.check("check", json.loads(out))
        return code, out, err

    return run


def test_nothing_is_found(command):
    code, out, err = command()
    assert (code, err) == (0, "")
    assert out.startswith("Nothing found in 3 compute hosts (")
    assert check.UNSEEN in " ".join(out.split())


@pytest.mark.parametrize(
    ("told", "runs", "missing"),
    [
        (("control-1", "control-2", "control-3"), True, []),
        (("control-2", "control-3"), True, []),
        (("control-1", "control-3"), True, ["control-2"]),
        # What it has told before it ended stands.
        (("control-1", "control-2", "control-3"), False, ["control-1"]),
        ((), False, ["control-1", "control-2", "control-3"]),
    ],
)
def test_a_control_node_that_does_not_keep_the_history_is_found(command, cluster, monkeypatch, told, runs, missing):
    cluster.keepers = told
    monkeypatch.setattr(keeping, "runs", lambda _history: runs)
    findings = json.loads(command("--json")[1])["findings"]
    assert [each["subject"] for each in findings if each["code"] == "history_not_kept"] == missing


def test_a_single_control_node_has_nobody_to_exchange_with(command, cluster):
    cluster.keepers = ()
    for name in ("control-2", "control-3"):
        (entry,) = [each for each in cluster.cib.iter("node") if each.get("uname") == name]
        cluster.remove(entry.get("id"))
    assert "history_not_kept" not in command()[1]


def test_a_control_node_that_is_off_is_not_missed(command, cluster):
    cluster.keepers = ("control-1", "control-2")
    cluster.node("control-3", online="false")
    assert "history_not_kept" not in command()[1]


def test_the_worst_comes_first_with_what_mends_it(command, cluster):
    cluster.property("concurrent-fencing", "false")
    cluster.level("compute-1", "ipmi-compute-1")
    code, out, _err = command()
    assert code == 4
    first, second = out.index("ERROR   level_without_flag  compute-1\n"), out.index("WARNING fencing_one_by_one")
    assert first < second
    assert "\n        mend: pcs property set concurrent-fencing=true\n" in out
    assert "\n1 error, 1 warning in 3 compute hosts (" in out and "Explain one: nova-ha explain CODE\n" in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        (lambda c: c.property("enable-startup-probes", "false"), (0, 0)),
        (lambda c: c.property("concurrent-fencing", "false"), (3, 1)),
        (lambda c: c.property("stonith-enabled", "false"), (4, 2)),
        (lambda c: setattr(c, "away", True), (4, 2)),
    ],
)
def test_the_exit_code_is_the_worst_severity_s(command, cluster, fault, codes):
    fault(cluster)
    assert (command()[0], command("--nagios")[0]) == codes


def test_one_finding_of_many_hosts_is_told_once(command, cluster):
    for host in clusters.HOSTS:
        cluster.parameter(host, "reconnect_interval", None)
    _code, out, _err = command()
    assert out.count("slow_connection") == 1
    assert "slow_connection  compute-1, compute-2, compute-3\n" in out
    assert "mend compute-1, and others likewise: pcs resource update compute-1 " in out


def test_the_check_for_programs(command, cluster):
    cluster.property("stonith-enabled", "false")
    code, out, _err = command("--json")
    found = json.loads(out)
    assert (code, found["hosts"], found["cloud"], found["time"] > 0) == (4, 3, True, True)
    assert found["counts"] == {"error": 1, "warning": 0, "note": 0}
    (finding,) = found["findings"]
    assert (finding["code"], finding["severity"], finding["subject"], finding["command"]) == (
        "stonith_disabled",
        "error",
        "stonith-enabled",
        "pcs property set stonith-enabled=true",
    )


def test_a_cluster_and_a_cloud_that_are_away_are_findings(command, cluster, cloud, tmp_path):
    cloud.answers["connect"] = errors.Unreachable("http://c/v3: Connection refused")
    code, out, err = command("--json")
    assert (code, err, json.loads(out)["findings"][0]["code"]) == (4, "", "cloud_away")
    cluster.away = True
    code, out, err = command("--json")
    found = json.loads(out)
    assert (code, err, found["hosts"], found["cloud"]) == (4, "", None, False)
    assert [each["code"] for each in found["findings"]] == ["cluster_away"]


def test_lines_for_the_journal_have_their_priorities(command, cluster):
    cluster.property("stonith-enabled", "false")
    _code, out, _err = command("--journal")
    first, last = out.splitlines()
    assert first.startswith("<3>stonith_disabled: stonith-enabled: ")
    assert first.endswith(" mend: pcs property set stonith-enabled=true")
    assert last.startswith("<6>1 error in 3 compute hosts")


def test_one_line_for_a_monitoring_system(command, cluster):
    cluster.property("stonith-enabled", "false")
    _code, out, _err = command("--nagios")
    expected = "NOVA-HA CRITICAL - 1 error: stonith_disabled stonith-enabled | errors=1 warnings=0 notes=0\n"
    assert out == expected


@pytest.mark.parametrize("arguments", [["--nagios", "--journal"], ["compute-1"], ["--yes"]])
def test_wrong_usage_is_one_line(arguments):
    done = subprocess.run([TREE / "tools/nova-ha", "check", *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_who_may_not_is_told_so_in_one_line(command, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    code, out, err = command()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("nova-ha: must be run as root")


@pytest.mark.parametrize(
    ("arguments", "environment", "is_terminal", "coloured"),
    [
        ([], {}, True, True),
        ([], {}, False, False),
        (["--no-color"], {}, True, False),
        ([], {"NO_COLOR": "1"}, True, False),
        ([], {"NO_COLOR": ""}, True, True),
        ([], {"TERM": "dumb"}, True, False),
    ],
)
def test_colour_is_for_terminals_whose_user_wants_it(monkeypatch, arguments, environment, is_terminal, coloured):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    given = main._parser().parse_args([*arguments, "check"])
    assert (colour.painter(given.no_color)("text", colour.RED) == "\033[31mtext\033[0m") == coloured


def test_what_a_finding_says_does_not_steer_the_terminal(command, cluster):
    cluster.attribute("compute-1", "evacuate", "\x7f\u202ebad")
    out = command()[1] + command("--journal")[1] + command("--nagios")[1]
    assert "\x7f" not in out and "\u202e" not in out


def test_several_engines_are_told_apart_by_name(command, cluster):
    other = cluster.find("nova-evacuate")
    copy = type(other)("primitive", {**other.attrib, "id": "other"})
    cluster.cib.find("configuration/resources").append(copy)
    assert "--resource is needed, one of nova-evacuate, other" in command()[2]


def test_findings_that_differ_in_more_than_their_subject_are_told_apart():
    found = [
        error(FindingCode.NO_LEVEL, "compute-1", "compute-1 has none", "mend compute-1"),
        error(FindingCode.NO_LEVEL, "compute-2", "compute-2 has none", "mend compute-2"),
        warning(FindingCode.NO_LEVEL, "c", "c has none"),
        note(FindingCode.NO_MONITOR, "d", "it is another text"),
    ]
    assert [group.subjects for group in check._grouped(found)] == [["compute-1", "compute-2"], ["c"], ["d"]]
