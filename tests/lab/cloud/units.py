# SPDX-License-Identifier: Apache-2.0
"""The systemd units of the cloud, one for each service, so that each can be killed or stopped alone."""

import dataclasses
import typing

from tests.lab.cloud import layout


@dataclasses.dataclass(frozen=True)
class Gunicorn:
    """How one API is served.

    :param application: its WSGI entry point
    :param environment: variables that lead it to its configuration
    """

    application: str
    port: int
    workers: int
    threads: int
    environment: typing.Mapping[str, str]


APIS = {
    "keystone": Gunicorn(
        "keystone.wsgi.api:application", layout.KEYSTONE_PORT, layout.KEYSTONE_WORKERS, layout.KEYSTONE_THREADS,
        {"OS_KEYSTONE_CONFIG_DIR": "/etc/keystone"},
    ),
    "glance": Gunicorn(
        "glance.wsgi.api:application", layout.GLANCE_PORT, layout.GLANCE_WORKERS, layout.GLANCE_THREADS,
        {"OS_GLANCE_CONFIG_DIR": "/etc/glance"},
    ),
    "placement": Gunicorn(
        "placement.wsgi.api:application", layout.PLACEMENT_PORT, layout.PLACEMENT_WORKERS, layout.PLACEMENT_THREADS,
        {"OS_PLACEMENT_CONFIG_DIR": "/etc/placement"},
    ),
    "nova-api": Gunicorn(
        "nova.wsgi.osapi_compute:application", layout.NOVA_DIRECT_PORT, layout.NOVA_API_WORKERS,
        layout.NOVA_API_THREADS,
        {"OS_NOVA_CONFIG_DIR": "/etc/nova", "OS_NOVA_CONFIG_FILES": f"{layout.VENV}/etc/nova/api-paste.ini;nova.conf"},
    ),
}  # fmt: skip

SERVICES = ("keystone", "placement", "nova-conductor", "nova-scheduler", "nova-api", "glance", "neutron", "nova-proxy")


def gunicorn_files():
    """gunicorn's configuration of each API, by name."""
    return {name: _gunicorn_file(api) for name, api in APIS.items()}


def _gunicorn_file(api):
    return f"""\
import sys

bind = "0.0.0.0:{api.port}"
workers = {api.workers}
threads = {api.threads}
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"
timeout = 120
graceful_timeout = 10
keepalive = 75
# No limit: a list of instances by id is one long line.
limit_request_line = 0
limit_request_field_size = 16380
control_socket_disable = True


def post_fork(server, worker):
    # The services parse sys.argv as their own command line.
    del sys.argv[1:]
"""


def cloud_units():
    """Text of each unit file of the cloud container, by file name."""
    commands = {name: f"{layout.VENV}/bin/gunicorn -c {layout.ETC_MOUNT}/gunicorn/{name}.py {api.application}"
                for name, api in APIS.items()}  # fmt: skip
    commands |= {name: f"{layout.VENV}/bin/{name} --config-file /etc/nova/nova.conf"
                 for name in ("nova-conductor", "nova-scheduler")}  # fmt: skip
    commands["neutron"] = f"/usr/bin/python3 {layout.TOOLS}/neutron.py {layout.NEUTRON_PORT}"
    commands["nova-proxy"] = (
        f"/usr/bin/python3 {layout.TOOLS}/proxy.py --port {layout.NOVA_PORT} --control-port {layout.PROXY_CONTROL_PORT}"
        f" --upstream-port {layout.NOVA_DIRECT_PORT} --log {layout.REQUESTS_MOUNT}/requests.jsonl"
    )
    return {
        f"{name}.service": _unit(name, command, APIS[name].environment if name in APIS else {}, log=name)
        for name, command in commands.items()
    }


# What writes the guests' journal where they are libvirt's; the fake driver does it itself.
GUEST_JOURNAL = "guest-journal"


def compute_units(settings):
    """Text of each unit file of a compute host, by file name."""
    found = {"nova-compute.service": _nova_compute(settings)}
    if settings.real_guests:
        found[f"{GUEST_JOURNAL}.service"] = _guest_journal()
    return found


def _nova_compute(settings):
    """The unit of nova-compute: never enabled, since Pacemaker starts and stops it."""
    files = (f"--config-file {file}" for file in layout.COMPUTE_FILES)
    command = " ".join((f"{layout.VENV}/bin/nova-compute", *files))
    environment = _environment(settings)
    return _unit("nova-compute", command, environment, log="nova-compute-%H", before=_record_start("%H"), enable=False)


def nova_compute_program(settings):
    """The program that is nova-compute where it is no unit: it does what the unit does."""
    words = "".join(f"{name}={value} " for name, value in _environment(settings).items())
    return f"""\
#!/bin/sh
host=$(uname -n)
exec >>{layout.LOGS_MOUNT}/nova-compute-$host.log 2>&1
{_record_start("$host")}
{words}exec {layout.VENV}/bin/nova-compute "$@"
"""


def _environment(settings):
    # libvirt's modules are Debian's: they are made for its libvirt, and for the Python of the virtual environment.
    return {"PYTHONPATH": layout.LIBVIRT_MODULES} if settings.real_guests else {}


def _guest_journal():
    program = f"{layout.TOOLS}/libvirt_journal.py"
    return f"""\
[Unit]
Description=Journal of the guests' starts and stops
After=libvirtd.service
# It comes back whenever libvirtd does, and neither starts nor ends with it: a fault may keep that away for long.
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 {program} {layout.GUESTS_MOUNT}/%H.jsonl %H
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def _record_start(host):
    return f"/usr/bin/python3 -I -S {layout.TOOLS}/guests.py {layout.GUESTS_MOUNT}/{host}.jsonl service_start {host}"


def _unit(name, command, environment, log, before=None, enable=True):
    after = ["network.target"]
    if enable:
        after += ["mariadb.service", "rabbitmq-server.service"]
    if enable and name != "keystone":
        # Conductor and scheduler give up when Keystone does not answer while they start.
        after.append("keystone.service")
    lines = [
        "[Unit]",
        f"Description=OpenStack {name}",
        f"After={' '.join(after)}",
        "",
        "[Service]",
        # gunicorn says when it listens.
        f"Type={'notify' if name in APIS else 'simple'}",
        *(f'Environment="{key}={value}"' for key, value in environment.items()),
        *([f"ExecStartPre={before}"] if before else []),
        f"ExecStart={command}",
        # A service that a fault has killed stays dead until the fault is over.
        "Restart=no",
        f"TimeoutStopSec={layout.STOP_LIMIT}",
        # The main process decides what its workers still finish. What remains of one that was killed with all its
        # workers systemd would often await in vain: a cgroup of version 1 does not tell a container that it is empty.
        f"KillMode={'process' if enable else 'mixed'}",
        f"StandardOutput=append:{layout.LOGS_MOUNT}/{log}.log",
        f"StandardError=append:{layout.LOGS_MOUNT}/{log}.log",
        "LimitNOFILE=16384",
        "",
    ]
    if enable:
        lines += ["[Install]", "WantedBy=multi-user.target", ""]
    return "\n".join(lines)
