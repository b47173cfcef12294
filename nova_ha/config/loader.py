# SPDX-License-Identifier: Apache-2.0
"""The engine's configuration: ``/etc/nova-ha/nova-ha.conf`` (oslo.config), with the agent's parameters over it.

Section ``[nova]`` takes whatever keystoneauth takes in any OpenStack service's configuration, so credentials can be of
any of its kinds, or the name of a cloud in clouds.yaml; the parameters that NovaEvacuate inherited from the existing
agents are names for some of them. The other sections' options stand in ``options``.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from keystoneauth1 import exceptions as keystone
from keystoneauth1 import loading
from keystoneauth1.session import Session
from oslo_config import cfg

from nova_ha.cloud import session as transport
from nova_ha.cloud.errors import Misconfigured
from nova_ha.cloud.nova import Nova
from nova_ha.cloud.reader import NovaReader
from nova_ha.config.agent_parameters import DEFAULT_CONFIG, DEFAULT_DOMAIN, is_true
from nova_ha.config.options import GROUP, OPTIONS

if TYPE_CHECKING:
    from openstack.config.cloud_region import CloudRegion

# Seconds that one request may take: longer than Nova's slowest honest answer; and at most: shorter than what counts as
# hung (runstate.HUNG_AFTER).
REQUEST_TIMEOUT, LONGEST_REQUEST_TIMEOUT = 45, 90

# What an adapter of keystoneauth could be told beside these, we do not ask for.
_ADAPTER_OPTIONS = ("valid-interfaces", "region-name")

# Parameter of the agent -> option of keystoneauth.
_AUTH = {
    "auth_url": "auth_url",
    "username": "username",
    "password": "password",
    "tenant_name": "project_name",
    "user_domain": "user_domain_name",
    "project_domain": "project_domain_name",
}


def load(parameters: Mapping[str, str]) -> cfg.ConfigOpts:
    """The configuration that an agent's parameters and the file that they name amount to.

    :param parameters: ``{name: text}`` as the cluster gives them
    :raises Misconfigured: the file cannot be read, or a value is none that its option takes
    """
    conf = _registered()
    path = parameters.get("config", DEFAULT_CONFIG)
    try:
        _read(conf, parameters, path)
        _override(conf, parameters, path)
    except cfg.ConfigFileParseError as error:
        # oslo.config shows the line, which may be one with a password.
        line = re.search(r":(\d+), ", error.msg)
        where = f"{error.config_file}, line {line[1]}" if line else error.config_file
        raise Misconfigured(f"{where}: neither [section] nor name = value") from None
    except (cfg.Error, ValueError) as error:
        raise Misconfigured(f"{path}: {error}") from error
    _read_all(conf, path)
    if conf[GROUP].cloud:
        _take_defaults(conf, _cloud(conf[GROUP].cloud))
    return conf


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Each section with its options, for oslo-config-generator and Sphinx's ``show-options``.

    Those of an ``auth_type`` but password's are left out: keystoneauth has them.
    """
    keystone = [*loading.get_auth_common_conf_options(), *loading.get_auth_plugin_conf_options("password")]
    keystone += [*loading.get_session_conf_options(), *_adapter_options()]
    return [(group, [*options, *(keystone if group == GROUP else [])]) for group, options in OPTIONS.items()]


def attribute(parameters: Mapping[str, str]) -> str | None:
    """The node attribute that is the flag of an engine with these parameters; None where that cannot be told here.

    Its configuration file is taken to be the same on all control nodes.
    """
    if parameters.get("attribute"):
        return parameters["attribute"]
    # Of another engine this is asked for again and again: keystoneauth's options would take half the time.
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS["recovery"], group="recovery")
    try:
        _read(conf, parameters, parameters.get("config", DEFAULT_CONFIG))
        name: str = conf.recovery.attribute
    except (cfg.Error, ValueError):
        return None
    return name


