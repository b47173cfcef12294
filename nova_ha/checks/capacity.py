# SPDX-License-Identifier: Apache-2.0
"""Room for the loss of any one host, by sums: what does not fit in sum does not fit at all.

``nova-ha plan --all`` looks at each instance.
"""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import CloudFacts
from nova_ha.model import room
from nova_ha.model.findings import Finding, FindingCode, warning


def one_host(cloud: CloudFacts) -> Iterator[Finding]:
    """Whether the others have as much free as any one host uses."""
    if cloud.room is None:
        return
    able = [name for name, service in cloud.services.items() if service.up and service.enabled]
    total = cloud.room.free_elsewhere((), able)
    for name, own in sorted(cloud.room.hosts.items()):
        mine = own.free if name in able else {}
        free = {kind: total[kind] - mine.get(kind, 0) for kind in room.CLASSES}
        # A host may have no disk of its own for instances.
        short = [kind for kind in room.CLASSES if own.used.get(kind, 0) > free[kind] and kind != room.DISK]
        if short:
            needs = ", ".join(f"{own.used[kind]} {kind} of {free[kind]} free elsewhere" for kind in short)
            text = f"if it died, not all of its instances would find room: they need {needs}"
            yield warning(FindingCode.NO_ROOM_FOR_HOST, name, text, f"nova-ha plan {name}")
