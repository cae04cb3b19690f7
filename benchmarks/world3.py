"""World3-03 from its public Vensim file: reading it, and one run beside pysimlin and PySD.

    python benchmarks/world3.py PATH/wrld3-03.mdl          # or WORLD3_MODEL=PATH/wrld3-03.mdl

All three take the file's own Euler steps (401 dates, 1900 to 2100) and return every variable that all report. Results
are compared before anything is timed: ours and pysimlin's must agree to 1e-6 of each variable's maximum. PySD's do not:
it keeps a state that starts at a whole number as an integer, and cuts the first step's change to a whole number; with
states made floating-point numbers first, "PySD, floating", it agrees. Vensim's own run, the file `experiment.vdf`
beside the model in some collections, decides; give it by --vensim. It is in single precision. Times of the start are
those of a fresh process, imports apart.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Peer, Ready, Result, compare, relative_error
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AGREEMENT = 1e-6

START = """
import json, sys, time
began = time.perf_counter()
import jevons as jv
from jevons.interchange import importer
from jevons.interchange.vensim_reader.source import read_vensim_source
import pysd.translators.vensim.vensim_file, sympy, numba, jevons.simulation
imported = time.perf_counter()
model = importer.read_vensim(sys.argv[1])
read = time.perf_counter()
system = jevons.simulation.Simulation(model, [model.start, model.settings.end], [model.stocks[0]])
generated = time.perf_counter()
system.run()
compiled = time.perf_counter()
system.run()
print(json.dumps({"imports": imported - began, "read and translate": read - imported,
                  "generate": generated - read, "first run, plain Python": compiled - generated}))
"""


def canonical(name: str) -> str:
    """A name as all three would write it."""
    return re.sub(r"[\s_]+", "_", name.strip().strip('"')).lower()


class Ours:
    """The run in machine code, which is compiled once (a minute) and kept on the disk."""

    def __init__(self, path: Path) -> None:
        import jevons as jv
        from jevons.interchange.importer import read_vensim

        self.model = read_vensim(path)
        run = self.model.run()
        self.times = run.times
        self.names = {canonical(name): name for name in run.names}
        self._make: Callable[[list[str]], Any] = lambda outputs: jv.Simulation(
            self.model, self.times, outputs, method="Euler"
        )

    def prepare(self, names: list[str]) -> Callable[[], Floats]:
        """A run that returns these variables, dates first."""
        simulation = self._make([self.names[name] for name in names])
        values = simulation.vector(None)
        return lambda: np.asarray(simulation.run_vector(values).values)


class Simlin:
    """The same file in pysimlin."""

    def __init__(self, path: Path) -> None:
        import simlin

        self._sim = simlin.load(path).simulate()
        self._sim.run_to_end()
        self.names = {canonical(name): name for name in self._sim.get_var_names()}
        self.names.pop("time", None)

    def prepare(self, names: list[str]) -> Callable[[], Floats]:
        """A run that returns these variables, dates first."""
        wanted = [self.names[name] for name in names]

        def call() -> Floats:
            self._sim.reset()
            self._sim.run_to_end()
            return np.column_stack([self._sim.get_series(name) for name in wanted])

        return call


class Pysd:
    """The same file in PySD's Python back end, which runs for half a minute: as it is, and with floating states."""

    def __init__(self, path: Path) -> None:
        import pysd

        with tempfile.TemporaryDirectory(prefix="world3-") as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(path.read_bytes())
            model = pysd.read_vensim(str(copy))
            self.seconds, self.columns = self._timed(model)
            dates = next(iter(self.columns.values())).index
            model.reload()
            for element in model._dynamicstateful_elements:
                state = element.state
                element.state = state.astype(float) if hasattr(state, "astype") else np.asarray(state, dtype=float)
            options = {"initial_condition": "current", "return_timestamps": dates}
            self.floating_seconds, self.floating_columns = self._timed(model, **options)

    def _timed(self, model: Any, **options: Any) -> tuple[float, dict[str, Any]]:
        began = time.perf_counter()
        run = model.run(progress=False, **options)
        seconds = time.perf_counter() - began
        return seconds, {canonical(str(name)): run[name].astype(float) for name in run.columns}


