# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told: by its own parser, from a status as nova-ha has it; and the alerts that are shipped."""

import pathlib
import re
import shutil
import subprocess

import pytest

pytest.importorskip("prometheus_client", reason="python3-prometheus-client is not installed")

from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from nova_ha.cli import main, metrics  # noqa: E402
from nova_ha.cluster.errors import ClusterError  # noqa: E402
from nova_ha.model.pauses import ALL, HOST, Pause, written  # noqa: E402
from nova_ha.reporting import published  # noqa: E402
from nova_ha.reporting.counters import Counters  # noqa: E402
from nova_ha.reporting.events import Event  # noqa: E402
from nova_ha.reporting.metrics import METRICS  # noqa: E402
from tests import pages  # noqa: E402
from tests.unit.agent_programs import TREE  # noqa: E402
from tests.unit.cli.scenes import Pacemaker, account, doing  # noqa: E402

RULES = TREE / "prometheus/nova-ha.rules.yaml"
CLAIM = "control-1@1000"
STUCK = doing(2, needs_operator=True, code="stuck")


def engine(**more):
    """A cluster whose engine, on another node, has published its account."""
    counters = Counters()
    counters.see(Event.INSTANCE_EVACUATED, 42)
    hosts = {
        "compute-1": account(CLAIM, [doing(1), STUCK, doing(3, "skip")], begun=1000.0, back=3),
        "compute-2": account("yes", what="wait", code="held_by_guard", needs_operator=True),
    }
    report = {"schema": 1, "state": "working", "reason": "r", "hosts": hosts, "counters": counters.as_dict(), **more}
    flags = {"compute-1": CLAIM, "compute-2": "yes", "compute-3": "no", "compute-4": "?"}
    pacemaker = Pacemaker(flags, ["control-1"], node="control-2")
    pacemaker.published = {"control-1": published.packed(report, None, 60_000)}
    pacemaker.beside = {
        "evacuate-maintenance": {"compute-8": "700:alice:kernel:"},
        "evacuate-drill": {"compute-8": "1:600", "compute-9": "somebody else's"},
    }
    return pacemaker


