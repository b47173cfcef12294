# SPDX-License-Identifier: Apache-2.0
"""Configuration: the file, the agent's parameters over it, and what is refused."""

import sys

import pytest
from oslo_config import cfg

from nova_ha.cloud.nova import Misconfigured
from nova_ha.config import loader as config
from nova_ha.config import options
from nova_ha.policy.selection import Policy

FILE = """
[nova]
auth_type = password
auth_url = http://file/v3
username = file
password = secret-in-file
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = R
[recovery]
workers = 3
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "nova-ha.conf"
    file.write_text(FILE)
    return str(file)


def test_the_file_alone_is_enough(path):
    conf = config.load({"config": path})
    assert (conf.nova.username, conf.nova.region_name, conf.recovery.workers) == ("file", "R", 3)
    assert config.session(conf)


def test_the_agents_parameters_win(path):
    conf = config.load(
        {
            "config": path,
            "auth_url": "http://agent/v3",
            "tenant_name": "t",
            "endpoint_type": "publicURL",
            "insecure": "1",
        }
    )
    assert (conf.nova.auth_url, conf.nova.project_name, conf.nova.username) == ("http://agent/v3", "t", "file")
    assert (conf.nova.valid_interfaces, conf.nova.insecure) == (["public"], True)


def written(directory, content, name="written.conf"):
    file = directory / name
    file.write_text(content)
    return str(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[recovery]\nworkers = many", r"\[recovery\] workers: invalid value 'many': expected a whole number"),
        ("[recovery]\nin_flight = 0", r"\[recovery\] in_flight: .*1"),
        ("[recovery]\nin_flight_per_source = -1", r"\[recovery\] in_flight_per_source: .*0"),
        ("[recovery]\nno_room = panic", r"\[recovery\] no_room: .*wait, restart_in_place"),
        ("[recovery]\nstuck_after = 0", r"\[recovery\] stuck_after: .*1"),
        ("[policy]\ntag = a b", r"\[policy\] tag: .*'a b'"),
        ("[policy]\ntag =", r"\[policy\] tag: "),
        ("[policy]\nerror_instances = perhaps", r"\[policy\] error_instances: .*'perhaps'"),
        ("[order]\ngroup_patience = -1", r"\[order\] group_patience: .*0"),
        ("[guard]\nmax_share = 101", r"\[guard\] max_share: .*100"),
        ("[guard]\nmax_aggregate_share = 0", r"\[guard\] max_aggregate_share: .*1"),
        ("[guard]\nleast = 0", r"\[guard\] least: .*1"),
        ("[reserve]\ndestination = 2", r"\[reserve\] destination: "),
        ("[nova]\ntimeout = 0", r"\[nova\] timeout: invalid value 0: expected 1 to 90 seconds"),
        ("[nova]\ntimeout = 91", r"\[nova\] timeout: invalid value 91: expected 1 to 90 seconds"),
        ("[recovery]\nevacuate_delay = -1", r"\[recovery\] evacuate_delay: .*0"),
        ("[nova]\nauth_type = $x", "no such option x"),
        ("[nova]\nauth_type = magic", r"\[nova\] auth_type = magic: "),
        ("[nova]\nauth_type = password\ncloud = prod", "cloud and auth_type"),
        ("[nova]\nauth_type = password\npassword = ses$ame", r"\[nova\] password: .*\$\$"),
        ("nonsense", "line 1: neither"),
        ("[nova]\npassword sesame", "line 2: neither"),
        ("[nova", "line 1: neither"),
    ],
)
def test_a_bad_value_is_found_at_the_start_and_no_password_is_shown(tmp_path, content, said):
    path = written(tmp_path, content)
    with pytest.raises(Misconfigured, match=f"^{path}.*{said}") as caught:
        config.load({"config": path})
    shown = f"{caught.value} {caught.value.__cause__}"
    assert "ame" not in shown.replace("name", "")
    assert "LocationInfo" not in str(caught.value)


DEFAULTS = {
    "recovery": {
        "workers": 8,
        "in_flight": 100,
        "in_flight_per_source": 0,
        "in_flight_per_destination": 20,
        "no_room": "wait",
        "no_room_patience": 300,
        "stuck_after": 600,
        "long_rpc_timeout": 1800,
        "rpc_response_timeout": 60,
        "evacuate_delay": 0,
        "shared_storage": True,
        "attribute": "evacuate",
        "domain": None,
    },
    "policy": {
        "tag": "evacuable",
        "metadata_key": "evacuable",
        "skip_names": [],
        "projects": [],
        "skip_projects": [],
        "availability_zones": [],
        "skip_availability_zones": [],
        "aggregates": [],
        "skip_aggregates": [],
        "error_instances": True,
    },
    "order": {"priority_key": "nova-ha:priority", "group_key": "nova-ha:group", "groups": [], "group_patience": 300},
    "guard": {"max_hosts": 0, "max_share": 50, "max_aggregate_share": 100, "least": 3},
    "reserve": {"destination": False},
}


def test_the_defaults(path):
    conf = config.load({"config": path})
    found = {group: {name: conf[group][name] for name in conf[group]} for group in DEFAULTS}
    assert found == {**DEFAULTS, "recovery": {**DEFAULTS["recovery"], "workers": 3}}
    assert (conf.nova.timeout, conf.nova.valid_interfaces, conf.nova.cloud) == (45, ["internal"], None)
    assert config.session(conf).timeout == 45.0
    assert Policy.from_options(conf.policy) == Policy()


def test_every_option_says_what_it_does():
    options = [option for section in config.OPTIONS.values() for option in section]
    assert [option.name for option in options if not (option.help or "").endswith(".")] == []


def test_a_file_can_set_them(tmp_path):
    path = written(
        tmp_path,
        "[policy]\nskip_names = ci-*, tmp-?\nmetadata_key =\n[recovery]\nno_room = restart_in_place\n"
        "[order]\ngroups = db, web\n[guard]\nmax_hosts = 2\n[reserve]\ndestination = yes\n",
    )
    conf = config.load({"config": path})
    assert (conf.policy.skip_names, conf.policy.metadata_key) == (["ci-*", "tmp-?"], "")
    assert (conf.recovery.no_room, conf.order.groups, conf.guard.max_hosts) == ("restart_in_place", ["db", "web"], 2)
    assert conf.reserve.destination is True


def test_what_an_adapter_could_be_told_is_not_taken_where_nobody_reads_it(path):
    with pytest.raises(cfg.NoSuchOptError):
        _ = config.load({"config": path}).nova.status_code_retries


@pytest.mark.parametrize("password", ["pa$word", "$", "$$", "${HOME}", "50%(x)s$1"])
def test_a_parameter_is_taken_as_it_is_written(path, password):
    assert config.load({"config": path, "password": password}).nova.password == password


def test_a_parameter_that_nothing_uses_is_said_so(tmp_path):
    with pytest.raises(Misconfigured, match="parameter username is of no use without auth_url"):
        config.load({"config": written(tmp_path, ""), "username": "u"})


def test_the_domains_are_default_where_the_agent_s_parameters_say_nothing_else(tmp_path):
    empty = written(tmp_path, "[nova]\nproject_domain_id = default\n")
    conf = config.load({"config": empty, "auth_url": "http://k/v3", "username": "u", "password": "p"})
    assert (conf.nova.user_domain_name, conf.nova.project_domain_name) == ("Default", None)
    conf = config.load({"config": empty, "auth_url": "http://k/v3", "user_domain": "heat"})
    assert conf.nova.user_domain_name == "heat"


def test_the_agent_s_delay_counts(tmp_path):
    path = written(tmp_path, "[recovery]\nevacuate_delay = 7\n")
    assert config.load({"config": path}).recovery.evacuate_delay == 7
    assert config.load({"config": path, "evacuate_delay": "90"}).recovery.evacuate_delay == 90


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(Misconfigured, match="absent.conf"):
        config.load({"config": str(tmp_path / "absent.conf")})


def test_credentials_are_needed(tmp_path):
    file = tmp_path / "empty.conf"
    file.write_text("")
    with pytest.raises(Misconfigured, match="no credentials"):
        config.session(config.load({"config": str(file)}))


CLOUDS = """
clouds:
  prod:
    auth:
      auth_url: http://clouds/v3
      username: clouds
      password: sesame
      project_name: service
      user_domain_name: Default
      project_domain_name: Default
    region_name: R2
    interface: admin
    cacert: /etc/ca.pem
  app:
    auth_type: v3applicationcredential
    auth: {auth_url: http://clouds/v3, application_credential_id: id, application_credential_secret: sesame}
  incomplete:
    auth: {auth_url: http://clouds/v3, password: sesame, nonsense: sesame}
    auth_type: nonsense
"""


@pytest.fixture
def clouds(tmp_path, monkeypatch):
    """A directory with a clouds.yaml, and a way to name one of its clouds."""
    loader = pytest.importorskip("openstack.config.loader", reason="python3-openstacksdk is not installed")
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(tmp_path / "clouds.yaml")])
    monkeypatch.setattr(loader, "SECURE_FILES", [])
    # An operator's shell must not change what the engine's configuration means.
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", written(tmp_path, CLOUDS.replace("sesame", "shell"), "shell.yaml"))
    written(tmp_path, CLOUDS, "clouds.yaml")
    return lambda name, more="": {"config": written(tmp_path, f"[nova]\ncloud = {name}\n{more}")}


def test_a_cloud_of_clouds_yaml_gives_credentials_ca_region_and_interface(clouds):
    conf = config.load(clouds("prod"))
    session = config.session(conf)
    assert (conf.nova.region_name, conf.nova.valid_interfaces) == ("R2", ["admin"])
    assert (session.auth.auth_url, session.auth._username, session.auth._password) == (
        "http://clouds/v3",
        "clouds",
        "sesame",
    )
    assert (session.verify, session.timeout) == ("/etc/ca.pem", 45.0)


def test_a_cloud_may_have_any_kind_of_credentials(clouds):
    (method,) = config.session(config.load(clouds("app"))).auth.auth_methods
    assert method.application_credential_secret == "sesame"


def test_what_the_configuration_says_wins_over_clouds_yaml(clouds):
    conf = config.load(clouds("prod", "region_name = R1\nvalid_interfaces = internal\ncafile = /etc/own.pem\n"))
    assert (conf.nova.region_name, conf.nova.valid_interfaces) == ("R1", ["internal"])
    assert config.session(conf).verify == "/etc/own.pem"
    assert config.session(config.load(clouds("prod", "insecure = true\n"))).verify is False


def test_an_agents_auth_url_wins_over_a_cloud(clouds):
    conf = config.load({**clouds("prod"), "auth_url": "http://agent/v3", "username": "u", "password": "p"})
    assert config.session(conf).auth.auth_url == "http://agent/v3"


@pytest.mark.parametrize(("cloud", "said"), [("absent", "absent"), ("incomplete", "nonsense")])
def test_a_cloud_that_is_not_there_or_not_complete(clouds, cloud, said):
    with pytest.raises(Misconfigured, match=rf"\[nova\] cloud = {cloud}: .*{said}") as caught:
        config.load(clouds(cloud))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        # A newer openstacksdk leaves the file out and goes on.
        ("clouds:\n  prod:\n    auth:\n      password: ses: ame\n", "malformed .line 4.|not found"),
        ("clouds: [sesame]", "malformed"),
    ],
)
def test_a_malformed_clouds_yaml_is_not_quoted(clouds, tmp_path, content, said):
    written(tmp_path, content, "clouds.yaml")
    with pytest.raises(Misconfigured, match=said) as caught:
        config.load(clouds("prod"))
    assert "ame" not in str(caught.value).replace("name", "")
    assert "ame" not in str(caught.value.__cause__).replace("name", "")


def test_clouds_yaml_needs_the_sdk(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openstack", None)
    with pytest.raises(Misconfigured, match="install python3-openstacksdk"):
        config.load({"config": written(tmp_path, "[nova]\ncloud = prod\n")})


@pytest.mark.parametrize(("text", "shared"), [("true", False), ("yes", False), ("false", True), ("0", True)])
def test_the_agents_word_on_shared_storage_counts(tmp_path, text, shared):
    conf = config.load({"config": written(tmp_path, "[recovery]\nshared_storage = true\n"), "no_shared_storage": text})
    assert conf.recovery.shared_storage is shared


def test_every_option_that_is_read_is_listed_for_generators():
    listed = {group: {option.name for option in found} for group, found in config.list_opts()}
    registered = config._registered()
    for group in options.OPTIONS:
        assert {name.replace("_", "-") for name in registered[group]} <= {n.replace("_", "-") for n in listed[group]}
    assert {"auth_type", "auth-url", "cafile", "valid-interfaces", "cloud"} <= listed["nova"]
