"""Which parameters matter: Sobol' indices and Morris screening over the priors, by SALib."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.elements import Range
from jevons.ensemble.design import Design, Distribution, Ranges, distributions, from_unit, whole
from jevons.ensemble.run import Ensemble
from jevons.errors import EnsembleError, JevonsError
from jevons.model import Model
from jevons.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

STATISTICS: Mapping[str, Any] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "final": lambda x, axis: x[:, -1],
}
TAIL = 0.01  # probability beyond the outermost Morris level of an unbounded prior
_CONFIDENCE = 0.95


def sobol_indices(
    model: Model,
    names: Sequence[str] | None,
    output: str,
    *,
    at: float | str,
    times: Iterable[float] | None = None,
    samples: int = 1024,
    seed: int = 0,
    ranges: Ranges | None = None,
    scenario: Scenario | str | None = None,
    resamples: int = 200,
    threads: int = 2,
    progress: bool | None = None,
    **method: Any,
) -> pd.DataFrame:
    """Shares of an output's variance that parameters explain, alone and with their interactions.

    Equation   S_i = V(E(y | x_i)) / V(y);  S_Ti = E(V(y | x_~i)) / V(y)
    Valid for  independent parameters. `samples` · (parameters + 2) runs
    Source     Saltelli et al. 2010, doi 10.1016/j.cpc.2009.09.018; Herman and Usher 2017 (SALib),
               doi 10.21105/joss.00097

    Parameters
    ----------
    names : sequence of str, optional
        All parameters whose prior is wider than a point, if None.
    output : str
    at : float or str
        A date; or ``'maximum'``, ``'minimum'``, ``'mean'`` or ``'final'`` over `times`.
    times : iterable of float, optional
    samples : int
        Base sample; a power of two.
    ranges : mapping, optional
        As for `Design.latin_hypercube`.
    resamples : int
        Of the bootstrap behind the bounds.
    **method
        ``method``, ``dt``, ``rtol``, ``atol``, ``params`` of the runs.

    Returns
    -------
    pandas.DataFrame
        parameter, first_order and total with the bounds of their 95 % intervals, runs, failed, failure_rate; the
        largest total first.

    Raises
    ------
    JevonsError
        If a run failed: the estimator has no room for gaps, and leaving out rows biases it. Says how many, why,
        and what to do. If SALib is not installed, or the output does not vary.

    Examples
    --------
    >>> import jevons as jv
    >>> from jevons.ensemble.sensitivity import sobol_indices
    >>> bass = jv.load("bass")
    >>> table = sobol_indices(bass, ["innovation", "imitation"], "adopters", at=10.0, samples=64)
    >>> table.columns.tolist()[:4]
    ['parameter', 'first_order', 'first_order_low', 'first_order_high']
    """
    _require_salib()
    from SALib.analyze import sobol as analysis
    from SALib.sample import sobol as sampling

    mistakes: list[str] = []
    whole(mistakes, 2, samples=samples, resamples=resamples)
    if not mistakes and samples & (samples - 1):
        mistakes.append(f"samples {samples}, expected a power of two such as {1 << samples.bit_length()}")
    study = _Study.of(model, names, output, at, times, seed, ranges, mistakes)
    problem = study.problem()
    units = sampling.sample(problem, samples, calc_second_order=False, seed=seed)
    y, failed, why = study.run(units, scenario, threads, progress, method)
    if failed.any():
        raise JevonsError(
            f"Sobol' indices of {output!r}: {failed.sum()} of {len(y)} runs failed ({failed.mean():.2%}; {why}), and "
            "the estimator allows no gaps. Narrow the ranges of what makes them fail, shorten dt, take an adaptive "
            "method, or screen with morris, which can leave out the trajectories that failed"
        )
    study.require_variation(y)
    # SALib takes a seed of zero for none
    found = analysis.analyze(problem, y, False, num_resamples=resamples, conf_level=_CONFIDENCE, seed=seed + 1)
    columns = {"first_order": (found["S1"], found["S1_conf"]), "total": (found["ST"], found["ST_conf"])}
    return study.table(columns, "total", runs=len(y), failed=0, failure_rate=0.0)


def morris(
    model: Model,
    names: Sequence[str] | None,
    output: str,
    *,
    at: float | str,
    times: Iterable[float] | None = None,
    trajectories: int = 20,
    levels: int = 4,
    seed: int = 0,
    ranges: Ranges | None = None,
    scenario: Scenario | str | None = None,
    threads: int = 2,
    progress: bool | None = None,
    **method: Any,
) -> pd.DataFrame:
    """Screen parameters by elementary effects: few runs, a ranking rather than shares.

    Equation   d_i = (y(x + Δ e_i) − y(x)) / Δ, x in the unit hypercube of cumulative probabilities;
               μ = mean d_i, μ* = mean |d_i|, σ = sd d_i
    Valid for  levels of an unbounded prior lie between its quantiles 0.01 and 0.99. `trajectories` ·
               (parameters + 1) runs; μ, μ* and σ are in units of the output
    Source     Morris 1991, doi 10.1080/00401706.1991.10484804; Campolongo, Cariboni and Saltelli 2007,
               doi 10.1016/j.envsoft.2006.10.004

    Parameters
    ----------
    names, output, at, times, ranges, **method
        As for `sobol_indices`.
    trajectories, levels : int
        `levels` is even.

    Returns
    -------
    pandas.DataFrame
        parameter, mu, mu_star with the bounds of its 95 % interval, sigma, runs, failed, failure_rate,
        trajectories, dropped; the largest mu_star first. A trajectory with a failed run is dropped whole, with a
        warning.

    Raises
    ------
    JevonsError
        If fewer than two trajectories are whole. If SALib is not installed, or the output does not vary.
    """
    _require_salib()
    from SALib.analyze import morris as analysis
    from SALib.sample import morris as sampling

    mistakes: list[str] = []
    whole(mistakes, 2, trajectories=trajectories, levels=levels)
    if not mistakes and levels % 2:
        mistakes.append(f"levels {levels}, expected an even number")
    study = _Study.of(model, names, output, at, times, seed, ranges, mistakes)
    problem = study.problem()
    units = sampling.sample(problem, trajectories, num_levels=levels, seed=seed)
    y, failed, why = study.run(study.inside(units), scenario, threads, progress, method)
    length = len(study.priors) + 1
    whole_ones = ~failed.reshape(-1, length).any(axis=1)
    dropped = int((~whole_ones).sum())
    said = f"Morris screening of {output!r}: {failed.sum()} of {len(y)} runs failed ({failed.mean():.2%}; {why})"
    if whole_ones.sum() < 2:
        raise JevonsError(f"{said}, and {whole_ones.sum()} trajectories are whole, expected 2; narrow the ranges")
    if dropped:
        warnings.warn(f"{said}; {dropped} of {trajectories} trajectories are dropped", stacklevel=2)
    kept = np.repeat(whole_ones, length)
    study.require_variation(y[kept])
    found = analysis.analyze(problem, units[kept], y[kept], conf_level=_CONFIDENCE, num_levels=levels, seed=seed)
    nothing = np.zeros(len(study.priors))
    columns = {
        "mu": (found["mu"], None),
        "mu_star": (found["mu_star"], np.nan_to_num(np.asarray(found["mu_star_conf"], dtype=float)) + nothing),
        "sigma": (found["sigma"], None),
    }
    counts = {"runs": len(y), "failed": int(failed.sum()), "failure_rate": float(failed.mean())}
    return study.table(columns, "mu_star", **counts, trajectories=trajectories, dropped=dropped)


@dataclass(frozen=True)
class _Study:
    model: Model
    priors: Mapping[str, Distribution]
    output: str
    at: float | str
    times: tuple[float, ...]

    @classmethod
    def of(
        cls,
        model: Model,
        names: Sequence[str] | None,
        output: str,
        at: float | str,
        times: Iterable[float] | None,
        seed: int,
        ranges: Ranges | None,
        mistakes: list[str],
    ) -> _Study:
        whole(mistakes, 0, seed=seed)
        priors = distributions(model, names, ranges, mistakes)
        dates = () if times is None else tuple(float(t) for t in times)
        if isinstance(at, str):
            if at not in STATISTICS:
                mistakes.append(f"at {at!r}, expected a date or one of {', '.join(STATISTICS)}")
            if not dates:
                mistakes.append(f"at {at!r} needs the dates it is taken over, times=[...]")
        elif dates:
            mistakes.append("times are for statistics such as at='maximum', not for a date")
        else:
            dates = (float(at),)
        if mistakes:
            raise EnsembleError(f"sensitivity of {output!r} in model {model.name!r}", mistakes)
        return cls(model, priors, output, at, dates)

    def problem(self) -> dict[str, Any]:
        """What SALib sees: the unit hypercube of cumulative probabilities."""
        count = len(self.priors)
        return {"num_vars": count, "names": list(self.priors), "bounds": [[0.0, 1.0]] * count}

    def inside(self, units: Floats) -> Floats:
        """Levels moved off the infinite ends of unbounded priors."""
        tails = np.array([0.0 if isinstance(d, Range) else TAIL for d in self.priors.values()])
        moved: Floats = tails + units * (1 - 2 * tails)
        return moved

    def run(
        self,
        units: Floats,
        scenario: Scenario | str | None,
        threads: int,
        progress: bool | None,
        method: Mapping[str, Any],
    ) -> tuple[Floats, NDArray[np.bool_], str]:
        """The statistic of each run, which failed, and why."""
        import pandas as pd

        columns = {name: from_unit(d, units[:, j]) for j, (name, d) in enumerate(self.priors.items())}
        design = Design.rows(pd.DataFrame(columns))
        ensemble = Ensemble(self.model, design, outputs=self.output, times=self.times, scenarios=[scenario], **method)
        paths, failures = ensemble.collect(threads=threads, progress=progress)
        failed = paths.codes[:, 0] != 0
        over_time = paths.values[:, 0, :, 0]
        with np.errstate(all="ignore"):
            y = STATISTICS[self.at](over_time, axis=1) if isinstance(self.at, str) else over_time[:, 0]
        why = ", ".join(
            f"{status.lower()} in {variable or '?'}: {f.count}" for (_, status, variable), f in failures.items()
        )
        return np.asarray(y), failed, why

    def require_variation(self, y: Floats) -> None:
        if not np.ptp(y) > 0:
            raise JevonsError(
                f"{self.output!r} does not vary with {', '.join(self.priors)}: there is nothing to explain"
            )

    def table(self, columns: Mapping[str, tuple[Any, Any]], by: str, **counts: float) -> pd.DataFrame:
        """Indices with bounds, the largest first, and the same counts in every row."""
        import pandas as pd

        frame = pd.DataFrame({"parameter": list(self.priors)})
        for name, (values, margin) in columns.items():
            frame[name] = np.asarray(values, dtype=float)
            if margin is not None:
                frame[f"{name}_low"] = frame[name] - margin
                frame[f"{name}_high"] = frame[name] + margin
        for name, count in counts.items():
            frame[name] = count
        return frame.sort_values(by, ascending=False, ignore_index=True)


def _require_salib() -> None:
    try:
        import SALib  # noqa: F401
    except ImportError as error:
        raise JevonsError("sensitivity needs SALib: pip install 'jevons[sensitivity]'") from error
