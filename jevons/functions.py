"""Functions for equations, beyond what sympy has.

Smooth functions replace kinks, time functions create break points at which integration restarts, and functions of
the past (delays, smooths, trends, samples) create hidden stocks when a model is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from jevons.errors import ModelError
from jevons.function_classes import (
    TIME,
    ActiveInitial,
    Delay1,
    Delay3,
    DelayN,
    HiddenStockFunction,
    Initial,
    Lookup,
    LookupSlope,
    MarketPrice,
    MarketPriceSlope,
    MarketShare,
    MarketShareSlope,
    ModelFunction,
    Noise,
    NormalQuantile,
    PipelineDelay,
    Pulse,
    PulseTrain,
    Ramp,
    SampleIfTrue,
    Smooth1,
    Smooth3,
    SmoothFunction,
    SmoothMax,
    SmoothMin,
    SmoothN,
    SmoothPositive,
    SoftLimit,
    Step,
    Switch,
    Trend,
)


def symbol(name: str) -> sp.Symbol:
    """The symbol of a model element."""
    return TIME if name == TIME.name else sp.Symbol(name, real=True)


class Names:
    """Symbols by attribute, before or after the elements are defined: ``v.users`` or ``v["users"]``."""

    def __getattr__(self, name: str) -> sp.Symbol:
        if name.startswith("_"):
            raise AttributeError(name)
        return symbol(name)

    def __getitem__(self, name: str) -> sp.Symbol:
        return symbol(name)


def smooth_positive(x: Any, width: Any) -> sp.Expr:
    """Smooth positive part.

    Equation   (x + sqrt(x² + width²)) / 2
    Valid for  every x; exceeds max(x, 0) by at most width/2, at x = 0

    Parameters
    ----------
    x, width : sympy.Expr
        Argument and width of the bend, both in the unit of `x`.
    """
    return SmoothPositive(x, width)


def smooth_max(a: Any, b: Any, width: Any) -> sp.Expr:
    """Smooth maximum, (a + b + sqrt((a-b)² + width²))/2; all three in one unit."""
    return SmoothMax(a, b, width)


def smooth_min(a: Any, b: Any, width: Any) -> sp.Expr:
    """Smooth minimum, (a + b - sqrt((a-b)² + width²))/2; all three in one unit."""
    return SmoothMin(a, b, width)


def soft_limit(x: Any, limit: Any, order: Any) -> sp.Expr:
    """Smooth minimum of two positive quantities with a relative width.

    Equation   x / (1 + (x/limit)^order)^(1/order)
    Valid for  x ≥ 0, limit > 0, order > 0 (dimensionless); at x = limit it loses 1 - 2^(-1/order)
    """
    return SoftLimit(x, limit, order)


def step(height: Any, at: Any) -> sp.Expr:
    """`height` from time `at` on, 0 before. Integration restarts at `at`."""
    return Step(height, at)


def pulse(height: Any, at: Any, duration: Any) -> sp.Expr:
    """`height` from `at` for `duration`, else 0. Integration restarts at both ends."""
    return Pulse(height, at, duration)


def ramp(slope: Any, start: Any, end: Any) -> sp.Expr:
    """0 until `start`, then rising with `slope` until `end`, constant after it."""
    return Ramp(slope, start, end)


def pulse_train(height: Any, start: Any, duration: Any, interval: Any, end: Any, count: int) -> sp.Expr:
    """`count` pulses of `height`, each for `duration`, the first at `start` and one every `interval`; none after it.

    A pulse ends where the next begins: they do not add up. Integration restarts at both ends of each.
    """
    return PulseTrain(height, start, duration, interval, end, _whole(count, "count", least=0))


def noise(seed: Any, stream: Any, index: Any) -> sp.Expr:
    """Number in (0, 1), uniform and independent over streams and indices, the same in every run with these arguments.

    Equation   s = mix(mix(seed + g) + (stream + 1) h), u = (mix(s + (index + 1) g) / 2¹² + 1/2) / 2⁵²
    Valid for  arguments of absolute value below 2⁵¹, rounded to whole numbers (elsewhere NaN); constant in between, so
               its derivative is zero
    Source     Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA, fig. 16 (mix64 of
               Stafford's variant 13)

    Parameters
    ----------
    seed, stream, index : sympy.Expr
        Dimensionless: of the run, of the noisy variable, and of the moment, for example ``floor((time - start)/step)``.
    """
    return Noise(seed, stream, index)


def normal_quantile(u: Any) -> sp.Expr:
    """Standard normal quantile: the z with Φ(z) = u.

    Equation   rational approximations in u - 1/2 or sqrt(-ln(min(u, 1 - u))), relative error about 1e-16
    Valid for  0 < u < 1 (dimensionless); ∓∞ at 0 and 1, NaN outside
    Source     Wichura (1988), Algorithm AS 241, Applied Statistics 37, 477-484 (PPND16)
    """
    return NormalQuantile(u)


def market_price(
    supply: Any, kinds: Sequence[int], requests: Sequence[Any], priorities: Sequence[Any], widths: Sequence[Any]
) -> sp.Expr:
    """Price at which requests are filled up to a supply; a request's part is `market_share` of its curve.

    Equation   Σ q_i S_i((p_i - x)/w_i) = supply, with the curves of `market_share`
    Valid for  requests ≥ 0, widths > 0; where the supply suffices for all a price below all curves, and where there
               is none one above them; its derivatives are those of the implicit function
    Source     Vensim reference manual, Allocation Functions

    Parameters
    ----------
    supply, requests : sympy.Expr
        In one unit.
    kinds : sequence of int
        Curves of the requests: 1 rectangular, 2 triangular, 3 normal, 4 exponential.
    priorities, widths : sympy.Expr
        In one unit, that of the price.
    """
    curves = [_curve(kind) for kind in kinds]
    rows = zip(curves, requests, priorities, widths, strict=True)
    return MarketPrice(supply, *(argument for row in rows for argument in row))


def market_share(kind: int, z: Any) -> sp.Expr:
    """Part of a request that is filled where its priority lies `z` widths above the price (see `market_price`)."""
    return MarketShare(_curve(kind), z)


def initial(x: Any) -> sp.Expr:
    """Value of `x` at the start of the run."""
    return Initial(x)


def active_initial(x: Any, start: Any) -> sp.Expr:
    """`x` during a run, `start` wherever the value at the start is needed for initial values: breaks their loops."""
    return ActiveInitial(x, start)


def lookup(table: str, x: Any) -> sp.Expr:
    """Value of the `Table` named `table` at `x`, interpolated as the table says."""
    return Lookup(symbol(table), x)


def smooth1(x: Any, time_constant: Any, initial: Any = None) -> sp.Expr:
    """First-order exponential smooth of `x`: s' = (x - s)/time_constant; starts at `initial` (default x)."""
    return Smooth1(x, time_constant, x if initial is None else initial)


def smooth3(x: Any, time_constant: Any, initial: Any = None) -> sp.Expr:
    """Third-order smooth: three first-order smooths of time_constant/3 in a row."""
    return Smooth3(x, time_constant, x if initial is None else initial)


def delay1(x: Any, delay_time: Any, initial: Any = None) -> sp.Expr:
    """First-order material delay: outflow of a stock with inflow `x` and mean residence `delay_time`."""
    return Delay1(x, delay_time, x if initial is None else initial)


def delay3(x: Any, delay_time: Any, initial: Any = None) -> sp.Expr:
    """Third-order material delay: three stocks of delay_time/3 in a row; what enters leaves."""
    return Delay3(x, delay_time, x if initial is None else initial)


def trend(x: Any, averaging_time: Any, initial_trend: Any = 0) -> sp.Expr:
    """Fractional growth rate of `x` against its first-order average, per time (Sterman 2000, ch. 16)."""
    return Trend(x, averaging_time, initial_trend)


def smooth_n(x: Any, time_constant: Any, initial: Any = None, order: int = 1) -> sp.Expr:
    """Smooth of any order: `order` first-order smooths of time_constant/order in a row; from `initial` (default x)."""
    return SmoothN(x, time_constant, x if initial is None else initial, _whole(order, "order"))


def delay_n(x: Any, delay_time: Any, initial: Any = None, order: int = 1, step: Any = None) -> sp.Expr:
    """Material delay of any order: `order` stocks of delay_time/order in a row; what enters leaves.

    Parameters
    ----------
    delay_time, step : sympy.Expr
        In units of time. With `step`, the time between steps, a delay time that varies travels along with what is in
        the delay: stage k has the delay time of k - 1 steps ago, and the result is the last stage's content over the
        delay time of one step ago (DELAY N of Vensim as PySD has it). Without it all stages have that of now.
    initial : sympy.Expr
        Outflow at the start, `x` by default.
    order : int
        Number of stages, 1 or more.
    """
    start = x if initial is None else initial
    count = _whole(order, "order")
    return DelayN(x, delay_time, start, count) if step is None else DelayN(x, delay_time, start, count, step)


def pipeline_delay(x: Any, step: Any, initial: Any, stages: int) -> sp.Expr:
    """`x` of `stages` steps ago, `initial` until then: exact under Euler with this step.

    Equation   s1' = (x - s1)/step, sk' = (s(k-1) - sk)/step, all from `initial`; the result is the last
    Valid for  Euler's method with steps of `step` (unit of time); otherwise a smooth of that many stages
    Source     DELAY FIXED of Vensim, as a row of stocks
    """
    return PipelineDelay(x, step, initial, _whole(stages, "stages"))


def sample_if_true(condition: Any, x: Any, initial: Any, step: Any) -> sp.Expr:
    """`x` while the condition holds, else its value when the condition last held; `initial` before.

    Equation   x where the condition holds, else s; s' = (x - s)/step where it holds, else 0
    Valid for  Euler's method with steps of `step` (unit of time); otherwise s follows x with that time constant
    Source     SAMPLE IF TRUE of Vensim, with a stock for its memory
    """
    truth = sp.Piecewise((sp.S.One, condition), (sp.S.Zero, sp.true), evaluate=False)
    return SampleIfTrue(x, step, initial, truth)


def _curve(kind: Any) -> sp.Integer:
    if kind not in (1, 2, 3, 4):
        raise ModelError("curve of a market", [f"kind {kind!r}, expected 1, 2, 3 or 4"])
    return sp.Integer(int(kind))


def _whole(value: Any, what: str, least: int = 1) -> sp.Integer:
    """A whole number that is not too small, as sympy has it."""
    number = sp.sympify(value)
    if not number.is_Integer or number < least:
        raise ModelError(what, [f"{what} {value!r}, expected a whole number of at least {least}"])
    return number


__all__ = [
    "TIME",
    "ActiveInitial",
    "Delay1",
    "Delay3",
    "DelayN",
    "HiddenStockFunction",
    "Initial",
    "Lookup",
    "LookupSlope",
    "MarketPrice",
    "MarketPriceSlope",
    "MarketShare",
    "MarketShareSlope",
    "ModelFunction",
    "Names",
    "Noise",
    "NormalQuantile",
    "PipelineDelay",
    "Pulse",
    "PulseTrain",
    "Ramp",
    "SampleIfTrue",
    "Smooth1",
    "Smooth3",
    "SmoothFunction",
    "SmoothMax",
    "SmoothMin",
    "SmoothN",
    "SmoothPositive",
    "SoftLimit",
    "Step",
    "Switch",
    "Trend",
    "active_initial",
    "delay1",
    "delay3",
    "delay_n",
    "initial",
    "lookup",
    "market_price",
    "market_share",
    "noise",
    "normal_quantile",
    "pipeline_delay",
    "pulse",
    "pulse_train",
    "ramp",
    "sample_if_true",
    "smooth1",
    "smooth3",
    "smooth_max",
    "smooth_min",
    "smooth_n",
    "smooth_positive",
    "soft_limit",
    "step",
    "symbol",
    "trend",
]
