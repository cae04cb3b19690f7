"""The price at which a scarce supply clears, and its derivatives, in plain Python that also compiles.

Every request is filled in part: all of it where its priority lies far above the price, nothing far below, and in
between by a curve of the request's kind. The price is such that what is filled adds up to the supply.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

RECTANGULAR, TRIANGULAR, NORMAL, EXPONENTIAL = 1.0, 2.0, 3.0, 4.0
SUPPLY, REQUEST, PRIORITY, WIDTH = 0.0, 1.0, 2.0, 3.0
"""What a derivative of the price is with respect to."""
MOST_STEPS = 200
_SQRT_HALF, _DENSITY = math.sqrt(0.5), 1.0 / math.sqrt(2.0 * math.pi)


def market_share(kind: float, z: float) -> float:
    """Part of a request that is filled, by how many widths its priority lies above the price.

    Equation   1: z + 1/2 from 0 to 1; 2: its smooth kin, 2(z + 1/2)² below 0 and 1 - 2(1/2 - z)² above; 3: Φ(z);
               4: e^z/2 below 0 and 1 - e^(-z)/2 above
    Valid for  every z
    Source     Vensim reference manual, Allocation Functions, priority profiles 1 to 4
    """
    if kind == 3.0:
        return 0.5 * math.erfc(-z * _SQRT_HALF)
    if kind == 4.0:
        return 1.0 - 0.5 * math.exp(-z) if z > 0.0 else 0.5 * math.exp(z)
    if z >= 0.5:
        return 1.0
    if z <= -0.5:
        return 0.0
    if kind == 1.0:
        return z + 0.5
    return 2.0 * (0.5 + z) * (0.5 + z) if z < 0.0 else 1.0 - 2.0 * (0.5 - z) * (0.5 - z)


def market_share_slope(kind: float, z: float) -> float:
    """Derivative of `market_share`; at a corner 0."""
    size = abs(z)
    if kind == 3.0:
        return _DENSITY * math.exp(-0.5 * size * size)
    if kind == 4.0:
        return 0.5 * math.exp(-size)
    if size >= 0.5:
        return 0.0
    return 1.0 if kind == 1.0 else 4.0 * (0.5 - size)


def _reach(kind: float) -> float:
    """Widths beyond which a curve is 0 or 1 in double precision."""
    return 40.0 if kind == 3.0 else 760.0 if kind == 4.0 else 1.0


def market_price(
    supply: float,
    kinds: Sequence[float],
    requests: Sequence[float],
    priorities: Sequence[float],
    widths: Sequence[float],
) -> float:
    """Price at which requests are filled up to the supply.

    Below all curves where the supply suffices, above them where there is none. Newton steps within a bracket that
    is halved where they do not help.

    Equation   Σ q_i S_i((p_i - x)/w_i) = supply
    Valid for  requests ≥ 0, widths > 0
    """
    total, low, high = 0.0, math.inf, -math.inf
    for i in range(len(kinds)):
        total += requests[i]
        reach = _reach(kinds[i]) * widths[i]
        low, high = min(low, priorities[i] - reach), max(high, priorities[i] + reach)
    if supply >= total:
        return low
    if supply <= 0.0:
        return high
    x = 0.5 * (low + high)
    last = high - low
    for _ in range(MOST_STEPS):
        excess, slope = -supply, 0.0
        for i in range(len(kinds)):
            z = (priorities[i] - x) / widths[i]
            excess += requests[i] * market_share(kinds[i], z)
            slope += requests[i] * market_share_slope(kinds[i], z) / widths[i]
        if excess == 0.0:
            return x
        if excess > 0.0:
            low = x
        else:
            high = x
        move = excess / slope if slope > 0.0 else math.inf
        if x + move == x:
            return x
        if not (low < x + move < high and 2.0 * abs(move) < abs(last)):
            move = 0.5 * (low + high) - x
            if not low < x + move < high:
                return x + move
        last = move
        x += move
    return x


def market_price_slope(
    price: float,
    what: float,
    place: float,
    supply: float,
    kinds: Sequence[float],
    requests: Sequence[float],
    priorities: Sequence[float],
    widths: Sequence[float],
) -> float:
    """Derivative of `market_price` with respect to the supply, or one request, priority or width; 0 where it is flat.

    Equation   with D = Σ q_i S_i'/w_i and z_i = (p_i - x)/w_i: -1/D for the supply, S_i/D for q_i,
               q_i S_i'/(w_i D) for p_i, and z_i times that, negative, for w_i
    Source     the implicit function theorem
    """
    total, steepness = 0.0, 0.0
    for i in range(len(kinds)):
        total += requests[i]
        slope = market_share_slope(kinds[i], (priorities[i] - price) / widths[i])
        steepness += requests[i] * slope / widths[i]
    if supply >= total or supply <= 0.0 or steepness == 0.0:
        return 0.0
    if what == 0.0:
        return -1.0 / steepness
    i = int(place)
    z = (priorities[i] - price) / widths[i]
    if what == 1.0:
        return market_share(kinds[i], z) / steepness
    part = requests[i] * market_share_slope(kinds[i], z) / widths[i] / steepness
    return part if what == 2.0 else -z * part
