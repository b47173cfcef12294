# SPDX-License-Identifier: Apache-2.0
"""What is read of the cloud by who looks at all of it, over HTTP."""

import email.utils
import json

import pytest

from nova_ha.cloud import demands, errors
from nova_ha.cloud.survey import CloudSurvey
from nova_ha.config import loader
from tests.unit import http_cloud

HYPERVISORS = "/v2.1/os-hypervisors/detail"
CANDIDATES = "/allocation_candidates"
FLAVOR = {"vcpus": 2, "ram": 2048, "disk": 10, "ephemeral": 5, "swap": 1025, "extra_specs": {}}


@pytest.fixture
def server():
    with http_cloud.running() as found:
        found.catalog["placement"] = found.url
        yield found


@pytest.fixture
def survey(server):
    found = CloudSurvey(loader.access(server.conf()))
    found.connect()
    return found


def hypervisor(number, kind="QEMU"):
    return {
        "id": f"rp-{number}", "hypervisor_type": kind, "service": {"host": f"compute-{number}"},
        "vcpus_used": 8, "memory_mb_used": 8704, "local_gb_used": 80,
    }  # fmt: skip


def test_room_is_what_placement_has_left_by_the_host_s_name_in_nova(server, survey):
    server.pages[HYPERVISORS] = {"hypervisors": [hypervisor(1), hypervisor(2), hypervisor(3, "ironic")]}
    amounts = {"VCPU": {"capacity": 64, "used": 8}, "MEMORY_MB": {"capacity": 9000, "used": 8192}}
    server.pages[CANDIDATES] = {"provider_summaries": {"rp-1": {"resources": amounts, "traits": []}}}
    found = survey.room().hosts
    assert set(found) == {"compute-1", "compute-2"}
    assert found["compute-1"].free == {"VCPU": 56, "MEMORY_MB": 808}
    # What is reserved for the host itself is not its instances'.
    assert found["compute-1"].used == {"VCPU": 8, "MEMORY_MB": 8192, "DISK_GB": 80}
    # Who is not in the answer has no room for the smallest.
    assert (found["compute-2"].free, found["compute-2"].used["MEMORY_MB"]) == ({}, 8704)


def test_room_is_two_questions(server, survey):
    server.pages[HYPERVISORS] = {"hypervisors": [hypervisor(number) for number in range(300)]}
    server.pages[CANDIDATES] = {"provider_summaries": {}}
    before = len(server.asked)
    survey.room()
    assert [path.partition("?")[0] for _, path, _, _ in server.asked[before:]] == [HYPERVISORS, CANDIDATES]
    assert "required=%21COMPUTE_STATUS_DISABLED" in server.asked[-1][1]
    assert server.asked[-1][2] == "placement 1.29"


@pytest.mark.parametrize("page", [{"provider_summaries": {"rp-1": {}}}, {}])
def test_what_is_not_placement_is_told_from_it(server, survey, page):
    server.pages[HYPERVISORS] = {"hypervisors": [hypervisor(1)]}
    server.pages[CANDIDATES] = page
    with pytest.raises(errors.Unreachable):
        survey.room()


def test_a_right_that_is_missing_is_a_refusal_with_its_status(server, survey):
    server.pages[HYPERVISORS] = {"hypervisors": []}
    path = f"{CANDIDATES}?resources=VCPU%3A1%2CMEMORY_MB%3A1&required=%21COMPUTE_STATUS_DISABLED"
    server.answers["GET", path] = 403
    with pytest.raises(errors.Refused) as refused:
        survey.room()
    assert refused.value.status == 403


@pytest.mark.parametrize("ahead", [0, 500, -500])
def test_the_cloud_s_clock_is_told_by_its_answers(server, survey, monkeypatch, ahead):
    now = 1_800_000_000.0
    answer = survey._access.request
    date = email.utils.formatdate(now + ahead, usegmt=True)

    def dated(*arguments):
        response = answer(*arguments)
        response.headers["Date"] = date
        return response

    monkeypatch.setattr(survey._access, "request", dated)
    assert survey.clock_offset(lambda: now) == pytest.approx(ahead, abs=1)
    date = "yesterday"
    assert survey.clock_offset(lambda: now) is None


def test_the_regions_of_the_catalog(survey):
    assert survey.regions() == {"R"}


@pytest.mark.parametrize("servers", [[], [{"id": "i1"}]])
def test_whether_a_project_has_instances_is_asked_for_one_of_them(server, survey, servers):
    server.pages["/v2.1/servers"] = {"servers": servers}
    assert survey.has_instances("p1") is bool(servers)
    assert "limit=1" in server.asked[-1][1] and "project_id=p1" in server.asked[-1][1]


