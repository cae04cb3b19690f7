"""Elementary functions of float64 that a compiled loop over lanes evaluates several elements at a time.

One call of `math.exp` or its like, which goes into a scalar library, keeps a whole loop from being vectorised. The
functions here are straight-line arithmetic (no branches, no calls; a choice is a select between two computed values),
so a loop such as `for b in range(32): y[b] = exp(x[b])` compiles to packed instructions. Every operation is a correctly
rounded IEEE one in a fixed order, so a result is the same bit for bit on one element, in a lane of any width and on any
processor. sqrt, abs, min, max and numpy's floor and ceil need no replacement: they are vector instructions already.

Each stated error is what was seen at most against arithmetic of many digits, in units in the last place (ulp) of the
exact result, over all doubles including subnormal arguments and results. Special values are those of ISO C99, annex F.

Notes
-----
Coefficients are those of `mpmath.chebyfit(f, interval, n)` at 50 digits, rounded to double, unless said otherwise; f,
interval and n stand beside them. Where a rounding error matters, a value is an unevaluated sum of two doubles, and the
error of a product is one fused multiply-add (Dekker, Numer. Math. 18, 1971; Muller et al., Handbook of Floating-Point
Arithmetic, 2nd ed. 2018, ch. 4). On a processor without that instruction the results are the same, only slow.
"""

from __future__ import annotations

import functools
import math
import types
from typing import TYPE_CHECKING, Any, TypeVar

from jevons.special_functions import QUANTILE_A, QUANTILE_B, QUANTILE_C, QUANTILE_D, QUANTILE_E, QUANTILE_F

if TYPE_CHECKING:  # single instructions; `vector_functions` supplies them
    _T = TypeVar("_T", int, float)

    def _bits(x: float) -> int: ...
    def _real(i: int) -> float: ...
    def _shift_right(i: int, n: int) -> int: ...
    def _select(condition: bool, then: _T, otherwise: _T) -> _T: ...
    def _fma(a: float, b: float, c: float) -> float: ...
    def _rint(x: float) -> float: ...

    _TURN: list[float] = []

__all__ = ["vector_functions"]

_INF, _NAN = math.inf, math.nan
_SMALLEST_NORMAL = 2.2250738585072014e-308
# Bit patterns: of the sign, of the fraction, and of three numbers.
_SIGN, _FRACTION = -0x8000000000000000, 0x000FFFFFFFFFFFFF
_ONE, _SQRT_HALF, _TWO_52 = 0x3FF0000000000000, 0x3FE6A09E667F3BCD, 0x4330000000000000

# Adding it rounds to an integer n and leaves n + 2046 in the low bits: no conversion instruction is needed.
_ROUND = 1.5 * 2.0**52 + 2046.0
_LOG2_E, _LN2, _LN2_LOW = 1.4426950408889634, 0.6931471805599453, 2.3190468138462996e-17
# ln 2 in 42 bits, so that a product with an exponent is exact, and the rest.
_LN2_SHORT, _LN2_REST = 0.6931471805598903, 5.497923018708371e-14

# (e^r - 1 - r - r^2 / 2) / r^3 = hyp1f1(1, 4, r) / 6 on |r| <= 1.0005 ln(2) / 2, n = 9; minimax (Remez) in the weight
# |r^3| (1 / e^r + 1 / (2 |e^r - 1|)) + 1e-7, for small relative errors of both e^r and e^r - 1.
_E3, _E4, _E5 = 0.16666666666666563, 0.04166666666661522, 0.008333333333419067
_E6, _E7, _E8 = 0.0013888888922474743, 0.00019841269634492158, 2.480151386151828e-05
_E9, _E10, _E11 = 2.755749708131014e-06, 2.762321489139045e-07, 2.502195747698316e-08

# 2 (atanh(sqrt z) / sqrt z - 1) / z = 2 hyp2f1(1, 1.5, 2.5, z) / 3 on [0, (3 - 2 sqrt 2)^2], n = 7
_L0, _L1, _L2, _L3 = 0.666666666666667, 0.39999999999899505, 0.28571428625975487, 0.2222221113479508
_L4, _L5, _L6 = 0.18182889125261723, 0.15331721600556042, 0.14616449685043406

