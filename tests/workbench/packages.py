# SPDX-License-Identifier: Apache-2.0
"""What the tests of the packages of Debian and of RPMs have in common."""

from __future__ import annotations

import contextlib
import os
import pathlib

from tests.lab.settings import Settings
from tests.workbench import bench

# Seconds, on two cores that others use: to build two versions of the packages takes 30 where nobody does.
LIMIT = 600


def container(
    release: Settings, kind: str, packages: pathlib.Path, setup: str = "true"
) -> contextlib.AbstractContextManager[bench.Workbench]:
    """A container with a directory for packages at /packages; see ``bench.container``."""
    name = f"{bench.PREFIX}{os.getpid()}-packages-{kind}"
    return bench.container(name, release, kind, setup, f"{packages}:/packages")


def succeed(host: bench.Workbench, script: str) -> str:
    """Run a shell script that is to succeed; return what it printed."""
    done = host.run(f"set -e\n{script}", timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def contents(tree: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each file, and of the directory for passwords; without documentation,
    bytecode, and the record of tools/install."""
    found = {}
    for path in tree.rglob("*"):
        name = str(path.relative_to(tree))
        if name == "usr/lib/nova-ha/MANIFEST":
            continue
        if (
            path.is_file()
            and not name.startswith(("usr/share/doc/", "usr/share/man/", "usr/share/licenses/", "usr/share/lintian/"))
            and path.suffix != ".pyc"
            or name == "etc/nova-ha"
        ):
            found[name] = path.stat().st_mode, b"" if path.is_dir() else path.read_bytes()
    return found
