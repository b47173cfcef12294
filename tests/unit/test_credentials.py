# SPDX-License-Identifier: Apache-2.0
"""The kinds of credentials and of certificates that lead to a cloud, as ``/etc/nova-ha/nova-ha.conf`` has them."""

import subprocess

import pytest

from nova_ha.cloud.nova import Misconfigured
from nova_ha.config import loader as config
from tests.unit.http_cloud import running

PASSWORD = """
auth_type = password
username = u
password = sesame
project_name = t
user_domain_name = d
project_domain_name = d
"""
APPLICATION = """
auth_type = v3applicationcredential
application_credential_id = id
application_credential_secret = sesame
"""
CLOUD = """
clouds:
  prod:
    auth_type: v3applicationcredential
    auth: {auth_url: "%s/v3", application_credential_id: id, application_credential_secret: sesame}
    cacert: %s
    interface: internal
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key, file = (tmp_path_factory.mktemp("cloud") / name for name in ("key", "certificate"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", key, "-out", file, "-subj", "/CN=cloud", "-days", "2"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return file, key


@pytest.fixture
def connected(certificate, tmp_path, monkeypatch):
    """Connects to a cloud over HTTPS with a section ``[nova]``, which may name its address and certificate."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with running(certificate=certificate) as cloud:

        def connect(section):
            file = tmp_path / "nova-ha.conf"
            file.write_text("[nova]\n" + section.format(url=cloud.url, certificate=certificate[0]))
            config.cloud(config.load({"config": str(file)})).connect()

        connect.cloud = cloud
        yield connect


@pytest.mark.parametrize("trust", ["cafile = {certificate}", "insecure = true"])
@pytest.mark.parametrize("credentials", [PASSWORD, APPLICATION])
def test_a_cloud_is_reached(connected, credentials, trust):
    connected(f"auth_url = {{url}}/v3\n{credentials}\n{trust}\n")
    assert connected.cloud.tokens == ["token-0"] and connected.cloud.asked


def test_a_cloud_of_clouds_yaml_is_reached(connected, certificate, tmp_path, monkeypatch):
    loader = pytest.importorskip("openstack.config.loader", reason="python3-openstacksdk is not installed")
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(CLOUD % (connected.cloud.url, certificate[0]))
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(clouds)])
    connected("cloud = prod\n")
    assert connected.cloud.tokens == ["token-0"] and connected.cloud.asked


@pytest.mark.parametrize("credentials", [PASSWORD, APPLICATION])
def test_a_certificate_that_nobody_vouches_for_gets_no_secret(connected, credentials):
    with pytest.raises(Misconfigured, match="cafile or insecure"):
        connected(f"auth_url = {{url}}/v3\n{credentials}\n")
    assert connected.cloud.asked_for_tokens == 0


@pytest.mark.parametrize("credentials", [PASSWORD, APPLICATION])
def test_a_wrong_secret_is_said_without_it(connected, credentials):
    connected.cloud.password = "another"
    with pytest.raises(Misconfigured, match="the credentials are refused") as caught:
        connected(f"auth_url = {{url}}/v3\n{credentials}\ninsecure = true\n")
    assert "sesame" not in str(caught.value)
