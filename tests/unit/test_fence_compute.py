# SPDX-License-Identifier: Apache-2.0
"""fence_compute's own file, run as the fencer runs it; and its actions in this process on a scripted Pacemaker."""

import pathlib
import re
import resource
import subprocess
from xml.etree import ElementTree

import pytest

from nova_ha.fencing import force_down, options
from tests.unit.agent_programs import FENCE_COMPUTE, fence, validates
from tests.unit.pacemaker import Pacemaker
from tests.unit.power_agents import OFF, OFF_FOR, ON, Stand

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


@pytest.mark.parametrize("name", ["auth-url", "tenant-name", "no-shared-storage", "record-only"])
def test_what_deployments_spell_with_dashes_is_declared_like_that_for_pcs_too(parameters, name):
    assert parameters[name].get("deprecated") == "1"
    assert parameters[name.replace("-", "_")].get("obsoletes") == name
    assert f"--{name}" in parameters[name].find("getopt").get("mixed")


def test_every_letter_of_the_existing_agent_is_read(tmp_path):
    # As help is asked for last, what comes before it has been understood.
    letters = ["-v", "-q", "-k", "u", "-e", "u", "-l", "u", "-p", "x", "-S", "true", "-n", "h", "-t", "s"]
    letters += ["-u", "d", "-P", "d", "-d", "x", "-r", "1", "-C", ";", "-D", str(tmp_path / "log"), "-o", "off", "-h"]
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
        (
            ("action=off", "plug=compute-1", "record_only=maybe"),
            "record_only: invalid value 'maybe': expected one of 1, true",
        ),
        (("action=off", "plug=compute-1", "record_only=1"), "cibadmin is not installed"),
        (("action=off", "plug=compute-1"), "no options for the power agent: give its ip"),
        (("action=off", "plug=compute-1", "ip=::1", "power_agent=fence_x"), "there is no power agent 'fence_x'"),
        (("action=off", "plug=x", "record_only=1", "attribute=a b"), "attribute: invalid value 'a b'"),
        (("action=off", "plug=x", "ip=::1", "power_agent_timeout=soon"), "--power-agent-timeout is not a valid time"),
        (("action=off", "plug=x", "ip=::1", "power_agent_timeout=0"), "power_agent_timeout: invalid value 0"),
        (("action=off", "plug=x", "ip=::1", "power_agent_timeout=-3"), "power_agent_timeout: invalid value '-3'"),
        (("action=off", "plug=x", "ip=::1", "power_recheck=a bit"), "--power-recheck is not a valid time in seconds"),
        (("action=off", "plug=x", "ip=::1", "power_recheck=-1"), "power_recheck: invalid value '-1'"),
        (("action=off", "plug=x", "ip=::1", "ipport=https"), "--ipport is not a valid integer"),
        (("action=off", "plug=x", "ip=::1", "method=kick"), "a valid choice for --method"),
        (("action=off", "plug=x", "ip=::1", "identity_file=/nonexistent"), "use identity file together with ssh"),
        (("action=off", "plug=x", "record_only=1", "delay=soon"), "--delay is not a valid time in seconds"),
        (("action=off", "plug=x", "username=u", "password=p", "auth_url=http://k"), "no options for the power agent"),
        (("action=off", "plug=x", "ip=::1", "power_agent=../fence_x"), "there is no power agent '../fence_x'"),
        (("action=off", "plug=x", "ip=::1", "power_agent=fence_compute"), "cannot be its own power agent"),
        (("action=validate-all", "record_only=1", "force_down=1", "auth_url=x"), "auth_url: invalid value 'x'"),
        (
            ("action=validate-all", "record_only=1", "force_down=1", "endpoint_type=mine"),
            "force_down: endpoint_type: invalid value 'mine': expected one of publicURL",
        ),
        (("action=validate-all", "record_only=1", "attribute="), "attribute: invalid value ''"),
        (("action=off", "plug=x", "ip=::1", "power_options='x"), "power_options: No closing quotation"),
        (("action=off", "plug=x", "power_options=action=on"), "'action' cannot be an option of fence_ipmilan"),
        (("action=explode", "plug=compute-1"), "Unrecognised action 'explode'"),
        (("action=monitor", "record_only=1"), "cibadmin is not installed"),
        (("action=validate-all",), "no options for the power agent"),
        (
            ("action=validate-all", "record_only=1", "domain=a b"),
            "domain: invalid value 'a b': expected a name without white",
        ),
        (("action=validate-all", "record_only=1", "compute_domain=a b"), "compute-domain: invalid value 'a b'"),
        (
            ("action=validate-all", "record_only=1", "force_down=perhaps"),
            "force_down: invalid value 'perhaps': expected one of 1",
        ),
        (
            ("action=validate-all", "ip=::1", "ssl-insecure=2"),
            "ssl-insecure: invalid value '2': expected one of 1, 0, true",
        ),
        (("action=validate-all", "username=u"), "fence_ipmilan validate-all: You have to enter fence address"),
        (
            ("action=validate-all", "power_agent=fence_apc", "ip=::1", "username=u"),
            "fence_apc validate-all: You have to enter password, password script or identity file",
        ),
        (("action=validate-all", "ip=::1", "power_agent=/bin/true"), "true metadata: not understood"),
        (("action=off", "plug=x", "record_only=maybe", "colour=blue"), "record_only: invalid value 'maybe'"),
    ],
)
def test_bad_input_is_one_clear_line(lines, text):
    done = fence(*lines)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if "ERROR" in line and "Please use '-h'" not in line]
    assert len(said) == 1
    assert text in said[0]


