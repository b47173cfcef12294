# SPDX-License-Identifier: Apache-2.0
"""Where what support needs comes from: Pacemaker's programs, the journal, files of this node. Nothing is changed."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
from collections.abc import Callable, Sequence

from nova_ha import __version__
from nova_ha.cluster import cib_secrets
from nova_ha.cluster.diagnostics import PROGRAMS, Diagnostics
from nova_ha.cluster.errors import ClusterError
from nova_ha.collection import masking
from nova_ha.system import programs

# What makes a text, or raises Unavailable.
Source = Callable[[], str]

# Files, by their patterns; of a long one its end.
FILES = (
    "/etc/nova-ha/nova-ha.conf",
    "/etc/corosync/corosync.conf",
    "/etc/os-release",
    "/usr/lib/nova-ha/MANIFEST",
    "/run/nova-ha/*/status.json",
    "/run/nova-ha/*/complaint",
    "/run/nova-ha/*/output",
    "/var/log/pacemaker/pacemaker.log",
)
# Those that may hold secrets of ours, and are not given away.
_WITH_SECRETS = (
    "/etc/nova-ha/*",
    "/etc/openstack/*.yaml",
    "/root/.config/openstack/*.yaml",
    f"{cib_secrets.ROOT}/*/*",
)
# The cluster's configuration as it is on the disk, for the case that the cluster does not answer.
_CIB = "/var/lib/pacemaker/cib/cib.xml"
# Bytes that are taken of a file, and lines of the journal.
_MOST, _LINES = 10_000_000, 50_000

# Who tells the journal, by its identifiers and by its units.
_TELLERS = ("nova-ha", "nova-ha-check", "fence_compute", "NovaCompute", "NovaEvacuate")
_UNITS = ("pacemaker", "corosync", "pcsd", "nova-ha-history", "nova-ha-exporter", "nova-ha-check")

# Seconds that a program may take.
_TIMEOUT = 30.0
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# Parts of the names of packages that matter.
_PACKAGES = ("nova", "pacemaker", "corosync", "fence", "resource-agents", "keystoneauth", "oslo.config", "pcs", "crmsh")


class Unavailable(Exception):
    """A source has nothing; the text says why, in one line."""


def sources(diagnostics: Diagnostics, resource: str | None, since: float, root: str = "/") -> dict[str, Source]:
    """All that there are, by the files that are made of them.

    :param resource: name of the NovaEvacuate resource, None if it is not known
    :param since: seconds since the epoch: from then on the journal is read
    :param root: where this node's files are
    """
    found: dict[str, Source] = {name: _of_cluster(diagnostics, name) for name in PROGRAMS}
    tellers = [*_TELLERS, *([f"NovaEvacuate({resource})"] if resource else [])]
    found["journal-nova-ha.txt"] = _journal(since, "--identifier", tellers)
    found["journal-cluster.txt"] = _journal(since, "--unit", _UNITS)
    found["packages.txt"] = packages
    found["versions.txt"] = versions
    for pattern in FILES:
        for path in sorted(glob.glob(_below(root, pattern))):
            name = os.path.relpath(path, root)
            found[f"files/{name}"] = _file(path)
    return found


def secrets(cib: str, root: str = "/") -> set[str]:
    """The secrets that this node knows: of the cluster's configuration, and of files."""
    found = masking.in_xml(cib)
    with contextlib.suppress(OSError):
        found |= masking.in_xml(_read(_below(root, _CIB)))
    for pattern in _WITH_SECRETS:
        for path in glob.glob(_below(root, pattern)):
            with contextlib.suppress(OSError):
                text = _read(path)
                is_secret_itself = cib_secrets.ROOT in path and not path.endswith(".sign")
                found |= {text.strip()} if is_secret_itself else masking.in_options(text)
    return found - {"", cib_secrets.PLACEHOLDER}


def versions() -> str:
    """Of what this runs on."""
    system = platform.uname()
    return f"nova-ha {__version__}\npython {platform.python_version()}\n{' '.join(system)}\n"


def packages() -> str:
    """The packages that matter, with their versions."""
    for command in (["dpkg-query", "--show"], ["rpm", "--query", "--all"]):
        try:
            said = _said(command)
        except Unavailable:
            continue
        return "".join(f"{line}\n" for line in sorted(said.splitlines()) if any(word in line for word in _PACKAGES))
    raise Unavailable("neither dpkg nor rpm knows what is installed")


def _of_cluster(diagnostics: Diagnostics, name: str) -> Source:
    def text() -> str:
        try:
            return diagnostics.said(name)
        except ClusterError as error:
            raise Unavailable(str(error)) from error

    return text


def _journal(since: float, option: str, values: Sequence[str]) -> Source:
    chosen = [word for value in values for word in (option, value)]
    how = ["--no-pager", "--output=short-iso-precise", f"--lines={_LINES}", f"--since=@{since:.0f}"]
    return lambda: _said(["journalctl", *how, *chosen])


def _said(command: list[str]) -> str:
    try:
        code, out, err = programs.run(command, _TIMEOUT, _ENVIRONMENT)
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    except (programs.NotInTime, OSError) as error:
        raise Unavailable(str(error)) from error
    if code != 0:
        raise Unavailable(f"{command[0]}: {' '.join(err.split()) or f'exit code {code}'}")
    return out


def _file(path: str) -> Source:
    def text() -> str:
        try:
            return _read(path)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror or error}") from error

    return text


def _read(path: str) -> str:
    """The text of a file, of a long one its end, from the beginning of a line."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST))
        content = file.read()
    if size > _MOST:
        content = content.partition(b"\n")[2]
    return content.decode(errors="replace")


def _below(root: str, pattern: str) -> str:
    return os.path.join(root, pattern.lstrip("/"))
