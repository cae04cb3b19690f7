"""``python -m tests.conformance``: the table of all models, printed or written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from .cases import Case, find_cases, suite_folder
from .expected import write_expected
from .judge import Row, against, judge, run_ours
from .own_models import write_references
from .published import PublishedRow, judge_published, models_folder
from .pysd_back_end import PysdRun, run_pysd, run_pysd_floating
from .sdeverywhere import find_function_cases
from .table import parity_page, totals


def row_of(job: tuple[Case, PysdRun | None, PysdRun | None], small_steps: bool) -> Row:
    """One model, judged in a process of its own."""
    case, pysd, floating = job
    return judge(case, run_ours(case), pysd, small_steps, floating)


def judge_all(cases: Sequence[Case], workers: int, small_steps: bool) -> list[Row]:
    """Every model, beside its reference and PySD."""
    theirs = run_pysd(cases, workers=workers)
    floating = run_pysd_floating([case for case in cases if _pysd_disagrees(case, theirs)], theirs, workers=workers)
    jobs = [(case, theirs.get(case.name), floating.get(case.name)) for case in cases]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(partial(row_of, small_steps=small_steps), jobs, chunksize=2))


def _pysd_disagrees(case: Case, theirs: dict[str, PysdRun]) -> bool:
    run = theirs.get(case.name)
    if run is None or run.status != "ran" or case.reference is None:
        return False
    return against(run.frame, case.reference, case.rtol, case.gaps)[0] == "disagree"


def main() -> None:
    """Judge the suite; say what does not agree; write the page and the expectations where asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--models", type=Path, default=suite_folder(), help="a checkout of SDXorg/test-models")
    parser.add_argument(
        "--published",
        type=Path,
        default=models_folder(),
        help="checkouts of the repositories of published.csv, as OWNER/REPOSITORY (or JEVONS_REAL_MODELS)",
    )
    parser.add_argument("--no-suite", action="store_true", help="only published models")
    parser.add_argument("--write", type=Path, help="write the page here")
    parser.add_argument("--expect", action="store_true", help="record the verdicts as what the tests expect")
    parser.add_argument("--only", default="", help="models whose path contains this")
    parser.add_argument("--no-small-steps", action="store_true", help="leave out the limit of small steps")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--references", action="store_true", help="make the references of our own models by PySD")
    options = parser.parse_args()
    if options.references:
        write_references()
        return
    if options.models is None and not options.no_suite:
        parser.error("say where the models are: --models FOLDER, or SD_TEST_MODELS=FOLDER")
    rows: list[Row] = []
    if not options.no_suite:
        cases = [case for case in find_cases(options.models) if options.only in case.name]
        rows = judge_all(cases, options.workers, not options.no_small_steps)
    functions: list[Row] = []
    published: list[PublishedRow] = []
    if options.published is not None:
        cases = [case for case in find_function_cases(options.published) if options.only in case.name]
        functions = judge_all(cases, options.workers, False)
        published = judge_published(options.published, options.only, options.workers)
    for row in [*rows, *functions]:
        if row.ours != "agree":
            print(f"{row.name}: {row.ours}: {row.ours_reason[:300]}  [PySD: {row.pysd}]")
    for model in published:
        if not model.agrees:
            judges = (model.pysd, model.floating, model.simlin, model.vensim)
            apart = "; ".join(d.reason or f"{d.worst:.0e} ({d.apart} of {d.variables}) {d.where}" for d in judges)
            print(f"{model.model.name}: {model.ours}: {model.reason[:300] or apart}")
    for kind, (ours, pysd) in [*totals(rows).items(), *totals(functions).items()]:
        print(f"{kind}: jevons {dict(ours)}, PySD {dict(pysd)}", file=sys.stderr)
    if options.write:
        options.write.write_text(parity_page(rows, functions, published), encoding="utf-8")
    if options.expect:
        write_expected(rows)


if __name__ == "__main__":
    main()
