"""A calibration problem: model, history, free parameters, errors and priors, as residuals and as a log-density.

Search happens in prior standard deviations (of the logarithm for positive parameters); every number that leaves
this module is natural.
"""

from __future__ import annotations

import copy
import hashlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal, Normal
from jevons.errors import CalibrationError, JevonsError, nearest
from jevons.inference.history import History
from jevons.inference.noise import LogNormalNoise, Noise, NormalNoise, grouped
from jevons.inference.observable import Part, part_of, unit_factor
from jevons.inference.problem_checks import BOUND as BOUND
from jevons.inference.problem_checks import data_mistakes, problem_mistakes
from jevons.inference.unknowns import (
    Condition,
    Nuisance,
    Prior,
    coordinate,
    log_mass,
    natural,
    naturals,
    possible,
    slope,
)
from jevons.model import Model
from jevons.simulation import Member

Floats = NDArray[np.float64]
DIFFERENCE = 1e-6
REACH = 2 * BOUND
"""Samplers may go this far."""
DECISIVE = (
    "series", "family", "variable", "statistic", "date", "reference_date", "value", "unit", "sigma", "sigma_kind",
)  # fmt: skip
"""What of a row decides the density."""


class Calibration:
    """A model, what is known of the past, and which parameters are free.

    Parameters
    ----------
    model : Model
    history : History
        Rows of role ``fit`` are used, those of `variant` if given.
    free : sequence of str
        Free parameters; each needs a `LogNormal` or `Normal` prior. All others keep the model's value.
    variant : str, optional
    until : str, optional
        Use only what was known by the end of this month, ``"2023-12"``.
    derivatives : {'exact', 'differences'}
        Exact derivatives of the discrete solution, or forward differences (for comparison).
    priors : mapping of str to LogNormal or Normal, optional
        Instead of those in the model.
    bounds : mapping of str to (low, high), optional
        Natural values beyond which the density is zero.
    nuisance : sequence of Nuisance
    conditions : sequence of Condition
    without_families : sequence of str
        Families of sources left out.
    label : str, optional
        What to call this reading of the data; `variant` by default.
    method, dt : str, float, optional
        Of the runs, as for `jevons.simulation.Simulation`: methods of fixed steps. By default as the model's settings
        say, with RK4 for an adaptive method.
    notes : sequence of str
        What was assumed when the problem was made; a fit repeats it.

    Attributes
    ----------
    free : tuple of str
        Names of all that is free: parameters, a condition's own as ``condition.parameter``, nuisances.
    rows : History
        Fitted rows of all conditions.
    evaluations, gradients, failures : int
        Runs so far, runs with exact derivatives so far, and how many of all failed.

    Raises
    ------
    CalibrationError
        With every mistake found.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        free: Sequence[str],
        *,
        variant: str | None = None,
        until: str | None = None,
        threads: int = 2,
        derivatives: str = "exact",
        priors: Mapping[str, Prior] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        nuisance: Sequence[Nuisance] = (),
        conditions: Sequence[Condition] = (),
        without_families: Sequence[str] = (),
        label: str | None = None,
        method: str | None = None,
        dt: float | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.notes = tuple(notes)
        self._control = (method, dt)
        if derivatives not in ("exact", "differences"):
            raise JevonsError(f"derivatives {derivatives!r}, expected 'exact' or 'differences'")
        self.model, self.variant, self.until, self.derivatives = model, variant, until, derivatives
        self.label = label or variant or ""
        self.history, self.conditions, self.nuisance = history, tuple(conditions), tuple(nuisance)
        self._nuisance = {n.name: n for n in nuisance}
        chosen = [history.select("fit", variant, until, without_families=without_families)]
        chosen += [c.history.select("fit", None, until, without_families=without_families) for c in conditions]
        given = {n: model.parameters[n].prior for n in free if n in model.parameters} | dict(priors or {})
        mistakes = problem_mistakes(model, chosen, free, given, priors or {}, bounds or {}, nuisance, conditions)
        if mistakes:
            raise CalibrationError(f"calibration of {model.name!r}", mistakes)
        own = {f"{c.name}.{n}": prior for c in conditions for n, prior in c.own.items()}
        every = {**{n: given[n] for n in free}, **own, **{n.name: n.prior for n in nuisance}}
        self.free = tuple(every)
        self.priors: list[Prior] = [p for p in every.values() if isinstance(p, (LogNormal, Normal))]
        self._limits = dict(bounds or {})
        self._held: dict[str, float] = {}
        self.rows = History([row for rows in chosen for row in rows], history.name)
        self._parts: list[Part] = []
        self._factor: list[float] = []
        places = [(model, "", {}), *((c.model, c.name, c.own) for c in conditions)]
        for (where, name, its_own), rows in zip(places, chosen, strict=True):
            shared = {n: n for n in free if n not in its_own}
            mapping = {**shared, **{f"{name}.{n}": n for n in its_own}}
            self._parts.append(part_of(where, rows, mapping, len(self._factor), method, dt))
            self._factor += [unit_factor(where, row) for row in rows]
        self.observed = np.array([row.value * f for row, f in zip(self.rows, self._factor, strict=True)])
        self.noises: list[Noise] = [
            LogNormalNoise(row.sigma) if row.sigma_kind == "log" else NormalNoise(row.sigma * f)
            for row, f in zip(self.rows, self._factor, strict=True)
        ]
        self._grouped = grouped(self.noises)
        self._applies = {n.name: np.array([n.applies(row) for row in self.rows], dtype=bool) for n in nuisance}
        self.runner, self.measurements = self._parts[0].runner, self._parts[0].measurements
        self.threads = threads
        self._reset()

    def _reset(self) -> None:
        self.evaluations = self.gradients = self.failures = 0
        self._counting = threading.Lock()

    def __repr__(self) -> str:
        known = f", known by {self.until}" if self.until else ""
        return (
            f"Calibration of {self.model.name!r} ({self.label or 'all rows'}{known}): {len(self.rows)} rows, "
            f"{len(self.free)} free"
        )

    @property
    def method_told(self) -> bool:
        """Whether the runs have a method or a step that is not the model's."""
        return self._control != (None, None)

    @property
    def hash(self) -> str:
        """Fingerprint of models, rows, priors, bounds, and what is free or held."""
        parts: list[object] = [self.model.hash, self.derivatives, list(zip(self.free, self.priors, strict=True))]
        parts += [sorted(self._limits.items()), sorted(self._held.items()), self.nuisance]
        parts += [(c.name, c.model.hash, sorted(c.own.items())) for c in self.conditions]
        parts += [self._control] if self.method_told else []
        parts += [[[getattr(row, key) for key in DECISIVE] for row in self.rows[part.rows]] for part in self._parts]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def hold(self, values: Mapping[str, float]) -> Calibration:
        """The same problem with some of what is free held at natural values; nothing is compiled again.

        Raises
        ------
        CalibrationError
            For a name that is not free, or a value that is no number, or not possible.
        """
        mistakes = [f"{n!r} is not free{nearest(n, self.free)}" for n in values if n not in self.free]
        for name, x in values.items():
            if name in self._nuisance and not possible(self._nuisance[name].prior, x):
                mistakes.append(f"{name!r} is held at {x:g}, expected more than 0")
        mistakes += [f"{n!r} is held at {x!r}, expected a number" for n, x in values.items() if not math.isfinite(x)]
        if mistakes:
            raise CalibrationError(f"calibration of {self.model.name!r}", mistakes)
        held = copy.copy(self)
        kept = [(n, p) for n, p in zip(self.free, self.priors, strict=True) if n not in values]
        held.free, held.priors = tuple(n for n, _ in kept), [p for _, p in kept]
        held._held = {**self._held, **{n: float(x) for n, x in values.items()}}
        held._reset()
        return held

    def with_data(self, observed: Floats) -> Calibration:
        """The same problem with other figures observed, in the model's units; nothing is compiled again.

        Raises
        ------
        CalibrationError
            If they are not one a row, finite, and positive where the error is logarithmic.
        """
        given = np.array(observed, dtype=float)
        if given.shape != self.observed.shape:
            mistake = f"data of shape {given.shape}, expected {self.observed.shape}: one figure a row"
            raise CalibrationError(f"calibration of {self.model.name!r}", [mistake])
        mistakes = data_mistakes(self.rows, given)
        if mistakes:
            raise CalibrationError(f"calibration of {self.model.name!r}", mistakes)
        other = copy.copy(self)
        told = zip(self.rows, given, self._factor, strict=True)
        other.rows = History([replace(row, value=float(y / f)) for row, y, f in told], self.rows.name)
        other.observed = given
        other._reset()
        return other

    def natural(self, u: Floats) -> Floats:
        """Natural values from search coordinates."""
        return np.array([natural(prior, x) for prior, x in zip(self.priors, u, strict=True)])

    def coordinates(self, values: Mapping[str, float]) -> Floats:
        """Search coordinates (prior standard deviations from the centre) of natural values."""
        return np.array([coordinate(prior, values[name]) for name, prior in zip(self.free, self.priors, strict=True)])

    def values(self, u: Floats) -> dict[str, float]:
        """What is free, by name."""
        return dict(zip(self.free, self.natural(u).tolist(), strict=True))

    def bounds(self, reach: float = BOUND) -> tuple[Floats, Floats]:
        """Lower and upper search coordinates: `reach` prior standard deviations, or the problem's own bounds."""
        low, high = np.full(len(self.free), -reach), np.full(len(self.free), reach)
        for name, limits in self._limits.items():
            if name in self.free:
                k = self.free.index(name)
                ends = [coordinate(self.priors[k], x) if possible(self.priors[k], x) else -reach for x in limits]
                low[k], high[k] = max(low[k], ends[0]), min(high[k], ends[1])
        return low, high

    def _run(self, part: Part, values: Mapping[str, float], wrt: Sequence[str] = ()) -> tuple[Member, Floats | None]:
        p = part.runner.base.copy()
        names = [n for n in part.parameters if n in values]
        p[part.runner.places([part.parameters[n] for n in names])] = [values[n] for n in names]
        if wrt:
            member, slopes = part.runner.gradient_vector(p, [part.parameters[n] for n in wrt])
        else:
            member, slopes = part.runner.run_vector(p), None
        with self._counting:
            self.gradients += bool(wrt)
            self.evaluations += not wrt
            self.failures += not member.status.ok
        return member, slopes

    def _multipliers(self, values: Mapping[str, Any]) -> tuple[Floats, Floats]:
        """What multiplies the modelled value and the sigma of every row; of shape (n, rows) for n values each."""
        logs, scales = np.zeros(len(self.rows)), np.ones(len(self.rows))
        for n in self.nuisance:
            value = np.asarray(values[n.name], dtype=float)[..., None]
            if n.kind == "noise_scale":
                scales = scales * np.where(self._applies[n.name], value, 1.0)
            else:
                logs = logs + np.where(self._applies[n.name], value if n.kind == "bias" else np.log(value), 0.0)
        return np.exp(logs), scales

    def scales(self, u: Floats) -> Floats:
        """What multiplies sigma, one a row."""
        return self._multipliers({**self._held, **self.values(u)})[1]

    def modelled(self, u: Floats) -> Floats:
        """Modelled value of every row as its source would publish it; NaN where a run fails, which is counted."""
        values = {**self._held, **self.values(u)}
        result = np.full(len(self.rows), math.nan)
        for part in self._parts:
            member, _ = self._run(part, values)
            if member.status.ok:
                result[part.rows] = [m.value(member.values) for m in part.measurements]
        return result * self._multipliers(values)[0] if self.nuisance else result

    def data_residuals(self, u: Floats) -> Floats:
        """Distance of model and data in standard errors, one a row."""
        return self.standardised(self.modelled(u), self.scales(u) if self.nuisance else None)

    def standardised(self, modelled: Floats, scales: Floats | None = None) -> Floats:
        """(model − data)/sigma, in logarithms where the error is logarithmic."""
        s = np.ones(len(self.rows)) if scales is None else scales
        found = np.empty(len(self.rows))
        for chosen, noise in self._grouped:
            found[chosen] = noise.residual(modelled[chosen], self.observed[chosen], s[chosen])
        return found

    def residuals(self, u: Floats) -> Floats:
        """Residuals of data, priors and estimated noise scales: minus half their squares is the log-density."""
        return np.concatenate([self.data_residuals(u), u, self._scale_residuals(u)[0]])

    def _scale_residuals(self, u: Floats) -> tuple[Floats, Floats]:
        """√(2 n (ln s + c)) of each free noise scale s of n rows, and its derivatives; c keeps the root real."""
        found, slopes = [], []
        for k, name in enumerate(self.free):
            nuisance = self._nuisance.get(name)
            if nuisance is None or nuisance.kind != "noise_scale":
                continue
            prior = self.priors[k]
            assert isinstance(prior, LogNormal)
            n = int(self._applies[name].sum())
            root = math.sqrt(2 * n * (prior.sd_log * (u[k] + REACH) + 1.0)) if u[k] > -REACH else math.nan
            found.append(root)
            slopes.append(np.where(np.arange(u.size) == k, n * prior.sd_log / root, 0.0))
        return np.array(found), np.array(slopes).reshape(len(found), u.size)

    def jacobian(self, u: Floats) -> Floats:
        """Derivative of the residuals."""
        data = self._exact(u) if self.derivatives == "exact" else self._differences(u)
        return np.vstack([data, np.eye(u.size), self._scale_residuals(u)[1]])

    def _exact(self, u: Floats) -> Floats:
        values = {**self._held, **self.values(u)}
        widths = np.array([slope(prior, x) for prior, x in zip(self.priors, u, strict=True)])
        result = np.zeros((len(self.rows), u.size))
        factors, scales = self._multipliers(values)
        for part in self._parts:
            wrt = [n for n in self.free if n in part.parameters]
            columns = [self.free.index(n) for n in wrt]
            member, slopes = self._run(part, values, wrt)
            if not member.status.ok:
                return np.full(result.shape, math.nan)
            assert slopes is not None
            for i, m in zip(range(part.rows.start, part.rows.stop), part.measurements, strict=True):
                value = m.value(member.values) * factors[i]
                steepness = self.noises[i].slope(value, scales[i]) * factors[i]
                result[i, columns] = m.derivative(member.values, slopes) * widths[columns] * steepness
                self._nuisance_slopes(i, value, scales[i], result[i])
        return result

    def _nuisance_slopes(self, i: int, value: float, scale: float, into: Floats) -> None:
        for k, (name, prior) in enumerate(zip(self.free, self.priors, strict=True)):
            nuisance = self._nuisance.get(name)
            if nuisance is None or not self._applies[name][i]:
                continue
            width = prior.sd_log if isinstance(prior, LogNormal) else prior.sd
            if nuisance.kind == "noise_scale":
                into[k] = -width * float(self.noises[i].residual(value, self.observed[i], scale))
            else:
                into[k] = width * value * self.noises[i].slope(value, scale)

    def _differences(self, u: Floats) -> Floats:
        centre, steps = self.data_residuals(u), DIFFERENCE * np.eye(u.size)
        return np.column_stack([(self.data_residuals(u + step) - centre) / DIFFERENCE for step in steps])

    def log_likelihood(self, u: Floats) -> float:
        """Logarithm of the density of the data; -inf where a run fails."""
        return float(self._log_likelihoods(self.modelled(u)[None], self.scales(u))[0])

    def _log_likelihoods(self, modelled: Floats, scales: Floats) -> Floats:
        total = np.zeros(len(modelled))
        s = np.broadcast_to(scales, modelled.shape)
        for chosen, noise in self._grouped:
            total += noise.log_density(self.observed[chosen], modelled[:, chosen], s[:, chosen]).sum(axis=1)
        return np.where(np.isfinite(modelled).all(axis=1), total, -math.inf)

    def log_prior(self, u: Floats) -> float:
        """Logarithm of the prior density in search coordinates, normalised within the bounds; -inf beyond them."""
        return float(self._log_priors(np.asarray(u)[None])[0])

    def _log_priors(self, us: Floats) -> Floats:
        low, high = self.bounds(math.inf)
        limited = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
        constant = 0.5 * us.shape[1] * math.log(2 * math.pi) + sum(log_mass(low[k], high[k]) for k in limited)
        inside = ((us >= low) & (us <= high)).all(axis=1)
        return np.where(inside, -0.5 * np.einsum("ij,ij->i", us, us) - constant, -math.inf)

    def log_density(self, u: Floats) -> float:
        """Logarithm of likelihood times prior, in search coordinates."""
        prior = self.log_prior(u)
        return prior + self.log_likelihood(u) if prior > -math.inf else prior

    def log_densities(self, us: Floats, threads: int = 1) -> Floats:
        """As `log_density`, of many points of shape (n, free), which run over lanes; -inf, never NaN.

        Raises
        ------
        JevonsError
            For points of another shape.
        """
        us = np.asarray(us, dtype=float)
        if us.ndim != 2 or us.shape[1] != len(self.free):
            raise JevonsError(f"points of shape {us.shape}, expected (n, {len(self.free)})")
        result = self._log_priors(us)
        inside = np.flatnonzero(result > -math.inf)
        free = {n: naturals(p, us[inside, k]) for k, (n, p) in enumerate(zip(self.free, self.priors, strict=True))}
        values = {**{n: np.full(inside.size, x) for n, x in self._held.items()}, **free}
        modelled = np.empty((inside.size, len(self.rows)))
        for part in self._parts:
            names = [n for n in part.parameters if n in values]
            rows = np.column_stack([values[n] for n in names]) if names else np.empty((inside.size, 0))
            members = part.runner.run_members(rows, [part.parameters[n] for n in names], threads)
            found = np.column_stack(
                [np.empty((inside.size, 0)), *(m.values(members.values) for m in part.measurements)]
            )
            found[members.codes != 0] = math.nan
            modelled[:, part.rows] = found
            with self._counting:
                self.evaluations += inside.size
                self.failures += members.failed.size
        factors, scales = self._multipliers(values)
        result[inside] += self._log_likelihoods(modelled * factors, scales)
        return result
