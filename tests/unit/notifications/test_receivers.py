# SPDX-License-Identifier: Apache-2.0
"""The kinds of receivers, each against a real one; and what [notify] makes of its lines."""

import dataclasses
import email
import json
import os
import re
import shutil
import socket

import pytest

from nova_ha.config import loader
from nova_ha.notifications import command, formats, mail, receivers
from nova_ha.notifications.mail import Mail, Server
from nova_ha.notifications.masakari import Masakari
from nova_ha.notifications.notification import Message, Notification
from nova_ha.notifications.receiver import NotTaken, Refused
from tests import schemas
from tests.unit.agent_programs import TREE
from tests.unit.http_cloud import PARAMETERS, running
from tests.unit.notifications.inbox import EVERY, SECRET, MailServer, serving

STUCK = Notification(
    "firing", "needs_operator", "critical", "compute-1", "stuck", "i1 <is> stuck", "do it", ("i1",), 900.0, 1000.5
)
BACK = Notification("resolved", "host_down", "warning", "compute-2", None, "it is back", None, (), 900.0, 1001.0)
MESSAGE = Message("nova-evacuate", "control-1", [STUCK, BACK])


# Formats


def test_our_own_format_is_as_its_schema_says():
    schemas.check("notification", json.loads(json.dumps(formats.plain(MESSAGE))))


def test_a_chat_gets_a_line_for_each_and_nothing_that_it_would_call_a_link():
    for form in ("slack", "mattermost"):
        (head, *lines) = formats.FORMATS[form](MESSAGE)["text"].splitlines()
        assert "nova-evacuate" in head
        assert lines == [
            "CRITICAL needs_operator (stuck): i1 &lt;is&gt; stuck. do it",
            "RESOLVED host_down: it is back",
        ]


def test_alertmanager_is_told_what_stands_and_what_is_over():
    firing, resolved = formats.alertmanager(MESSAGE)
    assert firing["labels"] == {
        "alertname": "NovaHaNeedsOperator",
        "severity": "critical",
        "resource": "nova-evacuate",
        "host": "compute-1",
        "code": "stuck",
    }
    assert firing["annotations"] == {"summary": "i1 <is> stuck", "command": "do it"}
    assert firing["startsAt"] == "1970-01-01T00:15:00.000Z"
    assert firing["endsAt"] > "1970-01-31" and resolved["endsAt"] == "1970-01-01T00:16:41.000Z"
    # What began and ended in one message is over.
    both = Message("r", "n", [_firing(BACK), BACK])
    (alert,) = formats.alertmanager(both)
    assert alert["endsAt"] == "1970-01-01T00:16:41.000Z"
    assert set(formats._ALERTS) == {*EVERY, formats.TEST}


def _firing(notification):
    return dataclasses.replace(notification, status="firing", time=900.0)


# Programs


@pytest.fixture
def program(tmp_path):
    def write(name, text, mode=0o755):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return path

    return write


def test_a_program_gets_json_and_an_environment_without_secrets(program, tmp_path, monkeypatch):
    monkeypatch.setenv("OS_PASSWORD", SECRET)
    program("pager", f"cat > {tmp_path}/got; env > {tmp_path}/env")
    (one,), problems = command.found(str(tmp_path))
    one.send(MESSAGE)
    schemas.check("notification", json.loads((tmp_path / "got").read_text()))
    assert SECRET not in (tmp_path / "env").read_text() and problems == []


def test_the_page_s_program_pages_for_what_is_critical_and_fails_with_the_pager(program, tmp_path):
    page = (TREE / "docs/monitoring.md").read_text(encoding="utf-8")
    (text,) = re.findall("^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    programs = tmp_path / "notify.d"
    programs.mkdir()
    file = programs / "page"
    file.write_text(text.replace("/usr/local/bin/page", str(program("pager", f'echo "$@" >> {tmp_path}/paged'))))
    file.chmod(0o755)
    (one,), _problems = command.found(str(programs))
    one.send(MESSAGE)
    assert (tmp_path / "paged").read_text() == f"{STUCK.id} firing i1 <is> stuck\n"
    program("pager", "exit 1")
    with pytest.raises(NotTaken):
        one.send(MESSAGE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo the gateway is away >&2; exit 7", "exit code 7: the gateway is away"),
        ("sleep 100", "did not end within 0.3 s"),
        ("exit 1", "exit code 1"),
    ],
)
def test_a_program_that_fails_has_not_taken_it(program, tmp_path, monkeypatch, text, why):
    monkeypatch.setattr(command, "TIMEOUT", 0.3)
    program("pager", text)
    (one,), _problems = command.found(str(tmp_path))
    with pytest.raises(NotTaken, match=re.escape(why)):
        one.send(MESSAGE)


