"""Allocation of a scarce supply in imported models: Vensim's ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY.

Every request has a curve of how much of it is filled at a price. The price at which what is filled adds up to the
supply clears the market. The price is one hidden auxiliary, `jevons.functions.market_price`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from jevons import clearing
from jevons import functions as fn
from jevons.errors import ModelError
from jevons.interchange.translation.array_functions import Array, Name, expressions, is_number

SHAPES = {1: "rectangular", 2: "triangular", 3: "normal", 4: "exponential"}


def allocate_available(request: Array, profile: Array, available: Any, name: Name) -> Array:
    """Split a supply among requests by their priority profiles (Vensim ALLOCATE AVAILABLE).

    Equation   a_i = q_i·S_i((p_i - x)/w_i), with the price x at which Σ a_i = available
    Valid for  requests and supply ≥ 0, widths > 0 (not a number where a width is 0); everything is filled where
               the supply suffices, nothing where it is 0; profile types 1 to 4
    Source     Vensim reference manual, Allocation Functions; PySD 3.14, `allocation.Priorities`

    Parameters
    ----------
    request : array, shape (n,)
        q, in the unit of the supply.
    profile : array, shape (n, 4)
        Type (1 rectangular, 2 triangular, 3 normal, 4 exponential; a number), priority p, width w, and an extra
        that these types ignore; p and w in one unit.
    available : sympy.Expr
        Supply.
    name : callable
        Registers a hidden auxiliary under a label and returns its symbol.

    Returns
    -------
    array, shape (n,)
        Allocations, in the unit of the supply.
    """
    q, profile, supply = expressions(request), expressions(profile), expressions(available)[()]
    if q.ndim != 1 or profile.ndim != 2 or profile.shape[0] != len(q) or profile.shape[1] < 3:
        raise ModelError(
            "ALLOCATE AVAILABLE",
            [f"requests of shape {q.shape} with profiles of shape {profile.shape}, expected (n,) and (n, 4)"],
        )
    kinds = [_kind(e) for e in profile[:, 0]]
    _check("ALLOCATE AVAILABLE", list(profile[:, 2]), list(q), supply)
    return _allocated(kinds, q, profile[:, 1], profile[:, 2], supply, name)


def allocate_by_priority(request: Array, priority: Array, size: Any, width: Any, supply: Any, name: Name) -> Array:
    """Split a supply among requests, those of higher priority first (Vensim ALLOCATE BY PRIORITY).

    Requests whose priorities are nearer than `width` are filled side by side. It is ALLOCATE AVAILABLE with
    rectangular curves of one width: where a gap in priority is wider, nothing happens within the rest of it.

    Equation   a_i = q_i·min(1, max(0, (p_i - x)/width + 1/2)), with the price x at which Σ a_i = supply
    Valid for  requests and supply ≥ 0, width > 0
    Source     Vensim reference manual, ALLOCATE BY PRIORITY; PySD 3.14, `allocation.allocate_by_priority`

    Parameters
    ----------
    request, priority : array, shape (n,)
        Requests in the unit of the supply; priorities in the unit of `width`.
    size : sympy.Expr or float
        Number of requests that take part: the first `size`; the others get nothing.
    width, supply : sympy.Expr or float
    name : callable
        Registers a hidden auxiliary under a label and returns its symbol.

    Returns
    -------
    array, shape (n,)
        Allocations, in the unit of the supply.
    """
    q, p = expressions(request), expressions(priority)
    w, available, count = (expressions(e)[()] for e in (width, supply, size))
    if q.ndim != 1 or q.shape != p.shape:
        raise ModelError("ALLOCATE BY PRIORITY", [f"{q.shape} requests with {p.shape} priorities, expected one each"])
    if not is_number(count) or not 1 <= float(count) <= len(q):
        raise ModelError("ALLOCATE BY PRIORITY", [f"size is {size}, expected a number from 1 to {len(q)}"])
    n = int(count)
    _check("ALLOCATE BY PRIORITY", [w], list(q), available)
    widths = np.full(n, w, dtype=object)
    filled = _allocated([1] * n, q[:n], p[:n], widths, available, name)
    return np.concatenate([filled, np.full(len(q) - n, sp.Float(0.0), dtype=object)])


def _kind(e: sp.Expr) -> int:
    if is_number(e) and float(e) in SHAPES:
        return int(e)
    listed = ", ".join(f"{k} {shape}" for k, shape in SHAPES.items())
    if not is_number(e):
        raise ModelError("ALLOCATE AVAILABLE", [f"the profile type is {e}, expected a number: {listed}"])
    reasons = {
        0: "a fixed quantity, which has no price at which it falls",
        5: "a curve of constant elasticity, which is not translated",
    }
    reason = reasons.get(int(e), "an allocation in whole numbers" if float(e) >= 10 else "not a type")
    raise ModelError("ALLOCATE AVAILABLE", [f"profile type {float(e):g} is {reason}; types that are known: {listed}"])


def _check(function: str, widths: Sequence[sp.Expr], requests: Sequence[sp.Expr], supply: sp.Expr) -> None:
    mistakes = [f"a width is {float(w):g}, expected above 0" for w in widths if is_number(w) and float(w) <= 0]
    mistakes += [f"a request is {float(q):g}, expected 0 or more" for q in requests if is_number(q) and float(q) < 0]
    if is_number(supply) and float(supply) < 0:
        mistakes.append(f"the supply is {float(supply):g}, expected 0 or more")
    if mistakes:
        raise ModelError(function, list(dict.fromkeys(mistakes)))


def _allocated(kinds: Sequence[int], q: Array, p: Array, w: Array, supply: sp.Expr, name: Name) -> Array:
    """What is filled of each request, by way of the price."""
    if all(is_number(e) for column in (q, p, w, [supply]) for e in column):
        sizes, priorities, widths = ([float(e) for e in column] for column in (q, p, w))
        return _numbers(kinds, sizes, priorities, widths, float(supply))
    out = np.full(len(q), sp.Float(0.0), dtype=object)
    # a request that never is has no part in the price
    here = [i for i, e in enumerate(q) if not (is_number(e) and float(e) == 0.0)]
    if not here:
        return out
    price = name("price", fn.market_price(supply, *([column[i] for i in here] for column in (kinds, q, p, w))))
    for i in here:
        out[i] = q[i] * fn.market_share(kinds[i], (p[i] - price) / w[i])
    return out


def _numbers(kinds: Sequence[int], q: Sequence[float], p: Sequence[float], w: Sequence[float], supply: float) -> Array:
    curves = [float(kind) for kind in kinds]
    price = clearing.market_price(supply, curves, q, p, w)
    out = np.empty(len(q), dtype=object)
    for i, (kind, size, priority, width) in enumerate(zip(curves, q, p, w, strict=True)):
        out[i] = sp.Float(size * clearing.market_share(kind, (priority - price) / width))
    return out
