# SPDX-License-Identifier: Apache-2.0
"""The results of runs: a JSON line for each, kept over several sittings, and the table made of them.

A line has ``time``, ``tree`` (git's name of it), ``seed``, ``only``, ``faults`` (those that were carried out),
``missed`` (those that were not, for what others had done to the lab), ``outcome`` (``passed``, ``failed``, or
``broken``: the lab or the campaign itself failed, which says nothing), ``instances``, ``lost``, ``doubled``, ``late``,
``recovery`` (seconds, or null), ``took`` (seconds), ``findings``.
"""

import json
import statistics
import time

from tests.benchmarks.printing import table
from tests.campaign.disturbances import KINDS
from tests.lab import settings
from tests.lab.shell import run

DIRECTORY = settings.HOME / "campaign"
FILE = DIRECTORY / "results.jsonl"
PASSED, FAILED, BROKEN = "passed", "failed", "broken"
COLUMNS = ("fault", "runs", "failed", "lost", "doubled", "late", "median s", "worst s")


def line(plan, verdict, took):
    """The line of a run.

    :param verdict: a ``verdict.Verdict``, or the text of the error by which the lab failed
    :param took: seconds
    """
    about = {"time": time.time(), "tree": _tree(), "seed": plan.seed, "only": list(plan.only),
             "took": round(took, 1)}  # fmt: skip
    if isinstance(verdict, str):
        return {**about, "faults": [], "missed": list(plan.faults), "outcome": BROKEN, "findings": [verdict],
                "instances": 0, "lost": 0, "doubled": 0, "late": False, "recovery": None}  # fmt: skip
    return {
        **about,
        "faults": list(verdict.carried_out),
        "missed": [fault for fault in plan.faults if fault not in verdict.carried_out],
        "outcome": PASSED if verdict.passed else FAILED,
        "instances": verdict.instances,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "late": verdict.late,
        "recovery": verdict.recovery,
        "findings": list(verdict.findings),
    }


def append(file, entry):
    """Keep a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps(entry) + "\n")


def read(file):
    """All lines; none if there is no file yet."""
    try:
        return [json.loads(text) for text in file.read_text().splitlines() if text.strip()]
    except FileNotFoundError:
        return []


def next_seed(entries):
    """The seed after the last one that chance chose the faults of."""
    return max((entry["seed"] for entry in entries if not entry["only"]), default=0) + 1


def section(entries, file):
    """The lines of docs/campaign.md about all runs: the command, when and of which trees they were, and the table.

    :param file: where they are kept
    """
    told = [entry for entry in entries if entry["outcome"] != BROKEN]
    if not told:
        return ["No run so far."]
    days = [time.strftime("%Y-%m-%d", time.gmtime(entry["time"])) for entry in told]
    trees = list(dict.fromkeys(entry["tree"] for entry in told))
    seeds = {entry["seed"] for entry in told}
    broken = len(entries) - len(told)
    where = "" if file == FILE else f" --results {file}"
    return [
        f"    /usr/bin/python3 -m tests.campaign{where} --runs N     # in one or more sittings",
        f"    /usr/bin/python3 -m tests.campaign{where} --table",
        "",
        f"{len(told)} runs of {len(seeds)} seeds ({min(seeds)} to {max(seeds)}), {min(days)} to {max(days)}, of the"
        f" trees {', '.join(trees)}; a run took {statistics.median(entry['took'] for entry in told):.0f} s (median)."
        + (f" {broken} more were broken off, as the lab itself failed." if broken else ""),
        "",
        "```",
        *summary(told),
        "```",
    ]


def summary(entries):
    """The table, as lines: a row for each kind of fault, over all runs that it was in; and a row for all."""
    rows = []
    for name in KINDS:
        mine = [entry for entry in entries if name in entry["faults"]]
        if mine:
            rows.append([name, *_figures(mine)])
    never = [name for name in KINDS if not any(row[0] == name for row in rows)]
    rows.append(["all", *_figures(entries)])
    return table(COLUMNS, rows) + ([f"not yet seen: {', '.join(never)}"] if never else [])


def _figures(entries):
    times = [entry["recovery"] for entry in entries if entry["recovery"] is not None]
    return [
        len(entries),
        sum(entry["outcome"] == FAILED for entry in entries),
        sum(entry["lost"] for entry in entries),
        sum(entry["doubled"] for entry in entries),
        sum(entry["late"] for entry in entries),
        f"{statistics.median(times):.1f}" if times else "-",
        f"{max(times):.1f}" if times else "-",
    ]


def _tree():
    """git's name of the tree, which tells whether it was changed since."""
    done = run("git", "-C", settings.SOURCE_TREE, "describe", "--always", "--dirty", check=False)
    return done.stdout.strip() or "?"