def session(conf: cfg.ConfigOpts, before_request: Callable[[], None] = lambda: None) -> Session:
    """A keystoneauth1 session with the configured credentials and time limit.

    :param before_request: called before each request
    :raises Misconfigured: something that the kind of credentials needs is missing
    """
    # At its level DEBUG, keystoneauth logs what some kinds of credentials send.
    logging.getLogger("keystoneauth").setLevel(logging.WARNING)
    options = conf[GROUP]
    try:
        cloud = _cloud(options.cloud) if options.cloud else None
        auth = cloud.get_auth() if cloud else loading.load_auth_from_conf_options(conf, GROUP)
        if auth is None:
            raise Misconfigured(
                "no credentials: set auth_url, username, password and tenant_name, or auth_type or cloud in [nova]"
            )
        how = {"auth": auth, "session": transport.connections(before_request), "user_agent": "nova-ha"}
        made = loading.load_session_from_conf_options(conf, GROUP, **how)
    except (keystone.ClientException, cfg.Error) as error:
        raise Misconfigured(str(error)) from error
    if cloud and not options.insecure and not options.cafile:
        made.verify, made.cert = cloud.get_requests_verify_args()
    return made


def cloud(conf: cfg.ConfigOpts, before_request: Callable[[], None] = lambda: None) -> Nova:
    """The cloud that a configuration names, not connected yet.

    :param before_request: called before each request
    :raises Misconfigured: as ``session``
    """
    return Nova(access(conf, before_request))


def reader(conf: cfg.ConfigOpts) -> NovaReader:
    """The same, for who is to change nothing.

    :raises Misconfigured: as ``session``
    """
    return NovaReader(access(conf))


def access(conf: cfg.ConfigOpts, before_request: Callable[[], None] = lambda: None) -> transport.Access:
    """How requests get to the cloud that a configuration names; see ``cloud``."""
    options = conf[GROUP]
    carrier = session(conf, before_request)
    return transport.Access(carrier, options.valid_interfaces, options.region_name, _who(conf))


def _who(conf: cfg.ConfigOpts) -> str:
    """Whose credentials are configured, in words that lead to a mistake in them."""
    options = conf[GROUP]
    if options.cloud:
        return f"cloud {options.cloud} of clouds.yaml"
    if "username" not in options or not options.username:
        return f"the {options.auth_type} in [nova]"
    user = f"user {options.username} (domain {options.user_domain_name or 'not set'})"
    return f"{user} in project {options.project_name} (domain {options.project_domain_name or 'not set'})"


def _registered() -> cfg.ConfigOpts:
    """All options, with their defaults."""
    conf = cfg.ConfigOpts()
    for group, options in OPTIONS.items():
        conf.register_opts(options, group=group)
    loading.register_auth_conf_options(conf, GROUP)
    loading.register_session_conf_options(conf, GROUP)
    conf.register_opts(_adapter_options(), group=GROUP)
    conf.set_default("timeout", REQUEST_TIMEOUT, group=GROUP)
    conf.set_default("valid_interfaces", ["internal"], group=GROUP)
    return conf


def _adapter_options() -> list[cfg.Opt]:
    """Those of keystoneauth's about endpoints that are taken."""
    adapter = loading.get_adapter_conf_options(include_deprecated=False)
    return [option for option in adapter if option.name in _ADAPTER_OPTIONS]


def _read(conf: cfg.ConfigOpts, parameters: Mapping[str, str], path: str) -> None:
    """Read the configuration file, if there is one: the parameters alone may do, so only one that is named must be."""
    files = [path] if "config" in parameters or os.path.exists(path) else []
    conf([], project="nova-ha", default_config_files=files)


