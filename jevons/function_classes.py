"""What the functions of `jevons.functions` are in expressions: nodes that the engine lowers or prints."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import sympy as sp

TIME = sp.Symbol("time", real=True)
"""The model's time."""


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


class PulseTrain(ModelFunction):
    """Pulses at a fixed distance; args height, start, duration, interval, end, count."""

    kinds = ("same", "time", "time", "time", "time", "one")

    def lowered(self) -> sp.Expr:
        height, start, duration, interval, end, count = self.args
        switches = []
        for k in range(int(count)):
            on = start + k * interval
            off = on + sp.Min(duration, interval)
            switches.append(Switch(sp.Min(on, end)) - Switch(sp.Min(off, end)))
        return height * sp.Add(*switches)


class Lookup(ModelFunction):
    """Interpolation in a table element."""

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


class Noise(ModelFunction):
    """A number in (0, 1) that depends on seed, stream and index and looks random; its derivative is zero."""

    kinds = ("one", "one", "one")
    result_kind = "one"

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.S.Zero


class NormalQuantile(ModelFunction):
    """Quantile of the standard normal distribution."""

    kinds = ("one",)
    result_kind = "one"

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.sqrt(2 * sp.pi) * sp.exp(self**2 / 2)


class MarketShare(ModelFunction):
    """Part of a request that is filled; args kind of curve, and widths from the price up to the priority."""

    kinds = ("one", "one")
    result_kind = "one"

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        return MarketShareSlope(*self.args) if argindex == 2 else sp.S.Zero


class MarketShareSlope(ModelFunction):
    """Slope of a market share; appears only in derivatives."""

    kinds = ("one", "one")
    result_kind = "one"


class MarketPrice(ModelFunction):
    """Price that clears a market; args supply, then of each request its kind, size, priority and width."""

    def argument_kinds(self) -> tuple[str, ...]:
        return ("any", *("one", "any", "same", "same") * (len(self.args) // 4))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        place, what = divmod(argindex - 2, 4)
        if argindex > 1 and what == 0:  # the kind
            return sp.S.Zero
        about = (what, place) if argindex > 1 else (0, 0)
        return MarketPriceSlope(self, *map(sp.Integer, about), *self.args)


class MarketPriceSlope(ModelFunction):
    """Derivative of a market price; args price, what by, which request, then those of the price."""

    def argument_kinds(self) -> tuple[str, ...]:
        return ("any",) * len(self.args)


class ActiveInitial(ModelFunction):
    """Its first argument during a run, its second where initial values are computed."""

    kinds = ("same", "same")


class HiddenStockFunction(ModelFunction):
    """A function of the past: delays, smooths and trends become stocks when a model is built."""

    stages: ClassVar[int] = 1

    @property
    def order(self) -> int:
        """Number of stages."""
        return self.stages

    def start_value(self) -> sp.Expr:
        """Its value at the start of a run."""
        return self.args[2]


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


class _StagedFunction(HiddenStockFunction):
    kinds = ("same", "time", "same", "one", "time")

    @property
    def order(self) -> int:
        return int(self.args[3])


class SmoothN(_StagedFunction):
    pass


class DelayN(_StagedFunction):
    """Args x, delay time, initial, order, and the step where the delay time of earlier steps counts."""


class PipelineDelay(_StagedFunction):
    """Args x, step, initial, stages."""


class SampleIfTrue(HiddenStockFunction):
    """Args x, step, initial, and 1 where the condition holds (0 elsewhere)."""

    kinds = ("same", "time", "same", "one")

    @property
    def condition(self) -> Any:
        """The condition, a sympy Boolean."""
        truth = self.args[3]
        return truth.args[0].cond if isinstance(truth, sp.Piecewise) else sp.Ne(truth, 0)

    def start_value(self) -> sp.Expr:
        return sp.Piecewise((self.args[0], self.condition), (self.args[2], True), evaluate=False)


class Initial(HiddenStockFunction):
    kinds = ("same",)

    def start_value(self) -> sp.Expr:
        return self.args[0]
