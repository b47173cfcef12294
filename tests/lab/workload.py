# SPDX-License-Identifier: Apache-2.0
"""What a tenant and an auditor do: boot instances, look at them, at Nova's services and at its migrations.

All of it goes by the admin endpoint straight to nova-api, as a user of its own, so that the recording proxy sees the
agents and nobody else. Needs Debian's python3-novaclient.
"""

import concurrent.futures
import contextlib
import functools
import threading

import keystoneauth1.exceptions
import novaclient.client
import novaclient.exceptions
from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from tests.lab.cloud import configuration, identity, layout
from tests.lab.guest import disk
from tests.lab.passwords import password
from tests.lab.shell import LabError
from tests.lab.waiting import wait_for

MICROVERSION = "2.90"  # host= at boot, no on_shared_storage, power states kept as they are by an evacuation
FLAVOR = IMAGE = "tiny"
THREADS = 8
PAGE = 500
# Of the fake driver's guests, which boot from nothing.
IMAGE_BYTES = b"\0" * 1024
UNLIMITED = {"instances": -1, "cores": -1, "ram": -1, "server_group_members": -1, "server_groups": -1}
HOST = "OS-EXT-SRV-ATTR:host"
# Stories boot on several hosts at once: the first makes the flavor and the image, and the others find them.
_making = threading.Lock()
POWER_STATES = {0: "none", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}


def client(settings):
    """A novaclient of the workload's own administrator."""
    return novaclient.client.Client(
        MICROVERSION, session=_session(_secret()), endpoint_type="admin", region_name=layout.REGION
    )  # fmt: skip


def _secret():
    return password(f"openstack-{identity.WORKLOAD_USER}")


@functools.lru_cache(maxsize=1)
def _session(secret):
    """One session, and so one token, for as long as the lab (and with it the password) is the same."""
    return session.Session(
        v3.Password(
            auth_url=configuration.keystone_url(),
            username=identity.WORKLOAD_USER,
            password=secret,
            project_name=identity.WORKLOAD_PROJECT,
            user_domain_name="Default",
            project_domain_name="Default",
        ),
        timeout=90,
    )


@contextlib.contextmanager
def _translated():
    """What the clients raise, as the lab's own error."""
    try:
        yield
    except (novaclient.exceptions.ClientException, keystoneauth1.exceptions.ClientException) as error:
        raise LabError(f"cloud: {error}; see {layout.LOGS}") from error


def boot(settings, count, host, limit=180, **how):
    """Boot instances on a host and wait until they are ACTIVE.

    :param count, host, how: see ``create``
    :param limit: seconds
    :return: their ids, in the order of their names
    :raises LabError: one ended in ERROR, or not all are ACTIVE in time
    """
    ids = create(settings, count, host, **how)
    nova = client(settings)
    wait_for(
        f"{count} instances on {host or 'any host'} to be ACTIVE", lambda: _all_active(settings, nova, ids), limit,
        interval=0.5, look=layout.LOGS,
    )  # fmt: skip
    return ids


def create(settings, count, host, prefix="vm", flavor=FLAVOR, image=IMAGE, metadata=None, hints=None):
    """Ask Nova for instances on a host, and wait for nothing.

    :param count: how many
    :param host: name of the compute host; None leaves it to the scheduler
    :param prefix: they are called PREFIX-1 to PREFIX-COUNT
    :param flavor, image: by name; the tiny ones are made when they are not there
    :param metadata: as a dict of texts
    :param hints: for the scheduler, as ``{"group": id of a server group}``
    :return: their ids, in the order of their names
    """
    nova = client(settings)
    with _making:
        made_of = {"image": _image(settings, image), "flavor": _flavor(nova, flavor)}
    options = {
        **made_of,
        "nics": "none",
        "meta": metadata or {},
        "scheduler_hints": hints,
        **({"host": host} if host else {}),
    }
    nova.quotas.update(nova.client.session.get_project_id(), force=True, **UNLIMITED)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        names = [f"{prefix}-{number}" for number in range(1, count + 1)]
        return [server.id for server in pool.map(lambda name: nova.servers.create(name, **options), names)]


def _all_active(settings, nova, ids):
    # Details of many instances cost Nova half a second: ask for them once the builds are over.
    if nova.servers.list(detailed=False, search_opts={"status": "BUILD"}, limit=1):
        return False
    statuses = {entry["id"]: entry for entry in instances(settings) if entry["id"] in ids}
    for entry in statuses.values():
        if entry["status"] == "ERROR":
            raise LabError(f"instance {entry['name']} ({entry['id']}): ERROR: {entry['fault']}; see {layout.LOGS}")
    return len(statuses) == len(ids) and all(entry["status"] == "ACTIVE" for entry in statuses.values())


