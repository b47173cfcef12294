# SPDX-License-Identifier: Apache-2.0
"""This node's fencer (``pacemaker-fenced``), which alone knows what fencing devices it may use."""

from __future__ import annotations

from nova_ha.cluster.tools import Tools


class Fencer(Tools):
    """It changes nothing."""

    def devices(self, host: str) -> list[str]:
        """Names of the devices by which this node can fence a host; none where it may run none.

        :param host: the cluster's name of it
        :raises ClusterError: the fencer does not answer
        """
        lines = self._demand(["stonith_admin", "--list", host], f"devices of {host} not known").split("\n")
        # What follows is how many they are.
        return sorted({line.strip() for line in lines if line.strip() and " " not in line.strip()})
