"""Measure jevons against its peers and write a table.

Each peer is built and its result checked before it is timed; then all run in turn. A peer that is not installed
gets a line that says so. Progress goes to stderr. About twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import fitting
import report
import scaling
import startup
import works
from cases import CASES, case
from measure import Result, say

WORKS = ("single", "ensemble", "gradient", "start", "fit", "scaling")


def measure(names: list[str], cases: list[str], quick: bool, show: Callable[[list[Result]], None]) -> list[Result]:
    """Measure the works named, one after the other; `show` gets all results after each."""
    repetitions, budget = (5, 5.0) if quick else (7, 8.0)
    results: list[Result] = []
    for name in names:
        if name in works.WORKS:
            for label in cases:
                chosen = case(label)
                if name == "ensemble":
                    members = 1_000 if quick or label == "large" else 10_000
                    results += works.ensemble(chosen, repetitions, budget, members)
                else:
                    results += works.WORKS[name](chosen, repetitions, budget)
        elif name == "fit":
            results += fitting.fits(starts=2 if quick else 16, repetitions=1)
        elif name == "start":
            results += startup.starts(3 if quick else 9)
        elif name == "scaling":
            results += scaling.scales([1_000, 10_000] if quick else [1_000, 10_000, 100_000, 1_000_000])
        show(results)
    return results


def main() -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer members, starts and repetitions")
    parser.add_argument("--only", action="append", choices=WORKS, help="measure this work only; may be repeated")
    parser.add_argument("--model", action="append", choices=list(CASES), help="this model only; may be repeated")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="Markdown file; else stdout")
    options = parser.parse_args()
    began, load = time.time(), os.getloadavg()[0]
    command = " ".join(["python benchmarks/run.py", *sys.argv[1:]])

    def show(results: list[Result]) -> None:
        if options.out:
            options.out.write_text(report.markdown(results, command, load, time.time() - began), encoding="utf-8")

    names = [name for name in WORKS if options.only is None or name in options.only]
    results = measure(names, options.model or list(CASES), options.quick, show)
    if options.out:
        say(f"written: {options.out}")
    else:
        print(report.markdown(results, command, load, time.time() - began))


if __name__ == "__main__":
    main()
