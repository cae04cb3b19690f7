"""Exact Shapley values and interactions of a game given by the worth of every coalition.

References
----------
.. [Grabisch1999] Grabisch, M., Roubens, M. (1999). An axiomatic approach to the concept of interaction among players
   in cooperative games. International Journal of Game Theory 28(4), 547-565.
.. [Shapley1953] Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II,
   307-317. Princeton University Press.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError

Floats = NDArray[np.float64]

MOST_PLAYERS = 16
"""Above it, the runs of all coalitions (65,536) would take minutes."""


def coalitions(players: int) -> NDArray[np.bool_]:
    """All coalitions, one a row: player i is in coalition c if bit i of c is 1.

    Raises
    ------
    JevonsError
        For fewer than 1 player or more than `MOST_PLAYERS`.
    """
    if not 1 <= players <= MOST_PLAYERS:
        raise JevonsError(f"{players} players, expected 1 to {MOST_PLAYERS}")
    present: NDArray[np.bool_] = (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool)
    return present


def shapley(values: Any) -> Floats:
    """Shapley value of every player.

    Equation   φ_i = Σ over S without i of s! (k - s - 1)! / k! [v(S ∪ i) - v(S)], s the size of S;
               Σ φ_i = v(N) - v(∅)
    Valid for  any game; the mean over all orders in which players can join
    Source     [Shapley1953]_

    Parameters
    ----------
    values : array of shape (2**k, ...)
        Worth of every coalition, in the order of `coalitions`; further axes are games of their own.

    Returns
    -------
    array of shape (k, ...)
        In the unit of the worth.

    Examples
    --------
    >>> shapley([0.0, 1.0, 2.0, 5.0]).tolist()
    [2.0, 3.0]
    """
    worth, k = _checked(values)
    size = coalitions(k).sum(axis=1)
    weight = np.array([math.factorial(s) * math.factorial(k - s - 1) / math.factorial(k) for s in range(k)])
    found = []
    for i in range(k):
        without = _without(k, i)
        found.append(np.tensordot(weight[size[without]], worth[without | 1 << i] - worth[without], axes=1))
    return np.array(found)


def interactions(values: Any) -> Floats:
    """Shapley interaction index of every pair: how much more two players add together than each by itself.

    Equation   I_ij = Σ over S without i, j of s! (k - s - 2)! / (k - 1)!
               [v(S ∪ ij) - v(S ∪ i) - v(S ∪ j) + v(S)]; above 0 the two reinforce each other
    Valid for  any game of two players or more
    Source     [Grabisch1999]_

    Parameters
    ----------
    values : array of shape (2**k, ...)
        As for `shapley`.

    Returns
    -------
    array of shape (k, k, ...)
        Symmetric, NaN on the diagonal; in the unit of the worth.
    """
    worth, k = _checked(values)
    size = coalitions(k).sum(axis=1)
    weight = np.array([math.factorial(s) * math.factorial(k - s - 2) / math.factorial(k - 1) for s in range(k - 1)])
    found: Floats = np.full((k, k, *worth.shape[1:]), math.nan)
    for i in range(k):
        for j in range(i):
            s = _without(k, i, j)
            a, b = 1 << i, 1 << j
            second = worth[s | a | b] - worth[s | a] - worth[s | b] + worth[s]
            found[i, j] = found[j, i] = np.tensordot(weight[size[s]], second, axes=1)
    return found


def alone(values: Any) -> Floats:
    """What each player adds to the empty coalition, v({i}) - v(∅); shape (k, ...)."""
    worth, k = _checked(values)
    result: Floats = worth[[1 << i for i in range(k)]] - worth[0]
    return result


def last(values: Any) -> Floats:
    """What each player adds to all others, v(N) - v(N without i); shape (k, ...)."""
    worth, k = _checked(values)
    everyone = 2**k - 1
    result: Floats = worth[everyone] - worth[[everyone ^ 1 << i for i in range(k)]]
    return result


def _without(k: int, *players: int) -> NDArray[np.int64]:
    """Positions of the coalitions that lack all of some players."""
    every = np.arange(2**k)
    lacking: NDArray[np.int64] = every[(every & sum(1 << i for i in players)) == 0]
    return lacking


def _checked(values: Any) -> tuple[Floats, int]:
    worth = np.asarray(values, dtype=float)
    n = worth.shape[0] if worth.ndim else 0
    k = n.bit_length() - 1
    if n < 2 or n != 2**k or k > MOST_PLAYERS:
        raise JevonsError(
            f"worth of {n} coalitions, expected 2^k for 1 to {MOST_PLAYERS} players (2, 4, 8, ... {2**MOST_PLAYERS})"
        )
    return worth, k
