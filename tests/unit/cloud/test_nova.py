# SPDX-License-Identifier: Apache-2.0
"""The door to the cloud, against a small HTTP server that plays Keystone, Nova and Glance."""

import datetime
import json
import logging
import socket
import threading

import pytest
from keystoneauth1.session import TCPKeepAliveAdapter

from nova_ha.cloud.nova import Busy, Misconfigured, Nova, Refused, Unreachable, WrongAddress
from nova_ha.cloud.session import CONNECT_TIMEOUT, NEXT_CATALOG, Access
from nova_ha.config import loader
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import Event, Request, Requests
from nova_ha.model.nova_actions import By, NovaAction
from nova_ha.model.snapshot import Instance, Migration, Service, conductors, unread
from tests.unit.doubles import CHANGES
from tests.unit.http_cloud import PARAMETERS, SERVICES, TOKENS, running
from tests.unit.worlds import instance, service

ON_HOST = "/v2.1/servers/detail?all_tenants=True&host=compute-1"
RECORDS = "/v2.1/os-migrations?host=compute-1&migration_type=evacuation"
IN_ERROR = "/v2.1/servers/detail?all_tenants=True&status=ERROR"
EVACUATE = ("POST", "/v2.1/servers/i1/action")


@pytest.fixture
def cloud():
    with running() as server:
        yield server


@pytest.fixture
def impatient(tmp_path):
    """A configuration file with the shortest of time limits."""
    file = tmp_path / "nova-ha.conf"
    file.write_text("[nova]\ntimeout = 1\n")
    return str(file)


def nova_service(host="compute-1", **more):
    return {
        "id": "s1",
        "binary": "nova-compute",
        "host": host,
        "state": "down",
        "status": "disabled",
        "forced_down": True,
        "disabled_reason": "bad RAM",
        "updated_at": "2026-01-01T00:00:00.000000",
        "zone": "az1",
        **more,
    }


def server(id="i1", **more):
    return {
        "id": id,
        "name": "web-1",
        "OS-EXT-SRV-ATTR:host": "compute-1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:power_state": 1,
        "OS-SRV-USG:launched_at": "2026-11-21T01:00:00.000000",
        "OS-EXT-AZ:availability_zone": "az1",
        "image": {"id": "image-1", "links": []},
        "flavor": {"original_name": "m1", "extra_specs": {"evacuable": "true"}},
        "metadata": {"owner": "me"},
        "tenant_id": "p1",
        "tags": ["a", "b"],
        "status": "ACTIVE",
        **more,
    }


def migration(number, status="done", created="2026-01-01T00:00:00.000000", updated=None, **more):
    return {
        "id": number,
        "instance_uuid": "i1",
        "status": status,
        "source_compute": "compute-1",
        "dest_compute": "compute-2",
        "created_at": created,
        "updated_at": updated,
        **more,
    }


def ago(**how_long):
    return f"{datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**how_long):%Y-%m-%dT%H:%M:%S}.000000"


# What is read


@pytest.mark.parametrize(("offered", "used"), [("2.100", "2.94"), ("2.93", "2.93"), ("2.60", "2.60")])
def test_no_microversion_that_changes_power_states_is_used(cloud, offered, used):
    cloud.pages["/v2.1/"]["version"]["version"] = offered
    cloud.nova().services()
    assert cloud.asked[-1][2] == f"compute {used}"


def test_a_nova_too_old_is_said_so(cloud):
    cloud.pages["/v2.1/"]["version"]["version"] = "2.53"
    with pytest.raises(Misconfigured, match="2.53; 2.59 is needed"):
        cloud.nova()


def test_lists_are_read_to_the_last_page(cloud):
    def page(number, link):
        links = [{"rel": "next", "href": f"http://elsewhere/v2.1/os-migrations?{link}"}] if link else []
        return {"migrations": [migration(number)], "migrations_links": links}

    cloud.pages["/v2.1/os-migrations?host=a+b&migration_type=evacuation"] = page(9, "host=a+b&marker=x%26")
    cloud.pages["/v2.1/os-migrations?host=a+b&marker=x%26&migration_type=evacuation"] = page(3, None)
    assert [record.id for record in cloud.nova().migrations("a b")] == [3, 9]


def test_a_list_costs_its_pages_and_no_request_more(cloud):
    links = [{"rel": "next", "href": "http://elsewhere/?marker=x"}]
    flavors = "/v2.1/flavors/detail?is_public=None"
    cloud.pages[ON_HOST] = {"servers": [server()], "servers_links": links}
    cloud.pages[f"{ON_HOST}&marker=x"] = {"servers": [server("i2")]}
    cloud.pages[RECORDS] = {"migrations": [migration(1)], "migrations_links": links}
    cloud.pages[RECORDS.replace("&", "&marker=x&")] = {"migrations": [migration(2)]}
    cloud.pages[flavors] = {"flavors": [{"id": "f1"}, {"extra_specs": {}}], "flavors_links": links}
    cloud.pages[f"{flavors}&marker=x"] = {"flavors": [{"extra_specs": {"HA": "true"}}]}
    cloud.pages["/v2/images"] = NO_IMAGES
    nova = cloud.nova()
    for read, found in (
        (lambda: [each.id for each in nova.instances("compute-1")], ["i1", "i2"]),
        (lambda: [each.id for each in nova.migrations("compute-1")], [1, 2]),
    ):
        before = len(cloud.asked)
        assert read() == found
        assert len(cloud.asked) == before + 2
    before = len(cloud.asked)
    assert nova.selection("HA").flavors_tagged
    assert [path for _, path, *_ in cloud.asked[before:] if "flavors" in path] == [flavors, f"{flavors}&marker=x"]


@pytest.mark.parametrize("href", ["http://elsewhere/", "http://elsewhere/?limit=1000", "http://elsewhere/?marker="])
def test_a_page_that_does_not_say_where_the_list_goes_on_is_not_taken_for_the_last(cloud, href):
    cloud.pages[RECORDS] = {"migrations": [migration(1)], "migrations_links": [{"rel": "next", "href": href}]}
    with pytest.raises(Unreachable, match="not Nova"):
        cloud.nova().migrations("compute-1")


