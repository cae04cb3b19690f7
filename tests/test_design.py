"""Designs: every stratum once, any block alone, values from the priors, all mistakes at once."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc
from small_ensembles import relaxation

from jevons import LogNormal, Normal, Range
from jevons.ensemble.design import BLOCK, Design, from_unit
from jevons.ensemble.permutation import Permutation
from jevons.errors import EnsembleError

SAMPLERS = [Design.latin_hypercube, Design.sobol, Design.random]


@pytest.fixture(scope="module")
def model():
    return relaxation()


def table(design):
    return np.concatenate(list(design.iterate(0, design.blocks)))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 5000), seed=st.integers(0, 2**63), column=st.integers(0, 99))
def test_a_permutation_takes_every_value_once(n, seed, column):
    assert sorted(Permutation(n, seed, column)(np.arange(n)).tolist()) == list(range(n))


def test_a_permutation_is_computed_for_any_member_alone():
    order = Permutation(10**9, 1, 0)
    some = np.array([0, 17, 10**9 - 1])
    assert [int(order(np.array([i]))[0]) for i in some] == order(some).tolist()


def test_permutations_of_columns_and_seeds_are_unrelated():
    n = 20_000
    orders = [Permutation(n, seed, column)(np.arange(n)) for seed, column in ((0, 0), (0, 1), (1, 0))]
    correlations = np.corrcoef([np.arange(n), *orders])[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 5 / math.sqrt(n)


@pytest.mark.parametrize("members", [1, 7, 1024, 2500])
def test_a_latin_hypercube_hits_every_stratum_once(model, members):
    ranges = {"size": (0.0, float(members)), "shift": (0.0, float(members))}
    rows = table(Design.latin_hypercube(model, ["size", "shift"], members, seed=3, ranges=ranges))
    assert rows.shape == (members, 2)
    for column in rows.T:
        assert sorted(np.floor(column).astype(int)) == list(range(members))


def test_a_latin_hypercube_has_random_places_inside_its_strata(model):
    rows = table(Design.latin_hypercube(model, ["size"], 4096, ranges={"size": (0.0, 4096.0)}))
    assert stats.kstest(rows[:, 0] % 1, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_values_follow_the_priors(model, sampler):
    design = sampler(model, None, 4096, seed=5)
    assert design.names == ("tau", "size", "shift")
    tau, size, shift = table(design).T
    assert stats.kstest(tau, stats.lognorm(s=0.3, scale=2.0).cdf).pvalue > 1e-3
    assert stats.kstest(size, stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3
    assert stats.kstest(shift, stats.norm(0.0, 0.2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("prior", [LogNormal(2.0, 0.5), Normal(-1.0, 2.0), Range(3.0, 4.0)])
def test_quantile_functions_invert_the_distributions(prior):
    u = np.linspace(0.001, 0.999, 99)
    if isinstance(prior, LogNormal):
        back = stats.lognorm(s=prior.sd_log, scale=prior.median).cdf(from_unit(prior, u))
    elif isinstance(prior, Normal):
        back = stats.norm(prior.mean, prior.sd).cdf(from_unit(prior, u))
    else:
        back = from_unit(prior, u) - 3.0
    assert np.allclose(back, u, atol=1e-12)
    assert np.isfinite(from_unit(prior, np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_block_is_the_same_alone_and_among_others(model, sampler):
    design = sampler(model, ["tau", "size"], 3 * BLOCK + 5, seed=8)
    together = list(design.iterate(0, design.blocks))
    assert [len(b) for b in together] == [BLOCK, BLOCK, BLOCK, 5]
    for i, block in enumerate(together):
        assert np.array_equal(design.block(i), block)
        assert np.array_equal(design.cut(i, i + 1).block(i), block)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_seeds_decide(model, sampler):
    first, again, other = (table(sampler(model, ["tau"], 100, seed=s)) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_sobol_points_are_those_of_scipy_and_fill_every_stratum(model):
    design = Design.sobol(model, ["size", "shift"], 2 * BLOCK, seed=4, ranges={"size": (0, 1), "shift": (0, 1)})
    expected = qmc.Sobol(2, rng=4).random(2 * BLOCK)
    assert np.allclose(table(design), expected, atol=2.0**-30)
    for block in range(2):
        for column in design.block(block).T:
            assert sorted(np.floor(column * BLOCK).astype(int)) == list(range(BLOCK))


def test_a_grid_is_every_combination_with_the_last_name_fastest():
    design = Design.grid({"a": [1, 2], "b": [10.0, 20.0, 30.0]})
    assert table(design).tolist() == [[1, 10], [1, 20], [1, 30], [2, 10], [2, 20], [2, 30]]
    assert design.members == 6 and design.names == ("a", "b")


def test_a_grid_larger_than_a_block_is_generated_in_parts():
    design = Design.grid({"a": np.arange(70.0), "b": np.arange(50.0)})
    rows = table(design)
    assert np.array_equal(rows[:, 0] * 50 + rows[:, 1], np.arange(3500))


def test_rows_are_those_given():
    frame = pd.DataFrame({"a": np.arange(2000), "b": np.linspace(0, 1, 2000)})
    design = Design.rows(frame)
    assert np.array_equal(table(design), frame.to_numpy(dtype=float))
    part = design.cut(1, 2)
    assert np.array_equal(part.block(1), design.block(1)) and part.table.shape == (976, 2)
    assert design.frame([3, 1999])["a"].tolist() == [3, 1999]
    assert np.array_equal(table(Design.rows(frame.to_dict("records"))), table(design))


def test_draws_of_a_shipped_fit_are_a_design(stored):
    draws = stored.draws(10)
    design = Design.rows(draws)
    assert design.members == 10
    assert dict(zip(design.names, design.block(0)[3], strict=True)) == draws[3]


def test_all_mistakes_come_at_once(model):
    with pytest.raises(EnsembleError) as caught:
        Design.latin_hypercube(
            model, ["tua", "exact", "bare", "size", "size"], 0, seed=-1, ranges={"shft": (0, 1), "size": (2, 1)}
        )
    text = str(caught.value)
    for part in (
        "members 0, expected a whole number from 1 on",
        "seed -1",
        "'tua' is not in the model; did you mean 'tau'?",
        "'shft' is not in the model; did you mean 'shift'?",
        "'exact' is exact by definition",
        "'bare' has no prior; give ranges={'bare': (low, high)}",
        "'size' is named more than once",
        "'size': range (2, 1), expected (low, high) with low < high",
    ):
        assert part in text
    assert "8 mistakes" in text


def test_rows_that_are_no_numbers_are_named():
    rows = [{"a": 1.0, "b": 2.0}, {"a": math.nan, "b": 1.0}, {"a": 1.0, "b": math.inf}]
    with pytest.raises(EnsembleError, match=r"row 1: 'a' is nan(.|\n)*row 2: 'b' is inf"):
        Design.rows(rows)
    with pytest.raises(EnsembleError, match="row 1: 'a' is None"):
        Design.rows([{"a": 1.0}, {"a": None}])
    with pytest.raises(EnsembleError, match="row 1: parameters differ"):
        Design.rows([{"a": 1.0}, {"b": 1.0}])
    with pytest.raises(EnsembleError, match="row 1: 'a' is x"):
        Design.rows(pd.DataFrame({"a": [1.0, "x"]}))
    with pytest.raises(EnsembleError, match="no rows"):
        Design.rows(pd.DataFrame({"a": []}))
    with pytest.raises(EnsembleError, match="and more like these") as caught:
        Design.rows(pd.DataFrame({"a": [math.nan] * 5000}))
    assert len(caught.value.mistakes) < 20


def test_impossible_grids_are_refused():
    with pytest.raises(EnsembleError, match=r"'a': no values(.|\n)*'b': value nan"):
        Design.grid({"a": [], "b": [math.nan]})
