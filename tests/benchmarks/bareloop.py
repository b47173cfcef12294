# SPDX-License-Identifier: Apache-2.0
"""What the engine is measured against: a script that evacuates hosts as fast as it can, and guards against nothing.

It forces each host down, lists its instances, posts their evacuations from eight threads, and polls until Nova has none
of them there any more. It speaks to Nova through the same recording proxy as the engine, with the same credentials.
"""

import concurrent.futures
import time

from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from tests.lab import cloud
from tests.lab.cloud import layout

THREADS = 8
POLL = 1.0  # seconds between two looks of the poller
LIMIT = 300


class BareLoop:
    """The loop, connected to the cloud.

    :param settings: of the lab
    :param hosts: Nova's names of the hosts
    """

    def __init__(self, settings, hosts):
        given = cloud.agent_credentials(settings)
        password = v3.Password(
            auth_url=given["auth_url"],
            username=given["username"],
            password=given["password"],
            project_name=given["tenant_name"],
            user_domain_name=given["user_domain"],
            project_domain_name=given["project_domain"],
        )
        self._nova = adapter.Adapter(
            session.Session(password, timeout=90),
            service_type="compute",
            interface="internal",
            region_name=layout.REGION,
            default_microversion="2.90",
        )
        services = self._services()
        self._hosts = {host: services[host] for host in hosts}

    def run(self, await_flag):
        """Evacuate the hosts; returns when Nova has no instance on any of them.

        :param await_flag: called with each host's name, returns when it is flagged
        :raises TimeoutError: it does not
        :raises keystoneauth1.exceptions.ClientException: Nova refused something
        """
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            with concurrent.futures.ThreadPoolExecutor(len(self._hosts)) as each:
                ended = [each.submit(self._empty, host, await_flag, pool) for host in self._hosts]
            for one in ended:
                one.result()

    def _empty(self, host, await_flag, pool):
        """Evacuate one host."""
        await_flag(host)
        self._nova.put(f"/os-services/{self._hosts[host]}", json={"forced_down": True})
        posts = [pool.submit(self._evacuate, server["id"]) for server in self._left(host)]
        deadline = time.monotonic() + LIMIT
        while self._left(host, limit=1):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the bare loop has not evacuated {host} within {LIMIT} s")
            time.sleep(POLL)
        for post in posts:
            post.result()

    def _evacuate(self, id):
        self._nova.post(f"/servers/{id}/action", json={"evacuate": {}})

    def _left(self, host, **more):
        """A host's instances, without details: the cheapest way to see whether there are any."""
        return self._nova.get("/servers", params={"all_tenants": "True", "host": host, **more}).json()["servers"]

    def _services(self):
        found = self._nova.get("/os-services", params={"binary": "nova-compute"}).json()["services"]
        return {service["host"]: service["id"] for service in found}