@pytest.mark.parametrize("agent", ["fence_ipmilan", "fence_redfish", "fence_apc", "fence_virsh", "fence_vbox"])
def test_a_device_of_each_kind_is_valid(agent):
    lines = ("ip=::1", "username=u", "password=p", "ssl_insecure=true", 'lanplus="1"', "domain=cloud.example")
    done = fence("action=validate-all", f"power_agent={agent}", *lines)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_parameter_is_said_and_ignored():
    done = fence("action=validate-all", "record_only=1", "colour=blue")
    assert done.returncode == 0
    assert "Ignoring unknown option 'colour=blue'" in done.stderr


def test_without_any_input_it_says_what_it_needs():
    done = subprocess.run(["sh", "-c", f"exec {FENCE_COMPUTE} <&-"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Failed: You have to enter plug number" in done.stderr
    assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize("more", ["record_only=1", "auth_url=http://k", "ip=::1"])
def test_a_password_script_is_not_run_by_this_agent(tmp_path, more):
    fence("action=validate-all", more, f"passwd_script=touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


HOSTILE = ("$(touch {0})", "`touch {0}`", "x; touch {0}", "a&b<c>", "&lt;!ENTITY x SYSTEM 'file:///etc/passwd'&gt;")
HOSTILE += ("]]>", "x\" or @uname='y", "x" * 10000, "\udcff", "-v", "--help", "..", "", "\x1b[31m", "x\x00y", "%s%n")


@pytest.mark.parametrize("name", ["plug", "nodename", "attribute", "power_agent", "power_options"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_a_value_is_it_is_data(tmp_path, name, text):
    ran = tmp_path / "ran"
    lines = {"record_only": "1", "plug": "compute-1"}
    if name.startswith("power"):
        del lines["record_only"]
        lines |= {"ip": "192.0.2.1", "power_agent": str(tmp_path / "fence_nosuch")}
    lines[name] = text.format(ran) if "touch" in text else text
    done = fence("action=off", *(f"{key}={value}" for key, value in lines.items()))
    assert (done.returncode, done.stdout) == (1, "")
    assert not ran.exists()
    assert len(done.stderr) < 1000


@pytest.mark.parametrize("option", ["--plug", "--nodename", "--domain"])
def test_a_value_with_a_line_break_is_one_value(option):
    done = fence(arguments=["--record-only=1", "--action=status", "--plug=x", option, "a\naction=on"])
    assert (done.returncode, done.stdout) == (1, "")
    wanted = "cibadmin is not installed" if option == "--domain" else r"'a\naction=on' cannot be the name of a host"
    assert wanted in done.stderr


def test_the_cloud_s_clients_are_loaded_only_for_force_down():
    def loaded(*lines):
        command = ["/usr/bin/python3", "-I", "-X", "importtime", FENCE_COMPUTE]
        text = "".join(f"{line}\n" for line in ("action=validate-all", "record_only=1", *lines))
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30).stderr

    for client in ("keystoneauth1", "novaclient"):
        assert client not in loaded(*TODAY)
        assert client in loaded(*TODAY, "force_down=1")


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({"--ip": "b", "--username": "u", "--password": "p"}, {"ip": "b", "username": "u", "password": "p"}),
        ({"--ip": "b", "--password-script": "/x"}, {"ip": "b", "password_script": "/x"}),
        ({"--ip": "b", "--username": "u", "--password": "p", "--auth-url": "http://k"}, {"ip": "b"}),
        ({"--ip": "b", "--username": "u", "--auth-url": ""}, {"ip": "b", "username": "u"}),
        ({"--username": "u", "--power-username": "v"}, {"username": "v"}),
        ({"--auth-url": "k", "--power-username": "v", "--power-password": "q"}, {"username": "v", "password": "q"}),
        ({"--ip": ""}, {"ip": ""}),  # which the power agent refuses, while 1 would be an address
        ({"--lanplus": ""}, {"lanplus": "1"}),  # on a command line
        ({"--lanplus": "0", "--ssl-insecure": "1"}, {"lanplus": "0", "ssl_insecure": "1"}),
        ({"--systems-uri": "/x", "--port-as-ip": "1"}, {"systems_uri": "/x", "port_as_ip": "1"}),
        ({"--plug-separator": ";", "--power-timeout": "30"}, {"plug_separator": ";", "power_timeout": "30"}),
        ({"--power-options": "ip=a b='c d'", "--ip": "e"}, {"ip": "e", "b": "c d"}),
    ],
)
def test_what_the_power_agent_is_given(given, passed):
    assert options.for_power_agent(given) == passed


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"--auth-url": "http://k"}, None),
        ({"--force-down": "0", "--auth-url": "http://k"}, None),
        ({"--force-down": "1"}, {}),
        ({"--force-down": "", "--region-name": "R"}, {"region_name": "R"}),
        ({"--force-down": "1", "--username": "bmc", "--password": "bMc"}, {}),  # the power agent's
        (
            {"--force-down": "1", "--auth-url": "k", "--username": "u", "--password": "p", "--tenant-name": "t"},
            {"auth_url": "k", "username": "u", "password": "p", "tenant_name": "t"}
            | {"user_domain": "Default", "project_domain": "Default"},
        ),
        (
            {"--force-down": "1", "--auth-url": "k", "--user-domain": "d", "--endpoint-type": "e", "--insecure": ""},
            {"auth_url": "k", "user_domain": "d", "project_domain": "Default", "endpoint_type": "e", "insecure": "1"},
        ),
    ],
)
def test_what_the_cloud_is_reached_with(given, found):
    assert options.for_cloud(given) == found


