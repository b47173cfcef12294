# SPDX-License-Identifier: Apache-2.0
"""This control node's own files."""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import NodeFacts
from nova_ha.model.findings import Finding, FindingCode, error, warning


def installed(node: NodeFacts) -> Iterator[Finding]:
    """Whether the files that were installed are still what they were: a package may have replaced one."""
    for path, what in sorted(node.changed.items()):
        yield error(FindingCode.FILE_CHANGED, path, f"{what}. Install nova-ha on this node again")


def secrets(node: NodeFacts) -> Iterator[Finding]:
    """Whether only root can read the files that hold a password."""
    for path in node.readable:
        text = "it holds the engine's credentials, and others than root can read it"
        yield warning(FindingCode.PASSWORD_READABLE, path, text, f"chmod 600 {path}")
