# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts that checks go by, through the doors to Pacemaker and to the cloud, and from this node's files.

Nothing is changed. Each part that cannot be had is left out, and its failure kept: that is a finding, too. The cloud is
asked some twenty questions, however many hosts there are.
"""

from __future__ import annotations

import concurrent.futures
import configparser
import contextlib
import glob
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from oslo_config import cfg

from nova_ha.checks.facts import (
    COMPUTE,
    ENGINE,
    FLAGGING,
    CloudFacts,
    ClusterFacts,
    Facts,
    NodeFacts,
    Settings,
)
from nova_ha.cloud.errors import CloudError
from nova_ha.cloud.survey import CloudSurvey
from nova_ha.cluster import cib_secrets
from nova_ha.cluster.configuration import Configuration
from nova_ha.cluster.survey import AgentFacts, ClusterError, Survey
from nova_ha.config import loader
from nova_ha.config.agent_parameters import DEFAULT_CONFIG
from nova_ha.fencing.shared_power import underscored
from nova_ha.policy.rules import Rules

# Seconds that one request of ours to the cloud may take: a check is to end soon, whatever hangs.
REQUEST_TIMEOUT = 5

# Questions asked side by side.
_AT_ONCE = 4

# Projects of the policy's lists that are looked for.
_MOST_PROJECTS = 20

# What tools/install has noted of the files that it installed: SHA-256 and path, one a line.
MANIFEST = "/usr/lib/nova-ha/MANIFEST"

NOVA_CONF = "/etc/nova/nova.conf"

PACEMAKER_SETTINGS = ("/etc/default/pacemaker", "/etc/sysconfig/pacemaker")

_T = TypeVar("_T")


def facts(
    cluster: Survey,
    engine: str | None,
    config_file: str = DEFAULT_CONFIG,
    connect: Callable[[cfg.ConfigOpts], CloudSurvey] | None = None,
    root: str = "/",
    clock: Callable[[], float] = time.time,
) -> Facts:
    """Everything that checks go by.

    :param engine: name of the NovaEvacuate resource, None for the only one
    :param config_file: the engine's configuration, unless a parameter of the resource names another
    :param connect: makes the door to the cloud, not connected yet
    :param root: where this node's files are
    :param clock: seconds since the epoch
    """
    found: dict[str, Any] = {"now": clock()}
    parameters: Mapping[str, str] = {}
    try:
        known = _cluster(cluster)
        found["cluster"] = known
        engines = {each.id: each for each in known.configuration.of_agent(ENGINE)}
        resource = engines.get(engine) if engine is not None else next(iter(engines.values()), None)
        if resource is not None:
            found["engine"], parameters = resource.id, resource.parameters
    except ClusterError as error:
        found["cluster_failure"] = str(error)
    path = parameters.get("config", config_file)
    found["node"] = node_facts(root, path)
    conf = _settings(found, parameters, path)
    if conf is not None:
        conf.set_override("timeout", min(REQUEST_TIMEOUT, conf.nova.timeout), "nova")
        try:
            door = (connect or _door)(conf)
            found["cloud"] = cloud_facts(door, found["settings"], clock)
        except CloudError as failure:
            found["cloud_failure"] = failure
    return Facts(**found)


def _door(conf: cfg.ConfigOpts) -> CloudSurvey:
    return CloudSurvey(loader.access(conf))


def _cluster(cluster: Survey) -> ClusterFacts:
    configuration, state = cluster.configuration(), cluster.state()
    return ClusterFacts(configuration, state, _agents(cluster, configuration))


def _agents(cluster: Survey, configuration: Configuration) -> dict[str, AgentFacts]:
    """What the metadata of our agents and of the fencing agents says, as far as they are installed here."""
    wanted = {each.agent for each in configuration.of_agent(ENGINE, *COMPUTE)}
    for device in configuration.fencing_devices():
        given = underscored(device.parameters)
        wanted.add(f"stonith:{given['power_agent']}" if "power_agent" in given else device.agent)
    wanted.discard(FLAGGING)
    found: dict[str, AgentFacts] = {}
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = {pool.submit(cluster.metadata, agent): agent for agent in sorted(wanted)}
        for done in concurrent.futures.as_completed(asked):
            try:
                found[asked[done]] = done.result()
            except ClusterError:
                continue  # an agent that is not installed here says nothing
    return found


def _settings(found: dict[str, Any], parameters: Mapping[str, str], path: str) -> cfg.ConfigOpts | None:
    """Add the engine's settings to what has been found; returns its configuration if the cloud can be asked by it."""
    found["settings"] = Settings(path)
    if "cluster" not in found and not os.path.exists(path):
        return None  # nothing is known of how to reach the cloud, and why has been said
    if "cluster" in found and "engine" not in found:
        return None
    try:
        given = {"config": path, **parameters} if os.path.exists(path) else dict(parameters)
        if "engine" in found:
            given = cib_secrets.resolved(found["engine"], given)
        conf = loader.load(given)
    except (CloudError, cib_secrets.NoSecret) as error:
        found["settings_failure"] = str(error)
        return None
    found["settings"] = Settings(
        path=path,
        rules=Rules.from_options(conf),
        attribute=conf.recovery.attribute,
        domain=conf.recovery.domain,
        tag=conf.policy.tag,
        region=conf.nova.region_name,
        insecure=bool(conf.nova.insecure),
    )
    return conf


