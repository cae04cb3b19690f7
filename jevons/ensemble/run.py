"""Running an ensemble: a model, a design of its parameters, scenarios."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import pickle
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from jevons.ensemble import workers as where
from jevons.ensemble.design import BLOCK, Design, told, whole
from jevons.ensemble.progress import Progress
from jevons.ensemble.reduction import Failure, Reduction
from jevons.ensemble.result import EnsembleResult
from jevons.ensemble.store import FORMAT, Labels, Store, spans, versions
from jevons.ensemble.task import Advance, Chunk, Paths, Task, Variant, run_chunk
from jevons.errors import EnsembleError, JevonsError, nearest
from jevons.model import Model
from jevons.scenario import Scenario, load_scenario
from jevons.simulation import Simulation

AS_IS = "as is"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_BLOCKS = 16  # of a chunk, unless asked for
_CHUNKS = 64
_CHUNK_BYTES = 64e6


class Ensemble:
    """Many runs of a model over a design of its parameters and over scenarios.

    Parameters
    ----------
    model : Model
    design : Design
        Values of parameters, one row a member.
    outputs : str or sequence of str
    times : iterable of float
        Dates that are reported.
    scenarios : iterable of Scenario, str or None, optional
        Each member runs under each of them; a name is a shipped scenario or a file, None is the model as it is.
        A factor of a scenario multiplies the member's own value; a value replaces it.
    method, dt, rtol, atol, break_points
        As for `jevons.simulation.Simulation`.
    params : mapping, optional
        Values that hold for every member.

    Raises
    ------
    EnsembleError, ModelError, ScenarioError
        With everything that the model lacks.

    Examples
    --------
    >>> import jevons as jv
    >>> from jevons.ensemble.design import Design
    >>> from jevons.ensemble.run import Ensemble
    >>> bass = jv.load("bass")
    >>> design = Design.latin_hypercube(bass, ["innovation", "imitation"], members=2000, seed=1)
    >>> result = Ensemble(bass, design, outputs="adopters", times=[5.0, 10.0]).run(quantiles=[0.1, 0.5, 0.9])
    >>> result.quantiles().columns.tolist()
    ['scenario', 'date', 'output', 'unit', 'quantile', 'value']
    """

    def __init__(
        self,
        model: Model,
        design: Design,
        *,
        outputs: str | Sequence[str],
        times: Iterable[float],
        scenarios: Iterable[Scenario | str | None] | None = None,
        method: str | None = None,
        dt: float | None = None,
        rtol: float = 1e-8,
        atol: float = 1e-10,
        params: Mapping[str, float] | None = None,
        break_points: bool | None = None,
    ) -> None:
        outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        dates = [float(t) for t in times]
        given = [None] if scenarios is None else [scenarios] if isinstance(scenarios, Scenario | str) else [*scenarios]
        loaded = [load_scenario(s) if isinstance(s, str) else s or Scenario(AS_IS) for s in given]
        self._check(model, design, params or {}, [s.name for s in loaded])
        model = model.with_values(params) if params else model
        self.model = model
        self.design = design
        self.variants: dict[str, Variant] = {}
        self._fingerprints: dict[str, str] = {}
        for scenario in loaded:
            changed = scenario.apply(model)
            columns = _columns(model, design.names, scenario.flat(model))
            simulation = Simulation(
                changed, dates, outputs, method=method, dt=dt, rtol=rtol, atol=atol, break_points=break_points
            )
            decisive = f"{simulation.fingerprint} {changed.hash} {columns}"
            self._fingerprints[scenario.name] = hashlib.sha256(decisive.encode()).hexdigest()[:16]
            self.variants[scenario.name] = Variant(simulation, *columns)
        first = next(iter(self.variants.values())).simulation
        self.outputs = first.outputs
        self.times = first.times
        self._method = {"method": first.method, "dt": first.dt, "rtol": rtol, "atol": atol}
        if not first.break_points:
            self._method["break_points"] = False

    def _check(self, model: Model, design: Design, params: Mapping[str, float], scenarios: Sequence[str]) -> None:
        valid = list(model.parameters)
        mistakes = [
            f"parameter {n!r} is not in the model{nearest(n, valid)}"
            for n in (*design.names, *params)
            if n not in valid
        ]
        mistakes += [f"parameter {n!r} is in params and in the design" for n in params if n in design.names]
        step = model.settings.time_step if model.settings else None
        if step in design.names:
            mistakes.append(f"parameter {step!r} holds the step, the same for all members: give dt")
        mistakes += [
            f"scenario {n!r} is given more than once" for n in dict.fromkeys(scenarios) if scenarios.count(n) > 1
        ]
        if not scenarios:
            mistakes.append("no scenarios; leave them out for the model as it is")
        if mistakes:
            raise EnsembleError(f"ensemble of model {model.name!r}", mistakes)

    def run(
        self,
        folder: str | Path | None = None,
        *,
        threads: int | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        chunk: int | None = None,
        keep: str = "summary",
        quantiles: Sequence[float] = QUANTILES,
        exceed: Mapping[str, Sequence[float]] | None = None,
        trajectories: Sequence[int] = (),
        progress: bool | None = None,
    ) -> EnsembleResult:
        """Run every member under every scenario.

        The numbers depend on model, design, scenarios and method alone, not on threads, workers, executor, chunk
        or interruptions.

        Parameters
        ----------
        folder : path, optional
            Finished chunks are stored there, and a run that is given a folder with stored chunks goes on from
            them. Without a folder nothing is stored.
        threads : int, optional
            Threads in each process; 2 in this one, 1 in each of several workers.
        workers : int, optional
            Own worker processes; with `executor`, how many workers it has, if it does not say.
        executor : concurrent.futures.Executor, optional
            Runs the chunks, such as ``distributed.Client(...).get_executor()``.
        chunk : int, optional
            Members that are run, sent and stored together; a multiple of 1024.
        keep : {'summary', 'members'}
            Whether the folder also keeps all values of all members.
        quantiles : sequence of float
            Levels of the reported quantiles; a result can give others.
        exceed : mapping of output to thresholds, optional
            Count the members above.
        trajectories : sequence of int, optional
            Members whose whole paths the result keeps.
        progress : bool, optional
            True shows a bar, False none; None shows one if the run takes longer than two seconds.

        Returns
        -------
        EnsembleResult

        Raises
        ------
        EnsembleError
            For settings that contradict each other, and for a folder that holds another ensemble.
        JevonsError
            If the folder cannot be written, workers keep dying, or the executor breaks; says what is kept.
        """
        began = time.perf_counter()
        exceed = {n: [float(x) for x in values] for n, values in (exceed or {}).items()}
        settings: dict[str, Any] = {
            "keep": keep,
            "quantiles": list(quantiles),
            "exceed": exceed,
            "trajectories": list(trajectories),
        }
        self._check_settings(settings, threads, workers, chunk, folder)
        settings["chunk"] = chunk or self._chunk(keep)
        manifest = self._manifest(settings)
        store = Store(folder, manifest) if folder is not None else None
        labels = Labels.of(manifest)
        task = self._task(labels, settings)
        reduction = Reduction(labels.shape, labels.thresholds)
        todo = dict.fromkeys(spans(self.design.members, settings["chunk"] // BLOCK))
        with Progress(self.design.members, progress) as bar:
            for span, finished in store.finished() if store else ():
                reduction.merge(finished)
                del todo[span]
                bar.skip(self._members(span), finished.failed)
            # closed at once, so that workers do not outlive an error
            with contextlib.closing(self._chunks(task, [*todo], threads, workers, executor, bar.advance, store)) as new:
                for done in new:
                    if store:
                        store.write_chunk(done)
                    reduction.merge(done.reduction)
        summary = reduction.finish()
        if store:
            store.write_summary(summary)
        ran = sum(self._members(span) for span in todo)
        seconds = time.perf_counter() - began
        return EnsembleResult(labels, summary, store.folder if store else None, seconds, ran)

    def collect(
        self, *, threads: int = 2, progress: bool | None = None
    ) -> tuple[Paths, Mapping[tuple[int, str, str], Failure]]:
        """Run every member and hold all of their values in memory: for thousands of members, not for millions."""
        settings = {"keep": "members", "quantiles": [], "exceed": {}, "trajectories": [], "chunk": BLOCK}
        task = self._task(Labels.of(self._manifest(settings)), settings)
        with Progress(self.design.members, progress) as bar:
            chunk = run_chunk(task, 0, self.design.blocks, threads, bar.advance)
        assert chunk.paths is not None
        return chunk.paths, chunk.reduction.failures

    def _chunks(
        self,
        task: Task,
        todo: Sequence[tuple[int, int]],
        threads: int | None,
        workers: int | None,
        executor: Executor | None,
        advance: Advance,
        store: Store | None,
    ) -> Generator[Chunk]:
        if executor is None and workers is None:
            yield from where.in_process(task, todo, threads or 2, advance)
            return
        if executor is None:
            chunks = where.in_workers(task, todo, workers or 1, threads or 1)
        else:
            at_once = 2 * (workers or getattr(executor, "_max_workers", None) or os.cpu_count() or 1)
            chunks = where.in_executor(executor, task, todo, at_once, threads or 1)
        try:
            for chunk in chunks:
                advance(self._members((chunk.first, chunk.last)), chunk.reduction.failed)
                yield chunk
        except where.ExecutorBrokenError as error:
            kept = "nothing is kept: give run a folder, and a later run goes on where this one ended"
            if store:
                total = len(store.spans)
                kept = f"{store.stored()} of {total} chunks are kept in {store.folder}; run again with the same folder"
            raise JevonsError(f"{error}; {kept}") from error

    def _members(self, span: tuple[int, int]) -> int:
        return min(span[1] * BLOCK, self.design.members) - span[0] * BLOCK

    def _chunk(self, keep: str) -> int:
        """Members of a chunk: a few dozen chunks, none larger than memory likes."""
        blocks = min(_MOST_BLOCKS, -(-self.design.blocks // _CHUNKS))
        if keep == "members":
            cells = len(self.variants) * self.times.size * len(self.outputs)
            blocks = min(blocks, max(1, int(_CHUNK_BYTES / (8 * BLOCK * cells))))
        return blocks * BLOCK

    def _task(self, labels: Labels, settings: Mapping[str, Any]) -> Task:
        chosen = tuple(dict.fromkeys(settings["trajectories"]))
        variants = pickle.dumps(tuple(self.variants.values()))
        return Task(variants, self.design, labels.shape, labels.thresholds, chosen, settings["keep"] == "members")

    def _manifest(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        units = next(iter(self.variants.values())).simulation.units
        return {
            "format": FORMAT,
            "model": self.model.name,
            "time_unit": self.model.time_unit,
            "outputs": {n: units.get(n, "") for n in self.outputs},  # a hidden stock has none
            "dates": self.times.tolist(),
            "method": self._method,
            "scenarios": self._fingerprints,
            "design": self.design.describe(),
            "settings": settings,
            "versions": versions(),
        }

    def _check_settings(
        self,
        settings: Mapping[str, Any],
        threads: int | None,
        workers: int | None,
        chunk: int | None,
        folder: str | Path | None,
    ) -> None:
        mistakes: list[str] = []
        whole(mistakes, 1, **{n: x for n, x in {"threads": threads, "workers": workers}.items() if x is not None})
        if chunk is not None:
            known = len(mistakes)
            whole(mistakes, BLOCK, chunk=chunk)
            if len(mistakes) == known and chunk % BLOCK:
                mistakes.append(f"chunk {chunk}, expected a multiple of {BLOCK}")
        if settings["keep"] not in ("summary", "members"):
            mistakes.append(f"keep {settings['keep']!r}, expected 'summary' or 'members'")
        elif settings["keep"] == "members" and folder is None:
            mistakes.append("keep 'members' needs a folder to keep them in")
        mistakes += [f"quantile {q!r}, expected 0 to 1" for q in settings["quantiles"] if not 0 <= q <= 1]
        for name, values in settings["exceed"].items():
            if name not in self.outputs:
                mistakes.append(f"exceed: {name!r} is not among the outputs{nearest(name, self.outputs)}")
            mistakes += [f"exceed: {name!r} above {x!r}, expected a number" for x in values if not math.isfinite(x)]
        members = self.design.members
        mistakes += told(
            [
                f"trajectories: no member {i!r}, there are {members}"
                for i in settings["trajectories"]
                if not 0 <= i < members
            ]
        )
        if mistakes:
            raise EnsembleError(f"ensemble of model {self.model.name!r}", mistakes)


def _columns(
    model: Model, names: Sequence[str], scenario: Scenario
) -> tuple[tuple[int, ...], tuple[str, ...], tuple[float, ...]]:
    """Columns of a design under a scenario: which vary, what they are called there, and their factors."""
    columns, targets, factors = [], [], []
    for j, name in enumerate(names):
        change = scenario.changes.get(name)
        target, factor = name, 1.0
        if change is not None:
            if change.at is not None:
                target = f"{name}_reference"
            elif change.factor is not None:
                factor = change.factor
            else:
                continue  # the scenario's value replaces the member's
        columns.append(j)
        targets.append(target)
        factors.append(factor)
    return tuple(columns), tuple(targets), tuple(factors)