@pytest.fixture
def told(tmp_path, capsys):
    """What ``nova-ha metrics`` prints, as ``{(name, labels ...): value}``; whoever runs it."""

    def tell(pacemaker):
        assert main.main(["metrics"], pacemaker, str(tmp_path), str(tmp_path / "none")) == 0
        text = capsys.readouterr().out
        return {
            (sample.name, *(value for _name, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    return tell


def test_everything_is_told(told):
    pacemaker = engine()
    pacemaker.put_off = written(
        [Pause(ALL, "", 900, None, "alice", "x"), Pause(HOST, "compute-9", 800, None, "a", "x")]
    )
    found = told(pacemaker)
    for sample in [
        ("nova_ha_up",),
        ("nova_ha_verdict", "attention"),
        ("nova_ha_engine_active", "control-1"),
        ("nova_ha_engine_state", "working"),
        ("nova_ha_host_flag", "claimed", "compute-1"),
        ("nova_ha_host_flag", "yes", "compute-2"),
        ("nova_ha_host_flag", "no", "compute-3"),
        ("nova_ha_host_flag", "unknown", "compute-4"),
        ("nova_ha_host_waiting", "held_by_guard", "compute-2"),
        ("nova_ha_host_needs_operator", "compute-1"),
        ("nova_ha_host_needs_operator", "compute-2"),
        ("nova_ha_host_needs_operator", "compute-4"),
        ("nova_ha_instances_needing_operator", "stuck"),
        ("nova_ha_events_total", "instance_evacuated"),
        ("nova_ha_instance_outage_seconds_count",),
        ("nova_ha_instance_outage_seconds_bucket", "60.0"),
        ("nova_ha_instance_outage_seconds_bucket", "+Inf"),
        ("nova_ha_paused", "all"),
        ("nova_ha_paused", "host"),
    ]:
        assert found[sample] == 1, sample
    assert found["nova_ha_host_needs_operator", "compute-3"] == found["nova_ha_engine_degraded",] == 0
    assert found["nova_ha_instance_outage_seconds_bucket", "30.0"] == 0
    assert found["nova_ha_instance_outage_seconds_sum",] == 42
    assert found["nova_ha_host_claimed_timestamp_seconds", "compute-1"] == 1000
    assert found["nova_ha_host_instances", "wait", "compute-1"] == 2
    assert found["nova_ha_host_instances_back", "compute-1"] == 3
    assert found["nova_ha_pause_start_timestamp_seconds",] == 800
    assert found["nova_ha_maintenance_start_timestamp_seconds", "compute-8"] == 700
    drills = {key: value for key, value in found.items() if key[0] == "nova_ha_drill_success_timestamp_seconds"}
    assert drills == {("nova_ha_drill_success_timestamp_seconds", "compute-8", "1"): 600}


def test_each_metric_is_told_of_some_status_and_has_its_labels(told):
    found = told(engine())
    names = {re.sub("_(bucket|count|sum)$", "", name) for name, *_labels in found}
    not_then = {"nova_ha_pause_start_timestamp_seconds"}
    assert names == set(METRICS) - not_then


def test_an_engine_that_has_counted_nothing_yet_is_told_of(told):
    found = told(engine(counters={}, hosts={}))
    assert ("nova_ha_instance_outage_seconds_count",) not in found
    assert found["nova_ha_verdict", "attention"] == 1


@pytest.mark.parametrize("resources", [{}, {"a": {}, "b": {}}])
def test_without_one_engine_to_tell_of_the_exporter_goes_on(told, resources):
    found = told(Pacemaker(resources=resources))
    assert found["nova_ha_up",] == (0 if resources else 1)


def test_a_cluster_that_does_not_answer_is_told(told):
    pacemaker = engine()
    pacemaker.away = True
    assert {name for name, *_labels in told(pacemaker)} == {"nova_ha_up", "nova_ha_build_info"}


def test_what_was_read_is_told_again_for_a_while():
    now, looks = [100.0], []

    def find():
        looks.append(now[0])
        raise ClusterError("away")

    collector = metrics.FromCluster(find, lambda: now[0])
    for seconds in (0, metrics.KEPT - 0.1, 0.1, metrics.KEPT):
        now[0] += seconds
        assert collector.collect()
    assert looks == [100.0, 100.0 + metrics.KEPT, 100.0 + 2 * metrics.KEPT]


# The exporter


@pytest.mark.parametrize("text", ["9877", ":9877", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x"])
def test_an_address_that_will_not_do_is_named(text, capsys):
    with pytest.raises(SystemExit) as end:
        main.main(["exporter", "--listen", text])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_address_that_is_taken_is_named(tmp_path, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        code = main.main(["exporter", "--listen", where], engine(), str(tmp_path), str(tmp_path / "none"))
    assert code == 1
    assert capsys.readouterr().err.startswith(f"nova-ha: --listen {where}: ")


# What is shipped


def test_the_page_has_every_metric():
    page = (TREE / "docs/monitoring.md").read_text(encoding="utf-8")
    rows = pages.rows(page.partition("## Metrics")[2].partition("## Alerts")[0])
    shown = {row["metric"]: (row["type"], row["labels"]) for row in rows}
    code = {name: (kind, ", ".join(labels) or None) for name, (kind, labels, _meaning) in METRICS.items()}
    assert shown == code


def test_the_page_has_every_alert_and_each_names_its_place_in_the_pages():
    page = (TREE / "docs/monitoring.md").read_text(encoding="utf-8")
    rules = RULES.read_text(encoding="utf-8")
    alerts = re.findall("alert: (\\w+)", rules)
    assert re.findall("^### (NovaHa\\w+)$", page, re.MULTILINE) == alerts
    places = re.findall("runbook: (\\w+)\\.html#([\\w-]+)", rules)
    assert len(places) == len(alerts)
    for name, anchor in places:
        headings = re.findall("^#+ (.+)$", (TREE / f"docs/{name}.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {heading.strip("`").lower().replace("_", "-") for heading in headings}
    for metric in set(re.findall("nova_ha_\\w+", rules)):
        assert metric in METRICS


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not installed")
def test_the_alerts_fire_and_end_as_promtool_finds(tmp_path):
    # promtool compares each word of the annotations as well: these are for people.
    plain = re.sub(r"        annotations:\n(?:          .*\n)+", "", RULES.read_text(encoding="utf-8"))
    (tmp_path / RULES.name).write_text(plain)
    tests = pathlib.Path(shutil.copy(TREE / "tests/unit/reporting/nova-ha.rules.test.yaml", tmp_path))
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(tests)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
