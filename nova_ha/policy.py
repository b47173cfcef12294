# SPDX-License-Identifier: Apache-2.0
"""Which instances are recovered: the one place that decides, and says why.

As in existing deployments: flavors (by extra spec) and images (by property or tag) that carry ``evacuable=true``
select; where no flavor and no image of the cloud carries it, every instance is recovered.
"""

import dataclasses
from typing import Optional

TAG = "evacuable"


def is_tagged(properties):
    """Whether a flavor's extra specs (a mapping) select the instances made from it."""
    return str(properties.get(TAG, "")).lower() == "true"


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the cloud's operators selected.

    :param flavors_tagged: whether any flavor carries the tag
    :param images: ids of the images that carry it
    """

    flavors_tagged: bool = False
    images: frozenset = frozenset()

    def excluded(self, instance) -> Optional[str]:
        """Why an instance is not to be recovered, or None if it is."""
        if not self.flavors_tagged and not self.images:
            return None
        if is_tagged(instance.extra_specs) or instance.image in self.images:
            return None
        return f"neither its flavor nor its image carries {TAG}=true"