def start_times(path: Path, repetitions: int) -> dict[str, float]:
    """Seconds of each part of the start in a fresh process, medians."""
    found: list[dict[str, float]] = []
    for _ in range(repetitions):
        done = subprocess.run([sys.executable, "-c", START, str(path)], stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {part: float(np.median([times[part] for times in found])) for part in found[0]}


def runs(path: Path, repetitions: int, with_pysd: bool) -> tuple[list[Result], int, int]:
    """Time one run of each peer, in turn; also the number of dates and of variables."""
    ours, simlin = Ours(path), Simlin(path)
    pysd = Pysd(path) if with_pysd else None
    makers: dict[str, Any] = {"jevons": ours, "pysimlin": simlin}
    controls = {"final_time", "initial_time", "time_step", "saveper", "time"}
    shared = sorted(set(ours.names) & set(simlin.names) & set(pysd.columns if pysd else ours.names) - controls)
    reference = simlin.prepare(shared)()

    def peer(name: str, wanted: list[str]) -> Peer:
        columns = [shared.index(w) for w in wanted]

        def ready() -> Ready:
            call = makers[name].prepare(wanted)
            return Ready(call, relative_error(call(), reference[:, columns]), AGREEMENT)

        return Peer(name, ready)

    results = []
    population = [name for name in shared if name == "population"] or shared[:1]
    for label, wanted in (("all variables", shared), (f"`{population[0]}` alone", population)):
        results += compare("one run", label, [peer(name, wanted) for name in ("jevons", "pysimlin")], repetitions, 30.0)
    if pysd:
        for name, seconds, columns in (
            ("PySD", pysd.seconds, pysd.columns),
            ("PySD, floating", pysd.floating_seconds, pysd.floating_columns),
        ):
            error = relative_error(np.column_stack([columns[key] for key in shared]), reference)
            results.append(Result("one run", "all variables", name, [seconds], error, note="one run"))
    return results, reference.shape[0], len(shared)


def beside_vensim(path: Path, run: Path) -> str:
    """How far our run is from Vensim's own."""
    from jevons.interchange.results import compare_runs, read_results

    reference = read_results(run)
    model = Ours(path).model
    named = {canonical(name) for name in model.run().names}
    shared = [name for name in reference.columns if canonical(name) in named and canonical(name) != "time"]
    table = compare_runs(model.run(), reference[shared])
    worst = table.of_maximum.idxmax()
    return f"{len(shared)} variables of Vensim's run, largest difference {table.of_maximum[worst]:.1e} ({worst})"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=os.environ.get("WORLD3_MODEL"), help="wrld3-03.mdl")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--no-pysd", action="store_true", help="leave out PySD, which takes a minute")
    parser.add_argument("--vensim", type=Path, help="Vensim's run of it, to compare with")
    parser.add_argument("--out", type=Path, help="write the tables here, as Markdown")
    options = parser.parse_args()
    if options.model is None:
        parser.error("where is wrld3-03.mdl? Give its path, or set WORLD3_MODEL")
    warnings.simplefilter("ignore")
    lines = ["| start, fresh process | seconds |", "| --- | --- |"]
    lines += [f"| {k} | {v:.2f} |" for k, v in start_times(options.model, min(3, options.repetitions)).items()]
    if options.vensim is not None:
        lines += ["", beside_vensim(options.model, options.vensim)]
    before = os.getloadavg()[0]
    results, dates, variables = runs(options.model, options.repetitions, not options.no_pysd)
    lines += [
        "",
        f"One run, {dates} dates, {variables} variables; {options.repetitions} repetitions, programs in turn; load of "
        f"the machine {before:.1f} before and {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores:",
        "",
        "| returned | program | median, ms | quartiles | times ours | difference from pysimlin |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_line(result, results) for result in results),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out is not None:
        heading = "# World3-03\n\nMade by `python benchmarks/world3.py`; see [README.md](README.md). Do not edit.\n\n"
        options.out.write_text(heading + text, encoding="utf-8")


def _line(result: Result, results: list[Result]) -> str:
    first = next(r for r in results if r.case == result.case)
    if result.failure:
        return f"| {result.case} | {result.peer} | {result.failure} | | | |"
    low, high = result.quartiles
    return (
        f"| {result.case} | {result.peer} | {1e3 * result.median:.3g} | {1e3 * low:.3g}–{1e3 * high:.3g} | "
        f"{result.median / first.median:.3g} | {result.error:.1e} |"
    )


if __name__ == "__main__":
    main()