# The same series from its fourth term on, u = 4 z: hyp2f1(1, 3.5, 4.5, u / 4) / 448 on [0, 4 (3 - 2 sqrt 2)^2], n = 7
_G0, _G1, _G2, _G3 = 0.002232142857142859, 0.0004340277777761858, 8.8778409306924e-05, 1.8780037100513904e-05
_G4, _G5, _G6 = 4.069275445878753e-06, 8.943039628222527e-07, 2.20608716575636e-07
_TWELFTH, _TWELFTH_LOW = 0.08333333333333333, 4.625929269271485e-18

# (sin(sqrt z) / sqrt z - 1) / z with n = 7 and (cos(sqrt z) - 1 + z / 2) / z^2 with n = 6, both on [0, 0.81^2]
_S0, _S1, _S2, _S3 = -0.16666666666666666, 0.008333333333333331, -0.00019841269841263341, 2.7557319218041026e-06
_S4, _S5, _S6 = -2.5052105795698537e-08, 1.6058464548403667e-10, -7.582865337039258e-13
_C0, _C1, _C2 = 0.041666666666666664, -0.001388888888888686, 2.4801587297977393e-05
_C3, _C4, _C5 = -2.755731687568584e-07, 2.087606629630959e-09, -1.1377048360571915e-11
_TWO_OVER_PI = 0.6366197723675814
_HALF_PI, _HALF_PI_MIDDLE, _HALF_PI_LOW = 1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33
_TWO_PI, _TWO_PI_LOW = 6.283185307179586, 2.4492935982947064e-16
# Where the second reduction of angles begins; it reads the first 1152 bits of 1 / (2 pi) from 61 starts, 16 bits apart.
_FAR, _STARTS = 2.0**47, 61
# Of splitmix64, as signed numbers; and what rounds to a whole number, which it leaves in the low bits.
_GAMMA, _STREAM_GAMMA = -0x61C8864680B583EB, -0x2ECBDABC217D106B
_MIX_1, _MIX_2 = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
_WHOLE = 1.5 * 2.0**52
_TURN_BITS = int(
    "28be60db9391054a7f09d5f47d4d377036d8a5664f10e4107f9458eaf7aef1586dc91b8e909374b801924bba82746487"
    "3f877ac72c4a69cfba208d7d4baed1213a671c09ad17df904e64758e60d4ce7d272117e2ef7e4a0ec7fe25fff7816603"
    "fbcbc462d6829b47db4d9fb3c9f2c26dd3d18fd9a797fa8b5d49eeb1faf97c5ecf41ce7de294a4ba9afed7ec47e35742",
    16,
)


def _expm1_tail(r: float, low: float) -> float:
    """Return e^r - 1 - r + low for |r| <= ln(2) / 2; powers are paired to shorten the chain of dependent steps."""
    r2 = r * r
    r4 = r2 * r2
    top = _fma(_fma(_E11, r, _E10), r2, _fma(_E9, r, _E8))
    middle = _fma(_fma(_E7, r, _E6), r2, _fma(_E5, r, _E4))
    return _fma(r4, _fma(top, r4, middle), _fma(r2, _fma(_E3, r, 0.5), low))


def _reduce_exp(x: float) -> tuple[float, float, float]:
    """Return `_ROUND` + n, high and low with x = n ln 2 + high + low; exact but for the last bits of low."""
    shifted = _fma(x, _LOG2_E, _ROUND)
    n = shifted - _ROUND
    return shifted, _fma(n, -_LN2, x), n * -_LN2_LOW


def _scale(value: float, shifted: float) -> float:
    """Return value 2^n for -2046 < n < 2048; two factors, so that only the last product rounds or overflows."""
    half = _shift_right(_bits(shifted), 1)
    return value * _real(half << 52) * _real((_bits(shifted) - half) << 52)


def _split(x: float) -> tuple[float, float]:
    """Return k and m with x = 2^k m, sqrt(1/2) <= m < sqrt 2, for finite x > 0."""
    subnormal = x < _SMALLEST_NORMAL
    i = _select(subnormal, _bits(x * 2.0**54), _bits(x)) + (_ONE - _SQRT_HALF)
    k = _real(_shift_right(i, 52) | _TWO_52) - _select(subnormal, 2.0**52 + 1077.0, 2.0**52 + 1023.0)
    return k, _real((i & _FRACTION) + _SQRT_HALF)


