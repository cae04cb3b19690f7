"""Functions for equations, beyond what sympy has.

Smooth functions replace kinks, time functions create break points at which integration restarts, and
delays, smooths and trends create hidden stocks when a model is built.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import sympy as sp

TIME = sp.Symbol("time", real=True)
"""The model's time."""


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


class ModelFunction(sp.Function):  # type: ignore[misc]
    """A function that the engine lowers to elementary ones before it generates code.

    `kinds` gives what each argument must be: ``same`` (the unit of the result), ``time``, ``one``, ``rate``
    (per time), ``table``, ``any``.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    result_kind: ClassVar[str] = "same"

    @classmethod
    def eval(cls, *args: Any) -> None:  # keep the node as written
        return None

    def argument_kinds(self) -> tuple[str, ...]:
        return self.kinds[: len(self.args)]

    def label(self) -> str:
        name = type(self).__name__
        return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")

    def _sympystr(self, printer: Any) -> str:
        return f"{self.label()}({', '.join(printer.doprint(a) for a in self.args)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = ", ".join(printer.doprint(a) for a in self.args)
        name = self.label().replace("_", r"\_")
        text = rf"\operatorname{{{name}}}\left({inner}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"

    def _eval_is_real(self) -> bool:
        return True


class SmoothFunction(ModelFunction):
    """A smooth function with a closed form."""

    @abc.abstractmethod
    def definition(self) -> sp.Expr:
        """The closed form, in elementary functions."""


class SmoothPositive(SmoothFunction):
    kinds = ("same", "same")

    def definition(self) -> sp.Expr:
        x, width = self.args
        return (x + sp.sqrt(x**2 + width**2)) / 2


class SmoothMax(SmoothFunction):
    kinds = ("same", "same", "same")

    def definition(self) -> sp.Expr:
        a, b, width = self.args
        return (a + b + sp.sqrt((a - b) ** 2 + width**2)) / 2


class SmoothMin(SmoothFunction):
    kinds = ("same", "same", "same")

    def definition(self) -> sp.Expr:
        a, b, width = self.args
        return (a + b - sp.sqrt((a - b) ** 2 + width**2)) / 2


class SoftLimit(SmoothFunction):
    kinds = ("same", "same", "one")

    def definition(self) -> sp.Expr:
        x, limit, order = self.args
        return x / (1 + (x / limit) ** order) ** (1 / order)


class Switch(ModelFunction):
    """0 before `at`, 1 from then on; `at` is a break point."""

    kinds = ("time",)
    result_kind = "one"


class Step(ModelFunction):
    kinds = ("same", "time")

    def lowered(self) -> sp.Expr:
        height, at = self.args
        return height * Switch(at)


class Pulse(ModelFunction):
    kinds = ("same", "time", "time")

    def lowered(self) -> sp.Expr:
        height, at, duration = self.args
        return height * (Switch(at) - Switch(at + duration))


class Ramp(ModelFunction):
    kinds = ("same", "time", "time")
    result_kind = "same times time"

    def lowered(self) -> sp.Expr:
        slope, start, end = self.args
        return slope * ((TIME - start) * Switch(start) - (TIME - end) * Switch(end))


class Lookup(ModelFunction):
    """Linear interpolation in a table element."""

    kinds = ("table", "any")

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        if argindex != 2:
            raise sp.ArgumentIndexError(self, argindex)
        return LookupSlope(*self.args)


class LookupSlope(ModelFunction):
    """Slope of a table at a point; appears only in derivatives."""

    kinds = ("table", "any")

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        return sp.S.Zero


class HiddenStockFunction(ModelFunction):
    """A function of the past: delays, smooths and trends become stocks when a model is built."""

    stages: ClassVar[int] = 1


class Smooth1(HiddenStockFunction):
    kinds = ("same", "time", "same")


class Smooth3(HiddenStockFunction):
    kinds = ("same", "time", "same")
    stages = 3


class Delay1(HiddenStockFunction):
    kinds = ("same", "time", "same")


class Delay3(HiddenStockFunction):
    kinds = ("same", "time", "same")
    stages = 3


class Trend(HiddenStockFunction):
    kinds = ("same", "time", "rate")
    result_kind = "rate"


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


def lookup(table: str, x: Any) -> sp.Expr:
    """Value of the `Table` named `table` at `x`, interpolated linearly."""
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
