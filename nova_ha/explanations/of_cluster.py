# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha check`` finds in the cluster's configuration and state."""

from __future__ import annotations

from nova_ha.explanations.text import Explanation
from nova_ha.model.findings import FindingCode

_COMMAND = "Give the command that is named."

TEXTS: dict[FindingCode, Explanation] = {
    FindingCode.CLUSTER_AWAY: Explanation(
        look="`systemctl status pacemaker corosync` on this node; `pcs status` on another control node.",
        do="Start the cluster on this node. The others go on without it, if they have a quorum.",
    ),
    FindingCode.STONITH_DISABLED: Explanation(
        about="Without fencing no host is proved off, so that no flag is written, and nothing is recovered.",
        do=_COMMAND,
        never="Never switch it off to end a fence that fails: mend the device.",
    ),
    FindingCode.NO_QUORUM: Explanation(
        look="`pcs quorum status`: which control nodes are gone? Is the network divided?",
        do="Bring control nodes back. Dead hosts are fenced as soon as there is a quorum.",
    ),
    FindingCode.QUORUM_IGNORED: Explanation(
        about="Without a quorum both parts of a divided cluster go on: each fences hosts of the other, and runs an "
        "engine of its own.",
        do=_COMMAND,
    ),
    FindingCode.FEW_CONTROL_NODES: Explanation(do="Add a third control node, or a quorum device."),
    FindingCode.MAINTENANCE_MODE: Explanation(
        about="Pacemaker watches nothing, or has stopped everything: an engine that dies is not started anew.",
        do="Once the work is done, give the command that is named.",
    ),
    FindingCode.MIXED_PACEMAKER: Explanation(do="Bring all control nodes to one version ([upgrade](upgrade.md))."),
    FindingCode.FENCING_ONE_BY_ONE: Explanation(
        about="Five dead hosts then wait for each other: each fence takes seconds, one whose BMC is slow a minute.",
        do=_COMMAND,
    ),
    FindingCode.NO_STARTUP_PROBES: Explanation(
        about="Pacemaker then starts what may run already, and a start says nothing of what was before it.",
        do=_COMMAND,
    ),
    FindingCode.NO_ENGINE: Explanation(do="Make the resource: [deploy](deploy.md)."),
    FindingCode.ENGINE_CLONED: Explanation(
        about="The agent refuses to start in a clone. There must be one engine only.",
        do=_COMMAND,
    ),
    FindingCode.ENGINE_NOT_RUNNING: Explanation(
        about="Hosts that die are fenced and flagged, and nobody recovers them. Nothing is forgotten: the next engine "
        "goes on.",
        look="`pcs status` has the exit reason; `journalctl -t 'NovaEvacuate(nova-evacuate)'` more of it.",
        do="Mend what it says; then give the command that is named.",
    ),
    FindingCode.ENGINE_NOT_CONFINED: Explanation(
        about="Pacemaker may look for the engine on compute hosts, and wait for one that boots before it starts the "
        "engine anywhere; or start it there.",
        do=_COMMAND,
    ),
    FindingCode.NO_COMPUTE_RESOURCE: Explanation(
        about="Nothing then stops nova-compute from starting on a host that is just being recovered: it would take up "
        "old requests, and destroy what was evacuated too late.",
        do="Make a clone of NovaCompute, or of nova-compute-wait: [nova-compute](nova-compute.md).",
    ),
    FindingCode.COMPUTE_NOT_RUNNING: Explanation(
        look="`pcs status`: has its start failed there? nova-compute's log on the host.",
        do="Mend what the exit reason says; then give the command that is named.",
    ),
    FindingCode.NO_STICKINESS: Explanation(
        about="Pacemaker then moves the engine, and connections to hosts that live, whenever another control node has "
        "fewer resources: just when a host is lost.",
        do=_COMMAND,
    ),
    FindingCode.NO_FAILURE_TIMEOUT: Explanation(
        about="What failed to start once, since a part of the cloud was away just then, stays stopped.",
        do=_COMMAND,
    ),
    FindingCode.NO_MONITOR: Explanation(do=_COMMAND),
    FindingCode.SHORT_TIMEOUT: Explanation(
        about="An operation that does not end in time has failed for Pacemaker: what runs well is started anew, and a "
        "stop that fails has the node fenced.",
        do=_COMMAND,
    ),
    FindingCode.SLOW_CONNECTION: Explanation(
        about="While the connection to a host that stays off is being started, Pacemaker neither fences another host "
        "that dies, nor starts nova-compute on one that has returned ([deploy](deploy.md#what-matters-in-it)).",
        do=_COMMAND,
    ),
    FindingCode.FLAG_RULE_MISSING: Explanation(
        about="NovaCompute's own start fails on a flagged host, so that nothing is lost; but each failure is retried "
        "only after `failure-timeout`, and the host comes back later.",
        do=_COMMAND,
    ),
    FindingCode.FLAG_RULE_WRONG: Explanation(
        about="A rule that says only `ne no` holds for a host without the flag as well: its nova-compute is stopped.",
        do=_COMMAND,
    ),
    FindingCode.ATTRIBUTES_DIFFER: Explanation(
        about="fence_compute, NovaEvacuate, NovaCompute and the location rule must mean one attribute.",
        do=_COMMAND,
    ),
    FindingCode.MANY_HOSTS: Explanation(
        about="Pacemaker's scheduler takes time with the square of the hosts, and a host that dies is fenced after "
        "that ([deploy](deploy.md#how-many-hosts)).",
        do="One power device for each rack, in place of one for each host, saves a third.",
    ),
    FindingCode.LARGE_CONFIGURATION: Explanation(
        about="Up to Pacemaker 3.0.0 the configuration, compressed, must fit into one message between its daemons.",
        do="Set `PCMK_ipc_buffer=1048576` in `/etc/default/pacemaker` (`/etc/sysconfig/pacemaker`) on all nodes, and "
        "restart Pacemaker there, one node after the other.",
    ),
}

