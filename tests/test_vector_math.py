"""Vectorised elementary functions against arithmetic of many digits."""

from __future__ import annotations

import functools
import math
import re
import subprocess
import sys

import mpmath
import numba
import numpy as np
import pytest
from llvmlite import binding

from jevons import vector_math
from jevons.vector_math import vector_functions

NAMES = ("exp", "log", "pow", "tanh", "sinh", "cosh", "sin", "cos", "tan")
PRECISION = 220
SAMPLES = 300
LARGEST_ERROR = 2.0
INF, NAN = math.inf, math.nan
TINY, SMALLEST_NORMAL, LARGEST = 5e-324, 2.0**-1022, sys.float_info.max
jit = functools.partial(numba.njit, error_model="numpy", nogil=True)


@functools.cache
def lanes(name, width=32, **options):
    """The function over flat arrays whose size is a multiple of the width."""
    function = vector_functions()[name]
    if name == "pow":

        def loop(x, y, out):
            for i in range(x.size // width):
                for b in range(width):
                    out[i * width + b] = function(x[i * width + b], y[i * width + b])
    else:

        def loop(x, y, out):
            for i in range(x.size // width):
                for b in range(width):
                    out[i * width + b] = function(x[i * width + b])

    return jit(**{k: set(v) for k, v in options.items()})(loop)


def evaluate(name, x, y=None, **options):
    x = np.asarray(x, float)
    y = np.zeros_like(x) if y is None else np.asarray(y, float)
    pad = -x.size % 32
    x, y = np.pad(x, (0, pad)), np.pad(y, (0, pad))
    out = np.empty_like(x)
    lanes(name, **options)(x, y, out)
    return out[: x.size - pad]


def odd(y):
    return abs(math.fmod(y, 2)) == 1


def exact(name, x, y):
    """The value as a number of many digits, or a double where it is special."""
    if name == "pow":
        t = mpmath.mpf(y) * mpmath.log(abs(mpmath.mpf(x)))
        if abs(t) > 2000:
            t = mpmath.sign(t) * 2000
        return (-1 if x < 0 and odd(y) else 1) * mpmath.exp(t)
    return getattr(mpmath, name)(mpmath.mpf(x))


def error(got, true):
    """Distance in units in the last place of the true value; infinity stands for the number after the largest one."""
    if math.isnan(got):
        return INF
    _, exponent = mpmath.frexp(true)
    ulp = mpmath.ldexp(1, int(max(exponent, -1021)) - 53)
    beyond = mpmath.ldexp(1, 1024)
    if math.isinf(got):
        got, true = math.copysign(1, got) * beyond, max(min(true, beyond), -beyond)
    return float(abs(got - true) / ulp)


def worst(name, x, y=None):
    """Largest error and where it occurs."""
    y = np.zeros_like(x) if y is None else y
    with mpmath.workprec(PRECISION):
        errors = [
            error(got, exact(name, float(a), float(b)))
            for got, a, b in zip(evaluate(name, x, y).tolist(), x, y, strict=True)
        ]
    at = int(np.argmax(errors))
    return errors[at], (x[at], y[at])


def generator(*seed):
    return np.random.default_rng([20, *seed])


def any_double(rng, size=SAMPLES):
    """Finite, uniform in the bit pattern: all exponents are equally likely."""
    x = rng.integers(0, 0x7FF0000000000000, size).view(float)
    return x * rng.choice([-1.0, 1.0], size)


def subnormal(rng, size=SAMPLES):
    return rng.integers(1, 2**52, size).view(float)


def spread(rng, low, high, size=SAMPLES):
    """Log-uniform in magnitude, both signs."""
    return np.exp(rng.uniform(math.log(low), math.log(high), size)) * rng.choice([-1.0, 1.0], size)


ODD = {
    "any": any_double,
    "subnormal": lambda r: subnormal(r) * r.choice([-1.0, 1.0], SAMPLES),
    "small": lambda r: spread(r, 1e-20, 1.0),
    "unit": lambda r: r.uniform(-1, 1, SAMPLES),
    "middle": lambda r: r.uniform(-25, 25, SAMPLES),
}
HYPERBOLIC = {
    **ODD,
    "to overflow": lambda r: r.uniform(-711, 711, SAMPLES),
    "at overflow": lambda r: r.uniform(710.4, 710.5, SAMPLES),
}
ANGLES = {
    **ODD,
    "many turns": lambda r: r.uniform(-1e5 * math.pi, 1e5 * math.pi, SAMPLES),
    "near quarter turns": lambda r: r.integers(1, 2**44, SAMPLES) * (math.pi / 2),
    "between the reductions": lambda r: r.uniform(2.0**46, 2.0**53, SAMPLES),
    "huge": lambda r: spread(r, 1e15, 1e300),
    "closest to a quarter turn": lambda r: np.array([6381956970095103.0 * 2.0**797, 8.139066775600637e221]),
}
REGIMES = {
    "exp": {
        **ODD,
        "all results": lambda r: r.uniform(-745.2, 709.8, SAMPLES),
        "subnormal results": lambda r: r.uniform(-745.2, -708.0, SAMPLES),
        "at overflow": lambda r: r.uniform(709.7, 709.79, SAMPLES),
    },
    "log": {
        "any": lambda r: abs(any_double(r)),
        "subnormal": subnormal,
        "near 1": lambda r: 1 + spread(r, 1e-16, 0.5),
        "around 1": lambda r: r.uniform(0.5, 2.0, SAMPLES),
        "worst": lambda r: r.uniform(0.70, 0.72, SAMPLES),
    },
    "tanh": HYPERBOLIC,
    "sinh": HYPERBOLIC,
    "cosh": HYPERBOLIC,
    "sin": ANGLES,
    "cos": ANGLES,
    "tan": ANGLES,
}


@pytest.mark.parametrize(("name", "regime"), [(n, regime) for n, regimes in REGIMES.items() for regime in regimes])
def test_error(name, regime):
    x = REGIMES[name][regime](generator(NAMES.index(name), len(regime)))
    largest, where = worst(name, x)
    assert largest <= LARGEST_ERROR, where


def with_logarithm(x, low, high, rng):
    """Exponents that bring y ln x uniformly between two numbers."""
    with np.errstate(divide="ignore"):
        y = rng.uniform(low, high, x.size) / np.log(x)
    return np.where(np.isfinite(y), y, 1.0)


POWERS = {
    "any base, all results": lambda r: (x := abs(any_double(r)), with_logarithm(x, -745, 709.7, r)),
    "any base, subnormal results": lambda r: (x := abs(any_double(r)), with_logarithm(x, -745.1, -708.4, r)),
    "any, any": lambda r: (abs(any_double(r)), any_double(r)),
    "subnormal base": lambda r: (subnormal(r), r.uniform(-1, 1, SAMPLES)),
    "large": lambda r: (x := r.uniform(0.5, 2, SAMPLES), with_logarithm(x, 700, 709.7, r)),
    "small": lambda r: (x := r.uniform(0.5, 2, SAMPLES), with_logarithm(x, -708, -700, r)),
    "worst below 1": lambda r: (x := r.uniform(0.703, 0.7075, SAMPLES), with_logarithm(x, 690, 709.7, r)),
    "worst above 1": lambda r: (x := r.uniform(1.41, 1.4143, SAMPLES), with_logarithm(x, 690, 709.7, r)),
    "base near 1": lambda r: (x := 1 + spread(r, 1e-16, 0.1), with_logarithm(x, -745, 709.7, r)),
    "common": lambda r: (r.uniform(0, 10, SAMPLES), r.uniform(-5, 5, SAMPLES)),
    "negative base": lambda r: (-r.uniform(0, 10, SAMPLES), r.integers(-300, 300, SAMPLES).astype(float)),
    "at overflow": lambda r: (x := r.uniform(2, 3, SAMPLES), with_logarithm(x, 709.7, 709.8, r)),
}


@pytest.mark.parametrize("regime", POWERS)
def test_error_of_powers(regime):
    x, y = POWERS[regime](generator(len(regime)))
    largest, where = worst("pow", x, y)
    assert largest <= LARGEST_ERROR, where


def test_error_of_squares_and_roots_is_below_one():
    x = spread(generator(), 1e-3, 1e3)
    assert worst("pow", x, np.full(x.size, 2.0))[0] < 1
    assert worst("pow", abs(x), np.full(x.size, 0.5))[0] < 1


def same(a, b):
    """The same number with the same sign; any NaN equals any other."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (LARGEST, INF), (-LARGEST, 0.0), (TINY, 1.0)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (-1.0, NAN), (-TINY, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (TINY, TINY), (-TINY, -TINY), (25.0, 1.0)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (TINY, TINY), (-TINY, -TINY), (-LARGEST, -INF)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (TINY, 1.0), (-LARGEST, INF)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (TINY, TINY), (-TINY, -TINY)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (TINY, 1.0)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (TINY, TINY), (-TINY, -TINY)],
}


THRESHOLDS = {
    "exp": [(709.782712893384, 1.7976931348622732e308), (709.7827128933841, INF)],
    "log": [(TINY, -744.4400719213812), (LARGEST, 709.782712893384)],
    "sinh": [(710.4758600739439, 1.7976931348621744e308), (710.475860073944, INF)],
    "cosh": [(-710.4758600739439, 1.7976931348621744e308), (-710.475860073944, INF)],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(name):
    function = vector_functions()[name]
    for x, value in [*SPECIAL[name], (NAN, NAN)]:
        assert same(function(x), value), x


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds(name):
    function = vector_functions()[name]
    for x, value in THRESHOLDS[name]:
        assert function(x) == pytest.approx(value, rel=4e-16), x


def test_exponential_ends_in_the_smallest_number():
    exp = vector_functions()["exp"]
    assert (exp(-745.1332191019411), exp(-745.1332191019412)) == (TINY, 0.0)


def power_of_c99(x, y):
    """Python's power is C's, except that it raises where C gives infinity or NaN."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -INF if x < 0 and odd(y) else INF
    except ValueError:
        if x != 0:
            return NAN
        return math.copysign(INF, x) if odd(y) else INF


def test_special_powers():
    numbers = [0.0, 1.0, 2.0, 3.0, 0.5, 2.5, TINY, SMALLEST_NORMAL, 1e300, LARGEST, 1 + 2**-52, 1 - 2**-53, INF]
    numbers += [2.0**51 + 0.5, 2.0**52 + 1, 2.0**53 - 1, 2.0**53 + 2]
    numbers = [*numbers, *(-x for x in numbers), NAN]
    function = vector_functions()["pow"]
    for x in numbers:
        for y in numbers:
            got, true = function(x, y), power_of_c99(x, y)
            assert same(got, true) or abs(got - true) <= 2 * math.ulp(true), (x, y)
            assert math.isnan(got) or math.copysign(1, got) == math.copysign(1, true), (x, y)


def test_exact_powers_are_exact():
    x = any_double(generator(), 2000)
    assert np.array_equal(evaluate("pow", x, np.ones(x.size)), x)
    assert np.array_equal(evaluate("pow", x, np.zeros(x.size)), np.ones(x.size))
    n = np.arange(-1080.0, 1024.0)
    assert np.array_equal(evaluate("pow", np.full(n.size, 2.0), n), np.ldexp(1.0, n.astype(int)))
    whole = [(a, b) for a in range(-60, 60) for b in range(12) if abs(a) ** b < 2**53]
    base, power = np.array(whole, float).T
    assert evaluate("pow", base, power).tolist() == [float(a**b) for a, b in whole]


def bits(x):
    """Bit patterns, with one for all NaN."""
    return np.where(np.isnan(x), NAN, x).view(np.int64)


def arguments(name):
    rng = generator(NAMES.index(name), 7)
    x = np.concatenate([any_double(rng, 640), rng.uniform(-750, 750, 320), rng.uniform(0, 5, 304), np.full(16, NAN)])
    x[-8:] = [0.0, -0.0, INF, -INF, TINY, -TINY, 1.0, -1.0]
    return x, rng.permutation(x)


@pytest.mark.parametrize("name", NAMES)
def test_lanes_give_what_single_calls_give(name):
    x, y = arguments(name)
    function = vector_functions()[name]
    single = np.array([function(*pair) if name == "pow" else function(pair[0]) for pair in zip(x, y, strict=True)])
    for width in (1, 32):
        assert np.array_equal(bits(evaluate(name, x, y, width=width)), bits(single))


@pytest.mark.parametrize("name", ("exp", "pow", "sin"))
def test_contraction_in_the_caller_changes_nothing(name):
    x, y = arguments(name)
    contracted = evaluate(name, x, y, fastmath=frozenset({"contract"}))
    assert np.array_equal(bits(contracted), bits(evaluate(name, x, y)))


def packed(assembly):
    """Multiplications, additions and their fusions of 4 or 8 doubles."""
    return len(re.findall(r"\tv(?:fn?m(?:add|sub)\d+|mul|add)pd\b[^\n]*%[yz]mm", assembly))


def assembly(function):
    return "".join(function.inspect_asm().values())


def has_vectors():
    return bool(binding.get_host_cpu_features().get("avx2"))


vectors = pytest.mark.skipif(not has_vectors(), reason="looks for the instructions of one family of processors")


@vectors
@pytest.mark.parametrize("name", NAMES)
def test_loop_over_lanes_is_vectorised(name):
    evaluate(name, np.ones(32))
    code = assembly(lanes(name))
    assert packed(code) >= 15
    assert not re.search(rf"\${name}\b|{name}@", code)


@vectors
def test_long_loop_is_vectorised():
    exp, pow_, log = (vector_functions()[n] for n in ("exp", "pow", "log"))

    @jit
    def loop(x, p, out):
        for b in range(32):
            a0, a1, a2, a3 = x[b], x[32 + b], x[64 + b], x[96 + b]
            p0, p1, p2, p3 = p[b], p[32 + b], p[64 + b], p[96 + b]
            c0, c1 = pow_(a0, p0), pow_(a1, p1)
            c2, c3 = pow_(a2, p2 * c0), pow_(a3, p3 * c1)
            e0, e1, e2 = exp(-a0 * p1), exp(-a1 * c2), exp(a2 - c3)
            m = max(np.sqrt(e0), 0.0) + min(e1, 1.0) + abs(np.floor(e2))
            out[b] = c0 * e0 + m
            out[32 + b] = (c1 - e1) / (1.0 + c2) if c1 > e1 else log(1.0 + m)
            out[64 + b] = c2 + e2
            out[96 + b] = c3 * m

    loop(np.ones(128), np.ones(128), np.empty(128))
    assert packed(assembly(loop)) > 200


CALLER = """
import numba
import numpy as np
from jevons.vector_math import vector_functions

exp, pow, sin = (vector_functions()[n] for n in ("exp", "pow", "sin"))


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def loop(x, out):
    for b in range(32):
        out[b] = exp(x[b]) + pow(x[b], 1.7) * sin(x[b])


out = np.empty(32)
loop(np.linspace(0.1, 5.0, 32), out)
print(len(loop.stats.cache_hits), out.tobytes().hex())
"""


def test_compiled_caller_loads_from_disk(tmp_path):
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    first, second = (
        subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert (first[0], second[0]) == ("0", "1")
    assert first[1] == second[1]


def test_import_does_not_load_the_compiler():
    code = "import sys, jevons.vector_math; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def sine_tail(z):
    return (mpmath.sin(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z


def cosine_tail(z):
    return (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z**2


COEFFICIENTS = {
    "_L": (7, lambda q: q**2, lambda z: 2 * mpmath.hyp2f1(1, 1.5, 2.5, z) / 3),
    "_G": (7, lambda q: 4 * q**2, lambda u: mpmath.hyp2f1(1, 3.5, 4.5, u / 4) / 448),
    "_S": (7, lambda _: mpmath.mpf("0.81") ** 2, sine_tail),
    "_C": (6, lambda _: mpmath.mpf("0.81") ** 2, cosine_tail),
}


@pytest.mark.parametrize("letter", COEFFICIENTS)
def test_coefficients_are_those_of_the_fit_they_name(letter):
    count, end, function = COEFFICIENTS[letter]
    with mpmath.workdps(50):
        fitted = mpmath.chebyfit(function, [mpmath.mpf(0), end(3 - 2 * mpmath.sqrt(2))], count)[::-1]
    stored = [getattr(vector_math, f"{letter}{i}") for i in range(count)]
    assert stored == pytest.approx([float(c) for c in fitted], rel=1e-15)


def test_polynomial_of_the_exponential_levels_its_error():
    stored = [getattr(vector_math, f"_E{i}") for i in range(11, 2, -1)]
    with mpmath.workdps(50):
        end = mpmath.log(2) / 2
        r = [x for x in mpmath.linspace(-end, end, 400) if x]
        errors = [(mpmath.hyp1f1(1, 4, x) / 6 - mpmath.polyval(stored, x)) * x**3 for x in r]
        of_exp = np.array([float(e / mpmath.exp(x)) for e, x in zip(errors, r, strict=True)])
        of_expm1 = np.array([float(e / mpmath.expm1(x)) for e, x in zip(errors, r, strict=True)])
    assert np.abs(of_exp).max() < 9e-18
    assert np.abs(of_expm1).max() < 3e-17
    assert np.count_nonzero(np.diff(np.sign(of_exp))) >= 9


def test_constants_in_two_parts():
    with mpmath.workprec(1300):
        for names, value in (
            (("_LN2", "_LN2_LOW"), mpmath.log(2)),
            (("_LN2_SHORT", "_LN2_REST"), mpmath.log(2)),
            (("_TWELFTH", "_TWELFTH_LOW"), mpmath.mpf(1) / 12),
            (("_HALF_PI", "_HALF_PI_MIDDLE", "_HALF_PI_LOW"), mpmath.pi / 2),
            (("_TWO_PI", "_TWO_PI_LOW"), 2 * mpmath.pi),
        ):
            for name in names:
                part = getattr(vector_math, name)
                if name != "_LN2_SHORT":
                    assert part == float(value)
                value -= part
        assert int(mpmath.ldexp(1 / (2 * mpmath.pi), 1152)) == vector_math._TURN_BITS
    assert vector_math._LN2_SHORT * 2.0**42 % 1 == 0
