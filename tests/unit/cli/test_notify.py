# SPDX-License-Identifier: Apache-2.0
"""Whether receivers take a test: against real ones."""

import pytest

from tests import schemas
from tests.unit.cli.scenes import RESOURCE, Pacemaker
from tests.unit.http_cloud import PARAMETERS
from tests.unit.notifications.inbox import SECRET, Inbox, MailServer, serving


@pytest.fixture
def inbox():
    with serving(Inbox()) as server:
        yield server


@pytest.fixture
def notify(command, tmp_path):
    """Runs nova-ha notify with lines of [notify]."""

    def run(*lines):
        file = tmp_path / "given.conf"
        file.write_text("\n".join(["[notify]", *lines]))
        parameters = {**PARAMETERS, "auth_url": "http://127.0.0.1:1/v3", "config": str(file)}
        code, out, err = command(Pacemaker(resources={RESOURCE: parameters}), "notify")
        assert SECRET not in out + err
        return code, out.splitlines(), err

    return run


def test_each_receiver_gets_a_test_and_it_is_told_who_takes_it(notify, inbox):
    with serving(MailServer()) as mail:
        code, out, err = notify(
            f"webhook = plain {inbox.url}",
            f"webhook = alertmanager {inbox.url}",
            f"mail_server = 127.0.0.1:{mail.port}",
            "mail_to = ops@example.org",
            "masakari = true",
        )
        assert "info: nova-evacuate: test" in mail.mails[0]
    assert (code, err) == (0, "")
    assert out == [
        "[notify] is read",
        "plain webhook at 127.0.0.1: taken",
        "alertmanager webhook at 127.0.0.1: taken",
        "mail by 127.0.0.1: taken",
    ]
    plain, (alert,) = inbox.taken
    schemas.check("notification", plain)
    assert alert["labels"]["alertname"] == "NovaHaTest"


def test_what_does_not_arrive_is_told_and_the_rest_does(notify, inbox):
    code, out, _err = notify(
        f"webhook = plain {inbox.url.replace(SECRET, 'wrong')}", f"webhook = plain {inbox.url}", "webhook = plain"
    )
    assert code == 1
    assert out == [
        "wrong: [notify] webhook, line 3 of that name: expected an address such as https://HOST/PATH",
        "plain webhook at 127.0.0.1: not taken: HTTP 404",
        "plain webhook at 127.0.0.1: taken",
    ]


def test_without_a_receiver_nobody_is_told(notify):
    code, _out, err = notify()
    assert (code, err) == (1, "nova-ha: nobody is told: [notify] names no receiver\n")
