"""Other system dynamics programs, which read the model as XMILE: PySD (Euler) and pysimlin (Runge-Kutta)."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from cases import Case
from numpy.typing import NDArray

from jevons.interchange.writers.xmile import NAMESPACE

Floats = NDArray[np.float64]


class _File:
    """The model's XMILE file, in a folder that lives as long as this."""

    def __init__(self, case: Case, method: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="jevons-bench-")
        self.path = Path(self._folder.name) / "model.xmile"
        case.model.to_xmile(self.path, dt=case.dt, end=case.end, params=case.params(case.centre))
        text = self.path.read_text(encoding="utf-8")
        self.path.write_text(text.replace('method="Euler"', f'method="{method}"', 1), encoding="utf-8")

    def tables_as_variables(self) -> None:
        """Rewrite free-standing tables as variables with a table, and calls of them as LOOKUP: the same numbers."""
        tree = ET.parse(self.path)
        space = {"x": NAMESPACE}
        variables = tree.find(".//x:variables", space)
        assert variables is not None
        names = []
        for table in variables.findall("x:gf", space):
            names.append(table.attrib["name"])
            variable = ET.SubElement(variables, f"{{{NAMESPACE}}}aux", {"name": table.attrib.pop("name")})
            ET.SubElement(variable, f"{{{NAMESPACE}}}eqn").text = "0"
            variables.remove(table)
            variable.append(table)
        if names:
            call = re.compile(rf"\b({'|'.join(names)})\(")
            for equation in tree.iterfind(".//x:eqn", space):
                equation.text = call.sub(r"LOOKUP(\1, ", equation.text or "")
        ET.register_namespace("", NAMESPACE)
        tree.write(self.path, encoding="utf-8", xml_declaration=True)


class PySD:
    """A run of the model as PySD translates it to Python."""

    def __init__(self, case: Case) -> None:
        import pysd

        self.case = case
        self._file = _File(case, "Euler")
        with _quiet(), np.printoptions(precision=17):
            self.model = pysd.read_xmile(str(self._file.path))

    def run(self) -> Floats:
        """PySD's `run` with the model as it was loaded: dates, outputs."""
        case = self.case
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = self.model.run(return_columns=list(case.outputs), return_timestamps=case.times)
        return table[list(case.outputs)].to_numpy(dtype=float)


class Simlin:
    """A run of the model in pysimlin."""

    def __init__(self, case: Case, method: str = "RK4") -> None:
        import simlin

        self.case = case
        self._file = _File(case, method)
        self._file.tables_as_variables()
        self._model = simlin.load(self._file.path)
        self._sim = self._model.simulate()
        self._every = round(case.every / case.dt)

    def run(self) -> Floats:
        """Reset, run, read: dates, outputs."""
        self._sim.reset()
        self._sim.run_to_end()
        series = [np.asarray(self._sim.get_series(name)) for name in self.case.outputs]
        return np.column_stack([s[:: self._every] for s in series])


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
