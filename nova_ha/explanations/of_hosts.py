# SPDX-License-Identifier: Apache-2.0
"""What is told of hosts: flagged ones, those of which too little is known, and recovered ones on their way back."""

from __future__ import annotations

from nova_ha.explanations.text import AT_ONCE, Explanation
from nova_ha.model.reasons import Code

TEXTS: dict[Code, Explanation] = {
    Code.HELD_BY_GUARD: Explanation(
        operator=AT_ONCE,
        about="Too many hosts are flagged at once for these to be so many dead hosts. Meanwhile Nova has them forced "
        "down and disabled (`nova-ha: held`); they get back what they had.",
        look="Is it the network or the power of the cluster itself? Which rack, switch or aggregate do they share?",
        do="`nova-ha go` lists them. If they are dead indeed: `nova-ha go HOST ...` or `nova-ha go --all`. For hosts "
        "that are to come back as they are: `nova-ha end HOST`.",
        never="Do not let hosts go that you have not looked at: what lives is then run twice.",
    ),
    Code.PAUSED: Explanation(
        operator="Needs an operator at once if the pause does not end by itself.",
        about="The host is forced down and disabled in Nova, and its instances are down.",
        look="`nova-ha resume` shows who paused what, until when and why.",
        do="When the work is done: `nova-ha resume HOST` or `nova-ha resume --all`.",
    ),
    Code.UNKNOWN_FLAG: Explanation(
        operator=AT_ONCE,
        about="nova-compute stays off the host, and nobody recovers it.",
        look="Who wrote the value? Is the host's power off?",
        do="Delete the flag if the host lives. If its power is off for certain, set the flag to `yes`.",
        never="Do not set `yes` on a guess: the host's instances are then started elsewhere.",
    ),
    Code.OTHER_ENGINE: Explanation(
        look="`nova-ha status` says on which control node the engine runs.",
    ),
    Code.NOT_YET: Explanation(),
    Code.NO_SERVICE: Explanation(
        operator=AT_ONCE,
        look="`openstack compute service list --service nova-compute`: by what name does Nova know the host?",
        do="If the names differ, set the parameter `domain` of the engine. If Nova never had a service of it, or it "
        "was removed from Nova, delete the flag.",
    ),
    Code.TWO_SERVICES: Explanation(
        operator=AT_ONCE,
        about="The host was moved to another of Nova's cells, and its former service was left behind: nothing is done "
        "with the host, because it cannot be told which of them has its instances.",
        do="Delete the one that is left over (`openstack compute service delete ID`).",
        never="Do not delete the one whose cell has the host's instances.",
    ),
    Code.AMBIGUOUS_HOST: Explanation(
        operator=AT_ONCE,
        look="`openstack compute service list --service nova-compute`: which of the names is the host?",
        do="Set the parameter `domain` of the engine, or remove the service that is no host.",
    ),
    Code.SECOND_FLAG: Explanation(
        operator=AT_ONCE,
        about="The host was renamed in the cluster while it was flagged, and was fenced by its new name. Each flag is "
        "dealt with in its turn.",
        do="Delete the old entry, by the command that is given.",
    ),
    Code.CELL_AWAY: Explanation(
        operator="Needs an operator after 60 s.",
        about="Nova can read nothing of the hosts of one cell: their recovery waits for the cell's database, and goes "
        "on by itself; other cells' hosts are recovered meanwhile.",
        do="Mend the cell's database.",
        never="Do **not** delete the flag.",
    ),
    Code.UNSUPPORTED_HYPERVISOR: Explanation(
        operator=AT_ONCE,
        about="Nova would take the request, and set each instance to error; so nothing is sent. Such a host need not "
        "be fenced by this cluster at all. Hosts that drive a vCenter likewise.",
        do="Once its nova-compute runs again: `nova-ha end HOST`.",
    ),
    Code.FLAG_DELETED: Explanation(
        operator=AT_ONCE,
        about="Nova-ha took the host out of service, and nothing would put it back. Until its flag is set again, "
        "nothing is evacuated that may be queued there.",
        do="If the host runs: `nova-ha end HOST`, which waits for its evacuations, sets the flag `no`, and has what is "
        "left be done. If it does not: `nova-ha evacuate HOST`, which has it fenced.",
        never="Never delete the flag `restart`: it keeps a nova-compute off that has a request queued for an instance "
        "that is just being started elsewhere.",
    ),
    Code.REMOVED_FROM_CLUSTER: Explanation(
        operator=AT_ONCE,
        about="The host's flag went with its node, so nobody goes on with its recovery, if it was not over. An engine "
        "that started after the removal tells of it only if all other hosts of Nova are nodes of this cluster: else it "
        "may be another cluster's.",
        do="If nothing is left on it, delete its service from Nova, or put it back by hand, if the host lives. Else "
        "add the node's entry again and flag it, as the text says (`yes` only if its power is off for certain), before "
        "its connection is there again: its instances are evacuated, and once its flag is `no`, it can be removed, and "
        "its service deleted.",
        never="Remove a host from the cluster only when it has no flag, or when its service is deleted right after.",
    ),
    Code.NOT_FENCED: Explanation(
        operator=AT_ONCE,
        about="The host does not report to Nova either: it is dead, and Pacemaker was made to forget that it had been "
        "there, by `pcs resource refresh` (`crm_resource --refresh`) between its death and its fencing.",
        do="`nova-ha evacuate HOST` has it fenced: then it is flagged and recovered as any other. If it is off on "
        "purpose, disable its service in Nova.",
    ),
    Code.FLAGGED_HOST_LIVES: Explanation(
        operator=AT_ONCE,
        about="No more evacuations of it are asked for. What was evacuated already may run twice.",
        look="Is its power on? Which BMC was switched off in its place (`shared_power`), and what did the fence agent "
        "log on the control nodes?",
        do="Have it fenced (`pcs stonith fence HOST`): once its power is off for certain, its recovery goes on.",
        never="Do not set the flag to `no` before you know of each of its instances where it runs.",
    ),
    Code.SERVICE_CHANGE_REFUSED: Explanation(
        operator="Needs an operator after 5 refusals.",
        look="The text has Nova's answer, with the request's id: nova-api's log has the rest.",
        do="Mend what Nova complains of. It is asked again by itself.",
    ),
    Code.STOPPING_COMPUTE: Explanation(
        operator="Needs an operator after 15 min.",
        look="`pcs status`: does the cluster manage nova-compute there, and has a stop failed?",
        do="Have the cluster stop it (`pcs resource cleanup`); or have the host fenced (`pcs stonith fence HOST`).",
        never="Do not start nova-compute there by hand.",
    ),
    Code.RENAMED_IN_CLUSTER: Explanation(
        operator=AT_ONCE,
        about="The host was renamed in the cluster while it was flagged, and the flag stands with the entry of its old "
        "name, which the cluster's rule does not look at.",
        do="Give the new name's node the same flag, and delete the old entry, as the command does.",
        never="Better remove or rename no host that has a flag.",
    ),
    Code.NOT_REPORTING: Explanation(
        operator="Needs an operator after 15 min, before the host is in service.",
        look="`pcs status`, then nova-compute's log on the host. Does it reach the message bus?",
        do="Mend nova-compute. The host goes back into service as soon as it reports.",
        never="Do not enable or un-force its service by hand: the engine does both when it is safe.",
    ),
    Code.CLEANING_UP: Explanation(),
    Code.RECORDS_LEFT: Explanation(
        operator=AT_ONCE,
        about="Five starts of it have not removed what was evacuated from the host, and it would destroy that if it "
        "came back here, so the host stays out.",
        look="Its log says why when it starts.",
        do="Once that is mended, stop it: the cluster starts it anew, and the host goes back into service.",
    ),
    Code.RESTORING_FIRST: Explanation(),
}

INTERPLAY: dict[Code, Explanation] = {
    Code.START_INTERLOCK: Explanation(
        about="A nova-compute that starts could take up an old request for an instance that is just being evacuated. "
        "One of the two goes first, and each has its turn.",
    ),
    Code.LATE_REQUEST: Explanation(
        operator="Needs an operator after 5 repairs; for another host that waits for it after 15 min.",
        about="A host that came back took up an old request for an instance that is elsewhere by now. It is healed as "
        "soon as that is certain, the host goes into service after that, and another one that may have it queued, "
        "too, starts only then.",
        do="If it is not healed, look whether its guest runs, and give the command that is named.",
    ),
    Code.REPAIR_AWAITS_HOST: Explanation(
        operator="Needs an operator after 15 min.",
        about="A host that came back took up an old request for an instance that is elsewhere by now, and the "
        "instance's own host does not report just now.",
        do="See to nova-compute there: as soon as it reports, the instance is healed, and the flag of the host that "
        "came back goes.",
    ),
}