FENCING: dict[FindingCode, Explanation] = {
    FindingCode.NO_LEVEL: Explanation(
        about="Pacemaker then takes any device that can fence the host: perhaps the one that only flags, which "
        "refuses; or one that cuts the power, and nobody flags the host.",
        do="Add a level: the device that cuts the host's power, then fence_compute ([fencing](fencing.md)).",
    ),
    FindingCode.LEVEL_UNCLEAR: Explanation(
        look="`pcs stonith level`: which levels are for the host, by name, pattern or attribute?",
        do="Correct what the text names ([which levels are a host's](fencing.md#which-levels-are-a-hosts)).",
    ),
    FindingCode.UNKNOWN_DEVICE: Explanation(do="Correct the level's devices, or add the device."),
    FindingCode.LEVEL_WITHOUT_FLAG: Explanation(
        about="A level that does not end in fence_compute fences the host, and nobody learns of it: its instances stay "
        "down. If fence_compute is there, but not last, it refuses to flag.",
        do=_COMMAND,
    ),
    FindingCode.LEVEL_WITHOUT_POWER: Explanation(
        about="fence_compute with `record_only` proves nothing by itself. It refuses to flag a host of which no device "
        "before it has cut the power, and the fence fails.",
        do=_COMMAND,
        never="Never have a host flagged whose power is not proved off: its instances would run twice.",
    ),
    FindingCode.FLAG_DISABLED: Explanation(
        about="`record_only=disabled` has fence_compute do nothing at all.",
        do=_COMMAND,
    ),
    FindingCode.SHARED_POWER: Explanation(
        about="If one of these hosts died, the power of another, which lives, would be cut, and the dead one flagged; "
        "or the reverse. fence_compute as the only device refuses that; other power devices do not know.",
        do="Give each host a device with its own address, or its own plug in `pcmk_host_map`.",
    ),
    FindingCode.FENCE_TIMEOUT: Explanation(
        about="The fencer then ends fence_compute before it can say why the power agent failed.",
        do=_COMMAND,
    ),
    FindingCode.DEVICE_FAILED: Explanation(
        about="A host whose device does not work is not fenced when it dies, and not recovered. The device's monitor "
        "asks its BMC once a minute or so.",
        look="`pcs status` has the exit reason; `pcs stonith history`. Does the BMC answer from each control node?",
        do="Mend the BMC, its address or its password; then give the command that is named.",
    ),
    FindingCode.ONE_FENCE_AT_A_TIME: Explanation(
        about="If several hosts of one device die, each waits for those before it.",
        do=_COMMAND,
    ),
    FindingCode.HOST_NOT_WATCHED: Explanation(
        about="Only a remote node of the cluster is missed when it dies.",
        do="Add it ([hosts](hosts.md)), with a power device and a level of its own. If it is gone for good, delete its "
        "service from Nova.",
    ),
    FindingCode.NODE_NOT_IN_NOVA: Explanation(
        about="If the node is no compute host, all is well. If it is one, its names in Nova and in the cluster do not "
        "agree: it would be fenced, and nobody would find its instances.",
        look="`openstack compute service list --service nova-compute`.",
        do="Set `domain`, if the names differ by it only; or name the remote node as Nova does.",
    ),
    FindingCode.HOST_AWAY: Explanation(
        about="Pacemaker fences only what it has seen alive. A host that was off when the cluster started, or of which "
        "its records were deleted, is not.",
        look="Does the host run? Does Nova have it up?",
        do="Start it; or have it fenced by the command that is named, and it is recovered as any other.",
    ),
    FindingCode.CONNECTION_DISABLED: Explanation(
        about="As it should be for a host that is to stay off. But nobody notices the death of one that runs.",
        do="If the host is to run, give the command that is named.",
    ),
    FindingCode.IN_MAINTENANCE: Explanation(
        about="Somebody works on it (`nova-ha maintenance HOST --on`). Until that ends the cluster does not watch it, "
        "and Nova places nothing there. After a day it is a warning.",
        look="`nova-ha maintenance`: which hosts are, since when, and who ordered it.",
        do="Once the work is done, give the command that is named. If the host is dead for good: "
        "`nova-ha evacuate HOST`.",
    ),
}
