# SPDX-License-Identifier: Apache-2.0
"""The options of ``/etc/nova-ha/nova-ha.conf`` that are ours: name, default, what is allowed, and what it does.

Section ``[nova]`` takes those of keystoneauth as well (see ``loader``).
"""

from __future__ import annotations

from oslo_config import cfg

from nova_ha.model import evacuable_tag, flag
from nova_ha.model.instance_failures import Kind
from nova_ha.policy import instance_restarts, selection

GROUP = "nova"

# Our own options, by section.
OPTIONS: dict[str, list[cfg.Opt]] = {
    GROUP: [
        cfg.StrOpt(
            "cloud",
            help="Cloud of clouds.yaml to take credentials, CA, region and interface from, instead of auth_type. Needs "
            "openstacksdk.",
        ),
    ],
    "recovery": [
        cfg.IntOpt("workers", default=8, min=1, max=64, help="Requests for instances sent side by side."),
        cfg.IntOpt(
            "in_flight",
            default=100,
            min=1,
            help="Evacuations in flight at once, over all hosts. Fewer while Nova says that it is busy (429, 503), is "
            "slow to answer, or does not; that is forgotten when it has not for five minutes, or a recovery begins.",
        ),
        cfg.IntOpt(
            "in_flight_per_source",
            default=0,
            min=0,
            help="Evacuations in flight at once, away from one host. 0: no limit of its own.",
        ),
        cfg.IntOpt(
            "in_flight_per_destination",
            default=20,
            min=0,
            help="Evacuations in flight at once for each host that could take them, on average: which one it is the "
            "scheduler chooses. Nova has a host make ten guests at a time (max_concurrent_builds). 0: no limit of its "
            "own.",
        ),
        cfg.StrOpt(
            "no_room",
            default="wait",
            choices=[
                ("wait", "until there is room elsewhere"),
                ("restart_in_place", "on their own host, once it is healthy again"),
            ],
            help="What becomes of instances that no other host has room for.",
        ),
        cfg.IntOpt(
            "no_room_patience",
            default=300,
            min=0,
            help="Seconds without room after which instances are restarted in place, where no_room says so.",
        ),
        cfg.IntOpt(
            "stuck_after",
            default=600,
            min=1,
            help="Seconds in flight after which an evacuation is reported as stuck, and retried where that is safe.",
        ),
        cfg.IntOpt(
            "long_rpc_timeout",
            default=1800,
            min=60,
            help="Nova's option of that name ([DEFAULT] in nova.conf of the conductors), in seconds: for so long the "
            "conductor waits for a scheduler that lives. An evacuation of which nothing else proves that it is lost is "
            "asked for again three minutes after that.",
        ),
        cfg.IntOpt(
            "rpc_response_timeout",
            default=60,
            min=10,
            help="Nova's option of that name, in seconds: for so long the conductor waits for a scheduler that it "
            "hears nothing of. One that has stood still for 15 seconds longer waits for none any more.",
        ),
        cfg.IntOpt(
            "evacuate_delay",
            default=0,
            min=0,
            help="Seconds between taking a dead host up and its first evacuation, for a storage that needs them to let "
            "go of the dead host's locks or leases.",
        ),
        cfg.BoolOpt(
            "shared_storage",
            default=True,
            help="Whether the instances' disks are reachable from every host. Where they are not, the copy of a "
            "resized instance that its former host has is kept. The agent's no_shared_storage is its opposite.",
        ),
        cfg.StrOpt(
            "attribute",
            default=flag.ATTRIBUTE,
            help="The node attribute that is the flag, unless the agent's parameter says it.",
        ),
        cfg.StrOpt(
            "domain",
            help="DNS domain of Nova's host names, where the cluster's names are short, unless the agent's parameter "
            "says it.",
        ),
    ],
    "policy": [
        cfg.StrOpt(
            "tag",
            default=evacuable_tag.TAG,
            regex=r"^[^\s/,&=]+$",
            help="Extra spec of flavors (tag=true), and property (tag=true) or tag of images, that selects instances. "
            "Where nothing carries it, all are recovered.",
        ),
        cfg.StrOpt(
            "metadata_key",
            default=selection.METADATA_KEY,
            help="Metadata of an instance by which its owner opts in (true) or out (false). Empty: not asked.",
        ),
        cfg.ListOpt("skip_names", default=[], help="Shell patterns of names of instances that are not recovered."),
        cfg.ListOpt("projects", default=[], help="Ids of projects. If given, only their instances are recovered."),
        cfg.ListOpt("skip_projects", default=[], help="Ids of projects whose instances are not recovered."),
        cfg.ListOpt(
            "availability_zones", default=[], help="If given, only instances in these availability zones are recovered."
        ),
        cfg.ListOpt(
            "skip_availability_zones", default=[], help="Instances in these availability zones are not recovered."
        ),
        cfg.ListOpt(
            "aggregates", default=[], help="If given, only instances on hosts of these host aggregates are recovered."
        ),
        cfg.ListOpt(
            "skip_aggregates", default=[], help="Instances on hosts of these host aggregates are not recovered."
        ),
        cfg.BoolOpt(
            "error_instances",
            default=True,
            help="Whether instances that were in error before their host died are recovered.",
        ),
    ],
    "instances": [
        cfg.BoolOpt(
            "restart",
            default=False,
            help="Whether instances that fail while their host lives are restarted. The agent NovaInstances tells of "
            "them.",
        ),
        cfg.ListOpt(
            "failures",
            default=["crashed", "panicked", "watchdog", "hung"],
            item_type=cfg.types.String(choices=[kind.value for kind in Kind], ignore_case=False),
            help="Kinds of failure after which they are. Of the others an operator is told.",
        ),
        cfg.StrOpt(
            "tag",
            default=instance_restarts.TAG,
            regex=r"^[^\s/,&=]+$",
            help="Extra spec of flavors (tag=true), and property (tag=true) or tag of images, that selects instances. "
            "Where nothing carries it, all are restarted.",
        ),
        cfg.StrOpt(
            "metadata_key",
            default=instance_restarts.METADATA_KEY,
            help="Metadata of an instance by which its owner opts in (true) or out (false); by default Masakari's. "
            "Empty: not asked.",
        ),
        cfg.ListOpt("skip_projects", default=[], help="Ids of projects whose instances are not restarted."),
        cfg.IntOpt(
            "min_uptime",
            default=120,
            min=0,
            help="Seconds that an instance must have run before it failed. One that fails sooner is left, and an "
            "operator is told.",
        ),
        cfg.IntOpt(
            "most_restarts",
            default=3,
            min=1,
            help="Restarts of one instance within restart_window, at most. Then it is left, and an operator is told.",
        ),
        cfg.IntOpt("restart_window", default=3600, min=60, help="Seconds in which most_restarts counts."),
    ],
    "order": [
        cfg.StrOpt(
            "priority_key",
            default="nova-ha:priority",
            help="Metadata of an instance, or extra spec of its flavor, with a whole number: the higher, the earlier.",
        ),
        cfg.StrOpt("group_key", default="nova-ha:group", help="Metadata of an instance that names its group."),
        cfg.ListOpt(
            "groups",
            default=[],
            help="Groups in the order in which they are recovered; instances of no group come last.",
        ),
        cfg.IntOpt(
            "group_patience",
            default=300,
            min=0,
            help="Seconds that a group waits at most for the one before it to be up.",
        ),
    ],
    "guard": [
        cfg.IntOpt(
            "max_hosts",
            default=0,
            min=0,
            help="With more hosts than this flagged, no new recovery starts without an operator's word. 0: no limit.",
        ),
        cfg.IntOpt(
            "max_share",
            default=50,
            min=1,
            max=100,
            help="The same as a percentage of all compute hosts. 100: no limit.",
        ),
        cfg.IntOpt(
            "max_aggregate_share",
            default=100,
            min=1,
            max=100,
            help="The same as a percentage of the hosts of any one host aggregate. 100: no limit.",
        ),
        cfg.IntOpt("least", default=3, min=1, help="Fewer flagged hosts than this are never held back."),
    ],
    "reserve": [
        cfg.BoolOpt(
            "destination",
            default=False,
            help="Whether a lost host's instances are sent to the reserved host that was enabled in its place.",
        ),
    ],
    "notify": [
        cfg.ListOpt(
            "events",
            default=["host_down", "recovery", "needs_operator", "degraded", "cloud_away"],
            item_type=cfg.types.String(
                choices=["host_down", "recovery", "needs_operator", "degraded", "cloud_away"], ignore_case=False
            ),
            help="Kinds of conditions that webhooks, commands and mail are told of.",
        ),
        cfg.MultiStrOpt(
            "webhook",
            default=[],
            secret=True,
            help="Where messages are posted: FORMAT URL. The format is plain (JSON of our own), slack, mattermost or "
            "alertmanager (whose URL ends in /api/v2/alerts). May be given several times, a line each.",
        ),
        cfg.StrOpt(
            "command_directory",
            help="Directory of programs that are given each message, as JSON on standard input. They are run as root.",
        ),
        cfg.ListOpt("mail_to", default=[], help="Addresses that get mail."),
        cfg.StrOpt("mail_from", help="Whom mail is from. nova-ha@ and the node's name by default."),
        cfg.StrOpt("mail_server", default="localhost:25", help="HOST:PORT of the server that relays mail."),
        cfg.StrOpt(
            "mail_tls",
            default="none",
            choices=[("none", "no TLS"), ("starttls", "TLS after STARTTLS"), ("tls", "TLS from the start")],
            help="How the connection to the mail server is kept secret.",
        ),
        cfg.StrOpt("mail_user", help="Who logs in at the mail server, over TLS only. Nobody does without it."),
        cfg.StrOpt("mail_password", secret=True, help="The password of mail_user."),
        cfg.StrOpt("cafile", help="Certificates that are trusted of webhooks and the mail server, not the system's."),
        cfg.BoolOpt(
            "masakari",
            default=False,
            help="Whether Masakari gets a notification of each host that is down, as from its own monitors. Its engine "
            "must not recover hosts then: see the page on monitoring.",
        ),
        cfg.IntOpt(
            "messages_per_minute",
            default=10,
            min=1,
            max=600,
            help="Messages to each receiver in any minute, at most. What comes meanwhile is in one message then.",
        ),
        cfg.StrOpt(
            "spool_directory",
            default="/var/lib/nova-ha/notify",
            help="Directory in which notifications are kept until they are taken.",
        ),
    ],
}
