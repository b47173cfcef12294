# SPDX-License-Identifier: Apache-2.0
"""The machine under the lab: what its container runtime needs, the private network, and putting all of it back.

Nothing under /etc is touched: podman reads a configuration of the lab's own, and the two sysctls that have to
change are written down before they are changed.
"""

import dataclasses
import hashlib
import ipaddress
import json
import os
import pathlib
import resource
import shutil

from tests.lab import locks, settings
from tests.lab.shell import LabError, run

CONTAINERS_CONF = settings.HOME / "containers.conf"
# What makes podman read it, and it alone.
ENVIRONMENT = {"CONTAINERS_CONF": str(CONTAINERS_CONF)}
NETWORKS = settings.HOME / "networks"
LINKS = pathlib.Path("/sys/class/net")
# Routes to less than this many bits are not about the lab's network in particular, and the lab's own goes before them.
NEAR = 16
# The lock under which the machine itself is changed, and looked at for that.
MACHINE = "machine"
# podman sets the first one to 1 by itself; the second one is the number of systemds that can run at once, times two.
SYSCTLS = {"net/ipv4/ip_forward": None, "fs/inotify/max_user_instances": 1024}
PROGRAMS = {
    "podman": "podman",
    "iptables": "iptables",  # netavark does not start without it, rules or none
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "ipmi_sim": "openipmi",
}
NETAVARK = ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark")
CAP_SYS_RESOURCE = 24
# podman lowers its own limits to these before it starts a container: this one, and kernel.pid_max for processes.
PODMAN_NOFILE = 1048576


@dataclasses.dataclass(frozen=True)
class Machine:
    """What matters about a machine for the choice of podman's settings."""

    runtimes: tuple  # of "crun" and "runc", those that are installed
    unified_cgroups: bool  # cgroup v2 only, rather than v1 or a hybrid
    systemd: bool  # is PID 1
    may_raise_limits: bool  # has CAP_SYS_RESOURCE
    nofile: int  # the most that a container can be given
    nproc: int


def look():
    """The ``Machine`` that this is."""
    effective = next(
        int(line.split()[1], 16)
        for line in pathlib.Path("/proc/self/status").read_text().splitlines()
        if line.startswith("CapEff:")
    )
    return Machine(
        runtimes=tuple(name for name in ("crun", "runc") if shutil.which(name)),
        unified_cgroups=os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
        systemd=os.path.isdir("/run/systemd/system"),
        may_raise_limits=bool(effective >> CAP_SYS_RESOURCE & 1),
        nofile=_hard_limit(resource.RLIMIT_NOFILE, PODMAN_NOFILE),
        nproc=_hard_limit(resource.RLIMIT_NPROC, int(_sysctl("kernel/pid_max").read_text())),
    )


def containers_conf(machine):
    """The text of podman's configuration for a machine.

    :raises LabError: no runtime that works there is installed
    """
    # crun refuses a hybrid cgroup layout; runc takes any.
    usable = [name for name in machine.runtimes if name == "runc" or machine.unified_cgroups]
    if not usable:
        raise LabError("no container runtime for this machine: install Debian's package runc")
    lines = ["[containers]"]
    if not machine.may_raise_limits:
        # podman's defaults are beyond the hard limits, and raising those needs CAP_SYS_RESOURCE.
        limits = [f"{name}={value}:{value}" for name, value in (("nofile", machine.nofile), ("nproc", machine.nproc))]
        lines.append(f"default_ulimits = {json.dumps(limits)}")
    lines += [
        "[engine]",
        f'runtime = "{usable[0]}"',
        f'cgroup_manager = "{"systemd" if machine.systemd else "cgroupfs"}"',
        "[network]",
        f'network_config_dir = "{NETWORKS}"',
    ]
    return "\n".join(lines) + "\n"


def require():
    """See that the machine can run the lab, and write podman's configuration.

    :raises LabError: something is missing; the text names every missing package
    """
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes containers with addresses of their own")
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not any(map(os.path.exists, NETAVARK)):
        packages.add("netavark")
    if packages:
        raise LabError(f"missing: apt-get install --no-install-recommends {' '.join(sorted(packages))}")
    CONTAINERS_CONF.parent.mkdir(parents=True, exist_ok=True)
    settings.write_whole(CONTAINERS_CONF, containers_conf(look()))


def podman(*arguments, timeout=60, stdin=None, check=True):
    """Run podman with the lab's configuration; see ``shell.run``."""
    if not CONTAINERS_CONF.exists():
        require()
    return run(
        "podman",
        *arguments,
        timeout=timeout,
        stdin=stdin,
        check=check,
        env={**os.environ, **ENVIRONMENT},
    )


def run_inside(container, ident, *command, timeout=60, stdin=None, check=True):
    """Run a program in a container; see ``shell.run``.

    podman hands that on to the container's runtime, and takes two thirds of the time for it (on two cores: 147 ms of a
    processor, without it 41): where the runtime is runc, which refuses frozen and dead containers as podman does, it is
    asked itself.

    :param container: its name
    :param ident: its id, None if that is not known
    """
    interactive = () if stdin is None else ("--interactive",)
    words = "exec", *interactive, container, *command
    if ident is None or not _uses_runc():
        return podman(*words, timeout=timeout, stdin=stdin, check=check)
    # Without a text it is given an empty one: it would read what we are given.
    return run(
        *("runc", "exec", ident, *command),
        timeout=timeout,
        stdin=stdin or "",
        check=check,
        shown=("podman", *words),
    )


