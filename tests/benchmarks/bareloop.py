# SPDX-License-Identifier: Apache-2.0
"""What the engine is measured against: a script that evacuates a host as fast as it can, and guards against nothing.

It forces the host down, lists its instances, posts their evacuations from eight threads, and polls until Nova has none
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
    :param host: Nova's name of the host
    """

    def __init__(self, settings, host):
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
        self._host = host
        self._service = self._services()[host]

    def run(self):
        """Evacuate the host; returns when Nova has no instance there any more.

        :raises TimeoutError: it does not
        :raises keystoneauth1.exceptions.ClientException: Nova refused something
        """
        self._nova.put(f"/os-services/{self._service}", json={"forced_down": True})
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            posts = [pool.submit(self._evacuate, server["id"]) for server in self._left()]
            deadline = time.monotonic() + LIMIT
            while self._left(limit=1):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the bare loop has not evacuated {self._host} within {LIMIT} s")
                time.sleep(POLL)
            for post in posts:
                post.result()

    def _evacuate(self, id):
        self._nova.post(f"/servers/{id}/action", json={"evacuate": {}})

    def _left(self, **more):
        """The host's instances, without details: the cheapest way to see whether there are any."""
        return self._nova.get("/servers", params={"all_tenants": "True", "host": self._host, **more}).json()["servers"]

    def _services(self):
        found = self._nova.get("/os-services", params={"binary": "nova-compute"}).json()["services"]
        return {service["host"]: service["id"] for service in found}
