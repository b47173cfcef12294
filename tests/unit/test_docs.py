# SPDX-License-Identifier: Apache-2.0
"""What can be held of the site and the manual pages without Sphinx: none is lost, and they say what the code does."""

import ast
import fnmatch
import importlib
import json
import pathlib
import re
from xml.etree import ElementTree

import pytest

from nova_ha.agents.framework import ocf as codes
from nova_ha.agents.supervision import DEGRADED
from nova_ha.cli import main as command
from nova_ha.cli import status
from nova_ha.cloud.nova import Nova
from nova_ha.cloud.survey import CloudSurvey
from nova_ha.model import flag
from nova_ha.model.instance_failures import Kind
from tests import pages
from tests.unit.agent_programs import NOVA_COMPUTE, NOVA_COMPUTE_WAIT, NOVA_EVACUATE, NOVA_INSTANCES, fence, ocf

TREE = pathlib.Path(__file__).resolve().parents[2]
DOCS = TREE / "docs"
PAGES = sorted(str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md"))
# Each agent, and the modules by which it ends.
AGENTS = [
    (NOVA_EVACUATE, ["framework", "nova_evacuate", "supervision"]),
    (NOVA_COMPUTE, ["framework", "nova_compute", "recovery_gate"]),
    (NOVA_INSTANCES, ["framework", "instance_monitor", "supervision"]),
    (NOVA_COMPUTE_WAIT, ["framework", "nova_compute_wait", "recovery_gate"]),
]
EVERY = pytest.mark.parametrize(("agent", "modules"), AGENTS, ids=[agent.name for agent, _ in AGENTS])


def manual(name):
    """The sections of a manual page, by their headings."""
    _, *sections = re.split(r"^## (.*)$", (DOCS / f"man/{name}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(sections[::2], sections[1::2]))


def listed(section):
    """The names with which the points of a list begin: - `NAME`, `NAME`: what it is."""
    heads = re.findall(r"^- (.*?):", section, re.MULTILINE)
    return [name for head in heads for name in re.findall("`(.+?)`", head)]


def exit_codes(name):
    return [int(code) for code in listed(manual(name)["Exit status"])]


def assigned(name):
    """The value of a name in Sphinx's configuration."""
    tree = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8"))
    assignments = [node for node in tree.body if isinstance(node, ast.Assign)]
    (value,) = [node.value for node in assignments if ast.unparse(node.targets[0]) == name]
    return ast.literal_eval(value)


def test_every_page_is_in_one_table_of_contents():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    tables = re.findall(r"^```\{toctree\}\n(?::.*\n)*\n([^`]*)^```", index, re.MULTILINE)
    assert sorted("\n".join(tables).split()) == [page for page in PAGES if page != "index"]


def test_every_manual_page_is_built_under_its_name_and_section():
    built = assigned("MANUAL")
    assert [page for page, *_ in built] and sorted(page for page, *_ in built) == [
        page for page in PAGES if page.startswith("man/")
    ]
    for page, name, _what, section in built:
        assert page == f"man/{name}.{section}"
        assert (DOCS / f"{page}.md").read_text(encoding="utf-8").startswith(f"# {name}({section})\n")


def test_the_command_has_the_synopsis_of_its_page(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (commands,) = [action.choices for action in command._parser()._actions if isinstance(action.choices, dict)]
    usages = [" ".join(each.format_usage().split()) for each in commands.values()]
    expected = [usage.replace("usage: nova-ha", "nova-ha [--resource NAME]").replace(" [-h]", "") for usage in usages]
    page = manual("nova-ha.8")
    assert [line.strip() for line in page["Synopsis"].split("\n") if line] == expected
    assert listed(page["Commands"]) == list(commands)
    options = {
        option
        for parser in (command._parser(), *commands.values())
        for action in parser._actions
        for option in action.option_strings
    }
    assert {"-h", *listed(page["Options"])} == options


def test_the_command_has_the_exit_codes_of_its_page():
    source = pathlib.Path(command.__file__).read_text(encoding="utf-8")
    spelled = {int(code) for code in re.findall(r"(?:return |self\.exit\()(\d+)", source)}
    assert exit_codes("nova-ha.8") == sorted({command.FAILED, *status.CODES.values(), *spelled})


@EVERY
def test_an_agent_has_the_actions_and_timeouts_of_its_page(agent, modules):
    page = manual(f"ocf_openstack_{agent.name}.7")
    found = {}
    for action in ElementTree.fromstring(ocf(agent, "meta-data").stdout).iter("action"):
        interval = f", interval: {action.get('interval')[:-1]} s" if action.get("interval") else ""
        found[action.get("name")] = f"Timeout: {action.get('timeout')[:-1]} s{interval}."
    assert listed(page["Actions"]) == list(found)
    for line, told in zip(re.findall("^- .*$", page["Actions"], re.MULTILINE), found.values()):
        assert line.endswith(told)
    assert page["Synopsis"].split("\n")[2].strip() == f"{agent.name} {'|'.join(found)}"


@EVERY
def test_an_agent_has_the_exit_codes_of_its_page(agent, modules):
    sources = [
        pathlib.Path(importlib.import_module(f"nova_ha.agents.{module}").__file__).read_text(encoding="utf-8")
        for module in modules
    ]
    named = {name for source in sources for name in re.findall(r"ocf\.(OCF_(?:SUCCESS|NOT_RUNNING|ERR_\w+))", source)}
    expected = {getattr(codes, name) for name in named} | ({DEGRADED} if "supervision" in modules else set())
    assert exit_codes(f"ocf_openstack_{agent.name}.7") == sorted(expected)


def test_the_fence_agent_has_the_actions_of_its_page():
    actions = ElementTree.fromstring(fence("action=metadata").stdout).iter("action")
    assert sorted(listed(manual("fence_compute.8")["Actions"])) == sorted(action.get("name") for action in actions)


@pytest.mark.parametrize(
    ("page", "name"),
    [("fence_compute.8", "fence_compute"), *((f"ocf_openstack_{agent.name}.7", agent.name) for agent, _ in AGENTS)],
)
def test_a_manual_page_has_the_parameters_of_its_own_agent(page, name):
    assert f"```{{agent-parameters}} {name}\n" in manual(page)["Parameters"]
    assert f"<!-- table: {name} -->" in (DOCS / "parameters.md").read_text(encoding="utf-8")


def test_the_options_of_the_file_are_those_of_the_entry_point():
    entry = (TREE / "setup.cfg").read_text(encoding="utf-8").partition("oslo.config.opts =\n")[2].split()
    assert f".. show-options:: {entry[0]}\n" in manual("nova-ha.conf.5")["Options"]


def test_every_call_to_the_cloud_is_told_with_the_rights_that_it_needs():
    security = (DOCS / "security.md").read_text(encoding="utf-8")
    rows = pages.rows(security.partition("### What the engine asks for")[2].partition("### ")[0])
    told = [name.strip("` ") for row in rows for name in row["call"].split(",")]
    assert sorted(told) == sorted(name for name in dir(Nova) if not name.startswith("_"))
    assert all(row["policies"] for row in rows)


def test_what_an_operator_s_look_asks_for_is_told_with_the_rights_that_it_needs():
    security = (DOCS / "security.md").read_text(encoding="utf-8")
    rows = pages.rows(security.partition("### What an operator's look asks for")[2].partition("### ")[0])
    told = [row["call"] for row in rows]
    assert sorted(told) == sorted(name for name in vars(CloudSurvey) if not name.startswith("_"))
    assert all(row["policies"] for row in rows)


def test_the_access_rules_of_the_page_allow_each_request_that_it_lists():
    page = DOCS / "security.md"
    tables = page.read_text(encoding="utf-8").partition("### What the engine asks for")[2].partition("### Less than")[0]
    listed = re.findall(r"\b(GET|PUT|POST|DELETE) (/[\w/{}-]+)", tables)
    rules = [(rule["method"], rule["path"]) for rule in json.loads(pages.block(page, "access-rules", "json"))]

    def is_allowed(method, path):
        parts = re.sub(r"{\w+}", "0", path).split("/")
        patterns = [pattern.replace("/v2.1", "").split("/") for known, pattern in rules if known == method]
        return any(len(parts) == len(each) and all(map(fnmatch.fnmatchcase, parts, each)) for each in patterns)

    assert len(listed) > 15
    assert [asked for asked in listed if not is_allowed(*asked)] == []


def test_every_kind_of_instance_failure_is_told():
    page = (DOCS / "instance-failures.md").read_text(encoding="utf-8")
    rows = pages.rows(page.partition("## What is a failure")[2].partition("## ")[0])
    assert [row["kind"] for row in rows] == [kind.value for kind in Kind]


def test_every_value_of_the_flag_is_in_its_picture():
    texts = {element.text for element in ElementTree.parse(DOCS / "pictures/flag.svg").iter() if element.text}
    assert texts >= {"(absent)", "NODE@EPOCH", flag.FLAGGED, flag.GO, flag.RECOVERED, flag.RESTART}
