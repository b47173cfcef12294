# SPDX-License-Identifier: Apache-2.0
"""A scheduler filter that lets every host pass, and takes its time; ``impair.set_scheduler`` says how long.

nova-scheduler loads it with Nova's own filters, among which ``environment`` puts a link to it.
"""

import pathlib
import time

from nova.scheduler import filters

SECONDS = pathlib.Path("/var/lib/nova-ha-lab/control/schedule_seconds")


class LabSlowFilter(filters.BaseHostFilter):
    """Sleeps once for each request."""

    RUN_ON_REBUILD = True

    def filter_all(self, filter_obj_list, spec_obj):
        """All hosts, after the time that is set at this moment."""
        hosts = list(filter_obj_list)
        if SECONDS.exists():
            time.sleep(float(SECONDS.read_text()))
        return hosts
