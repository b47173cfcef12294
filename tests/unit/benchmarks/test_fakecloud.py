# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' cloud answers what the engine asks: a question without an answer would be counted again and again."""

import pytest

from nova_ha.config import loader
from tests.benchmarks import fakecloud

CREDENTIALS = {"username": "u", "password": "p", "tenant_name": "p", "user_domain": "d", "project_domain": "d"}


@pytest.fixture
def nova():
    cloud = fakecloud.FakeCloud(2, hosts=3)
    found = loader.cloud(loader.load({"auth_url": f"{cloud.address}/keystone/v3", **CREDENTIALS}))
    found.connect()
    yield found
    cloud.close()


def test_it_tells_what_a_host_drives(nova):
    (one, _) = nova.instances("compute-1")
    assert nova.hypervisor_type("compute-1", one.node) == "QEMU"
    assert nova.hypervisor_type("compute-2", one.node) is None
