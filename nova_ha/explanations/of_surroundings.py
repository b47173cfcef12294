# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha check`` finds in the cloud, on this node, in the policy, and of the room that there is."""

from __future__ import annotations

from nova_ha.explanations.text import Explanation
from nova_ha.model.findings import FindingCode

_RIGHTS = "[security](security.md#what-the-engine-asks-for)"

TEXTS: dict[FindingCode, Explanation] = {
    FindingCode.CONFIGURATION_INVALID: Explanation(
        about="An engine that runs goes on as it was configured before; one that is started now would fail.",
        do="Correct what the text names.",
    ),
    FindingCode.CREDENTIALS_REFUSED: Explanation(
        about="The engine cannot recover anything. One that runs waits, and complains (`cloud_refuses`).",
        look="Was the password changed, the user disabled, the project renamed?",
        do="`pcs resource update nova-evacuate password=...`, or correct the file and `pcs resource restart "
        "nova-evacuate`.",
    ),
    FindingCode.NO_ENDPOINT: Explanation(
        about="Without `placement`, an evacuation that was lost on its way is asked for again much later; without "
        "`image`, images select nothing.",
        look="The text says what the catalog has: another interface, another region?",
        do="Set `endpoint_type` and `region_name` of the engine, or add the endpoint to Keystone's catalog.",
    ),
    FindingCode.REGION_NOT_SET: Explanation(do="Give the command that is named, with the region of these hosts."),
    FindingCode.NOVA_TOO_OLD: Explanation(do="Microversion 2.59 is needed, which is Nova's of Queens."),
    FindingCode.RIGHT_MISSING: Explanation(
        about="What the engine may not read it cannot go by: recoveries wait, or rest on less.",
        look=f"Which policy is it? {_RIGHTS} has each request with its policies.",
        do="Give the engine's user Nova's role admin, in the project that is configured.",
    ),
    FindingCode.SERVICE_AWAY: Explanation(
        look="The text names the service's address, and how it failed.",
        do="Mend it. Recovery goes on without it as far as it can.",
    ),
    FindingCode.CLOCK_DIFFERS: Explanation(
        about="Tokens begin and end by Keystone's clock; who compares logs needs one time.",
        look="`chronyc tracking` on this node, and on the cloud's.",
        do="Have both follow one time server.",
    ),
    FindingCode.REPORTS_RARE: Explanation(
        about="The engine takes 30 s without any report for a failure of the message bus, and waits then. It rests on "
        "`report_interval = 10`, Nova's default ([exactly once](exactly-once.md#the-numbers-and-what-they-rest-on)).",
        look="`report_interval` in nova.conf of the compute hosts; the load of the message bus and of the conductors.",
        do="Leave `report_interval` at its default.",
    ),
    FindingCode.DOWN_LATE: Explanation(
        about="The engine does not go by it, for it forces dead hosts down. But until then, and for what is no host's "
        "death, Nova's scheduler sends instances to a host that is gone.",
        do="Leave `service_down_time` at its default of 60 s, if nothing speaks against it.",
    ),
    FindingCode.NOVA_TIMEOUT_DIFFERS: Explanation(
        about="The engine takes a request for lost once Nova cannot wait for it any more. If Nova waits longer than "
        "the engine is told, a second request may meet the first one, and a guest be started twice.",
        do="Write Nova's value into `[recovery]` of nova-ha.conf on all control nodes, and `pcs resource restart "
        "nova-evacuate`.",
        never="Do not set ours below Nova's.",
    ),
    FindingCode.TLS_NOT_VERIFIED: Explanation(
        do="Give the CA by `cafile` in `[nova]` of nova-ha.conf, and take `insecure` away.",
    ),
    FindingCode.PASSWORD_READABLE: Explanation(do="Give the command that is named."),
    FindingCode.HISTORY_NOT_KEPT: Explanation(
        about="`nova-ha history` and `report` show on that node only what was done there; and that is lost with it.",
        look="`systemctl status nova-ha-history` on that node.",
        do="Give the command that is named on that node.",
    ),
    FindingCode.FILE_CHANGED: Explanation(
        about="A package of the same name may have been upgraded over it: fence-agents has a fence_compute of its own, "
        "which writes no flag that the engine knows.",
        look="`dpkg -S FILE`, `rpm -qf FILE`: whose is it now?",
        do="Run `tools/install` of the version that you use on this node again.",
    ),
    FindingCode.TAG_UNUSED: Explanation(
        about="Where nothing carries the tag, every instance is recovered: a tag that is misspelled selects all.",
        do="Mark flavors or images with it, or correct `tag` ([policy](policy.md)).",
    ),
    FindingCode.SELECTS_NOTHING: Explanation(
        about="The lists have projects by id, and zones and aggregates by name; a wrong one changes nothing without a "
        "word.",
        do="Correct the option ([policy](policy.md)).",
    ),
    FindingCode.NO_ROOM_FOR_HOST: Explanation(
        about="By sums of what the host's instances use and what is free on all others together; which of them find "
        "room says `nova-ha plan --all`.",
        do="Make room: another host, a reserved one, fewer instances, other allocation ratios.",
    ),
}