def exp(x: float) -> float:
    """Exponential function, e^x = 2^n e^r with x = n ln 2 + r, |r| <= ln(2) / 2; degree 11 for e^r.

    Error below 0.93 ulp. Infinite above 709.78, subnormal below -708.40, zero below -745.13.
    """
    # Saturated, but still within the range of the reduction; NaN stays.
    x = _select(x > 1000.0, 1000.0, x)
    shifted, high, low = _reduce_exp(_select(x < -1000.0, -1000.0, x))
    return _scale(1.0 + (high + _expm1_tail(high + low, low)), shifted)


def log(x: float) -> float:
    """Natural logarithm, ln x = k ln 2 + ln m with x = 2^k m; ln m = 2 atanh(s), s = f / (2 + f), f = m - 1.

    Error below 0.89 ulp. Minus infinity at 0, NaN below. Summed as f - (f^2 / 2 - s (f^2 / 2 + R(s^2))), where f leads
    and is exact (the arrangement of fdlibm's e_log.c).
    """
    k, m = _split(x)
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    z2 = z * z
    tail = _fma(_fma(_fma(_L6, z, _L5), z, _L4), z2, _fma(_L3, z, _L2))
    tail = z * _fma(tail, z2, _fma(_L1, z, _L0))
    half = 0.5 * f * f
    result = _fma(k, _LN2_SHORT, f - (half - _fma(s, half + tail, k * _LN2_REST)))
    result = _select(x < _INF, result, x)
    return _select(x > 0.0, result, _select(x == 0.0, -_INF, _NAN))


def pow(x: float, y: float) -> float:
    """Power, x^y = e^(y ln x), with ln x and its product with y as sums of two doubles.

    Error below 0.92 ulp; powers that a double can hold are exact. ln m = g + g^3 / 12 + g^5 / 80 + ... with
    g = 2 (m - 1) / (m + 1): these three terms in two doubles, the rest, below 4e-6 of the whole, in one. All real
    special cases of C99: x^0 = 1 and 1^y = 1 even for NaN; a negative x gives NaN unless y is an integer, whose parity
    sets the sign. A table of logarithms in place of the series is no faster, for it is read by gathers.
    """
    # Beyond 1e300 an exponent is even and every power has saturated; as a finite one it keeps 0 * inf out.
    y = _select(y > 1e300, 1e300, y)
    y = _select(y < -1e300, -1e300, y)
    size = abs(x)
    k, m = _split(size)
    f = m - 1.0
    d = _fma(m, 0.5, 0.5)
    d_low = _fma(m, 0.5, 0.5 - d)
    inverse = 1.0 / d
    g = f * inverse
    g_low = _fma(-g, d_low, _fma(-g, d, f)) * inverse
    u = g * g
    u2 = u * u
    tail = _fma(_G6, u2, _fma(_G5, u, _G4))
    tail = _fma(tail, u2 * u2, _fma(_fma(_G3, u, _G2), u2, _fma(_G1, u, _G0)))
    cube = g * u
    cube_low = _fma(g, _fma(g, g, -u), _fma(g, u, -cube))
    factor = _fma(u, 0.0125, _TWELFTH)
    factor_low = _fma(u, 0.0125, _TWELFTH - factor) + _TWELFTH_LOW
    third = cube * factor
    third_low = _fma(cube_low, factor, _fma(cube, factor_low, _fma(cube, factor, -third)))
    # k ln 2 + g + third with the errors of both sums; a change of g acts 1 / (1 - u / 4) = 1 + 0.2563 u times.
    main = _fma(k, _LN2_SHORT, g)
    high = main + third
    low = (_fma(k, _LN2_SHORT, -main) + g) + ((main - high) + third)
    low = _fma(g_low, _fma(u, 0.2563, 1.0), third_low) + _fma(k, _LN2_REST, low)
    low = _fma(cube * u2, tail, low)
    high = _select(size < _INF, high, size)
    high = _select(size == 0.0, -_INF, high)
    t = y * high
    t_low = _fma(y, low, _fma(y, high, -t))
    shifted, r, r_low = _reduce_exp(t)
    r_low += t_low
    lead = 1.0 + r
    lead_low = (1.0 - lead) + r
    result = _scale(lead + (lead_low + _expm1_tail(r + r_low, r_low)), shifted)
    # The arithmetic above holds for |t| up to 1000.
    result = _select(t > 1000.0, _INF, result)
    result = _select(t < -1000.0, 0.0, result)
    result = _select((x == 1.0) | (y == 0.0), 1.0, result)
    parity = abs(_fma(-2.0, _rint(0.5 * y), y))
    result = _select((x < 0.0) & (size < _INF) & (parity != 0.0) & (parity != 1.0), _NAN, result)
    return _real(_bits(result) ^ (_bits(x) & _select(parity == 1.0, _SIGN, 0)))


