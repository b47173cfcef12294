# SPDX-License-Identifier: Apache-2.0
"""The cluster that a command of ``nova-ha`` is about, and how recovery is configured in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from nova_ha.cluster import pacemaker
from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.config.agent_parameters import DEFAULT_CONFIG
from nova_ha.model import flag, hostnames
from nova_ha.reporting import published
from nova_ha.rundir import ROOT, engine_state

if TYPE_CHECKING:
    from oslo_config import cfg


class CommandFailed(Exception):
    """What was asked cannot be done; the text is one line for an operator."""


class Deployment(NamedTuple):
    """The cluster, and how the engine is configured in it.

    :param resource: name of the NovaEvacuate resource, None if there is none
    :param parameters: its parameters, by name
    :param state: where its engine keeps its state, None if there is none
    :param board: where its engine publishes its account, None if there is none
    """

    cluster: pacemaker.Cluster
    resource: str | None
    parameters: Mapping[str, str]
    state: engine_state.RunState | None
    board: PrivateAttributes | None


class Surroundings(NamedTuple):
    """Where the command runs; what its cluster is, is asked only by who needs that.

    :param chosen: the NovaEvacuate resource that the command line names, None for the only one
    :param runner: runs Pacemaker's programs, see ``pacemaker.run``
    :param root: where engines keep their state
    :param config_file: the engine's configuration, unless a parameter names another
    """

    chosen: str | None
    runner: pacemaker.Runner
    root: str
    config_file: str

    def deployment(self) -> Deployment:
        """As ``find``."""
        return find(self.chosen, self.runner, self.root, self.config_file)


def demand_root() -> None:
    """Demand that root asks.

    :raises CommandFailed: somebody else does
    """
    if os.geteuid() != 0:
        raise CommandFailed("must be run as root, who alone may read the cluster's flags and the engine's account")


def find(
    chosen: str | None,
    runner: pacemaker.Runner = pacemaker.run,
    root: str = ROOT,
    config_file: str = DEFAULT_CONFIG,
) -> Deployment:
    """Find the cluster's NovaEvacuate resource.

    :param chosen: its name, None for the only one
    :param runner: runs Pacemaker's programs, see ``pacemaker.run``
    :param root: where engines keep their state
    :raises CommandFailed: there is none of that name, or several to choose from
    :raises ClusterError: Pacemaker does not answer
    """
    known = pacemaker.Cluster(runner=runner).resource_parameters("NovaEvacuate")
    name = chosen_engine(chosen, known)
    parameters = known[name] if name is not None else {}
    attribute = parameters.get("attribute") or _configured_attribute(parameters.get("config", config_file))
    cluster = pacemaker.Cluster(attribute or flag.ATTRIBUTE, runner=runner)
    if name is None:
        return Deployment(cluster, None, parameters, None, None)
    board = PrivateAttributes(published.attribute(name), runner=runner)
    return Deployment(cluster, name, parameters, engine_state.RunState(name, root), board)


def chosen_engine(chosen: str | None, known: Collection[str]) -> str | None:
    """Which of the NovaEvacuate resources is meant, None if there is none.

    :param chosen: its name, None for the only one
    :raises CommandFailed: there is none of that name, or several to choose from
    """
    if chosen is None and len(known) > 1:
        raise CommandFailed(f"--resource is needed, one of {', '.join(sorted(known))}")
    if chosen is not None and chosen not in known:
        raise CommandFailed(f"--resource: the cluster has no resource {chosen!r} of the agent NovaEvacuate")
    return chosen or next(iter(known), None)


def configuration(deployment: Deployment) -> cfg.ConfigOpts:
    """The engine's configuration, with the cluster's secrets.

    :raises CommandFailed: a secret is not on this node, or the configuration will not do
    """
    # Nothing that talks to the cloud is imported for a command that does not.
    from nova_ha.cloud.errors import Misconfigured
    from nova_ha.cluster import cib_secrets
    from nova_ha.config import loader

    parameters = deployment.parameters
    try:
        if deployment.resource is not None:
            parameters = cib_secrets.resolved(deployment.resource, parameters)
        return loader.load(parameters)
    except (cib_secrets.NoSecret, Misconfigured) as error:
        raise CommandFailed(str(error)) from error


@contextlib.contextmanager
def asking_the_cloud() -> Iterator[None]:
    """A block in which a cloud that does not answer, or refuses, makes the command fail.

    :raises CommandFailed: it does so
    """
    from nova_ha.cloud.errors import CloudError

    try:
        yield
    except CloudError as error:
        raise CommandFailed(str(error)) from error


def flagged_host(name: str, flags: Iterable[str]) -> str | None:
    """Which flagged host goes by a name, or None.

    :raises CommandFailed: several do
    """
    try:
        return hostnames.resolve(name, flags)
    except hostnames.AmbiguousName as error:
        raise CommandFailed(f"{error}; or give the whole name") from error


def _configured_attribute(path: str) -> str | None:
    """The flag's attribute that a configuration file names, or None."""
    if not os.path.exists(path):
        return None
    import configparser  # oslo.config would read it too, in 20 times the time

    file = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        file.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise CommandFailed(f"{path}: {error}") from error
    return file.get("recovery", "attribute", fallback=None)
