# SPDX-License-Identifier: Apache-2.0
"""Pacemaker: the cluster as an operator makes it with pcs, the agents under test in it, and what others ask of it."""

from __future__ import annotations

import concurrent.futures
import datetime
import hashlib
import html
import pathlib
import shlex
import time
from typing import NamedTuple
from xml.etree import ElementTree

from tests.lab import bmc, computes, nodes, settings
from tests.lab.passwords import password
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for

FLAG = "evacuate"
OPTIONS_FILE = "/etc/nova-ha/nova-ha.conf"
# The unit by which all control nodes have the same history.
HISTORY = "nova-ha-history"
# The engine's parameters that are the cloud's credentials.
CREDENTIALS = ("auth_url", "username", "password", "tenant_name", "user_domain", "project_domain")
FENCE_NOVA = "fence-nova"
ENGINE = "nova-evacuate"
ENGINE_AGENT = "/usr/lib/ocf/resource.d/openstack/NovaEvacuate"
COMPUTE = "nova-compute"
SOURCE_MOUNT = "/usr/src/nova-ha"
LOG = "/var/log/pacemaker/pacemaker.log"
LOOK = f"{settings.COMMAND} shell control-1, then pcs status --full and {LOG}"

# How soon a host that returns is taken back; for how long at most another that dies waits for its fencing, while the
# connection to a host that is off is tried; how soon a silent death is noticed (seconds). The pause of
# docs/deploy.md is longer, for hosts that stay off: the lab's boot in ten seconds.
REMOTE_OPTIONS = ("reconnect_interval=5", "op", "start", "timeout=15", "monitor", "interval=5", "timeout=15")
# The first of it still sooner, for those who wait for many deaths.
IMPATIENT_REMOTE_OPTIONS = ("op", "monitor", "interval=3", "timeout=9")
WORK = "/root/nova-ha-lab.xml"

# The exit codes of cat itself, whether or not the file is there; a node that does not run gives another.
_CAT_RAN = (0, 1)

# Seconds for what is started to be there, while the lab comes up.
UP_LIMIT = 300

# Seconds after its failure-timeout by which the cluster must have forgotten a failure.
FORGETS = 60


def up(chosen, progress):
    """Make the cluster of the nodes that run, and fencing through their BMCs; what is there already is left as it is.

    :raises LabError: pcs failed, or a node did not come online
    """
    if not _formed(chosen):
        with progress.step("cluster: pcs host auth, cluster setup"):
            _form(chosen)
    with progress.step("cluster: start"):
        start(chosen)
    configured = {entry.get("id") for entry in ElementTree.fromstring(cib(chosen)).iter("primitive")}
    missing = [host for host in chosen.compute_hosts if host not in configured]
    if missing:
        with progress.step(f"cluster: add {', '.join(missing)} as remote nodes"):
            for host in missing:
                pcs(chosen, "cluster", "node", "add-remote", host, *REMOTE_OPTIONS)
    if not all(f"ipmi-{node}" in configured for node in chosen.powered):
        with progress.step("cluster: fencing"):
            configure(chosen, _fencing_script(chosen, configured), {"BMC_PASSWORD": password("bmc")})
    with progress.step("cluster: all nodes online"):
        wait_online(chosen, chosen.powered)


def deploy_agents(chosen, credentials, progress):
    """Install the tree on every host as a user does, and put its agents to work.

    :param credentials: of the cloud: auth_url, username, password, tenant_name, user_domain, project_domain
    :raises LabError: pcs failed, or the engine did not start
    """
    with progress.step("agents: tools/install on every host"):
        on_each(chosen.powered, lambda node: nodes.execute(node, f"{SOURCE_MOUNT}/tools/install"))
        on_each(chosen.control_nodes, lambda node: nodes.execute(node, "systemctl", "enable", "--now", HISTORY))
    root = ElementTree.fromstring(cib(chosen))
    configured = {entry.get("id") for entry in root.iter("primitive")}
    levelled = {entry.get("target") for entry in root.iter("fencing-level")}
    script = [f"stonith level add 1 {host} ipmi-{host} {FENCE_NOVA}" for host in set(chosen.compute_hosts) - levelled]
    change = computes.add_parameters if COMPUTE not in configured else lambda text: text
    if ENGINE not in configured:
        script = [*_agents_script({**credentials, "password": "@CLOUD_PASSWORD@"}), *script]
    if script:
        with progress.step("agents: pcs resource create, stonith levels"):
            configure(chosen, script, {"CLOUD_PASSWORD": credentials["password"]}, change)
    if _is_changed() and ENGINE in configured:
        # The engine is the one part that outlives the replacement of its files.
        with progress.step("agents: the engine is of another tree: restart"):
            pcs(chosen, "resource", "restart", ENGINE, timeout=180)
    _digest_file().write_text(_digest())
    with progress.step("agents: running"):
        wait_for(f"{ENGINE} to run", lambda: active_on(chosen, ENGINE), limit=UP_LIMIT, interval=0.5, look=LOOK)
        hosts = set(chosen.compute_hosts)
        wait_for(
            f"{COMPUTE} to run on {', '.join(sorted(hosts))}",
            lambda: hosts <= set(active_nodes(chosen, COMPUTE)),
            **{"limit": UP_LIMIT, "interval": 0.5, "look": LOOK},
        )


