# SPDX-License-Identifier: Apache-2.0
"""``nova-ha status --watch`` and ``--until-done``: the status again and again, until nothing is left to wait for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from nova_ha.cli.status import RECOVERING, Status
from nova_ha.cluster.errors import ClusterError

# Moves a terminal's cursor to its first line, and clears what is below (ECMA-48: CUP, ED).
_CLEAR = "\033[H\033[J"


def watch(
    look: Callable[[], Status],
    show: Callable[[Status], None] | None,
    interval: float,
    until_done: bool,
    sleep: Callable[[float], object] = time.sleep,
) -> Status:
    """Look until no host is in recovery, or until an operator is needed; for ever, unless that is asked.

    A cluster that does not answer for a while is waited for.

    :param show: prints the status; None: print nothing
    :param interval: seconds between two looks
    :return: the last status
    """
    while True:
        try:
            found = look()
        except ClusterError as error:
            sys.stderr.write(f"nova-ha: {error}\n")
        else:
            if show is not None:
                print(_CLEAR if sys.stdout.isatty() else "", end="")
                show(found)
                print(flush=True)
            if until_done and found["verdict"] != RECOVERING:
                return found
        sleep(interval)
