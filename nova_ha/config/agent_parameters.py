# SPDX-License-Identifier: Apache-2.0
"""The parameters of the OCF agents, as data: what they are called, what they mean, and what values will do.

The names are those that operators of the existing agents configure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from nova_ha.model import flag

# The Keystone domain of user and project where none is set.
DEFAULT_DOMAIN = "Default"

DEFAULT_CONFIG = "/etc/nova-ha/nova-ha.conf"

ENDPOINT_TYPES = ("publicURL", "internalURL", "adminURL", "public", "internal", "admin")
BOOLEANS = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
# Resource agents in shell take these, too (ocf_is_true), and existing configurations may have them.
_ALSO = {"y": True, "ja": True}

# Longest piece of a bad value that a message repeats.
_SHOWN = 80


class Parameter(NamedTuple):
    """One parameter of a resource agent.

    :param kind: string, integer or boolean: the type that the agent's metadata declares
    :param check: given a value, says what would do instead, or None if the value will do
    :param secret: never repeat its value
    :param reloadable: ``reload-agent`` takes a new value over, without a restart
    """

    name: str
    kind: str
    short: str
    long: str
    default: str | None = None
    check: Callable[[str], str | None] | None = None
    secret: bool = False
    reloadable: bool = False

    def problem(self, value: str) -> str | None:
        """What is wrong with a value, in one line, or None."""
        wanted = None
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            wanted = "a single line of text"
        elif any(0xD800 <= ord(character) <= 0xDFFF for character in value):  # what Python makes of bytes that are none
            wanted = "text in UTF-8"
        elif self.check:
            wanted = self.check(value)
        if wanted is None:
            return None
        return f"{self.name}: invalid value{'' if self.secret else ' ' + _shown(value)}: expected {wanted}"


def problems(parameters: Iterable[Parameter], values: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with an agent's configuration: one line for each unknown name and each bad value.

    :param values: the values that are set, by name
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name, value in values.items():
        if name not in known:
            yield f"{_shown(name)}: there is no such parameter; known are {', '.join(known)}"
        elif problem := known[name].problem(value):
            yield problem


def _shown(value: str) -> str:
    return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}... ({len(value)} characters)"


def one_of(choices: Collection[str]) -> Callable[[str], str | None]:
    """A check: the value is one of these words."""
    return lambda value: None if value in choices else f"one of {', '.join(choices)}"


def boolean(value: str) -> str | None:
    """A check: yes or no, in one of the ways in which Pacemaker's users write it."""
    return None if value.lower() in {**BOOLEANS, **_ALSO} else f"one of {', '.join(BOOLEANS)}"


def is_true(value: str) -> bool:
    """Whether a value that such a check has let through means yes."""
    return {**BOOLEANS, **_ALSO}.get(value.lower(), False)


def seconds(value: str) -> str | None:
    """A check: a whole number of seconds."""
    return None if re.fullmatch("[0-9]{1,6}", value) else "seconds as a whole number, 0 or more"


def http_url(value: str) -> str | None:
    """A check: a URL that an HTTP client can use."""
    wanted = "http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    return None if usable and not re.search(r"\s", value) else wanted


def absolute_path(value: str) -> str | None:
    """A check: a path that means the same wherever the agent runs."""
    return None if value.startswith("/") else "an absolute path"


def absolute_paths(value: str) -> str | None:
    """A check: absolute paths, separated by blanks."""
    good = value.split() and all(path.startswith("/") for path in value.split())
    return None if good else "absolute paths, separated by spaces"


def program(value: str) -> str | None:
    """A check: a program's absolute path, or its mere name."""
    good = re.fullmatch(r"/\S*|[^-/\s][^/\s]*", value)
    return None if good else "a program's name or absolute path, without white space"


def container_name(value: str) -> str | None:
    """A check: the name of a container."""
    good = re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", value)
    return None if good else "the name of a container"


