"""Decomposition of changes: exact, symmetric, and clear about zeros."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jevons.errors import JevonsError
from jevons.rebound.index_decomposition import DecompositionError, lmdi, log_mean

values = st.floats(1e-3, 1e3)


@st.composite
def cases(draw):
    sectors = draw(st.integers(1, 4))
    column = st.lists(values, min_size=sectors, max_size=sectors)
    count = draw(st.integers(1, 5))
    return {f"x{i}": (draw(column), draw(column)) for i in range(count)}


def scale_of(result):
    return max(abs(result.change), np.abs(result.terms).max(), 1e-300)


def test_published_example():
    result = lmdi({"demand": (1, 6.5), "algorithms": (1, 1 / 5), "power": (1, 0.8)})
    assert result.totals == {
        "demand": pytest.approx(1.908993515, abs=5e-10),
        "algorithms": pytest.approx(-1.641416265, abs=5e-10),
        "power": pytest.approx(-0.227577250, abs=5e-10),
    }
    assert result.change == pytest.approx(0.04, abs=1e-15)
    assert abs(result.residual) < 1e-12 * 0.04
    assert result.of("demand") == result.of("demand", "sector 1") == result.totals["demand"]


@settings(max_examples=150, deadline=None)
@given(cases())
def test_nothing_is_left_over(factors):
    result = lmdi(factors)
    before, after = (math.fsum(np.prod([pair[i] for pair in factors.values()], axis=0)) for i in (0, 1))
    assert result.change == pytest.approx(after - before, rel=1e-9, abs=1e-12 * max(before, after))
    assert abs(result.residual) <= 1e-12 * scale_of(result)


@settings(max_examples=80, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_symmetries(factors, random):
    result = lmdi(factors)
    tolerance = 1e-8 * scale_of(result)
    backwards = lmdi({name: (after, before) for name, (before, after) in factors.items()})
    assert backwards.terms == pytest.approx(-result.terms, abs=tolerance)  # time reversal
    names = list(factors)
    random.shuffle(names)
    shuffled = lmdi({name: factors[name] for name in names})
    assert all(shuffled.of(n) == pytest.approx(result.of(n), abs=tolerance) for n in names)
    # splitting a factor in two splits its contribution and leaves the others
    first = names[0]
    before, after = (np.asarray(p) for p in factors[first])
    split = {n: factors[n] for n in names[1:]} | {"root": (before**0.3, after**0.3), "rest": (before**0.7, after**0.7)}
    parts = lmdi(split)
    assert parts.of("root") + parts.of("rest") == pytest.approx(result.of(first), abs=tolerance)
    assert parts.of("root") == pytest.approx(0.3 * result.of(first), abs=tolerance)


@settings(max_examples=80, deadline=None)
@given(cases(), values)
def test_units_do_not_matter_and_a_constant_factor_contributes_nothing(factors, scale):
    result = lmdi(factors)
    first = next(iter(factors))
    rescaled = dict(factors)
    rescaled[first] = tuple(np.asarray(p) * scale for p in factors[first])
    assert lmdi(rescaled).terms == pytest.approx(result.terms * scale, abs=1e-8 * scale * scale_of(result))
    with_constant = lmdi({**factors, "constant": (2.0, 2.0)})
    assert with_constant.of("constant") == 0
    assert with_constant.of(first) == pytest.approx(2 * result.of(first), abs=1e-8 * scale_of(result))


def test_a_small_change_is_the_derivative():
    step = 1e-6
    result = lmdi({"x": (2.0, 2.0 + step), "y": (3.0, 3.0)})
    assert result.of("x") == pytest.approx(3 * step, rel=1e-9)
    nothing = lmdi({"x": (2.0, 4.0), "y": (3.0, 1.5)})
    assert nothing.change == 0
    assert nothing.of("x") == pytest.approx(6 * math.log(2))  # the limit L(E, E) = E
    assert nothing.of("x") == pytest.approx(-nothing.of("y"), rel=1e-14)


def test_sectors_add_up():
    result = lmdi({"activity": ([1, 2], [3, 1]), "intensity": ([5, 7], [4, 7]), "pue": (1.6, 1.5)}, ["ai", "other"])
    alone = [
        lmdi({"activity": (1, 3), "intensity": (5, 4), "pue": (1.6, 1.5)}),
        lmdi({"activity": (2, 1), "intensity": (7, 7), "pue": (1.6, 1.5)}),
    ]
    for factor in result.factors:
        assert result.of(factor) == pytest.approx(sum(a.of(factor) for a in alone), rel=1e-14)
    assert result.of("activity", "other") == pytest.approx(alone[1].of("activity"), rel=1e-14)
    frame = result.to_frame()
    assert list(frame.columns) == ["ai", "other", "total"]
    assert frame["total"].sum() == pytest.approx(result.change, rel=1e-13)
    assert repr(result).splitlines()[0] == f"change of {8 + 22.4:g} to {18 + 10.5:g}: -1.9"


def test_a_sector_that_begins_or_ends_goes_to_the_factor_that_was_zero():
    result = lmdi({"activity": ([0, 5], [2, 0]), "intensity": ([4, 2], [3, 9])}, ["new", "old"])
    assert result.terms.tolist() == [[6.0, -10.0], [0.0, 0.0]]
    assert result.residual == 0
    # the limit of ever smaller values in the place of 0, which converges like 1/ln
    small = lmdi({"activity": (1e-290, 2), "intensity": (4, 3)})
    assert small.of("activity") == pytest.approx(6.0, rel=1e-3)
    nowhere = lmdi({"activity": ([0, 1], [0, 2]), "intensity": ([4, 2], [3, 2]), "pue": ([0, 1], [2, 1])})
    assert nowhere.terms[:, 0].tolist() == [0, 0, 0]


def test_logarithmic_mean():
    assert log_mean([2, 0, 3, 0], [2, 3, 0, 0]).tolist() == [2, 0, 0, 0]
    assert log_mean(1, math.e) == pytest.approx(math.e - 1, rel=1e-15)
    assert log_mean(1, 1 + 1e-9) == pytest.approx(1 + 5e-10, rel=1e-15)


@given(values, values)
def test_logarithmic_mean_lies_between_the_geometric_and_the_arithmetic(x, y):
    mean = float(log_mean(x, y))
    assert math.sqrt(x * y) * (1 - 1e-12) <= mean <= (x + y) / 2 * (1 + 1e-12)
    assert mean == pytest.approx(float(log_mean(y, x)), rel=1e-12)


@pytest.mark.parametrize(
    ("factors", "sectors", "messages"),
    [
        ({}, None, ["no factors, expected one or more"]),
        ({"x": 1.0}, None, ["factor 'x': expected a pair (before, after)"]),
        (
            {"x": (1, -2), "y": (math.nan, 1)},
            None,
            [
                "factor 'x': found -2, expected finite numbers of at least 0",
                "factor 'y': found nan, expected finite numbers of at least 0",
            ],
        ),
        ({"x": ([1, 2], [1, 2, 3])}, None, ["found 2, 3 sectors, expected one number of them (or 1)"]),
        ({"x": ([[1, 2]], [1, 2])}, None, ["factor 'x': expected numbers or arrays with one entry for each sector"]),
        ({"x": ([1, 2], [1, 2])}, ["a"], ["1 names of sectors, expected 2"]),
        (
            {"x": ([0, 1], [2, 1]), "y": ([0, 1], [2, 0]), "z": (1, [1, 0])},
            ["a", "b"],
            [
                "a: 'x' and 'y' are 0 before it, so what each contributed is undetermined",
                "b: 'y' and 'z' are 0 after it, so what each contributed is undetermined",
            ],
        ),
        (
            {"x": (1e-200, 1), "y": (1e-200, 1)},
            None,
            ["sector 1: the product of the factors is too large or too small"],
        ),
    ],
)  # fmt: skip
def test_mistakes_are_listed(factors, sectors, messages):
    with pytest.raises(DecompositionError) as caught:
        lmdi(factors, sectors)
    assert list(caught.value.mistakes) == messages
    assert isinstance(caught.value, JevonsError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_names_are_checked():
    result = lmdi({"demand": (1, 2)}, ["ai"])
    with pytest.raises(DecompositionError, match=r"'deman' is no factor; did you mean 'demand'\?\n.*'aj' is no sector"):
        result.of("deman", "aj")
    with pytest.raises(DecompositionError, match="negative number"):
        log_mean(-1, 2)
