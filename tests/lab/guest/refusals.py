# SPDX-License-Identifier: Apache-2.0
"""Starts that QEMU refused because another guest had the disk open.

It locks a disk for as long as a guest runs on it, across all hosts that share the disk. So where Nova starts an
instance twice on one disk, the second start fails, and QEMU's log is all that tells of it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator

from tests.lab import nodes
from tests.lab.history import RefusedStart

LOGS = "var/log/libvirt/qemu"

# QEMU 7.2: two lines, the first one with the time; the other one names the disk, which is in its instance's directory.
_REFUSED = re.compile(
    r'^(?P<time>\S+)Z qemu-system-\w+: .*: Failed to get .*"\w[^"]*" lock\n'
    r"Is another process using the image \[\S*/(?P<instance>[0-9a-f-]{36})/[^/\]]+\]\?$",
    re.MULTILINE,
)


def read(hosts: Iterable[str], since: float) -> list[RefusedStart]:
    """The starts that were refused on these hosts.

    :param since: seconds since the epoch
    """
    files = ((host, file) for host in hosts for file in (nodes.layer(host) / LOGS).glob("*.log*"))
    found = [refusal for host, file in files for refusal in parse(host, file.read_text(errors="replace"))]
    return [refusal for refusal in found if refusal.time >= since]


def parse(host: str, text: str) -> Iterator[RefusedStart]:
    """The starts that were refused by one of a host's logs."""
    for found in _REFUSED.finditer(text):
        when = datetime.datetime.fromisoformat(found["time"]).replace(tzinfo=datetime.timezone.utc)
        yield RefusedStart(when.timestamp(), host, found["instance"])
