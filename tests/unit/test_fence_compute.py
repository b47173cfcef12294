# SPDX-License-Identifier: Apache-2.0
"""fence_compute's own file, run as the fencer runs it; and its actions in this process on a scripted Pacemaker."""

import importlib.machinery
import importlib.util
import logging
import pathlib
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from nova_ha import fence_options, force_down
from nova_ha.devices import Devices
from tests.unit.agents import FENCE_COMPUTE, fence, validates
from tests.unit.test_fence import Pacemaker
from tests.unit.test_power import OFF, ON, Stand

TODAY = ("auth_url=http://k:5000/v3", "login=admin", "passwd=sEcret", "tenant_name=admin", "domain=cloud.example")
TODAY += ("user-domain=Default", "project-domain=Default", "region_name=R", "endpoint_type=publicURL")
TODAY += ("no-shared-storage=True", "insecure=1", "instance_filtering=1", "nodename=compute-1")


@pytest.fixture(scope="module")
def parameters():
    done = fence("action=metadata")
    assert done.returncode == 0
    return {parameter.get("name"): parameter for parameter in ElementTree.fromstring(done.stdout).iter("parameter")}


@pytest.mark.parametrize("action", ["metadata", "meta-data", "manpage"])
def test_the_metadata_is_valid(action):
    done = fence(f"action={action}")
    assert done.stderr == ""
    assert validates(done.stdout, "--relaxng", "/usr/share/cluster/relaxng/metadata.rng")


def test_actions_that_it_offers():
    actions = {action.get("name") for action in ElementTree.fromstring(fence("action=metadata").stdout).iter("action")}
    wanted = {"on", "off", "reboot", "status", "monitor", "list", "list-status", "validate-all", "metadata", "manpage"}
    assert actions == wanted


# Of fence_compute 4.12.1: the name in a configuration, the letter, the long option, and whether it takes a value.
EXISTING = (
    ("action", "o", "action", True),
    ("auth_url", "k", "auth-url", True),
    ("compute-domain", "", "compute-domain", True),
    ("compute_domain", "", "compute-domain", True),
    ("debug", "D", "debug-file", True),
    ("debug_file", "D", "debug-file", True),
    ("delay", "", "delay", True),
    ("disable_timeout", "", "disable-timeout", True),
    ("domain", "d", "domain", True),
    ("endpoint_type", "e", "endpoint-type", True),
    ("help", "h", "help", False),
    ("insecure", "", "insecure", False),
    ("instance_filtering", "", "instance-filtering", False),
    ("login", "l", "username", True),
    ("login_timeout", "", "login-timeout", True),
    ("no_shared_storage", "", "no-shared-storage", False),
    ("passwd", "p", "password", True),
    ("passwd_script", "S", "password-script", True),
    ("password", "p", "password", True),
    ("password_script", "S", "password-script", True),
    ("plug", "n", "plug", True),
    ("plug_separator", "", "plug-separator", True),
    ("port", "n", "plug", True),
    ("power_timeout", "", "power-timeout", True),
    ("power_wait", "", "power-wait", True),
    ("project-domain", "P", "project-domain", True),
    ("project_domain", "P", "project-domain", True),
    ("quiet", "q", "quiet", False),
    ("record_only", "", "record-only", True),
    ("region_name", "", "region-name", True),
    ("retry_on", "", "retry-on", True),
    ("separator", "C", "separator", True),
    ("shell_timeout", "", "shell-timeout", True),
    ("stonith_status_sleep", "", "stonith-status-sleep", True),
    ("tenant_name", "t", "tenant-name", True),
    ("user-domain", "u", "user-domain", True),
    ("user_domain", "u", "user-domain", True),
    ("username", "l", "username", True),
    ("verbose", "v", "verbose", False),
    ("verbose_level", "", "verbose-level", True),
    ("version", "V", "version", False),
)


@pytest.mark.parametrize(("name", "letter", "longopt", "valued"), EXISTING)
def test_what_the_existing_agent_takes_is_taken(parameters, name, letter, longopt, valued):
    usage = parameters[name].find("getopt").get("mixed")
    assert re.search(rf"--{longopt}\b", usage)
    assert not letter or usage.startswith(f"-{letter}, ")
    assert (parameters[name].find("content").get("type") != "boolean") == valued


