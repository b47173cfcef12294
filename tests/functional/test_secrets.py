# SPDX-License-Identifier: Apache-2.0
"""No password shows where anybody could read it whom it is not for: looked for everywhere, after a whole recovery.

With the passwords in the cluster's configuration, as docs/deploy.md prints it, they are allowed to be

- on control nodes, in what Pacemaker keeps of its configuration (its files, its shared memory, and its own log, which
  records each change of the configuration, some of them in the journal, too): nobody but root, Pacemaker's own user and
  those who may read the journal can read that;
- in the environment of NovaEvacuate while it does an action: Pacemaker hands an agent its parameters like that;
- on the command line of ipmitool: fence_ipmilan puts the BMC's password there, and we have no part in that.

On compute hosts there is none of them at all.
"""

import json
import re

import pytest

from tests import pages
from tests.functional.steps import eventually
from tests.lab import cloud, cluster, exposure, faults, nodes
from tests.lab.cloud import identity
from tests.lab.passwords import password
from tests.lab.settings import SOURCE_TREE

pytestmark = pytest.mark.lab_a

HOST = "compute-1"
ENGINE, BMC, ADMIN = "the engine's", "the BMCs'", "the cloud administrator's"

# In a node's files, all of them closed to others.
PACEMAKERS_OWN = re.compile(r"/var/lib/pacemaker/(cib|pengine)/.*|/dev/shm/qb-.*|/var/log/pacemaker/pacemaker\.log")
JOURNAL = re.compile(r"/var/log/journal/.*")
AGENT = re.compile(r"/usr/bin/python3 -IS /usr/lib/ocf/resource\.d/openstack/NovaEvacuate \S+")


@pytest.fixture
def secrets():
    """The passwords that are looked for, by what they are called here."""
    return {
        ENGINE: password(f"openstack-{identity.AGENT_USER}"),
        BMC: password("bmc"),
        ADMIN: password("openstack-admin"),
    }


@pytest.fixture
def told_in_detail(story):
    """The engine logs all that it ever does."""
    cluster.pcs(story.settings, "resource", "update", cluster.ENGINE, "verbose=true")
    yield
    cluster.pcs(story.settings, "resource", "update", cluster.ENGINE, "verbose=")


def test_no_password_shows(story, secrets, told_in_detail):
    # Given a watch on all processes, and an engine that logs in detail and starts anew,
    logs = exposure.Logs(story.settings.powered)
    with exposure.watching(secrets) as shown:
        cluster.pcs(story.settings, "resource", "restart", cluster.ENGINE)
        # when a host dies, and Keystone is away while its instances are recovered,
        ids = story.instances_on(HOST, 5)
        faults.kill(HOST)
        story.flagged(HOST)
        story.outage("keystone", seconds=3)
        story.recovered(HOST, ids)
        story.back_in_service(HOST)
        told = _told(story)
    # then passwords were in processes that are to have them, and in no others
    # (ipmitool may be over before anybody has looked);
    assert {(ENGINE, "environ")} <= _where(shown, node="control") <= {(ENGINE, "environ"), (BMC, "cmdline")}
    assert not {found for found in shown if not _is_allowed(found)}
    # none is in what the operator's commands say, nor in a log;
    assert not [name for name, value in secrets.items() if value in told]
    assert not _with_any(secrets, logs.added())
    # files that hold one are Pacemaker's own, or the journal with its words, and closed; compute hosts have none.
    kept = _in_files(story.settings.powered, secrets)
    for node in story.settings.control_nodes:
        files = kept[node]
        assert "/var/lib/pacemaker/cib/cib.xml" in {found.path for found in files}
        others = {found for found in files if found.is_open or not PACEMAKERS_OWN.fullmatch(found.path)}
        assert not {found for found in others if found.is_open or not JOURNAL.fullmatch(found.path)}
        assert not others or not _with_any(secrets, exposure.journal(node))
        assert ADMIN not in {found.secret for found in files}
    assert not any(kept[node] for node in story.settings.compute_hosts)


@pytest.fixture
def limited(story):
    """The engine has an application credential for the requests that the page lists, and for no others."""
    rules = json.loads(pages.block(SOURCE_TREE / "docs/security.md", "access-rules", "json"))
    with identity.application_credential(identity.AGENT_USER, "service", rules) as credential:
        story.options(nova=credential)
        cluster.set_credentials(story.settings, None)
        story.engine_node()
        yield
        cluster.set_credentials(story.settings, cloud.agent_credentials(story.settings))


def test_the_access_rules_that_the_page_lists_are_enough_for_a_recovery_and_for_every_look(story, limited):
    # Given instances, one of them stopped, on a host that dies,
    ids = story.instances_on(HOST, 4)
    story.stop(ids[0])
    faults.kill(HOST)
    # then all are recovered, as they were, and the host is in service again;
    story.recovered(HOST, ids)
    story.back_in_service(HOST)
    # what looks at the whole cloud is refused nothing;
    for command in ("nova-ha check", "nova-ha plan --all", f"nova-ha plan {HOST}"):
        looked = story.on_engine_node(command)
        assert (looked.returncode, looked.stderr) == (0, ""), looked.stdout
    # the engine used that credential, and no service refused it anything.
    past = story.recorded.history()
    assert not [request for request in past.requests if request.status in (401, 403)]
    story.engine_never_failed()


def test_an_engine_that_crashes_leaves_no_core(settings):
    # Pacemaker's own limit, which an engine inherits, lets it have one.
    assert _core_limits(settings) == ("0", "0")


def _in_files(names, secrets):
    return dict(zip(names, cluster.on_each(names, lambda node: exposure.in_files(node, secrets))))


def _with_any(secrets, lines):
    return [entry for entry in lines if any(value in entry[1] for value in secrets.values())]


def _where(shown, node):
    return {(found.secret, found.place) for found in shown if found.node.startswith(node)}


def _is_allowed(found):
    if not found.node.startswith("control"):
        return False
    if found.place == "environ":
        return found.secret == ENGINE and AGENT.fullmatch(found.program)
    return found.secret == BMC and found.program.startswith("/usr/bin/ipmitool ")


def _told(story):
    """What commands tell an operator and his programs."""
    commands = ["nova-ha status --json", "nova-ha status", f"nova-ha plan {HOST} --json", "nova-ha history --json"]
    commands += ["pcs status --full", "crm_mon --one-shot --include=all"]
    said = [story.on_engine_node(command) for command in commands]
    assert all(done.stdout for done in said)
    return "\n".join(done.stdout + done.stderr for done in said)


def _core_limits(settings):
    """The engine's limits of a core file's size, soft and hard."""
    node = eventually("the engine to run", lambda: cluster.active_on(settings, cluster.ENGINE), 60)
    pid = json.loads(nodes.execute(node, "cat", f"/run/nova-ha/{cluster.ENGINE}/status.json").stdout)["pid"]
    limits = nodes.execute(node, "cat", f"/proc/{pid}/limits").stdout
    return re.search(r"^Max core file size +(\S+) +(\S+)", limits, re.MULTILINE).groups()
