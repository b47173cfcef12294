# SPDX-License-Identifier: Apache-2.0
"""``nova-ha report``: for people, for programs, and as one page that loads nothing."""

import html.parser
import json
import os
from xml.etree import ElementTree

import pytest

from nova_ha.cli import report
from tests.unit.cli.scenes import ID, RESOURCE, Pacemaker, event

NASTY = "<script>alert(1)</script> & \x1b[31m\"'"


def happened(host, begun, instances=3):
    told = [event("host_claimed", host, None), event("host_disabled", host, None, request="req-1")]
    told += [event("evacuation_accepted", host, number, request=f"req-{number}") for number in range(1, instances + 1)]
    told += [event("evacuation_not_accepted", host, 1, level="warning", code="no_room", reason=NASTY)]
    told += [event("instance_evacuated", host, number, reason="it is on c3") for number in range(1, instances + 1)]
    told += [event("instance_skipped", host, 99, code="not_selected", reason=NASTY)]
    told += [event(what, host, None) for what in ("host_recovered", "host_in_service", "flag_cleared")]
    return [{**each, "time": begun + number} for number, each in enumerate(told)]


@pytest.fixture
def recovered(kept, keeper):
    """Two hosts were."""
    kept.append(RESOURCE, "control-1", [*happened("compute-1", 1000.0), *happened("compute-2", 5000.0)])


def test_without_a_choice_all_are_listed(command, recovered):
    code, out, err = command(Pacemaker(), "report")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if "@" in line] == ["compute-1@1000", "compute-2@5000"]
    assert "4 instances: 3 evacuated, 1 left" in out
    listed = json.loads(command(Pacemaker(), "report", "--json")[1])
    assert [each["id"] for each in listed["recoveries"]] == ["compute-1@1000", "compute-2@5000"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("--last", "compute-2@5000"),
        ("compute-1", "compute-1@1000"),
        ("compute-1@1000", "compute-1@1000"),
    ],
)
def test_one_is_told(command, recovered, asked, found):
    told = json.loads(command(Pacemaker(), "report", asked, "--json")[1])
    assert (told["resource"], [each["id"] for each in told["recoveries"]]) == (RESOURCE, [found])
    code, out, err = command(Pacemaker(), "report", asked)
    assert (code, err) == (0, "")
    assert out.startswith(f"Recovery {found}: over\n")
    for phase in ("taken_up", "first_request", "all_back", "in_service", "closed"):
        assert phase in out
    assert "no_room: <script>" in out
    assert "\x1b" not in out
    assert f"longest 8.0 s ({ID.format(3)})" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["compute-3"], 1, "compute-3: no recovery of that id"),
        (["compute-1@7"], 1, "compute-1@7: no recovery of that id"),
        (["compute-1", "--last"], 2, "not both"),
        (["--html", "x.html"], 2, "--html: "),
        (["--html", "x.html", "--json", "--last"], 2, "not allowed with"),
        (["--last", "--html", "/nowhere/x.html"], 1, "/nowhere/x.html: No such file or directory"),
        (["--last", "--html", "/"], 1, "--html /: "),
    ],
)
def test_what_cannot_be_told_is_one_line(command, recovered, capsys, arguments, code, said):
    try:
        found, out, err = command(Pacemaker(), "report", *arguments)
    except SystemExit as ended:
        found, (out, err) = ended.code, capsys.readouterr()
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert said in err


def test_none_is_kept(command, keeper):
    assert command(Pacemaker(), "report") == (0, "No recovery is kept on this node.\n", "")
    assert command(Pacemaker(), "report", "--last") == (1, "", "nova-ha: no recovery is kept on this node\n")


def test_it_is_told_while_the_cluster_is_down(command, recovered):
    pacemaker = Pacemaker()
    pacemaker.away = True
    code, out, _err = command(pacemaker, "report", "--last")
    assert (code, out.partition(":")[0]) == (0, "Recovery compute-2@5000")


# The page


class Page(html.parser.HTMLParser):
    """What is in a page: its elements, and what they would load."""

    VOID = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.seen = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(command, recovered, tmp_path):
    file = tmp_path / "report.html"
    code, out, err = command(Pacemaker(), "report", "--last", "--html", str(file))
    assert (code, out, err) == (0, f"compute-2@5000: written to {file}\n", "")
    return file.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_nothing(page):
    found = Page(page)
    assert {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in found.seen} == set()
    for _tag, attributes in found.seen:
        assert {"src", "href", "srcset", "data", "action"} & set(attributes) == set()
        assert [name for name in attributes if name.startswith("on")] == []
    assert "url(" not in page
    assert "//" not in page.replace("</", "")


def test_what_others_wrote_is_text(page):
    assert "<script>alert(1)</script> & ?[31m" in Page(page).text
    assert "\x1b" not in page


def test_the_page_has_everything(page):
    text = Page(page).text
    for number in (1, 2, 3, 99):
        assert ID.format(number) in text
    for each in ("The last instance was elsewhere", "req-2", "not_selected", "host_claimed"):
        assert each in text


def test_the_chart_is_a_picture_of_the_instances_down(page):
    (picture,) = [part.partition("</svg>")[0] for part in page.split("<svg ")[1:]]
    root = ElementTree.fromstring(f"<svg {picture}</svg>")
    line = next(each for each in root.iter("path") if each.get("fill") == "none").get("d")
    # As many steps down as instances came back.
    assert line.count("V") == 3
    heights = [float(part.partition("H")[0]) for part in line.split("V")[1:]]
    assert heights == sorted(heights)
    assert root.get("aria-label").startswith("3 instances down at first, 0 after")


def test_of_instances_that_nobody_was_to_evacuate_there_is_no_chart(command, kept, keeper, tmp_path):
    kept.append(RESOURCE, "control-1", happened("compute-1", 1000.0, instances=0)[:2])
    command(Pacemaker(), "report", "--last", "--html", str(tmp_path / "x"))
    text = (tmp_path / "x").read_text(encoding="utf-8")
    assert "<svg" not in text
    Page(text)


def test_a_page_that_cannot_be_written_leaves_the_former_one(command, recovered, tmp_path, monkeypatch):
    file = tmp_path / "report.html"
    file.write_text("former")

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report.os, "replace", fails)
    code, out, err = command(Pacemaker(), "report", "--last", "--html", str(file))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert file.read_text() == "former"
    assert [name for name in os.listdir(tmp_path) if name.endswith(".new")] == []
