"""The sketch: accurate for any values, and the same bits in any order; the reduction likewise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jevons.ensemble.reduction import Outcomes, Reduction, failures_as_text, failures_from_text
from jevons.ensemble.sketch import ACCURACY, MOST_BINS, Sketch

LEVELS = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
moderate = st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12) | st.just(0.0)
anything = st.floats(allow_nan=True, allow_infinity=True)


def sketch_of(values):
    sketch = Sketch(1)
    sketch.add(np.asarray(values)[None, :])
    return sketch


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.arrays(), b.arrays(), strict=True))


@settings(max_examples=200, deadline=None)
@given(arrays(float, st.integers(1, 300), elements=moderate))
def test_every_order_statistic_is_within_its_share(values):
    n = len(values)
    levels = np.arange(n) / (n - 1) if n > 1 else np.zeros(1)
    found = sketch_of(values).quantiles(levels)[0]
    ordered = np.sort(values)
    neighbours = np.maximum(np.abs(ordered), np.maximum(np.abs(np.roll(ordered, 1)), np.abs(np.roll(ordered, -1))))
    # a level in floating point may fall a little beside its rank
    slack = 1e-9 * neighbours
    assert (np.abs(found - ordered) <= ACCURACY * np.abs(ordered) * (1 + 1e-6) + slack).all()


@pytest.mark.parametrize("kind", ["normal", "lognormal", "cauchy", "mixed"])
def test_quantiles_agree_with_numpy(kind):
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(3.0, 1.0, 20_000),
        "lognormal": rng.lognormal(5.0, 2.0, 20_000),
        "cauchy": rng.standard_cauchy(20_000),
        "mixed": np.concatenate([np.zeros(5000), -rng.lognormal(size=5000), rng.lognormal(size=10_000)]),
    }[kind]
    expected = np.quantile(values, LEVELS)
    assert np.allclose(sketch_of(values).quantiles(LEVELS)[0], expected, rtol=1.01 * ACCURACY, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(arrays(float, st.integers(0, 200), elements=anything), st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_order_and_the_grouping_of_values_leave_no_trace(values, parts, random):
    order = list(range(len(values)))
    random.shuffle(order)
    merged = Sketch(1)
    for part in np.array_split(values[order], parts):
        merged.merge(sketch_of(part))
    assert same(merged, sketch_of(values))
    assert merged.counts()[0] == np.isfinite(values).sum()


def test_values_beyond_the_bins_share_the_lowest_whatever_the_order():
    values = 10.0 ** np.linspace(-150, 150, 3001)
    rising, falling = sketch_of(values), Sketch(1)
    for x in values[::-1]:
        falling.add(np.array([[x]]))
    assert same(rising, falling)
    assert rising.counts()[0] == 3001
    assert len(rising.arrays()[0]) <= MOST_BINS
    assert rising.quantiles([0.99])[0, 0] == pytest.approx(np.quantile(values, 0.99), rel=ACCURACY)


def test_nothing_counted_gives_nan():
    assert np.isnan(sketch_of([math.nan, math.inf, -math.inf]).quantiles(LEVELS)).all()
    assert np.isnan(Sketch(2).quantiles([0.5])).all()


def test_a_sketch_survives_being_stored():
    rng = np.random.default_rng(3)
    sketch = Sketch(4)
    sketch.add(np.stack([rng.normal(size=100), np.zeros(100), np.full(100, math.nan), rng.lognormal(size=100)]))
    again = Sketch.from_arrays(4, *sketch.arrays())
    assert same(sketch, again)
    assert np.array_equal(sketch.quantiles(LEVELS), again.quantiles(LEVELS), equal_nan=True)


def outcomes(values, failed=()):
    codes = np.zeros(len(values), np.int8)
    codes[list(failed)] = 1
    return Outcomes(values, codes, np.ones(len(values)), dict.fromkeys(failed, ("DIVERGED", "x")))


def reduced(blocks, groups):
    total = Reduction((1, 2, 3), [(0, 1.5), (2, 0.0)])
    for group in groups:
        part = Reduction((1, 2, 3), [(0, 1.5), (2, 0.0)])
        for b in group:
            values, failed = blocks[b]
            rows = np.arange(len(values))[:, None] + 100.0 * b
            part.add(b, 100 * b, rows, [outcomes(values, failed)], chosen=(101, 305))
        total.merge(part)
    return total


@pytest.fixture(scope="module")
def blocks():
    rng = np.random.default_rng(2)
    scale = np.array([1.0, 1e9, 1e-9])
    offset = np.array([0.0, 1e12, 0.0])
    return [
        (rng.normal(size=(n, 2, 3)) * scale + offset, failed)
        for n, failed in ((100, ()), (100, (3, 50)), (100, range(100)), (57, (0,)))
    ]


def test_a_reduction_has_the_same_bits_however_blocks_are_grouped(blocks):
    first = reduced(blocks, [[0, 1, 2, 3]]).finish()
    for groups in ([[3], [2], [1], [0]], [[1, 3], [0, 2]]):
        other = reduced(blocks, groups).finish()
        for name in ("count", "mean", "sd", "minimum", "maximum", "exceedances"):
            assert np.array_equal(getattr(first, name), getattr(other, name))
        assert same(first.sketch, other.sketch)
        assert first.failures == other.failures
        assert all(np.array_equal(first.trajectories[i], other.trajectories[i]) for i in (101, 305))


def test_a_reduction_agrees_with_numpy_on_the_members_that_finished(blocks):
    summary = reduced(blocks, [[0, 1], [2, 3]]).finish()
    good = np.concatenate([np.delete(values, list(failed), axis=0) for values, failed in blocks])
    assert (summary.count == len(good)).all()
    assert np.allclose(summary.mean[0], good.mean(axis=0), rtol=1e-14, atol=1e-15)
    assert np.allclose(summary.sd[0], good.std(axis=0, ddof=1), rtol=1e-12)
    assert np.array_equal(summary.minimum[0], good.min(axis=0))
    assert np.array_equal(summary.maximum[0], good.max(axis=0))
    assert np.array_equal(summary.exceedances[0, :, 0], (good[:, :, 0] > 1.5).sum(axis=0))
    assert np.array_equal(summary.exceedances[0, :, 1], (good[:, :, 2] > 0.0).sum(axis=0))
    ((key, failure),) = summary.failures.items()
    assert key == (0, "DIVERGED", "x") and failure.count == 103
    assert failure.first == [(103, [103.0]), (150, [150.0]), (200, [200.0]), (201, [201.0]), (202, [202.0])]
    assert failures_from_text(failures_as_text(summary.failures)) == dict(summary.failures)


def test_the_spread_of_values_far_from_zero_survives():
    rng = np.random.default_rng(5)
    reduction = Reduction((1, 1, 1), [])
    values = 1e8 + rng.normal(size=(4, 1000, 1, 1))
    for b, block in enumerate(values):
        reduction.add(b, 1000 * b, np.zeros((1000, 1)), [outcomes(block)])
    assert reduction.finish().sd[0, 0, 0] == pytest.approx(values.std(ddof=1), rel=1e-9)


def test_a_value_that_is_not_finite_counts_nowhere():
    reduction = Reduction((1, 1, 1), [(0, 0.5)])
    reduction.add(0, 0, np.zeros((4, 1)), [outcomes(np.array([1.0, math.nan, 3.0, math.inf]).reshape(4, 1, 1))])
    summary = reduction.finish()
    assert summary.count.item() == 2 and summary.mean.item() == 2.0 and summary.maximum.item() == 3.0
    assert summary.exceedances.item() == 2 and summary.sketch.counts().item() == 2


def test_no_member_finished_gives_nan():
    reduction = Reduction((1, 1, 1), [])
    reduction.add(0, 0, np.zeros((2, 1)), [outcomes(np.ones((2, 1, 1)), failed=(0, 1))])
    summary = reduction.finish()
    assert summary.count.item() == 0 and math.isnan(summary.mean.item()) and math.isnan(summary.sd.item())
    assert np.isnan(summary.quantiles(LEVELS)).all()
