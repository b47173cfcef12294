# SPDX-License-Identifier: Apache-2.0
"""The cloud: real Keystone, Placement, Glance and Nova, one container for the control plane, nova-compute on each host.

This module is what the rest of the lab calls. Behind it: ``layout`` (ports, directories, figures), ``environment``
(what is built once and cached), ``configuration`` and ``units`` (what an operator writes), ``identity`` (what stands in
Keystone), ``proxy`` and ``neutron`` (which run in the cloud container), ``driver`` and ``guests`` (which run inside
nova-compute), ``libvirt_journal`` (which runs beside it where the guests are real), ``slow_filter`` (which runs inside
nova-scheduler), ``impair`` (what can be made worse from outside).
"""

from tests.lab import nodes
from tests.lab import settings as lab
from tests.lab.cloud import configuration, environment, identity, impair, layout, units
from tests.lab.passwords import password
from tests.lab.waiting import wait_for

# Seconds for an API to answer: on a machine that runs the unit tests beside two labs that come up it took 100.
START_LIMIT = 300
CONFIGURED = "/var/lib/nova-ha-lab/configured"
APIS = {
    "placement": (layout.PLACEMENT_PORT, "/resource_providers"),
    "glance": (layout.GLANCE_PORT, "/v2/images"),
    "nova-api": (layout.NOVA_DIRECT_PORT, "/v2.1/os-services"),
    "nova-proxy": (layout.NOVA_PORT, "/v2.1/os-services"),
    "neutron": (layout.NEUTRON_PORT, "/v2.0/ports"),
}


def prepare(settings, progress):
    """Build what is kept in the cache: the virtual environment and the databases' snapshot. The images must exist.

    :raises LabError: a build failed
    """
    environment.prepare(settings, progress)


def mounts(settings, kind):
    """podman's volumes (``SRC:DST:OPTIONS``) for a container of this kind; makes the directories outside.

    :param kind: "cloud" or "compute"; other kinds get none
    """
    tools = [f"{environment.venv(settings)}:{layout.VENV}:ro", f"{environment.HERE}:{layout.TOOLS}:ro"]
    writable = {
        "cloud": {lab.REQUEST_LOG.parent: layout.REQUESTS_MOUNT, layout.LOGS: layout.LOGS_MOUNT},
        "compute": {
            lab.GUEST_JOURNAL: layout.GUESTS_MOUNT, layout.SHARED_DISKS: layout.DISKS_MOUNT,
            layout.LOGS: layout.LOGS_MOUNT,
        },
    }  # fmt: skip
    readable = {
        "cloud": {
            layout.ETC: layout.ETC_MOUNT, layout.CONTROL: layout.CONTROL_MOUNT,
            environment.snapshot(settings): layout.SNAPSHOT_MOUNT,
        },
        "compute": {layout.COMPUTE_ETC: layout.ETC_MOUNT, layout.CONTROL: layout.CONTROL_MOUNT},
    }
    if kind not in writable:
        return []
    for source in (*writable[kind], *readable[kind]):
        source.mkdir(parents=True, exist_ok=True)
    return (
        tools
        + [f"{source}:{target}" for source, target in writable[kind].items()]
        + [f"{source}:{target}:ro" for source, target in readable[kind].items()]
    )


def disks(settings, host):
    """podman's volumes for the disks of a compute host's real guests; makes the directory outside."""
    if not settings.real_guests:
        return []
    directory = layout.DISKS / (host if settings.instances == lab.LOCAL else lab.SHARED)
    directory.mkdir(parents=True, exist_ok=True)
    return [f"{directory}:{layout.INSTANCES_MOUNT}"]


def up(settings, progress):
    """Configure and start everything in the running cloud container; returns when every API answers with a token.

    Run again, it starts what does not run and changes nothing else.

    :raises LabError: something did not start; the text says which log to read
    """
    if not _configured():
        configuration.write(settings)
        impair.set_guests()
        with progress.step("cloud: databases and message bus"):
            _execute("sh", f"{layout.TOOLS}/install.sh", timeout=120)
    with progress.step("cloud: identity"):
        _execute("systemctl", "start", "--no-block", "keystone")
        if not _configured():
            _execute("sh", "-c", _BOOTSTRAP, timeout=120)
        token = wait_for("Keystone to give a token", _admin_token, START_LIMIT, look=_log("keystone"))
        if not _configured():
            identity.populate(identity.Api(token))
            _execute("touch", CONFIGURED)
    with progress.step("cloud: services"):
        _execute("systemctl", "start", "--no-block", *units.SERVICES)
        _wait_for_apis(token)