def test_nothing_is_kept_in_the_home_directory(cloud, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NOVACLIENT_UUID_CACHE_DIR", raising=False)
    cloud.pages[ON_HOST] = {"servers": [server()]}
    nova = cloud.nova()
    nova.instances("compute-1")
    nova.evacuate(instance())
    assert list(tmp_path.iterdir()) == []


def images(cloud, *found, marked="evacuable=true", hidden=False):
    """Have Glance know images of that mark, two pages of them."""
    page = f"/v2/images?{marked}" + "&os_hidden=true" * hidden
    cloud.pages[page] = {"images": [{"id": found[0]}], "next": f"/v2/images?marker={found[0]}"} if found else NO_IMAGES
    if found:
        cloud.pages[f"/v2/images?marker={found[0]}"] = {"images": [{"id": each} for each in found[1:]]}


NO_IMAGES = {"images": []}


def test_what_operators_marked_costs_five_requests(cloud):
    cloud.pages["/v2.1/flavors/detail?is_public=None"] = {
        "flavors": [{"extra_specs": {}}, {"extra_specs": {"HA": "true"}}]
    }
    cloud.pages["/v2/images"] = NO_IMAGES
    images(cloud, "a", "b", marked="HA=true")
    images(cloud, "c", marked="tag=HA")
    nova = cloud.nova()
    assert nova.selection("HA") == Selection(True, frozenset({"a", "b", "c"}))
    assert [path for _, path, *_ in cloud.asked if "marker" not in path][-5:] == [
        "/v2.1/flavors/detail?is_public=None",
        "/v2/images?HA=true",
        "/v2/images?HA=true&os_hidden=true",
        "/v2/images?tag=HA",
        "/v2/images?tag=HA&os_hidden=true",
    ]
    cloud.pages["/v2.1/flavors/detail?is_public=None"] = {"flavors": [{"extra_specs": {"evacuable": "true"}}]}
    assert nova.selection("HA").flavors_tagged is False


@pytest.mark.parametrize("tag", ["version", "path", "self"])
def test_a_tag_may_have_any_name(cloud, tag):
    cloud.pages["/v2.1/flavors/detail"] = {"flavors": []}
    cloud.pages["/v2/images"] = NO_IMAGES
    images(cloud, "a", marked=f"{tag}=true")
    assert cloud.nova().selection(tag).images == {"a"}


@pytest.mark.parametrize("marked", ["HA=true", "tag=HA"])
def test_images_that_are_hidden_select_too(cloud, marked):
    cloud.pages["/v2.1/flavors/detail"] = {"flavors": []}
    cloud.pages["/v2/images"] = NO_IMAGES
    images(cloud, "old", "older", marked=marked, hidden=True)
    assert cloud.nova().selection("HA").images == {"old", "older"}


@pytest.mark.parametrize("answer", [500, 503, 403, 401, 404, "drop"])
def test_what_glance_does_not_tell_is_not_known(cloud, answer):
    cloud.pages["/v2.1/flavors/detail"] = {"flavors": [{"extra_specs": {"HA": "true"}}]}
    cloud.pages["/v2/images"] = NO_IMAGES
    cloud.answers["GET", "/v2/images?tag=HA"] = answer
    found = cloud.nova().selection("HA")
    assert found.flavors_tagged and found.images is None
    assert found.problem and "\n" not in found.problem


def test_without_an_image_service_images_are_not_known(cloud):
    cloud.pages["/v2.1/flavors/detail"] = {"flavors": []}
    del cloud.catalog["image"]
    assert cloud.nova().selection("HA").images is None


def test_flavors_must_be_known(cloud):
    cloud.answers["GET", "/v2.1/flavors/detail?is_public=None"] = 503
    with pytest.raises(Busy):
        cloud.nova().selection("HA")


def test_services(cloud):
    nova = cloud.nova()
    cloud.pages[SERVICES] = {"services": [nova_service(), nova_service("compute-2", state="up", status="enabled")]}
    report = "2026-01-01T00:00:00.000000"
    assert nova.services() == {
        "compute-1": Service("s1", "compute-1", False, False, True, "bad RAM", report, "az1"),
        "compute-2": Service("s1", "compute-2", True, True, True, "bad RAM", report, "az1"),
    }


def test_a_cell_whose_database_is_away_holds_up_no_other(cloud):
    nova = cloud.nova()
    away = [{"binary": "nova-compute", "host": name, "status": "UNKNOWN"} for name in ("compute-7", "compute-8")]
    cloud.pages[SERVICES] = {"services": [away[0], nova_service(), away[1]]}
    found = nova.services()
    assert set(found) == {"compute-1"} and unread(found) == {"compute-7", "compute-8"}
    cloud.pages[SERVICES] = {"services": [nova_service()]}
    assert unread(nova.services()) == frozenset()


HYPERVISORS = "/v2.1/os-hypervisors/detail?hypervisor_hostname_pattern=node%201"


@pytest.mark.parametrize(("offered", "used"), [("2.100", "2.87"), ("2.60", "2.60")])
def test_what_a_host_drives(cloud, offered, used):
    """In no microversion in which Nova asks every host that it names for its uptime."""
    cloud.pages["/v2.1/"]["version"]["version"] = offered
    nova = cloud.nova()
    others = {"compute-10": "QEMU", "compute-1": "ironic"}
    cloud.pages[HYPERVISORS] = {
        "hypervisors": [{"hypervisor_type": kind, "service": {"host": host}} for host, kind in others.items()]
    }
    assert nova.hypervisor_type("compute-1", "node 1") == "ironic"
    assert cloud.asked[-1][2] == f"compute {used}"
    assert nova.hypervisor_type("compute-2", "node 1") is None
    cloud.answers["GET", HYPERVISORS] = 404
    assert nova.hypervisor_type("compute-1", "node 1") is None
    cloud.answers["GET", HYPERVISORS] = 403
    with pytest.raises(Refused):
        nova.hypervisor_type("compute-1", "node 1")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_services_of_one_host_the_one_that_reports_is_taken_and_the_other_is_not_hidden(cloud, order):
    nova = cloud.nova()
    former = nova_service(id="s1", updated_at="2026-01-01T00:00:00.000000")
    latter = nova_service(id="s2", updated_at="2026-02-01T00:00:00.000000")
    cloud.pages[SERVICES] = {"services": [former, latter][::order]}
    (found,) = nova.services().values()
    assert (found.id, found.twin) == ("s2", "s1")


def test_aggregates_cost_one_request(cloud):
    nova = cloud.nova()
    cloud.pages["/v2.1/os-aggregates"] = {
        "aggregates": [{"name": "ssd", "hosts": ["compute-1", "compute-2"]}, {"name": "empty", "hosts": []}]
    }
    before = len(cloud.asked)
    assert nova.aggregates() == {"ssd": {"compute-1", "compute-2"}, "empty": set()}
    assert len(cloud.asked) == before + 1


EXPECTED = {
    "id": "i1",
    "name": "web-1",
    "host": "compute-1",
    "vm_state": "active",
    "image": "image-1",
    "extra_specs": {"evacuable": "true"},
    "power_state": "running",
    "metadata": {"owner": "me"},
    "project": "p1",
    "zone": "az1",
    "tags": frozenset({"a", "b"}),
}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({}, {}),
        ({"image": ""}, {"image": None}),
        (
            {"image": {"id": "image-1", "properties": {"hw_tpm_version": "2.0"}}},
            {"image_properties": {"hw_tpm_version": "2.0"}},
        ),
        ({"OS-EXT-AZ:availability_zone": ""}, {"zone": None}),
        ({"OS-EXT-STS:task_state": "deleting"}, {"task_state": "deleting"}),
        ({"flavor": {"original_name": "m1"}}, {"extra_specs": {}}),
        ({"OS-SRV-USG:launched_at": None}, {"launched": False}),
        ({"fault": {"message": "No valid host was found. ", "code": 500}}, {"fault": "No valid host was found. "}),
        (
            {"fault": {"message": "KeyManagerError", "details": "Traceback:\n  one\nKeyManagerError: no\n"}},
            {"fault": "KeyManagerError", "fault_cause": "KeyManagerError: no"},
        ),
        ({"fault": {"message": "m", "details": ""}}, {"fault": "m"}),
        (
            {"fault": {"message": "m", "created": "2026-11-30T05:46:20Z"}},
            {"fault": "m", "fault_at": "2026-11-30T05:46:20"},
        ),
        ({"OS-EXT-SRV-ATTR:hypervisor_hostname": "node-7"}, {"node": "node-7"}),
        ({"OS-EXT-STS:power_state": 0}, {"power_state": "none"}),
        ({"OS-EXT-STS:power_state": 3}, {"power_state": "paused"}),
        ({"OS-EXT-STS:power_state": 4}, {"power_state": "shutdown"}),
        ({"OS-EXT-STS:power_state": 6}, {"power_state": "crashed"}),
        ({"OS-EXT-STS:power_state": 7}, {"power_state": "suspended"}),
        ({"OS-EXT-STS:power_state": 99}, {"power_state": "none"}),
    ],
)
def test_an_instance_reads_the_same_in_every_list(cloud, said, read):
    nova = cloud.nova()
    expected = Instance(**{**EXPECTED, **read})
    words, states = ("restore", "restored"), ("running", "stopped", "paused")
    wanted = [f"nova-ha%3A{word}%3D{state}" for word in words for state in states]
    tags = "%2C".join(wanted)
    cloud.pages[ON_HOST] = {"servers": [server(**said)]}
    cloud.pages["/v2.1/servers/i1"] = {"server": server(**said)}
    cloud.pages[f"/v2.1/servers/detail?all_tenants=True&tags-any={tags}"] = {"servers": [server(**said)]}
    cloud.pages[IN_ERROR] = {"servers": [server(**said)]}
    assert nova.instances("compute-1") == nova.restoring() == nova.in_error() == (expected,)
    assert nova.instance("i1") == expected


