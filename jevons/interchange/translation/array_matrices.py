"""INVERT MATRIX of imported models, over arrays of expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from jevons.errors import ModelError
from jevons.interchange.translation.array_functions import (
    Array,
    Name,
    compare,
    expressions,
    floats,
    named,
    numbers,
    unconditional,
    where,
)

LARGEST_MATRIX = 6
"""Rows of the largest symbolic matrix that is inverted."""


def invert_matrix(x: Array, name: Name | None = None) -> Array:
    """Inverse of the matrix in the last two axes (Vensim INVERT MATRIX), in one over the unit of `x`.

    Equation   adj(X)/det(X) up to three rows; above, Gauss-Jordan elimination with partial pivoting
    Valid for  square matrices that are not singular (not a number, or infinite, where they are); at most
               six rows unless all elements are numbers

    Parameters
    ----------
    x : array
    name : callable, optional
        Registers the steps of the elimination as auxiliaries; needed above three rows of symbols.
    """
    x = expressions(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ModelError("INVERT MATRIX", [f"a matrix of shape {x.shape} is not square"])
    n = x.shape[-1]
    out = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape[:-2]):
        matrix = x[index]
        if numbers(matrix):
            out[index] = _invert_numbers(floats(matrix))
        elif n <= 3:
            out[index] = _adjugate(matrix, name)
        elif n > LARGEST_MATRIX:
            raise ModelError(
                "INVERT MATRIX",
                [f"a matrix of {n} rows of variables; at most {LARGEST_MATRIX} are expanded into equations"],
            )
        elif name is None:
            raise ModelError("INVERT MATRIX", [f"a matrix of {n} rows of variables needs auxiliaries for its steps"])
        else:
            out[index] = _eliminate(matrix, name)
    return out


def _invert_numbers(matrix: Any) -> Array:
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        raise ModelError("INVERT MATRIX", [f"the matrix {matrix.tolist()} is singular"]) from None
    return expressions(inverse)


def _adjugate(matrix: Array, name: Name | None) -> Array:
    m = sp.Matrix(matrix.tolist())
    determinant = named(m.det(method="berkowitz"), "determinant", name)
    adjugate = m.adjugate(method="berkowitz")
    out = np.empty(matrix.shape, dtype=object)
    for i, j in np.ndindex(matrix.shape):
        out[i, j] = adjugate[i, j] / determinant
    return out


def _eliminate(matrix: Array, name: Name) -> Array:
    n = matrix.shape[0]
    rows = [[*matrix[i], *(sp.S.One if j == i else sp.S.Zero for j in range(n))] for i in range(n)]
    steps = iter(range(1, 100_000))

    def keep(e: sp.Expr) -> sp.Expr:
        return named(e, f"step {next(steps)}", name)

    for k in range(n):
        for r in range(k + 1, n):
            low_size, top_size = (unconditional(rows[i][k], "pivot", name) for i in (r, k))
            greater = compare(sp.Abs(low_size), ">", sp.Abs(top_size))
            if greater == sp.false:
                continue
            pairs = list(zip(rows[k], rows[r], strict=True))
            rows[k] = [keep(where(greater, low, top)) for top, low in pairs]
            rows[r] = [keep(where(greater, top, low)) for top, low in pairs]
        pivot = rows[k][k]
        rows[k] = [sp.S.Zero if j < k else sp.S.One if j == k else keep(e / pivot) for j, e in enumerate(rows[k])]
        for r in range(n):
            factor = rows[r][k]
            if r != k and factor != 0:
                rows[r] = [
                    sp.S.Zero if j == k else keep(e - factor * top)
                    for j, (e, top) in enumerate(zip(rows[r], rows[k], strict=True))
                ]
    out = np.empty(matrix.shape, dtype=object)
    for i, j in np.ndindex(matrix.shape):
        out[i, j] = rows[i][n + j]
    return out