def test_neither_it_nor_its_power_agent_leaves_a_core_with_passwords(tmp_path):
    life = """
import pathlib, resource
pathlib.Path(__file__ + ".limits").write_text(str(resource.getrlimit(resource.RLIMIT_CORE)[0]))
"""
    stand = Stand(tmp_path).lives(life)
    fence("action=monitor", "ip=192.0.2.1", "password=sEcret", f"power_agent={stand.path}")
    wanted = "0" if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else "1"
    assert (tmp_path / "fence_stand.limits").read_text() == wanted


# In this process, because Pacemaker is scripted (the fixture ``agent``).


LEVELS = '<fencing-level target-pattern="compute-.*" devices="fence_ipmilan-1,fence_compute"/>'


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


@pytest.mark.parametrize(("action", "delays"), [("off", [7]), ("reboot", [7]), ("on", []), ("status", [])])
def test_a_delay_comes_before_anything_is_done(agent, monkeypatch, action, delays):
    pacemaker, waited = Pacemaker({"compute-1": None}), []

    def sleep(seconds):
        assert pacemaker.written == []
        waited.append(int(seconds))

    monkeypatch.setattr("time.sleep", sleep)
    agent(pacemaker, f"action={action}", "plug=compute-1", "record_only=1", "delay=7")
    assert waited == delays


@pytest.mark.parametrize("name", ["domain", "compute-domain", "compute_domain"])
def test_the_domain_says_which_host_is_meant(agent, name):
    pacemaker = Pacemaker({"compute-1.a.example": None, "compute-1.b.example": None}, levels=LEVELS)
    assert agent(pacemaker, "action=off", "plug=compute-1", "record_only=1") == 1
    assert agent(pacemaker, "action=off", "plug=compute-1", "record_only=1", f"{name}=b.example") == 0
    assert pacemaker.flags == {"compute-1.a.example": None, "compute-1.b.example": "yes"}


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


# One device for many hosts.


def test_the_plug_goes_to_the_power_agent_and_the_flag_to_the_host_that_pacemaker_names(agent, tmp_path):
    stand, pacemaker = Stand(tmp_path).lives(HONEST), Pacemaker({"compute-1": None, "compute-2": None})
    lines = ("nodename=compute-2", "plug=192.0.2.2", "port_as_ip=1", f"power_agent={stand.path}", "username=u")
    assert agent(pacemaker, "action=off", *lines) == 0
    assert pacemaker.flags == {"compute-1": None, "compute-2": "yes"}
    # The library has set ip to the plug.
    wanted = {"action": "off", "plug": "192.0.2.2", "ip": "192.0.2.2", "port_as_ip": "1", "username": "u"}
    assert [note["options"] for note in stand.notes] == [wanted, {**wanted, "action": "status"}]