def test_every_letter_of_the_existing_agent_is_read(tmp_path):
    # As help is asked for last, what comes before it has been understood.
    letters = ["-v", "-q", "-k", "u", "-e", "u", "-l", "u", "-p", "x", "-S", "true", "-n", "h", "-t", "s"]
    letters += ["-u", "d", "-P", "d", "-d", "x", "-r", "1", "-C", ";", "-D", str(tmp_path / "log"), "-o", "status", "-h"]
    done = fence(arguments=letters)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:")


def test_the_table_is_complete(parameters):
    """Where the existing agent is at hand, as Debian has it: all that it knows is in the table."""
    existing = next((path for path in map(pathlib.Path, EXISTING_AGENT) if _is_the_existing_one(path)), None)
    if existing is None:
        pytest.skip("the existing fence_compute is not installed")
    done = subprocess.run([existing], input="action=metadata\n", capture_output=True, text=True, timeout=30)
    names = {parameter.get("name") for parameter in ElementTree.fromstring(done.stdout).iter("parameter")}
    assert names == {name for name, *_ in EXISTING}


EXISTING_AGENT = ("/usr/lib/nova-ha/fence_compute.fence-agents", "/usr/sbin/fence_compute")


def _is_the_existing_one(path):
    return path.exists() and "create_nova_connection" in path.read_text()


def test_disable_and_enable_are_off_and_on_as_with_agents_that_cut_no_power():
    assert "Unrecognised" not in fence("action=disable", "record_only=disabled", "plug=x").stderr
    assert fence("action=enable", "record_only=disabled", "plug=x").returncode == 0


@pytest.mark.parametrize(
    ("name", "getopt"),
    [
        ("auth_url", "-k, --auth-url=[value]"),
        ("login", "-l, --username=[name]"),
        ("passwd", "-p, --password=[password]"),
        ("tenant_name", "-t, --tenant-name=[value]"),
        ("user-domain", "-u, --user-domain=[value]"),
        ("project-domain", "-P, --project-domain=[value]"),
        ("endpoint_type", "-e, --endpoint-type=[value]"),
        ("domain", "-d, --domain=[value]"),
        ("record_only", "-r, --record-only=[value]"),
        ("region_name", "--region-name=[value]"),
        ("compute-domain", "--compute-domain=[value]"),
        ("insecure", "--insecure"),
        ("no_shared_storage", "--no-shared-storage"),
        ("instance_filtering", "--instance-filtering"),
        ("attribute", "--attribute=[value]"),
        ("ip", "-a, --ip=[value]"),
        ("ipport", "--ipport=[value]"),
        ("power_agent", "--power-agent=[value]"),
        ("power_username", "--power-username=[value]"),
        ("power_password", "--power-password=[value]"),
        ("power_options", "--power-options=[value]"),
    ],
)
def test_a_parameter_is_spelt_as_operators_spell_it(parameters, name, getopt):
    assert parameters[name].find("getopt").get("mixed") == getopt
    assert parameters[name].get("required") == "0"
    assert len(parameters[name].findtext("shortdesc")) > 3


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("action=off", "record_only=1"), "You have to enter plug number"),
        (("action=off", "plug=compute-1", "record_only=maybe"), "record_only: 'maybe' will not do: one of 1, true"),
        (("action=off", "plug=compute-1", "record_only=1"), "cibadmin is not installed"),
        (("action=off", "plug=compute-1"), "no options for the power agent: give its ip"),
        (("action=off", "plug=compute-1", "ip=::1", "power_agent=fence_x"), "there is no power agent 'fence_x'"),
        (("action=off", "plug=x", "record_only=1", "attribute=a b"), "attribute: 'a b' will not do"),
        (("action=off", "plug=x", "ip=::1", "power_agent_timeout=soon"), "--power-agent-timeout is not a valid time"),
        (("action=off", "plug=x", "ip=::1", "power_options='x"), "power_options: No closing quotation"),
        (("action=off", "plug=x", "power_options=action=on"), "'action' cannot be an option of fence_ipmilan"),
        (("action=explode", "plug=compute-1"), "Unrecognised action 'explode'"),
        (("action=monitor", "record_only=1"), "cibadmin is not installed"),
        (("action=validate-all",), "no options for the power agent"),
    ],
)
def test_bad_input_is_one_clear_line(lines, text):
    done = fence(*lines)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if "ERROR" in line and "Please use '-h'" not in line]
    assert len(said) == 1
    assert text in said[0]


