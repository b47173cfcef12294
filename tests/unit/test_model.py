# SPDX-License-Identifier: Apache-2.0
"""The model of the recovery protocol, checked exhaustively by spin: docs/model/README.md says what it is."""

import os
import pathlib
import re
import subprocess

import pytest

MODEL = pathlib.Path(__file__).parents[2] / "docs/model/evacuate.pml"

# The properties, as CHECK takes them, and what spin says of their assertions.
ONE_GUEST, NOT_FROM_LIVING, RUNS_IN_THE_END, ENOUGH, ROOM = 1, 2, 4, 8, 16
ASSERTED = {ONE_GUEST: "guest[2])<=1)", RUNS_IN_THE_END: "in_error", ENOUGH: "after_report<=1"}

LONG = pytest.mark.skipif(os.environ.get("NOVA_HA_LAB_LONG") != "1", reason="takes minutes: NOVA_HA_LAB_LONG=1")


def search(where, *switches, faults, check, compiler=("-DSAFETY", "-O0"), options=()):
    """Search the model's whole state space; returns what spin's verifier said of it."""
    defined = [f"-D{switch}" for switch in (*switches, f"FAULTS={faults}", f"CHECK={check}")]
    _run(where, "spin", *defined, "-a", str(MODEL))
    _run(where, "gcc", "-w", "-DNOFAIR", *compiler, "-o", "pan", "pan.c")
    said = _run(where, "./pan", "-E", "-m100000", *options)
    assert "error: max search depth too small" not in said and "out of memory" not in said, said
    return said


def _run(where, *command):
    done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def errors(said):
    return int(re.search(r"errors: (\d+)", said)[1])


def unreached(said):
    """The statements that no history came to, but for the ends of processes that never end."""
    return [line for line in said.splitlines() if re.search(r"state \d+, ", line) and "-end-" not in line]


def test_two_faults_beside_the_first_death_break_no_rule(tmp_path):
    said = search(tmp_path, faults=2, check=23, compiler=("-DSAFETY", "-O1"))
    assert errors(said) == 0, said
    assert unreached(said) == []


def test_every_history_ends(tmp_path):
    """So what holds at the end of each is what comes true in the end: none goes round for ever."""
    assert errors(search(tmp_path, faults=1, check=23, compiler=("-DNP", "-O0"), options=("-l",))) == 0


def test_two_engines_at_once_start_no_second_guest(tmp_path):
    assert errors(search(tmp_path, "TWO_ENGINES", faults=1, check=ONE_GUEST + NOT_FROM_LIVING + ROOM)) == 0


def test_a_host_flagged_by_mistake_is_asked_for_once_at_most_after_it_has_reported(tmp_path):
    assert errors(search(tmp_path, "WRONG_YES", faults=1, check=ENOUGH + ROOM)) == 0


@pytest.mark.parametrize(
    ("switches", "faults", "check"),
    [
        pytest.param(["OLD_IDLE"], 0, RUNS_IN_THE_END, id="begun and idle, so it is lost"),
        pytest.param(["OLD_TAKEOVER"], 1, ONE_GUEST, id="a former engine's request shows within seconds"),
        pytest.param(["OLD_STOPPED_BY_CLOCK"], 1, ONE_GUEST, id="held back for seconds, so it does not run"),
        pytest.param(["OLD_LOST_BY_CLOCK"], 0, ONE_GUEST, id="overdue, so it is lost"),
        pytest.param(["TWO_ENGINES", "OLD_RIVALS"], 0, ONE_GUEST, id="rivals are engines of the same resource"),
        pytest.param(["WRONG_YES", "OLD_NO_SECOND_PROOF"], 1, ENOUGH, id="flagged, so it is dead"),
        pytest.param(["LATE_RECORD"], 1, ONE_GUEST, id="a start that no record tells yet"),
        pytest.param(["DELETES_RESTART"], 2, ONE_GUEST, id="an operator deletes the flag that holds a host back"),
    ],
)
def test_an_assumption_that_is_wrong_shows_as_a_breach(tmp_path, switches, faults, check):
    said = search(tmp_path, *switches, faults=faults, check=check)
    assert errors(said) == 1
    assert ASSERTED[check] in re.search("assertion violated .*", said)[0]


@LONG
def test_three_faults_beside_the_first_death_break_no_rule(tmp_path):
    assert errors(search(tmp_path, faults=3, check=23, compiler=("-DSAFETY", "-O2"))) == 0


@LONG
@pytest.mark.parametrize(
    ("switch", "check"), [("TWO_ENGINES", ONE_GUEST + NOT_FROM_LIVING + ROOM), ("WRONG_YES", ENOUGH + ROOM)]
)
def test_two_faults_beside_what_no_cluster_should_do(tmp_path, switch, check):
    assert errors(search(tmp_path, switch, faults=2, check=check, compiler=("-DSAFETY", "-O2"))) == 0


@LONG
def test_every_history_of_two_faults_ends(tmp_path):
    assert errors(search(tmp_path, faults=2, check=23, compiler=("-DNP", "-O2"), options=("-l",))) == 0


@LONG
def test_hosts_must_be_claimed_before_anything_else_is_done(tmp_path):
    said = search(tmp_path, "CLAIMS_LATER", faults=3, check=NOT_FROM_LIVING, compiler=("-DSAFETY", "-O2"))
    assert errors(said) == 1