def test_instances_of_other_hosts_than_the_one_asked_for_are_refused(cloud):
    """Nova drops the filter by host, without a word, for a user without the policy servers:allow_all_filters."""
    cloud.pages[ON_HOST] = {"servers": [server("i1"), server("i2", **{"OS-EXT-SRV-ATTR:host": "compute-2"})]}
    with pytest.raises(Misconfigured, match="on compute-1, Nova answered with some on compute-2.*allow_all_filters"):
        cloud.nova().instances("compute-1")


@pytest.mark.parametrize(
    ("offered", "read", "changed"), [("2.100", "2.98", "2.94"), ("2.97", "2.97", "2.94"), ("2.60", "2.60", "2.60")]
)
def test_instances_are_read_with_what_their_images_ask_for(cloud, offered, read, changed):
    cloud.pages["/v2.1/"]["version"]["version"] = offered
    nova = cloud.nova()
    cloud.pages[ON_HOST] = {
        "servers": [server()],
        "servers_links": [{"rel": "next", "href": "http://elsewhere/?marker=x"}],
    }
    cloud.pages[f"{ON_HOST}&marker=x"] = cloud.pages[IN_ERROR] = {"servers": [server()]}
    cloud.pages["/v2.1/servers/i1"] = {"server": server()}
    before = len(cloud.asked)
    nova.instances("compute-1"), nova.in_error(), nova.instance("i1")
    assert [version for _, _, version, _ in cloud.asked[before:]] == [f"compute {read}"] * 4
    nova.evacuate(instance())
    assert cloud.asked[-1][2] == f"compute {changed}"


def test_an_instance_that_is_gone_is_none(cloud):
    nova = cloud.nova()
    cloud.answers["GET", "/v2.1/servers/i1"] = 404
    assert nova.instance("i1") is None
    cloud.answers["GET", "/v2.1/servers/i1"] = 403
    with pytest.raises(Refused):
        nova.instance("i1")


def test_resizes_to_a_host_that_wait_to_be_confirmed(cloud):
    def moved(number, kind, destination):
        return {**migration(number, "finished", dest_compute=destination), "migration_type": kind}

    records = [
        moved(4, "live-migration", "compute-1"),
        moved(3, "migration", "compute-1"),
        moved(2, "resize", "compute-1"),
        moved(1, "resize", "compute-2"),
    ]
    cloud.pages["/v2.1/os-migrations?host=compute-1&status=finished"] = {"migrations": records}
    assert [record.id for record in cloud.nova().resizes("compute-1")] == [2, 3]


