# SPDX-License-Identifier: Apache-2.0
"""What goes with the plugin: the table of its settings, samples of local.conf, lists of packages, the jobs of gates."""

import re

import pytest
import yaml

from tests import pages
from tests.unit.devstack.node import ALL_IN_ONE, COMPUTE, CONTROL, TREE, Node

PLUGIN = TREE / "devstack"
SAMPLES = {"controller": CONTROL, "subnode": COMPUTE, "all-in-one": ALL_IN_ONE}
# What a variable of the plugin may be called.
VARIABLE = re.compile(r"\bNOVA_HA_[A-Z_]+\b")
PASSWORDS = {"NOVA_HA_FENCING_PASSWORD", "NOVA_HA_CLUSTER_PASSWORD"}


def defaults():
    """The default of each variable that local.conf may set, by its name."""
    settings = (PLUGIN / "settings").read_text()
    found = dict(re.findall(r"^(NOVA_HA_\w+)=\$\{\1:-(.*)\}$", settings, re.MULTILINE))
    return {**found, **dict.fromkeys(PASSWORDS, "")}


def alternatives(sample):
    """The text of a sample, and once more for each paragraph that is a comment: with that one in force."""
    text = (PLUGIN / f"samples/local.conf.{sample}").read_text()
    paragraphs = text.split("\n\n")[1:]
    return [text, *(text + re.sub(r"^#(?! )", "", paragraph, flags=re.MULTILINE) for paragraph in paragraphs)]


def test_the_page_has_every_variable_with_its_default():
    section = (TREE / "docs/devstack.md").read_text().partition("| variable |")[2].partition("\n\n")[0]
    told = {row["variable"].strip("` *"): row["default"] or "" for row in pages.rows(f"| variable |{section}")}
    expected = {**defaults(), "NOVA_HA_CLUSTER_PASSWORD": "SERVICE_PASSWORD"}
    assert told == expected


def test_no_variable_is_without_a_reader():
    text = "".join(file.read_text() for file in (*(PLUGIN / "lib").iterdir(), PLUGIN / "plugin.sh"))
    for variable in defaults():
        # In one with a default of its own, as ${NAME:-}, or by its value, as $NAME.
        assert re.search(rf"\$\{{?{variable}\b", text), variable


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_taken_by_the_plugin(tmp_path, sample):
    for at, text in enumerate(alternatives(sample)):
        assert set(VARIABLE.findall(text)) <= set(defaults())
        section = text.partition("[[local|localrc]]\n")[2].replace("[[local|localrc]]", "")
        key = tmp_path / "id_ed25519"
        key.touch()
        localrc = tmp_path / "localrc"
        localrc.write_text(section.replace("/opt/stack/.ssh/id_ed25519", str(key)))
        (tmp_path / str(at)).mkdir()
        node = Node(tmp_path / str(at) / "root", SAMPLES[sample])
        done = node.bash(
            f"""
            source {TREE}/tests/unit/devstack/functions.sh
            function enable_plugin {{ echo "$@"; }}
            function disable_service {{ :; }}
            services=$ENABLED_SERVICES
            unset SERVICE_PASSWORD
            set -o nounset
            source {localrc}
            set +o nounset
            [[ $services == {COMPUTE} ]] || ENABLED_SERVICES=$services
            source {PLUGIN}/settings
            source {PLUGIN}/plugin.sh stack pre-install
            """,
            MODE="stack",
        )
        assert (done.returncode, done.trace) == (0, "")
        assert done.output.startswith("nova-ha https://")
        # What it installs says which kind of node it is.
        assert ("pacemaker-remote" in " ".join(done.calls)) == (sample == "subnode")


def test_the_sample_of_the_controller_has_each_way_of_fencing():
    found = {re.findall(r"^NOVA_HA_FENCING=(\w+)$", text, re.MULTILINE)[-1] for text in alternatives("controller")}
    assert found == {"ipmi", "virsh", "redfish"}


@pytest.mark.parametrize("kind", ["debs", "rpms"])
def test_what_both_kinds_of_node_need_conflicts_with_neither(kind):
    lines = (PLUGIN / f"files/{kind}/nova-ha").read_text().splitlines()
    packages = {line.partition("#")[0].strip() for line in lines}
    assert packages and "" not in packages
    # On Debian the one removes the other; with pcs alone, apt takes the first.
    assert not packages & {"pacemaker", "pacemaker-remote", "pcs"}


ZUUL = yaml.safe_load((TREE / ".zuul.yaml").read_text())
JOBS = {entry["job"]["name"]: entry["job"] for entry in ZUUL if "job" in entry}


def test_the_jobs_of_a_project_are_defined_once_and_all_are_run():
    (project,) = [entry["project"] for entry in ZUUL if "project" in entry]
    assert len(JOBS) == len([entry for entry in ZUUL if "job" in entry])
    for pipeline in ("check", "gate"):
        assert set(project[pipeline]["jobs"]) == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_what_it_needs(name):
    job = JOBS[name]
    assert job["description"] and job["parent"]
    for key in ("run", "post-run"):
        if key in job:
            for play in yaml.safe_load((TREE / job[key]).read_text()):
                assert play["hosts"] in ("all", "controller")
                assert all(task["name"] for task in play["tasks"])
    variables = job.get("vars", {})
    plugin = re.search(r"^define_plugin (\S+)$", (PLUGIN / "settings").read_text(), re.MULTILINE)[1]
    assert set(variables.get("devstack_plugins", {})) <= {plugin}
    assert set(variables.get("devstack_localrc", {})) <= set(defaults())


def test_the_gate_adds_its_compute_hosts_as_a_person_does():
    script = (TREE / "playbooks/devstack/run.yaml").read_text()
    assert "/nova-ha/devstack/add-hosts" in script
    assert (PLUGIN / "add-hosts").stat().st_mode & 0o111