def word(value: str) -> str | None:
    """A check: not empty, and no white space in it."""
    return None if value and not re.search(r"\s", value) else "a name without white space"


def unit_name(value: str) -> str | None:
    """A check: the name of a systemd unit."""
    wanted = "the name of a systemd unit, like nova-compute.service"
    return None if re.fullmatch(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}", value) else wanted


def attribute_name(value: str) -> str | None:
    """A check: the name of a node attribute."""
    return None if re.fullmatch(r"[A-Za-z0-9_.#-]{1,80}", value) else "the name of a node attribute"


ATTRIBUTE = Parameter(
    "attribute",
    "string",
    "Node attribute that is the flag",
    "The node attribute that flags a host; another where the name is taken. The same for fence_compute, "
    "NovaEvacuate, NovaCompute and the location rule.",
    flag.ATTRIBUTE,
    check=attribute_name,
)

CLOUD = (
    Parameter("auth_url", "string", "Keystone's URL", "URL of the Identity service (Keystone), v3.", check=http_url),
    Parameter("username", "string", "User name", "Name of a user who may administer Nova."),
    Parameter(
        "password",
        "string",
        "Password (sensitive)",
        "Password of that user. Sensitive: it shows in the cluster's configuration; a configuration file that only "
        "root can read (see config) keeps it out of there.",
        secret=True,
    ),
    Parameter(
        "tenant_name", "string", "Project", "Name of the project (in former times: tenant) that the user acts in."
    ),
    Parameter(
        "user_domain",
        "string",
        "Keystone domain of the user",
        "Name of the Keystone domain of the user.",
        DEFAULT_DOMAIN,
    ),
    Parameter(
        "project_domain",
        "string",
        "Keystone domain of the project",
        "Name of the Keystone domain of the project.",
        DEFAULT_DOMAIN,
    ),
    Parameter(
        "domain",
        "string",
        "DNS domain of the hosts",
        "DNS domain in which the hosts live: for clusters that know hosts by their short names when Nova knows them "
        "by their full ones. Once it is set, NAME is the host of that name or of NAME.DOMAIN, and no other.",
        check=word,
        reloadable=True,
    ),
    Parameter(
        "endpoint_type",
        "string",
        "Kind of API endpoint",
        "Which of Nova's endpoints in the catalog is used: publicURL, internalURL or adminURL (or, shorter, public, "
        "internal or admin).",
        "internalURL",
        check=one_of(ENDPOINT_TYPES),
    ),
    Parameter("region_name", "string", "Region", "Name of the region; needed where the catalog has several."),
    Parameter(
        "insecure",
        "boolean",
        "Do not verify TLS certificates",
        "Whether the certificates of https endpoints are taken as they come. Then anybody in between can read the "
        "password.",
        "false",
        check=boolean,
    ),
    Parameter(
        "no_shared_storage",
        "boolean",
        "Instances are not on shared storage",
        "Whether the instances' disks are local to each host, so that an evacuated instance starts anew from its image "
        "or volume. Nova finds that out by itself. The engine then keeps the copy of a resized instance that its "
        "former host has, instead of confirming the resize.",
        "false",
        check=boolean,
        reloadable=True,
    ),
    Parameter("verbose", "boolean", "Log more", "Whether details are logged.", "false", check=boolean, reloadable=True),
)

# What the recovery engine is configured by.
ENGINE = (
    *CLOUD,
    Parameter(
        "evacuate_delay",
        "integer",
        "Seconds before the first evacuation",
        "Seconds between taking a dead host up and the first request to evacuate an instance of it, where a storage "
        "needs that long to let go of a dead host's locks or leases.",
        "0",
        check=seconds,
        reloadable=True,
    ),
    ATTRIBUTE,
    Parameter(
        "config",
        "string",
        "Configuration file",
        "File from which the engine reads what no parameter sets. With it, the password need not be in the cluster's "
        "configuration.",
        DEFAULT_CONFIG,
        check=absolute_path,
    ),
)
