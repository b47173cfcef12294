# SPDX-License-Identifier: Apache-2.0
"""What Pacemaker's programs say, as they say it: for people who look into what happened."""

from __future__ import annotations

from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.tools import Tools

# By the file that is made of what each says. Each only reads.
PROGRAMS: dict[str, list[str]] = {
    "cib.xml": ["cibadmin", "--query"],
    "crm_mon.txt": ["crm_mon", "--one-shot", "--inactive", "--show-node-attributes", "--failcounts", "--show-detail"],
    "fencing.txt": ["stonith_admin", "--history", "*", "--verbose"],
    "quorum.txt": ["corosync-quorumtool", "-s"],
    "pacemaker.txt": ["pacemakerd", "--features"],
}


class Diagnostics(Tools):
    """What they say."""

    def said(self, name: str) -> str:
        """What the program of one of PROGRAMS says.

        :raises ClusterError: it says nothing
        """
        command = PROGRAMS[name]
        code, out, err = self._run(command, self._timeout)
        if not out.strip():
            raise ClusterError(f"{command[0]}: {' '.join(err.split()) or f'exit code {code}'}")
        return out + err
