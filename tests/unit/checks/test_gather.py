# SPDX-License-Identifier: Apache-2.0
"""Facts that are gathered over HTTP, as in production: what is asked, what a 403 is called, and how long it takes."""

import time

import pytest

from nova_ha.checks import gather, registry
from nova_ha.cluster.survey import Survey
from tests.unit import http_cloud
from tests.unit.checks import clusters

PAGES = {
    "/v2.1/os-aggregates": {"aggregates": []},
    "/v2.1/flavors/detail": {"flavors": []},
    "/v2/images": {"images": []},
    "/v2.1/os-migrations": {"migrations": []},
    "/v2.1/servers/detail": {"servers": []},
    "/v2.1/os-hypervisors/detail": {"hypervisors": []},
    "/allocation_candidates": {"provider_summaries": {}},
}
ROOM = "/allocation_candidates?resources=VCPU%3A1%2CMEMORY_MB%3A1&required=%21COMPUTE_STATUS_DISABLED"


def service(host):
    return {
        "id": f"id-{host}", "binary": "nova-compute", "host": host, "state": "up", "status": "enabled", "zone": "nova",
        "forced_down": False, "disabled_reason": None, "updated_at": None,
    }  # fmt: skip


@pytest.fixture
def server():
    with http_cloud.running() as found:
        found.catalog["placement"] = found.url
        found.pages.update(PAGES)
        found.pages[http_cloud.SERVICES] = {"services": [service(host) for host in clusters.HOSTS]}
        yield found


@pytest.fixture
def look(server, tmp_path):
    """Gathers from the server, whose address and credentials the cluster's configuration has; returns the findings."""
    cluster = clusters.Cluster()
    for name, value in {"auth_url": f"{server.url}/v3", **http_cloud.PARAMETERS}.items():
        cluster.parameter("nova-evacuate", name, value)
    # Of the lab's own.
    cluster.parameter("nova-evacuate", "region_name", None)

    def run():
        path = str(tmp_path / "nova-ha.conf")
        return registry.run(gather.facts(Survey(runner=cluster), None, path, root=str(tmp_path)))

    return run


def codes(findings):
    return {(each.severity.value, each.code.value, each.subject) for each in findings}


def test_nothing_is_found_and_little_is_asked(server, look):
    assert codes(look()) == set()
    assert server.asked_for_tokens == 1
    assert len(server.asked) <= 20
    assert {method for method, *_ in server.asked} == {"GET"}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (ROOM, "placement"),
        ("/v2.1/os-aggregates", "aggregates"),
        ("/v2.1/os-hypervisors/detail", "placement"),
    ],
)
def test_a_right_that_is_missing_is_named(server, look, path, what):
    server.answers["GET", path] = 403
    assert codes(look()) == {("warning", "right_missing", what)}


def test_who_may_not_even_list_services_is_told_so(server, look):
    server.answers["GET", http_cloud.SERVICES] = 403
    assert codes(look()) == {("error", "right_missing", "cloud")}


def test_a_wrong_password_and_a_catalog_that_lacks_something(server, look):
    server.password = "other"
    assert codes(look()) == {("error", "credentials_refused", "cloud")}
    server.password = http_cloud.PARAMETERS["password"]
    del server.catalog["placement"]
    assert codes(look()) == {("warning", "no_endpoint", "placement")}
    del server.catalog["compute"]
    assert codes(look()) == {("error", "no_endpoint", "cloud")}


@pytest.mark.parametrize("path", [http_cloud.SERVICES, "/v2.1/os-aggregates", "/v2.1/"])
def test_what_hangs_is_a_finding_soon(server, look, monkeypatch, path):
    monkeypatch.setattr(gather, "REQUEST_TIMEOUT", 1)
    server.answers["GET", path] = "hang"
    begun = time.monotonic()
    (finding,) = look()
    assert finding.code.value in ("cloud_away", "service_away")
    # One request's time, and some for a machine that is busy.
    assert time.monotonic() - begun < 15


def test_no_finding_has_the_password(server, look):
    server.answers["GET", http_cloud.SERVICES] = 403
    assert http_cloud.PARAMETERS["password"] not in str(look())
