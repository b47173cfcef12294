# SPDX-License-Identifier: Apache-2.0
"""What nova-compute-wait remembers. Its monitor imports this module, and so little else."""

from __future__ import annotations

import os

from nova_ha.rundir import ROOT, remove, write


class Passed:
    """That one resource has been started, in /run: nothing is, once the machine boots again.

    :param name: the resource's name (OCF_RESOURCE_INSTANCE)
    """

    def __init__(self, name: str, root: str = ROOT) -> None:
        self._file = f"{root}/{name}.passed"

    def set(self) -> None:
        """It has been started."""
        os.makedirs(os.path.dirname(self._file), mode=0o700, exist_ok=True)
        write(self._file, "")

    def clear(self) -> None:
        """It has been stopped."""
        remove(self._file)

    def is_set(self) -> bool:
        """Whether it has been started, and not stopped since."""
        return os.path.exists(self._file)
