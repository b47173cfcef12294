# SPDX-License-Identifier: Apache-2.0
"""Why nothing is done about a host or an instance just now, or for good: a code for each reason.

Texts are for people and may be mended at any time; programs, tests and alerts go by the codes, which stay.
docs/troubleshooting.md has them for operators, and is checked against them.
"""

from __future__ import annotations

from typing import NamedTuple

from nova_ha.model.coded import Coded


class Code(Coded):
    """One reason."""

    # A flagged host that is not taken up
    HELD_BY_GUARD = "held_by_guard", "too many hosts are flagged at once: the mass failure guard waits for an operator"
    PAUSED = "paused", "an operator has put new recoveries off, of all hosts or of this one"
    UNKNOWN_FLAG = "unknown_flag", "the flag has a value that nova-ha does not know"
    OTHER_ENGINE = "other_engine", "an engine on another control node recovers the host"
    NOT_YET = "not_yet", "the engine has not looked at the host yet"
    # A host of which too little is known
    NO_SERVICE = "no_service", "Nova has no nova-compute service of the host"
    TWO_SERVICES = "two_services", "Nova has two nova-compute services of the host, in two cells"
    AMBIGUOUS_HOST = "ambiguous_host", "several hosts may be meant by the cluster's name of the host"
    SECOND_FLAG = "second_flag", "the host has two flags, of two names in the cluster: the other one is seen to first"
    CELL_AWAY = "cell_away", "the database of the host's cell does not answer Nova"
    UNSUPPORTED_HYPERVISOR = "unsupported_hypervisor", "the host's nova-compute drives what Nova cannot evacuate"
    # A host without a flag
    FLAG_DELETED = "flag_deleted", "somebody deleted the host's flag before the host was back in service"
    REMOVED_FROM_CLUSTER = "removed_from_cluster", "the host left the cluster before it was back in service"
    NOT_FENCED = "not_fenced", "the host seems dead, and the cluster does not fence it"
    # A host in recovery
    FLAGGED_HOST_LIVES = "flagged_host_lives", "the host is flagged, but reports to Nova: it is not dead"
    SERVICE_CHANGE_REFUSED = "service_change_refused", "Nova did not change the host's service: asked again later"
    # A recovered host on its way back
    STOPPING_COMPUTE = "stopping_compute", "the cluster has still to stop the host's nova-compute"
    RENAMED_IN_CLUSTER = "renamed_in_cluster", "the cluster has the host by another name now: its flag stops nothing"
    NOT_REPORTING = "not_reporting", "nova-compute of the host does not report to Nova"
    CLEANING_UP = "cleaning_up", "nova-compute has still to remove what was evacuated from the host"
    RECORDS_LEFT = "records_left", "nova-compute did not end all evacuation records of the host"
    RESTORING_FIRST = "restoring_first", "instances of the host get their former state back first"
    # What one recovery has to do with another
    START_INTERLOCK = "start_interlock", "a host's start and an instance's evacuation wait for each other"
    LATE_REQUEST = "late_request", "an old request, carried out late, left an instance in error"
    REPAIR_AWAITS_HOST = "repair_awaits_host", "an old request left an instance in error, whose host does not report"
    # An instance that is not recovered
    NOT_SELECTED = "not_selected", "the policy, or the instance's owner, does not want it recovered"
    ENDED = "ended", "an operator has ended the recovery of its host: it stays there"
    NOTHING_TO_RECOVER = "nothing_to_recover", "its state leaves nothing to recover: shelved, never launched, deleted"
    NOT_EVACUABLE = "not_evacuable", "Nova evacuates no instance of that kind"
    KEY_REFUSED = "key_refused", "Nova may not read the key of the instance's encrypted volume"
    # An instance that needs a decision, or a look
    SELECTION_UNKNOWN = "selection_unknown", "Glance does not tell whether the instance's image selects it"
    UNKNOWN_STATE = "unknown_state", "the instance's state is none that nova-ha knows"
    WOULD_BE_DESTROYED = "would_be_destroyed", "nova-compute would destroy the instance when its host starts"
    UNKNOWN_GUEST = "unknown_guest", "a guest of the instance is on a host that Nova does not know of"
    LIVE_MIGRATION = "live_migration", "a live migration may have moved the instance, or may still do so"
    # An instance that waits for its turn
    STORAGE_DELAY = "storage_delay", "evacuate_delay: storage is given time"
    GROUP_ORDER = "group_order", "a group that goes first is not up yet"
    IN_FLIGHT_LIMIT = "in_flight_limit", "as many evacuations are in flight as may be now"
    SOURCE_LIMIT = "source_limit", "in_flight_per_source: as many evacuations of the host are in flight as may be"
    NO_HOST = "no_host", "no compute host is up and enabled that could take the instance"
    # Something was asked for the instance
    SENDING = "sending", "a request for the instance is being sent"
    ASKED = "asked", "something was asked for the instance, and shows after a while"
    REQUEST_UNANSWERED = "request_unanswered", "Nova did not answer a request, and may still carry it out"
    EVACUATING = "evacuating", "Nova evacuates the instance"
    STUCK = "stuck", "the instance's evacuation does not go on, and nothing proves that it is over"
    RESTORING = "restoring", "the instance gets its former state back"
    RESTORE_FAILED = "restore_failed", "the instance did not get its former state back, however often it was tried"
    # An instance that has failed on a host that lives
    INSTANCE_BUSY = "instance_busy", "its owner, or Nova, does something with the failed instance just now"
    FAILURE_LEFT = "failure_left", "instances that failed in that way are not restarted"
    FAILS_AT_ONCE = "fails_at_once", "the instance failed soon after it had started: it would again"
    FAILS_OFTEN = "fails_often", "the instance has failed as often as it may be restarted"
    REPORT_UNCLEAR = "report_unclear", "what a host tells of its failed instances cannot be understood"
    # A pause after a failure, by what failed
    NO_ROOM = "no_room", "no host had room for the instance"
    SPAWN_FAILED = "spawn_failed", "the instance could not be started on the host that was chosen"
    CONFLICT = "conflict", "Nova does something else with the instance just now"
    FORBIDDEN = "forbidden", "a quota or a policy of the cloud is against it"
    CLOUD_AWAY = "cloud_away", "the cloud does not take requests"
    CLOUD_BUSY = "cloud_busy", "the cloud asks to slow down"
    UNKNOWN_FAILURE = "unknown_failure", "it failed, and the cloud's answer does not tell why"
    # What the engine itself complains of
    CLOUD_REFUSES = "cloud_refuses", "the cloud refuses the engine: all recoveries wait"
    CONFIGURATION_REFUSED = (
        "configuration_refused",
        "a changed configuration will not do: the former one stays in force",
    )
    NOT_NOTIFIED = "not_notified", "[notify] is wrong, or a receiver of notifications takes none"


class Problem(NamedTuple):
    """Why nothing can be done about a host, or what is wrong with it.

    :param reason: for people
    :param command: the way out, complete, if there is one
    """

    code: Code
    reason: str
    command: str | None = None
