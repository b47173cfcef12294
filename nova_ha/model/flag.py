# SPDX-License-Identifier: Apache-2.0
"""The flag: what a host's node attribute says about its recovery.

=============== ==================================================================== ===============
value           meaning                                                              written by
=============== ==================================================================== ===============
absent          nothing to do                                                        engine
``yes``         the power was proved off; the instances await recovery               fence_compute
``go``          as ``yes``, and an operator said go: the mass failure guard passes  operator
``NODE@EPOCH``  the engine on control node NODE took the recovery up at EPOCH        engine
``no``          recovered; the host may be returned to service                       engine
``restart``     as ``no``, but its nova-compute is to be stopped, and started later  engine
=============== ==================================================================== ===============

The attribute is permanent, because Pacemaker erases transient ones of a remote node whenever its connection
is lost or comes back: just when the flag matters.
"""

from __future__ import annotations

ATTRIBUTE = "evacuate"

FLAGGED = "yes"
GO = "go"
RECOVERED = "no"
RESTART = "restart"

# The host is not to be recovered (any more).
OVER = frozenset({RECOVERED, RESTART})


def claim(node: str, now: float) -> str:
    """The value by which the engine on ``node`` takes up a host at ``now`` (seconds since the epoch).

    The time is for people and logs: whether a claim is stale never follows from its age.
    """
    return f"{node}@{int(now)}"


def claimant(value: str | None) -> str | None:
    """The control node that a flag's value names as its claimant, or None if the value is no claim."""
    if not value or value in (FLAGGED, GO, *OVER):
        return None
    node, at, _epoch = value.rpartition("@")
    return node if at else None


def is_new(value: str | None) -> bool:
    """Whether no engine has taken the host up since it was flagged."""
    return value in (FLAGGED, GO)


def is_dead(value: str | None) -> bool:
    """Whether a host with this flag was proved dead, and is not recovered yet.

    A value that nobody writes says so too: what is not understood must not bring a host back.
    """
    return bool(value) and value not in OVER


def stands(value: str | None) -> bool:
    """Whether nova-compute must stay off a host with this flag.

    A value that nobody writes stands too: what is not understood must not bring a host back.
    """
    return bool(value) and value != RECOVERED


def change(node: str, attribute: str, value: str) -> str:
    """The command by which an operator sets the flag of a node."""
    return f"crm_attribute --node {node} --name {attribute} --lifetime forever --update {value}"


def removal(node: str) -> str:
    """The command by which an operator deletes what the cluster has of a node, and so its flag."""
    return f"cibadmin --delete --xpath \"//nodes/node[@uname='{node}']\""
