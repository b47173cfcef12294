# SPDX-License-Identifier: Apache-2.0
"""The recorder: each change of a flag once, in order, whatever the copies of the configuration do."""

import json
import os

import pytest

from tests.lab.recorder import FencingWatch, FlagWatch

CIB = """<cib admin_epoch="0" epoch="{epoch}" num_updates="{updates}"><configuration><nodes>
<node id="1" uname="control-1"/>{nodes}</nodes></configuration></cib>"""
NODE = """<node id="{host}" type="remote" uname="{host}"><instance_attributes id="nodes-{host}">
<nvpair id="nodes-{host}-osprole" name="osprole" value="compute"/>
<nvpair id="nodes-{host}-evacuate" name="evacuate" value="{value}"/></instance_attributes></node>"""


class Copies:
    """The control nodes' copies of the configuration, and what the watch makes of them."""

    def __init__(self, directory):
        self._directory = directory
        self._log = directory / "flags.jsonl"
        self._watch = FlagWatch([directory / "one.xml", directory / "two.xml"], self._log)

    def write(self, name, epoch, time, updates=0, **flags):
        nodes = "".join(NODE.format(host=host, value=value) for host, value in flags.items())
        file = self._directory / name
        file.write_text(CIB.format(epoch=epoch, updates=updates, nodes=nodes))
        os.utime(file, (time, time))
        self._watch.look()

    def seen(self):
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(line["time"], line["host"], line["value"]) for line in map(json.loads, lines)]


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path)


def test_a_flag_is_followed_through_its_life(copies):
    copies.write("one.xml", 1, 100)
    copies.write("one.xml", 2, 101, a="yes")
    copies.write("one.xml", 3, 102, a="control-1@102")
    copies.write("one.xml", 4, 103)
    assert copies.seen() == [(101, "a", "yes"), (102, "a", "control-1@102"), (103, "a", None)]


def test_a_change_that_all_copies_show_is_recorded_once(copies):
    copies.write("one.xml", 2, 101, a="yes")
    copies.write("two.xml", 2, 101.2, a="yes")
    assert copies.seen() == [(101, "a", "yes")]


def test_a_copy_that_lags_behind_takes_nothing_back(copies):
    copies.write("one.xml", 9, 101, a="yes")
    copies.write("two.xml", 3, 105)
    assert copies.seen() == [(101, "a", "yes")]


def test_one_copy_goes_on_when_the_other_no_longer_changes(copies):
    copies.write("one.xml", 2, 101, a="yes")
    copies.write("two.xml", 3, 110, a="no")
    assert copies.seen() == [(101, "a", "yes"), (110, "a", "no")]


def test_the_log_is_read_line_by_line(tmp_path):
    file, log = tmp_path / "pacemaker.log", tmp_path / "fencing.jsonl"
    file.write_text("Requesting fencing (reboot) of node long-ago\n")
    watch = FencingWatch(file, log)
    with file.open("a") as stream:
        stream.write("notice: Requesting fencing (reboot) of node compute-1 | x\nnotice: Operation 'off' [77] targ")
    watch.look()
    with file.open("a") as stream:
        stream.write("eting compute-1 using ipmi-compute-1 returned 0 (OK)\n")
        stream.write("notice: Operation 'off' [78] targeting compute-2 using ipmi-compute-2 returned 1 (error)\n")
    watch.look()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["host"], line["device"]) for line in lines] == [("compute-1", None), ("compute-1", "ipmi-compute-1")]
