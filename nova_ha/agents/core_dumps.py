# SPDX-License-Identifier: Apache-2.0
"""No core dumps: whoever dies with a password in its memory must not leave it on a disk."""

from __future__ import annotations

import resource


def leave_none() -> None:
    """Have neither this process nor those that it starts leave a core."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    # One byte: with none, the kernel would still hand a core to a program that collects them (core(5)).
    resource.setrlimit(resource.RLIMIT_CORE, (0 if hard == 0 else 1, hard))
