"""Random permutations that are computed, not stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8


class Permutation:
    """A random permutation of 0..n−1 in no memory: π(i) for any i, by a keyed Feistel network.

    The network permutes 0..4^w−1, the smallest such range that holds n; values of n and more are permuted
    again until they fall below it, which leaves a permutation.
    """

    def __init__(self, n: int, seed: int, column: int) -> None:
        self.n = n
        self._half = np.uint64(max(1, -(-max(n - 1, 1).bit_length() // 2)))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = np.random.SeedSequence([seed, column, n]).generate_state(_ROUNDS, np.uint64)

    def __call__(self, indexes: NDArray[np.int64]) -> NDArray[np.int64]:
        x = self._network(np.asarray(indexes, dtype=np.uint64))
        while (outside := x >= self.n).any():
            x[outside] = self._network(x[outside])
        return x.astype(np.int64)

    def _network(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = x >> self._half, x & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right + key) & self._mask)
        return np.asarray((left << self._half) | right)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
