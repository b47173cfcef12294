# SPDX-License-Identifier: Apache-2.0
"""Configuration of every service, as an operator would write it: rendered to files that the containers mount."""

import base64
import hashlib
import json
import os
import pathlib

from tests.lab import settings as lab
from tests.lab.cloud import layout, units
from tests.lab.passwords import password

# Databases by the MariaDB user who owns them.
DATABASES = {
    "keystone": ("keystone",),
    "glance": ("glance",),
    "placement": ("placement",),
    "nova": ("nova_api", "nova", "nova_cell0"),
}
# Nova's default, to which the lab's own is added.
NOVA_FILTERS = (
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
)
# What nova-compute has helpers for that may do more than it does.
PRIVSEP = ("nova_sys_admin", "privsep_osbrick", "vif_plug_linux_bridge_privileged", "vif_plug_ovs_privileged")
SERVICE_USERS = ("glance", "placement", "nova")  # in Keystone, project "service"


def write(settings):
    """Write all configuration files below ``layout.ETC`` and ``layout.COMPUTE_ETC``; only root can read them."""
    cloud = {
        "keystone/keystone.conf": keystone(),
        "keystone/bootstrap.env": f"OS_BOOTSTRAP_PASSWORD={password('openstack-admin')}\n",
        "glance/glance-api.conf": glance(),
        "placement/placement.conf": placement(),
        "nova/nova.conf": nova_controller(),
        "nova/policy.yaml": "{}\n",
        "mariadb.cnf": MARIADB,
        "mariadb-users.sql": mariadb_users(),
        "rabbitmq.conf": RABBITMQ,
        "rabbitmq-env.conf": RABBITMQ_ENVIRONMENT,
        "rabbitmq-definitions.json": rabbitmq_definitions(),
        **{f"gunicorn/{name}.py": text for name, text in units.gunicorn_files().items()},
        **{f"units/{name}": text for name, text in units.cloud_units().items()},
    }
    # Made once: tokens given out under the keys of an earlier ``up`` stay valid.
    for repository in ("fernet-keys", "credential-keys"):
        for index in ("0", "1"):
            name = f"keystone/{repository}/{index}"
            path = layout.ETC / name
            cloud[name] = path.read_text() if path.exists() else base64.urlsafe_b64encode(os.urandom(32)).decode()
    compute = {
        "nova/nova.conf": nova_compute(settings),
        "units/nova-compute": units.nova_compute_program(settings),
        **{f"units/{name}": text for name, text in units.compute_units(settings).items()},
    }
    for root, files in ((layout.ETC, cloud), (layout.COMPUTE_ETC, compute)):
        for name, text in files.items():
            _write_private(root / name, text)


def _write_private(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def keystone_url(version="/v3"):
    """Keystone's address, for whoever authenticates."""
    return f"http://{lab.address(lab.CLOUD)}:{layout.KEYSTONE_PORT}{version}"


def database_url(user, name):
    """SQLAlchemy's address of a database."""
    server = f"{lab.address(lab.CLOUD)}:{layout.MARIADB_PORT}"
    return f"mysql+pymysql://{user}:{password('mariadb-' + user)}@{server}/{name}?charset=utf8mb4"


def transport_url():
    """oslo.messaging's address of RabbitMQ."""
    return f"rabbit://openstack:{password('rabbitmq')}@{lab.address(lab.CLOUD)}:{layout.RABBITMQ_PORT}/"


def _database(user, name, section="database"):
    return {
        section: {
            "connection": database_url(user, name),
            "max_pool_size": layout.DATABASE_POOL,
            "max_overflow": layout.DATABASE_OVERFLOW,
        }
    }


def _credentials(user, **more):
    return {
        "auth_type": "password",
        "auth_url": keystone_url(),
        "username": user,
        "password": password(f"openstack-{user}"),
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        **more,
    }


# By whose user a service checks tokens: its type, without which Keystone's middleware takes no token that has access
# rules.
_SERVICE_TYPES = {"glance": "image", "nova": "compute", "placement": "placement"}


def _token_check(user):
    return {
        "keystone_authtoken": _credentials(
            user,
            www_authenticate_uri=keystone_url(),
            service_token_roles="service",
            service_token_roles_required=True,
            service_type=_SERVICE_TYPES[user],
        )
    }


def _render(*parts):
    """INI text of sections given as dicts of dicts."""
    sections = {}
    for part in parts:
        for section, options in part.items():
            sections.setdefault(section, {}).update(options)
    lines = []
    for section, options in sections.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in options.items()), ""]
    return "\n".join(lines)


def keystone():
    """keystone.conf."""
    return _render(
        _database("keystone", "keystone"),
        {
            "token": {"provider": "fernet", "expiration": 4 * 3600},
            "fernet_tokens": {"key_repository": "/etc/keystone/fernet-keys"},
            "credential": {"key_repository": "/etc/keystone/credential-keys"},
            # One process with many threads, so a cache in memory is never stale.
            "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
        },
    )


