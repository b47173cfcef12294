# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds: nothing in a cluster that is as docs/deploy.md says, and each fault that is put into it."""

import dataclasses
from xml.etree.ElementTree import SubElement

import pytest

from nova_ha.cloud import errors
from nova_ha.cluster import configuration
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.maintenance import Maintenance, written
from nova_ha.model.room import HostRoom, Room
from tests.unit.checks import clusters


@pytest.fixture
def cluster():
    return clusters.Cluster()


@pytest.fixture
def cloud():
    return clusters.Cloud()


@pytest.fixture
def found(cluster, cloud, tmp_path):
    """Looks; returns ``{(severity, code, subject)}``."""

    def look():
        return {
            (each.severity.value, each.code.value, each.subject) for each in clusters.look(cluster, cloud, tmp_path)[1]
        }

    return look


def test_in_a_cluster_that_is_as_it_should_be_nothing_is_found(found):
    assert found() == set()


def add_node(cluster, name, **attributes):
    nodes = cluster.cib.find("configuration/nodes")
    entry = SubElement(nodes, "node", id=name, uname=name, type="remote")
    SubElement(entry, "instance_attributes", id=f"nodes-{name}")
    for key, value in attributes.items():
        cluster.attribute(name, key, value)


def rule_without_defined(cluster):
    rule = next(each for each in cluster.cib.iter("rule") if each.get("score") == "-INFINITY")
    rule.remove(rule.find("expression[@operation='defined']"))


def drop_flag_rule(cluster):
    (found,) = [each for each in cluster.cib.iter("rsc_location") if each.find("rule[@score='-INFINITY']") is not None]
    cluster.cib.find("configuration/constraints").remove(found)


def one_device_for_two(cluster):
    cluster.parameter("ipmi-compute-2", "pcmk_host_list", "compute-2,compute-1")


def one_address_twice(cluster):
    address = next(
        each.get("value") for each in cluster.find("ipmi-compute-1").iter("nvpair") if each.get("name") == "ip"
    )
    cluster.parameter("ipmi-compute-2", "ip", address)


def standing_alone(cluster):
    """compute-1's power is switched by a fence_compute of its own, without a level."""
    device = cluster.find("ipmi-compute-1")
    device.set("type", "fence_compute")
    levels = cluster.cib.find("configuration/fencing-topology")
    levels.remove(next(each for each in levels if each.get("target") == "compute-1"))


def alone_and_late(cluster):
    standing_alone(cluster)
    cluster.parameter("ipmi-compute-1", "power_agent_timeout", "90")


def no_level(cluster):
    levels = cluster.cib.find("configuration/fencing-topology")
    levels.remove(next(each for each in levels if each.get("target") == "compute-1"))


def twice(cluster):
    levels = cluster.cib.find("configuration/fencing-topology")
    SubElement(levels, "fencing-level", id="more", target="compute-1", index="1", devices="fence-nova")


def many(cluster):
    resources = cluster.cib.find("configuration/resources")
    for number in range(300):
        name = f"other-{number}"
        SubElement(SubElement(resources, "primitive", {
            "id": name, "class": "ocf", "provider": "pacemaker", "type": "remote"
        }), "instance_attributes", id=f"{name}-a")  # fmt: skip
        cluster.parameter(name, "reconnect_interval", "60")
        operations = SubElement(cluster.find(name), "operations")
        SubElement(operations, "op", id=f"{name}-m", name="monitor", interval="5", timeout="15")
        SubElement(operations, "op", id=f"{name}-s", name="start", interval="0", timeout="15")


def bad_pattern(cluster):
    no_level(cluster)
    level = {"id": "p", "target-pattern": "compute-(", "index": "1", "devices": "ipmi-compute-1,fence-nova"}
    SubElement(cluster.cib.find("configuration/fencing-topology"), "fencing-level", level)


def compute_is_down(cluster):
    for resource in cluster.status.iter("resource"):
        for node in resource.findall("node[@name='compute-2']"):
            resource.remove(node)


def dc(cluster, **values):
    cluster.status.find("summary/current_dc").attrib.update(values)


ALL = clusters.HOSTS


def at_work(cluster, since):
    cluster.attribute(
        "compute-2", "evacuate-maintenance", written(Maintenance(int(since), "alice@control-1", "kernel"))
    )
    cluster.meta("compute-2", "target-role", "Stopped")
    cluster.node("compute-2", online="false")


