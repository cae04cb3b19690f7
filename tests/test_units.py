"""Units of expressions, with their scale."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from small import v

from jevons import units
from jevons.functions import TIME, delay1, lookup, pulse, ramp, smooth_max, step, trend
from jevons.units import UnitMismatch, convert, infer, parse_unit, rescale_factor, same_unit

UNITS = {"p": "kW", "q": "GW", "n": "H100e", "t": "yr", "one": "1", "price": "USD/kW", "e": "TWh"}


def unit_of(symbol):
    if symbol == TIME:
        return parse_unit("yr")
    if symbol.name == "curve":
        return parse_unit("kW"), parse_unit("USD")
    return parse_unit(UNITS[symbol.name])


def unit(expression):
    return infer(expression, unit_of, parse_unit("yr"))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (v.p * v.n, "kW*H100e"),
        (v.p / v.t, "kW/yr"),
        (v.p + 3 * v.p, "kW"),
        (sp.sqrt(v.p) * sp.sqrt(v.p), "kW"),
        (v.p ** sp.Rational(1, 3) * v.p ** sp.Rational(2, 3), "kW"),
        (sp.exp(v.one) * v.n, "H100e"),
        ((v.p / v.p) ** v.one, "1"),
        (sp.log(v.p / v.p + v.one), "1"),
        (sp.Piecewise((v.p, v.n > v.n * 2), (0, True)), "kW"),
        (sp.Max(v.p, 2 * v.p) - abs(v.p), "kW"),
        (v.price * v.p, "USD"),
        (lookup("curve", v.p), "USD"),
        (delay1(v.p, v.t), "kW"),
        (trend(v.p, v.t), "1/yr"),
        (step(v.p, v.t) + pulse(v.p, TIME, v.t), "kW"),
        (ramp(v.p / v.t, v.t, 2 * v.t), "kW"),
        (smooth_max(v.p, 2 * v.p, v.p), "kW"),
        (TIME, "yr"),
    ],
    ids=str,
)
def test_unit_of_an_expression(expression, expected):
    assert same_unit(unit(expression), parse_unit(expected))


@pytest.mark.parametrize("expression", [sp.Integer(0), ramp(0, v.t, 2 * v.t), step(0, v.t), v.p - v.p], ids=str)
def test_zero_fits_every_unit(expression):
    assert unit(expression) is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (v.p + v.q, "terms of a sum differ: `p` is kW, `q` is GW"),
        (v.p + 1, "terms of a sum differ: `p` is kW, `1` is 1"),
        (sp.exp(v.p), "argument of exp `p`: found kW, expected 1"),
        (sp.log(v.p), "argument of log `p`: found kW, expected 1"),
        (v.p**v.one, "power with a variable exponent: found kW, expected 1"),
        (2**v.t, "exponent `t`: found yr, expected 1"),
        (sp.Max(v.p, v.q), "arguments of Max differ"),
        (sp.Piecewise((v.p, v.n > v.t), (0, True)), "sides of a comparison differ"),
        (sp.Piecewise((v.p, (v.n > v.n * 2) & (v.t > v.n)), (0, True)), "sides of a comparison differ"),
        (sp.Piecewise((v.p, v.n > 2 * v.n), (v.q, True)), "branches differ"),
        (lookup("curve", v.q), "argument of table 'curve' `q`: found GW, expected kW"),
        (step(v.p, v.n), "time argument of step `n`: found H100e, expected yr"),
        (trend(v.p, v.t, v.t), "rate argument of trend `t`: found yr, expected 1 / yr"),
        (smooth_max(v.p, v.p * 2, v.q), "arguments of smooth_max differ"),
    ],
    ids=str,
)
def test_mismatch_says_what_was_found_and_expected(expression, message):
    with pytest.raises(UnitMismatch) as caught:
        unit(expression)
    assert message in str(caught.value)


def test_scale_counts():
    assert not same_unit(parse_unit("kW"), parse_unit("GW"))
    assert same_unit(parse_unit("kW*hour"), parse_unit("kWh"))
    assert same_unit(parse_unit("bnUSD"), parse_unit("GUSD"))
    assert not same_unit(parse_unit("USD"), parse_unit("H100e"))
    assert units.factor_between(parse_unit("kW"), parse_unit("yr")) is None


@pytest.mark.parametrize("text", ["nonsense", "kW*", "3 kW", "kW kWh)"])
def test_text_that_is_no_unit(text):
    with pytest.raises(UnitMismatch, match="unit"):
        parse_unit(text)


def test_convert():
    assert convert(2.5, "GW", "kW") == pytest.approx(2.5e6)
    assert convert(1.0, "yr", "hour") == pytest.approx(8766.0)
    with pytest.raises(UnitMismatch, match="found 'GW', expected a unit like 'USD'"):
        convert(1.0, "GW", "USD")


@given(st.sampled_from(["W", "kW", "GW", "TWh/yr"]), st.sampled_from(["W", "MW", "TWh/yr"]), st.floats(1e-3, 1e3))
def test_convert_there_and_back(a, b, value):
    assert convert(convert(value, a, b), b, a) == pytest.approx(value, rel=1e-12)


def test_rescaling_concerns_base_units_only():
    scales = {"[time]": 12.0, "[currency]": 1e-3, "[compute]": 2.0}
    assert rescale_factor("yr", scales) == 12
    assert rescale_factor("USD/H100e/yr", scales) == pytest.approx(1e-3 / 2 / 12)
    assert rescale_factor("kUSD**2", scales) == pytest.approx(1e-6)
    assert rescale_factor("TWh", scales) == 1
    assert rescale_factor("1", scales) == 1


def test_brief_cuts():
    assert units.brief("x" * 100, 10) == "x" * 9 + "…"
    assert units.brief("short") == "short"