@pytest.mark.parametrize(
    ("record", "going_on"),
    [
        (migration(1, "running", ago(hours=30), ago(minutes=1)), True),
        (migration(1, "accepted", ago(seconds=5)), True),  # as it was made; such a one can still start a guest
        (migration(1, "a-new-word", ago(seconds=5)), True),
        (migration(1, "running", ago(hours=30), ago(hours=25)), False),
        (migration(1, "accepted", ago(hours=25)), False),
        (migration(1, "running", ago(days=8), ago(minutes=1)), False),
    ]
    + [
        (migration(1, over, ago(minutes=2), ago(minutes=1)), False)
        for over in ("completed", "error", "failed", "cancelled", "reverted", "done")
    ]
    + [
        (migration(1, going, ago(minutes=2), ago(minutes=1)), True)
        for going in ("queued", "preparing", "accepted", "pre-migrating", "migrating", "running", "post-migrating")
    ],
)
def test_live_migrations_that_go_on(cloud, record, going_on):
    path = "/v2.1/os-migrations?host=compute-1&limit=100&migration_type=live-migration"
    cloud.pages[path] = {"migrations": [record]}
    seen = Migration(1, "i1", record["status"], "compute-1", "compute-2", record["created_at"])
    assert cloud.nova().live_migrations("compute-1") == ((seen,) if going_on else ())


def test_old_live_migrations_are_not_paged_through(cloud):
    path = "/v2.1/os-migrations?host=compute-1&limit=100&migration_type=live-migration"
    cloud.pages[path] = {
        "migrations": [migration(9, "running", ago(hours=1)), migration(1, "completed", ago(days=9))],
        "migrations_links": [{"rel": "next", "href": "http://elsewhere/?marker=x"}],
    }
    nova = cloud.nova()
    before = len(cloud.asked)
    assert [record.id for record in nova.live_migrations("compute-1")] == [9]
    assert len(cloud.asked) == before + 1


@pytest.mark.parametrize("read", [Nova.instances, Nova.migrations])
@pytest.mark.parametrize(
    ("services", "believed"),
    [
        ([nova_service()], True),
        ([], False),
        ([{"binary": "nova-compute", "host": "compute-1", "status": "UNKNOWN"}], False),
    ],
)
def test_nothing_is_believed_only_while_the_hosts_cell_answers(cloud, read, services, believed):
    nova = cloud.nova()
    cloud.pages[ON_HOST] = {"servers": []}
    cloud.pages[RECORDS] = {"migrations": []}
    cloud.pages[f"{SERVICES}?host=compute-1&binary=nova-compute"] = {"services": services}
    if believed:
        assert read(nova, "compute-1") == ()
    else:
        with pytest.raises(Unreachable, match="cell"):
            read(nova, "compute-1")


# What was asked for an instance

ACTIONS = "/v2.1/servers/i1/os-instance-actions"


def action(request, kind="evacuate", user="u", at="2026-11-28T19:00:00.000000"):
    return {"action": kind, "request_id": request, "user_id": user, "start_time": at, "message": None}


def with_events(one, *events):
    return {"instanceAction": {**one, "events": list(events)}}


def event(name, finish=None, result=None, **more):
    found = {"event": name, "start_time": "2026-11-28T19:00:01.000000", "finish_time": finish, "result": result}
    return {**found, **more}


@pytest.mark.parametrize(
    ("finish", "result", "failed"), [(None, None, False), ("t9", "Success", False), ("t9", "Error", True)]
)
def test_what_was_asked_for_an_instance(cloud, finish, result, failed):
    first, second = action("req-1", at="t1"), action("req-2", at="t2")
    cloud.pages[ACTIONS] = {"instanceActions": [action("req-3", "stop"), second, first]}
    cloud.pages[f"{ACTIONS}/req-1"] = with_events(
        first,
        event("compute_rebuild_instance", finish, result, host="compute-2"),
        event("rebuild_server", "t3", "Success", host="control-1"),
    )
    cloud.pages[f"{ACTIONS}/req-2"] = with_events(second)
    begun = "2026-11-28T19:00:01.000000"
    assert cloud.nova().evacuation_requests("i1") == Requests(
        (
            Request(
                "req-1",
                "t1",
                Event(begun, "t3", False, "control-1"),
                Event(begun, finish, failed, "compute-2"),
            ),
            Request("req-2", "t2"),
        )
    )
    # As many actions as an instance may have had since it was asked for.
    assert [path for _, path, *_ in cloud.asked][-3] == f"{ACTIONS}?limit=20"


def test_who_asked_for_what(cloud):
    cloud.pages[ACTIONS] = {
        "instanceActions": [action("req-3", "stop", None), action("req-2", "reboot"), action("req-1", user="owner")]
    }
    at = 1795892400.0
    assert cloud.nova().instance_actions("i1") == (
        NovaAction("stop", at, By.NOVA),
        NovaAction("reboot", at, By.US),
        NovaAction("evacuate", at, By.ANOTHER),
    )
    assert [path for _, path, *_ in cloud.asked][-1] == f"{ACTIONS}?limit=50"


def test_an_older_nova_does_not_tell_where_it_is(cloud):
    """Microversions before 2.62."""
    cloud.pages[ACTIONS] = {"instanceActions": [action("req-1")]}
    cloud.pages[f"{ACTIONS}/req-1"] = with_events(action("req-1"), event("rebuild_server"))
    assert cloud.nova().evacuation_requests("i1").all[0].conductor.host is None


@pytest.mark.parametrize(
    ("details", "no_host", "may_run"),
    [
        (None, False, False),
        ("No valid host was found. x", True, False),
        ("MessagingTimeout", False, True),
        ("Instance instance-00000005 already exists.", False, True),
        ("Conflict updating instance 1. Expected: {'task_state': ['rebuild_spawning']}. Actual: ...", False, True),
        ("Failed to update allocations for consumer 1. Error: another process changed the consumer", False, False),
    ],
)
def test_why_a_request_failed_is_told(cloud, details, no_host, may_run):
    one = action("req-1")
    cloud.pages[ACTIONS] = {"instanceActions": [one]}
    cloud.pages[f"{ACTIONS}/req-1"] = with_events(one, event("rebuild_server", "t3", "Error", details=details))
    ended = cloud.nova().evacuation_requests("i1").all[0].conductor
    assert (ended.found_no_host, ended.may_run) == (no_host, may_run)


