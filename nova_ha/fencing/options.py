# SPDX-License-Identifier: Apache-2.0
"""The options of fence_compute, as data: what they are called, what they mean, and what becomes of them.

Each is (name, getopt, type or choices, what it is for, default): name as on standard input, getopt as in fence-agents
(``r:``: the letter r with a value; ``:``: no letter, with a value; empty: neither). A name with a dash is declared with
an underscore as well, so that pcs takes either spelling of what configurations are known to spell with dashes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Optional, Union

from nova_ha.config import agent_parameters
from nova_ha.model import flag

_Row = tuple[str, str, Union[str, tuple[str, ...], None], str, Optional[str]]

DOCS = {
    "shortdesc": "Fence agent for the automatic resurrection of OpenStack compute instances",
    "longdesc": "Once the power of a compute host is proved off, fence_compute flags the host by a permanent node "
    "attribute (evacuate), and the resource NovaEvacuate recovers the instances of a flagged host. It does not need "
    "the cloud, so that fencing works while the cloud does not.\n\n"
    "As the second device of a topology level (record_only=1) it only flags; the first device of the level powers the "
    "host off. On its own it powers the host off itself, by another fence agent (power_agent), whose options are "
    "given by their usual names; those that are not listed here go into power_options. One device can serve one host "
    "(pcmk_host_list), or many: pcmk_host_map then says which plug of the power agent, or with port_as_ip=1 which BMC, "
    "is whose.\n\n"
    "Where auth_url is given, username and password are the cloud's, as in existing configurations, and the power "
    "agent's are power_username and power_password.",
    "vendorurl": "",
}

# Of the existing agent.
ONLY_FORCE_DOWN = " (used with force_down only)"
NOT_USED = " (accepted as existing configurations have it; not used: the resource NovaEvacuate has its own)"
CLOUD: tuple[_Row, ...] = (
    ("auth-url", "k:", None, "Keystone Admin Auth URL" + ONLY_FORCE_DOWN, ""),
    ("tenant-name", "t:", None, "Keystone Admin Tenant or v3 Project" + ONLY_FORCE_DOWN, ""),
    ("user-domain", "u:", None, "Keystone v3 User Domain" + ONLY_FORCE_DOWN, "Default"),
    ("project-domain", "P:", None, "Keystone v3 Project Domain" + ONLY_FORCE_DOWN, "Default"),
    ("endpoint_type", "e:", None, "Nova Endpoint type" + ONLY_FORCE_DOWN, "internalURL"),
    ("region_name", ":", None, "Region Name" + ONLY_FORCE_DOWN, ""),
    ("insecure", "", None, "Allow Insecure TLS Requests" + ONLY_FORCE_DOWN, None),
    ("no-shared-storage", "", None, "Disable functionality for dealing with shared storage" + NOT_USED, "False"),
    ("instance_filtering", "", None, "Only evacuate instances tagged evacuable, if any are" + NOT_USED, "True"),
)
LOGIN = {
    "login": "Login name of the power agent; if auth_url is given, Keystone Admin Username",
    "passwd": "Password of the power agent; if auth_url is given, Keystone Admin Password",
    "passwd_script": "Script that the power agent runs to retrieve its password; not used for the cloud",
}
HOST: tuple[_Row, ...] = (
    ("nodename", "N:", None, "Name of the host in the cluster, if plug is another; Pacemaker gives it", None),
    ("domain", "d:", None, "DNS domain in which hosts live, where some names of theirs have it, others not", None),
    ("compute-domain", ":", None, "Replaced by domain", None),
    ("attribute", ":", None, "Node attribute that is the flag; as for NovaEvacuate and NovaCompute", flag.ATTRIBUTE),
    ("record-only", "r:", None, "Only flag, another device powers the host (true, false; disabled: nothing)", "False"),
    ("force_down", "", None, "Once a host is flagged, have Nova take it for down at once, if it answers", None),
)
POWER: tuple[_Row, ...] = (
    ("power_agent", ":", None, "Fence agent that powers the host, unless record_only", "fence_ipmilan"),
    ("power_username", ":", None, "Login name for the power agent, where username is the cloud's", None),
    ("power_password", ":", None, "Password for the power agent, where password is the cloud's", None),
    ("power_password_script", ":", None, "Script that the power agent runs to retrieve its password", None),
    ("power_options", ":", None, "More options for the power agent, as name=value separated by spaces", None),
    ("power_agent_timeout", ":", "second", "Seconds that one order to the power agent and its proof may take", "40"),
    ("power_recheck", ":", "second", "Seconds after which a host that was off is looked at once more; 0: not", "0"),
)
# Handed on to the power agent by the same name, where they are given.
PASSED: tuple[_Row, ...] = (
    ("ip", "a:", None, "IP address or hostname of the BMC, or of what else powers the host", None),
    ("ipport", ":", "integer", "TCP/UDP port to use for connection with device", None),
    ("port-as-ip", "", None, "Make plug an alias to the IP address: one device for many BMCs, see pcmk_host_map", None),
    ("lanplus", "", None, "Use IPMI v2 (fence_ipmilan)", None),
    ("cipher", ":", None, "Cipher suite (fence_ipmilan)", None),
    ("auth", "A:", None, "IPMI authentication type (fence_ipmilan)", None),
    ("privlvl", "L:", None, "Privilege level (fence_ipmilan)", None),
    ("hexadecimal_kg", ":", None, "Hexadecimal-encoded Kg key for IPMIv2 authentication (fence_ipmilan)", None),
    ("target", ":", None, "Bridge IPMI requests to the remote target address (fence_ipmilan)", None),
    ("method", "m:", ("onoff", "cycle"), "Method to fence; this agent's reboot is off and on all the same", None),
    ("systems-uri", ":", None, "Redfish Systems resource URI (fence_redfish)", None),
    ("redfish-uri", ":", None, "Base or starting Redfish URI (fence_redfish)", None),
    ("ssl", "z", None, "Use SSL connection with verifying certificate", None),
    ("ssl_secure", "", None, "Use SSL connection with verifying certificate", None),
    ("ssl_insecure", "", None, "Use SSL connection without verifying certificate", None),
    ("ssh", "x", None, "Use SSH connection (fence_virsh)", None),
    ("identity_file", ":", None, "Identity file (private key) for SSH", None),
    ("switch", "s:", None, "Physical switch number on device (fence_apc)", None),
)
TABLES = ((CLOUD, 1), (HOST, 5), (POWER, 6), (PASSED, 7))
# Every agent has these; they are handed on as well.
LIMITS = ("login_timeout", "shell_timeout", "power_timeout", "power_wait", "stonith_status_sleep", "retry_on")
MANNERS = ("plug_separator", "disable_timeout", "gnutlscli_path")

# Where an option is not given on to the power agent by its own name.
RENAMED = {"power_username": "username", "power_password": "password", "power_password_script": "password_script"}

RECORD_ONLY = {
    "record": ("1", "true", "yes", "on"),
    "power": ("0", "false", "no", "off", ""),
    "nothing": ("2", "disabled"),
}

# For the cloud, by the names that the configuration knows.
USER = ("auth_url", "username", "password", "tenant_name", "user_domain", "project_domain")
USER_DEFAULTS = {"user_domain": "Default", "project_domain": "Default"}
ENDPOINT = ("endpoint_type", "region_name", "insecure")

# On a command line they have no value, and stand for themselves.
_SWITCHES = frozenset(
    name.replace("-", "_") for table, _order in TABLES for name, letter, *_ in table if not letter.endswith(":")
)


class OptionError(ValueError):
    """An option is missing or has a value that will not do; the text is one line for an operator."""


def define(all_opt: dict[str, dict[str, object]]) -> list[str]:
    """Make the options known to the fencing library; return their names.

    :param all_opt: the library's own table
    """
    for table, order in TABLES:
        for name, letter, kind, shortdesc, default in table:
            longopt = name.replace("_", "-")
            option: dict[str, object] = {
                "getopt": letter,
                "longopt": longopt,
                "required": "0",
                "shortdesc": shortdesc,
                "order": order,
            }
            # In the columns in which the library looks for the text.
            option["help"] = f"{_usage(letter, longopt):30} {shortdesc}"
            if kind is not None:
                option["type" if isinstance(kind, str) else "choices"] = kind
            if default is not None:
                option["default"] = default
            all_opt[name] = option
    for name, shortdesc in LOGIN.items():
        all_opt[name]["shortdesc"] = shortdesc
    return [name for table, _order in TABLES for name, *_ in table]


def record_only(value: str) -> str:
    """What a value of record_only asks for: ``record``, ``power`` or ``nothing``.

    :raises OptionError: none of them
    """
    for mode, values in RECORD_ONLY.items():
        if value.lower() in values:
            return mode
    known = ", ".join(value for values in RECORD_ONLY.values() for value in values if value)
    raise OptionError(f"record_only: invalid value {value[:80]!r}: expected one of {known}")


def attribute(value: str) -> str:
    """The node attribute that is the flag.

    :raises OptionError: the value will not do
    """
    if problem := agent_parameters.ATTRIBUTE.problem(value):
        raise OptionError(problem)
    return value


def for_power_agent(given: Mapping[str, str]) -> dict[str, str]:
    """What was given for the power agent, as ``{name on its standard input: value}``.

    :param given: ``{long option: value}``
    :raises OptionError: nothing was, or power_options cannot be read
    """
    try:
        words = [word.partition("=") for word in shlex.split(given.get("--power-options", ""))]
    except ValueError as error:
        raise OptionError(f"power_options: {error}") from error
    passed = {name: value for name, _equals, value in words}
    login = [] if given.get("--auth-url") else ["username", "password", "password_script"]
    listed = [name for name, *_ in PASSED]
    for name in (*login, *RENAMED, *listed, *LIMITS, *MANNERS):
        value = given.get("--" + name.replace("_", "-"))
        if value is not None:
            name = name.replace("-", "_")
            passed[RENAMED.get(name, name)] = "1" if name in _SWITCHES and value == "" else value
    if not passed:
        raise OptionError(
            "no options for the power agent: give its ip, username and password (power_username and power_password "
            "beside an auth_url), or record_only=1 if another device powers the host"
        )
    return passed


def for_cloud(given: Mapping[str, str]) -> dict[str, str] | None:
    """How to reach the cloud to force a host down, as ``loader.load`` takes it; None if that is not asked for.

    Without auth_url, whatever else says who we are is the configuration file's.

    :param given: ``{long option: value}``
    """
    if given.get("--force-down") not in ("", "1"):
        return None
    found = dict(USER_DEFAULTS) if given.get("--auth-url") else {}
    for name in (*(USER if given.get("--auth-url") else ()), *ENDPOINT):
        value = given.get("--" + name.replace("_", "-"))
        if value is not None:
            found[name] = "1" if name in _SWITCHES and value == "" else value
    return found


def problem(given: Mapping[str, str], lines: Iterable[str]) -> str | None:
    """What is wrong with options that a fence would go on without, in one line, or None.

    :param given: ``{long option: value}``
    :param lines: standard input: what is no value of a switch is not given, the library has left it out
    """
    for name in ("domain", "compute-domain"):
        if given.get(f"--{name}") and (wanted := agent_parameters.word(given[f"--{name}"])):
            return f"{name}: invalid value {given[f'--{name}'][:80]!r}: expected {wanted}"
    for name, _equals, value in (line.strip().partition("=") for line in lines):
        if name.replace("-", "_") in _SWITCHES and value.strip('"').lower() not in agent_parameters.BOOLEANS:
            return f"{name}: invalid value {value[:80]!r}: expected one of {', '.join(agent_parameters.BOOLEANS)}"
    return None


def cloud_problem(found: Mapping[str, str]) -> str | None:
    """What is wrong with such parameters, in one line, or None."""
    wrong = (
        parameter.problem(found[parameter.name]) for parameter in agent_parameters.CLOUD if parameter.name in found
    )
    return next(filter(None, wrong), None)


def seconds(name: str, value: str) -> int:
    """A whole number of seconds; the library lets negative ones through.

    :raises OptionError: it is none
    """
    if problem := agent_parameters.seconds(value):
        raise OptionError(f"{name}: invalid value {value[:80]!r}: expected {problem}")
    return int(value)


def _usage(letter: str, longopt: str) -> str:
    """How an option is written on a command line."""
    short = f"-{letter[0]}, " if letter.strip(":") else ""
    return f"{short}--{longopt}" + ("=[value]" if letter.endswith(":") else "")
