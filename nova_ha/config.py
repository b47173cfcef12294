# SPDX-License-Identifier: Apache-2.0
"""The engine's configuration: ``/etc/nova-ha/nova-ha.conf`` (oslo.config), with the agent's parameters over it.

Section ``[nova]`` takes whatever keystoneauth takes in any OpenStack service's configuration, so credentials can be of
any of its kinds; the parameters that NovaEvacuate inherited from the existing agents are names for some of them.
"""

import os

from keystoneauth1 import exceptions as keystone
from keystoneauth1 import loading
from oslo_config import cfg

from nova_ha import flag
from nova_ha.nova import Misconfigured

GROUP = "nova"
DEFAULT_FILE = "/etc/nova-ha/nova-ha.conf"

# Seconds that one request may take: longer than Nova's slowest honest answer, shorter than what counts as hung.
REQUEST_TIMEOUT = 45

RECOVERY = [
    cfg.IntOpt("workers", default=8, min=1, max=64, help="Evacuate requests sent side by side."),
    cfg.IntOpt("in_flight", default=40, min=1, help="Evacuations in flight at once, over all hosts."),
    cfg.StrOpt("attribute", default=flag.ATTRIBUTE, help="The node attribute that is the flag."),
    cfg.StrOpt("domain", help="DNS domain of Nova's host names, where the cluster's names are short."),
]

# Parameter of the agent -> option of keystoneauth.
_AUTH = {
    "auth_url": "auth_url",
    "username": "username",
    "password": "password",
    "tenant_name": "project_name",
    "user_domain": "user_domain_name",
    "project_domain": "project_domain_name",
}
_TRUE = frozenset({"1", "true", "yes", "on", "ja", "y", "t"})


def load(parameters):
    """The configuration that an agent's parameters and the file that they name amount to.

    :param parameters: ``{name: text}`` as the cluster gives them
    :return: an ``oslo_config.cfg.ConfigOpts``
    :raises Misconfigured: the file cannot be read, or a value is none that its option takes
    """
    conf = cfg.ConfigOpts()
    conf.register_opts(RECOVERY, group="recovery")
    loading.register_auth_conf_options(conf, GROUP)
    loading.register_session_conf_options(conf, GROUP)
    loading.register_adapter_conf_options(conf, GROUP, include_deprecated=False)
    conf.set_default("timeout", REQUEST_TIMEOUT, group=GROUP)
    conf.set_default("valid_interfaces", ["internal"], group=GROUP)
    path = parameters.get("config", DEFAULT_FILE)
    # The parameters alone may do, so only a file that somebody named must be there.
    files = [path] if "config" in parameters or os.path.exists(path) else []
    try:
        conf([], project="nova-ha", default_config_files=files)
        _override(conf, parameters)
        # Read every option once: a bad value is to be found now, not in the middle of a recovery.
        for group in ("recovery", GROUP):
            for option in conf[group]:
                conf[group][option]
    except (cfg.Error, ValueError) as error:
        raise Misconfigured(f"{path}: {error}") from error
    return conf


def session(conf):
    """A keystoneauth1 session with the configured credentials.

    :raises Misconfigured: something that the kind of credentials needs is missing
    """
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        if auth is None:
            raise Misconfigured(
                "no credentials: set auth_url, username, password and tenant_name, or auth_type in [nova]"
            )
        return loading.load_session_from_conf_options(conf, GROUP, auth=auth, user_agent="nova-ha")
    except (keystone.ClientException, cfg.Error) as error:
        raise Misconfigured(str(error)) from error


def is_true(text):
    """Whether a parameter's text means yes, as Pacemaker's users write it."""
    return text.strip().lower() in _TRUE


def _override(conf, parameters):
    """Put the agent's parameters over the file's options."""
    if "auth_url" in parameters:
        conf.set_override("auth_type", "password", group=GROUP)
    if conf[GROUP].auth_type:
        conf.register_opts(loading.get_auth_plugin_conf_options(conf[GROUP].auth_type), group=GROUP)
    for parameter, option in _AUTH.items():
        if parameter in parameters:
            conf.set_override(option, parameters[parameter], group=GROUP)
    if "endpoint_type" in parameters:
        interface = parameters["endpoint_type"].replace("URL", "")
        conf.set_override("valid_interfaces", [interface], group=GROUP)
    if parameters.get("region_name"):
        conf.set_override("region_name", parameters["region_name"], group=GROUP)
    if "insecure" in parameters:
        conf.set_override("insecure", is_true(parameters["insecure"]), group=GROUP)
    for name in ("attribute", "domain"):
        if parameters.get(name):
            conf.set_override(name, parameters[name], group="recovery")