def test_an_unknown_parameter_is_said_and_ignored():
    done = fence("action=validate-all", "record_only=1", "colour=blue")
    assert done.returncode == 0
    assert "Ignoring unknown option 'colour=blue'" in done.stderr


def test_an_unknown_option_on_the_command_line_is_refused():
    done = fence(arguments=["--colour", "blue"])
    assert done.returncode == 1
    assert "option --colour not recognized" in done.stderr


@pytest.mark.parametrize("value", ["1", "True", "yes", "true", "on"])
def test_todays_configurations_are_valid(value):
    done = fence("action=validate-all", f"record_only={value}", *TODAY)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("value", ["2", "disabled", "Disabled"])
def test_disabled_does_nothing_and_succeeds(value):
    assert fence("action=off", "plug=compute-1", f"record_only={value}").returncode == 0


def test_the_cloud_s_password_script_is_not_run(tmp_path):
    fence("action=validate-all", "record_only=1", f"passwd_script=touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("plug", ["$(touch /tmp/x)", "a&b<c>", "x" * 10000, "\udcff"])
def test_a_host_name_is_data(plug):
    done = fence("action=status", "record_only=1", f"plug={plug}")
    assert (done.returncode, done.stdout) == (1, "")


# In this process, because Pacemaker is scripted.


@pytest.fixture
def agent(monkeypatch):
    """Call as ``agent(pacemaker, *lines)``: runs the agent's main; returns its exit code."""

    def run(pacemaker, *lines):
        loader = importlib.machinery.SourceFileLoader("fence_compute_under_test", str(FENCE_COMPUTE))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        monkeypatch.setattr(module, "Devices", lambda attribute: Devices(attribute, runner=pacemaker))
        monkeypatch.setattr(module.atexit, "register", lambda _handler: None)
        monkeypatch.setattr(module.fencing, "SyslogLibHandler", logging.NullHandler)
        monkeypatch.setattr(sys, "argv", ["fence_compute"])
        monkeypatch.setattr(sys, "stdin", Lines(lines))
        with pytest.raises(SystemExit) as ended:
            module.main()
        return ended.value.code or 0

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.syspath_prepend("/usr/share/fence")
    return run


class Lines:
    """A standard input."""

    def __init__(self, lines):
        self._lines = lines

    def readlines(self):
        return [f"{line}\n" for line in self._lines]

    def reconfigure(self, errors):
        assert errors == "surrogateescape"


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_record_only_flags(agent, action):
    pacemaker = Pacemaker({"compute-1": None})
    assert agent(pacemaker, f"action={action}", "plug=compute-1.cloud.example", "record_only=1", *TODAY) == 0
    assert pacemaker.flags == {"compute-1": "yes"}


def test_the_flag_can_be_another_attribute(agent):
    written = []

    def pacemaker(command, timeout):
        if "fencing-level" in command[-1] or "primitive" in command[-1]:
            return Pacemaker({})(command, timeout)
        written.extend(command[command.index("--name") + 1 :][:1] if command[0] == "crm_attribute" else [])
        node = '<instance_attributes><nvpair name="ours" value="yes"/></instance_attributes>'
        return 0, f'<node uname="compute-1">{node}</node>', ""

    assert agent(pacemaker, "action=off", "plug=compute-1", "record_only=1", "attribute=ours") == 0
    assert written == ["ours"]


def test_record_only_on_leaves_the_flag(agent):
    pacemaker = Pacemaker({"compute-1": "yes"})
    assert agent(pacemaker, "action=on", "plug=compute-1", "record_only=1") == 0
    assert pacemaker.written == []


@pytest.mark.parametrize(("flag", "code", "word"), [("yes", 2, "OFF"), ("no", 0, "ON"), (None, 0, "ON")])
def test_record_only_status(agent, capsys, flag, code, word):
    assert agent(Pacemaker({"compute-1": flag}), "action=status", "plug=compute-1", "record_only=1") == code
    assert capsys.readouterr().out == f"Status: {word}\n"


def test_list_gives_the_remote_nodes(agent, capsys):
    pacemaker = Pacemaker({"compute-1": "yes", "compute-2": None})
    assert agent(pacemaker, "action=list", "record_only=1") == 0
    assert capsys.readouterr().out == "compute-1,\ncompute-2,\n"
    assert agent(pacemaker, "action=list-status", "record_only=1") == 0
    assert capsys.readouterr().out == "compute-1,,off\ncompute-2,,on\n"


def test_monitor(agent):
    assert agent(Pacemaker({"compute-1": None}), "action=monitor", "record_only=1") == 0
    assert agent(Pacemaker({}, deaf="cibadmin"), "action=monitor", "record_only=1") == 1


def test_an_unknown_host_is_one_clear_line(agent, capsys):
    assert agent(Pacemaker({"compute-1": None}), "action=off", "plug=compute-9", "record_only=1") == 1
    assert "Failed: the cluster knows no node 'compute-9'" in capsys.readouterr().err


# By turns on and off, as it is told.
HONEST = """
import pathlib
power = pathlib.Path(__file__ + ".power")
if action == "status":
    status(*(("OFF", 2) if power.exists() and power.read_text() == "off" else ("ON", 0)))
if action in ("on", "off"):
    power.write_text(action)
"""


def test_standalone_hands_on_what_was_given_and_nothing_else(agent, tmp_path):
    stand, pacemaker = Stand(tmp_path).lives(HONEST), Pacemaker({"compute-1": None})
    lines = ("ip=192.0.2.1", "ipport=6230", "lanplus=1", "cipher=3", "privlvl=operator", "power_wait=4")
    lines += ("power_username=bmc", "power_password=bMc", "power_options=systems_uri=/x 'a=b c'")
    assert agent(pacemaker, "action=off", "plug=compute-1", f"power_agent={stand.path}", *lines, *TODAY) == 0
    assert pacemaker.flags == {"compute-1": "yes"}
    assert stand.notes[0]["options"] == {
        "action": "off", "ip": "192.0.2.1", "ipport": "6230", "lanplus": "1", "cipher": "3", "privlvl": "operator",
        "power_wait": "4", "username": "bmc", "password": "bMc", "systems_uri": "/x", "a": "b c", "plug": "compute-1",
    }  # fmt: skip


def test_standalone_reboot_is_off_flag_on(agent, tmp_path):
    stand, pacemaker = Stand(tmp_path).lives(HONEST), Pacemaker({"compute-1": None})
    assert agent(pacemaker, "action=reboot", "plug=compute-1", f"power_agent={stand.path}", "ip=192.0.2.1") == 0
    assert [note["options"]["action"] for note in stand.notes] == ["off", "status", "on", "status"]
    assert pacemaker.flags == {"compute-1": "yes"}


def test_a_host_that_stays_off_after_the_flag_is_fenced(agent, tmp_path, capsys):
    stand, pacemaker = Stand(tmp_path).lives(OFF), Pacemaker({"compute-1": None})
    assert agent(pacemaker, "action=reboot", "plug=compute-1", f"power_agent={stand.path}", "ip=192.0.2.1") == 0
    assert pacemaker.flags == {"compute-1": "yes"}
    assert "Fenced, but compute-1 is not proved to be on" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_a_bmc_that_lies_is_a_failed_fence(agent, tmp_path, capsys, action):
    stand, pacemaker = Stand(tmp_path).lives(ON), Pacemaker({"compute-1": None})
    assert agent(pacemaker, f"action={action}", "plug=compute-1", f"power_agent={stand.path}", "ip=192.0.2.1") == 1
    assert pacemaker.written == []
    assert "compute-1 is not proved to be off, and is not flagged" in capsys.readouterr().err


def test_an_unknown_host_is_not_powered_off(agent, tmp_path):
    stand = Stand(tmp_path).lives(HONEST)
    assert agent(Pacemaker({"a": None}), "action=off", "plug=b", f"power_agent={stand.path}", "ip=192.0.2.1") == 1
    assert not (tmp_path / "notes").exists()


def test_standalone_status_is_the_power(agent, tmp_path, capsys):
    stand = Stand(tmp_path).lives(HONEST)
    lines = ("action=status", "plug=compute-1", f"power_agent={stand.path}", "ip=192.0.2.1")
    assert agent(Pacemaker({"compute-1": "yes"}), *lines) == 0
    assert capsys.readouterr().out == "Status: ON\n"