def test_a_user_who_may_not_read_events_is_told_so(cloud):
    cloud.pages[ACTIONS] = {"instanceActions": [action("req-1")]}
    cloud.pages[f"{ACTIONS}/req-1"] = {"instanceAction": action("req-1")}
    with pytest.raises(Misconfigured, match="events"):
        cloud.nova().evacuation_requests("i1")


def test_a_request_that_is_over_is_not_read_again(cloud):
    """An instance that finds no room has many."""
    over, going_on = action("req-1"), action("req-2")
    cloud.pages[ACTIONS] = {"instanceActions": [going_on, over]}
    cloud.pages[f"{ACTIONS}/req-1"] = with_events(over, event("rebuild_server", "t3", "Error"))
    cloud.pages[f"{ACTIONS}/req-2"] = with_events(going_on, event("rebuild_server"))
    nova = cloud.nova()
    first, before = nova.evacuation_requests("i1"), len(cloud.asked)
    assert nova.evacuation_requests("i1") == first
    assert [path for _, path, *_ in cloud.asked[before:]] == [f"{ACTIONS}?limit=20", f"{ACTIONS}/req-2"]


@pytest.mark.parametrize(
    ("resets", "found"),
    [
        ([], None),
        ([("u", "t1")], None),  # our own
        ([("operator", "t1")], "t1"),
        ([("u", "t3"), ("operator", "t2"), ("operator", "t1")], "t2"),
    ],
)
def test_only_another_users_reset_is_an_operators_word(cloud, resets, found):
    cloud.pages[ACTIONS] = {"instanceActions": [action("r", "resetState", user, at) for user, at in resets]}
    assert cloud.nova().evacuation_requests("i1").reset == found


def test_who_does_not_know_who_he_is_takes_nobody_for_another(cloud, monkeypatch):
    """Credentials without a user: keystoneauth knows such."""
    nova = cloud.nova()
    monkeypatch.setattr(Access, "user_id", lambda self: None)
    cloud.pages[ACTIONS] = {"instanceActions": [action("r", "resetState", "operator")]}
    assert nova.evacuation_requests("i1").reset is None


def test_who_we_are_is_asked_of_keystone_where_it_matters(cloud):
    access = Access(*cloud.session())
    cloud.answers[TOKENS] = 503
    with pytest.raises(Unreachable):
        access.user_id()
    cloud.answers.clear()
    assert access.user_id() == "u"


def claimed(cloud, *providers):
    cloud.catalog["placement"] = f"{cloud.url}/placement"
    cloud.pages["/placement/allocations/i1"] = {"allocations": {each: {} for each in providers}}
    for each in ("p1", "p2"):
        host = {"hypervisor": {"id": each, "service": {"host": f"compute-{each[1]}"}}}
        cloud.pages[f"/v2.1/os-hypervisors/{each}"] = host


def test_what_is_claimed_for_an_instance(cloud):
    claimed(cloud, "p1", "p2")
    nova = cloud.nova()
    before = len(cloud.asked)
    assert nova.claims("i1") == {"compute-1", "compute-2"}
    assert len(cloud.asked) == before + 3
    assert nova.claims("i1") == {"compute-1", "compute-2"}  # whose they are does not change
    assert len(cloud.asked) == before + 4


@pytest.mark.parametrize(("offered", "used"), [("2.100", "2.87"), ("2.60", "2.60")])
def test_whose_a_claim_is_nova_tells_without_asking_that_host(cloud, offered, used):
    """It may be dead, or the bus away: from 2.88 on Nova waits a minute for its uptime then."""
    cloud.pages["/v2.1/"]["version"]["version"] = offered
    claimed(cloud, "p1")
    cloud.nova().claims("i1")
    assert cloud.asked[-1][1:3] == ("/v2.1/os-hypervisors/p1", f"compute {used}")


def test_what_is_claimed_of_a_network_or_a_device_is_no_hosts(cloud):
    """A port with a guaranteed bandwidth, a virtual GPU: Nova knows no hypervisor of that id."""
    claimed(cloud, "p1", "a-bridge")
    cloud.answers["GET", "/v2.1/os-hypervisors/a-bridge"] = 404
    nova = cloud.nova()
    assert nova.claims("i1") == {"compute-1"}
    before = len(cloud.asked)
    assert nova.claims("i1") == {"compute-1"}
    assert len(cloud.asked) == before + 1


@pytest.mark.parametrize("where", ["/placement/allocations/i1", "/v2.1/os-hypervisors/p2"])
@pytest.mark.parametrize("answer", [403, 500, 503, "drop"])
def test_claims_that_cannot_be_read_are_not_none(cloud, where, answer):
    claimed(cloud, "p1", "p2")
    cloud.answers["GET", where] = answer
    with pytest.raises((Refused, Unreachable)):
        cloud.nova().claims("i1")


def test_without_placement_in_the_catalog_claims_are_not_known(cloud):
    with pytest.raises(Misconfigured, match="placement"):
        cloud.nova().claims("i1")


def test_when_each_conductor_reported(cloud):
    """Several of one host are told apart by nothing: any of them may be the one that lives."""
    reports = [("control-1", "t5"), ("control-1", "t9"), ("control-1", None), ("control-2", "t1"), ("control-3", None)]
    binary = {"binary": "nova-conductor"}
    found = [{**binary, "host": host, "status": "enabled", "updated_at": report} for host, report in reports]
    away = {**binary, "host": "control-4", "status": "UNKNOWN"}
    scheduler = {"binary": "nova-scheduler", "host": "control-5", "status": "enabled", "updated_at": "t9"}
    cloud.pages[SERVICES] = {"services": [nova_service(), *found, away, scheduler]}
    services = cloud.nova().services()
    assert conductors(services) == {"control-1": "t9", "control-2": "t1", "control-3": ""}
    assert set(services) == {"compute-1"} and not unread(services)


READ = {
    SERVICES: Nova.services,
    RECORDS: lambda nova: nova.migrations("compute-1"),
    "/v2.1/servers/i1": lambda nova: nova.instance("i1"),
}


