"""Special functions in plain Python: noise, quantiles and probabilities, gamma functions."""

from __future__ import annotations

import math
import struct
from typing import Any

_MASK = (1 << 64) - 1
_GAMMA, _STREAM_GAMMA = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95
_WHOLE = 1.5 * 2.0**52  # adding it rounds to a whole number and leaves that in the low bits


def noise(seed: float, stream: float, index: float) -> float:
    """Number in (0, 1) by a hash of three whole numbers (`jevons.functions.noise`); the same bits in compiled code."""
    if not (abs(seed) < 2.0**51 and abs(stream) < 2.0**51 and abs(index) < 2.0**51):
        return math.nan
    state = _mixed(_whole_bits(seed) + _GAMMA)
    state = _mixed(state + _whole_bits(stream) * _STREAM_GAMMA + _STREAM_GAMMA)
    state = _mixed(state + _whole_bits(index) * _GAMMA + _GAMMA)
    return ((state >> 12) + 0.5) * 2.0**-52


def _whole_bits(x: float) -> int:
    bits: int = struct.unpack("<q", struct.pack("<d", x + _WHOLE))[0]
    return bits


def _mixed(z: int) -> int:
    """The finaliser of splitmix64."""
    z &= _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


# Coefficients of Wichura's AS 241, PPND16: near the middle, in the tails, far out.
QUANTILE_A = (
    3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
)  # fmt: skip
QUANTILE_B = (
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
)  # fmt: skip
QUANTILE_C = (
    1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
    1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
)  # fmt: skip
QUANTILE_D = (
    1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
)  # fmt: skip
QUANTILE_E = (
    6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
    2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
)  # fmt: skip
QUANTILE_F = (
    1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
)  # fmt: skip


def normal_quantile(u: float) -> float:
    """Standard normal quantile (`jevons.functions.normal_quantile`)."""
    if not 0.0 < u < 1.0:
        return -math.inf if u == 0.0 else math.inf if u == 1.0 else math.nan
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * ratio(QUANTILE_A, QUANTILE_B, r)
    r = math.sqrt(-math.log(min(u, 1.0 - u)))
    size = ratio(QUANTILE_C, QUANTILE_D, r - 1.6) if r <= 5.0 else ratio(QUANTILE_E, QUANTILE_F, r - 5.0)
    return -size if q < 0.0 else size


def ratio(above: Any, below: Any, x: float) -> float:
    """Quotient of two polynomials of degree 7, coefficients in rising order."""
    top, bottom = 0.0, 0.0
    for k in range(8):
        top = top * x + above[7 - k]
        bottom = bottom * x + below[7 - k]
    return top / bottom


def loggamma(x: float) -> float:
    """Logarithm of the absolute value of the gamma function; infinite at its poles."""
    return math.inf if x <= 0.0 and x == math.floor(x) else math.lgamma(x)


def digamma(x: float) -> float:
    """Derivative of `loggamma`: reflection below 1/2, recurrence up to 10, then the asymptotic series; NaN at poles.

    Source     Abramowitz & Stegun (1964), 6.3.5, 6.3.7 and 6.3.18
    """
    if not math.isfinite(x) or (x <= 0.0 and x == math.floor(x)):
        return x if x == math.inf else math.nan
    result = 0.0
    if x < 0.5:
        result = -math.pi / math.tan(math.pi * x)
        x = 1.0 - x
    while x < 10.0:
        result -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * (691 / 32760 - z / 12))))))
    return result + math.log(x) - 0.5 / x - series
