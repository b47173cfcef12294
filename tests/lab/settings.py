# SPDX-License-Identifier: Apache-2.0
"""Names, addresses and directories of the lab: plain data, derived from a handful of choices.

A machine can hold three labs side by side. ``NOVA_HA_LAB_NUMBER`` (0 to 2) says which of them a program means; whatever
belongs to one lab alone is named for its number. Images and the cloud's virtual environment are shared.
"""

import dataclasses
import json
import os
import pathlib

LABS = 3


def _number(text: str) -> int:
    if text not in map(str, range(LABS)):
        raise ValueError(f"NOVA_HA_LAB_NUMBER: invalid value {text!r}: expected a lab's number, 0 to {LABS - 1}")
    return int(text)


NUMBER = _number(os.environ.get("NOVA_HA_LAB_NUMBER", "0"))
# What the names of a lab end in: those of the first one are bare.
_SUFFIX = str(NUMBER or "")
# How a person calls this lab.
COMMAND = f"NOVA_HA_LAB_NUMBER={NUMBER} ./lab" if NUMBER else "./lab"

HOME = pathlib.Path(os.environ.get("NOVA_HA_LAB_HOME", "/var/lib/nova-ha-lab"))
SOURCE_TREE = pathlib.Path(__file__).resolve().parents[2]
RELEASES = ("bookworm", "trixie")
# What runs the instances: Nova's fake driver, or libvirt with QEMU; and where the disks of real guests are.
FAKE, LIBVIRT = VIRTS = ("fake", "libvirt")
SHARED, LOCAL = INSTANCES = ("shared", "local")
# What says so for whoever brings a lab up without a word about it, such as a story.
VIRT_VARIABLE, INSTANCES_VARIABLE = "NOVA_HA_LAB_VIRT", "NOVA_HA_LAB_INSTANCES"
MAX_COMPUTES = 8
CONTROLS = 3

CLUSTER_NAME = f"nova-ha-lab{_SUFFIX}"
NETWORK = f"nova-ha-lab{_SUFFIX}"
# Of every lab that a machine can hold. A lab whose bridge is there uses the machine.
BRIDGES = tuple(f"nova-ha-lab{number}" for number in range(LABS))
BRIDGE = BRIDGES[NUMBER]
# Of their networks, which are /24.
PREFIXES = tuple(f"172.30.{77 + number}" for number in range(LABS))
PREFIX = PREFIXES[NUMBER]
# A port that never leaves the bridge: the bridge goes with its last one. Names of links have 15 letters at most.
ANCHOR = f"nova-ha-port{NUMBER}"
CLOUD = "cloud"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The choices that make one lab different from another; kept in ``run/settings.json`` while it is up.

    :param release: Debian release of the images, one of ``RELEASES``
    :param computes: number of compute hosts, 1 to ``MAX_COMPUTES``
    :param virt: what runs the instances, one of ``VIRTS``
    :param instances: where the disks of real guests are, one of ``INSTANCES``: on a directory that all hosts share, or
        on each host; the fake driver has a switch for that (``impair.set_guests``)
    """

    release: str = "bookworm"
    computes: int = 3
    virt: str = FAKE
    instances: str = SHARED

    def __post_init__(self):
        if self.release not in RELEASES:
            raise ValueError(f"release: {self.release!r} is not one of {', '.join(RELEASES)}")
        if not 1 <= self.computes <= MAX_COMPUTES:
            raise ValueError(f"computes: {self.computes} is not between 1 and {MAX_COMPUTES}")
        if self.virt not in VIRTS:
            raise ValueError(f"virt: {self.virt!r} is not one of {', '.join(VIRTS)}")
        if self.instances not in INSTANCES:
            raise ValueError(f"instances: {self.instances!r} is not one of {', '.join(INSTANCES)}")
        if self.virt == FAKE and self.instances != SHARED:
            raise ValueError(f"instances: {self.instances!r} needs virt {LIBVIRT!r}: the fake driver has no disks")

    @property
    def real_guests(self) -> bool:
        """Are the instances virtual machines, rather than files of the fake driver?"""
        return self.virt == LIBVIRT

    @property
    def control_nodes(self):
        """Names of the control nodes, in order."""
        return tuple(f"control-{i}" for i in range(1, CONTROLS + 1))

    @property
    def compute_hosts(self):
        """Names of the compute hosts, in order: container, Pacemaker node and Nova host are named alike."""
        return tuple(f"compute-{i}" for i in range(1, self.computes + 1))

    @property
    def powered(self):
        """Every host that has a BMC."""
        return self.control_nodes + self.compute_hosts

    def save(self):
        """Remember the choices for the commands that follow ``up``."""
        SETTINGS_FILE.parent.mkdir(parents=True, exist_ok=True)
        write_whole(SETTINGS_FILE, json.dumps(dataclasses.asdict(self)) + "\n")

    @classmethod
    def load(cls):
        """The choices of the lab that is up; when none is, the defaults, and what the environment says of its guests.

        :raises ValueError: the environment names what there is not
        """
        try:
            return cls(**json.loads(SETTINGS_FILE.read_text()))
        except FileNotFoundError:
            return cls(virt=os.environ.get(VIRT_VARIABLE, FAKE), instances=os.environ.get(INSTANCES_VARIABLE, SHARED))


# Kept until the recipe changes (``wipe`` removes it): images, the virtual environment of the cloud.
CACHE = HOME / "cache"
# One lab's life, from ``up`` to ``down``.
RUN = HOME / f"run{_SUFFIX}"
SETTINGS_FILE = RUN / "settings.json"
# Passwords made at ``up``; readable by root only.
SECRETS_FILE = RUN / "secrets.json"
# What was changed on the machine and its former value, for the ``down`` of the last lab to put back.
MACHINE_FILE = HOME / "machine.json"
# Records outside the containers, appended to as JSON lines; every line has ``time`` (seconds since the epoch).
RECORDS = RUN / "records"
GUEST_JOURNAL = RECORDS / "guests"  # a directory: one file for each compute host
POWER_LOG = RECORDS / "power.jsonl"
REQUEST_LOG = RECORDS / "requests" / "requests.jsonl"
FAULT_LOG = RECORDS / "faults.jsonl"


def write_whole(file: pathlib.Path, text: str) -> None:
    """Write a file that other programs may read or write at any moment: they find the former text or this one."""
    draft = file.with_suffix(f".{os.getpid()}.new")
    draft.write_text(text)
    draft.rename(file)


def container(node):
    """Name of the podman container of a node."""
    # No lab's names begin with another's: podman is asked for all that begin with ``container("")``.
    return f"nova-ha-lab{_SUFFIX}-{node}"


def address(node):
    """The address of a node on the lab's network."""
    if node == CLOUD:
        return f"{PREFIX}.5"
    kind, _, number = node.rpartition("-")
    return f"{PREFIX}.{ {'control': 10, 'compute': 20}[kind] + int(number) }"


def mac(ip_address: str) -> str:
    """The MAC that goes with an address on a lab's network."""
    prefix, _, last = ip_address.rpartition(".")
    return f"02:6e:6f:76:{0x61 + PREFIXES.index(prefix):02x}:{int(last):02x}"


def bmc_address(node):
    """The address of a node's BMC: on the machine's side of the bridge, so that it outlives the node."""
    kind, _, number = node.rpartition("-")
    return f"{PREFIX}.{ {'control': 110, 'compute': 120}[kind] + int(number) }"
