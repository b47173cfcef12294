# SPDX-License-Identifier: Apache-2.0
"""The Pacemaker cluster, set up with pcs as an operator would, and what one asks of it.

Setting up comes in two parts: ``form`` makes a cluster of the control nodes and takes the compute hosts in as remote
nodes, with their BMCs as fencing devices; ``deploy`` installs the agents under test and makes them resources.
"""

import concurrent.futures
import shlex
from xml.etree import ElementTree

from tests.lab import bmc, nodes, settings
from tests.lab.passwords import password
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for

SOURCE = "/usr/src/nova-ha"
ENGINE = "nova-evacuate"
COMPUTE = "nova-compute"
FLAG_DEVICE = "fence-nova"
FLAG = "evacuate"

# Seconds. The remote connections' monitor and its time-out bound how soon a death is seen, reconnect_interval how soon
# a host comes back.
MONITOR, MONITOR_TIMEOUT, RECONNECT = 5, 15, 15
PCS_LIMIT = 120
START_LIMIT = 120
# A rebooting host first takes no connection; a start that gives up early would be a failure.
REMOTE_START = 60

AUTHKEY = "/etc/pacemaker/authkey"


def mounts():
    """Volumes that control nodes and compute hosts need."""
    return [f"{settings.SOURCE_TREE}:{SOURCE}:ro"]


def form(chosen, progress):
    """Make the cluster and its fencing, unless that is done; every host and BMC must be up.

    :raises LabError: a step failed
    """
    first = chosen.control_nodes[0]
    if _is_formed(first):
        start(chosen)
        return
    with progress.step("pcs: hosts authenticated, cluster set up"):
        _everywhere(chosen.powered, _set_password)
        wait_for("pcsd on every host", lambda: all(_pcsd_listens(node) for node in chosen.powered), 30)
        nodes.execute(first, "pcs", "host", "auth", *chosen.powered, "-u", "hacluster", stdin=f"{password('hacluster')}\n")
        pcs(chosen, "cluster", "setup", settings.CLUSTER_NAME, *chosen.control_nodes, node=first)
        _hand_out_authkey(chosen, first)
    with progress.step("pcs: cluster started"):
        start(chosen)
    with progress.step("pcs: remote nodes and fencing"):
        _configure(chosen, first, _membership(chosen))
        wait_for(
            "every host to be online in the cluster",
            lambda: online(chosen) == set(chosen.powered),
            START_LIMIT,
            interval=0.5,
            look=f"./lab shell {first}, crm_mon -1",
        )


def deploy(chosen, credentials, progress):
    """Install the tree's agents on every host and make them resources.

    :param credentials: the cloud's, as ``cloud.agent_credentials`` gives them
    :raises LabError: a step failed
    """
    with progress.step("agents: installed as a user installs them"):
        _everywhere(chosen.powered, lambda node: nodes.execute(node, f"{SOURCE}/tools/install"))
    if FLAG_DEVICE in cib(chosen):
        return
    with progress.step("agents: made resources of the cluster"):
        _configure(chosen, chosen.control_nodes[0], _agents(chosen, credentials))
        wait_for(
            "the engine and every nova-compute to run",
            lambda: active_on(chosen, ENGINE) and active_on(chosen, COMPUTE) == set(chosen.compute_hosts),
            START_LIMIT,
            interval=0.5,
            look=f"./lab shell {chosen.control_nodes[0]}, pcs status --full",
        )


def start(chosen):
    """Start the cluster on every control node that runs."""
    running = [node for node in chosen.control_nodes if nodes.running(node)]
    pcs(chosen, "cluster", "start", *running, f"--wait={START_LIMIT}", node=running[0], timeout=START_LIMIT + 30)


def stop(chosen):
    """Stop the cluster, in order, on every control node that runs; compute hosts are left as they are."""
    running = [node for node in chosen.control_nodes if nodes.running(node)]
    pcs(chosen, "cluster", "stop", *running, "--force", node=running[0])


def pcs(chosen, *arguments, node=None, timeout=PCS_LIMIT, check=True):
    """Run pcs on a control node that runs; returns its ``CompletedProcess``."""
    return nodes.execute(node or any_control(chosen), "pcs", *arguments, timeout=timeout, check=check)


def any_control(chosen):
    """A control node on which Pacemaker answers.

    :raises LabError: there is none
    """
    for node in chosen.control_nodes:
        if nodes.running(node) and nodes.execute(node, "cibadmin", "--query", "--scope=crm_config", check=False).returncode == 0:
            return node
    raise LabError("Pacemaker answers on no control node: see ./lab status")


def cib(chosen):
    """The cluster's configuration and state, as XML text."""
    return nodes.execute(any_control(chosen), "cibadmin", "--query").stdout


def flags(chosen):
    """The flags of all hosts that have one, as ``{host: value}``."""
    root = ElementTree.fromstring(cib(chosen))
    return {
        node.get("uname"): pair.get("value")
        for node in root.findall("./configuration/nodes/node")
        for pair in node.iter("nvpair")
        if pair.get("name") == FLAG
    }


def online(chosen):
    """Names of the nodes, remote ones included, that are online."""
    return {node.get("name") for node in _monitor(chosen).findall("./nodes/node") if node.get("online") == "true"}


