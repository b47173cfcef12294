# SPDX-License-Identifier: Apache-2.0
"""What an instance needs of a host, by what Nova says of its flavor: Placement's numbers, and what these do not tell.

Nova's scheduler asks Placement by the same rules (its ``scheduler/utils.py``). What else it looks at, each host's PCI
devices, NUMA nodes and whom an instance must not share a host with, is in no answer of either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from nova_ha.cloud import parsers
from nova_ha.cloud.errors import RightMissing
from nova_ha.model import room
from nova_ha.model.snapshot import Instance

_MB_PER_GB = 1024

# Extra specs of flavors by which more than numbers decides, each with what it is about.
_UNCLEAR = (
    (re.compile(r"pci_passthrough:alias"), "it needs a PCI device"),
    (re.compile(r"hw:(numa_|cpu_(policy|dedicated_mask|realtime)|mem_page_size|pmem)"), "it is bound to NUMA nodes"),
    (re.compile(r"accel:"), "it needs an accelerator"),
    (re.compile(r"trait(\d+|_\w+)?:"), "its flavor asks for traits of the host"),
    (re.compile(r"resources(\d+|_\w+):"), "its flavor asks for resources in groups"),
    (re.compile(r"(aggregate_instance_extra_specs|capabilities):"), "its flavor asks for some hosts only"),
)
_RESOURCE = re.compile(r"resources:(\w+)")


class Sized(NamedTuple):
    """An instance, and what it needs.

    :param needs: by class, of ``room.CLASSES``
    :param unclear: what it needs beside that, None: nothing
    """

    instance: Instance
    needs: Mapping[str, int]
    unclear: str | None


def sized(body: Mapping[str, Any]) -> Sized:
    """From a server's details."""
    instance = parsers.instance(body)
    flavor = body["flavor"]
    try:
        # A volume is no disk of the host's.
        root = flavor["disk"] if instance.image is not None else 0
        swap = math.ceil((flavor["swap"] or 0) / _MB_PER_GB)
        needs = {
            room.VCPU: flavor["vcpus"],
            room.MEMORY: flavor["ram"],
            room.DISK: root + flavor["ephemeral"] + swap,
        }
    except KeyError as error:
        raise RightMissing(f"Nova's answers lack {error} of flavors: the user needs Nova's admin role") from error
    return Sized(instance, *_by_extra_specs(needs, instance.extra_specs))


def _by_extra_specs(needs: dict[str, int], extra_specs: Mapping[str, str]) -> tuple[dict[str, int], str | None]:
    """What the flavor's extra specs make of its numbers, and what of them cannot be told in numbers."""
    unclear = None
    for key, value in extra_specs.items():
        if (key, value) != ("hw:cpu_policy", "shared"):
            unclear = unclear or next((why for pattern, why in _UNCLEAR if pattern.match(key)), None)
        resource = _RESOURCE.fullmatch(key)
        if resource and resource[1] in room.CLASSES and value.isdecimal():
            needs[resource[1]] = int(value)
        elif resource and value != "0":
            unclear = unclear or f"it needs {resource[1]}"
    return needs, unclear
