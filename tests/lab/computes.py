# SPDX-License-Identifier: Apache-2.0
"""How nova-compute is run on each compute host: as systemd's unit, as a process of its own, or in a container.

The container is a real one, run by podman inside the host's own container: so that host has more capabilities than the
others. Every host has the unit, so that a test can go back to it.
"""

from xml.etree import ElementTree

from tests.lab import nodes, settings
from tests.lab.cloud import layout

SERVICE = "nova-compute"
CONTAINER = "nova_compute"
AGENT = "/usr/lib/ocf/resource.d/openstack/NovaCompute"
ROOTFS = "/var/lib/nova-rootfs"
CONTAINED = "compute-3"

# The agent's parameters on the hosts that have any.
PARAMETERS = {
    "compute-2": {
        "binary": str(layout.COMPUTE_PROGRAM),
        "config_files": " ".join(layout.COMPUTE_FILES),
        "user": "root",
    },
    CONTAINED: {"container": CONTAINER},
}
# Mounting, which a container with systemd in it is not allowed otherwise.
_UNCONFINED = ("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined")
_PRIVILEGES = ("--cap-add", "SYS_ADMIN", *_UNCONFINED)

# What the host has, at the same place; its own /run but for where the guests are.
_SHARED = ("/usr:/usr:ro", "/etc:/etc", "/opt:/opt:ro", "/var:/var")
_GUESTS = {settings.FAKE: "/run/nova-ha-lab", settings.LIBVIRT: "/run/libvirt"}
_RECORD = f"/run/nova-ha/{SERVICE}.process"


def podman_options(node):
    """What the container of a host needs besides what all have."""
    return _PRIVILEGES if node == CONTAINED else ()


def install(chosen, node):
    """See that a host's nova-compute can be started in its way; the unit and the program are there already.

    :raises LabError: podman does not work in there
    """
    if node == CONTAINED:
        nodes.execute(node, "sh", stdin=_make_container(_GUESTS[chosen.virt]))


def _make_container(guests: str) -> str:
    """The script that makes nova-compute's container on a host.

    :param guests: the directory by which nova-compute reaches the guests
    """
    volumes = " ".join(f"--volume {volume}" for volume in (*_SHARED, f"{guests}:{guests}"))
    return f"""\
set -e
podman container exists {CONTAINER} && exit
for directory in usr etc opt var {guests.lstrip("/")} proc sys dev tmp; do mkdir -p {ROOTFS}/$directory; done
for link in bin sbin lib lib64; do ln -sfn usr/$link {ROOTFS}/$link; done
podman create --name {CONTAINER} --network host --no-hosts --cgroupns private {volumes} \\
    --rootfs {ROOTFS} {layout.COMPUTE_PROGRAM} {" ".join(f"--config-file={file}" for file in layout.COMPUTE_FILES)}
"""


def add_parameters(text):
    """Give the cluster's NovaCompute each host's parameters, which pcs has no words for.

    :param text: the cluster's configuration, as XML
    :return: the same, changed
    """
    root = ElementTree.fromstring(text)
    primitive = root.find(f".//primitive[@id='{SERVICE}']")
    # pcs changes the first set, which has to be that of all hosts.
    primitive.insert(0, ElementTree.Element("instance_attributes", id=f"{SERVICE}-instance_attributes"))
    for at, (node, parameters) in enumerate(PARAMETERS.items(), start=1):
        name = f"{SERVICE}-on-{node}"
        attributes = ElementTree.Element("instance_attributes", id=name)
        rule = ElementTree.SubElement(attributes, "rule", {"id": f"{name}-rule", "score": "INFINITY"})
        ElementTree.SubElement(
            rule, "expression", {"id": f"{name}-host", "attribute": "#uname", "operation": "eq", "value": node}
        )
        for key, value in parameters.items():
            ElementTree.SubElement(attributes, "nvpair", {"id": f"{name}-{key}", "name": key, "value": value})
        primitive.insert(at, attributes)
    return ElementTree.tostring(root, encoding="unicode")


def signal_command(name):
    """What sends a signal to the main process of a host's nova-compute, whatever way it is run, as a tuple of words."""
    return ("sh", "-c", f"kill -{name} $(cut -d' ' -f1 {_RECORD})")


def stop(node, timeout=120):
    """Stop nova-compute as the cluster does.

    :param timeout: of the operation, in seconds; whatever does not end is killed shortly before
    """
    run_agent(node, "stop", timeout)


def start(node):
    """Start nova-compute as the cluster does; it may be minutes until it reports, if hosts are dead that it asks."""
    run_agent(node, "start", timeout=60)


def run_agent(node, action, timeout=120, check=True, **more):
    """Run NovaCompute on a host as Pacemaker's executor does, with the host's parameters.

    :param timeout: of the operation, in seconds
    :param more: further variables of the environment, by name
    """
    given = {**PARAMETERS.get(node, {}), "CRM_meta_timeout": timeout * 1000, "CRM_meta_on_node": node}
    environment = {f"OCF_RESKEY_{name}": value for name, value in given.items()}
    environment |= {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": SERVICE, **more}
    words = [f"{name}={value}" for name, value in environment.items()]
    return nodes.execute(node, "env", *words, AGENT, action, timeout=timeout + 10, check=check)