@pytest.mark.parametrize(
    ("path", "page", "error", "text"),
    [
        ("/v2.1/servers/i1", {"server": {"id": "i1", "status": "UNKNOWN"}}, Unreachable, "cell of i1"),
        ("/v2.1/servers/i1", {"server": {"id": "i1", "name": "n"}}, Misconfigured, "lack .*admin role"),
        (RECORDS, {"migrations": [migration(1, source_compute=None)]}, Misconfigured, "source_compute.*admin role"),
        (SERVICES, {"message": "maintenance"}, Unreachable, "not OpenStack"),
        (SERVICES, {"services": ["compute-1"]}, Unreachable, "not OpenStack"),
        (SERVICES, [], Unreachable, "not OpenStack"),
        (SERVICES, {"services": None}, Unreachable, "not Nova"),
        (SERVICES, {"services": [nova_service(), None]}, Unreachable, "not Nova"),
        (RECORDS, {"migrations": [{}, migration(1)]}, Unreachable, "not Nova"),
        (SERVICES, b"<html>maintenance</html>", Unreachable, "not OpenStack"),
    ],
)
def test_an_answer_that_is_none_is_told_from_one(cloud, path, page, error, text):
    nova = cloud.nova()
    cloud.pages[path] = page
    before = len(cloud.asked)
    with pytest.raises(error, match=text):
        READ[path](nova)
    assert len(cloud.asked) == before + 1


def test_a_reader_has_nothing_that_changes(cloud):
    reader = cloud.reader()
    assert reader.services() == {} and not isinstance(reader, Nova)
    assert [change for change in CHANGES if hasattr(reader, change)] == []


# What is changed


@pytest.mark.parametrize(
    ("change", "method", "path", "body"),
    [
        (lambda nova: nova.confirm_resize(instance()), "POST", "servers/i1/action", {"confirmResize": None}),
        (lambda nova: nova.force_down(service(), True), "PUT", "os-services/id-compute-1", {"forced_down": True}),
        (
            lambda nova: nova.force_down(service(), True, enabled=False, reason="why"),
            "PUT",
            "os-services/id-compute-1",
            {"forced_down": True, "status": "disabled", "disabled_reason": "why"},
        ),
        (
            lambda nova: nova.force_down(service(), False, enabled=True),
            "PUT",
            "os-services/id-compute-1",
            {"forced_down": False, "status": "enabled"},
        ),
        (
            lambda nova: nova.disable(service(), "why"),
            "PUT",
            "os-services/id-compute-1",
            {"status": "disabled", "disabled_reason": "why"},
        ),
        (lambda nova: nova.enable(service()), "PUT", "os-services/id-compute-1", {"status": "enabled"}),
        (lambda nova: nova.evacuate(instance()), "POST", "servers/i1/action", {"evacuate": {}}),
        (lambda nova: nova.evacuate(instance(), "c-3"), "POST", "servers/i1/action", {"evacuate": {"host": "c-3"}}),
        (
            lambda nova: nova.reset_state(instance(), "error"),
            "POST",
            "servers/i1/action",
            {"os-resetState": {"state": "error"}},
        ),
        (lambda nova: nova.stop(instance()), "POST", "servers/i1/action", {"os-stop": None}),
        (lambda nova: nova.pause(instance()), "POST", "servers/i1/action", {"pause": None}),
        (lambda nova: nova.reboot(instance()), "POST", "servers/i1/action", {"reboot": {"type": "HARD"}}),
        (lambda nova: nova.delete(instance()), "DELETE", "servers/i1", None),
        (lambda nova: nova.tag(instance(), "a:b=c"), "PUT", "servers/i1/tags/a%3Ab%3Dc", None),
        (lambda nova: nova.untag(instance(), "a:b=c"), "DELETE", "servers/i1/tags/a%3Ab%3Dc", None),
    ],
)
def test_a_change_is_one_request_and_its_id_is_what_an_operator_can_search_for(cloud, change, method, path, body):
    nova = cloud.nova()
    before = len(cloud.asked)
    assert change(nova) == "req-7"
    ((asked, where, _, sent),) = cloud.asked[before:]
    assert (asked, where) == (method, f"/v2.1/{path}")
    assert (json.loads(sent) if sent else None) == body


CHANGED = {
    "force_down": lambda nova: nova.force_down(service(), True),
    "disable": lambda nova: nova.disable(service(), "why"),
    "enable": lambda nova: nova.enable(service()),
    "reset_state": lambda nova: nova.reset_state(instance(), "error"),
    "tag": lambda nova: nova.tag(instance(), "x"),
    "untag": lambda nova: nova.untag(instance(), "x"),
}
for name in set(CHANGES) - CHANGED.keys():
    CHANGED[name] = lambda nova, name=name: getattr(nova, name)(instance())
CHANGED_PATHS = ["/v2.1/os-services/id-compute-1"]
CHANGED_PATHS += [f"/v2.1/servers/i1{path}" for path in ("", "/action", "/tags/x")]


@pytest.mark.parametrize("page", [b"", b"<html>", 5, "text", None, [], ["a"], {"service": "gone"}, {"a": {"b": 1}}])
@pytest.mark.parametrize("change", CHANGES)
def test_nova_s_words_about_a_change_that_it_has_taken_do_not_matter(cloud, change, page):
    """Whoever stumbled over them would not know that it is done."""
    nova = cloud.nova()
    cloud.pages.update(dict.fromkeys(CHANGED_PATHS, page))
    before = len(cloud.asked)
    assert CHANGED[change](nova) == "req-7"
    assert len(cloud.asked) == before + 1


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("answer", [500, 502, 504, "drop"])
def test_a_change_is_never_asked_for_again_by_itself_and_a_lost_answer_is_told_as_one(cloud, change, answer):
    nova = cloud.nova()
    cloud.answers.update({(method, path): answer for method in ("POST", "PUT", "DELETE") for path in CHANGED_PATHS})
    before = len(cloud.asked)
    with pytest.raises(Unreachable) as caught:
        CHANGED[change](nova)
    assert caught.value.sent is True
    assert len(cloud.asked) == before + 1


