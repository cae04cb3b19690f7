"""Where a model comes to rest, and what it does near there: stocks, eigenvalues, modes."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from jevons.derivatives import derivative
from jevons.diagnostics.equilibrium_search import AT_REST, Search
from jevons.diagnostics.modes import Mode, classify, modes_of
from jevons.diagnostics.state_path import initial_state, moment, stock_path
from jevons.elements import Flow
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model

Floats = NDArray[np.float64]
FOUND, NOT_FOUND = "found", "not found"
_NOTHING = 1e-12
_SAME = 1e-5
_SHOWN = 8


@dataclass(frozen=True)
class Equilibrium:
    """A place where no stock that matters moves, or the closest to it that was found.

    Attributes
    ----------
    model, time_unit : str
    status : {'found', 'not found'}
    time : float
        Date at which everything that depends on time was held.
    values : mapping of str to float
        Every stock, flow and auxiliary there, in natural units.
    stocks : tuple of str
        Stocks that move and are moved: those the modes are about.
    rates : mapping of str to float
        Net flow of every stock there.
    residual : float
        Largest net flow of a stock, as a share of its flows or its size per unit of time.
    moving : tuple of str
        Stocks that were to rest and do not; empty where an equilibrium was found.
    constant : tuple of str
        Stocks without flows.
    held : tuple of str
        Stocks that were asked to be held.
    accumulating : tuple of str
        Stocks that change nothing, not even themselves, and go on counting.
    conserved : tuple of mappings
        Totals that no flow changes: weight by stock.
    matrix : array
        Jacobian of the net flows of `stocks`, per unit of time.
    modes : tuple of Mode
        Slowest to settle first.
    kind : str
        ``stable node``, ``stable spiral``, ``saddle``, ``centre`` …; '' where nothing was found.
    units : mapping of str to str
    """

    model: str
    time_unit: str
    status: str
    time: float
    values: Mapping[str, float]
    stocks: tuple[str, ...]
    rates: Mapping[str, float]
    residual: float
    moving: tuple[str, ...]
    constant: tuple[str, ...]
    held: tuple[str, ...]
    accumulating: tuple[str, ...]
    conserved: tuple[Mapping[str, float], ...]
    matrix: Floats
    modes: tuple[Mode, ...]
    kind: str
    units: Mapping[str, str]

    @property
    def found(self) -> bool:
        return self.status == FOUND

    @property
    def stable(self) -> bool:
        """Whether every mode dies away; False where one neither grows nor dies."""
        return self.found and all(mode.eigenvalue.real < 0 and not mode.neutral for mode in self.modes)

    @property
    def jacobian(self) -> pd.DataFrame:
        """Derivative of each net flow (row) by each stock (column)."""
        import pandas as pd

        return pd.DataFrame(self.matrix, index=pd.Index(self.stocks, name="net flow of"), columns=list(self.stocks))

    def to_frame(self) -> pd.DataFrame:
        """Every stock with its value, unit, net flow, and what it is."""
        import pandas as pd

        what = {
            **dict.fromkeys(self.constant, "constant"), **dict.fromkeys(self.held, "held"),
            **dict.fromkeys(self.accumulating, "accumulating"), **dict.fromkeys(self.moving, "still moving"),
        }  # fmt: skip
        rows = [(n, self.values[n], self.units[n], rate, what.get(n, "at rest")) for n, rate in self.rates.items()]
        return pd.DataFrame(rows, columns=["stock", "value", "unit", "net_flow", "what"]).set_index("stock")

    def modes_frame(self) -> pd.DataFrame:
        """Every mode: eigenvalue, what it does, its times in the model's unit of time, who carries it."""
        import pandas as pd

        rows = [
            {
                "real": m.eigenvalue.real, "imaginary": m.eigenvalue.imag, "what": m.what,
                "time_constant": m.time_constant, "doubling_time": m.doubling_time, "period": m.period,
                "damping_ratio": m.damping_ratio,
                "carried_by": ", ".join(f"{n} {share:.0%}" for n, share in m.carriers()),
            }
            for m in self.modes
        ]  # fmt: skip
        columns = "real imaginary what time_constant doubling_time period damping_ratio carried_by"
        return pd.DataFrame(rows, columns=columns.split(" "))

    def participation(self) -> pd.DataFrame:
        """Share of each stock (row) in each mode (column); columns sum to one."""
        import pandas as pd

        shares = {f"mode {i}": [m.participation[s] for s in self.stocks] for i, m in enumerate(self.modes, start=1)}
        return pd.DataFrame(shares, index=pd.Index(self.stocks, name="stock"))

    def summary(self) -> str:
        """The equilibrium in words."""
        unit = self.time_unit
        if self.found:
            lines = [
                f"{self.model}: {self.kind}, with time held at {self.time:g} {unit} (residual {self.residual:.1e})"
            ]
        else:
            lines = [
                f"{self.model}: no equilibrium found with time held at {self.time:g} {unit}; at the closest point "
                f"these stocks still move (worst {self.residual:.2g} of their flows): {_listed(self.moving)}"
            ]
        shown = [n for n in self.rates if n not in self.constant][: 3 * _SHOWN]
        width = max((len(n) for n in shown), default=0)
        for name in shown:
            moves = abs(self.rates[name]) > 0 and (name in self.moving or name in self.accumulating)
            tail = f"  moves by {self.rates[name]:.4g} per {unit}" if moves else ""
            lines.append(f"  {name:<{width}}  {self.values[name]:.6g} {self.units[name]}{tail}".rstrip())
        more = len(self.rates) - len(self.constant) - len(shown)
        lines += [f"  … and {more} more stocks (`to_frame()`)"] if more > 0 else []
        negative = [n for n in self.rates if self.values[n] < -AT_REST and n not in self.constant]
        lines += [f"negative there: {_listed(negative)}"] if negative else []
        lines += [f"never change (no flows): {_listed(self.constant)}"] if self.constant else []
        lines += [f"held: {_listed(self.held)}"] if self.held else []
        lines += [f"only count, and change nothing: {_listed(self.accumulating)}"] if self.accumulating else []
        for total in self.conserved:
            terms = " + ".join(n if w == 1 else f"{w:g} {n}" for n, w in total.items())
            lines.append(f"conserved: {terms.replace('+ -', '- ')} = {self._total(total):.6g}")
        if self.modes:
            lines.append(f"modes{'' if self.found else ' at that point'}, slowest to settle first")
            lines += [f"  {m.describe(unit)}" for m in self.modes[:_SHOWN]]
            rest = len(self.modes) - _SHOWN
            lines += [f"  … and {rest} more (`modes_frame()`)"] if rest > 0 else []
        return "\n".join(lines)

    def _total(self, weights: Mapping[str, float]) -> float:
        return sum(w * self.values[n] for n, w in weights.items())

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def equilibrium(
    model: Model,
    params: Mapping[str, float] | None = None,
    start: Mapping[str, float] | Trajectory | None = None,
    free: Iterable[str] | None = None,
    *,
    at: float | None = None,
    end: float | None = None,
) -> Equilibrium:
    """Find stocks at which all net flows vanish, and what the model does near there.

    Equation   f(x) = 0 with wᵀx kept for every conserved total w; modes are eigenvalues λ of J = ∂f/∂x on what
               conservation leaves free: time constant −1/Re λ, period 2π/|Im λ|
    Valid for  the neighbourhood of the place; one place of perhaps several (see `equilibria`)
    Source     Strogatz, S. (2015), Nonlinear Dynamics and Chaos, 2nd ed., ch. 6; participation factors: Pérez-Arriaga,
               Verghese & Schweppe (1982), IEEE Trans. PAS 101, 3117-3125

    Parameters
    ----------
    model : Model
    params : mapping of str to float, optional
        Parameter values.
    start : mapping of str to float or Trajectory, optional
        Where the search begins: values of some stocks (others as at the end of a run), or the last date of a run. By
        default the end of a run.
    free : iterable of str, optional
        Stocks that may move; all others are held where the search begins.
    at : float, optional
        Date at which drivers, and all else that depends on time, are held; by default the end of the run.
    end : float, optional
        End of the run from which the search begins; by default that of the model's settings, else 25 units of time
        after the start.

    Returns
    -------
    Equilibrium
        Also where none was found: it then says so, with the closest point and the stocks that still move. Stocks
        that nothing depends on (what only counts) need not rest.

    Raises
    ------
    ModelError
        For stocks and parameters that the model lacks.
    """
    search = Search(model, params, free, at, end)
    return _result(search, search.solve(search.begin(start)))