def _two_sum(a: float, b: float) -> tuple[float, float]:
    """Return a + b and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _divide(a: float, a_low: float, b: float, b_low: float) -> float:
    """Return (a + a_low) / (b + b_low) with little more than one rounding error."""
    inverse = 1.0 / b
    value = a * inverse
    return _fma(_fma(-value, b_low, _fma(-value, b, a)) + a_low, inverse, value)


def tanh(x: float) -> float:
    """Hyperbolic tangent, (q + 1 - 2^-n) / (q + 1 + 2^-n) with e^(2 |x|) = 2^n (1 + q), and the sign of x.

    Error below 1.1 ulp.
    """
    size = abs(x)
    shifted, high, low = _reduce_exp(2.0 * _select(size > 20.0, 20.0, size))
    tail = _expm1_tail(high + low, low)
    e = _real((3069 - _bits(shifted)) << 52)
    base = 1.0 - e
    lead = base + high
    rest = ((base - lead) + high) + tail
    top = lead + rest
    bottom, bottom_low = _two_sum(2.0 * e, top)
    top_low = (lead - top) + rest
    value = _divide(top, top_low, bottom, bottom_low + top_low)
    return _real(_bits(value) | (_bits(x) & _SIGN))


def _reduce_hyperbolic(size: float) -> tuple[float, float, float, float]:
    """Return `_ROUND` + n, high, tail and 2^-2n with e^size = 2^n (1 + high + tail); 2^-80 for any n above 40."""
    shifted, high, low = _reduce_exp(_select(size > 1000.0, 1000.0, size))
    i = _bits(_select(shifted > _ROUND + 40.0, _ROUND + 40.0, shifted))
    return shifted, high, _expm1_tail(high + low, low), _real((5115 - 2 * i) << 52)


def sinh(x: float) -> float:
    """Hyperbolic sine, 2^(n-1) (1 - w + (1 + w) q - w q^2 / (1 + q)) with e^|x| = 2^n (1 + q), w = 2^-2n.

    Error below 1.35 ulp. Infinite above 710.47.
    """
    shifted, high, tail, w = _reduce_hyperbolic(abs(x))
    q = high + tail
    slope, base = 1.0 + w, 1.0 - w
    lead = _fma(slope, high, base)
    value = lead + (_fma(slope, high, base - lead) + _fma(-w, q * q / (1.0 + q), slope * tail))
    return _real(_bits(_scale(0.5 * value, shifted)) | (_bits(x) & _SIGN))


def cosh(x: float) -> float:
    """Hyperbolic cosine, 2^(n-1) (p + w / p) with e^|x| = 2^n p and w = 2^-2n.

    Error below 1.42 ulp. Infinite above 710.47.
    """
    shifted, high, tail, w = _reduce_hyperbolic(abs(x))
    p = 1.0 + (high + tail)
    return _scale(0.5 * _fma(w, 1.0 / p, p), shifted)


def _reduce_near(x: float) -> tuple[float, float, float]:
    """Return n, high and low with x = n pi / 2 + high + low, for 0 <= x < 2^47; x - n pi / 2 rounded is exact.

    The idea is Cody and Waite's (Software Manual for the Elementary Functions, 1980), with pi / 2 in three doubles.
    """
    n = _rint(x * _TWO_OVER_PI)
    product = n * _HALF_PI_MIDDLE
    high, low = _two_sum(_fma(n, -_HALF_PI, x), -product)
    low -= _fma(n, _HALF_PI_MIDDLE, -product)
    return n, high, _fma(n, -_HALF_PI_LOW, low)


def _reduce_far(x: float) -> tuple[float, float, float]:
    """Return the same for x >= 2^47, from x times those bits of 1 / (2 pi) that matter (Payne and Hanek, 1983).

    Bits whose product with the last bit of x is a whole turn are left out; four pieces of 48 bits follow, the products
    in two doubles. p0 and e0 are multiples of 2^-53 turn, so their fractions add exactly.
    """
    j = _shift_right(_bits(_select(x > 2.0**52, x, 2.0**52)) - (1075 << 52), 56)
    scaled = x * _real(_ONE - (j << 56))
    w0, w1, w2 = _TURN[j], _TURN[j + _STARTS], _TURN[j + 2 * _STARTS]
    p0, p1, p2 = scaled * w0, scaled * w1, scaled * w2
    e0, e1, e2 = _fma(scaled, w0, -p0), _fma(scaled, w1, -p1), _fma(scaled, w2, -p2)
    whole, whole_low = _two_sum((p0 - _rint(p0)) + (e0 - _rint(e0)), p1 - _rint(p1))
    n = _rint(4.0 * whole)
    part, part_low = _two_sum(p2, e1 + whole_low)
    turn, turn_low = _two_sum(_fma(n, -0.25, whole), part)
    turn_low += part_low + _fma(scaled, _TURN[j + 3 * _STARTS], e2)
    high = turn * _TWO_PI
    return n, high, _fma(turn, _TWO_PI, -high) + _fma(turn, _TWO_PI_LOW, turn_low * _TWO_PI)


def _sine_cosine(x: float) -> tuple[float, float, float, float, int]:
    """Return sine and cosine of r, each with its rounding error, and n modulo 4 in low bits, |x| = n pi / 2 + r."""
    x = abs(x)
    far = x >= _FAR
    near_n, near_high, near_low = _reduce_near(_select(far, 0.0, x))
    n, r, low = _reduce_far(x)
    n, r, low = _select(far, n, near_n), _select(far, r, near_high), _select(far, low, near_low)
    z = r * r
    z2 = z * z
    half = 0.5 * z
    tail = _fma(_fma(z, _S6, _S5), z2, _fma(z, _S4, _S3))
    tail = _fma(tail, z2 * z, _fma(_fma(z, _S2, _S1), z, _S0))
    rest = _fma(z * r, tail, _fma(-half, low, low))
    sine = r + rest
    sine_low = (r - sine) + rest
    tail = _fma(_fma(_fma(z, _C5, _C4), z2, _fma(z, _C3, _C2)), z2, _fma(z, _C1, _C0))
    lead = 1.0 - half
    rest = ((1.0 - lead) - half) + _fma(z2, tail, -r * low)
    cosine = lead + rest
    cosine_low = (lead - cosine) + rest
    return sine, sine_low, cosine, cosine_low, _bits(n + 1.5 * 2.0**52)


def sin(x: float) -> float:
    """Sine, from polynomials for sine and cosine of r, x = n pi / 2 + r with |r| < 0.81.

    Error below 0.84 ulp. Both reductions of x are always computed, so it costs several times as much as `exp`.
    """
    sine, _, cosine, _, n = _sine_cosine(x)
    value = _select((n & 1) == 0, sine, cosine)
    return _real(_bits(value) ^ ((n & 2) << 62) ^ (_bits(x) & _SIGN))


def cos(x: float) -> float:
    """Cosine, as `sin`. Error below 0.84 ulp."""
    sine, _, cosine, _, n = _sine_cosine(x)
    value = _select((n & 1) == 0, cosine, sine)
    return _real(_bits(value) ^ (((n + 1) & 2) << 62))


def tan(x: float) -> float:
    """Tangent, sin x / cos x, as `sin`. Error below 1.05 ulp."""
    sine, sine_low, cosine, cosine_low, n = _sine_cosine(x)
    even = (n & 1) == 0
    top, top_low = _select(even, sine, -cosine), _select(even, sine_low, -cosine_low)
    value = _divide(top, top_low, _select(even, cosine, sine), _select(even, cosine_low, sine_low))
    return _real(_bits(value) ^ (_bits(x) & _SIGN))


def _mixed(z: int) -> int:
    """The finaliser of splitmix64, on integers that wrap around."""
    z = (z ^ _shift_right(z, 30)) * _MIX_1
    z = (z ^ _shift_right(z, 27)) * _MIX_2
    return z ^ _shift_right(z, 31)


def noise(seed: float, stream: float, index: float) -> float:
    """Number in (0, 1) by a hash of three whole numbers, the same bits as `jevons.system.noise`."""
    state = _mixed(_bits(seed + _WHOLE) + _GAMMA)
    state = _mixed(state + _bits(stream + _WHOLE) * _STREAM_GAMMA + _STREAM_GAMMA)
    state = _mixed(state + _bits(index + _WHOLE) * _GAMMA + _GAMMA)
    value = ((_real(_shift_right(state, 12) | _TWO_52) - 2.0**52) + 0.5) * 2.0**-52
    known = (abs(seed) < 2.0**51) & (abs(stream) < 2.0**51) & (abs(index) < 2.0**51)
    return _select(known, value, _NAN)


def _polynomial(c: tuple[float, ...], x: float) -> float:
    """Polynomial of degree 7 by Horner's rule, coefficients in rising order."""
    high = _fma(_fma(_fma(c[7], x, c[6]), x, c[5]), x, c[4])
    return _fma(_fma(_fma(_fma(high, x, c[3]), x, c[2]), x, c[1]), x, c[0])


