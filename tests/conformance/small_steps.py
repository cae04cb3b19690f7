"""The limit of small steps: Euler's run, extrapolated, beside our adaptive one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sympy as sp

from jevons import functions as f
from jevons.errors import JevonsError
from jevons.interchange.results import canonical_name

HALVINGS = 6
"""Euler runs with steps dt, dt/2, ... dt/2^5, extrapolated by Romberg's table; fewer where that were too many steps."""

CONTROLS = ("time step", "saveper", "initial time", "final time")

MOST_STEPS = 200_000


def distance_to_limit(model: Any, rtol: float = 1e-9) -> float:
    """Worst difference between the adaptive and the extrapolated run, over 1 + |value|; NaN where there is no limit.

    Equation
    --------
    T[k, 0] = Euler with dt / 2^k;  T[k, j] = T[k, j-1] + (T[k, j-1] − T[k-1, j-1]) / (2^j − 1)

    Valid for
    ---------
    models whose equations are smooth between break points; with kinks the extrapolation loses its order, and the number
    says how much of it.

    Source
    ------
    Hairer, Nørsett and Wanner (1993), Solving Ordinary Differential Equations I, II.9.
    """
    if is_discrete(model):
        return float("nan")
    settings = model.settings
    if settings is None or settings.dates is not None:
        return float("nan")
    dt = float(settings.dt)
    steps = max(1.0, (settings.end - model.start) / dt)
    halvings = min(HALVINGS, 1 + int(np.log2(max(1.0, MOST_STEPS / steps))))
    rows: list[list[np.ndarray[Any, Any]]] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            smooth = model.run(method="LSODA", rtol=rtol)
            if not smooth.status.ok:
                return float("nan")
            names = [name for name in smooth.names if canonical_name(name) not in CONTROLS]
            if not names:
                return float("nan")
            for k in range(halvings):
                run = model.run(method="Euler", dt=dt / 2**k)
                if not run.status.ok:
                    return float("nan")
                at = np.abs(run.times[None, :] - smooth.times[:, None]).argmin(axis=1)
                row = [np.column_stack([run[name].to_numpy()[at] for name in names])]
                for j in range(1, k + 1):
                    row.append(row[j - 1] + (row[j - 1] - rows[k - 1][j - 1]) / (2**j - 1))
                rows.append(row)
    except JevonsError:
        return float("nan")
    limit = rows[-1][-1]
    found = np.column_stack([smooth[name].to_numpy() for name in names])
    difference = np.abs(found - limit) / (1 + np.abs(limit))
    difference[~np.isfinite(found) | ~np.isfinite(limit)] = 0.0
    return float(difference.max(initial=0.0))


def is_discrete(model: Any) -> bool:
    """Whether equations jump, hold values from step to step, or draw random numbers."""
    discrete = (sp.Piecewise, sp.floor, sp.ceiling, sp.sign, f.Switch, f.Step, f.Pulse, f.PulseTrain, f.Ramp, f.Noise)
    held = (f.PipelineDelay, f.SampleIfTrue, f.DelayN)
    return any(
        isinstance(node, discrete + held)
        for element in model.elements.values()
        for expression in (getattr(element, "equation", None), getattr(element, "initial", None))
        if isinstance(expression, sp.Basic)
        for node in sp.preorder_traversal(expression)
    )
