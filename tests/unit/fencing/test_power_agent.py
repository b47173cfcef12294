# SPDX-License-Identifier: Apache-2.0
"""The door to BMCs, against small stand-ins for fence agents that misbehave as real ones do."""

import pathlib
import time

import pytest

from nova_ha.fencing.power_agent import PowerAgent, PowerError
from nova_ha.rundir.pidfile import start_time
from tests.unit.power_agents import OFF, OFF_FOR, ON, Stand
from tests.unit.waiting import until


@pytest.fixture
def stand(tmp_path):
    return Stand(tmp_path)


def refusal(function):
    with pytest.raises(PowerError) as refused:
        function()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_off_is_proved_by_asking(stand):
    stand.lives(OFF).power().off()
    assert [note["options"]["action"] for note in stand.notes] == ["off", "status"]


def test_an_agent_that_says_off_and_lies_on(stand):
    assert refusal(stand.lives(ON).power().off) == "fence_stand off: it reported success, but the power is on"


def test_an_agent_that_says_on_and_lies_off(stand):
    assert refusal(stand.lives(OFF).power().on) == "fence_stand on: it reported success, but the power is off"


def test_a_bmc_that_is_off_for_one_look_only_is_found_out_by_a_second_one(stand):
    said = refusal(stand.lives(OFF_FOR.format(looks=1)).power(recheck=0.1).off)
    assert said.startswith("fence_stand off: the power was off, and is on again 0.1 s later: ")
    assert [note["options"]["action"] for note in stand.notes] == ["off", "status", "status"]


def test_a_second_look_comes_when_it_was_asked_for(stand):
    began = time.monotonic()
    stand.lives(OFF).power(recheck=1).off()
    assert time.monotonic() - began > 1
    assert [note["options"]["action"] for note in stand.notes] == ["off", "status", "status"]


def test_an_order_and_its_proof_have_one_time_limit(stand):
    life = 'time.sleep(1.1)\nif action == "status": status("OFF", 2)'
    assert refusal(stand.lives(life).power(limit=2).off) == "fence_stand status: no answer within 2 s"


@pytest.mark.parametrize(
    ("parameter", "one"), [('<parameter name="port_as_ip"/>', True), ('<parameter name="plug"/>', False)]
)
def test_whether_an_agent_powers_one_host_or_many(stand, parameter, one):
    metadata = f"<resource-agent><parameters>{parameter}</parameters></resource-agent>"
    assert stand.lives(f"print({metadata!r})").power().serves_one() is one
    assert stand.notes[0]["options"]["action"] == "metadata"


@pytest.mark.parametrize(("agent", "one"), [("fence_ipmilan", True), ("fence_redfish", True), ("fence_virsh", False)])
def test_real_agents_say_whether_they_power_one_host_or_many(agent, one):
    assert PowerAgent(agent, {}, 20).serves_one() is one


# Declares that it looks at its options, and finds one missing.
LOOKS = """
if action == "metadata":
    print("<resource-agent><actions>{declared}</actions></resource-agent>"); sys.exit()
print("2026-01-01 00:00:00,000 ERROR: Failed: You have to enter password\\n", file=sys.stderr)
print("2026-01-01 00:00:00,000 ERROR: validate-all failed\\n", file=sys.stderr)
print("2026-01-01 00:00:00,000 ERROR: Please use '-h' for usage\\n", file=sys.stderr)
sys.exit(1)
"""


def test_options_are_looked_at_by_the_agent_that_will_get_them(stand):
    power = stand.lives(LOOKS.format(declared="<action name='validate-all'/>")).power(username="u")
    assert refusal(power.validate) == "fence_stand validate-all: You have to enter password"
    assert [note["options"]["action"] for note in stand.notes] == ["metadata", "validate-all"]
    assert stand.notes[-1]["options"]["username"] == "u"


def test_an_agent_that_cannot_look_at_its_options_is_not_asked_to(stand):
    stand.lives(LOOKS.format(declared="<action name='off'/>")).power().validate()
    assert [note["options"]["action"] for note in stand.notes] == ["metadata"]


def test_an_agent_whose_metadata_is_garbage(stand):
    said = refusal(stand.lives('print("<resource-agent>")').power().serves_one)
    assert said.startswith("fence_stand metadata: not understood: ")


@pytest.mark.parametrize(
    ("life", "state"), [(OFF, "off"), (ON, "on"), ('print("Warning: x"); print(" status: off "); sys.exit(2)', "off")]
)
def test_status(stand, life, state):
    assert stand.lives(life).power().status() == state