def active_on(chosen, resource):
    """Names of the nodes on which a resource, or an instance of it if it is a clone, is active."""
    return {
        node.get("name")
        for found in _monitor(chosen).iter("resource")
        if found.get("id") == resource and found.get("role") == "Started" and found.get("failed") == "false"
        for node in found.findall("node")
    }


def failures(chosen):
    """The failed actions that the cluster remembers, as lines of text."""
    found = _monitor(chosen).findall("./failures/failure")
    return [f"{f.get('op_key')} on {f.get('node')}: {f.get('exitstatus')} {f.get('exitreason')}".strip() for f in found]


def cleanup(chosen):
    """Have the cluster forget its failed actions, fencing included."""
    node = any_control(chosen)
    nodes.execute(node, "crm_resource", "--cleanup")
    nodes.execute(node, "stonith_admin", "--cleanup", "--history", "*")


def _monitor(chosen):
    return ElementTree.fromstring(nodes.execute(any_control(chosen), "crm_mon", "--one-shot", "--output-as=xml").stdout)


def _is_formed(node):
    return nodes.execute(node, "test", "-e", "/etc/corosync/corosync.conf", check=False).returncode == 0


def _set_password(node):
    nodes.execute(node, "chpasswd", stdin=f"hacluster:{password('hacluster')}\n")


def _pcsd_listens(node):
    return "2224" in nodes.execute(node, "ss", "--tcp", "--listening", "--numeric", "--no-header").stdout


def _hand_out_authkey(chosen, first):
    """The key by which Pacemaker and its remote nodes know each other; remote nodes start with it."""
    key = nodes.execute(first, "base64", AUTHKEY).stdout

    def hand_out(host):
        nodes.execute(host, "sh", "-c", f"mkdir -p /etc/pacemaker && base64 -d >{AUTHKEY}", stdin=key)
        nodes.execute(host, "systemctl", "enable", "--now", "pacemaker_remote")

    _everywhere(chosen.compute_hosts, hand_out)


def _membership(chosen):
    """pcs's words for remote nodes, roles and the fencing of every host."""
    words = [
        ["property", "set", "stonith-enabled=true", "concurrent-fencing=true"],
        *(["node", "attribute", node, "osprole=controller"] for node in chosen.control_nodes),
    ]
    for host in chosen.compute_hosts:
        # What `pcs cluster node add-remote` makes; it would go to each host once more, and take seconds for each.
        words.append(["resource", "create", host, "ocf:pacemaker:remote", f"server={settings.address(host)}"])
        words[-1] += [f"reconnect_interval={RECONNECT}", "op", "monitor", f"interval={MONITOR}"]
        words[-1] += [f"timeout={MONITOR_TIMEOUT}", "op", "start", f"timeout={REMOTE_START}", "--force"]
        words.append(["node", "attribute", host, "osprole=compute", "--force"])
    for node in chosen.powered:
        device = ["stonith", "create", f"ipmi-{node}", "fence_ipmilan", f"ip={settings.bmc_address(node)}"]
        device += [f"username={bmc.USER}", f"password={password('bmc')}", "lanplus=1", "cipher=3"]
        words.append([*device, f"pcmk_host_list={node}", "op", "monitor", "interval=60s"])
        # A host that holds the device of its own power cannot be trusted to cut it.
        words.append(["constraint", "location", f"ipmi-{node}", "avoids", node])
    return words


def _agents(chosen, credentials):
    """pcs's words for the agents under test: what the README says."""
    flagging = ["stonith", "create", FLAG_DEVICE, "fence_compute", "record_only=1"]
    words = [[*flagging, f"pcmk_host_list={' '.join(chosen.compute_hosts)}", "op", "monitor", "interval=60s"]]
    for host in chosen.compute_hosts:
        words.append(["stonith", "level", "add", "1", host, f"ipmi-{host}", FLAG_DEVICE])
    parameters = [f"{name}={value}" for name, value in credentials.items()]
    words += [
        ["resource", "create", ENGINE, "ocf:openstack:NovaEvacuate", *parameters, "op", "monitor", "interval=10s"],
        ["constraint", "location", ENGINE, "rule", "resource-discovery=exclusive", "score=0", "osprole", "eq", "controller"],
        ["resource", "create", COMPUTE, "ocf:openstack:NovaCompute", "op", "monitor", "interval=10s", "clone", "interleave=true"],
    ]
    clone = ["constraint", "location", f"{COMPUTE}-clone", "rule"]
    words.append([*clone, "resource-discovery=exclusive", "score=0", "osprole", "eq", "compute"])
    words.append([*clone, "score=-INFINITY", "defined", FLAG, "and", FLAG, "ne", "no"])
    return words


def _configure(chosen, node, words):
    """Make many changes of the configuration in one step: pcs on a file, then one push."""
    lines = ["set -e", "umask 077", "rm -f /root/lab.cib", "pcs cluster cib /root/lab.cib"]
    lines += ["cp /root/lab.cib /root/lab.cib.before"]
    # In one line at the console, a failing pcs is found by its own message.
    lines += [f"pcs -f /root/lab.cib {shlex.join(line)} >/dev/null" for line in words]
    lines += ["pcs cluster cib-push /root/lab.cib diff-against=/root/lab.cib.before", "rm /root/lab.cib*"]
    nodes.execute(node, "sh", stdin="\n".join(lines) + "\n", timeout=PCS_LIMIT)


def _everywhere(hosts, deed):
    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(deed, hosts))