def _override(conf: cfg.ConfigOpts, parameters: Mapping[str, str], path: str) -> None:
    """Put the agent's parameters over the file's options."""
    options = conf[GROUP]
    if "auth_url" in parameters:
        _set(conf, "auth_type", "password")
        _set(conf, "cloud", None)
    if options.cloud and options.auth_type:
        raise Misconfigured(f"{path}: [nova] cloud and auth_type are two kinds of credentials: leave one out")
    if options.auth_type:
        try:
            conf.register_opts(loading.get_auth_plugin_conf_options(options.auth_type), group=GROUP)
        except keystone.NoMatchingPlugin as error:
            raise Misconfigured(f"{path}: [nova] auth_type = {options.auth_type}: there is no such kind") from error
    if "auth_url" in parameters:
        for whose in ("user", "project"):
            if not options[f"{whose}_domain_id"]:
                conf.set_default(f"{whose}_domain_name", DEFAULT_DOMAIN, group=GROUP)
    for parameter, option in _AUTH.items():
        if parameter in parameters:
            if not options.auth_type:
                raise Misconfigured(f"parameter {parameter} is of no use without auth_url, or auth_type in {path}")
            _set(conf, option, parameters[parameter])
    if "endpoint_type" in parameters:
        _set(conf, "valid_interfaces", [parameters["endpoint_type"].replace("URL", "")])
    if parameters.get("region_name"):
        _set(conf, "region_name", parameters["region_name"])
    if "insecure" in parameters:
        _set(conf, "insecure", is_true(parameters["insecure"]))
    if "no_shared_storage" in parameters:
        _set(conf, "shared_storage", not is_true(parameters["no_shared_storage"]), "recovery")
    for name in ("attribute", "domain", "evacuate_delay"):
        if parameters.get(name):
            _set(conf, name, parameters[name], "recovery")


def _set(conf: cfg.ConfigOpts, option: str, value: object, group: str = GROUP) -> None:
    """Override an option; a ``$`` in a parameter is just that, while in the file it begins another option's name."""
    conf.set_override(option, value.replace("$", "$$") if isinstance(value, str) else value, group=group)


def _read_all(conf: cfg.ConfigOpts, path: str) -> None:
    """Read every option once: a bad value is to be found now, not in the middle of a recovery."""
    for group in OPTIONS:
        for option in conf[group]:
            try:
                conf[group][option]
            except (cfg.NoSuchOptError, cfg.NoSuchGroupError, cfg.TemplateSubstitutionError):
                # The text would show what follows the $, which may be half a password.
                raise Misconfigured(f"{path}: [{group}] {option}: $ begins an option's name; write $$ for $") from None
            except (cfg.Error, ValueError) as error:
                reason = str(error).rpartition("is not valid: ")[2]
                reason = re.sub(
                    r"invalid literal for int\(\) with base 10: (.*)",
                    r"invalid value \1: expected a whole number",
                    reason,
                )
                raise Misconfigured(f"{path}: [{group}] {option}: {reason}") from error
    timeout = conf[GROUP].timeout
    if not 1 <= timeout <= LONGEST_REQUEST_TIMEOUT:
        wanted = f"1 to {LONGEST_REQUEST_TIMEOUT} seconds"
        raise Misconfigured(f"{path}: [nova] timeout: invalid value {timeout}: expected {wanted}")


def _cloud(name: str) -> CloudRegion:
    """A cloud from clouds.yaml, whatever ``OS_...`` an environment says.

    :raises Misconfigured: it is not there, or not understood
    """
    try:
        from openstack import exceptions as openstack
        from openstack.config import loader as clouds
    except ImportError as error:
        raise Misconfigured(f"[nova] cloud = {name} needs openstacksdk: install python3-openstacksdk") from error
    try:
        found: CloudRegion = clouds.OpenStackConfig(load_envvars=False).get_one(name)
    except (openstack.SDKException, keystone.ClientException) as error:
        raise Misconfigured(f"[nova] cloud = {name}: {error}") from error
    except Exception as error:
        # A malformed file shows as any of yaml's and Python's errors; their texts may quote it.
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise Misconfigured(f"[nova] cloud = {name}: a clouds.yaml or secure.yaml is malformed{where}") from None
    return found


def _take_defaults(conf: cfg.ConfigOpts, cloud: CloudRegion) -> None:
    """What clouds.yaml says of region and interface holds where nothing else is configured."""
    conf.set_default("valid_interfaces", [cloud.get_interface()], group=GROUP)
    conf.set_default("region_name", cloud.region_name, group=GROUP)