def prepare():
    """Set the sysctls and make the private network, unless that is done already.

    :raises LabError: a link or a route of somebody else's is in the way; the text names it
    """
    require()
    with locks.held(MACHINE):
        if not _is_labs(settings.NUMBER):
            _refuse_others_network()
        _set_sysctls()
        _make_bridge()
    NETWORKS.mkdir(exist_ok=True)
    settings.write_whole(NETWORKS / f"{settings.NETWORK}.json", json.dumps(_network(), indent=2) + "\n")


def restore():
    """Take the network away; if no other lab uses the machine, put the sysctls back. The containers must be gone."""
    with locks.held(MACHINE):
        if _is_labs(settings.NUMBER):
            for link in filter(_link_exists, (settings.ANCHOR, settings.BRIDGE)):
                run("ip", "link", "delete", link)
        if settings.MACHINE_FILE.exists() and not other_labs():
            for name, value in json.loads(settings.MACHINE_FILE.read_text()).items():
                _sysctl(name).write_text(value)
            settings.MACHINE_FILE.unlink()


def labs() -> list[int]:
    """Numbers of the labs that use this machine."""
    return [number for number in range(settings.LABS) if _is_labs(number)]


def other_labs() -> list[int]:
    """Those of them that are not this one."""
    return [number for number in labs() if number != settings.NUMBER]


def others_routes(routes: list[dict[str, str]]) -> list[str]:
    """Routes to addresses of the lab's network by way of anything but its bridge, each as a person reads it.

    :param routes: as ``ip -json route`` prints them
    """
    lab = ipaddress.ip_network(f"{settings.PREFIX}.0/24")

    def is_near(destination: str) -> bool:
        if destination == "default":
            return False
        network = ipaddress.ip_network(destination, strict=False)
        return network.version == 4 and network.prefixlen >= NEAR and network.overlaps(lab)

    others = [route for route in routes if is_near(route["dst"]) and route.get("dev") != settings.BRIDGE]
    return [f"{route['dst']} by {route.get('dev', route.get('type', 'no device'))}" for route in others]


def _uses_runc() -> bool:
    """Is it runc that podman is told to use?"""
    return CONTAINERS_CONF.exists() and 'runtime = "runc"' in CONTAINERS_CONF.read_text()


def _is_labs(number: int) -> bool:
    """Is the bridge of a lab there, and is it a lab's?"""
    try:
        address = (LINKS / settings.BRIDGES[number] / "address").read_text().strip()
    except FileNotFoundError:
        return False
    return address == settings.mac(_gateway(number))


def _gateway(number: int) -> str:
    return f"{settings.PREFIXES[number]}.1"


def _refuse_others_network() -> None:
    if _link_exists(settings.BRIDGE):
        raise LabError(
            f"a link {settings.BRIDGE} is there already, and is not the lab's: it is left as it is;"
            f" if nobody needs it, remove it by: ip link delete {settings.BRIDGE}"
        )
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all").stdout or "[]")
    if others := others_routes(routes):
        raise LabError(
            f"the lab's network {settings.PREFIX}.0/24 is in use on this machine, and is left alone:"
            f" {', '.join(sorted(set(others)))}"
        )


def _make_bridge() -> None:
    gateway = _gateway(settings.NUMBER)
    if not _link_exists(settings.BRIDGE):
        # Made here rather than by podman, so that its MAC is fixed from the start: one taken from the ports changes
        # with each power cut, and the hosts lose sight of the BMCs until their ARP entries expire.
        run("ip", "link", "add", settings.BRIDGE, "address", settings.mac(gateway), "type", "bridge")
        run("ip", "address", "add", f"{gateway}/24", "dev", settings.BRIDGE)
        run("ip", "link", "set", settings.BRIDGE, "up")
    if not _link_exists(settings.ANCHOR):
        run("ip", "link", "add", settings.ANCHOR, "type", "veth", "peer", "name", f"{settings.ANCHOR}2")
        run("ip", "link", "set", settings.ANCHOR, "master", settings.BRIDGE)


def _hard_limit(which, most):
    hard = resource.getrlimit(which)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def _network():
    # What `podman network create --internal --disable-dns` writes; podman 4.3 has no option for the bridge's name.
    return {
        "name": settings.NETWORK,
        "id": hashlib.sha256(settings.NETWORK.encode()).hexdigest(),
        "driver": "bridge",
        "network_interface": settings.BRIDGE,
        "created": "2024-01-01T00:00:00Z",
        "subnets": [{"subnet": f"{settings.PREFIX}.0/24"}],
        "ipv6_enabled": False,
        "internal": True,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }


def _set_sysctls():
    if not settings.MACHINE_FILE.exists():
        former = {name: _sysctl(name).read_text().strip() for name in SYSCTLS}
        settings.MACHINE_FILE.write_text(json.dumps(former) + "\n")
    for name, least in SYSCTLS.items():
        if least is not None and int(_sysctl(name).read_text()) < least:
            _sysctl(name).write_text(str(least))


def _sysctl(name):
    return pathlib.Path("/proc/sys") / name


def _link_exists(name):
    return (LINKS / name).exists()