FAULTS = [
    (
        "stonith off",
        lambda c: c.property("stonith-enabled", "false"),
        {("error", "stonith_disabled", "stonith-enabled")},
    ),
    ("quorum", lambda c: c.property("no-quorum-policy", "ignore"), {("error", "quorum_ignored", "no-quorum-policy")}),
    ("freeze is fine", lambda c: c.property("no-quorum-policy", "freeze"), set()),
    ("no quorum", lambda c: dc(c, with_quorum="false"), {("error", "no_quorum", "cluster")}),
    ("two nodes", lambda c: c.remove("3"), {("warning", "few_control_nodes", "cluster")}),
    (
        "maintenance",
        lambda c: c.property("maintenance-mode", "true"),
        {("error", "maintenance_mode", "maintenance-mode")},
    ),
    (
        "one by one",
        lambda c: c.property("concurrent-fencing", "false"),
        {("warning", "fencing_one_by_one", "concurrent-fencing")},
    ),
    (
        "maybe one by one",
        lambda c: c.property("concurrent-fencing", None),
        {("warning", "fencing_one_by_one", "concurrent-fencing")},
    ),
    (
        "moves",
        lambda c: c.remove("rsc_defaults-meta_attributes"),
        {("warning", "no_stickiness", "resource-stickiness")},
    ),
    (
        "no probes",
        lambda c: c.property("enable-startup-probes", "false"),
        {("note", "no_startup_probes", "enable-startup-probes")},
    ),
    ("mixed", lambda c: dc(c, mixed_version="true"), {("warning", "mixed_pacemaker", "cluster")}),
    (
        "engine disabled",
        lambda c: c.meta("nova-evacuate", "target-role", "Stopped"),
        {("error", "engine_not_running", "nova-evacuate")},
    ),
    (
        "engine dead",
        lambda c: c.state("nova-evacuate", active="false", role="Stopped"),
        {("error", "engine_not_running", "nova-evacuate")},
    ),
    (
        "no failure-timeout",
        lambda c: c.meta("nova-evacuate", "failure-timeout", None),
        {("warning", "no_failure_timeout", "nova-evacuate")},
    ),
    (
        "of a device",
        lambda c: c.meta("fence-nova", "failure-timeout", None),
        {("warning", "no_failure_timeout", "fence-nova")},
    ),
    (
        "no monitor",
        lambda c: c.operation("nova-evacuate", "monitor", interval="0"),
        {("error", "no_monitor", "nova-evacuate")},
    ),
    (
        "short start",
        lambda c: c.operation("nova-compute", "start", timeout="20s"),
        {("warning", "short_timeout", "nova-compute")},
    ),
    ("long start is fine", lambda c: c.operation("nova-compute", "start", timeout="2min"), set()),
    (
        "slow connection",
        lambda c: c.operation("compute-1", "start", timeout="60s"),
        {("warning", "slow_connection", "compute-1")},
    ),
    (
        "no pause",
        lambda c: c.parameter("compute-1", "reconnect_interval", None),
        {("warning", "slow_connection", "compute-1")},
    ),
    (
        "engine anywhere",
        lambda c: c.find("location-nova-evacuate").attrib.pop("resource-discovery"),
        {("warning", "engine_not_confined", "nova-evacuate")},
    ),
    ("no rule", drop_flag_rule, {("warning", "flag_rule_missing", host) for host in ALL}),
    ("wrong rule", rule_without_defined, {("error", "flag_rule_wrong", host) for host in ALL}),
    (
        "other attribute",
        lambda c: c.parameter("nova-compute", "attribute", "rescue"),
        {("error", "attributes_differ", "nova-compute")},
    ),
    ("no level", no_level, {("error", "no_level", "compute-1")}),
    ("level twice", twice, {("error", "level_unclear", "compute-1")}),
    ("bad pattern", bad_pattern, {("error", "level_unclear", "compute-1")}),
    ("kdump alone", lambda c: c.level("compute-1", "ipmi-compute-1"), {("error", "level_without_flag", "compute-1")}),
    (
        "flag first",
        lambda c: c.level("compute-1", "fence-nova,ipmi-compute-1"),
        {("error", "level_without_flag", "compute-1")},
    ),
    ("flag alone", lambda c: c.level("compute-1", "fence-nova"), {("error", "level_without_power", "compute-1")}),
    (
        "unknown device",
        lambda c: c.level("compute-1", "ipmi-compute-9,fence-nova"),
        {("error", "unknown_device", "compute-1")},
    ),
    (
        "flags nothing",
        lambda c: c.parameter("fence-nova", "record_only", "disabled"),
        {("error", code, host) for code in ("flag_disabled", "level_without_flag") for host in ALL},
    ),
    ("alone is fine", standing_alone, set()),
    ("held back only", lambda c: c.find("nova-compute").set("type", "nova-compute-wait"), set()),
    ("alone and late", alone_and_late, {("warning", "fence_timeout", "ipmi-compute-1")}),
    (
        "one device for two",
        one_device_for_two,
        {("error", "shared_power", "compute-1"), ("note", "one_fence_at_a_time", "ipmi-compute-2")},
    ),
    ("one address twice", one_address_twice, {("error", "shared_power", "compute-1")}),
    (
        "BMC silent",
        lambda c: c.state("ipmi-compute-1", active="false", failed="true", role="Stopped"),
        {("error", "device_failed", "ipmi-compute-1")},
    ),
    (
        "device disabled",
        lambda c: c.meta("ipmi-compute-1", "target-role", "Stopped"),
        {("error", "device_failed", "ipmi-compute-1")},
    ),
    (
        "connection disabled",
        lambda c: c.meta("compute-2", "target-role", "Stopped"),
        {("warning", "connection_disabled", "compute-2")},
    ),
    ("in maintenance", lambda c: at_work(c, clusters.NOW - 3600), {("note", "in_maintenance", "compute-2")}),
    ("long in maintenance", lambda c: at_work(c, clusters.NOW - 86400), {("warning", "in_maintenance", "compute-2")}),
    ("host away", lambda c: c.node("compute-2", online="false"), {("warning", "host_away", "compute-2")}),
    ("host is fenced", lambda c: c.node("compute-2", online="false", unclean="true"), set()),
    ("compute is down", compute_is_down, {("warning", "compute_not_running", "compute-2")}),
    ("unknown flag", lambda c: c.attribute("compute-1", "evacuate", "maybe"), {("error", "unknown_flag", "compute-1")}),
    (
        "flag of a former node",
        lambda c: add_node(c, "compute-8", evacuate="yes"),
        {("warning", "removed_from_cluster", "compute-8")},
    ),
    (
        "node unknown to Nova",
        many,
        {("warning", "node_not_in_nova", f"other-{n}") for n in range(300)} | {("note", "many_hosts", "cluster")},
    ),
]