def _flavor(nova, name):
    for flavor in nova.flavors.list(is_public=None):
        if flavor.name == name:
            return flavor.id
    if name != FLAVOR:
        raise LabError(f"no such flavor: {name}")
    return nova.flavors.create(FLAVOR, ram=64, vcpus=1, disk=1).id


def create_flavor(settings, name, ram, extra_specs=None):
    """Make a flavor, unless it is there.

    :param ram: MiB
    :param extra_specs: as a dict of texts
    """
    nova = client(settings)
    if name not in [flavor.name for flavor in nova.flavors.list(is_public=None)]:
        flavor = nova.flavors.create(name, ram=ram, vcpus=1, disk=1)
        if extra_specs:
            flavor.set_keys(extra_specs)


def create_aggregate(settings, name, hosts):
    """Make a host aggregate of these hosts."""
    nova = client(settings)
    aggregate = nova.aggregates.create(name, None)
    for host in hosts:
        nova.aggregates.add_host(aggregate, host)


def delete_aggregates(settings):
    """Delete all host aggregates."""
    nova = client(settings)
    for aggregate in nova.aggregates.list():
        for host in aggregate.hosts:
            nova.aggregates.remove_host(aggregate, host)
        nova.aggregates.delete(aggregate)


def glance(settings):
    """An adapter that speaks to Glance, for images with properties and tags."""
    return adapter.Adapter(_session(_secret()), service_type="image", interface="admin", region_name=layout.REGION)


def _image(settings, name):
    images = glance(settings)
    found = images.get("/v2/images", params={"name": name}).json()["images"]
    if found:
        return found[0]["id"]
    if name != IMAGE:
        raise LabError(f"no such image: {name}")
    return create_image(settings, IMAGE)


def create_image(settings, name, tags=(), **properties):
    """Make a public image: of the lab's guest where guests are real, else of one KiB.

    :param tags: its tags
    :param properties: its properties, as ``evacuable="true"``
    :return: its id
    """
    images = glance(settings)
    content = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public",
               "tags": list(tags), **properties}  # fmt: skip
    image = images.post("/v2/images", json=content).json()["id"]
    data = disk.image() if settings.real_guests else IMAGE_BYTES
    images.put(f"/v2/images/{image}/file", data=data, headers={"Content-Type": "application/octet-stream"})
    return image


def instances(settings):
    """All instances of all projects, as dicts: id, name, host, status, power_state, task_state, fault, locked, tags.

    :raises LabError: Nova does not answer
    """
    with _translated():
        servers = client(settings).servers.list(detailed=True, search_opts={"all_tenants": 1}, limit=-1)
    return [
        {
            "id": server.id,
            "name": server.name,
            "host": getattr(server, HOST),
            "status": server.status,
            "power_state": POWER_STATES.get(getattr(server, "OS-EXT-STS:power_state"), "none"),
            "task_state": getattr(server, "OS-EXT-STS:task_state"),
            "fault": getattr(server, "fault", {}).get("message"),
            "locked": server.locked,
            "tags": server.tags,
        }
        for server in servers
    ]


def migrations(settings):
    """All evacuations that Nova knows of, as dicts: id, instance, status, source, dest, created, updated.

    :raises LabError: Nova does not answer
    """
    with _translated():
        found = list(_pages(client(settings)))
    return [
        {
            "id": migration.id,
            "instance": migration.instance_uuid,
            "status": migration.status,
            "source": migration.source_compute,
            "dest": migration.dest_compute,
            "created": migration.created_at,
            "updated": migration.updated_at,
        }
        for migration in found
    ]


def _pages(nova):
    marker = None
    while True:
        page = nova.migrations.list(migration_type="evacuation", limit=PAGE, marker=marker)
        yield from page
        if len(page) < PAGE:
            return
        marker = page[-1].uuid


def services(settings):
    """The nova-compute services, as dicts: id, host, state, status, forced_down, disabled_reason, updated_at.

    :raises LabError: Nova does not answer
    """
    with _translated():
        found = client(settings).services.list(binary="nova-compute")
    keys = ("id", "host", "state", "status", "forced_down", "disabled_reason", "updated_at")
    return [{key: getattr(service, key) for key in keys} for service in found]


def delete_all(settings, limit=120):
    """Delete all instances, whatever their state, and wait until they are gone.

    :param limit: seconds
    :raises LabError: some are still there
    """
    nova = client(settings)

    def delete(instance):
        with contextlib.suppress(novaclient.exceptions.NotFound):
            nova.servers.force_delete(instance["id"])

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(delete, instances(settings)))
    wait_for("all instances to be deleted", lambda: not instances(settings), limit, interval=0.5, look=layout.LOGS)
