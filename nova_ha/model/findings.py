# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha check`` can find: a code for each, how much it matters, and what one finding says.

The codes stay, as those of ``reasons``; a finding that says what a reason of the engine's says has that code.
docs/check.md has them for operators, and is made from ``explanations``.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, Union

from nova_ha.model.coded import Coded
from nova_ha.model.reasons import Code


class Severity(str, enum.Enum):
    """How much a finding matters.

    ERROR: a host that dies is not recovered, or not safely. WARNING: recovery is slower, or rests on less, than it
    could. NOTE: as it may be meant.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class FindingCode(Coded):
    """One thing that can be found."""

    # The cluster
    CLUSTER_AWAY = "cluster_away", "Pacemaker does not answer on this node"
    STONITH_DISABLED = "stonith_disabled", "the cluster fences nobody"
    NO_QUORUM = "no_quorum", "this part of the cluster has no quorum"
    QUORUM_IGNORED = "quorum_ignored", "the cluster goes on without quorum"
    FEW_CONTROL_NODES = "few_control_nodes", "the cluster has fewer than three control nodes"
    MAINTENANCE_MODE = "maintenance_mode", "the cluster manages nothing, or stops everything"
    MIXED_PACEMAKER = "mixed_pacemaker", "the nodes run different versions of Pacemaker"
    FENCING_ONE_BY_ONE = "fencing_one_by_one", "dead hosts are fenced one after another"
    NO_STARTUP_PROBES = "no_startup_probes", "Pacemaker does not look before it starts something"
    # Resources
    NO_ENGINE = "no_engine", "the cluster has no recovery engine"
    ENGINE_CLONED = "engine_cloned", "the recovery engine is cloned: two could run"
    ENGINE_NOT_RUNNING = "engine_not_running", "the recovery engine runs nowhere"
    ENGINE_NOT_CONFINED = "engine_not_confined", "nothing keeps the recovery engine on control nodes"
    NO_COMPUTE_RESOURCE = "no_compute_resource", "no resource holds nova-compute back on flagged hosts"
    COMPUTE_NOT_RUNNING = "compute_not_running", "nova-compute does not run on a host that is there"
    NO_STICKINESS = "no_stickiness", "the cluster moves what runs well"
    NO_FAILURE_TIMEOUT = "no_failure_timeout", "what failed once is not tried again"
    NO_MONITOR = "no_monitor", "nobody notices that a resource has failed"
    SHORT_TIMEOUT = "short_timeout", "an operation has less time than its agent advises"
    SLOW_CONNECTION = "slow_connection", "a lost host's connection holds up the fencing of others"
    FLAG_RULE_MISSING = "flag_rule_missing", "no rule keeps nova-compute off a flagged host"
    FLAG_RULE_WRONG = "flag_rule_wrong", "the flag's rule keeps nova-compute off a host that is well"
    ATTRIBUTES_DIFFER = "attributes_differ", "the agents do not mean the same flag"
    # Fencing
    NO_LEVEL = "no_level", "no fencing level is for the host, and no device of its own flags it"
    LEVEL_UNCLEAR = "level_unclear", "which devices fence the host cannot be told"
    UNKNOWN_DEVICE = "unknown_device", "a fencing level names a device that is not configured"
    LEVEL_WITHOUT_FLAG = "level_without_flag", "a fencing level does not end in fence_compute"
    LEVEL_WITHOUT_POWER = "level_without_power", "a fencing level flags before it has cut the power"
    FLAG_DISABLED = "flag_disabled", "fence_compute is told to flag nothing"
    SHARED_POWER = "shared_power", "two hosts stand behind one power switch"
    FENCE_TIMEOUT = "fence_timeout", "a fence ends before its power agent has had its time"
    DEVICE_FAILED = "device_failed", "a fencing device does not work"
    ONE_FENCE_AT_A_TIME = "one_fence_at_a_time", "a device for several hosts fences one at a time"
    # Hosts and their names
    HOST_NOT_WATCHED = "host_not_watched", "nobody notices the death of a compute host"
    NODE_NOT_IN_NOVA = "node_not_in_nova", "a remote node is no compute host of Nova's"
    HOST_AWAY = "host_away", "the cluster has lost a host and does not fence it"
    CONNECTION_DISABLED = "connection_disabled", "the connection to a host is switched off"
    IN_MAINTENANCE = "in_maintenance", "a host is in maintenance, and not watched"
    # The cloud and this node
    CONFIGURATION_INVALID = "configuration_invalid", "the engine's configuration cannot be used"
    CREDENTIALS_REFUSED = "credentials_refused", "Keystone refuses the engine's credentials"
    NO_ENDPOINT = "no_endpoint", "Keystone's catalog does not have what the engine needs"
    REGION_NOT_SET = "region_not_set", "the catalog has several regions, and none is chosen"
    NOVA_TOO_OLD = "nova_too_old", "Nova speaks no microversion that the engine can use"
    RIGHT_MISSING = "right_missing", "the engine's user may not do what it has to"
    SERVICE_AWAY = "service_away", "a part of the cloud does not answer"
    CLOCK_DIFFERS = "clock_differs", "the clocks of this node and of the cloud differ"
    REPORTS_RARE = "reports_rare", "compute hosts report to Nova more rarely than the engine counts on"
    DOWN_LATE = "down_late", "Nova has hosts up that have not reported for long"
    NOVA_TIMEOUT_DIFFERS = "nova_timeout_differs", "Nova waits longer than the engine is told"
    TLS_NOT_VERIFIED = "tls_not_verified", "anybody in between can read the password"
    PASSWORD_READABLE = "password_readable", "others than root can read a password"
    HISTORY_NOT_KEPT = "history_not_kept", "a control node does not keep the history"
    FILE_CHANGED = "file_changed", "an installed file is not what was installed"
    # Policy, room, size
    TAG_UNUSED = "tag_unused", "nothing carries the tag that is configured"
    SELECTS_NOTHING = "selects_nothing", "a list of the policy names what is not there"
    NO_ROOM_FOR_HOST = "no_room_for_host", "if a host were lost, its instances would not all find room"
    MANY_HOSTS = "many_hosts", "the cluster has more hosts than Pacemaker handles well"
    LARGE_CONFIGURATION = "large_configuration", "the configuration nearly fills a message of Pacemaker's"


AnyCode = Union[Code, FindingCode]


class Finding(NamedTuple):
    """One finding.

    :param subject: what it is about: a host, a resource, a file, a property
    :param text: one sentence, for people
    :param command: what mends it, complete, where something that can be typed does
    """

    code: AnyCode
    severity: Severity
    subject: str
    text: str
    command: str | None = None


def error(code: AnyCode, subject: str, text: str, command: str | None = None) -> Finding:
    """A finding that keeps a dead host from being recovered."""
    return Finding(code, Severity.ERROR, subject, text, command)


def warning(code: AnyCode, subject: str, text: str, command: str | None = None) -> Finding:
    """A finding that makes recovery worse than it could be."""
    return Finding(code, Severity.WARNING, subject, text, command)


def note(code: AnyCode, subject: str, text: str, command: str | None = None) -> Finding:
    """A finding that may be as it is meant."""
    return Finding(code, Severity.NOTE, subject, text, command)
