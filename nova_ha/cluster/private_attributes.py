# SPDX-License-Identifier: Apache-2.0
"""Texts that a node leaves for all others: private attributes, which Pacemaker keeps in memory only.

They are in no configuration, so a change costs no run of the scheduler and no write to a disk (measured: 15 ms with 60
kB). A node's own end with it, all of them with the cluster.
"""

from __future__ import annotations

import re

from nova_ha.cluster import cib
from nova_ha.cluster.errors import ClusterError
from nova_ha.cluster.tools import Runner, Tools, run

# Linux takes no longer argument (MAX_ARG_STRLEN, 128 KiB), Pacemaker no longer message (PCMK_ipc_buffer, 128 KiB by
# default), and a message has more than the text.
LONGEST = 60_000

_ANSWER = re.compile('host="([^"]*)" value="([^"]*)"')

# Exit codes of Pacemaker's tools (crm_error --list --exit): nobody has ever set it.
_UNKNOWN = (105, 78)


class PrivateAttributes(Tools):
    """One attribute, of which each node has its own value.

    :param name: the attribute's
    :param timeout: seconds that ``attrd_updater`` may take
    :param runner: see ``tools.run``
    """

    def __init__(self, name: str, timeout: float = 20, runner: Runner = run) -> None:
        super().__init__(timeout, runner)
        self._name = name

    def set(self, text: str) -> None:
        """Set this node's, to a text without quotes or blanks.

        :raises ClusterError: it is not known to be set
        """
        self._call("--private", "--update", text)

    def clear(self) -> None:
        """Take this node's away.

        :raises ClusterError: it is not known to be gone
        """
        self._call("--delete")

    def set_on_all(self, text: str) -> None:
        """Set that of each control node that is online, so that it outlives this one; a text as for ``set``.

        :raises ClusterError: it is not known to be set on all of them
        """
        for node in self._status("nodes").findall("nodes/node"):
            if cib.is_true(node, "online") and not cib.is_remote(node):
                self._call("--private", "--update", text, "--node", cib.required(node, "name"))

    def read(self) -> dict[str, str]:
        """Those of all nodes that have one, as ``{node: text}``.

        :raises ClusterError: Pacemaker does not answer
        """
        return {node: text for node, text in _ANSWER.findall(self._call("--query", "--all")) if text}

    def _call(self, *options: str) -> str:
        code, out, err = self._run(["attrd_updater", "--name", self._name, *options], self._timeout)
        if code in _UNKNOWN:
            return ""
        if code != 0:
            raise ClusterError(f"attrd_updater --name {self._name} {options[0]}: {err.strip() or f'exit code {code}'}")
        return out
