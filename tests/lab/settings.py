# SPDX-License-Identifier: Apache-2.0
"""Names, addresses and directories of the lab: plain data, derived from a handful of choices."""

import dataclasses
import json
import os
import pathlib

HOME = pathlib.Path(os.environ.get("NOVA_HA_LAB_HOME", "/var/lib/nova-ha-lab"))
SOURCE_TREE = pathlib.Path(__file__).resolve().parents[2]
RELEASES = ("bookworm", "trixie")
MAX_COMPUTES = 8
CONTROLS = 3

CLUSTER_NAME = "nova-ha-lab"
NETWORK = "nova-ha-lab"
BRIDGE = "nova-ha-lab0"
PREFIX = "172.30.77"
# A port that never leaves the bridge: the bridge goes with its last one.
ANCHOR = "nova-ha-anchor"
CLOUD = "cloud"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The choices that make one lab different from another; kept in ``run/settings.json`` while it is up.

    :param release: Debian release of the images, one of ``RELEASES``
    :param computes: number of compute hosts, 1 to ``MAX_COMPUTES``
    """

    release: str = "bookworm"
    computes: int = 3

    def __post_init__(self):
        if self.release not in RELEASES:
            raise ValueError(f"release: {self.release!r} is not one of {', '.join(RELEASES)}")
        if not 1 <= self.computes <= MAX_COMPUTES:
            raise ValueError(f"computes: {self.computes} is not between 1 and {MAX_COMPUTES}")

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
        SETTINGS_FILE.write_text(json.dumps(dataclasses.asdict(self)) + "\n")

    @classmethod
    def load(cls):
        """The choices of the lab that is up, or the defaults when none is."""
        try:
            return cls(**json.loads(SETTINGS_FILE.read_text()))
        except FileNotFoundError:
            return cls()


# Kept until the recipe changes (``wipe`` removes it): images, the virtual environment of the cloud.
CACHE = HOME / "cache"
# One lab's life, from ``up`` to ``down``.
RUN = HOME / "run"
SETTINGS_FILE = RUN / "settings.json"
# Passwords made at ``up``; readable by root only.
SECRETS_FILE = RUN / "secrets.json"
# What was changed on the machine and its former value, for ``down`` to put back.
MACHINE_FILE = HOME / "machine.json"
# Records outside the containers, appended to as JSON lines; every line has ``time`` (seconds since the epoch).
RECORDS = RUN / "records"
GUEST_JOURNAL = RECORDS / "guests"  # a directory: one file for each compute host
POWER_LOG = RECORDS / "power.jsonl"
REQUEST_LOG = RECORDS / "requests" / "requests.jsonl"
FAULT_LOG = RECORDS / "faults.jsonl"


def container(node):
    """Name of the podman container of a node."""
    return f"nova-ha-lab-{node}"


def address(node):
    """The address of a node on the lab's network."""
    if node == CLOUD:
        return f"{PREFIX}.5"
    kind, _, number = node.rpartition("-")
    return f"{PREFIX}.{ {'control': 10, 'compute': 20}[kind] + int(number) }"


def bmc_address(node):
    """The address of a node's BMC: on the machine's side of the bridge, so that it outlives the node."""
    kind, _, number = node.rpartition("-")
    return f"{PREFIX}.{ {'control': 110, 'compute': 120}[kind] + int(number) }"