def test_what_has_no_request_id_did_not_come_from_nova(cloud):
    nova = cloud.nova()
    cloud.headers = {"x-compute-request-id": "req-8"}
    assert nova.evacuate(instance()) == "req-8"
    cloud.headers = {}
    with pytest.raises(Unreachable, match="not Nova") as caught:
        nova.evacuate(instance())
    assert caught.value.sent is True


# What failures mean


@pytest.mark.parametrize(
    ("answer", "error", "sent"),
    [
        (400, Refused, None),
        (403, Refused, None),
        (409, Refused, None),
        (413, Refused, None),
        ((413, {"Retry-After": "3"}), Busy, False),
        (429, Busy, False),
        (500, Unreachable, True),
        (502, Unreachable, True),
        (503, Busy, False),
        (504, Unreachable, True),
        ("drop", Unreachable, True),
    ],
)
def test_what_an_answer_says_of_the_request(cloud, answer, error, sent):
    nova = cloud.nova()
    cloud.answers[EVACUATE] = answer
    with pytest.raises(error) as caught:
        nova.evacuate(instance())
    assert type(caught.value) is error
    if sent is not None:
        assert caught.value.sent is sent
    # No layer below may repeat it.
    assert len(cloud.posts()) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("soon", None),
        ("-3", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_a_busy_cloud_wants_to_be_left_alone(cloud, status, header, seconds):
    nova = cloud.nova()
    cloud.answers[EVACUATE] = (status, {"Retry-After": header} if header else {})
    with pytest.raises(Busy) as caught:
        nova.evacuate(instance())
    assert caught.value.retry_after == seconds


def test_a_date_to_come_back_at(cloud):
    nova = cloud.nova()
    date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=100)
    cloud.answers[EVACUATE] = (503, {"Retry-After": f"{date:%a, %d %b %Y %H:%M:%S GMT}"})
    with pytest.raises(Busy) as caught:
        nova.evacuate(instance())
    assert 80 < caught.value.retry_after <= 100


def test_nova_is_quoted_in_one_line(cloud):
    nova = cloud.nova()
    cloud.answers[EVACUATE] = 409
    cloud.pages[EVACUATE[1]] = {"conflictingRequest": {"message": "Cannot 'evacuate'\ninstance i1", "code": 409}}
    with pytest.raises(Refused) as caught:
        nova.evacuate(instance())
    assert str(caught.value) == "Cannot 'evacuate' instance i1 (HTTP 409, request req-7)"
    cloud.pages[EVACUATE[1]] = b"<html>"
    with pytest.raises(Refused, match=r"^Conflict \(HTTP 409, request req-7\)$"):
        nova.evacuate(instance())


def test_a_redirect_that_leads_nowhere_is_no_success(cloud):
    nova = cloud.nova()
    cloud.answers[EVACUATE] = (302, {})
    with pytest.raises(Unreachable, match="HTTP 302"):
        nova.evacuate(instance())


def test_a_request_that_never_left_is_known_not_to_have_happened(cloud):
    nova = cloud.nova()
    cloud.shutdown()
    cloud.server_close()
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        nova.evacuate(instance())
    assert caught.value.sent is False


@pytest.mark.parametrize(("hangs", "sent"), [(EVACUATE, True), (TOKENS, False)])
def test_every_request_has_a_time_limit(cloud, impatient, hangs, sent):
    nova = cloud.nova(config=impatient)
    cloud.revoke()
    cloud.answers[hangs] = "hang"
    with pytest.raises(Unreachable, match="timed out") as caught:
        nova.evacuate(instance())
    assert caught.value.sent is sent
    assert str(caught.value).count("timed out") == 1 and "buffering" not in str(caught.value)
    assert len(cloud.posts()) == (1 if sent else 0)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"password": "wrong-one"}, "credentials are refused"),
        ({"region_name": "Atlantis"}, "Atlantis"),
        ({"auth_url": "{url}/elsewhere"}, "auth_url is correct"),
        ({"auth_url": "{url}/elsewhere/v3"}, "auth_url is correct"),
        ({"auth_url": "https://127.0.0.1:{port}/v3"}, "SSL"),
        ({"endpoint_type": "adminURL"}, "admin"),
    ],
)
def test_what_only_an_operator_can_mend_is_said_without_the_password(cloud, caplog, more, text):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Misconfigured, match=text) as caught:
        cloud.nova(**more)
    assert_no_secret(caught.value, caplog)


@pytest.mark.parametrize("answer", [400, 401, 403, 409, 429, 500, 502, 503, "drop"])
@pytest.mark.parametrize("where", [EVACUATE, TOKENS])
def test_no_failure_shows_a_secret(cloud, caplog, where, answer):
    caplog.set_level(logging.DEBUG)
    nova = cloud.nova()
    cloud.revoke()
    cloud.answers[where] = answer
    with pytest.raises((Unreachable, Refused, Misconfigured)) as caught:
        nova.evacuate(instance())
    assert_no_secret(caught.value, caplog)


def assert_no_secret(error, caplog):
    # These log what is sent, with more or less care, at DEBUG.
    clients = ("keystoneauth", "novaclient")
    assert [record for record in caplog.records if record.name.startswith(clients) and record.levelno < 30] == []
    told = [caplog.text]
    while error is not None:
        told += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    for secret in ("sesame", "wrong-one", "token-"):
        assert secret not in "\n".join(told)


def test_a_user_who_may_not_administer_nova_is_found_out_at_once(cloud):
    cloud.answers["GET", SERVICES] = 403
    with pytest.raises(Misconfigured, match="must have the role that administers Nova .admin.*HTTP 403"):
        cloud.nova()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"password": "wrong-one"}, "they are of user u (domain d) in project t (domain d)"),
        ({"region_name": "Atlantis"}, "no internal endpoint of the compute service in region Atlantis for user u "),
        ({"region_name": "Atlantis"}, ", but internal in R"),
        ({"auth_url": "{url}/elsewhere"}, "/elsewhere: "),
    ],
)
def test_a_mistake_is_said_with_what_leads_to_it(cloud, more, said):
    with pytest.raises(Misconfigured) as caught:
        cloud.nova(**more)
    assert said in str(caught.value)


