# SPDX-License-Identifier: Apache-2.0
"""Results are kept over sittings, and their table counts each run for each of its faults."""

import dataclasses

from tests.campaign import plan, results
from tests.campaign.verdict import Verdict
from tests.unit.campaign.verdicts import BAD, GOOD


def line(seed, faults, verdict):
    if isinstance(verdict, Verdict):
        verdict = dataclasses.replace(verdict, carried_out=faults)
    return results.line(plan.make(seed, faults), verdict, 100)


def test_lines_are_kept_and_read_again(tmp_path):
    file = tmp_path / "campaign" / "results.jsonl"
    assert results.read(file) == []
    lines = [line(1, ("kill",), GOOD), line(2, ("kill",), "the lab failed")]
    for one in lines:
        results.append(file, one)
    assert results.read(file) == lines
    assert [one["outcome"] for one in lines] == ["passed", "broken"]


def test_a_sitting_goes_on_after_the_last_seed_that_nobody_chose_faults_for():
    assert results.next_seed([]) == 1
    assert results.next_seed([line(4, (), GOOD), line(9, ("kill",), GOOD)]) == 5


def test_table_has_a_row_for_each_kind_and_one_for_all():
    lines = [
        line(1, ("kill", "nova-slow"), GOOD),
        line(2, ("kill",), dataclasses.replace(GOOD, recovery=30.0)),
        line(3, ("hang", "nova-slow"), BAD),
    ]
    rows = {text.split()[0]: text.split()[1:] for text in results.summary(lines)}
    assert rows["kill"] == ["2", "0", "0", "0", "0", "25.0", "30.0"]
    assert rows["nova-slow"] == ["2", "1", "2", "1", "1", "20.0", "20.0"]
    assert rows["hang"] == ["1", "1", "2", "1", "1", "-", "-"]
    assert rows["all"] == ["3", "1", "2", "1", "1", "25.0", "30.0"]


def test_what_the_docs_have_says_by_which_commands_and_leaves_out_what_was_broken_off(tmp_path):
    entries = [line(3, ("kill",), GOOD), line(7, ("hang",), BAD), line(8, ("kill",), "the lab failed")]
    text = "\n".join(results.section(entries, tmp_path / "own"))
    assert f"python3 -m tests.campaign --results {tmp_path / 'own'} --table" in text
    assert "2 runs of 2 seeds (3 to 7)" in text
    assert "1 more were broken off" in text
    assert text.endswith("```") and "\nkill  " in text
    assert "--results" not in results.section(entries, results.FILE)[0]
    assert results.section([], results.FILE) == ["No run so far."]


def test_a_fault_that_was_not_carried_out_is_not_counted():
    made = plan.make(1, ("kill", "nova-slow"))
    kept = results.line(made, dataclasses.replace(GOOD, carried_out=("kill",)), 100)
    assert (kept["faults"], kept["missed"]) == (["kill"], ["nova-slow"])
    assert "nova-slow" in results.summary([kept])[-1]


def test_table_names_the_kinds_that_no_run_has_had():
    last = results.summary([line(1, ("kill",), GOOD)])[-1]
    assert "power-cut" in last
    assert " kill," not in last
