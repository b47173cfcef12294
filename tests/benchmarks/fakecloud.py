# SPDX-License-Identifier: Apache-2.0
"""A cloud's HTTP side in memory: as much of Keystone, Nova and Glance as the engine asks for, and no more.

It answers with bodies of the size that a real Nova's have, so that the engine costs what it costs in production, and
counts what it is asked for. Nothing is guarded and nothing fails here: see tests/unit/simulation for that.
"""

import collections
import http.server
import itertools
import json
import re
import threading
import time
import urllib.parse

PAGE = 1000  # Nova's own limit of a list ([api] max_limit)
TOKEN_LIFE = "2099-01-01T00:00:00.000000Z"

_POWER_STATES = {"active": 1, "paused": 3, "stopped": 4}
# What an action makes of an instance: its vm_state, and its power_state unless that stays.
_AFTER = {"os-resetState": ("active", None), "pause": ("paused", 3), "os-stop": ("stopped", 4), "reboot": ("active", 1)}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def name(number):
    """Name of the host of that number, from 0 on."""
    return f"compute-{number}"


class FakeCloud:
    """Hosts, all with as many instances each, which take over what is evacuated from those that are forced down.

    An instance is not made before it is asked for: there may be more of them than this machine's memory has room for.

    :param count: how many instances on each host
    :param hosts: how many hosts
    :param state: the vm_state that all instances are in: ``active``, ``stopped`` or ``paused``
    :param latency: seconds that Nova takes to answer a change
    :param read_latency: the same, to answer all else
    :param spawn_seconds: what the start of a guest takes; each host starts ten at once, as nova-compute does
    """

    SPAWNS = 10

    def __init__(self, count, hosts=21, state="active", latency=0.0, spawn_seconds=1.0, read_latency=0.0):
        self._lock = threading.Lock()
        self._count = count
        self._state = state
        self._latency = latency
        self._read_latency = read_latency
        self._spawn_seconds = spawn_seconds
        self._names = [name(number) for number in range(hosts)]
        self._services = {_uuid(9, place): _service(_uuid(9, place), host) for place, host in enumerate(self._names)}
        self._service_of = {service["host"]: service for service in self._services.values()}
        self._servers = {}  # those that are made, by id
        self._on = {}  # host that was asked for -> {id: server}
        self._arrived = collections.defaultdict(dict)  # the same, of those that came to a host
        self._records = []
        self._due = []  # (when, record) of those that are in flight
        self._turns = itertools.cycle(self._names)
        self._spawners = {host: [0.0] * self.SPAWNS for host in self._names}
        self.asked = collections.Counter()
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.cloud = self
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def address(self):
        """Where all its services are."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self):
        """Answer no more."""
        self._http.shutdown()
        self._http.server_close()

    def left(self, hosts):
        """How many instances are still on the first so many hosts."""
        with self._lock:
            return sum(len(self._all_on(host)) for host in self._names[:hosts])

    def answer(self, method, url, body):
        """The answer to a request, as something that JSON can hold."""
        path, _, query = url.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        time.sleep(self._read_latency if method == "GET" else self._latency)
        with self._lock:
            self.asked[f"{method} {_kind(path, body)}"] += 1
            self._work()
            if method == "GET":
                return self._read(path, asked)
            return self._change(method, path, body)

    def _read(self, path, asked):
        if path == "/nova/os-services":
            host = asked.get("host")
            return {"services": [s for s in self._services.values() if host in (None, s["host"])]}
        if path == "/nova/servers/detail":
            return self._page(path, asked, "servers", self._chosen_servers(asked), lambda server: server["id"])
        if path == "/nova/os-migrations":
            host = asked.get("host")
            chosen = [r for r in reversed(self._records) if host in (None, r["source_compute"], r["dest_compute"])]
            chosen = [r for r in chosen if r["migration_type"] == asked.get("migration_type", "evacuation")]
            return self._page(path, asked, "migrations", chosen, lambda record: record["uuid"])
        if path.startswith("/nova/servers/"):
            return {"server": self._servers[path.rpartition("/")[2]]}
        if path == "/nova/os-hypervisors/detail":
            return {"hypervisors": [_hypervisor(asked["hypervisor_hostname_pattern"])]}
        if path == "/nova/":
            return {"version": {"version": "2.96"}}
        key = {"/nova/os-aggregates": "aggregates", "/nova/flavors/detail": "flavors", "/glance/v2/images": "images"}
        return {key[path]: []}

    def _chosen_servers(self, asked):
        if "host" in asked:
            return list(self._all_on(asked["host"]).values())
        tags = set(asked.get("tags-any", "").split(","))
        # None is in error, and one that is not made carries no tag.
        return [server for server in self._servers.values() if tags & set(server["tags"])]

    def _all_on(self, host):
        if host not in self._on:
            first = self._names.index(host) * self._count
            made = [_server(number, host, self._state) for number in range(first, first + self._count)]
            self._on[host] = {server["id"]: server for server in made}
            self._servers.update(self._on[host])
            self._on[host].update(self._arrived.pop(host, {}))
        return self._on[host]

    def _page(self, path, asked, key, chosen, marker_of):
        limit = min(int(asked.get("limit", PAGE)), PAGE)
        begin = 0
        if "marker" in asked:
            begin = 1 + [marker_of(member) for member in chosen].index(asked["marker"])
        page = chosen[begin : begin + limit]
        found = {key: page}
        if len(page) == limit:
            query = urllib.parse.urlencode({**asked, "marker": marker_of(page[-1])})
            found[f"{key}_links"] = [{"rel": "next", "href": f"{path}?{query}"}]
        return found

    def _change(self, method, path, body):
        if path.startswith("/nova/os-services/"):
            service = self._services[path.rpartition("/")[2]]
            service.update(body)
            if service["forced_down"]:
                service["state"] = "down"
            return {"service": service}
        server = self._servers[path.split("/")[3]]
        if "/tags/" in path:
            server["tags"] = [urllib.parse.unquote(path.rpartition("/")[2])] if method == "PUT" else []
        elif "evacuate" in body:
            self._evacuate(server["id"])
        else:
            state, power_state = _AFTER[next(iter(body))]
            server["OS-EXT-STS:vm_state"] = state
            server["OS-EXT-STS:power_state"] = power_state or server["OS-EXT-STS:power_state"]
        return {}

    def _evacuate(self, instance):
        """Nova's answer comes at once; the guest is started once its destination has come to it."""
        host = next(host for host in self._turns if not self._service_of[host]["forced_down"])
        spawner = self._spawners[host]
        due = max(time.monotonic(), min(spawner)) + self._spawn_seconds
        spawner[spawner.index(min(spawner))] = due
        server = self._servers[instance]
        server["OS-EXT-STS:task_state"] = "rebuilding"
        record = _record(len(self._records) + 1, instance, server["OS-EXT-SRV-ATTR:host"], host)
        self._records.append(record)
        self._due.append((due, record))

    def _work(self):
        """Let what is due happen."""
        now = time.monotonic()
        over = [record for due, record in self._due if due <= now]
        self._due = [(due, record) for due, record in self._due if due > now]
        for record in over:
            source, destination = record["source_compute"], record["dest_compute"]
            record["status"] = "done"
            server = self._on[source].pop(record["instance_uuid"])
            server["OS-EXT-STS:task_state"] = None
            server["OS-EXT-SRV-ATTR:host"] = destination
            server["OS-EXT-STS:power_state"] = _POWER_STATES[server["OS-EXT-STS:vm_state"]]
            there = self._on[destination] if destination in self._on else self._arrived[destination]
            there[server["id"]] = server


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        """The counts are the log."""

    def _handle(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path.startswith("/keystone"):
            self._send(201 if self.command == "POST" else 200, _keystone(self.path, f"http://{self.headers['Host']}"))
        else:
            self._send(200, self.server.cloud.answer(self.command, self.path, body))

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def _send(self, status, content):
        text = json.dumps(content).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Subject-Token", "token")
        self.send_header("x-openstack-request-id", "req-00000000-0000-0000-0000-000000000000")
        self.end_headers()
        self.wfile.write(text)


def _keystone(path, here):
    if not path.endswith("/auth/tokens"):
        return {
            "version": {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{here}/keystone/v3"}]}
        }
    services = [("compute", "nova"), ("image", "glance")]
    catalog = [
        {
            "type": kind,
            "name": name,
            "id": name,
            "endpoints": [
                {"id": name, "interface": "internal", "region": "R", "region_id": "R", "url": f"{here}/{name}"}
            ],
        }
        for kind, name in services
    ]
    token = {"methods": ["password"], "expires_at": TOKEN_LIFE, "issued_at": TOKEN_LIFE, "catalog": catalog}
    return {"token": {**token, "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}, "roles": []}}


def _kind(path, body):
    """What is asked for, however many of it there are: ids are left out, and what a tag says."""
    action = next(iter(body), "") if path.endswith("/action") else ""
    return f"{_UUID.sub('ID', path).partition('/tags/')[0]} {action or path.partition('/tags/')[1][1:-1]}".strip()


def _uuid(kind, number):
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def _service(id, host):
    return {
        "id": id, "host": host, "binary": "nova-compute", "zone": "nova", "state": "up", "status": "enabled",
        "forced_down": False, "disabled_reason": None, "updated_at": "2026-01-01T00:00:00.000000",
    }  # fmt: skip


def _hypervisor(node):
    return {"hypervisor_hostname": node, "hypervisor_type": "QEMU", "service": {"host": node.partition(".")[0]}}


def _record(number, instance, source, destination):
    return {
        "id": number, "uuid": _uuid(2, number), "instance_uuid": instance, "status": "accepted",
        "migration_type": "evacuation", "source_compute": source, "source_node": source, "dest_compute": destination,
        "dest_node": destination, "dest_host": "192.0.2.1", "old_instance_type_id": 1, "new_instance_type_id": 1,
        "user_id": "a" * 32, "project_id": "b" * 32, "created_at": "2026-01-01T00:00:00.000000", "updated_at": None,
    }  # fmt: skip


def _server(number, host, state):
    """A server's details with all that Nova shows to an administrator (about 3 KB)."""
    id = _uuid(1, number)
    link = f"http://192.0.2.1:8774/v2.1/servers/{id}"
    port = {
        "version": 4, "addr": "198.51.100.7", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:00"
    }  # fmt: skip
    return {
        "id": id, "name": f"web-{number}", "status": "ACTIVE", "tenant_id": "c" * 32, "user_id": "d" * 32,
        "metadata": {"role": "web", "owner": "somebody", "nova-ha:priority": "5"}, "hostId": "e" * 56,
        "image": {"id": _uuid(3, 1), "links": [{"rel": "bookmark", "href": f"http://192.0.2.1/images/{_uuid(3, 1)}"}]},
        "flavor": {
            "vcpus": 4, "ram": 8192, "disk": 40, "ephemeral": 0, "swap": 0, "original_name": "m1.large",
            "extra_specs": {"hw:cpu_policy": "shared", "hw:mem_page_size": "small", "quota:disk_total_iops_sec": "500"},
        },
        "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z", "progress": 0, "accessIPv4": "",
        "addresses": {f"net-{place}": [port, {**port, "OS-EXT-IPS:type": "floating"}] for place in range(2)},
        "accessIPv6": "", "links": [{"rel": "self", "href": link}, {"rel": "bookmark", "href": link}],
        "OS-DCF:diskConfig": "MANUAL", "OS-EXT-AZ:availability_zone": "nova", "config_drive": "", "key_name": "key",
        "OS-SRV-USG:launched_at": "2026-01-01T00:00:00.000000", "OS-SRV-USG:terminated_at": None,
        "OS-EXT-SRV-ATTR:host": host, "OS-EXT-SRV-ATTR:hypervisor_hostname": f"{host}.example.org",
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{number:08x}", "OS-EXT-SRV-ATTR:hostname": f"web-{number}",
        "OS-EXT-SRV-ATTR:reservation_id": "r-abcdefgh", "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:kernel_id": "", "OS-EXT-SRV-ATTR:ramdisk_id": "", "OS-EXT-SRV-ATTR:user_data": None,
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda", "OS-EXT-STS:task_state": None, "OS-EXT-STS:vm_state": state,
        "OS-EXT-STS:power_state": _POWER_STATES[state],
        "os-extended-volumes:volumes_attached": [{"id": _uuid(4, number)}],
        "locked": False, "locked_reason": None, "description": None, "tags": [], "host_status": "DOWN",
        "trusted_image_certificates": None, "server_groups": [], "security_groups": [{"name": "default"}],
    }  # fmt: skip
