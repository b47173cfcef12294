# SPDX-License-Identifier: Apache-2.0
"""The tag by which flavors and images select instances for recovery, as in existing deployments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

TAG = "evacuable"


def is_tagged(properties: Mapping[str, object], tag: str = TAG) -> bool:
    """Whether a flavor's extra specs select the instances made from it."""
    return str(properties.get(tag, "")).lower() == "true"


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the cloud's flavors and images carry.

    :param flavors_tagged: whether any flavor carries the tag
    :param images: ids of the images that carry it; None if Glance has never told
    :param problem: why Glance does not tell now, None if it does
    """

    flavors_tagged: bool = False
    images: frozenset[str] | None = frozenset()
    problem: str | None = None