def normal_quantile(u: float) -> float:
    """Standard normal quantile by the three rational approximations of AS 241, all of which are computed.

    Relative error below 1e-15.
    """
    q = u - 0.5
    middle = 0.180625 - q * q
    near = q * (_polynomial(QUANTILE_A, middle) / _polynomial(QUANTILE_B, middle))
    r = math.sqrt(-log(_select(q < 0.0, u, 1.0 - u)))
    tail = _polynomial(QUANTILE_C, r - 1.6) / _polynomial(QUANTILE_D, r - 1.6)
    far = _polynomial(QUANTILE_E, r - 5.0) / _polynomial(QUANTILE_F, r - 5.0)
    size = _select(r > 5.0, far, tail)
    value = _select(abs(q) <= 0.425, near, _select(q < 0.0, -size, size))
    value = _select(u == 0.0, -_INF, _select(u == 1.0, _INF, value))
    return _select((u >= 0.0) & (u <= 1.0), value, _NAN)


@functools.cache
def vector_functions() -> dict[str, Any]:
    """Return exp, log, pow, tanh, sinh, cosh, sin, cos, tan, noise and normal_quantile by name, compiled.

    They are for use inside other compiled functions, as globals of these, and take plain numbers in Python.

    Examples
    --------
    >>> vector_functions()["pow"](2.0, 10.0)
    1024.0
    """
    import numba
    import numpy as np
    from llvmlite import ir
    from numba.core import types as nb
    from numba.extending import intrinsic

    double, real, integer = ir.DoubleType(), nb.float64, nb.int64

    def code(emit: Any) -> Any:
        return lambda _context, builder, _signature, arguments: emit(builder, arguments)

    def _bits(context: Any, x: Any) -> Any:
        return integer(real), code(lambda b, a: b.bitcast(a[0], ir.IntType(64)))

    def _real(context: Any, i: Any) -> Any:
        return real(integer), code(lambda b, a: b.bitcast(a[0], double))

    def _shift_right(context: Any, i: Any, n: Any) -> Any:
        return integer(integer, integer), code(lambda b, a: b.lshr(*a))

    def _select(context: Any, condition: Any, then: Any, otherwise: Any) -> Any:
        kind = real if isinstance(then, nb.Float) else integer
        return kind(nb.boolean, kind, kind), code(lambda b, a: b.select(*a))

    def _fma(context: Any, a: Any, b: Any, c: Any) -> Any:
        return real(real, real, real), code(lambda b, a: b.fma(*a))

    def _rint(context: Any, x: Any) -> Any:
        return real(real), code(lambda b, a: b.call(b.module.declare_intrinsic("llvm.rint", [double]), a))

    # Four columns of 48-bit pieces, 48 bits apart, as fractions of a turn.
    starts = [(column, 16 * j + 48 * (column + 1)) for column in range(4) for j in range(_STARTS)]
    turn = [math.ldexp(_TURN_BITS >> (1152 - end) & (1 << 48) - 1, -48 * (column + 1)) for column, end in starts]
    names: dict[str, Any] = {**globals(), "_TURN": np.array(turn)}
    for primitive in (_bits, _real, _shift_right, _select, _fma, _rint):
        names[primitive.__name__] = intrinsic(primitive)
    jit = numba.njit(error_model="numpy", nogil=True, fastmath=False, forceinline=True)
    for function in (*_HELPERS, *_ANGLES, *_FUNCTIONS):
        bound = types.FunctionType(function.__code__, names, function.__name__)
        bound.__doc__ = function.__doc__
        names[function.__name__] = jit(bound)
    return {function.__name__: names[function.__name__] for function in _FUNCTIONS}


_HELPERS = (_expm1_tail, _reduce_exp, _scale, _split, _reduce_hyperbolic, _divide, _two_sum, _mixed, _polynomial)
_ANGLES = (_reduce_near, _reduce_far, _sine_cosine)
_FUNCTIONS = (exp, log, pow, tanh, sinh, cosh, sin, cos, tan, noise, normal_quantile)