@pytest.mark.parametrize(("fault", "expected"), [each[1:] for each in FAULTS], ids=[each[0] for each in FAULTS])
def test_a_fault_of_the_cluster_is_found_and_nothing_else(cluster, found, fault, expected):
    fault(cluster)
    assert found() == expected


def test_a_host_in_recovery_that_is_off_is_where_it_should_be(cluster, found):
    cluster.node("compute-1", online="false")
    assert found() == set()


def test_two_hosts_behind_one_power_are_named_without_what_may_be_a_password(cluster, cloud, tmp_path):
    for host in ("compute-1", "compute-2"):
        cluster.parameter(f"ipmi-{host}", "ip", "192.0.2.9")
        cluster.parameter(f"ipmi-{host}", "power_options", "password=sesame")
    (finding,) = clusters.look(cluster, cloud, tmp_path)[1]
    assert finding.code.value == "shared_power" and "fence_ipmilan at 192.0.2.9)" in finding.text
    assert "sesame" not in str(finding)


@pytest.mark.parametrize(
    ("size", "buffer", "version", "expected"),
    [
        (100_000, None, "2.1.5", set()),
        (110_000, None, "2.1.5", {("warning", "large_configuration", "cluster")}),
        (140_000, None, "2.1.5", {("error", "large_configuration", "cluster")}),
        (140_000, 1048576, "2.1.5", set()),
        (140_000, None, "3.0.1", set()),
    ],
)
def test_a_configuration_that_does_not_fit_a_message_is_found(
    cluster, found, tmp_path, monkeypatch, size, buffer, version, expected
):
    parse = configuration.parse
    monkeypatch.setattr(configuration, "parse", lambda cib, _size: parse(cib, size))
    dc(cluster, version=version)
    if buffer:
        (tmp_path / "etc/default").mkdir(parents=True)
        (tmp_path / "etc/default/pacemaker").write_text(f"# PCMK_ipc_buffer=1\nPCMK_ipc_buffer={buffer}\n")
    assert found() == expected


def test_pacemaker_3_fences_side_by_side_by_itself(cluster, found):
    cluster.property("concurrent-fencing", None)
    cluster.status.find("summary/current_dc").set("version", "3.0.1-1.el10")
    assert found() == set()


def test_a_level_is_mended_by_the_command_that_is_given(cluster, cloud, tmp_path):
    cluster.level("compute-1", "ipmi-compute-1")
    (finding,) = clusters.look(cluster, cloud, tmp_path)[1]
    delete, add = finding.command.split(" && ")
    assert delete == "pcs stonith level delete 1 target compute-1"
    assert add == "pcs stonith level add 1 compute-1 ipmi-compute-1 fence-nova"


