# SPDX-License-Identifier: Apache-2.0
"""Tells Masakari of hosts, as its monitors do: for clouds whose processes listen there."""

from __future__ import annotations

import datetime

from nova_ha.cloud import errors
from nova_ha.cloud.session import Access

SERVICE = "instance-ha"

# What is said of a host: event, cluster_status. That its power was looked at is said by host_status NORMAL: what has
# another one, or none, Masakari does not act on.
STOPPED, STARTED = ("STOPPED", "OFFLINE"), ("STARTED", "ONLINE")

# Masakari has such a notification already, or has the host in maintenance since the last one.
_KNOWN = 409


def tell(access: Access, host: str, what: tuple[str, str], time: float) -> None:
    """Post a notification of a host, unless Masakari has it already.

    :param host: Nova's name of it
    :param what: STOPPED or STARTED
    :param time: seconds since the epoch
    :raises errors.CloudError: it is not taken; ``Refused`` with the status 400 if the host is in no failover segment,
        say: the same will never be taken
    """
    event, cluster_status = what
    # As the monitors send it: UTC that does not say so.
    when = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).replace(tzinfo=None)
    body = {
        "type": "COMPUTE_HOST",
        "hostname": host,
        "generated_time": when.isoformat(timespec="seconds"),
        "payload": {"event": event, "host_status": "NORMAL", "cluster_status": cluster_status},
    }
    try:
        access.request(SERVICE, "POST", "/notifications", {"notification": body})
    except errors.Refused as error:
        if error.status != _KNOWN:
            raise
