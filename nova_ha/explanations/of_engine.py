# SPDX-License-Identifier: Apache-2.0
"""What is told of the engine itself: what it complains of, and the states in which it does not work."""

from __future__ import annotations

from nova_ha.explanations.text import AT_ONCE, Explanation
from nova_ha.model.reasons import Code

_LOG = "`journalctl -t 'NovaEvacuate(nova-evacuate)'` on its control node; `pcs status` has the exit reason."

TEXTS: dict[Code, Explanation] = {
    Code.CLOUD_REFUSES: Explanation(
        operator=AT_ONCE,
        about="The resource shows as *degraded*. Nothing is lost: recoveries go on as soon as the cloud takes the "
        "engine again.",
        look="The text has the cloud's answer: a password that was changed, a role that was taken away, a catalog "
        "without the region. `nova-ha check` says which.",
        do="Mend the credentials: by `pcs resource update nova-evacuate password=...`, or in the file, and then `pcs "
        "resource restart nova-evacuate`. `pcs resource cleanup nova-evacuate` takes the line away.",
    ),
    Code.CONFIGURATION_REFUSED: Explanation(
        operator=AT_ONCE,
        about="The engine goes on as it was configured before. It would not start with what is configured now.",
        look="The text names the option, its value and what would do.",
        do="Correct it: the engine takes it over by itself, where it was a parameter; after a change of the file only, "
        "by `pcs resource restart nova-evacuate`.",
    ),
    Code.NOT_NOTIFIED: Explanation(
        operator="Needs an operator, at leisure.",
        about="Recovery goes on all the same. What a receiver has not taken is kept, and sent until it is.",
        look="The text has the receiver and what it answers, or the option of `[notify]`. The journal tells when it "
        "began: `notifications: ... takes none`.",
        do="Mend the receiver: it is tried again within five minutes. Correct the option: `pkill -HUP -f "
        "nova_ha.recovery.daemon` on the engine's node has it taken over.",
    ),
}

# The states of the engine that ``nova-ha status`` shows, each with what it means.
STATES: dict[str, tuple[str, Explanation]] = {
    "starting": ("the engine has begun, and has not reported yet", Explanation()),
    "asking": ("the engine knows the flags, and the cloud has not answered it yet", Explanation(look=_LOG)),
    "working": ("the engine works", Explanation(do="Nothing.")),
    "elsewhere": ("the engine runs on another control node", Explanation(do="Nothing.")),
    "waiting": (
        "the engine waits for the cloud, or for the cluster",
        Explanation(
            about="Recoveries wait with it, and go on by themselves.",
            look=f"What it waits for stands behind the word. {_LOG}",
            do="Mend what does not answer.",
        ),
    ),
    "misconfigured": (
        "the engine cannot work as it is configured",
        Explanation(
            operator=AT_ONCE,
            look=f"The reason names the parameter, its value and what would do. {_LOG}",
            do="Correct it; then `pcs resource cleanup nova-evacuate`.",
        ),
    ),
    "not_installed": (
        "the engine's software, or its file, is not on that control node",
        Explanation(
            operator=AT_ONCE,
            look=_LOG,
            do="Install it there ([install](install.md)); then `pcs resource cleanup nova-evacuate`.",
        ),
    ),
    "unconfigured": (
        "the cluster has no resource of the agent NovaEvacuate",
        Explanation(operator=AT_ONCE, do="Make one: [deploy](deploy.md). Until then flagged hosts are not recovered."),
    ),
    "stopped": (
        "the engine runs nowhere",
        Explanation(
            operator=AT_ONCE,
            about="Hosts that die are fenced and flagged; nobody recovers them. Nothing is forgotten.",
            look=_LOG,
            do="Enable it (`pcs resource enable nova-evacuate`), or mend what the exit reason says, and then `pcs "
            "resource cleanup nova-evacuate`.",
        ),
    ),
    "dead": (
        "the cluster has the engine on this node, and there is no such process",
        Explanation(look=_LOG, do="Nothing: its next monitor finds out, and the cluster starts it anew."),
    ),
    "hung": (
        "the engine is there, and makes no progress",
        Explanation(
            look=_LOG,
            do="Nothing at first: its monitor fails after 120 s, and the cluster starts it anew. If it hangs again, "
            "what it last reported is what does not answer.",
        ),
    ),
}
