# SPDX-License-Identifier: Apache-2.0
"""The Grafana dashboard that is shipped: it is one, and what it asks Prometheus for is there."""

import json
import re
import shutil
import subprocess

import pytest

from nova_ha.reporting.metrics import COUNTER, HISTOGRAM, METRICS
from tests import pages
from tests.unit.agent_programs import TREE

DASHBOARD = json.loads((TREE / "grafana/nova-ha.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
SHOWN = {title: panel for title, panel in PANELS.items() if panel["type"] != "row"}
# Kinds of panels that Grafana brings by itself.
KINDS = {"row", "stat", "timeseries", "table", "bargauge", "heatmap"}
# Beside a metric's own, what Prometheus puts on what it scrapes, and on a histogram's buckets.
LABELS = {"instance", "job", "le"}


def queries():
    """Each expression that Grafana sends, by who sends it."""
    for title, panel in SHOWN.items():
        for number, target in enumerate(panel["targets"]):
            yield pytest.param(target["expr"], id=f"{title} {number}")
    for annotation in DASHBOARD["annotations"]["list"]:
        yield pytest.param(annotation["expr"], id=annotation["name"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield pytest.param(variable["definition"], id=variable["name"])


def base(sample):
    """The metric of which something is a sample."""
    name = re.sub("_(bucket|sum|count)$", "", sample)
    return name if METRICS.get(name, ("",))[0] == HISTOGRAM else sample


def test_it_is_a_dashboard():
    assert {"uid", "title", "schemaVersion", "time", "refresh", "annotations", "templating", "panels"} <= set(DASHBOARD)
    assert len(PANELS) == len(DASHBOARD["panels"]) and DASHBOARD["title"] == "nova-ha"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert {panel["type"] for panel in DASHBOARD["panels"]} <= KINDS
    for panel in SHOWN.values():
        # An operator reads what a figure means, and chooses where it comes from.
        assert panel["description"] and panel["targets"] and "fieldConfig" in panel and "options" in panel
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == list("ABCDE"[: len(panel["targets"])])
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "host"]


def test_no_panel_lies_on_another():
    taken = {}
    for title, panel in PANELS.items():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), title) == title


@pytest.mark.parametrize("expression", queries())
def test_what_it_asks_for_is_told(expression):
    names = set(re.findall("nova_ha_[a-z_]+", expression))
    assert names
    for name in names:
        assert base(name) in METRICS, name
        if METRICS[base(name)][0] in (COUNTER, HISTOGRAM) and "label_values" not in expression:
            # A counter begins anew with another engine.
            assert re.search(rf"increase\({name}\b", expression)
    labels = {label for name in names for label in METRICS[base(name)][1]} | LABELS
    chosen = re.findall(r"([a-z]+)(?:=~|!=|=)\"", expression)
    grouped = [label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")]
    assert set(chosen) | set(grouped) <= labels


def test_the_page_has_its_rows():
    page = (TREE / "docs/monitoring.md").read_text(encoding="utf-8")
    section = page.partition("## Dashboard")[2].partition("## Notifications")[0]
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert [row["row"] for row in pages.rows(section)] == rows


def test_it_shows_every_metric():
    asked = {base(name) for panel in SHOWN.values() for each in panel["targets"] for name in names_in(each["expr"])}
    assert asked == set(METRICS)


def names_in(expression):
    return re.findall("nova_ha_[a-z_]+", expression)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (package prometheus) is not installed")
def test_prometheus_understands_what_it_asks_for(tmp_path):
    filled = [each.values[0] for each in queries() if "label_values" not in each.values[0]]
    filled = [re.sub(r"\$__range|\$__rate_interval", "5m", each).replace("$host", ".*") for each in filled]
    rules = [{"record": f"asked:{number}", "expr": each} for number, each in enumerate(filled)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
