# SPDX-License-Identifier: Apache-2.0
"""The tag by which flavors and images select instances for recovery, as in existing deployments."""

import dataclasses
from typing import Optional

TAG = "evacuable"


def is_tagged(properties, tag=TAG):
    """Whether a flavor's extra specs (a mapping) select the instances made from it."""
    return str(properties.get(tag, "")).lower() == "true"


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the cloud's flavors and images carry.

    :param flavors_tagged: whether any flavor carries the tag
    :param images: ids of the images that carry it; None if Glance has never told
    :param problem: why Glance does not tell now, None if it does
    """

    flavors_tagged: bool = False
    images: Optional[frozenset] = frozenset()
    problem: Optional[str] = None
