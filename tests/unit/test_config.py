# SPDX-License-Identifier: Apache-2.0
"""Configuration: the file, the agent's parameters over it, and what is refused."""

import pytest

from nova_ha import config
from nova_ha.nova import Misconfigured

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


@pytest.mark.parametrize(
    ("content", "named"),
    [("[recovery]\nworkers = many", "workers"), ("[recovery]\nin_flight = 0", "in_flight"), ("nonsense", "nonsense")],
)
def test_a_bad_value_is_found_at_the_start(tmp_path, content, named):
    file = tmp_path / "bad.conf"
    file.write_text(content)
    with pytest.raises(Misconfigured, match=named):
        config.load({"config": str(file)})


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(Misconfigured, match="absent.conf"):
        config.load({"config": str(tmp_path / "absent.conf")})


def test_credentials_are_needed(tmp_path):
    file = tmp_path / "empty.conf"
    file.write_text("")
    with pytest.raises(Misconfigured, match="no credentials"):
        config.session(config.load({"config": str(file)}))