@pytest.mark.parametrize(
    "life",
    [
        "sys.exit(2)",  # as many programs do on wrong usage
        "sys.exit(0)",
        'status("ON", 2)',
        'status("OFF", 0)',
        'print("Status: UNKNOWN"); sys.exit(2)',
        'sys.stdout.buffer.write(b"\\xff\\xfe" * 1000); sys.exit(2)',
    ],
)
def test_an_answer_that_is_garbage_proves_nothing(stand, life):
    assert "fence_stand status: not understood" in refusal(stand.lives(life).power().status)


def test_an_agent_that_hangs_is_killed_with_what_it_started(stand):
    life = """
import pathlib, subprocess
child = subprocess.Popen(["sleep", "60"])
pathlib.Path(__file__ + ".child").write_text(str(child.pid))
time.sleep(60)
"""
    began = time.monotonic()
    assert refusal(stand.lives(life).power(limit=2).off) == "fence_stand off: no answer within 2 s"
    assert time.monotonic() - began < 30, "it was not awaited"
    child = int(pathlib.Path(f"{stand.path}.child").read_text())
    until(lambda: start_time(child) is None)


def test_the_reason_of_a_failure_is_the_agent_s_own(stand):
    life = """
print("/usr/sbin/fence_stand:5: DeprecationWarning: 'pipes' is deprecated", file=sys.stderr)
print("2026-01-01 00:00:00,000 ERROR: Failed: Unable to connect/login to fencing device\\n", file=sys.stderr)
print("2026-01-01 00:00:00,000 ERROR: Please use '-h' for usage\\n", file=sys.stderr)
sys.exit(1)
"""
    assert refusal(stand.lives(life).power().off) == "fence_stand off: Unable to connect/login to fencing device"


def test_a_failure_without_a_word(stand):
    assert refusal(stand.lives("sys.exit(7)").power().monitor) == "fence_stand monitor: exit code 7"


def test_a_password_is_neither_shown_nor_repeated(stand):
    life = 'print("ERROR: login failed with " + options["password"], file=sys.stderr); sys.exit(1)'
    text = refusal(stand.lives(life).power(password="sEcret").off)
    assert text == "fence_stand off: login failed with ***"
    (note,) = stand.notes
    assert note["options"]["password"] == "sEcret"
    assert note["arguments"] == []
    assert set(note["environment"]) - {"LC_CTYPE"} == {"PATH", "LC_ALL"}


@pytest.mark.parametrize("name", ["password", "passwd", "snmp_priv_passwd", "hexadecimal_kg", "community"])
def test_no_secret_is_repeated_even_from_an_answer_that_is_not_understood(stand, name):
    life = f'print("Status: " + options["{name}"]); sys.exit(2)'
    said = refusal(stand.lives(life).power(**{name: "sEcret"}).status)
    assert said.endswith("it said 'Status: ***' with exit code 2")


@pytest.mark.parametrize("password", [' s p ', '"quoted"', "a=b", "$(reboot)", "ü"])
def test_a_value_arrives_as_it_is(stand, password):
    stand.lives(ON).power(password=password).monitor()
    sent = stand.notes[0]["options"]["password"]
    quoted = len(sent) > 1 and sent[0] == sent[-1] == '"'
    # As the fencing library reads it: white space goes, then one pair of quotes.
    assert (sent.strip()[1:-1] if quoted else sent.strip()) == password


def test_a_value_cannot_become_another_option(stand):
    text = refusal(lambda: stand.lives(ON).power(password="x\naction=on"))
    assert text == "the value of password for fence_stand has more than one line"
    for name in ("action", "a=b", "a b", ""):
        assert "cannot be an option" in refusal(lambda name=name: stand.power(**{name: "x"}))


@pytest.mark.parametrize(
    ("agent", "text"),
    [
        ("fence_nosuch", "there is no power agent 'fence_nosuch' on this node"),
        ("/etc/passwd", "there is no power agent '/etc/passwd' on this node"),
        ("../../bin/true", "there is no power agent '../../bin/true' on this node"),
        ("", "there is no power agent '' on this node"),
        ("fence_compute", "fence_compute cannot be its own power agent"),
    ],
)
def test_an_agent_that_cannot_be_one(agent, text):
    assert refusal(lambda: PowerAgent(agent, {}, 1)) == text


def test_an_agent_that_cannot_be_run(stand):
    stand.path.write_text("no program")
    stand.path.chmod(0o755)
    assert refusal(stand.power().off) == "fence_stand cannot be run: Exec format error"