def _digest_file():
    return settings.RUN / "agents.sha256"


def _digest():
    """Tells one state of the tree's package from another."""
    sources = sorted((pathlib.Path(__file__).resolve().parents[2] / "nova_ha").rglob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _is_changed():
    return not _digest_file().exists() or _digest_file().read_text() != _digest()


def start(chosen):
    """Start the cluster on all control nodes that have power, and wait until they are online."""
    running = [node for node in chosen.control_nodes if nodes.running(node)]
    _pcs_on(running[0], "cluster", "start", *running, timeout=120)
    wait_online(chosen, running)


def stop(chosen):
    """Stop the cluster on all control nodes that have power, in good order: first its resources, nova-compute too."""
    running = [node for node in chosen.control_nodes if nodes.running(node)]
    _pcs_on(running[0], "cluster", "stop", *running, "--force", "--request-timeout=240", timeout=300)


def configure(chosen, script, passwords, change=lambda text: text):
    """Make several changes of the configuration with pcs, as one.

    :param script: pcs commands
    :param passwords: what stands in the commands as ``@NAME@``, by NAME; never seen on a command line
    :param change: what is changed besides; given the configuration as XML text, returns another
    """
    node = any_control(chosen)
    lines = ["set -e", f"pcs cluster cib {WORK}.old", f"cp {WORK}.old {WORK}"]
    lines += [f"pcs -f {WORK} {command}" for command in script]
    nodes.execute(node, "sh", stdin="\n".join(lines) + "\n", timeout=180)
    text = change(nodes.execute(node, "cat", WORK).stdout)
    for name, value in passwords.items():
        text = text.replace(f"@{name}@", value)
    nodes.execute(node, "sh", "-c", f"umask 077; cat >{WORK}", stdin=text)
    _pcs_on(node, "cluster", "cib-push", WORK, f"diff-against={WORK}.old")
    nodes.execute(node, "rm", WORK, f"{WORK}.old")


def set_options(chosen, options):
    """Write the engine's configuration file on every control node that runs; have the engine take over a change.

    :param options: ``{section: {name: value}}``; without any, there is no file
    :raises LabError: the engine does not take that over
    """
    lines = []
    for section, more in options.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in more.items()), ""]
    text = "\n".join(lines)

    def write(node):
        done = nodes.execute(node, "cat", OPTIONS_FILE, check=False)
        if done.returncode not in _CAT_RAN or done.stdout == text:
            return False
        command = f"mkdir -p $(dirname {OPTIONS_FILE}) && cat >{OPTIONS_FILE}" if text else f"rm -f {OPTIONS_FILE}"
        nodes.execute(node, "sh", "-c", command, stdin=text)
        return True

    changed = on_each(chosen.control_nodes, write)
    if any(changed) and (node := active_on(chosen, ENGINE)):
        _reload_engine(chosen, node)


