# SPDX-License-Identifier: Apache-2.0
"""That no password is left in a text: by its name, and by its value however it is written."""

import html
import json
import urllib.parse

import pytest

from nova_ha.collection import masking
from nova_ha.collection.masking import MASK, masked

PASSWORD = "s3s&me<'\"\u00e4 $HOME%20;x\\y"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "passwd", "passwd_script", "power_password", "os_password", "snmp_priv_passwd", "admin_pass"),
        *("application_credential_secret", "token", "auth_token", "community", "secret", "hexadecimal_kg", "key"),
        *("psk", "privkey_passphrase", "api_key", "pin", "PASSWORD", "power_passwd"),
    ],
)
def test_the_names_of_secrets_are_known(name):
    assert masking.is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "username",
        "login",
        "auth_url",
        "ip",
        "lanplus",
        "pcmk_host_list",
        "monkey",
        "region_name",
        "passed",
        "bypasses",
        "plug",
    ],
)
def test_other_names_are_not(name):
    assert not masking.is_secret(name)


@pytest.mark.parametrize(
    "write",
    [
        str,
        html.escape,
        lambda text: html.escape(text, quote=False),
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        urllib.parse.quote,
        lambda text: urllib.parse.quote(text, safe=""),
        urllib.parse.quote_plus,
        repr,
        lambda text: text.replace("$", "$$"),
        lambda text: text.replace("%", "%%"),
    ],
)
def test_a_known_secret_is_masked_however_it_is_written(write):
    text, number = masked(f"before {write(PASSWORD)} after", {PASSWORD})
    assert number == 1
    for part in ("s3s", "HOME", "20;x"):
        assert part not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('<nvpair id="a" name="password" value="abc"/>', f'<nvpair id="a" name="password" value="{MASK}"/>'),
        ("<nvpair value='abc' name='passwd' id='a'/>", "<nvpair"),
        ("password = abc", f"password = {MASK}"),
        ("  secret: 'abc def'  # mine", f"  secret: {MASK}"),
        ('"token": "abc",', '"token": '),
        ("password =\n    abc\n    def\nuser = u", f"password =\n    {MASK}\n    {MASK}\nuser = u"),
        ("Nov 30 run: fence_ipmilan --password abc --ip 10.0.0.1", f"--password {MASK} --ip 10.0.0.1"),
        ("said passwd=abc, ip=10.0.0.1", f"said passwd={MASK}, ip=10.0.0.1"),
        ('{"a": {"password": "a\\"bc"}}', f'{{"a": {{"password": "{MASK}"}}}}'),
        ("connection = mysql://nova:abc@10.0.0.1/nova", f"mysql://nova:{MASK}@10.0.0.1/nova"),
    ],
)
def test_what_is_named_as_a_secret_is_masked_though_its_value_is_not_known(text, left):
    found, number = masked(text, ())
    assert number >= 1
    assert "abc" not in found
    assert left in found


@pytest.mark.parametrize(
    "text",
    [
        '<nvpair id="a" name="ip" value="10.0.0.1"/>',
        "the credentials are refused: password, user or project",
        "password =",
        "auth_url = https://cloud.example.org:5000/v3",
        '{"reason": "key_refused: Nova may not read the key of the volume"}',
        f"password = {MASK}",
    ],
)
def test_what_is_none_is_left(text):
    assert masked(text, ()) == (text, 0)


def test_a_short_secret_is_masked_by_its_name_and_not_in_every_word():
    text = 'a <nvpair name="passwd" value="a"/> banana'
    assert masked(text, {"a"})[0] == f'a <nvpair name="passwd" value="{MASK}"/> banana'


def test_of_two_secrets_of_which_one_is_in_the_other_nothing_is_left():
    assert masked("hunter2hunter2", {"hunter2", "hunter2hunter2"})[0] == MASK


def test_the_address_of_a_webhook_is_a_secret_wherever_it_stands():
    url = "https://hooks.example.org/services/T0/B0/XyZ"
    (found,) = masking.in_options(f"[notify]\nwebhook = slack {url}\n") & {url}
    text, _number = masked(f"webhook = slack {url}\nlog: POST {url}: 404", {found})
    assert text == f"webhook = {MASK}\nlog: POST {MASK}: 404"


def test_secrets_are_found_where_they_are_kept():
    xml = f'<nvpair name="passwd" value="{html.escape(PASSWORD)}"/><nvpair name="ip" value="x"/><nvpair name="token"/>'
    assert masking.in_xml(xml) == {PASSWORD}
    assert masking.in_options('[nova]\npassword = "abcd"\nuser = u\n') == {'"abcd"', "abcd"}
