"""Fixed steps against the eigenvalues of a model along its run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.diagnostics.state_path import Moment, stock_path
from jevons.integrate import compile_model, parameter_vector

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]
_POLYNOMIALS: Mapping[str, tuple[float, ...]] = {
    "Euler": (1.0, 1.0),
    "RK2": (1.0, 1.0, 1 / 2),
    "RK4": (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24),
}
"""Coefficients of R(z), by which a step multiplies a mode."""
_DATES = 24
_FEWER = 6
_MANY_STOCKS = 300
_TOO_MANY = 1_000  # for eigenvalues: then nothing is said of stability
_FAST = 2.0
_TINY = 1e-40  # absolute tolerance: what nearly dies out must not change its sign
_STAGE = 1e-6
_FARTHEST = 4.0  # |z| beyond which none of the methods is stable on the left


@dataclass(frozen=True)
class Stability:
    """Whether a method's step is stable along a run.

    Attributes
    ----------
    ratio : float
        Largest |R(λ dt)| over the modes that decay and the dates that were looked at; stable up to 1.
    time : float
        Date of it; NaN where no mode decays.
    time_constant : float
        −1/Re λ of that mode, in the model's unit of time.
    largest_dt : float
        Largest step for which all of these modes decay; infinite where none does.
    fast : mapping of str to float
        Stocks whose own time constant −1/J_ii is less than two steps, fastest first. Stages that take one step each
        are left out: they are meant.
    """

    ratio: float
    time: float
    time_constant: float
    largest_dt: float
    fast: Mapping[str, float]


def stability(model: Model, method: str, dt: float, end: float, params: Mapping[str, float]) -> Stability:
    """Look at the eigenvalues along a run: an adaptive one, or one with half the step where that ends early."""
    system = compile_model(model)
    n = len(system.stocks)
    nothing = Stability(0.0, math.nan, math.inf, math.inf, {})
    if not n or n > _TOO_MANY:
        return nothing
    every = max(dt, (end - model.start) / (_DATES if n < _MANY_STOCKS else _FEWER))
    held = {**_held_step(model, dt), **params}
    run = stock_path(model, end, every=every, params=held, atol=_TINY, on_failure="return")
    if not run.status.ok:
        run = stock_path(model, end, every=every, params=held, method=method, dt=dt / 2, on_failure="return")
    p = parameter_vector(model, system, held)
    worst = nothing
    largest = math.inf
    fast: dict[str, float] = {}
    for time, x in zip(run.times.tolist(), run.values, strict=True):
        matrix = Moment(system, p, time).jacobian(x)
        if not np.isfinite(matrix).all():
            continue
        for name, own in zip(system.stocks, np.diag(matrix).tolist(), strict=True):
            tau = -1.0 / own if own < 0 else math.inf
            if tau < _FAST * dt and abs(tau - dt) > _STAGE * dt:
                fast[name] = min(tau, fast.get(name, math.inf))
        values = np.asarray(np.linalg.eigvals(matrix), dtype=np.complex128)
        decaying = values[values.real < -1e-12 * max(float(np.abs(values).max()), 1e-300)]
        if not decaying.size:
            continue
        ratios = np.abs(amplification(method, decaying * dt))
        k = int(np.argmax(ratios))
        largest = min(largest, min(stable_step(method, complex(value)) for value in _extreme(decaying)))
        if ratios[k] > worst.ratio:
            worst = Stability(float(ratios[k]), time, -1.0 / float(decaying[k].real), math.inf, {})
    ordered = dict(sorted(fast.items(), key=lambda item: item[1]))
    return Stability(worst.ratio, worst.time, worst.time_constant, largest, ordered)


def amplification(method: str, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """By what a step multiplies a mode.

    Equation   R(z) = 1 + z (Euler), … + z²/2 (RK2), … + z³/6 + z⁴/24 (RK4), with z = λ dt
    Valid for  a linear mode
    Source     Hairer & Wanner (1996), Solving Ordinary Differential Equations II, 2nd ed., ch. IV.2
    """
    return np.asarray(np.polynomial.polynomial.polyval(z, _POLYNOMIALS[method]))


def stable_step(method: str, eigenvalue: complex) -> float:
    """Largest step for which a decaying mode decays, in the unit of time of the eigenvalue.

    Equation   Euler: −2 Re λ/|λ|²; others: first crossing of |R(λ dt)| = 1
    Valid for  Re λ < 0
    """
    size = abs(eigenvalue)
    if method == "Euler":
        return -2.0 * eigenvalue.real / size**2
    direction = eigenvalue / size

    def outside(r: float) -> bool:
        return bool(abs(amplification(method, np.array(r * direction))) > 1.0)

    low = high = _FARTHEST
    for r in np.linspace(0.02, _FARTHEST, 200).tolist():
        if outside(r):
            low, high = r - 0.02, r
            break
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if outside(middle) else (middle, high)
    return low / size


def _extreme(values: NDArray[np.complex128]) -> list[complex]:
    """Eigenvalues that can limit the step: the largest, and those that oscillate most for their damping."""
    ordered = sorted(values.tolist(), key=lambda value: value.real / abs(value) ** 2, reverse=True)
    return [*ordered[:8], max(values.tolist(), key=abs)]


def _held_step(model: Model, dt: float) -> dict[str, float]:
    step = model.settings.time_step if model.settings else None
    return {} if step is None else {str(step): dt}