def test_without_an_engine_neither_flags_nor_the_cloud_are_asked(cluster, cloud, found):
    cluster.remove("nova-evacuate")
    assert ("error", "no_engine", "cluster") in found()
    assert cloud.asked == []


def test_a_cluster_that_does_not_answer_is_a_finding(cluster, found):
    cluster.away = True
    assert found() == {("error", "cluster_away", "cluster")}


def test_the_cloud_is_asked_by_the_file_while_the_cluster_is_away(cluster, cloud, found, tmp_path):
    cluster.away = True
    (tmp_path / "nova-ha.conf").write_text("[nova]\nauth_type = password\n[recovery]\n")
    (tmp_path / "nova-ha.conf").chmod(0o600)
    cloud.answers["connect"] = errors.CredentialsRefused("the credentials are refused")
    assert found() == {("error", "cluster_away", "cluster"), ("error", "credentials_refused", "cloud")}


# The cloud


def answer(cloud, **answers):
    cloud.answers.update(answers)


def without(cloud, host):
    del cloud.known[host]


def change(cloud, host, **values):
    cloud.known[host] = dataclasses.replace(cloud.known[host], **values)


def more(cloud, *hosts, **values):
    for host in hosts:
        cloud.known[host] = dataclasses.replace(cloud.known["compute-1"], host=host, **values)
        cloud.answers["room"] = Room({**cloud.answers["room"].hosts, host: HostRoom({})})


def full_names(cloud):
    for host in ALL:
        more(cloud, f"{host}.example.org")
    cloud.answers.update(room=Room())
    for host in ALL:
        without(cloud, host)


def two_alike(cloud):
    more(cloud, "compute-1.a", "compute-1.b")
    without(cloud, "compute-1")


def late(cloud, report, hosts=ALL):
    for host in hosts:
        change(cloud, host, last_report=report)


FULL = Room({host: HostRoom({"VCPU": 8, "MEMORY_MB": 512}, {"VCPU": 3, "MEMORY_MB": 512}) for host in ALL})
CLOUD_FAULTS = [
    ("away", lambda c: answer(c, connect=errors.Unreachable("refused")), {("error", "cloud_away", "cloud")}),
    (
        "password",
        lambda c: answer(c, connect=errors.CredentialsRefused("no")),
        {("error", "credentials_refused", "cloud")},
    ),
    ("region", lambda c: answer(c, connect=errors.NotOffered("no")), {("error", "no_endpoint", "cloud")}),
    ("too old", lambda c: answer(c, connect=errors.TooOld("no")), {("error", "nova_too_old", "cloud")}),
    ("role", lambda c: answer(c, connect=errors.RightMissing("no")), {("error", "right_missing", "cloud")}),
    ("anything else", lambda c: answer(c, connect=errors.Misconfigured("no")), {("error", "cloud_refuses", "cloud")}),
    (
        "one right",
        lambda c: answer(c, migrations=errors.Refused("policy", 403)),
        {("error", "right_missing", "migrations")},
    ),
    ("placement", lambda c: answer(c, room=errors.NotOffered("no")), {("warning", "no_endpoint", "placement")}),
    (
        "glance",
        lambda c: answer(c, selection=Selection(False, None, "no")),
        {("warning", "selection_unknown", "image")},
    ),
    ("service", lambda c: answer(c, aggregates=errors.Unreachable("no")), {("warning", "service_away", "aggregates")}),
    ("regions", lambda c: answer(c, regions=frozenset({"a", "b"})), {("error", "region_not_set", "region_name")}),
    ("clock", lambda c: answer(c, clock_offset=-9.0), {("warning", "clock_differs", "this node")}),
    (
        "clock, badly",
        lambda c: (answer(c, clock_offset=500.0), late(c, None)),
        {("error", "clock_differs", "this node")},
    ),
    ("reports", lambda c: late(c, "2026-11-29T19:15:03.000000"), {("warning", "reports_rare", "report_interval")}),
    ("one late report", lambda c: late(c, "2026-11-29T19:15:03.000000", ["compute-1"]), set()),
    ("down late", lambda c: late(c, "2026-11-29T19:14:03.000000", ["compute-1"]), {("note", "down_late", "compute-1")}),
    ("room", lambda c: answer(c, room=FULL), {("warning", "no_room_for_host", host) for host in ALL}),
    ("unknown host", lambda c: without(c, "compute-1"), {("warning", "node_not_in_nova", "compute-1")}),
    ("cell away", lambda c: (without(c, "compute-1"), setattr(c.known, "unread", frozenset({"compute-1"}))), set()),
    ("not watched", lambda c: more(c, "compute-9"), {("error", "host_not_watched", "compute-9")}),
    ("disabled", lambda c: more(c, "compute-9", enabled=False), {("note", "host_not_watched", "compute-9")}),
    (
        "drives no guests",
        lambda c: (more(c, "compute-9"), c.answers["room"].hosts.pop("compute-9")),
        {("note", "host_not_watched", "compute-9")},
    ),
    ("two services", lambda c: change(c, "compute-1", twin="id-2"), {("error", "two_services", "compute-1")}),
    ("full names", full_names, set()),
    (
        "ambiguous",
        two_alike,
        {
            ("error", "ambiguous_host", "compute-1"),
            ("error", "host_not_watched", "compute-1.a"),
            ("error", "host_not_watched", "compute-1.b"),
        },
    ),
]


