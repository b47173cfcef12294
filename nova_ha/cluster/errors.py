# SPDX-License-Identifier: Apache-2.0
"""How Pacemaker can fail to answer."""


class ClusterError(Exception):
    """Pacemaker did not answer, or refused; the text says what was asked and what it said."""


class NotInstalled(ClusterError):
    """Pacemaker's programs are not on this node: waiting is of no use."""


class UnknownNode(ClusterError):
    """No node of the cluster, or more than one, goes by a name."""
