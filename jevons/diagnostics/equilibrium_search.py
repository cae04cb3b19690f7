"""The search for a place at which no stock moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.diagnostics.state_path import conserved_totals, end_or_span, initial_state, moment, stock_path
from jevons.elements import Flow
from jevons.errors import JevonsError
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]
AT_REST = 1e-8
"""A stock is at rest if its net flow is at most this share of its flows, or of its size per unit of time."""
_GONE = 1e-6
"""Share of what a stock once was below which it counts as that large: nothing that dies out ever rests else."""
MOST_STOCKS = 1_000
"""Stocks, hidden ones included, up to which a full Jacobian is worth its time."""
_NEWTON_STEPS = 30


class Search:
    """The search for one model: which stocks matter, what is conserved, where it begins."""

    def __init__(
        self,
        model: Model,
        params: Mapping[str, float] | None,
        free: Iterable[str] | None,
        at: float | None,
        end: float | None,
    ) -> None:
        self.model, self.params = model, params
        self.end = end_or_span(model, end)
        self.here = moment(model, self.end if at is None else at, params)
        self.names = self.here.system.stocks
        if not self.names:
            raise JevonsError(f"model {model.name!r} has no stocks: it is always at rest")
        if len(self.names) > MOST_STOCKS:
            raise JevonsError(
                f"model {model.name!r} has {len(self.names)} stocks with those of its delays; equilibria are sought "
                f"in models of up to {MOST_STOCKS}"
            )
        model.require(free or (), self.names, "stock")
        allowed = set(self.names if free is None else free)
        flows = model.structure.of(Flow)
        touched = {end for f in flows for end in (f.source, f.target) if f.source != f.target}
        self.constant = tuple(n for n in self.names if n not in touched)
        self.held = tuple(n for n in self.names if n in touched and n not in allowed)
        self.free = np.array([n in touched and n in allowed for n in self.names])
        self.initial = initial_state(self.here)
        self.accumulating = self._accumulating()
        self.dynamic = self.free & ~np.isin(self.names, self.accumulating)
        free_names = [n for n in self.names if n in touched and n in allowed]
        totals = conserved_totals(model, free_names) if not self.held else _within(model, free_names, self.held)
        self.totals = np.array([[float(t.get(n, 0)) for n in self.names] for t in totals]).reshape(-1, len(self.names))
        self.conserved = tuple({n: float(w) for n, w in t.items()} for t in totals)

    def _accumulating(self) -> tuple[str, ...]:
        """Stocks on which no net flow depends, but of stocks that are like this themselves."""
        depends = {n: set(self._influenced(n)) for n in self.names}
        found: set[str] = set()
        while True:
            new = {
                n for i, n in enumerate(self.names) if self.free[i] and n not in found and depends[n] <= found
            }  # fmt: skip
            if not new:
                return tuple(n for n in self.names if n in found)
            found |= new

    def _influenced(self, stock: str) -> list[str]:
        if not hasattr(self, "_reach"):
            structure = self.model.structure
            by: dict[str, set[str]] = {n: {n} for n in self.names}
            for name in structure.order:
                symbols = structure.equation(name).free_symbols
                by[name] = {s for symbol in symbols for s in by.get(symbol.name, ())}
            reach: dict[str, set[str]] = {n: set() for n in self.names}
            for flow in structure.of(Flow):
                for end in (flow.source, flow.target):
                    if end is not None and flow.source != flow.target:
                        for s in by[flow.name]:
                            reach[s].add(end)
            self._reach = reach
        return sorted(self._reach[stock])

    def begin(self, start: Mapping[str, float] | Trajectory | None) -> Floats:
        """Where the search begins, every stock of the system."""
        given: dict[str, float] = {}
        if isinstance(start, Trajectory):
            given = {n: float(start[n].iloc[-1]) for n in self.names if n in start.names}
        elif start is not None:
            self.model.require(start, self.names, "stock")
            given = {n: float(x) for n, x in start.items()}
        x = self.initial
        if not set(self.names) <= given.keys() and self.end > self.model.start:
            every = self.end - self.model.start
            run = stock_path(self.model, self.end, every=every, params=self.params, on_failure="return")
            x = run.values[-1] if run.status.ok else x
        return np.array([given.get(n, value) for n, value in zip(self.names, x, strict=True)])

    def solve(self, begin: Floats) -> Floats:
        """The place with the smallest net flows that was reached from one start."""
        import scipy.optimize

        if not self.dynamic.any():
            return begin
        moves = np.flatnonzero(self.dynamic)
        rate_size = self._rate_size(begin)[moves]
        size = np.maximum(self.size(begin)[moves], 1e-300)
        # accumulators take up what conservation asks of them, so only totals without one bind the search
        bind = np.array([not (row != 0)[~self.dynamic & self.free].any() for row in self.totals], dtype=bool)
        totals = self.totals[bind]
        weight = np.abs(totals[:, moves]) @ size if len(totals) else np.empty(0)

        def place(z: Floats) -> Floats:
            x = begin.copy()
            x[moves] = z * size
            return x

        def residual(z: Floats) -> Any:
            x = place(z)
            rates = self.here.rates(x)[moves] / rate_size
            kept = totals @ (x - begin) / weight if len(totals) else np.empty(0)
            return np.nan_to_num(np.append(rates, kept), nan=1e12, posinf=1e12, neginf=-1e12)

        def slopes(z: Floats) -> Any:
            x = place(z)
            rows = self.here.jacobian(x)[np.ix_(moves, moves)] * size[None, :] / rate_size[:, None]
            kept = totals[:, moves] * size[None, :] / weight[:, None] if len(totals) else np.empty((0, moves.size))
            return np.nan_to_num(np.vstack([rows, kept]), nan=0.0, posinf=0.0, neginf=0.0)

        # a stock that is not negative where the search begins had better not become it
        lowest = np.where((begin >= 0) & (self.initial >= 0), 0.0, -np.inf)[moves]
        z0 = begin[moves] / size
        tried = []
        for bound in (False, True):
            bounds = (lowest / size, np.full(z0.size, np.inf)) if bound else (-np.inf, np.inf)
            solved = scipy.optimize.least_squares(
                residual, z0, jac=slopes, bounds=bounds, method="trf", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200
            )
            for z in (self._polished(solved.x, residual, slopes), solved.x):
                x = place(z)
                share = float(self.residuals(x)[moves].max())
                negative = bool((x[moves] < lowest - AT_REST * size).any())
                tried.append((not share <= AT_REST, negative, share, x))
            if not tried[-2][0] and not tried[-2][1]:
                break
        return self._with_accumulated(min(tried, key=lambda t: t[:3])[3], begin)

    def _polished(self, z: Floats, residual: Any, slopes: Any) -> Floats:
        """Newton steps while they help; the shortest ones where places at rest are a line."""
        best = z
        error = float(np.linalg.norm(residual(z)))
        for _ in range(_NEWTON_STEPS):
            step = np.linalg.lstsq(slopes(best), -residual(best), rcond=1e-12)[0]
            new = best + step
            found = float(np.linalg.norm(residual(new)))
            if not found < error:
                break
            best, error = new, found
        return best

    def _with_accumulated(self, x: Floats, begin: Floats) -> Floats:
        """What only counts, moved so that conserved totals are what they were."""
        takes = self.free & ~self.dynamic
        if takes.any() and len(self.totals):
            owed = self.totals @ (begin - x)
            x = x.copy()
            x[takes] += np.linalg.lstsq(self.totals[:, takes], owed, rcond=None)[0]
        return x

    def size(self, x: Floats) -> Floats:
        size = np.maximum(np.abs(x), np.abs(self.initial))
        return np.where(np.isfinite(size) & (size > 0), size, 1.0)

    def _rate_size(self, x: Floats) -> Floats:
        """Flows through each stock, or its size per unit of time where that is more."""
        gone = _GONE * self.size(self.initial)
        return np.asarray(np.maximum(np.maximum(self._gross(x), np.nan_to_num(np.abs(x))), gone), dtype=np.float64)

    def _gross(self, x: Floats) -> Floats:
        outputs = self.here.outputs(x)
        gross = dict.fromkeys(self.names, 0.0)
        for flow in self.model.structure.of(Flow):
            for end in {flow.source, flow.target} - {None}:
                gross[str(end)] += abs(outputs[flow.name])
        found = np.array([gross[n] for n in self.names])
        return np.where(np.isfinite(found), found, 0.0)

    def residuals(self, x: Floats) -> Floats:
        rates = np.abs(self.here.rates(x))
        share = rates / np.maximum(self._rate_size(x), 1e-300)
        return np.where(np.isfinite(share), share, np.inf)


def _within(model: Model, free: Sequence[str], held: Sequence[str]) -> list[Any]:
    """Totals of free stocks alone: what flows from or to a held stock is not kept."""
    return [t for t in conserved_totals(model, free) if not set(t) & set(held)]