@pytest.mark.parametrize(
    ("fault", "expected"), [each[1:] for each in CLOUD_FAULTS], ids=[each[0] for each in CLOUD_FAULTS]
)
def test_a_fault_of_the_cloud_is_found_and_nothing_else(cloud, found, fault, expected):
    late(cloud, clusters.REPORTED)
    fault(cloud)
    assert found() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[policy]\nprojects = p1\n", {("warning", "selects_nothing", "projects")}),
        ("[policy]\naggregates = rack,attic\n", {("warning", "selects_nothing", "aggregates")}),
        ("[policy]\nskip_availability_zones = moon\n", {("warning", "selects_nothing", "skip_availability_zones")}),
        ("[policy]\ntag = ha\n", {("warning", "tag_unused", "tag")}),
        ("[policy]\ntag = evacuable\n", set()),
        ("[recovery]\nworkers = none\n", {("error", "configuration_invalid", "FILE")}),
        ("[nova]\ninsecure = true\n", {("note", "tls_not_verified", "insecure")}),
    ],
)
def test_a_fault_of_the_configuration_is_found_and_nothing_else(cloud, found, tmp_path, text, expected):
    path = tmp_path / "nova-ha.conf"
    path.write_text(text)
    path.chmod(0o600)
    cloud.answers["has_instances"] = False
    assert found() == {
        (severity, code, str(path) if subject == "FILE" else subject) for severity, code, subject in expected
    }


def test_a_file_that_others_can_read_is_found(found, tmp_path):
    path = tmp_path / "nova-ha.conf"
    path.write_text("[nova]\n")
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    assert found() == {("warning", "password_readable", str(path))}
    tmp_path.chmod(0o700)
    assert found() == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("long_rpc_timeout = 3600", {("error", "nova_timeout_differs", "long_rpc_timeout")}),
        ("long_rpc_timeout = 600", set()),
        ("rpc_response_timeout = 180", {("error", "nova_timeout_differs", "rpc_response_timeout")}),
        ("report_interval = 60", {("warning", "reports_rare", "report_interval")}),
        ("service_down_time = 300", {("note", "down_late", "service_down_time")}),
        ("no_option", set()),
    ],
)
def test_nova_s_own_options_are_compared_where_they_are_on_this_node(found, tmp_path, text, expected):
    (tmp_path / "etc/nova").mkdir(parents=True)
    (tmp_path / "etc/nova/nova.conf").write_text(f"[DEFAULT]\n{text}\n[libvirt]\nlong_rpc_timeout = 9999\n")
    assert found() == expected


def test_a_file_that_is_not_what_was_installed_is_found(found, tmp_path):
    for name in ("manifest", "agent"):
        (tmp_path / "usr/lib/nova-ha").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"usr/lib/nova-ha/{name}").write_text("x")
    known = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    lines = [f"{known}  /usr/lib/nova-ha/agent", f"{'0' * 64}  /usr/lib/nova-ha/manifest", f"{known}  /usr/gone"]
    (tmp_path / "usr/lib/nova-ha/MANIFEST").write_text("\n".join(lines) + "\n")
    assert found() == {("error", "file_changed", path) for path in ("/usr/lib/nova-ha/manifest", "/usr/gone")}


def test_a_host_that_is_not_a_compute_host_needs_no_level(cluster, cloud, found):
    """A remote node may be there for something else."""
    without(cloud, "compute-1")
    cluster.level("compute-1", "ipmi-compute-1")
    assert found() == {("warning", "node_not_in_nova", "compute-1")}


def test_the_cloud_is_asked_few_questions_and_for_one_host_only(cloud, found):
    found()
    assert len(cloud.asked) == len(set(cloud.asked)) <= 9
    assert [each for each in cloud.asked if each[0] == "instances"] == [("instances", "compute-1")]