def equilibria(
    model: Model,
    params: Mapping[str, float] | None = None,
    *,
    starts: int = 16,
    seed: int = 0,
    free: Iterable[str] | None = None,
    at: float | None = None,
    end: float | None = None,
) -> list[Equilibrium]:
    """Different equilibria from several starts: the model's start, a run's end, and random ones around them.

    Random starts multiply every stock by exp(2 z), z standard normal. What is returned are those found, without
    duplicates, in the order in which they were found: another may exist.
    """
    search = Search(model, params, free, at, end)
    begin, initial = search.begin(None), search.initial
    random = np.random.default_rng(seed)
    size = np.maximum(np.abs(begin), np.abs(initial))
    size = np.where(size > 0, size, 1.0)
    points = [begin, initial]
    points += [size * np.exp(2.0 * random.standard_normal(size.size)) for _ in range(max(0, starts - len(points)))]
    found: list[Equilibrium] = []
    for point in points:
        result = _result(search, search.solve(np.where(search.free, point, begin)))
        if result.found and not any(_same(result, other) for other in found):
            found.append(result)
    return found


def jacobian(
    model: Model,
    at: float | Mapping[str, float] | None = None,
    *,
    params: Mapping[str, float] | None = None,
    time: float | None = None,
    symbolic: bool = False,
) -> pd.DataFrame:
    """Derivative of each stock's net flow (row) by each stock (column).

    Parameters
    ----------
    at : float or mapping of str to float, optional
        A date of a run of the model, or values of some stocks (others as at the start). By default the start.
    params : mapping of str to float, optional
    time : float, optional
        Date at which time is held where `at` gives stocks; by default the start.
    symbolic : bool
        Give expressions instead of numbers: in them auxiliaries and flows stand for themselves, their dependence on
        stocks being differentiated through. Stocks are natural ones, those integrated as logarithms, too.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    names = tuple(s.name for s in model.structure.stocks)
    index = pd.Index(names, name="net flow of")
    if symbolic:
        return pd.DataFrame(_symbolic(model), index=index, columns=list(names), dtype=object)
    date = model.start if time is None else time
    if at is None or isinstance(at, Mapping):
        model.require(at or {}, names, "stock")
        here = moment(model, date, params)
        x = initial_state(here)
        x = np.array([(at or {}).get(n, value) for n, value in zip(names, x, strict=True)], dtype=float)
    else:
        here = moment(model, float(at), params)
        if at > model.start:
            path = stock_path(model, float(at), every=float(at) - model.start, params=params)
            x = path.values[-1]
        else:
            x = initial_state(here)
    return pd.DataFrame(here.jacobian(x), index=index, columns=list(names))


def _symbolic(model: Model) -> list[list[Any]]:
    """Chain rule in order of evaluation."""
    structure = model.structure
    stocks = structure.stocks
    by: dict[sp.Symbol, dict[int, Any]] = {s.symbol: {i: sp.S.One} for i, s in enumerate(stocks)}
    for name in structure.order:
        e = structure.equation(name)
        sums: dict[int, Any] = {}
        for argument in e.free_symbols & by.keys():
            partial = derivative(e, argument)
            for i, inner in by[argument].items():
                sums[i] = sums.get(i, sp.S.Zero) + partial * inner
        by[structure.elements[name].symbol] = {i: value for i, value in sums.items() if value != 0}
    rows = []
    for stock in stocks:
        row = [sp.S.Zero] * len(stocks)
        for flow in structure.of(Flow):
            sign = (flow.target == stock.name) - (flow.source == stock.name)
            for i, value in by[flow.symbol].items() if sign else ():
                row[i] += sign * value
        rows.append(row)
    return rows


def _result(search: Search, x: Floats) -> Equilibrium:
    """What is said of a place."""
    small = search.dynamic & ~np.array(search.here.system.log) & (np.abs(x) < _NOTHING * search.size(search.initial))
    x = np.where(small, 0.0, x)
    share = search.residuals(x)
    moving = tuple(n for n, d, r in zip(search.names, search.dynamic, share, strict=True) if d and not r <= AT_REST)
    counting = tuple(n for n, r in zip(search.names, share, strict=True) if n in search.accumulating and r > AT_REST)
    stocks = tuple(n for n, d in zip(search.names, search.dynamic, strict=True) if d)
    places = np.flatnonzero(search.dynamic)
    matrix = search.here.jacobian(x)[np.ix_(places, places)]
    inside = [row[places] for row in search.totals if not (row != 0)[~search.dynamic & search.free].any()]
    found = not moving
    finite = bool(np.isfinite(matrix).all())
    modes = modes_of(matrix, stocks, inside) if finite else ()
    return Equilibrium(
        model=search.model.name,
        time_unit=search.model.time_unit,
        status=FOUND if found else NOT_FOUND,
        time=search.here.time,
        values=search.here.outputs(x),
        stocks=stocks,
        rates=dict(zip(search.names, search.here.rates(x).tolist(), strict=True)),
        residual=float(share[places].max()) if places.size else 0.0,
        moving=moving,
        constant=search.constant,
        held=search.held,
        accumulating=counting,
        conserved=search.conserved,
        matrix=matrix,
        modes=modes,
        kind="" if not found else classify(modes) if finite else "at rest where derivatives are not finite",
        units={n: search.model.unit(n) for n in search.names},
    )


def _same(a: Equilibrium, b: Equilibrium) -> bool:
    return all(
        math.isclose(a.values[n], b.values[n], rel_tol=_SAME, abs_tol=_SAME * max(1e-300, abs(a.values[n]) + 1e-6))
        for n in a.stocks
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
