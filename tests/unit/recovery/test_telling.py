# SPDX-License-Identifier: Apache-2.0
"""What the engine's process tells a receiver that is real, and what it does if that one is not there."""

import os
import signal
import time

import pytest

from nova_ha.agents import nova_evacuate, supervision
from nova_ha.agents.framework import ocf
from nova_ha.reporting import published
from tests.unit.agent_programs import failure
from tests.unit.engines import everything_about, files_of, nova_pages
from tests.unit.http_cloud import PARAMETERS, running
from tests.unit.notifications.inbox import SECRET, Inbox, serving
from tests.unit.waiting import limit, until


@pytest.fixture
def cloud():
    with running() as server:
        server.pages.update(nova_pages(instances=2))
        yield server


@pytest.fixture
def inbox():
    with serving(Inbox()) as server:
        yield server


@pytest.fixture
def given(cloud, tmp_path):
    """The parameters of an engine with these lines of [notify]."""

    def write(*lines, **more):
        file = tmp_path / "nova-ha.conf"
        file.write_text("\n".join(["[notify]", f"spool_directory = {tmp_path}/spool", *lines]))
        return {"auth_url": f"{cloud.url}/v3", **PARAMETERS, "config": str(file), **more}

    return write


def test_a_host_that_is_down_is_told_and_the_address_to_nobody(engine, inbox, given):
    engine.start(given(f"webhook = plain {inbox.url}", verbose="true"))
    engine.write("flag", "yes\n")
    until(lambda: ("firing", "host_down", "compute-1") in inbox.told())
    assert ("firing", "recovery", "compute-1") in until(inbox.told)
    assert SECRET.encode() not in everything_about(engine.pid)
    assert not any(SECRET in text for _, text in files_of(engine).values())


def test_an_engine_that_the_cloud_refuses_is_told_before_it_ends(engine, inbox, given):
    code, _reason = failure(engine.start, given(f"webhook = plain {inbox.url}", password="mistyped"))
    assert code == ocf.OCF_ERR_CONFIGURED
    (message,) = inbox.taken
    (told,) = message["notifications"]
    assert (told["event"], told["code"]) == ("degraded", "misconfigured")
    assert "credentials are refused" in told["summary"] and "mistyped" not in str(message)


def test_a_receiver_that_hangs_is_in_nobody_s_way(engine, inbox, given, monkeypatch):
    inbox.status = "hang"
    began = time.monotonic()
    assert failure(engine.start, given(f"webhook = plain {inbox.url}", password="mistyped"))[0]
    assert time.monotonic() - began < 15
    engine.start(given(f"webhook = plain {inbox.url}"))
    engine.write("flag", "yes\n")
    hosts = lambda: engine.state.read_report().get("hosts", {})  # noqa: E731
    until(lambda: inbox.asked > 1 and hosts().get("compute-1", {}).get("begun"))
    supervision.monitor(engine.state)
    monkeypatch.setattr(supervision, "_GRACE", 0.5)
    engine.stop()


def test_what_was_not_taken_is_told_by_the_next_engine(engine, inbox, given):
    inbox.status = 500
    parameters = given(f"webhook = plain {inbox.url}")
    engine.write("flag", "yes\n")
    engine.start(parameters)
    until(lambda: inbox.asked)
    engine.stop()
    inbox.status = 200
    engine.start(parameters)
    until(lambda: ("firing", "host_down", "compute-1") in inbox.told())
    assert len(inbox.told()) == len(set(inbox.told()))


# What attrd keeps of it for all control nodes.
ATTRD = r"""
case "$*" in
*nova-ha-told*--update*)
    while [ $# -gt 1 ]; do [ "$1" != --update ] || echo "$2" > told; shift; done ;;
*nova-ha-told*--query*)
    [ -e told ] || exit 105
    read text < told
    echo "name=\"nova-ha-told\" host=\"control-2\" value=\"$text\"" ;;
esac
"""
NODES = '<r><nodes><node name="control-2" online="true" type="member"/></nodes><resources/></r>'


def left_with_the_others(engine):
    """What the receiver has taken, as all control nodes know."""
    file = engine.directory / "told"
    known = published.unpacked(file.read_text().strip()) if file.exists() else None
    return known["receivers"]["webhook-plain-1"] if known else {}


def test_an_engine_on_another_node_tells_nothing_twice_and_what_is_over(engine, inbox, given, tmp_path):
    engine.script("attrd_updater", ATTRD)
    engine.write("status.xml", NODES)
    engine.write("flag", "yes\n")
    engine.start(given(f"webhook = plain {inbox.url}"))
    until(lambda: {event for _, event, _ in inbox.told()} == {"host_down", "recovery"})
    until(lambda: len(left_with_the_others(engine)) == 2)
    os.killpg(engine.pid, signal.SIGKILL)
    until(lambda: engine.pid is None)
    # The other node has its own disk.
    engine.start(given(f"webhook = plain {inbox.url}", f"spool_directory = {tmp_path}/other"))
    engine.write("flag", "")
    until(lambda: ("resolved", "host_down", "compute-1") in inbox.told())
    assert len(inbox.told()) == len(set(inbox.told()))
    assert list((tmp_path / "other").glob("*/webhook-plain-1"))


def test_a_section_that_will_not_do_does_not_keep_the_engine_from_its_work(engine, inbox, given):
    engine.start(given(f"webhook = teams {SECRET}", f"webhook = plain {inbox.url}"))
    until(lambda: failure(supervision.monitor, engine.state)[0] == supervision.DEGRADED)
    reason = failure(supervision.monitor, engine.state)[1]
    assert reason.startswith("not_notified: [notify] webhook, line 1") and SECRET not in reason
    # The other receiver hears of it; once it is mended and read anew, all is well.
    until(lambda: ("firing", "degraded", None) in inbox.told())
    given(f"webhook = plain {inbox.url}")
    nova_evacuate.reload(engine.state, {}, limit(3))
    until(engine.state.is_well)


def test_another_receiver_is_taken_over_without_a_restart(engine, inbox, given):
    engine.start(given())
    pid = engine.pid
    given(f"webhook = plain {inbox.url}")
    nova_evacuate.reload(engine.state, {}, limit(3))
    engine.write("flag", "yes\n")
    until(lambda: ("firing", "host_down", "compute-1") in inbox.told())
    assert engine.pid == pid
