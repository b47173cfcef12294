# SPDX-License-Identifier: Apache-2.0
"""What is told of instances."""

from __future__ import annotations

from nova_ha.explanations.text import AT_ONCE, Explanation
from nova_ha.model.reasons import Code

_AFTER_5 = "Needs an operator after 5 failures."

_REFUSED = Explanation(
    operator=_AFTER_5,
    about="Nova has refused an instance five times for a reason that may pass.",
    look="The text has Nova's answer, with the request's id.",
    do="Mend that, and `nova-ha retry ID` has it asked for again at once; or, if it will not, the command has the "
    "instance left on its host, so that the rest goes on.",
)

_TWICE = "Never evacuate it by hand to a third host: two guests could write one disk."

TEXTS: dict[Code, Explanation] = {
    Code.NOT_SELECTED: Explanation(
        look="The text says which rule decided: [policy](policy.md).",
        do="Nothing, if that is as you mean it. It stays on its host, and can start there when the host is back.",
    ),
    Code.ENDED: Explanation(
        about="It stays on its host, and can start there when the host is back. An instance of which an evacuation had "
        "been asked for is evacuated all the same: its guest may start elsewhere.",
        do="Nothing. To have it recovered after all, have its host fenced once more: `nova-ha evacuate HOST`.",
    ),
    Code.NOTHING_TO_RECOVER: Explanation(do="Nothing."),
    Code.NOT_EVACUABLE: Explanation(
        operator=AT_ONCE,
        about="It stays on its host, which is recovered without it, and can start there when the host is back: see "
        "[instance states](instance-states.md).",
        do="Bring the host back, or make the instance anew.",
    ),
    Code.KEY_REFUSED: Explanation(
        operator=AT_ONCE,
        about="Nova evacuates in the name of the engine's user, and the key manager gives a key only to who may read "
        "it. The instance stays, and can start here when its host is back.",
        look="nova-compute's log on the host that was chosen; the key manager's rules for the secret.",
        do="When the host is back, its owner starts it, by the command that is given. To have such instances "
        "evacuated, let the engine's user read the secrets.",
    ),
    Code.SELECTION_UNKNOWN: Explanation(
        operator="Needs an operator after 60 s.",
        about="An engine that was started while Glance was away does not know which images select instances (see "
        "[policy](policy.md)): it waits with those made from one, and goes on by itself.",
        do="Mend Glance.",
    ),
    Code.UNKNOWN_STATE: Explanation(
        operator=AT_ONCE,
        look="`openstack server show ID`: its state, and what Nova does with it.",
        do="Bring it into a state that is known ([instance states](instance-states.md)), and tell us of it.",
    ),
    Code.INSTANCE_BUSY: Explanation(
        about="What has failed is not restarted while its owner, or Nova, does something with it.",
    ),
    Code.FAILURE_LEFT: Explanation(
        operator=AT_ONCE,
        look="The text says what its host has told: an instance that is paused for an I/O error goes on once its "
        "storage is back and it is reset.",
        do="Deal with the cause, and restart it by the command that is given. To have such failures restarted, name "
        "their kind in the option `failures` of `[instances]`.",
    ),
    Code.FAILS_AT_ONCE: Explanation(
        operator=AT_ONCE,
        about="It ran for less than `min_uptime` seconds.",
        look="`openstack console log show ID`; QEMU's log of it on its host; memory that the host's kernel wanted.",
        do="Deal with the cause, and restart it by the command that is given.",
    ),
    Code.FAILS_OFTEN: Explanation(
        operator=AT_ONCE,
        about="It was restarted `most_restarts` times within `restart_window` seconds, and has failed again.",
        look="`nova-ha history`; `openstack console log show ID`; QEMU's log of it on its host.",
        do="Deal with the cause, and restart it by the command that is given.",
    ),
    Code.REPORT_UNCLEAR: Explanation(
        operator=AT_ONCE,
        about="The host and the control nodes have different versions of nova-ha, or somebody else writes to the node "
        "attribute `nova-ha-instances`. What can be understood of it is seen to.",
        do="Bring the host to the control nodes' version.",
    ),
    Code.WOULD_BE_DESTROYED: Explanation(
        operator=AT_ONCE,
        about="An instance is on a host from which Nova has a record of an evacuation that never ended.",
        do="Have it evacuated, or move it, before its host returns.",
        never="Do not start nova-compute there: it would destroy the instance, its disk included where that is local.",
    ),
    Code.UNKNOWN_GUEST: Explanation(
        operator=AT_ONCE,
        about="Nova gave an evacuation up, and its guest runs all the same.\n\nWhere the text says that an evacuation "
        "to the host failed (the message bus or the conductor was away for more than a minute just then, or two "
        "requests met), its guest *may* run there. The instance is asked for again on that host only: let Nova use it "
        "again (`openstack compute service set --enable HOST nova-compute`, or start its nova-compute), or have it "
        "fenced. Then it goes on by itself.",
        look="`virsh list --all` on the host that is named.",
        do="Fence the host that is named, or remove the guest there and set the instance's state to active.",
        never=_TWICE,
    ),
    Code.LIVE_MIGRATION: Explanation(
        operator="Needs an operator after 120 s.",
        about="The host died while the instance left it.",
        look="Look on the other host: does its guest run there?",
        do="If it does not run: `openstack server set --state error ID`, and it is evacuated. If it does, stop it "
        "there first.",
        never=_TWICE,
    ),
    Code.STORAGE_DELAY: Explanation(),
    Code.GROUP_ORDER: Explanation(),
    Code.IN_FLIGHT_LIMIT: Explanation(),
    Code.SOURCE_LIMIT: Explanation(),
    Code.NO_HOST: Explanation(
        operator="Needs an operator if no host is left that could come up by itself: at once if all are dead and "
        "`no_room = wait`, else a quarter of an hour after `no_room_patience`.",
        about="Every other host is down, flagged or disabled; with RabbitMQ or the conductor away all of them read "
        "down. It goes on by itself.",
        look="`openstack compute service list`; is it the message bus or the conductor?",
        do="Let a host take instances again. With `no_room = restart_in_place`, hosts that come back start their own: "
        "those that were removed from the cluster must be added to it again.",
    ),
    Code.SENDING: Explanation(),
    Code.ASKED: Explanation(
        operator="Needs an operator after 5 times.",
        look="`openstack server event list ID`: what became of it?",
        do="Nothing, until it is marked. Then mend what Nova says there.",
    ),
    Code.REQUEST_UNANSWERED: Explanation(
        operator="Needs an operator after `stuck_after`.",
        about="It is looked for in Nova's records, never asked for again blindly ([exactly once](exactly-once.md)).",
        look="nova-api and its proxy: why did they not answer?",
        do="Mend that. It goes on by itself as soon as Nova's records say what became of the request.",
        never=_TWICE,
    ),
    Code.EVACUATING: Explanation(),
    Code.STUCK: Explanation(
        operator=AT_ONCE,
        about="Nova has not moved for ten minutes (`stuck_after`), and its records do not show whether somebody is "
        "still at work: a slow scheduler, say, or a request that was lost with RabbitMQ. It goes on by itself as soon "
        "as they do ([exactly once](exactly-once.md)).",
        look="Look at the destination: nova-compute's log, and `virsh list --all`. The text says how to go on.",
        do="`openstack server set --state error ID` is your word that nobody is at work on the instance, and no guest "
        "of it is there: a minute later it is evacuated anew; on the same host only, if that had begun with it. (Nova "
        "records it as an action of yours: give it as another user than the engine's.) Where it says to restart "
        "nova-compute, stop it (`systemctl stop nova-compute`): the cluster starts it anew, and from that the engine "
        "knows that the evacuation is lost, and tries it again on the same host. So it does by itself, within two "
        "minutes, when nova-compute has died and the cluster has started it anew; what systemd restarts (`systemctl "
        "restart`, `Restart=` in the unit) it does not notice.",
        never=_TWICE,
    ),
    Code.RESTORING: Explanation(),
    Code.RESTORE_FAILED: Explanation(
        operator=AT_ONCE,
        about="The previous power state could not be restored after 5 attempts.",
        look="Check the instance on its host.",
        do="Bring it into its former state; or remove the tag by the command that is given, which stops further "
        "attempts.",
    ),
    Code.NO_ROOM: Explanation(
        operator=_AFTER_5,
        about="It is tried again with growing pauses, up to 25 minutes, since each try leaves a record in Nova for "
        "good; at once when a host comes up, or is enabled.",
        look="`nova-ha plan --all` says which instances find room; `openstack server show ID` what Nova says.",
        do="Make room: enable a host, or move or delete instances. Where Nova does not show that (an instance deleted, "
        "a quota, an allocation ratio), `nova-ha retry HOST` has all of the host's tried at once.",
    ),
    Code.SPAWN_FAILED: Explanation(
        operator=_AFTER_5,
        look="nova-compute's log on the host that was chosen: the text names it, and what Nova says.",
        do="Mend that, or disable the host. It is tried again, with growing pauses; `nova-ha retry ID`: at once.",
    ),
    Code.CONFLICT: _REFUSED,
    Code.FORBIDDEN: _REFUSED,
    Code.CLOUD_AWAY: Explanation(
        look="Keystone, nova-api and what is in front of them, from this control node; the text says which.",
        do="Mend it. The engine waits, its resource stays up, and it goes on by itself.",
    ),
    Code.CLOUD_BUSY: Explanation(
        look="What is asked so much of Nova? nova-api's log, its database.",
    ),
    Code.UNKNOWN_FAILURE: _REFUSED,
}
