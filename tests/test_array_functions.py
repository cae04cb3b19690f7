"""Vector and matrix functions over arrays of expressions, against numpy and what Vensim documents."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from jevons.errors import ModelError
from jevons.interchange.translation import array_functions as af
from jevons.interchange.translation.array_matrices import invert_matrix
from jevons.interchange.translation.array_select import vector_select
from jevons.printer import Printer

VALUES = st.lists(st.sampled_from([-2.5, -1.0, 0.0, 0.5, 1.0, 3.0, 7.25]), min_size=1, max_size=5)


def symbols(shape):
    out = np.empty(shape, dtype=object)
    for i, index in enumerate(np.ndindex(*out.shape)):
        out[index] = sp.Symbol(f"x{i}", real=True)
    return out


def at(expressions, symbols_, values):
    """Value of expressions where the symbols have the values, through generated Python."""
    flat = list(np.asarray(expressions, dtype=object).flat)
    f = sp.lambdify(list(np.asarray(symbols_, dtype=object).flat), flat, modules="math")
    with np.errstate(all="ignore"):
        return np.array(f(*np.asarray(values, dtype=float).flat), dtype=float).reshape(np.shape(expressions))


def no_condition_in_a_condition(e):
    assert not any(c.has(sp.Piecewise) or c.has(sp.ITE) for p in e.atoms(sp.Piecewise) for _, c in p.args)


class Auxiliaries:
    """Registers hidden auxiliaries, and evaluates what refers to them."""

    def __init__(self):
        self.equations = {}

    def __call__(self, label, e):
        s = sp.Symbol(f"_{label}_{len(self.equations)}".replace(" ", "_"), real=True)
        self.equations[s] = e
        return s

    def evaluate(self, e, values):
        """Value of expressions, through generated Python of everything registered."""
        everything = [*values, *self.equations]
        printer = Printer({s: s.name for s in everything}, {})
        namespace = {**vars(math), "nan": math.nan, **{s.name: float(v) for s, v in values.items()}}
        for s, equation in self.equations.items():
            namespace[s.name] = eval(printer.doprint(equation), namespace)
        found = [float(eval(printer.doprint(x), namespace)) for x in np.ravel(np.asarray(e, dtype=object))]
        return np.array(found).reshape(np.shape(e))


def both(function, values, *, named=False):
    """A function of an array, of numbers and of symbols, which must agree."""
    x, names = symbols(np.shape(values)), Auxiliaries()
    more = (names,) if named else ()
    numeric = function(af.expressions(values), *more)
    assert all(af.is_number(e) for e in np.ravel(np.asarray(numeric, dtype=object)))
    assert not names.equations
    known = dict(zip(x.flat, np.ravel(values), strict=True))
    symbolic = names.evaluate(function(x, *more), known)
    for e in names.equations.values():
        no_condition_in_a_condition(e)
    np.testing.assert_allclose(symbolic, np.vectorize(float)(numeric), rtol=1e-14, atol=1e-14)
    return symbolic


@settings(deadline=None, max_examples=30)
@given(VALUES)
def test_sort_order_and_rank_are_numpys_with_ties_in_place(values):
    order = np.argsort(values, kind="stable")
    np.testing.assert_array_equal(both(lambda x, n: af.vector_sort_order(x, 1, n), values, named=True), order)
    np.testing.assert_array_equal(both(lambda x, n: af.vector_sort_order(x, 0, n), values, named=True), order[::-1])
    np.testing.assert_array_equal(both(lambda x: af.vector_rank(x, 1), values), np.argsort(order) + 1)
    np.testing.assert_array_equal(both(lambda x: af.vector_rank(x, -1), values), np.argsort(order[::-1]) + 1)


@settings(deadline=None, max_examples=20)
@given(VALUES)
def test_reordering_by_the_sort_order_sorts(values):
    def sort(x, name):
        return af.vector_reorder(x, af.vector_sort_order(x, 1, name), name)

    np.testing.assert_array_equal(both(sort, values, named=True), np.sort(values))


def test_order_acts_along_the_last_axis_and_direction_may_change_in_the_run():
    values = np.array([[3.0, 1.0, 2.0], [1.0, 5.0, 4.0]])
    x, d = symbols((2, 3)), sp.Symbol("d", real=True)
    names = Auxiliaries()
    orders = af.vector_sort_order(x, d, names)
    for direction, expected in ((1.0, [[1, 2, 0], [0, 2, 1]]), (0.0, [[0, 2, 1], [1, 2, 0]])):
        found = names.evaluate(orders, {**dict(zip(x.flat, values.flat, strict=True)), d: direction})
        np.testing.assert_array_equal(found, expected)


def test_conditions_within_conditions_ask_for_auxiliaries():
    names, x = Auxiliaries(), symbols((4,))
    af.vector_sort_order(x, 1, names)
    assert len(names.equations) == 4
    with pytest.raises(ModelError, match="place 1 depends on conditions and needs an auxiliary"):
        af.vector_sort_order(x, 1)


def test_reorder_outside_of_the_array_is_not_a_number():
    x, k = symbols((3,)), sp.Symbol("k", real=True)
    picked = af.vector_reorder(x, np.array([k], dtype=object))
    values = [10.0, 20.0, 30.0]
    for position, expected in ((0, 10.0), (1.9, 20.0), (2, 30.0), (-0.5, 10.0)):
        assert at(picked, [*x, k], [*values, position])[0] == expected
    for position in (3.0, -1.0):
        assert np.isnan(at(picked, [*x, k], [*values, position])[0])
    assert af.vector_reorder(x, np.array([5.0]))[0] is sp.nan


def test_reductions_agree_with_numpy_along_any_axes():
    values = np.random.default_rng(3).normal(size=(2, 3, 2))
    plain = {
        af.array_sum: np.sum,
        af.array_product: np.prod,
        af.array_min: np.min,
        af.array_max: np.max,
        af.array_mean: np.mean,
        af.array_stddev: np.std,
    }
    for function, numpy in plain.items():
        for axes in (None, (0,), (1, 2), (-1,)):
            found = both(lambda x, f=function, a=axes: f(x, a), values)
            np.testing.assert_allclose(found, numpy(values, axis=axes), rtol=1e-13, err_msg=function.__name__)
    assert af.array_size(values, (0, 1)).tolist() == [6.0, 6.0]


SELECTION = np.array([0.0, 2.0, 1.0, 0.0, 0.5])
ELEMENTS = np.array([5.0, 3.0, 7.0, 11.0, 2.0])


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (0, 2 * 3 + 7 + 1.0),
        (1, 6 * 7 * 1.0),
        (2, 1.0),
        (3, 7.0),
        (4, 14 / 3),
        (5, 3**2 * 7 * 2**0.5),
        (6, 12.0),
        (7, 42.0),
        (8, 2.0),
        (9, 7.0),
        (10, 4.0),
    ],
)
def test_vector_select_takes_every_action_over_what_is_selected(action, expected):
    s, x = symbols((5,)), np.array([sp.Symbol(f"y{i}", real=True) for i in range(5)], dtype=object)
    names = Auxiliaries()
    symbolic = vector_select(s, x, -1.0, action, name=names)
    given = dict(zip(x, ELEMENTS, strict=True))
    chosen = {**given, **dict(zip(s, SELECTION, strict=True))}
    assert names.evaluate(symbolic, chosen) == pytest.approx(expected, rel=1e-14)
    assert names.evaluate(symbolic, {**given, **dict.fromkeys(s, 0.0)}) == -1.0
    alone = vector_select(s, x, -1.0, action)
    for selection in (SELECTION, np.zeros(5), np.ones(5)):
        chosen = {**given, **dict(zip(s, selection, strict=True))}
        assert names.evaluate(alone, chosen) == pytest.approx(float(names.evaluate(symbolic, chosen)), rel=1e-14)
    fixed = vector_select(SELECTION, x, -1.0, action)
    assert fixed.free_symbols == {x[1], x[2], x[4]}
    assert at(fixed, x, ELEMENTS) == pytest.approx(expected, rel=1e-14)
    assert float(vector_select(SELECTION, ELEMENTS, -1.0, action)) == pytest.approx(expected, rel=1e-14)


def test_vector_select_agrees_with_pysd():
    functions = pytest.importorskip("pysd.py_backend.functions")
    import xarray as xr

    rng = np.random.default_rng(5)
    selection = rng.integers(0, 2, size=(3, 4)) * rng.uniform(0.5, 2, size=(3, 4))
    selection[1] = 0
    values = rng.uniform(1, 3, size=(3, 4))
    for action in range(11):
        if action == 5:
            with pytest.warns(UserWarning, match="numerical_action=5"):
                expected = functions.vector_select(
                    xr.DataArray(selection), xr.DataArray(values), ["dim_1"], -9.0, action, 0
                )
        else:
            expected = functions.vector_select(
                xr.DataArray(selection), xr.DataArray(values), ["dim_1"], -9.0, action, 0
            )
        found = vector_select(selection, values, -9.0, action, axes=(1,))
        np.testing.assert_allclose(np.vectorize(float)(found), expected.values, rtol=1e-13)


def test_vector_select_refuses_what_its_error_action_forbids():
    with pytest.raises(ModelError, match="nothing is selected"):
        vector_select([0.0, 0.0], ELEMENTS[:2], 0, 0, 1)
    with pytest.raises(ModelError, match="2 elements are selected, its error action allows one"):
        vector_select([1.0, 1.0], ELEMENTS[:2], 0, 0, 3)
    with pytest.raises(ModelError, match="numerical action is 12, expected a whole number from 0 to 10"):
        vector_select([1.0], [1.0], 0, 12)
    with pytest.raises(ModelError, match="error action is d, expected a whole number from 0 to 3"):
        vector_select([1.0], [1.0], 0, 1, sp.Symbol("d", real=True))
    s = symbols((2,))
    for errors, chosen, expected in (
        (1, (0, 0), np.nan),
        (1, (1, 1), 8.0),
        (2, (0, 0), -1.0),
        (2, (1, 1), np.nan),
        (3, (0, 1), 3.0),
        (3, (0, 0), np.nan),
        (3, (1, 1), np.nan),
    ):
        names = Auxiliaries()
        selected = vector_select(s, af.expressions(ELEMENTS[:2]), -1.0, 0, errors, name=names)
        found = names.evaluate(selected, dict(zip(s, chosen, strict=True)))
        np.testing.assert_equal(float(found), expected)


def test_elm_map_walks_through_all_subscripts_the_last_one_fastest():
    values = np.arange(24.0).reshape(2, 3, 4)
    x, k = symbols((2, 3, 4)), sp.Symbol("k", real=True)
    mapped = af.vector_elm_map(x, k, base=(1, 0, 0))
    for offset, expected in ((0, 12.0), (5, 17.0), (-1, 11.0), (11, 23.0)):
        assert at(mapped, [*x.flat, k], [*values.flat, offset]) == expected
    assert np.isnan(at(mapped, [*x.flat, k], [*values.flat, 12]))
    offsets = np.array([0.0, 1.0, 1.0])
    assert af.vector_elm_map(values[0, 0], offsets, 1).tolist() == [1.0, 2.0, 2.0]
    assert af.vector_elm_map(x, 3, base=(0, 1, 0)) == x[0, 1, 3]


def test_xmile_rank_gives_the_position_of_the_element():
    assert both(lambda x, n: af.array_rank(x, 1, n), [4.0, 9.0, 2.0], named=True) == 3
    assert both(lambda x, n: af.array_rank(x, 3, n), [4.0, 9.0, 2.0], named=True) == 2
    assert both(lambda x, n: af.array_rank(x, 7, n), [4.0, 9.0, 2.0], named=True) == 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_matrices_are_inverted_in_closed_form(n):
    matrix = np.random.default_rng(n).normal(size=(2, n, n))
    np.testing.assert_allclose(both(invert_matrix, matrix), np.linalg.inv(matrix), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_larger_matrices_are_inverted_with_pivots(n):
    rng = np.random.default_rng(n)
    matrix = rng.normal(size=(n, n))
    matrix[0, 0] = 0.0  # elimination without pivoting would divide by it
    x, names = symbols((n, n)), Auxiliaries()
    inverse = invert_matrix(x, names)
    found = names.evaluate(inverse, dict(zip(x.flat, matrix.flat, strict=True)))
    np.testing.assert_allclose(found, np.linalg.inv(matrix), rtol=1e-9, atol=1e-11)


def test_matrices_that_cannot_be_inverted_are_refused():
    with pytest.raises(ModelError, match="not square"):
        invert_matrix(np.ones((2, 3)))
    with pytest.raises(ModelError, match="singular"):
        invert_matrix(af.expressions(np.ones((2, 2))))
    with pytest.raises(ModelError, match="7 rows of variables; at most 6"):
        invert_matrix(symbols((7, 7)))
    with pytest.raises(ModelError, match="needs auxiliaries"):
        invert_matrix(symbols((4, 4)))


def test_extremes_of_nothing_are_refused():
    with pytest.raises(ModelError, match="without elements"):
        af.array_min(np.empty((0,), dtype=object))


def test_numbers_fold_beside_symbols():
    a = sp.Symbol("a", real=True)
    assert af.array_max(np.array([a, 3.0, 5.0], dtype=object)).args[1] in (a, 5.0)
    assert af.array_sum(np.array([a, 3, 5], dtype=object)) == a + 8.0
    assert af.where(af.compare(a, "<=", a), a, sp.S.Zero) == a
    assert af.compare(sp.Float(2), "<", sp.Float(1)) == sp.false
