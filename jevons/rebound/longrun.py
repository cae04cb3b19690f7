"""Rebound in the long run, derived from a model's equilibrium or balanced growth path instead of simulated."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from jevons.elements import Parameter, finite
from jevons.errors import ModelError, nearest
from jevons.model import Model
from jevons.rebound.longrun_path import STILL, UNCHANGED, SteadyPath, steady_path
from jevons.rebound.longrun_rates import causes
from jevons.rebound.longrun_symbolic import elasticity_formulas
from jevons.rebound.meter import _PREFIX, with_engineering_run

EQUILIBRIUM, BALANCED_GROWTH = "equilibrium", "balanced growth"
SYMBOLIC, NUMERICAL = "symbolic", "numerical"
AGREEMENT = 1e-8
"""Largest difference between a formula and the numerical derivative at which the formula is believed."""

_engineering: weakref.WeakKeyDictionary[Model, Model] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, repr=False, eq=False)
class LongRun:
    """Response of energy to an efficiency in the long run.

    Attributes
    ----------
    efficiency, energy : str
        The parameter that improves and the output that responds.
    elasticity : float
        d ln E/d ln A between long runs side by side, dimensionless.
    engineering : float
        The same of the engineering run, whose services are held: −1 where all energy is divided by A, −f where a
        share f of it is, 0 for what saves no energy by itself; NaN where the model's roles do not name the efficiency.
    rebound : float
        ``1 − elasticity/engineering``, which is ``1 + elasticity`` where all energy is divided by A; NaN where the
        engineering run saves nothing, so that `elasticity` is induced growth, and where there is no such run.
    method : {'symbolic', 'numerical'}
        Whether a formula was found; the numbers are the same.
    kind : {'equilibrium', 'balanced growth'}
    expression : sympy.Expr or None
        The elasticity as a formula in the model's parameters.
    conditions : mapping of str to float
        Parameters that the formula takes to have these values.
    date : float
        Date of `state`; any in an equilibrium.
    state : mapping of str to float
        Stocks that energy depends on, in their units.
    growth : mapping of str to float
        Rate of growth of these stocks and of energy, per unit of time, 0 in an equilibrium; of a stock that is not
        positive its change per unit of time.
    eigenvalues : array of complex
        Of the linearised system around the path, least stable first, per unit of time.
    stable : bool
        Whether all of them have negative real parts; if not, no run goes there and the elasticity is not its own.
    left_out : tuple of str
        Stocks that energy does not depend on.
    """

    model: str
    efficiency: str
    energy: str
    elasticity: float
    engineering: float
    rebound: float
    method: str
    kind: str
    expression: sp.Expr | None
    conditions: Mapping[str, float]
    date: float
    state: Mapping[str, float]
    growth: Mapping[str, float]
    eigenvalues: NDArray[np.complex128]
    stable: bool
    left_out: tuple[str, ...]

    def __repr__(self) -> str:
        number = "" if math.isnan(self.rebound) else f"rebound {self.rebound:.4g}, "
        number = f"induced growth {self.elasticity:.4g}, " if self.engineering == 0 else number
        warning = "" if self.stable else "; UNSTABLE: no run goes there"
        growth = "" if self.kind == EQUILIBRIUM else f", energy growing by {self.growth[self.energy]:.4g}"
        return (
            f"Long run of {self.model!r} after {self.efficiency!r}: {number}d ln {self.energy}/d ln "
            f"{self.efficiency} = {self.elasticity:.4g} ({self.method}, {self.kind}{growth}){warning}"
        )


def long_run_elasticity(
    model: Model,
    efficiency: str | None = None,
    *,
    energy: str | None = None,
    params: Mapping[str, float] | None = None,
    around: Mapping[str, float] | None = None,
    formula: bool = True,
) -> LongRun:
    """Long-run elasticity of energy to an efficiency, and the rebound it makes, without simulating a shock.

    Equation   0 = h(y, A) - g;  dy/dlnA = -(∂h/∂y)⁻¹ ∂h/∂lnA;  dlnE/dlnA = ∂lnE/∂lnA + ∂lnE/∂y · dy/dlnA;
               R = 1 - (dlnE/dlnA)/(dlnE_F/dlnA), with E_F the energy of the engineering run
    Valid for  small gains, where the model has an equilibrium or a balanced growth path of its own; finite gains
               differ by the curvature of ln E in ln A
    Source     implicit function theorem; comparative statics: Samuelson (1947), ch. 2 and 9; rebound as 1 + the
               elasticity of energy: Sorrell and Dimitropoulos (2008), Ecological Economics 65(3), 636-649

    Parameters
    ----------
    efficiency : str, optional
        A kind of efficiency or price-performance from the model's roles, or a parameter; the model's only kind by
        default.
    energy : str, optional
        Output that responds, positive; the energy of the model's roles by default.
    params : mapping, optional
        Parameter values for this question.
    around : mapping, optional
        Stocks near which to look for the equilibrium; by default the end of a long run.
    formula : bool
        Whether to look for a formula too; it takes up to some seconds.

    Returns
    -------
    LongRun

    Raises
    ------
    ModelError
        For unknown names, and where the model has no such long run: says which stocks keep moving, and how fast.
    IntegrationError
        If the model does not even run for some decades.

    Examples
    --------
    >>> import jevons as jv
    >>> from jevons.rebound.longrun import long_run_elasticity
    >>> long_run_elasticity(jv.load("m0"), "algorithm").rebound.__round__(9)
    0.5
    """
    parameter, output = _names(model, efficiency, energy, params, around)
    given = {**model.values, **{n: float(v) for n, v in (params or {}).items()}}
    path = steady_path(model, output, given, around)
    value, _ = path.rates.output(output, path.date, path.values, np.zeros(len(path.growth)), 0.0)
    if not value > 0:
        raise ModelError(f"long run of model {model.name!r}", [f"{output!r} is {value:g}, expected more than 0"])
    elasticity, growth = path.elasticity(output, parameter), path.growth_of(output)
    _require_constant(model, path, output, parameter, elasticity, growth)
    engineering = _engineering_elasticity(model, parameter, output, given, around)
    expression, conditions = _formula(model, output, parameter, given, elasticity) if formula else (None, {})
    stocks = path.rates.names
    rates = np.where(np.abs(path.growth) > STILL, path.growth, 0.0)
    growth = growth if abs(growth) > STILL else 0.0
    moves = {**dict(zip(stocks, map(float, rates), strict=True)), output: growth}
    return LongRun(
        model=model.name,
        efficiency=parameter,
        energy=output,
        elasticity=elasticity,
        engineering=engineering,
        rebound=1 - elasticity / engineering if abs(engineering) > AGREEMENT else math.nan,
        method=NUMERICAL if expression is None else SYMBOLIC,
        kind=BALANCED_GROWTH if path.moving or growth else EQUILIBRIUM,
        expression=expression,
        conditions=MappingProxyType(conditions),
        date=path.date,
        state=MappingProxyType(dict(zip(stocks, path.values[path.rates.places].tolist(), strict=True))),
        growth=MappingProxyType(moves),
        eigenvalues=path.eigenvalues,
        stable=path.stable,
        left_out=tuple(s.name for s in model.structure.stocks if s.name not in stocks),
    )


def _kinds(model: Model) -> dict[str, str]:
    roles = model.roles
    return {} if roles is None else {**roles.efficiencies, **roles.price_performance}


def _names(
    model: Model,
    efficiency: str | None,
    energy: str | None,
    params: Mapping[str, float] | None,
    around: Mapping[str, float] | None,
) -> tuple[str, str]:
    """Names of the parameter and the output; all mistakes at once."""
    kinds, mistakes = _kinds(model), []
    if efficiency is None:
        if len(kinds) != 1:
            options = ", ".join(kinds) or "none in the model's roles"
            mistakes.append(f"efficiency not given, expected one of {options}")
        efficiency = next(iter(kinds), "")
    elif efficiency not in kinds and not isinstance(model.elements.get(efficiency), Parameter):
        hint = nearest(efficiency, [*kinds, *model.parameters])
        among = f"one of {', '.join(kinds)} or a parameter" if kinds else "a parameter"
        mistakes.append(f"efficiency {efficiency!r}, expected {among}{hint}")
    parameter = kinds.get(efficiency, efficiency)
    if efficiency in kinds and not isinstance(model[parameter], Parameter):
        mistakes.append(f"efficiency {parameter!r} changes over time already, expected a parameter")
    output = energy if energy is not None else model.roles.energy if model.roles is not None else None
    computed = [*model.structure.order, *(s.name for s in model.structure.stocks)]
    if output is None:
        mistakes.append("energy not given, and the model declares no roles")
    elif output not in computed:
        mistakes.append(f"energy {output!r} is no stock, flow or auxiliary{nearest(output, computed)}")
    mistakes += _number_mistakes("parameter", params or {}, model.parameters)
    mistakes += _number_mistakes("stock", around or {}, [s.name for s in model.structure.stocks])
    value = (params or {}).get(parameter, model.values.get(parameter, 1.0))
    if finite(value) and value <= 0:
        mistakes.append(f"efficiency {parameter!r} is {value:g}, expected more than 0")
    if mistakes:
        raise ModelError(f"long run of model {model.name!r}", mistakes)
    assert output is not None
    return parameter, output


def _number_mistakes(what: str, given: Mapping[str, float], valid: Mapping[str, object] | list[str]) -> Iterator[str]:
    for name, value in given.items():
        if name not in valid:
            yield f"{what} {name!r} is not in the model{nearest(str(name), valid)}"
        elif not finite(value):
            yield f"{what} {name!r}: value {value!r}, expected a finite number"


def _require_constant(
    model: Model, path: SteadyPath, output: str, parameter: str, elasticity: float, growth: float
) -> None:
    """Refuse if energy does not grow at a constant rate, or grows at a rate that the efficiency changes."""
    mistakes = []
    later = path.later(path.span)
    fastest = float(np.abs(path.growth).max(initial=abs(growth)))
    moving = fastest > STILL
    if moving and abs(later.growth_of(output) - growth) > UNCHANGED * fastest:
        mistakes.append(
            f"{output!r} grows by {growth:.6g} per {model.time_unit} at {path.date:g} and by "
            f"{later.growth_of(output):.6g} at {later.date:g}: no balanced growth, though its causes have it"
        )
    _, changed = path.response(parameter)
    held = [n for n, own, row in zip(path.rates.names, changed, path.jacobian, strict=True) if own and not row.any()]
    drift = (later.elasticity(output, parameter) - elasticity) / path.span if moving else 0.0
    if held or abs(drift) > UNCHANGED * max(1.0, fastest):
        mistakes.append(
            f"{parameter!r} changes a rate of growth itself, so that {output!r} with and without it grows ever further "
            f"apart: no long-run elasticity (it moves by {drift:.3g} per {model.time_unit})"
        )
    if mistakes:
        raise ModelError(f"long run of model {model.name!r}", mistakes)


def _engineering_elasticity(
    model: Model, parameter: str, output: str, params: Mapping[str, float], around: Mapping[str, float] | None
) -> float:
    """Elasticity of the engineering run's energy; NaN where the model does not say what that run holds."""
    roles = model.roles
    if roles is None or parameter not in {*roles.efficiencies.values(), *roles.price_performance.values()}:
        return math.nan
    if parameter in roles.price_performance.values():
        return 0.0
    if model not in _engineering:
        _engineering[model] = with_engineering_run(model)
    twin = _engineering[model]
    factor, energy = f"{parameter}_factor", _PREFIX + output
    if energy not in twin.elements:
        return math.nan
    stocks = causes(twin.structure, energy)
    both = {name: value for n, value in (around or {}).items() for name in (n, _PREFIX + n) if name in stocks}
    return steady_path(twin, energy, params, both or None).elasticity(energy, factor)


def _formula(
    model: Model, output: str, parameter: str, params: Mapping[str, float], elasticity: float
) -> tuple[sp.Expr | None, dict[str, float]]:
    """The first formula that gives the numerical elasticity, and the values it takes for granted."""
    ones = [name for name in _kinds(model).values() if params.get(name) == 1.0]
    zeros = [name for name, value in params.items() if value == 0.0]
    stocks = causes(model.structure, output)
    for expression, conditions in elasticity_formulas(model, output, parameter, stocks, ones, zeros):
        value = complex(expression.subs({s: params[s.name] for s in expression.free_symbols}))
        if abs(value - elasticity) <= AGREEMENT * max(1.0, abs(elasticity)):
            return expression, conditions
    return None, {}
