"""Model files of the public test suite, each with the reference output that it is held against."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jevons.interchange.results import read_results

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = {".mdl": "Vensim (.mdl)", ".xmile": "XMILE (.xmile)", ".stmx": "Stella (.stmx)"}

RTOL = ATOL = 1e-5

LOOSER = {
    "tests/allocate_available/test_allocate_available.mdl": 2e-2,
    "tests/arguments/test_arguments.mdl": 1e-2,
}
"""Relative tolerances of PySD's own suite where they are looser than 1e-5. There are no others."""

OTHER_REFERENCE = {
    "tests/active_initial/test_active_initial.xmile": "output_stella.csv",
    "tests/active_initial/test_active_initial.stmx": "output_stella.csv",
    "tests/smooth_and_stock/test_smooth_and_stock.xmile": "output_stella.csv",
    "tests/smooth_and_stock/test_smooth_and_stock.stmx": "output_stella.csv",
}
"""Files whose reference is not `output.csv` or `output.tab`, which is Vensim's.

active_initial: Vensim starts the stock at ACTIVE INITIAL's second argument, 45; the XMILE files have no such function,
and Stella starts it at 0. smooth_and_stock: three columns of Vensim's output are no variables of the XMILE files. All
other outputs of Stella (19) and of other versions of Vensim (5) agree with the one taken, in all columns that both
have, but for `test` of exponentiation, where the model file has changed since.
"""

NO_REFERENCE = {
    "tests/get_time_value/test_get_time_value.mdl": (
        "its dates are 50 to 100; the output, −10 to 50, is that of test_get_time_value_simple.mdl"
    ),
    "tests/data_from_other_model/model_to_generate_data.mdl": (
        "it makes the data that its neighbour reads; the output is its neighbour's"
    ),
}

DATA = {"tests/data_from_other_model/test_data_from_other_model.mdl": ("data.tab",)}
"""Data files that a model needs beside it, and that its equations do not name."""

PYSD_EXPECTS_FAILURE = frozenset(
    f"tests/{name}.xmile"
    for name in (
        "active_initial/test_active_initial",
        "lookups/test_lookups_no-indirect",
        "macro_expression/test_macro_expression",
        "macro_multi_expression/test_macro_multi_expression",
        "macro_multi_macros/test_macro_multi_macros",
        "macro_stock/test_macro_stock",
        "smooth_and_stock/test_smooth_and_stock",
        "subscript_1d_arrays/test_subscript_1d_arrays",
        "subscript_constant_call/test_subscript_constant_call",
        "subscript_mixed_assembly/test_subscript_mixed_assembly",
        "subscript_multiples/test_multiple_subscripts",
        "subscript_subranges/test_subscript_subrange",
        "subscript_subranges_equal/test_subscript_subrange_equal",
        "subscript_updimensioning/test_subscript_updimensioning",
        "subscripted_flows/test_subscripted_flows",
    )
)
"""XMILE files that PySD's own suite marks as failing; nothing is loosened for them here."""


@dataclass(frozen=True)
class Case:
    """A model file and its reference.

    Attributes
    ----------
    name : str
        Path inside of the suite.
    path : Path
    reference_path : Path or None
    rtol : float
    data : tuple of Path
    missing : str
        ``na`` where data that the model names may be missing.
    files : tuple of (str, Path)
        What the model names with a question mark.
    gaps : bool
        Whether the reference leaves out values, which are then not compared.
    """

    name: str
    path: Path
    reference_path: Path | None
    rtol: float = RTOL
    data: tuple[Path, ...] = ()
    missing: str = ""
    files: tuple[tuple[str, Path], ...] = ()
    gaps: bool = False

    @property
    def ending(self) -> str:
        return self.path.suffix.lower()

    @cached_property
    def reference(self) -> pd.DataFrame | None:
        """Without the variables inside of functions, which Vensim names ``#...#``."""
        if self.reference_path is None:
            return None
        found = read_results(self.reference_path)
        return found[[name for name in found.columns if not str(name).startswith("#")]]


def suite_folder() -> Path | None:
    """Where `SD_TEST_MODELS` points to."""
    named = os.environ.get("SD_TEST_MODELS", "")
    return Path(named) if named else None


def find_cases(folder: Path) -> list[Case]:
    """All model files of the suite that have a reference output."""
    if not (folder / "tests").is_dir():
        raise SystemExit(f"{folder} has no folder 'tests': expected a checkout of SDXorg/test-models")
    found = []
    for path in sorted(folder.glob("[st]*/*/*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in ENDINGS or name in NO_REFERENCE:
            continue
        wanted = [OTHER_REFERENCE[name]] if name in OTHER_REFERENCE else ["output.csv", "output.tab"]
        reference = next((path.parent / w for w in wanted if (path.parent / w).is_file()), None)
        if reference is not None:
            data = tuple(path.parent / file for file in DATA.get(name, ()))
            found.append(Case(name, path, reference, LOOSER.get(name, RTOL), data))
    return found
