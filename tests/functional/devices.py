# SPDX-License-Identifier: Apache-2.0
"""Fence devices as operators configure them, beside those that the lab has."""

import contextlib

from tests.lab import bmc, cluster, settings
from tests.lab.passwords import password

ALONE = "fence-alone"


@contextlib.contextmanager
def only_device(chosen, hosts, secret="@BMC_PASSWORD@"):
    """fence_compute as the only device, one for some hosts, with the addresses of their BMCs in a map; gives its name.

    :param secret: the BMCs' password that it has
    """
    addresses = ";".join(f"{host}:{settings.bmc_address(host)}" for host in hosts)
    device = (
        f"stonith create {ALONE} fence_compute port_as_ip=1 'pcmk_host_map={addresses}' username={bmc.USER}"
        f" password={secret} lanplus=1 cipher=3 op monitor interval=60s"
    )
    remove = [f"stonith level remove 1 target {host}" for host in hosts]
    alone = [f"stonith level add 1 {host} {ALONE}" for host in hosts]
    cluster.configure(chosen, [device, *remove, *alone], {"BMC_PASSWORD": password("bmc")})
    try:
        yield ALONE
    finally:
        former = [f"stonith level add 1 {host} ipmi-{host} {cluster.FENCE_NOVA}" for host in hosts]
        cluster.configure(chosen, [*remove, *former, f"stonith delete {ALONE}"], {})