def glance():
    """glance-api.conf."""
    return _render(
        {"DEFAULT": {"enabled_backends": "local:file", "enabled_import_methods": "[]"}},
        {"glance_store": {"default_backend": "local"}, "local": {"filesystem_store_datadir": "/var/lib/glance/images"}},
        {"paste_deploy": {"flavor": "keystone", "config_file": f"{layout.VENV}/etc/glance/glance-api-paste.ini"}},
        _database("glance", "glance"),
        _token_check("glance"),
    )


def placement():
    """placement.conf."""
    return _render(
        {"api": {"auth_strategy": "keystone"}},
        _database("placement", "placement", "placement_database"),
        _token_check("placement"),
    )


def _nova():
    """What nova.conf says on every host. Compute hosts hold no address of a database."""
    return {
        "DEFAULT": {
            "transport_url": transport_url(),
            "state_path": "/var/lib/nova",
            "report_interval": layout.REPORT_INTERVAL,
            "service_down_time": layout.SERVICE_DOWN_TIME,
            "graceful_shutdown_timeout": layout.STOP_LIMIT - 5,
            "manager_shutdown_timeout": layout.STOP_LIMIT - 10,
        },
        "oslo_concurrency": {"lock_path": "/var/lib/nova/locks"},
        "placement": _credentials("nova", region_name=layout.REGION, valid_interfaces="internal"),
        "glance": _credentials("nova", region_name=layout.REGION, valid_interfaces="internal"),
        "neutron": _credentials("nova", region_name=layout.REGION, valid_interfaces="internal"),
        "service_user": _credentials("nova", send_service_user_token=True),
        "keystone_authtoken": _token_check("nova")["keystone_authtoken"],
    }


def nova_controller():
    """nova.conf of API, conductor and scheduler."""
    return _render(
        {"DEFAULT": {"host": lab.CLOUD, "my_ip": lab.address(lab.CLOUD)}},
        _nova(),
        _database("nova", "nova_api", "api_database"),
        _database("nova", "nova"),
        {"conductor": {"workers": 2}, "scheduler": {"workers": 1}},
        {"filter_scheduler": {"enabled_filters": ",".join((*NOVA_FILTERS, "LabSlowFilter"))}},
        {"oslo_policy": {"policy_file": "/etc/nova/policy.yaml"}},
    )


def nova_compute(settings):
    """nova.conf of nova-compute; the host's own name and address are in a second file, by ``nova_compute_host``."""
    return _render(
        {"DEFAULT": {"reserved_host_memory_mb": 0, "resume_guests_state_on_host_boot": True}},
        _libvirt() if settings.real_guests else {"DEFAULT": {"compute_driver": "lab.LabDriver"}},
        _nova(),
    )


def _libvirt():
    """What nova.conf says where Nova's own driver has libvirt and QEMU run the guests."""
    # By default its helpers ask for capabilities that the lab's containers lack, and for sudo.
    helper = {
        "helper_command": f"{layout.VENV}/bin/privsep-helper --config-file {layout.COMPUTE_FILES[0]}",
        "capabilities": "CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER",
    }
    return {
        "DEFAULT": {
            "compute_driver": "libvirt.LibvirtDriver",
            # As many tiny guests as the fake driver has room for: the machine has two cores, and the disks are sparse.
            "cpu_allocation_ratio": 128,
            "disk_allocation_ratio": 128,
        },
        "libvirt": {
            "virt_type": "qemu",
            "cpu_mode": "none",
            # Commands are written into a guest's disk from outside: the offset of a sector is that in the file.
            "images_type": "raw",
            "tb_cache_size": 8,
            "mem_stats_period_seconds": 0,
        },
        "vnc": {"enabled": False},
        "spice": {"enabled": False},
        **dict.fromkeys(PRIVSEP, helper),
    }


def nova_compute_host(node):
    """nova-compute.conf of one host."""
    return _render({"DEFAULT": {"host": node, "my_ip": lab.address(node)}})


MARIADB = _render(
    {
        "mariadbd": {
            "bind-address": "0.0.0.0",
            "max_connections": layout.DATABASE_CONNECTIONS,
            "character-set-server": "utf8mb4",
            "innodb_log_file_size": "32M",
            # The databases live as long as the lab: after a power cut of the machine it is built anew.
            "innodb_flush_log_at_trx_commit": 0,
            "skip-name-resolve": 1,
        }
    }
)

RABBITMQ = f"""\
listeners.tcp.default = {layout.RABBITMQ_PORT}
load_definitions = /etc/rabbitmq/definitions.json
"""
# Erlang's schedulers spin while idle unless told not to: the machine has two cores for a whole cloud.
RABBITMQ_ENVIRONMENT = 'SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"\n'


def rabbitmq_definitions():
    """The one user of the message bus, with the salted SHA-256 that RabbitMQ expects."""
    salt = os.urandom(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + password("rabbitmq").encode()).digest()).decode()
    return json.dumps({
        "users": [{
            "name": "openstack", "password_hash": digest,
            "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [],
        }],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": "openstack", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    })  # fmt: skip


def mariadb_users():
    """SQL that gives each service its user."""
    lines = []
    for user, databases in DATABASES.items():
        lines.append(f"CREATE OR REPLACE USER '{user}'@'%' IDENTIFIED BY '{password('mariadb-' + user)}';")
        lines += [f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{user}'@'%';" for name in databases]
    return "\n".join(lines) + "\n"
