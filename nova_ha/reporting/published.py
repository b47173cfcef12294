# SPDX-License-Identifier: Apache-2.0
"""The engine's account as all control nodes can read it: short enough for a private attribute, and in one word.

It is the report of ``engine_state`` without its events, and with the complaint. Where that would be too long, instances
that go on by themselves are left out (``counts`` of their host still has them), then most of those in trouble, too.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

# Of what the engine reports, what others have no use for.
_LEFT_OUT = ("events", "time", "pid")

# How many instances in trouble of each host are told where there is no room for all. One is enough for the verdict.
_FEWER = (1000, 20, 1)


def attribute(resource: str) -> str:
    """Name of the private attribute in which the engine of a NovaEvacuate resource is told of."""
    return f"nova-ha-status-{resource}"


def packed(report: Mapping[str, Any], complaint: str | None, longest: int) -> str:
    """A report as one word of letters, digits, ``+``, ``/`` and ``=``.

    :param complaint: what an operator has to set right, None: nothing
    :param longest: characters that it may have
    """
    kept: dict[str, Any] = {key: value for key, value in report.items() if key not in _LEFT_OUT}
    kept["complaint"] = complaint
    text = word(kept)
    for most in _FEWER:
        if len(text) > longest:
            hosts = report.get("hosts", {}).items()
            text = word({**kept, "hosts": {host: _in_trouble_only(about, most) for host, about in hosts}})
    return text if len(text) <= longest else word({**kept, "hosts": {}})


def unpacked(word: str) -> dict[str, Any] | None:
    """What ``packed``, or ``word``, made a word of; None if it is none of that kind."""
    try:
        report = json.loads(zlib.decompress(base64.b64decode(word, validate=True)))
    except (binascii.Error, zlib.error, ValueError):
        return None
    return report if isinstance(report, dict) else None


def word(report: Mapping[str, Any]) -> str:
    """Plain data as one word of letters, digits, ``+``, ``/`` and ``=``."""
    text = json.dumps(report, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def _in_trouble_only(about: Mapping[str, Any], most: int) -> dict[str, Any]:
    troubled = [item for item in about["instances"].items() if item[1]["needs_operator"]]
    return {**about, "instances": dict(troubled[:most])}
