# SPDX-License-Identifier: Apache-2.0
"""How what is to be told gets to its receiver, whatever that does: against a real one, by a clock of ours."""

import logging

import pytest

from nova_ha.notifications import courier as couriers
from nova_ha.notifications import webhook
from nova_ha.notifications.receiver import NotTaken
from nova_ha.notifications.webhook import Webhook
from tests import schemas
from tests.unit.notifications.inbox import SECRET, Clock, Inbox, courier, down, outbox, over, serving


@pytest.fixture
def inbox():
    with serving(Inbox()) as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def box(tmp_path):
    return outbox(tmp_path)


@pytest.fixture(autouse=True)
def no_secret(caplog):
    """Whatever happens, no log has it: neither ours nor a library's."""
    caplog.set_level(logging.DEBUG, "nova-ha")
    caplog.set_level(logging.INFO)
    yield
    assert SECRET not in caplog.text


def hook(url):
    return Webhook("webhook-plain-1", "plain", url)


def passes(clock, one, seconds):
    """Step whenever it is time, for some seconds."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now = min(end, clock.now + max(0.01, one.step()))


def test_what_stands_is_taken_in_one_message(inbox, box, clock):
    box.reconcile(down("c1", "c2", "c3"), {}, clock.now)
    assert courier(hook(inbox.url), box, clock).step() == 0
    (message,) = inbox.taken
    schemas.check("notification", message)
    assert inbox.told() == [("firing", "host_down", host) for host in ("c1", "c2", "c3")]
    assert (message["resource"], message["node"]) == ("nova-evacuate", "control-1")
    assert box.next(1) == []


def test_a_receiver_that_answers_500_for_an_hour_gets_everything_once(inbox, box, clock, caplog):
    inbox.status = 500
    one = courier(hook(inbox.url), box, clock)
    box.reconcile(down("c1"), {}, clock.now)
    passes(clock, one, 1800)
    box.reconcile(down("c2"), over("c1"), clock.now)
    passes(clock, one, 1800)
    assert one.trouble() is not None
    # It is not beleaguered meanwhile.
    assert 12 < inbox.asked < 25
    inbox.status = 200
    passes(clock, one, 3600)
    assert inbox.told() == [
        ("firing", "host_down", "c1"),
        ("firing", "host_down", "c2"),
        ("resolved", "host_down", "c1"),
    ]
    assert one.trouble() is None
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "HTTP 500" in warnings[0].getMessage()


def test_a_receiver_that_hangs_is_tried_again(inbox, box, clock, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    inbox.status = "hang"
    box.reconcile(down("c1"), {}, clock.now)
    one = courier(hook(inbox.url), box, clock)
    assert one.step() == couriers.FIRST_PAUSE
    inbox.status = 200
    passes(clock, one, 60)
    assert inbox.told() == [("firing", "host_down", "c1")]


def test_what_was_taken_without_an_answer_has_the_same_id_the_next_time(inbox, box, clock, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    inbox.status = "take and hang"
    box.reconcile(down("c1"), {}, clock.now)
    one = courier(hook(inbox.url), box, clock)
    one.step()
    inbox.status = 200
    passes(clock, one, 60)
    (first, second) = inbox.taken
    assert first["notifications"][0]["id"] == second["notifications"][0]["id"]


WRONG = {
    "path": lambda inbox: inbox.url.replace(SECRET, "elsewhere"),
    "port": lambda inbox: f"http://127.0.0.1:1/hooks/{SECRET}",
    "name": lambda inbox: f"http://no-such-host.invalid/hooks/{SECRET}",
    "scheme": lambda inbox: inbox.url.replace("http", "https"),
    "user": lambda inbox: f"http://me:{SECRET}@127.0.0.1:1/",
    "label": lambda inbox: f"http://{'x' * 70}.invalid/{SECRET}",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_address_is_told_in_one_line_and_nothing_is_lost(inbox, box, clock, caplog, wrong):
    box.reconcile(down("c1"), {}, clock.now)
    one = courier(hook(WRONG[wrong](inbox)), box, clock)
    passes(clock, one, 600)
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    # The operator corrects it.
    passes(clock, courier(hook(inbox.url), box, clock), 1)
    assert inbox.told() == [("firing", "host_down", "c1")]


@pytest.mark.parametrize(
    "url", ["", "hooks", "htp://host/x", "https://", "https:///x", "https://[::1/x", "http://h:x/"]
)
def test_what_is_no_address_is_refused_and_not_told(url):
    with pytest.raises(ValueError, match="expected an address such as https://HOST/PATH") as error:
        hook(f"{url}{SECRET}" if url.endswith("x") else url)
    assert SECRET not in str(error.value)


def test_a_redirection_is_not_followed(inbox, box, clock, caplog):
    inbox.status, inbox.headers = 302, {"Location": inbox.url}
    box.reconcile(down("c1"), {}, clock.now)
    courier(hook(inbox.url), box, clock).step()
    assert inbox.asked == 1 and "HTTP 302" in caplog.text


def test_neither_a_proxy_nor_a_password_of_the_surroundings_is_used(inbox, box, clock, monkeypatch, tmp_path):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password sesame\n")
    box.reconcile(down("c1"), {}, clock.now)
    courier(hook(inbox.url), box, clock).step()
    assert len(inbox.taken) == 1 and inbox.authorizations == [None]


@pytest.mark.parametrize(("wait", "pause"), [("120", 120), ("99999", 3600), ("1", 5), ("soon", 5)])
def test_a_receiver_that_wants_to_be_left_alone_is(inbox, box, clock, wait, pause):
    inbox.status, inbox.headers = 429, {"Retry-After": wait}
    box.reconcile(down("c1"), {}, clock.now)
    assert courier(hook(inbox.url), box, clock).step() == pause


def test_so_many_a_minute_and_what_came_meanwhile_in_one(inbox, box, clock):
    one = courier(hook(inbox.url), box, clock, a_minute=2)
    hosts = [f"c{number}" for number in range(60)]
    for number in range(1, 61):
        box.reconcile(down(*hosts[:number]), {}, clock.now)
        one.step()
        clock.now += 1
    assert len(inbox.taken) == 2
    passes(clock, one, 5)
    assert len(inbox.taken) == 3
    assert [host for _, _, host in inbox.told()] == hosts


def test_what_is_refused_does_not_keep_the_rest(inbox, box, clock, caplog):
    inbox.status = 400
    box.reconcile(down("c1", "c2", "c3"), {}, clock.now)
    one = courier(hook(inbox.url), box, clock)
    one.step()
    one.step()  # c1 alone
    inbox.status = 200
    passes(clock, one, 60)
    assert inbox.told() == [("firing", "host_down", "c2"), ("firing", "host_down", "c3")]
    assert len([record for record in caplog.records if "set aside" in record.getMessage()]) == 1


class Broken:
    id, name, most = "x", "x", 100

    def send(self, message):
        raise RuntimeError(f"https://host/{SECRET}")


def test_whatever_a_library_raises_is_waited_out(box, clock, caplog):
    box.reconcile(down("c1"), {}, clock.now)
    one = courier(Broken(), box, clock)
    passes(clock, one, 1000)
    assert len(box.next(9)) == 1
    assert "RuntimeError" in one.trouble()


class Fickle:
    """Fails for a while, then takes; of what is taken it keeps when."""

    id, name, most = "x", "x", 1

    def __init__(self, clock):
        self.clock = clock
        self.fails = 3
        self.times = []

    def send(self, message):
        self.times.append(self.clock.now)
        if len(self.times) <= self.fails:
            raise NotTaken("not now")


def test_pauses_grow_and_begin_anew(box, clock):
    receiver = Fickle(clock)
    one = courier(receiver, box, clock)
    box.reconcile(down("c1"), {}, clock.now)
    passes(clock, one, 100)
    assert receiver.times == [1000, 1005, 1015, 1035]
    receiver.times.clear()
    receiver.fails = 1
    box.reconcile(down("c1", "c2"), {}, clock.now)
    passes(clock, one, 100)
    assert receiver.times == [1100, 1105]