def test_which_files_are_programs(program, tmp_path):
    for name in ("b", "a.sh", "c.py"):
        program(name, "")
    for name in ("x.bak", "x~", ".hidden", "x.dpkg-old"):
        program(name, "")
    program("README", "", 0o644)
    (tmp_path / "directory").mkdir()
    (tmp_path / "gone").symlink_to("nothing")
    program("anybodys", "", 0o777)
    os.chown(program("alices", ""), 1000, 0)
    found, problems = command.found(str(tmp_path))
    assert [each.name for each in found] == ["command a.sh", "command b", "command c.py"]
    assert len(problems) == 3 and all(f"{tmp_path}/" in problem for problem in problems)
    assert command.found(str(tmp_path / "none")) == ([], [f"{tmp_path}/none: No such file or directory"])


# Mail


@pytest.fixture
def server():
    with serving(MailServer()) as one:
        yield one


def mailer(port, **more):
    return Mail(["ops@example.org", "boss@example.org"], "nova-ha@control-1", Server("127.0.0.1", port, **more))


def test_mail_says_what_there_is(server):
    for _twice in range(2):
        mailer(server.port).send(MESSAGE)
    first, second = server.mails
    assert "Subject: [nova-ha] critical: compute-1: needs_operator (and 1 more)\r\n" in first
    assert "To: ops@example.org, boss@example.org\r\n" in first
    text = email.message_from_string(first).get_payload(decode=True).decode()
    assert "CRITICAL needs_operator (stuck): i1 <is> stuck. do it" in text and "nova-ha explain stuck" in text
    # The same once more is known by its id.
    (ident,) = set(re.findall("^Message-ID: .*$", first + second, re.MULTILINE))


@pytest.mark.parametrize(
    ("refuses", "why"),
    [
        ({"RCPT": "550 nobody here"}, "refuses every address (SMTP 550)"),
        ({"MAIL": "451 later"}, "(SMTP 451)"),
        ({"AUTH": f"535 {SECRET} is wrong"}, "SMTPAuthenticationError (SMTP 535)"),
        ({"DATA": "552 too much"}, "(SMTP 552)"),
    ],
)
def test_a_mail_that_is_refused_is_not_taken_and_no_secret_is_told(server, refuses, why):
    server.refuses = refuses
    with pytest.raises(NotTaken, match=re.escape(why)) as error:
        mailer(server.port, user="me", password=SECRET).send(MESSAGE)
    assert SECRET not in str(error.value) and error.value.__suppress_context__


@pytest.mark.parametrize(("tls", "why"), [("none", "Connection refused"), ("tls", "Connection refused")])
def test_a_mail_server_that_is_away(tls, why):
    with pytest.raises(NotTaken, match=why):
        mailer(1, tls=tls).send(MESSAGE)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_a_mail_server_without_tls(server, tls, monkeypatch):
    monkeypatch.setattr(mail, "TIMEOUT", 0.5)
    with pytest.raises(NotTaken):
        mailer(server.port, tls=tls).send(MESSAGE)
    assert server.mails == []


# Masakari


@pytest.fixture
def cloud():
    with running() as one:
        one.catalog["instance-ha"] = f"{one.url}/instance-ha/v1/p1"
        yield one


PATH = "/instance-ha/v1/p1/notifications"


def masakari(cloud, domain=None):
    return Masakari(lambda: loader.access(cloud.conf()), domain)


def of(*notifications):
    return Message("nova-evacuate", "control-1", notifications)


def test_masakari_is_told_as_by_its_own_monitors(cloud):
    cloud.answers["POST", PATH] = 202
    one = masakari(cloud)
    one.send(of(_firing(BACK)))
    one.send(of(BACK))
    stopped, started = [json.loads(body)["notification"] for body in cloud.posts()]
    assert stopped == {
        "type": "COMPUTE_HOST",
        "hostname": "compute-2",
        "generated_time": "1970-01-01T00:15:00",
        "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
    }
    assert started["payload"] == {"event": "STARTED", "host_status": "NORMAL", "cluster_status": "ONLINE"}


def test_what_masakari_knows_already_is_taken(cloud):
    cloud.answers["POST", PATH] = 409
    masakari(cloud).send(of(BACK))
    assert len(cloud.posts()) == 1


def test_a_host_of_no_segment_is_refused_by_each_of_its_names(cloud):
    cloud.answers["POST", PATH] = 400
    with pytest.raises(Refused, match="compute-2 is in no failover segment"):
        masakari(cloud, "example.org").send(of(BACK))
    names = [json.loads(body)["notification"]["hostname"] for body in cloud.posts()]
    assert names == ["compute-2", "compute-2.example.org"]


@pytest.mark.parametrize("answer", [500, 503, 403, 404, "drop"])
def test_a_masakari_that_does_not_take_it_is_asked_again(cloud, answer):
    cloud.answers["POST", PATH] = answer
    one = masakari(cloud)
    with pytest.raises(NotTaken) as error:
        one.send(of(BACK))
    # Each answer has another request's id: it is the same failure.
    assert not isinstance(error.value, Refused) and "req-7" not in str(error.value)
    cloud.answers["POST", PATH] = 202
    one.send(of(BACK))