def test_the_name_that_pacemaker_gives_is_enough(agent, tmp_path):
    pacemaker = Pacemaker({"compute-1": None})
    assert agent(pacemaker, "action=off", "nodename=compute-1", "record_only=1") == 0
    assert pacemaker.flags == {"compute-1": "yes"}


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_the_fencing_levels_are_those_of_the_name_that_pacemaker_gives(agent, capsys, action):
    pacemaker = Pacemaker({"compute-1": None}, levels=LEVELS)
    # As of pcs stonith fence COMPUTE-1: the level's pattern does not match that.
    assert agent(pacemaker, f"action={action}", "nodename=COMPUTE-1", "plug=compute-1", "record_only=1") == 1
    assert "record_only proves nothing by itself" in capsys.readouterr().err
    assert pacemaker.written == []


def test_two_plugs_of_one_host_are_one_host(agent, tmp_path, capsys):
    stand, pacemaker = Stand(tmp_path).lives(HONEST), Pacemaker({"compute-1": None})
    lines = ("nodename=compute-1", "plug=7,8", "ip=192.0.2.1", f"power_agent={stand.path}")
    assert agent(pacemaker, "action=off", *lines) == 0
    assert pacemaker.flags == {"compute-1": "yes"}
    assert {note["options"]["plug"] for note in stand.notes} == {"7,8"}
    assert agent(pacemaker, "action=status", *lines) == 2
    assert capsys.readouterr().out.endswith("Status: OFF\n")


@pytest.mark.parametrize("more", [("plug=compute-2",), ("plug=compute-2.cloud.example", "record_only=1")])
def test_a_plug_that_is_another_host_s_name_is_a_failed_fence(agent, tmp_path, capsys, more):
    stand, pacemaker = Stand(tmp_path).lives(HONEST), Pacemaker({"compute-1": None, "compute-2": None})
    lines = ("nodename=compute-1", "ip=192.0.2.1", f"power_agent={stand.path}", *more)
    assert agent(pacemaker, "action=off", *lines) == 1
    assert pacemaker.written == []
    assert not (tmp_path / "notes").exists()
    assert "is the name of another host, compute-2: see to pcmk_host_map" in capsys.readouterr().err


def test_a_bmc_that_is_configured_for_two_hosts_is_a_failed_fence(agent, tmp_path, capsys):
    metadata = 'if action == "metadata":\n    print("<a><parameter name=\'port_as_ip\'/></a>"); sys.exit()'
    stand = Stand(tmp_path).lives(metadata + HONEST)
    hosts = ("compute-1", "compute-2")
    devices = [{"ip": "192.0.2.1", "power_options": "a=b", "pcmk_host_list": host} for host in hosts]
    pacemaker = Pacemaker(dict.fromkeys(hosts), devices=devices)
    lines = ("nodename=compute-1", "plug=compute-1", "ip=192.0.2.1", "power_options=a=b", f"power_agent={stand.path}")
    assert agent(pacemaker, "action=off", *lines) == 1
    assert [note["options"]["action"] for note in stand.notes] == ["metadata"]
    assert pacemaker.written == []
    assert "its power is that of compute-2, too" in capsys.readouterr().err


# BMCs as they are.

HANGS = "time.sleep(60)"
REFUSES = """
print("2026-01-01 00:00:00,000 ERROR: Unable to connect/login to fencing device\\n", file=sys.stderr)
sys.exit(1)
"""


