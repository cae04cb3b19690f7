"""The backfire frontier: rebound over a plane of elasticity and limit, and when it crosses one.

References
----------
.. [Saunders2008] Saunders, H. D. (2008). Fuel conserving (and using) production functions. Energy Economics 30(5),
   2184-2235.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError, ScenarioError, nearest
from jevons.frontier.refits import Refits
from jevons.model import Model
from jevons.rebound.meter import Rebound, ReboundMeter, roles_of, shockable
from jevons.scenario import Change, Scenario, load_scenario, wrap
from jevons.simulation import Simulation, run_samples

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

EVERY = 0.25
HORIZONS = (1.0, 5.0, 10.0)
OK, UNDEFINED, FAILED = "ok", "undefined: saves less than 1 % of the base", "a run failed"


@dataclass(frozen=True)
class Axis:
    """A parameter and the values it takes along one side of the plane.

    Parameters
    ----------
    name : str
        Parameter of the model.
    values : sequence of float
        In the parameter's unit, rising.
    since : float, optional
        Date from which the values hold, in all three runs; before it the parameter has its own value. Always by
        default.
    label : str
        For figures; name and unit by default.
    unlimited : float
        Values from here on stand for no limit.
    """

    name: str
    values: Sequence[float]
    since: float | None = None
    label: str = ""
    unlimited: float = math.inf


@dataclass(frozen=True)
class Frontier:
    """Rebound over a plane.

    Attributes
    ----------
    x, y : Axis
    scenario : str
    horizons : tuple of float
        Years after the shock.
    elasticity : array of shape (y, x)
        Total elasticity of demand at the date of the shock.
    rebound, cumulative : array of shape (horizons, y, x)
        R and R of the energy used since the shock; NaN where undefined.
    crossing_years : array of shape (y, x)
        Years from the shock until R first exceeds 1; infinite if it does not within the path, NaN if R is undefined
        all along.
    return_years : array of shape (y, x)
        Years until R is below 1 again after that; infinite if it stays above, NaN if it never was.
    failed : array of shape (y, x)
        Whether one of the three runs did not finish.
    """

    x: Axis
    y: Axis
    scenario: str
    horizons: tuple[float, ...]
    elasticity: Floats
    rebound: Floats
    cumulative: Floats
    crossing_years: Floats
    return_years: Floats
    failed: NDArray[np.bool_]

    def to_frame(self) -> pd.DataFrame:
        """One row a cell and horizon; years are counted from the shock."""
        import pandas as pd

        rows = []
        for h, horizon in enumerate(self.horizons):
            for j, y in enumerate(self.y.values):
                for i, x in enumerate(self.x.values):
                    r = self.rebound[h, j, i]
                    status = FAILED if self.failed[j, i] else UNDEFINED if math.isnan(r) else OK
                    rows.append(
                        (self.scenario, x, y, self.elasticity[j, i], horizon, r, self.cumulative[h, j, i],
                         self.crossing_years[j, i], self.return_years[j, i], status)
                    )  # fmt: skip
        head = ["scenario", self.x.name, self.y.name, "total_elasticity", "horizon_years", "rebound",
                "cumulative_rebound", "crossing_years", "return_years", "status"]  # fmt: skip
        return pd.DataFrame(rows, columns=head)

    def crossing(self, horizon: float) -> Floats:
        """Total elasticity at which R rises through 1, for each value of y: straight lines between cells.

        The first crossing is given; NaN where there is none within the plane.
        """
        if horizon not in self.horizons:
            raise JevonsError(_not_measured(horizon, self.horizons))
        paths = self.rebound[self.horizons.index(horizon)]
        return np.array([_first_rise(self.elasticity[j], paths[j])[0] for j in range(len(self.y.values))])


def _first_rise(at: Floats, values: Floats) -> tuple[float, int]:
    """Where a path first rises through one, and the position after it; NaN and -1 if it does not."""
    for k in range(values.size - 1):
        low, high = values[k], values[k + 1]
        if low < 1 <= high:
            return float(at[k] + (1 - low) / (high - low) * (at[k + 1] - at[k])), k + 1
    return math.nan, -1


def crossing_time(years: Floats, rebound: Floats) -> tuple[float, float]:
    """Years until R first exceeds 1, and until it is below 1 again; see `Frontier`.

    Dates at which R is undefined are passed over. A path that is above 1 from where it is first defined crosses there.
    """
    defined = ~np.isnan(rebound)
    if not defined.any():
        return math.nan, math.nan
    t, r = years[defined], rebound[defined]
    up, place = (float(t[0]), 0) if r[0] >= 1 else _first_rise(t, r)
    if place < 0:
        return math.inf, math.nan
    below = _first_rise(t[place:], 2 - r[place:])[0]
    return up, math.inf if math.isnan(below) else below


class Plane:
    """A model compiled once, and measured anywhere on a plane of two parameters.

    Equation   static law: R = 1 + (η - 1)/Δ with Δ = 1 + η (s_K/ψ_K + s_E/ψ_E), so R = 1 where η = 1, whatever the
               supply elasticities ψ_K of chips and ψ_E of power are
    Valid for  the law: long run, small gains of algorithmic efficiency, price passed on in full. Off it, everything
               is measured by three runs (`jevons.rebound.meter`)
    Source     [Saunders2008]_, [Sorrell2008]_; the law is derived in the documentation

    Parameters
    ----------
    model : Model
        With roles.
    scenario : Scenario or str
        Changes of efficiencies.
    x, y : Axis
        Elasticity and limit.
    horizons : sequence of float
        Multiples of a quarter of a year.
    at : float, optional
        Date from which years count, the scenario's first change by default.
    elasticity : str, optional
        Output that is the total elasticity of demand; that of `x` itself by default.
    threads : int
    """

    def __init__(
        self,
        model: Model,
        scenario: Scenario | str,
        x: Axis,
        y: Axis,
        horizons: Sequence[float] = HORIZONS,
        *,
        at: float | None = None,
        elasticity: str | None = None,
        threads: int = 1,
    ) -> None:
        self.scenario = load_scenario(scenario) if isinstance(scenario, str) else scenario
        mistakes = list(_mistakes(model, x, y, horizons, elasticity))
        if mistakes:
            raise ScenarioError(f"frontier of {self.scenario.name!r} on {model.name!r}", mistakes)
        dates = [c.at for c in self.scenario.changes.values() if c.at is not None]
        self.x, self.y, self.horizons, self.threads = x, y, tuple(horizons), threads
        self.at = at if at is not None else min(dates, default=model.start)
        self._renamed: dict[str, str] = {}
        self._called = {x.name: x.name, y.name: y.name}
        for axis in (x, y):
            if axis.since is not None:
                change = Change(value=axis.values[0], at=axis.since)
                model = model.with_elements(list(wrap(model, axis.name, change)))
                self._renamed[axis.name] = f"{axis.name}_reference"
                self._called[axis.name] = f"{axis.name}_changed_value"
        self.meter = ReboundMeter(model, [self.scenario], self.at, [max(self.horizons)], every=EVERY)
        # The code of the meter's single runs, so that nothing more is compiled.
        self._elasticity = Simulation(shockable(model), [self.at], [elasticity]) if elasticity is not None else None
        roles = roles_of(model)
        self._efficiencies = {*roles.efficiencies.values(), *roles.price_performance.values()}

    def samples(
        self, x: Sequence[float] | Floats, y: Sequence[float] | Floats, refits: Refits | Mapping[str, float] | None
    ) -> list[dict[str, float]]:
        """Parameters of points of the plane, of which x and y are the coordinates."""
        if isinstance(refits, Refits):
            if refits.name != self.x.name:
                raise JevonsError(f"refits of {refits.name!r}, expected those of {self.x.name!r}")
            given = refits.at(x)
        else:
            given = [dict(refits or {}) for _ in x]
        return [
            {
                **{self._renamed.get(n, n): v for n, v in params.items()},
                self._called[self.x.name]: float(a),
                self._called[self.y.name]: float(b),
            }
            for params, a, b in zip(given, x, y, strict=True)
        ]

    def elasticities(self, samples: Sequence[Mapping[str, float]]) -> Floats:
        """Total elasticity of demand at the date of the shock."""
        if self._elasticity is None:
            return np.array([sample[self._called[self.x.name]] for sample in samples])
        single = [{f"{n}_reference" if n in self._efficiencies else n: v for n, v in s.items()} for s in samples]
        found: Floats = run_samples(self._elasticity, single, self.threads).values[:, 0, 0]
        return found

    def rebounds(self, samples: Sequence[Mapping[str, float]]) -> list[Rebound | None]:
        """Paths of R; None where one of the three runs failed."""
        return self.meter.measure_all(self.scenario.name, samples, self.threads)

    def map(self, refits: Refits | Mapping[str, float] | None = None, progress: bool | None = False) -> Frontier:
        """Measure every cell.

        Parameters
        ----------
        refits : Refits or mapping, optional
            Other parameters: refitted at each x, or the same everywhere.
        progress : bool or None
            Show a bar of rows; None shows it after two seconds.
        """
        from tqdm.auto import tqdm

        xs, ys = np.asarray(self.x.values, dtype=float), np.asarray(self.y.values, dtype=float)
        shape = (len(self.horizons), ys.size, xs.size)
        rebound, cumulative = np.full(shape, math.nan), np.full(shape, math.nan)
        elasticity, up, down = (np.full(shape[1:], math.nan) for _ in range(3))
        failed = np.zeros(shape[1:], dtype=bool)
        bar = tqdm(
            range(ys.size), desc=f"{self.scenario.name} by {self.y.name}", unit="row",
            delay=2.0 if progress is None else 0.0, disable=progress is False,
        )  # fmt: skip
        for j in bar:
            samples = self.samples(xs, np.full(xs.size, ys[j]), refits)
            elasticity[j] = self.elasticities(samples)
            for i, path in enumerate(self.rebounds(samples)):
                if path is None:
                    failed[j, i] = True
                    continue
                for h, horizon in enumerate(self.horizons):
                    rebound[h, j, i], cumulative[h, j, i] = path.at(horizon)
                up[j, i], down[j, i] = crossing_time(path.times[1:] - self.at, path.rebound[1:])
        return Frontier(
            self.x, self.y, self.scenario.name, self.horizons, elasticity, rebound, cumulative, up, down, failed
        )

    def thresholds(self, horizon: float, refits: Refits | Mapping[str, float] | None = None) -> pd.DataFrame:
        """Where R = 1 at a horizon, for every y: found between the cells where R first rises through 1.

        Returns
        -------
        pandas.DataFrame
            x, y, total elasticity and R there; NaN where R does not rise through 1 within the plane.
        """
        import pandas as pd

        places = self._bracketed(horizon, refits)
        rows = [j for j, k in enumerate(places) if k >= 0]
        ys = np.asarray(self.y.values, dtype=float)
        table = pd.DataFrame(
            {self.x.name: math.nan, self.y.name: ys, "total_elasticity": math.nan, "rebound": math.nan}
        )
        if not rows:
            return table
        low = np.array([self.x.values[places[j] - 1] for j in rows])
        high = np.array([self.x.values[places[j]] for j in rows])

        def beyond(x: Floats, y: Floats) -> Floats:
            return self._measured(horizon, x, y, refits) - 1

        roots = crossings(beyond, low, high, ys[rows])
        table.loc[rows, self.x.name] = roots
        kept = np.flatnonzero(~np.isnan(roots))
        if kept.size:
            rows, roots = [rows[k] for k in kept], roots[kept]
            table.loc[rows, "total_elasticity"] = self.elasticities(self.samples(roots, ys[rows], refits))
            table.loc[rows, "rebound"] = self._measured(horizon, roots, ys[rows], refits)
        return table

    def _bracketed(self, horizon: float, refits: Refits | Mapping[str, float] | None) -> list[int]:
        """Position of the cell at which R has first risen through one, for every y; -1 if it does not."""
        if horizon not in self.horizons:
            raise JevonsError(_not_measured(horizon, self.horizons))
        xs, ys = np.asarray(self.x.values, dtype=float), np.asarray(self.y.values, dtype=float)
        all_x, all_y = (v.ravel() for v in np.meshgrid(xs, ys))
        r = self._measured(horizon, all_x, all_y, refits).reshape(ys.size, xs.size)
        return [_first_rise(xs, row)[1] for row in r]

    def _measured(self, horizon: float, x: Floats, y: Floats, refits: Refits | Mapping[str, float] | None) -> Floats:
        """R of points at a horizon."""
        paths = self.rebounds(self.samples(x.ravel(), y.ravel(), refits))
        return np.array([math.nan if r is None else r.at(horizon)[0] for r in paths]).reshape(x.shape)


def _not_measured(horizon: float, horizons: Sequence[float]) -> str:
    return f"horizon {horizon:g} was not measured, expected one of {', '.join(f'{h:g}' for h in horizons)}"


def crossings(function: Callable[[Floats, Floats], Floats], low: Floats, high: Floats, at: Floats) -> Floats:
    """Zeros in x of functions f(x, at) that change sign between `low` and `high`, all at once; NaN where not found."""
    from scipy.optimize.elementwise import find_root

    found = find_root(function, (low, high), args=(at,), tolerances={"xrtol": 1e-9, "fatol": 1e-9}, maxiter=60)
    roots: Floats = np.where(found.success, found.x, math.nan)
    return roots


def frontier(
    model: Model,
    scenario: Scenario | str,
    x: Axis,
    y: Axis,
    horizons: Sequence[float] = HORIZONS,
    *,
    refits: Refits | Mapping[str, float] | None = None,
    at: float | None = None,
    elasticity: str | None = None,
    threads: int = 1,
    progress: bool | None = False,
) -> Frontier:
    """Rebound of a scenario over a plane of two parameters; see `Plane` for what is given and where it is valid.

    Examples
    --------
    >>> import jevons as jv
    >>> from jevons.frontier.plane import Axis, frontier
    >>> m0 = jv.load("m0")
    >>> gain = jv.shock(m0, "algorithm", 10.0, 0.0)
    >>> x, y = Axis("elasticity", (0.8, 1.0, 1.2)), Axis("inverse_supply_elasticity", (0.0, 4.0))
    >>> [round(float(e), 6) for e in frontier(m0, gain, x, y, (100.0,)).crossing(100.0)]
    [1.0, 1.0]
    """
    plane = Plane(model, scenario, x, y, horizons, at=at, elasticity=elasticity, threads=threads)
    return plane.map(refits, progress)


def _mistakes(model: Model, x: Axis, y: Axis, horizons: Sequence[float], elasticity: str | None) -> list[str]:
    found = []
    for place, axis in (("x", x), ("y", y)):
        if axis.name not in model.parameters:
            found.append(f"{place} {axis.name!r} is no parameter{nearest(axis.name, model.parameters)}")
        values = np.asarray(axis.values, dtype=float)
        if values.size == 0 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            found.append(f"{place} {axis.name!r}: values {list(axis.values)}, expected finite ones that rise")
    if x.name == y.name:
        found.append(f"x and y are both {x.name!r}, expected two parameters")
    steps = np.asarray(horizons, dtype=float) / EVERY
    if steps.size == 0 or (steps < 1).any() or np.abs(steps - np.round(steps)).max() > 1e-9:
        found.append(f"horizons {list(horizons)}, expected multiples of {EVERY:g} years above 0")
    if elasticity is not None and elasticity not in model.elements:
        found.append(f"elasticity {elasticity!r} is not in the model{nearest(elasticity, model.elements)}")
    return found