def instance(number=1, host="compute-1", image="im", **specs):
    return {
        "id": f"i{number}", "name": f"web-{number}", "OS-EXT-SRV-ATTR:host": host, "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None, "OS-EXT-STS:power_state": 1, "image": {"id": image} if image else "",
        "flavor": {**FLAVOR, "extra_specs": specs}, "metadata": {}, "tenant_id": "p", "OS-EXT-AZ:availability_zone":
        "nova", "tags": [], "OS-SRV-USG:launched_at": "2026-11-29T00:00:00",
    }  # fmt: skip


def test_every_instance_that_is_on_a_host_with_what_it_needs(server, survey):
    first = {"servers": [instance(1)], "servers_links": [{"rel": "next", "href": "http://x/?marker=i1"}]}
    server.pages["/v2.1/servers/detail?all_tenants=True"] = first
    server.pages["/v2.1/servers/detail"] = {"servers": [instance(2), instance(3, host=None)]}
    found = survey.everything()
    assert [each.instance.id for each in found] == ["i1", "i2"]
    assert found[0].needs == {"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 17}


@pytest.mark.parametrize(
    ("specs", "needs", "unclear"),
    [
        ({}, {}, None),
        ({"evacuable": "true", "hw:cpu_policy": "shared", "quota:cpu_shares": "1"}, {}, None),
        ({"resources:MEMORY_MB": "1024", "resources:VCPU": "0"}, {"MEMORY_MB": 1024, "VCPU": 0}, None),
        ({"resources:VGPU": "1"}, {}, "it needs VGPU"),
        ({"pci_passthrough:alias": "gpu:1"}, {}, "it needs a PCI device"),
        ({"hw:cpu_policy": "dedicated"}, {}, "it is bound to NUMA nodes"),
        ({"hw:numa_nodes": "2"}, {}, "it is bound to NUMA nodes"),
        ({"hw:mem_page_size": "large"}, {}, "it is bound to NUMA nodes"),
        ({"trait:HW_CPU_X86_AVX2": "required"}, {}, "its flavor asks for traits of the host"),
        ({"resources1:VGPU": "1"}, {}, "its flavor asks for resources in groups"),
        ({"accel:device_profile": "x"}, {}, "it needs an accelerator"),
        ({"aggregate_instance_extra_specs:ssd": "true"}, {}, "its flavor asks for some hosts only"),
    ],
)
def test_what_a_flavor_asks_for(specs, needs, unclear):
    found = demands.sized(instance(**specs))
    assert found.needs == {"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 17, **needs}
    assert found.unclear == unclear


def test_a_volume_is_no_disk_of_the_host_s():
    assert demands.sized(instance(image=None)).needs["DISK_GB"] == 7


def test_an_answer_without_the_flavor_s_numbers_is_for_who_has_no_rights():
    body = instance()
    del body["flavor"]["ram"]
    with pytest.raises(errors.RightMissing):
        demands.sized(json.loads(json.dumps(body)))


def test_only_policies_that_nova_keeps_to_count_of_groups(server, survey):
    groups = [
        {"members": ["i1", "i2"], "policies": ["anti-affinity"]},
        {"members": ["i3"], "policies": ["soft-affinity"]},
        {"members": ["i4"], "policies": ["affinity"]},
    ]
    server.pages["/v2.1/os-server-groups"] = {"server_groups": groups}
    assert survey.grouped() == {"i1": "anti-affinity", "i2": "anti-affinity", "i4": "affinity"}


UPTIME = "/v2.1/os-hypervisors/rp-1/uptime"


@pytest.mark.parametrize("status", [200, 501])
def test_a_host_whose_nova_compute_answers_is_reached_whatever_its_driver_tells(server, survey, status):
    server.pages[HYPERVISORS] = {"hypervisors": [hypervisor(1), hypervisor(2)]}
    server.pages[UPTIME] = {"hypervisor": {"id": "rp-1", "uptime": "1 day"}}
    server.answers["GET", UPTIME] = status
    survey.reaches("compute-1")
    assert server.asked[-1][1] == UPTIME


@pytest.mark.parametrize(("host", "status"), [("compute-1", 400), ("compute-1", 504), ("compute-9", 200)])
def test_a_host_that_does_not_answer_or_is_not_known_is_not_reached(server, survey, host, status):
    server.pages[HYPERVISORS] = {"hypervisors": [hypervisor(1)]}
    server.answers["GET", UPTIME] = status
    with pytest.raises(errors.CloudError):
        survey.reaches(host)
