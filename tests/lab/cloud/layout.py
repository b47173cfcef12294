# SPDX-License-Identifier: Apache-2.0
"""Where the cloud's parts are: ports, directories in the containers and outside, and the figures an operator tunes.

Everything the cloud's modules agree on with each other stands here, and nothing else.
"""

import pathlib

from tests.lab.settings import RUN

REGION = "RegionOne"
KEYSTONE_PORT = 5000
GLANCE_PORT = 9292
PLACEMENT_PORT = 8778
NEUTRON_PORT = 9696
NOVA_PORT = 8774  # the recording proxy: what the catalog's public and admin endpoints name
NOVA_DIRECT_PORT = 18774  # nova-api itself: the catalog's admin endpoint
PROXY_CONTROL_PORT = 18775
MARIADB_PORT = 3306
RABBITMQ_PORT = 5672

# Outside the containers, for one life of the lab.
ETC = RUN / "cloud" / "etc"  # configuration of the cloud container
COMPUTE_ETC = RUN / "cloud" / "compute-etc"  # configuration of nova-compute, the same on every host
CONTROL = RUN / "control"  # what the virt driver and the scheduler's filter read each time that they do something
SWITCHES_FILE = CONTROL / "guests.json"
SCHEDULER_FILE = CONTROL / "scheduler.json"
SHARED_DISKS = RUN / "disks"
DISKS = RUN / "instances"  # of real guests: a directory for all hosts, or one for each
LOGS = RUN / "logs" / "cloud"

# In the containers.
VENV = pathlib.PurePosixPath("/opt/openstack")
TOOLS = pathlib.PurePosixPath("/opt/nova-ha-lab")  # this directory, for the proxy, the Neutron stub and the driver
ETC_MOUNT = pathlib.PurePosixPath("/etc/openstack")
LOGS_MOUNT = pathlib.PurePosixPath("/var/log/openstack")
SNAPSHOT_MOUNT = pathlib.PurePosixPath("/var/lib/nova-ha-lab/snapshot")
REQUESTS_MOUNT = pathlib.PurePosixPath("/var/lib/nova-ha-lab/requests")
GUESTS_MOUNT = pathlib.PurePosixPath("/var/lib/nova-ha-lab/guests")
CONTROL_MOUNT = pathlib.PurePosixPath("/var/lib/nova-ha-lab/control")
# nova-compute where no systemd runs it, and its configuration in every case.
COMPUTE_PROGRAM = pathlib.PurePosixPath("/usr/local/bin/nova-compute")
COMPUTE_FILES = ("/etc/nova/nova.conf", "/var/lib/nova/nova-compute.conf")
DISKS_MOUNT = pathlib.PurePosixPath("/var/lib/nova-ha-lab/disks")
INSTANCES_MOUNT = pathlib.PurePosixPath("/var/lib/nova/instances")
# Debian's modules of libvirt alone, of all that its Python has (recipes/libvirt.containerfile).
LIBVIRT_MODULES = pathlib.PurePosixPath("/usr/local/lib/libvirt-modules")

# What an operator would tune, in seconds; both are Nova's defaults. A service reads "down" when its last report is
# older than the second.
REPORT_INTERVAL = 10
SERVICE_DOWN_TIME = 60
# Seconds that a stop of a service may take before systemd kills it; Nova ends its own work in order before that.
STOP_LIMIT = 40

# Enough for 16 evacuations at once, each of which may hold a thread of nova-api for a minute when RabbitMQ is away.
NOVA_API_WORKERS, NOVA_API_THREADS = 2, 24
PLACEMENT_WORKERS, PLACEMENT_THREADS = 2, 16
KEYSTONE_WORKERS, KEYSTONE_THREADS = 1, 16
GLANCE_WORKERS, GLANCE_THREADS = 1, 8
DATABASE_POOL, DATABASE_OVERFLOW = 20, 40
DATABASE_CONNECTIONS = 1500