def test_a_name_that_nobody_has_may_be_a_mistake():
    with running() as cloud, pytest.raises(WrongAddress, match="keystone.invalid.*not known"):
        cloud.nova(auth_url="http://keystone.invalid:5000/v3")


@pytest.mark.parametrize(
    ("pages", "tokens"), [({TOKENS[1]: b"<html>It works!</html>"}, 200), ({"/v3": {}, TOKENS[1]: {}}, 404)]
)
def test_what_is_no_keystone_is_told_from_one_that_is_away(cloud, pages, tokens):
    cloud.pages.update(pages)
    cloud.answers[TOKENS] = tokens
    with pytest.raises((WrongAddress, Misconfigured)) as caught:
        cloud.nova()
    assert cloud.url in str(caught.value)


def test_every_request_shows_as_progress_and_none_takes_for_ever_to_connect(cloud, monkeypatch):
    begun, timeouts = [], []
    send = TCPKeepAliveAdapter.send
    monkeypatch.setattr(
        TCPKeepAliveAdapter, "send", lambda *given, timeout, **more: timeouts.append(timeout) or send(*given, **more)
    )
    conf = loader.load({"auth_url": f"{cloud.url}/v3", **PARAMETERS})
    loader.cloud(conf, before_request=lambda: begun.append("request")).connect()
    assert len(begun) == cloud.asked_for_tokens + len(cloud.asked)
    assert set(timeouts) == {(CONNECT_TIMEOUT, 45.0)}


def test_a_catalog_that_leads_elsewhere_is_an_operators_to_mend(cloud):
    cloud.answers[("GET", "/v2.1/")] = 404
    with pytest.raises(Misconfigured, match="Nova is not where Keystone says"):
        cloud.nova()


@pytest.mark.parametrize("path", ["/v2.1/", TOKENS[1]])
def test_what_is_not_openstack_is_waited_out(cloud, path):
    cloud.pages[path] = b"<html>maintenance</html>"
    cloud.answers[TOKENS] = 200 if path == TOKENS[1] else 201
    with pytest.raises(Unreachable, match="not OpenStack"):
        cloud.nova()


# Tokens that are revoked, Keystones that are away, endpoints that move


def test_a_revoked_token_is_replaced_unnoticed(cloud):
    nova = cloud.nova()
    cloud.revoke()
    assert nova.evacuate(instance()) == "req-7"
    assert (len(cloud.posts()), len(cloud.tokens)) == (1, 2)


def test_a_token_is_replaced_before_it_expires(cloud):
    cloud.expire_at = ago(seconds=-5) + "Z"
    nova = cloud.nova()
    cloud.revoke()
    cloud.expire_at = "2999-01-01T00:00:00Z"
    asked = len(cloud.tokens)
    assert nova.evacuate(instance()) == nova.evacuate(instance()) == "req-7"
    # The old one is not even tried.
    assert (len(cloud.posts()), len(cloud.tokens) - asked, cloud.refused) == (2, 1, 0)


def test_threads_replace_a_revoked_token_once(cloud):
    nova = cloud.nova()
    cloud.revoke()
    in_threads(8, nova.services)
    assert cloud.asked_for_tokens == 2


def test_a_token_that_is_refused_anew_is_not_tried_for_ever(cloud):
    nova = cloud.nova()
    cloud.answers[EVACUATE] = 401
    with pytest.raises(Misconfigured, match="credentials are refused"):
        nova.evacuate(instance())
    assert (len(cloud.posts()), cloud.asked_for_tokens) == (2, 2)


@pytest.mark.parametrize("away", [500, 502, 503, 504, "drop"])
def test_a_keystone_that_is_away_is_survived_and_nothing_was_sent(cloud, away):
    nova = cloud.nova()
    cloud.revoke()
    cloud.answers[TOKENS] = away
    with pytest.raises(Unreachable) as caught:
        nova.evacuate(instance())
    assert (caught.value.sent, cloud.posts()) == (False, [])
    del cloud.answers[TOKENS]
    assert nova.evacuate(instance()) == "req-7"


def test_threads_wait_together_for_a_keystone_that_does_not_answer(cloud, impatient):
    nova = cloud.nova(config=impatient)
    cloud.revoke()
    cloud.answers[TOKENS] = "hang"
    failures = in_threads(4, nova.services)
    assert [str(failure) for failure in failures] == [str(failures[0])] * 4
    assert "timed out" in str(failures[0])
    assert cloud.asked_for_tokens == 2


def in_threads(count, call):
    """Call that many times side by side; the errors it raised."""
    failures = []

    def work():
        try:
            call()
        except (Unreachable, Misconfigured) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_an_endpoint_that_moved_is_found(cloud):
    with running() as old:
        cloud.catalog["compute"] = f"{old.url}/v2.1"
        nova = cloud.nova()
        nova.services()
        assert old.asked
    old.server_close()
    cloud.catalog["compute"] = f"{cloud.url}/v2.1"
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        nova.evacuate(instance())
    assert (caught.value.sent, cloud.posts()) == (False, [])
    assert nova.evacuate(instance()) == "req-7"


def test_a_service_that_is_gone_from_the_catalog_for_a_while_is_found_again(cloud):
    nova = cloud.nova()
    where = cloud.catalog.pop("compute")
    cloud.revoke()
    with pytest.raises(Misconfigured, match="compute"):
        nova.services()
    cloud.catalog["compute"] = where
    assert nova.services() == {}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_keystone_is_not_asked_for_the_catalog_all_the_time(cloud):
    clock = Clock()
    access = Access(*cloud.session(), clock=clock)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        cloud.catalog["compute"] = f"http://127.0.0.1:{port}"
        asked = []
        for _ in range(6):
            with pytest.raises(Unreachable, match="refused"):
                access.request("compute", "GET", "/")
            asked.append(cloud.asked_for_tokens)
            clock.now += NEXT_CATALOG / 2.5
    # The first request needs a token; the second doubts the catalog; from then on every ten seconds.
    assert asked == [1, 2, 2, 2, 3, 3]
    with running(port):
        # It is back where it was: there is nothing to doubt any more.
        clock.now -= NEXT_CATALOG / 2.5
        for _ in range(3):
            access.request("compute", "GET", "/")
            clock.now += 2 * NEXT_CATALOG
    assert cloud.asked_for_tokens == 3
