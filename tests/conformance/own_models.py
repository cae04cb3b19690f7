"""Our own small models, and their references that PySD made."""

from __future__ import annotations

from pathlib import Path

from jevons.interchange.results import read_results

from .cases import Case
from .pysd_back_end import run_pysd

FOLDER = Path(__file__).with_name("models")

REFERENCES = FOLDER / "references"

LEFT_OUT = {"arrays": ("own place",), "starts": ("fallback",)}
"""Where PySD is wrong, and the tests compute by hand: an element as a number is its place in its own dimension, and
``:NA:`` is a number that equals itself."""

JUDGED_BY_PYSD = ("allocation", "arrays", "delays", "functions", "lookups", "macros", "reality", "starts")


def own_case(file: str) -> Case:
    """A model of `models/`, with PySD's reference where there is one."""
    path = FOLDER / file
    reference = REFERENCES / f"{path.stem}.csv"
    data = (FOLDER / "data_values.csv",) if path.stem == "data" else ()
    return Case(file, path, reference if reference.exists() else None, data=data)


def write_references() -> None:
    """Run the models by PySD, and keep what it reports of what depends on time."""
    REFERENCES.mkdir(exist_ok=True)
    cases = [Case(f"{stem}.mdl", FOLDER / f"{stem}.mdl", None) for stem in JUDGED_BY_PYSD]
    for name, run in run_pysd(cases).items():
        stem = name.removesuffix(".mdl")
        if run.status != "ran":
            raise SystemExit(f"{name}: PySD {run.status}: {run.message}")
        left_out = [c for c in run.frame.columns if c.partition("[")[0] in LEFT_OUT.get(stem, ())]
        path = REFERENCES / f"{stem}.csv"
        run.frame.drop(columns=left_out).rename_axis("Time").to_csv(path, float_format="%.12g", lineterminator="\n")
        read_results(path)