def _reload_engine(chosen, node):
    """Have the engine read its file anew, as Pacemaker does when a parameter changes, and return when it has.

    The agent's monitor says whether it could take over what is there.
    """
    pairs = ElementTree.fromstring(cib(chosen)).findall(f".//primitive[@id='{ENGINE}']/instance_attributes/nvpair")
    given = {f"OCF_RESKEY_{pair.get('name')}": pair.get("value") for pair in pairs}
    given |= {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": ENGINE}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
    nodes.execute(node, "sh", stdin="\n".join([*lines, f"{ENGINE_AGENT} reload-agent && {ENGINE_AGENT} monitor"]))


def set_credentials(chosen, credentials):
    """Give the engine the cloud's credentials as parameters, or take them away.

    :param credentials: as ``deploy_agents``; None: it has those of its file
    """
    given = dict.fromkeys(CREDENTIALS, "") if credentials is None else {**credentials, "password": "@CLOUD_PASSWORD@"}
    parameters = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
    passwords = {} if credentials is None else {"CLOUD_PASSWORD": credentials["password"]}
    configure(chosen, [f"resource update {ENGINE} {parameters}"], passwords)


def set_remote_options(chosen, options):
    """Change how soon the death of a compute host is noticed, and how soon it is taken back.

    :param options: as ``REMOTE_OPTIONS``
    """
    configure(chosen, [f"resource update {host} {' '.join(options)}" for host in chosen.compute_hosts], {})


def any_control(chosen):
    """A control node that is part of the cluster's quorum.

    :raises LabError: there is none
    """
    return status(chosen).told_by


def pcs(chosen, *words, timeout=120, check=True):
    """Run pcs on a live control node; see ``shell.run``."""
    return _pcs_on(any_control(chosen), *words, timeout=timeout, check=check)


def cib(chosen):
    """The cluster's configuration and state, as XML text."""
    return nodes.execute(any_control(chosen), "cibadmin", "--query").stdout


def flags(chosen):
    """The flags of the hosts that have one: value by host."""
    found = {}
    for node in ElementTree.fromstring(cib(chosen)).findall("./configuration/nodes/node"):
        for pair in node.findall("./instance_attributes/nvpair"):
            if pair.get("name") == FLAG:
                found[node.get("uname")] = pair.get("value")
    return found


def online_nodes(chosen):
    """Names of the nodes that the cluster has online, see ``Status.online``."""
    return status(chosen).online()


def wait_online(chosen, wanted, limit=UP_LIMIT):
    """Wait until nodes are online.

    :param limit: seconds
    """

    def missing():
        try:
            return sorted(set(wanted) - set(online_nodes(chosen)))
        except LabError:
            return list(wanted)

    wait_for(f"{', '.join(wanted)} to be online", lambda: not missing(), limit, interval=0.5, look=LOOK)


def active_nodes(chosen, resource):
    """The nodes that a resource, or the instances of a clone, run on."""
    return status(chosen).active(resource)


def active_on(chosen, resource):
    """The node that a resource runs on, or None."""
    return next(iter(active_nodes(chosen, resource)), None)


def leader(chosen):
    """The control node that leads the cluster, Pacemaker's DC."""
    return status(chosen).root.find("./summary/current_dc").get("name")


def failures(chosen, resource):
    """The operations of a resource that failed and are not forgotten yet, as ``OPERATION on NODE: why``."""
    return [text for operation, text, _ in status(chosen).failures() if operation.startswith(f"{resource}_")]


def lasting_failures(chosen):
    """The same of all resources that no failure-timeout ends, or has ended, and the hosts whose last fencing failed."""
    last = {}
    timeouts = {
        primitive.get("id"): int(pair.get("value").rstrip("s"))
        for primitive in ElementTree.fromstring(cib(chosen)).iter("primitive")
        for pair in primitive.findall("./meta_attributes/nvpair[@name='failure-timeout']")
    }
    seen = status(chosen)
    # The newest comes first.
    for event in reversed(seen.root.findall("./fence_history/fence_event")):
        last[event.get("target")] = event
    failed = []
    for operation, text, since in seen.failures():
        # An operation is called RESOURCE_OPERATION_INTERVAL.
        timeout = timeouts.get(operation.rsplit("_", 2)[0])
        if timeout is None or time.time() > since + timeout + FORGETS:
            failed.append(text)
    return failed + [
        f"{event.get('action')} of {host}: {event.get('exit-reason')}"
        for host, event in sorted(last.items())
        if event.get("status") == "failed"
    ]


def _failed_at(entry):
    """When an operation failed (seconds since the epoch): just now, where the cluster has no time of it yet (seen)."""
    text = entry.get("last-rc-change")
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S%z").timestamp() if text else time.time()


def resources(chosen):
    """A line about each resource: its name, and for each state that it is in, where."""
    found = {}
    for entry in status(chosen).root.iter("resource"):
        state = "FAILED" if entry.get("failed") == "true" else entry.get("pending") or entry.get("role")
        where = [node.get("name") for node in entry.findall("./node")]
        found.setdefault(entry.get("id"), {}).setdefault(state, []).extend(where)
    # A clone has an instance for each node, and those without a node are just spare.
    shown = {name: {s: w for s, w in states.items() if w} or {"Stopped": []} for name, states in found.items()}
    return [
        f"{name:<20}" + "; ".join(f"{state} {', '.join(sorted(where))}".strip() for state, where in states.items())
        for name, states in shown.items()
    ]


def on_each(names, action):
    """Call ``action`` with each name, several at a time; the first failure is raised once all have ended."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(action, names))


class Status(NamedTuple):
    """The status of the cluster at one moment.

    :param told_by: the control node that tells it, which has a quorum
    :param root: what ``crm_mon`` prints
    """

    told_by: str
    root: ElementTree.Element

    def online(self) -> list[str]:
        """Names of the nodes that are online, remote nodes too; one whose connection still starts is not."""
        online = {node.get("name") for node in self.root.findall("./nodes/node") if node.get("online") == "true"}
        connections = {r.get("id") for r in self.root.iter("resource") if r.get("pending") and r.get("id") in online}
        return sorted(online - connections)

    def active(self, resource: str) -> list[str]:
        """The nodes that a resource, or the instances of a clone, run on."""
        found = []
        for entry in self.root.iter("resource"):
            # The monitor that goes on shows as pending, once one has answered "degraded".
            idle = entry.get("pending") in (None, "Monitoring")
            started = entry.get("role") == "Started" and idle and entry.get("failed") == "false"
            if entry.get("id") == resource and started:
                found += [node.get("name") for node in entry.findall("./node")]
        return sorted(found)

    def failures(self) -> list[tuple[str, str, float]]:
        """The failed operations: name, what to tell of it, and when it failed (seconds since the epoch)."""
        return [
            # Pacemaker 2.1.5 escapes the reason twice.
            (
                entry.get("op_key"),
                f"{entry.get('op_key')} on {entry.get('node')}: {html.unescape(entry.get('exitreason'))}",
                _failed_at(entry),
            )
            for entry in self.root.findall("./failures/failure")
        ]


def status(chosen) -> Status:
    """Look at the cluster once.

    :raises LabError: no control node has a quorum
    """
    for node in chosen.control_nodes:
        done = nodes.execute(node, "crm_mon", "--one-shot", "--output-as=xml", timeout=20, check=False)
        if done.returncode == 0:
            root = ElementTree.fromstring(done.stdout)
            leads = root.find("./summary/current_dc")
            if leads is not None and leads.get("with_quorum") == "true":
                return Status(node, root)
    raise LabError(f"no control node has a cluster with a quorum; see {LOOK}")


def last_words(chosen, lines=40):
    """The newest lines of all control nodes' logs that say what Pacemaker did, in their order."""
    wanted = r"pacemaker-(controld|fenced) .*\b(notice|warning|error): "
    script = f"grep -hE '{wanted}' {LOG} | grep -v 'import quote\\|pipes' | tail -n {lines}"
    said = []
    for node in chosen.control_nodes:
        if nodes.running(node):
            said += nodes.execute(node, "sh", "-c", script, check=False).stdout.splitlines()
    return "\n".join(sorted(said)[-lines:])


def _formed(chosen):
    return (
        nodes.execute(chosen.control_nodes[0], "test", "-e", "/etc/corosync/corosync.conf", check=False).returncode == 0
    )


def _form(chosen):
    secret = password("hacluster")
    on_each(chosen.powered, lambda node: nodes.execute(node, "chpasswd", stdin=f"hacluster:{secret}\n"))
    first = chosen.control_nodes[0]
    nodes.execute(first, "pcs", "host", "auth", *chosen.powered, "-u", "hacluster", stdin=f"{secret}\n", timeout=120)
    _pcs_on(first, "cluster", "setup", settings.CLUSTER_NAME, *chosen.control_nodes, "--enable", timeout=180)


def _fencing_script(chosen, configured):
    # Every node here sees the load of the whole machine, and would hold its own actions back for it.
    script = [
        "property set stonith-enabled=true concurrent-fencing=true load-threshold=1000%",
        "resource defaults update resource-stickiness=1",
    ]
    for node in chosen.powered:
        role = "controller" if node in chosen.control_nodes else "compute"
        script.append(f"node attribute {node} osprole={role}")
        if f"ipmi-{node}" not in configured:
            script.append(
                f"stonith create ipmi-{node} fence_ipmilan ip={settings.bmc_address(node)} username={bmc.USER}"
                f" password=@BMC_PASSWORD@ lanplus=1 cipher=3 pcmk_host_list={node} op monitor interval=60s"
                " meta failure-timeout=120s"
            )
    return script


def _agents_script(credentials):
    parameters = " ".join(f"{name}={shlex.quote(value)}" for name, value in credentials.items())
    on_role = "rule resource-discovery=exclusive score=0 osprole eq"
    return [
        f"stonith create {FENCE_NOVA} fence_compute record_only=1 op monitor interval=60s meta failure-timeout=120s",
        f"resource create {ENGINE} ocf:openstack:NovaEvacuate {parameters} op monitor interval=10s"
        " meta failure-timeout=120s",
        f"constraint location {ENGINE} {on_role} controller",
        f"resource create {COMPUTE} ocf:openstack:NovaCompute op monitor interval=10s meta failure-timeout=120s"
        " clone interleave=true",
        f"constraint location {COMPUTE}-clone {on_role} compute",
        f"constraint location {COMPUTE}-clone rule score=-INFINITY defined {FLAG} and {FLAG} ne no",
    ]


def _pcs_on(node, *words, timeout=120, check=True):
    return nodes.execute(node, "pcs", *words, timeout=timeout, check=check)
