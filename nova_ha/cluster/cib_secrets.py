# SPDX-License-Identifier: Apache-2.0
"""Parameters that the cluster's configuration does not hold: Pacemaker's CIB secrets (``cibsecret set``).

Their value in the configuration is ``lrm://``; the real one is in a file of each node, beside its MD5 sum. Pacemaker
puts it in for agents; who reads the configuration by himself must do the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

PLACEHOLDER = "lrm://"

ROOT = "/var/lib/pacemaker/lrm/secrets"


class NoSecret(Exception):
    """The secret is not on this node, or not the one that was set; the text has no part of it."""


def resolved(resource: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a resource, each secret in the place of its placeholder.

    :raises NoSecret: one of them cannot be had here
    """
    items = parameters.items()
    return {name: _secret(resource, name) if value == PLACEHOLDER else value for name, value in items}


def _secret(resource: str, name: str) -> str:
    path = os.path.join(ROOT, resource, name)
    try:
        with open(path, encoding="utf-8") as file:
            secret = file.read().rstrip()
        with open(f"{path}.sign", encoding="utf-8") as file:
            sign = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise NoSecret(_told(resource, name, f"{path} cannot be read here: {why}")) from None
    if hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest() != sign:
        raise NoSecret(_told(resource, name, f"{path} is not what its sum in {path}.sign says"))
    return secret


def _told(resource: str, name: str, why: str) -> str:
    return f"parameter {name} of {resource} is a CIB secret, and {why}. Give it to all nodes: cibsecret sync"