@pytest.mark.parametrize(
    ("life", "more", "text"),
    [
        (ON, (), "fence_stand off: it reported success, but the power is on"),
        (HANGS, ("power_agent_timeout=1",), "fence_stand off: no answer within 1 s"),
        ('if action == "status":\n    time.sleep(60)', ("power_agent_timeout=1",), "status: no answer within 1 s"),
        ('print("<html>"); sys.exit(0)', (), "status: not understood: it said '<html>' with exit code 0"),
        ("sys.stdout.buffer.write(bytes(range(256)) * 40)", (), "fence_stand status: not understood"),
        ("sys.exit(2)", (), "fence_stand off: exit code 2"),
        ("os.kill(os.getpid(), 9)", (), "fence_stand off: exit code -9"),
        (REFUSES, (), "fence_stand off: Unable to connect/login to fencing device"),
        (OFF_FOR.format(looks=1), ("power_recheck=1",), "the power was off, and is on again 1 s later"),
    ],
    ids=["lies", "hangs", "hangs-after", "web-page", "binary", "wrong-use", "dies", "password", "off-for-a-moment"],
)
@pytest.mark.parametrize("action", ["off", "reboot"])
def test_what_a_bmc_does_wrong_is_a_failed_fence_with_its_reason(agent, tmp_path, capsys, action, life, more, text):
    stand, pacemaker = Stand(tmp_path).lives(life), Pacemaker({"compute-1": "no"})
    lines = ("nodename=compute-1", "plug=compute-1", f"power_agent={stand.path}", "ip=192.0.2.1", "password=sEcret")
    assert agent(pacemaker, f"action={action}", *lines, *more) == 1
    assert (pacemaker.written, pacemaker.flags) == ([], {"compute-1": "no"})
    told = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(told) == 1
    assert "ERROR: Failed: compute-1 is not proved to be off, and is not flagged: " in told[0]
    assert text in told[0]
    assert "sEcret" not in told[0]


@pytest.mark.parametrize(
    ("life", "text"),
    [
        (OFF, "fence_stand on: it reported success, but the power is off"),
        (REFUSES, "fence_stand on: Unable to connect/login to fencing device"),
        ('print("Status: ?")', "not understood"),
    ],
)
def test_a_host_that_does_not_come_on_is_said(agent, tmp_path, capsys, life, text):
    stand, pacemaker = Stand(tmp_path).lives(life), Pacemaker({"compute-1": "yes"})
    assert agent(pacemaker, "action=on", "plug=compute-1", f"power_agent={stand.path}", "ip=192.0.2.1") == 1
    told = capsys.readouterr().err
    assert "Failed: compute-1 is not proved to be on: " in told
    assert text in told
    assert pacemaker.written == []


# force_down.


@pytest.fixture
def attempts(monkeypatch):
    """What was tried of Nova: ``attempts.made``; it ends as ``attempts.outcome`` says."""

    class Attempts:
        made, outcome = [], None

    found = Attempts()
    found.made = []

    def attempt(host, domain, cloud):
        found.made.append((host, domain, cloud["auth_url"]))
        return found.outcome

    monkeypatch.setattr(force_down, "attempt", attempt)
    return found


FORCE = ("plug=compute-1", "record_only=1", "force_down=1", *TODAY)


@pytest.mark.parametrize("outcome", [None, "the cloud did not answer within 3 s"])
@pytest.mark.parametrize(("action", "word"), [("off", "Powered OFF"), ("reboot", "Rebooted")])
def test_a_flagged_host_is_forced_down_and_the_outcome_does_not_depend_on_that(
    agent, attempts, capsys, action, word, outcome
):
    pacemaker, attempts.outcome = Pacemaker({"compute-1": None}), outcome
    assert agent(pacemaker, f"action={action}", *FORCE) == 0
    assert pacemaker.flags == {"compute-1": "yes"}
    assert attempts.made == [("compute-1", "cloud.example", "http://k:5000/v3")]
    said = capsys.readouterr()
    assert said.out == f"Success: {word}\n"
    warning = f"WARNING: compute-1 is flagged, and not forced down by this agent: {outcome}"
    assert (warning in said.err) == (outcome is not None)
    assert "sEcret" not in said.err


def test_a_host_that_is_not_flagged_is_not_forced_down(agent, attempts):
    assert agent(Pacemaker({"compute-1": None}, levels=""), "action=off", *FORCE) == 1
    assert agent(Pacemaker({"compute-1": None}), "action=on", *FORCE) == 0
    assert attempts.made == []


def test_nova_is_not_spoken_to_unless_that_is_asked_for(agent, attempts):
    assert agent(Pacemaker({"compute-1": None}), "action=off", "plug=compute-1", "record_only=1", *TODAY) == 0
    assert attempts.made == []


def test_parameters_of_the_cloud_that_will_not_do_do_not_hold_up_a_fence(agent, tmp_path, capsys):
    pacemaker = Pacemaker({"compute-1": None})
    lines = ("action=off", "plug=compute-1", "record_only=1", "force_down=1", "auth_url=nonsense", "endpoint_type=x")
    assert agent(pacemaker, *lines) == 0
    assert pacemaker.flags == {"compute-1": "yes"}
    assert "not forced down by this agent: " in capsys.readouterr().err
