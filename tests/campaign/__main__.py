# SPDX-License-Identifier: Apache-2.0
"""The fault campaign's command line.

    /usr/bin/python3 -m tests.campaign [--runs N] [--seed S] [--fault NAME ...] [--minutes M]

Without --seed it goes on after the last seed in the results. It brings the lab up if it is not; nobody else may use it.
Ctrl-C, or SIGTERM, ends it: what is broken is mended first, which may take minutes.
"""

import argparse
import contextlib
import pathlib
import signal
import sys
import time
import traceback

from tests.campaign import limit, plan, results, run
from tests.campaign.disturbances import KINDS
from tests.lab import cluster, faults, healing, lab
from tests.lab.progress import Progress
from tests.lab.settings import Settings
from tests.lab.shell import LabError

# So many runs in succession in which the lab or the campaign itself failed are enough.
BROKEN_IN_SUCCESSION = 3


def main(arguments=None):
    """Run a campaign; returns the exit code: 0 if no run failed, 1 if one did, 2 for a wrong argument."""
    given = _parser().parse_args(arguments)
    if given.list:
        print("\n".join(f"{name:<24}{kind.what()}" for name, kind in KINDS.items()))
        return 0
    if given.table:
        print("\n".join(results.section(results.read(given.results), given.results)))
        return 0
    try:
        first = given.seed if given.seed is not None else results.next_seed(results.read(given.results))
        plans = [plan.make(seed, tuple(given.fault)) for seed in range(first, first + given.runs)]
    except ValueError as error:
        print(f"campaign: {error}", file=sys.stderr)
        return 2
    if given.plan:
        print("\n".join(text for made in plans for text in plan.lines(made)))
        return 0
    # Whoever ends us lets us mend what is broken; once is enough.
    signal.signal(signal.SIGTERM, _end)
    try:
        with lab.claimed():
            return _campaign(Settings.load(), plans, given.minutes, given.results)
    except LabError as error:
        print(f"campaign: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser():
    parser = argparse.ArgumentParser(prog="tests.campaign", description="Breaks the lab on purpose, and audits it.")
    parser.add_argument("--runs", type=int, default=1, help="how many; each has a seed of its own")
    parser.add_argument("--seed", type=int, help="of the first; with it a run is repeated")
    parser.add_argument("--fault", nargs="+", default=[], metavar="NAME", help="have these strike, and no others")
    parser.add_argument("--minutes", type=float, help="begin no run after so many minutes")
    parser.add_argument("--results", type=pathlib.Path, default=results.FILE, metavar="FILE", help="kept there")
    parser.add_argument("--plan", action="store_true", help="print what would be done")
    parser.add_argument("--list", action="store_true", help="print all faults")
    parser.add_argument("--table", action="store_true", help="print the table of all results, for docs/campaign.md")
    return parser


def _campaign(settings, plans, minutes, file):
    end = time.monotonic() + minutes * 60 if minutes else None
    # What is up is of this tree, or it is refused; what an earlier campaign left broken is mended.
    lab.clear_lost(settings, Progress())
    with contextlib.suppress(LabError):
        faults.end_all(settings)
    lab.up(settings, Progress())
    outcomes = []
    with impatient(settings):
        for made in plans:
            if end and time.monotonic() > end:
                break
            outcomes.append(_one(settings, made, file))
            if outcomes[-BROKEN_IN_SUCCESSION:] == [results.BROKEN] * BROKEN_IN_SUCCESSION:
                raise LabError(f"{BROKEN_IN_SUCCESSION} runs in succession could not be carried out; see the last one")
    return 1 if set(outcomes) - {results.PASSED} else 0


@contextlib.contextmanager
def impatient(settings):
    """Have deaths noticed sooner, and hosts taken back sooner, for as long as the block lasts; then heal the lab.

    :raises LabError: it cannot be healed
    """
    cluster.set_remote_options(settings, cluster.IMPATIENT_REMOTE_OPTIONS)
    try:
        yield
    finally:
        print("campaign: healing the lab, and giving it its timings back", flush=True)
        # Faults are ended, and the cluster is there, before its configuration is changed.
        try:
            healing.heal(settings)
        finally:
            cluster.set_remote_options(settings, cluster.REMOTE_OPTIONS)


def _one(settings, made, file):
    """One run, told and kept; returns its outcome."""
    begun = time.monotonic()
    print("\n".join(["", *plan.lines(made)]), flush=True)
    try:
        with limit.limited(f"seed {made.seed}", run.RUN_LIMIT):
            verdict = run.carry_out(settings, made, lambda text: print(text, flush=True))
    except LabError as error:
        verdict = f"the lab failed: {' '.join(str(error).split())}"
    except Exception:  # noqa: BLE001 (the next run may still be worth its time)
        verdict = f"the campaign failed: {traceback.format_exc()}"
    entry = results.line(made, verdict, time.monotonic() - begun)
    results.append(file, entry)
    if entry["outcome"] != results.PASSED:
        print("\n".join(_failure(settings, made, verdict, file)), flush=True)
    recovery = f", recovered in {entry['recovery']:.1f} s" if entry["recovery"] is not None else ""
    missed = f"; not carried out: {', '.join(entry['missed'])}" if entry["missed"] else ""
    print(f"seed {made.seed}: {entry['outcome']} after {entry['took']:.0f} s{recovery}{missed}", flush=True)
    return entry["outcome"]


def _failure(settings, made, verdict, file):
    """What is told, and kept, of a run that failed; the logs are packed before the next one changes them."""
    broken = isinstance(verdict, str)
    lines = [verdict] if broken else ["timeline:", *verdict.timeline, "findings:", *verdict.findings]
    lines.append(f"again: {made.command}")
    name = f"seed-{made.seed}-{time.strftime('%H%M%S')}"
    (file.parent / f"{name}.txt").write_text("\n".join([*plan.lines(made), *lines]) + "\n")
    try:
        lines.append(f"packed in {lab.collect(settings, file.parent / f'{name}.tar.gz')}")
    except (LabError, OSError) as error:
        lines.append(f"logs not packed: {error}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
