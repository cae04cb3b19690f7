"""The static law of a large gain: the elasticity at which rebound is one, whatever supply does.

References
----------
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from jevons.elements import Auxiliary
from jevons.errors import JevonsError
from jevons.functions import symbol
from jevons.model import Model
from jevons.simulation import Simulation, run_samples

Floats = NDArray[np.float64]


def arc_elasticities(
    model: Model,
    demand: Sequence[str],
    price: str,
    fall: float,
    at: float,
    samples: Sequence[Mapping[str, float]] = ({},),
) -> Floats:
    """Elasticity of demand over a fall of the price, everything else as it is at one date.

    Equation   η_arc = ln[Π D_i(p/a) / Π D_i(p)] / ln a; a → 1 gives the elasticity at p. Where compute, and so every
               rent, is as it was before a gain of factor a, the price has fallen by a: R = 1 needs
               Π D_i(p/a) = a Π D_i(p), that is η_arc = 1, whatever the supply is
    Valid for  long run, price passed on in full; the model's own responses D_i to its price
    Source     definition of an arc elasticity; break-even demand as in [Sorrell2008]_

    Parameters
    ----------
    demand : sequence of str
        Variables of the model whose product is the demand wanted.
    price : str
        The variable that falls.
    fall : float
        Factor by which it falls, above 1.
    at : float
        Date.
    samples : sequence of mapping
        Parameters that differ from the model's; one elasticity is given for each.
    """
    model.require([*demand, price], list(model.elements), "variable")
    silent = [n for n in demand if not isinstance(model[n], Auxiliary) or symbol(price) not in _equation(model, n)]
    mistakes = [f"{n!r} does not respond to {price!r} directly" for n in silent]
    if not fall > 1:
        mistakes.append(f"fall {fall:g}, expected a factor above 1")
    if mistakes:
        raise JevonsError("arc elasticity: " + "; ".join(mistakes))
    logs = sum((sp.log(e.equation) for n in demand if isinstance(e := model[n], Auxiliary)), sp.S.Zero)
    names = sorted(s.name for s in logs.free_symbols)
    varying = [n for n in names if n not in model.parameters]
    run = run_samples(Simulation(model, [at], varying), samples).values[:, 0, :]
    state = {n: run[:, k] for k, n in enumerate(varying)}
    for name in set(names) - set(varying):
        own = model.parameters[name].value
        state[name] = np.array([sample.get(name, own) for sample in samples])
    response = sp.lambdify([symbol(n) for n in names], logs, "numpy")
    before = response(*(state[n] for n in names))
    after = response(*(state[n] / fall if n == price else state[n] for n in names))
    return np.asarray((after - before) / math.log(fall))


def _equation(model: Model, name: str) -> set[sp.Symbol]:
    element = model[name]
    return set(element.equation.free_symbols) if isinstance(element, Auxiliary) else set()