def test_a_catalog_without_masakari_is_told(cloud):
    del cloud.catalog["instance-ha"]
    with pytest.raises(NotTaken, match="no internal endpoint of the instance-ha service"):
        masakari(cloud).send(of(BACK))


# The section


@pytest.fixture
def section(tmp_path):
    """What lines of [notify] amount to."""

    def read(*lines):
        file = tmp_path / "nova-ha.conf"
        file.write_text("\n".join(["[notify]", *lines]))
        conf = loader.load({**PARAMETERS, "auth_url": "http://127.0.0.1:1/v3", "config": str(file)})
        return receivers.configured(conf, lambda: None)

    return read


def test_no_name_server_is_asked_while_the_section_is_read(section, monkeypatch):
    def hangs(*_):
        raise AssertionError("the engine would wait for it")

    for name in ("getfqdn", "gethostbyaddr", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, hangs)
    found = section("webhook = plain https://hooks.example.org/x", "mail_to = ops@example.org", "masakari = true")
    assert len(found.receivers) == 3 and found.problems == []


def test_without_a_line_nobody_is_told(section):
    assert section() == ([], [])


def test_each_receiver_has_its_kinds(section, tmp_path, program):
    programs = tmp_path / "d"
    programs.mkdir()
    shutil.move(program("pager", ""), programs)
    found = section(
        f"webhook = slack https://hooks.example.org/{SECRET}",
        f"webhook = alertmanager http://{SECRET}:x@am:9093/api/v2/alerts",
        "webhook = slack https://other.example.org/x",
        f"command_directory = {programs}",
        "mail_to = ops@example.org",
        "masakari = true",
        "events = host_down, needs_operator",
    )
    assert found.problems == []
    assert {each.id: (each.name, wanted) for each, wanted in found.receivers} == {
        "webhook-slack-1": ("slack webhook at hooks.example.org", ["host_down", "needs_operator"]),
        "webhook-alertmanager-1": ("alertmanager webhook at am", ["host_down", "needs_operator"]),
        "webhook-slack-2": ("slack webhook at other.example.org", ["host_down", "needs_operator"]),
        "command-pager": ("command pager", ["host_down", "needs_operator"]),
        "mail": ("mail by localhost", ["host_down", "needs_operator"]),
        # Its monitors tell of nothing else.
        "masakari": ("masakari", ["host_down"]),
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"webhook = {SECRET}", "[notify] webhook, line 1 of that name: expected a format and an address"),
        (f"webhook = teams https://x/{SECRET}", "[notify] webhook, line 1 of that name: expected a format"),
        (f"webhook = slack {SECRET}", "[notify] webhook, line 1 of that name: expected an address"),
        ("cafile = /nonexistent", "[notify] cafile = /nonexistent: it cannot be read"),
        ("command_directory = /nonexistent", "[notify] command_directory: /nonexistent: No such file"),
    ],
)
def test_a_line_that_will_not_do_is_told_without_its_secret_and_the_others_hold(section, line, problem):
    found = section(line, "webhook = plain http://x/", "mail_to = ops@example.org")
    (told,) = found.problems
    assert told.startswith(problem) and SECRET not in told
    assert {"mail", "webhook-plain-1"} <= {each.id for each, _ in found.receivers}


@pytest.mark.parametrize("server", ["host:", ":25", "host:0", "host:smtp", "host:99999"])
def test_a_mail_server_that_will_not_do(section, server):
    found = section(f"mail_server = {server}", "mail_to = ops@example.org")
    assert found.receivers == []
    assert found.problems == [f"[notify] mail_server: invalid value '{server}': expected HOST or HOST:PORT"]


def test_a_password_is_not_sent_in_the_clear(section):
    lines = ("mail_to = ops@example.org", "mail_user = me", f"mail_password = {SECRET}")
    (problem,) = section(*lines).problems
    assert problem.startswith("[notify] mail_user: needs mail_tls")
    found = section(*lines, "mail_tls = starttls")
    assert (len(found.receivers), found.problems) == (1, [])


@pytest.mark.parametrize("directory", ["", "spool"])
def test_a_spool_that_is_nowhere_is_refused(section, directory):
    found = section("webhook = plain http://x/", f"spool_directory = {directory}")
    expected = f"[notify] spool_directory: invalid value '{directory}': expected a path from /"
    assert found == ([], [expected])


def test_an_empty_line_is_nobody(section):
    assert section("webhook =", "mail_to =", "command_directory =") == ([], [])


def test_couriers_have_a_directory_each(section, tmp_path):
    file = tmp_path / "nova-ha.conf"
    found = section("webhook = plain http://x/", "mail_to = ops@example.org", f"spool_directory = {tmp_path}/spool")
    conf = loader.load({**PARAMETERS, "auth_url": "http://127.0.0.1:1/v3", "config": str(file)})
    for each in receivers.couriers(found, "nova-evacuate", conf):
        each.outbox.reconcile({}, {}, 1.0)
        each.outbox.took([], 1.0)
    assert {path.name for path in (tmp_path / "spool/nova-evacuate").iterdir()} == {"webhook-plain-1", "mail"}