def cloud_facts(cloud: CloudSurvey, settings: Settings, clock: Callable[[], float] = time.time) -> CloudFacts:
    """What the cloud says.

    :raises CloudError: it takes us not at all
    """
    services = cloud.connect()
    regions = cloud.regions()
    sample = next(iter(sorted(host for host, service in services.items() if service.up)), None)
    policy = settings.rules.policy
    wanted: dict[str, Callable[[], object]] = {
        "aggregates": cloud.aggregates,
        "flavors and images": lambda: cloud.selection(settings.tag),
        "placement": cloud.room,
        "clock": lambda: cloud.clock_offset(clock),
        "projects": lambda: _empty(cloud, (*policy.projects, *policy.skip_projects)),
    }
    if sample is not None:
        wanted["instances"] = lambda: cloud.instances(sample)
        wanted["migrations"] = lambda: cloud.migrations(sample)
    answers: dict[str, Any] = {}
    failures: dict[str, CloudError] = {}
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = {what: pool.submit(question) for what, question in wanted.items()}
        for what, done in asked.items():
            try:
                answers[what] = done.result()
            except CloudError as error:
                failures[what] = error
    return CloudFacts(
        services=services,
        aggregates=answers.get("aggregates", {}),
        regions=regions,
        clock_offset=answers.get("clock"),
        selection=answers.get("flavors and images"),
        empty_projects=answers.get("projects", ()),
        room=answers.get("placement"),
        failures=failures,
    )


def _empty(cloud: CloudSurvey, projects: tuple[str, ...]) -> tuple[str, ...]:
    """Of some projects, those without any instance."""
    return tuple(each for each in dict.fromkeys(projects[:_MOST_PROJECTS]) if not cloud.has_instances(each))


def node_facts(root: str, config_file: str) -> NodeFacts:
    """What this node's own files say.

    :param root: where they are
    :param config_file: the engine's configuration
    """
    path = os.path.join(root, NOVA_CONF.lstrip("/"))
    return NodeFacts(_changed(root), tuple(_readable(config_file)), _nova_options(path), path, _ipc_buffer(root))


def _changed(root: str) -> dict[str, str]:
    """The installed files that are not what was installed."""
    try:
        with open(os.path.join(root, MANIFEST.lstrip("/")), encoding="utf-8") as file:
            lines = [line.rstrip("\n").partition("  ") for line in file]
    except OSError:
        return {}  # by a package, which knows its files itself
    found = {}
    for digest, _, path in lines:
        try:
            with open(os.path.join(root, path.lstrip("/")), "rb") as installed:
                if hashlib.sha256(installed.read()).hexdigest() != digest:
                    found[path] = "it was changed, or replaced, after it was installed"
        except OSError as error:
            found[path] = f"it was installed, and cannot be read: {error.strerror}"
    return found


def _readable(path: str) -> list[str]:
    try:
        mode = os.stat(path).st_mode
        closed = not os.stat(os.path.dirname(path)).st_mode & 0o011
    except OSError:
        return []
    return [path] if mode & 0o044 and not closed else []


def _ipc_buffer(root: str) -> int | None:
    """PCMK_ipc_buffer, as Pacemaker's daemons are started with on this node."""
    for path in PACEMAKER_SETTINGS:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            with open(os.path.join(root, path.lstrip("/")), encoding="utf-8") as file:
                found = re.findall(r"^\s*(?:export\s+)?PCMK_ipc_buffer=[\"']?(\d+)", file.read(), re.MULTILINE)
            if found:
                return int(found[-1])
    return None


def _nova_options(path: str) -> dict[str, str]:
    """The section [DEFAULT] of Nova's configuration, if one is here."""
    files = [path, *sorted(glob.glob(f"{path}.d/*.conf"))]
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}
    return {name: value for name, value in parser.defaults().items() if value is not None}
