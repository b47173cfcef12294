# SPDX-License-Identifier: Apache-2.0
"""A scheduler filter that takes its time, and passes over hosts; ``impair.set_scheduler`` says how long, and which.

nova-scheduler loads it with Nova's own filters, among which ``environment`` puts a link to it.
"""

import json
import pathlib
import time

from nova.scheduler import filters

TOLD = pathlib.Path("/var/lib/nova-ha-lab/control/scheduler.json")


class LabSlowFilter(filters.BaseHostFilter):
    """Sleeps once for each request."""

    RUN_ON_REBUILD = True

    def filter_all(self, filter_obj_list, spec_obj):
        """The hosts but those that are to be passed over, after the time that is set at this moment."""
        told = json.loads(TOLD.read_text()) if TOLD.exists() else {"seconds": 0, "without": []}
        time.sleep(told["seconds"])
        return [host for host in filter_obj_list if host.host not in told["without"]]
