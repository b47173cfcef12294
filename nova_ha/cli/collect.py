# SPDX-License-Identifier: Apache-2.0
"""``nova-ha collect``: what support needs, in one archive, with passwords masked. It changes nothing.

What cannot be had, the cluster being down or the cloud away, is named in the archive: the rest is in it all the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import platform
import time
from collections.abc import Callable, Mapping

from nova_ha.cli import history
from nova_ha.cli.deployment import CommandFailed, Deployment, Surroundings, asking_the_cloud, configuration
from nova_ha.cluster import pacemaker
from nova_ha.cluster.diagnostics import Diagnostics
from nova_ha.collection import archive, sources
from nova_ha.collection.sources import Source, Unavailable
from nova_ha.model import hostnames
from nova_ha.model.wording import counted
from nova_ha.reporting.history_log import HistoryLog

# Seconds that what is asked for reaches back, where no other time is given.
BACK = 7 * 86400

# Runs a command of nova-ha's, which prints its JSON; returns the exit code.
Run = Callable[[list[str]], int]


def collect(here: Surroundings, run: Run, since: float, path: str | None, now: float, root: str = "/") -> list[str]:
    """Write the archive; returns what is to be told of it, in lines.

    :param run: runs a command of nova-ha's
    :param since: seconds since the epoch
    :param path: of the archive; None: one in the present directory
    :param now: seconds since the epoch
    :param root: where this node's files are
    :raises CommandFailed: it cannot be written
    """
    resource = _resource(here)
    found: dict[str, Source] = {
        "status.json": _answer(run, ["status", "--json"]),
        "check.json": _answer(run, ["check", "--json"]),
        "history.json": _history(resource, since),
        "recoveries.json": _answer(run, ["report", "--json"]),
        "nova.json": lambda: _of_nova(here),
        **sources.sources(Diagnostics(runner=here.runner), resource, since, root),
    }
    try:
        cib = found["cib.xml"]()
    except Unavailable:
        cib = ""
    filled = archive.contents(found, sources.secrets(cib, root))
    chosen = path or f"nova-ha-{platform.node()}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}.tar.gz"
    try:
        size = archive.write(chosen, filled, now)
    except OSError as error:
        raise CommandFailed(f"{chosen}: {error.strerror or error}; nothing has been written") from error
    return _told(chosen, size, filled)


def _told(path: str, size: int, filled: archive.Contents) -> list[str]:
    secrets = counted(sum(filled.masked.values()), "secret")
    said = [
        f"{os.path.abspath(path)} ({size / 1000:.0f} kB): {counted(len(filled.files), 'file')}, {secrets} masked",
        "Names of hosts, ids, addresses and operators' reasons are in it: look at it before you give it away.",
    ]
    return said + [f"not to be had: {name}: {why}" for name, why in filled.missing.items()]


def _resource(here: Surroundings) -> str | None:
    with contextlib.suppress(pacemaker.ClusterError, CommandFailed):
        found: Deployment = here.deployment()
        return found.resource
    return here.chosen


def _answer(run: Run, arguments: list[str]) -> Source:
    """What a command of nova-ha's prints."""

    def text() -> str:
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                run(arguments)
        # It is asked for when something is broken; what that is must not keep the rest away.
        except Exception as error:
            raise Unavailable(f"nova-ha {' '.join(arguments)}: {type(error).__name__}: {error}") from error
        if not out.getvalue().strip():
            raise Unavailable(err.getvalue() or f"nova-ha {' '.join(arguments)} says nothing")
        return out.getvalue()

    return text


def _of_nova(here: Surroundings) -> str:
    """Nova's compute services, and what it has on record of evacuations from and to the flagged hosts."""
    from nova_ha.cli import plan

    try:
        deployment = here.deployment()
        conf, flags = configuration(deployment), deployment.cluster.flags()
        with asking_the_cloud():
            cloud = plan.connect(conf)
            services = cloud.services()
            names = {host: hostnames.resolve(host, services, conf.recovery.domain) for host in flags}
            records = {host: cloud.migrations(name) for host, name in names.items() if name is not None}
    except (CommandFailed, pacemaker.ClusterError, hostnames.AmbiguousName) as error:
        raise Unavailable(str(error)) from error
    found = {
        "services": [dataclasses.asdict(service) for service in services.values()],
        "evacuations": {host: [dataclasses.asdict(record) for record in known] for host, known in records.items()},
    }
    return json.dumps(found, indent=1, default=str)


def _history(resource: str | None, since: float) -> Source:
    def text() -> str:
        try:
            events = history.about(history.gather(HistoryLog(), resource, None), None, since)
        except OSError as error:
            raise Unavailable(str(error)) from error
        found: Mapping[str, object] = {"schema": 1, "resource": resource, "events": events}
        return json.dumps(found, indent=1)

    return text