# keystone-manage takes the password from the environment, where no command line shows it.
_BOOTSTRAP = f"""\
set -a; . {layout.ETC_MOUNT}/keystone/bootstrap.env
exec {layout.VENV}/bin/keystone-manage --config-file /etc/keystone/keystone.conf bootstrap \\
    --bootstrap-region-id {layout.REGION} --bootstrap-public-url {configuration.keystone_url()} \\
    --bootstrap-internal-url {configuration.keystone_url()} --bootstrap-admin-url {configuration.keystone_url()}
"""


def _configured():
    return nodes.execute(lab.CLOUD, "test", "-e", CONFIGURED, check=False).returncode == 0


def _execute(*command, **options):
    return nodes.execute(lab.CLOUD, *command, **options)


def _log(service):
    return layout.LOGS / f"{service}.log"


def _admin_token():
    return identity.token("admin", password("openstack-admin"), "admin")


def _wait_for_apis(token):
    api = identity.Api(token)
    for name, (port, path) in APIS.items():
        wait_for(
            f"{name} to answer", lambda port=port, path=path: api.request(port, "GET", path)[0] == 200, START_LIMIT,
            look=_log(name),
        )  # fmt: skip
    for binary in ("nova-conductor", "nova-scheduler"):
        wait_for(
            f"{binary} to report", lambda binary=binary: binary in _reporting(api), START_LIMIT, look=_log(binary)
        )  # fmt: skip


def _reporting(api):
    status, _, body = api.request(layout.NOVA_DIRECT_PORT, "GET", "/v2.1/os-services")
    return {service["binary"] for service in body["services"] if service["state"] == "up"} if status == 200 else set()


def install_compute(settings, node):
    """Put nova-compute's unit, program and configuration into a running compute container; nothing is started.

    :raises LabError: the container does not take it
    """
    nodes.execute(
        node, "sh", "-c",
        f"mkdir -p /var/lib/nova/locks && ln -sfn {layout.ETC_MOUNT}/nova /etc/nova"
        f" && cat >/var/lib/nova/nova-compute.conf && cp {layout.ETC_MOUNT}/units/*.service"
        f" /etc/systemd/system/ && install {layout.ETC_MOUNT}/units/nova-compute {layout.COMPUTE_PROGRAM}"
        " && systemctl daemon-reload",
        stdin=configuration.nova_compute_host(node),
    )  # fmt: skip
    if settings.real_guests:
        nodes.execute(node, "systemctl", "--quiet", "enable", "--now", units.GUEST_JOURNAL)


def discover_hosts(settings):
    """Map every host whose nova-compute has reported into the cell, so that Nova schedules to it.

    :raises LabError: nova-manage failed
    """
    _execute(f"{layout.VENV}/bin/nova-manage", "cell_v2", "discover_hosts", "--by-service", timeout=120)


def status(settings):
    """State of each service: ``{"keystone": "active", ..., "mariadb": "failed"}``; empty when there is no container."""
    names = ("mariadb", "rabbitmq-server", *units.SERVICES)
    done = nodes.execute(lab.CLOUD, "systemctl", "is-active", *names, check=False)
    states = done.stdout.split()
    return dict(zip(names, states)) if len(states) == len(names) else {}


def agent_credentials(settings):
    """What the agents are configured with: an administrator of their own."""
    return {
        "auth_url": configuration.keystone_url(),
        "username": identity.AGENT_USER,
        "password": password(f"openstack-{identity.AGENT_USER}"),
        "tenant_name": "service",
        "user_domain": "Default",
        "project_domain": "Default",
    }


def logs(settings):
    """The services' log files outside the containers, nova-compute's of every host among them."""
    return sorted(layout.LOGS.glob("*.log"))
