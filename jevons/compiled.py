"""Machine code of a system, compiled by numba and kept on disk.

The text of `jevons.drivers`, the functions over lanes and the vector mathematics become one module of generated
source, whose file name is its hash. numba keeps the machine code beside it, by processor and by its own version.
Where the folder (see `jevons.cache`) cannot be written to, compiling is repeated in every process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.resources
import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jevons import clearing
from jevons.cache import cache_folder, write_kept
from jevons.lanes import DIRECTIONS, MEMBERS, over_lanes
from jevons.recursion import deep_recursion
from jevons.special_functions import digamma, loggamma, normal_quantile, ratio
from jevons.system import PYTHON_NAMES, interpolate, interpolate_slope, interval

LANES = 16
"""Members that run side by side: two vectors of the widest processors, and enough to hide latencies."""
DIRECTION_LANES = 8
"""Directions in a block."""

# what compiled code depends on beside its own text
_SOURCES = ("clearing.py", "compiled.py", "special_functions.py", "system.py", "vector_math.py")

LONG_SOURCE = 20_000
"""Characters of generated source from which on compiling takes long enough to be announced."""

FIXED = {"Euler": 1, "RK2": 2, "RK4": 4}
ADAPTIVE = {"DOPRI5": 5}


_compiling = threading.RLock()  # Python's parser and numba's compiler are not to be entered by two threads


def member_kernel(source: str, adaptive: bool = False, lanes: int = LANES, exact: bool = False) -> Any:
    """Compiled `jevons.drivers.members.run_members` for a generated source.

    With `exact` every operation is rounded as it is written, as discrete functions of imported models need it.
    """
    with _compiling:
        return _member_kernel(source, adaptive, lanes, exact)


def gradient_kernel(tangents: str, exact: bool = False) -> Any:
    """Compiled `jevons.drivers.gradient.run_gradient` for the source of `jevons.codegen.generate_tangents`."""
    with _compiling:
        return _gradient_kernel(tangents, exact)


@functools.lru_cache(maxsize=64)
def _member_kernel(source: str, adaptive: bool, lanes: int, exact: bool) -> Any:
    drivers = _text("drivers/members.py") + _text("drivers/adaptive.py" if adaptive else "drivers/fixed.py")
    generated = over_lanes(source, MEMBERS, lanes)
    what = f"the model for {lanes} lane{'s' if lanes > 1 else ''}"
    return _compile(drivers + generated, "run_members", lanes, lanes > 1, what, exact)


@functools.lru_cache(maxsize=64)
def _gradient_kernel(tangents: str, exact: bool) -> Any:
    generated = over_lanes(tangents, DIRECTIONS, DIRECTION_LANES, blocks=True)
    text = _text("drivers/gradient.py") + generated
    return _compile(text, "run_gradient", DIRECTION_LANES, False, "the model's derivatives", exact)


def _text(name: str) -> str:
    return (
        importlib.resources.files("jevons")
        .joinpath(name)
        .read_text(encoding="utf-8")
        .replace("from __future__ import annotations\n", "")
    )


def _compile(text: str, entry: str, lanes: int, vectors: bool, what: str, exact: bool) -> Any:
    """Compiled entry of a module of generated source; loaded from disk where it has been compiled before.

    With `vectors` it calls the vector mathematics, else that of the processor's library: faster one by one.
    """
    import numba
    import numpy as np

    from jevons.vector_math import vector_functions

    digest = _digest(text, str(lanes), str(exact), numba.__version__)
    path = _module_file(digest, text)
    liberties = False if exact else {"contract", "nsz", "arcp"}
    jit = functools.partial(numba.njit, nogil=True, error_model="numpy", fastmath=liberties)
    namespace: dict[str, Any] = {
        **{name: value for name, value in PYTHON_NAMES.items() if value is getattr(math, name, None)},
        **(vector_functions() if vectors else {}),
        "__name__": __name__,  # numba looks it up when it loads machine code
        "LANES": lanes,
        "floor": np.floor,
        "ceil": np.ceil,
        "empty": np.empty,
        "prefer_wide_vectors": _wide_vectors(),
    }
    inner_calls = {function.__name__: jit(function) for function in (interval, ratio)}
    own = (interpolate, interpolate_slope, loggamma, digamma, *(() if vectors else (normal_quantile,)))
    for function in own:
        namespace[function.__name__] = jit(_with_global(function, **inner_calls))
    market: dict[str, Any] = {}
    for function in (
        clearing._reach,
        clearing.market_share,
        clearing.market_share_slope,
        clearing.market_price,
        clearing.market_price_slope,
    ):
        market[function.__name__] = jit(_with_global(function, **market))
    namespace.update(market)
    namespace["noise"] = vector_functions()["noise"]  # the same bits everywhere
    exec(compile(text, str(path or "<generated system>"), "exec"), namespace)
    functions = [name for name, value in namespace.items() if _made_here(value, path)]
    for name in functions:  # numba names machine code by it: two models must not share a name in one process
        namespace[name].__qualname__ = namespace[name].__name__ = f"{name}_{digest}"
    inner = functools.partial(jit, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    namespace.update({name: inner(namespace[name]) for name in functions if name != entry})
    namespace["LANES"] = lanes
    if path is None:
        return jit(namespace[entry])
    return _Kept(lambda: jit(namespace[entry], cache=True), jit(namespace[entry]), path, what)


def _made_here(value: Any, path: Path | None) -> bool:
    code = getattr(value, "__code__", None)
    return code is not None and code.co_filename == str(path or "<generated system>")


class _Kept:
    """A compiled function whose machine code is kept on disk if that succeeds.

    Reading or writing it can fail (a full disk, a damaged file); what fails is removed and made again, or done without.
    """

    def __init__(self, make: Callable[[], Any], unkept: Any, path: Path, what: str) -> None:
        self._make, self._unkept, self._path, self._what = make, unkept, path, what
        self._ready: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self._ready is None:
            with _compiling:
                self._ready = self._ready or self._prepare(arguments)
        return self._ready(*arguments)

    @deep_recursion()
    def _prepare(self, arguments: tuple[Any, ...]) -> Any:
        if not self._files() and self._path.stat().st_size > LONG_SOURCE:
            print(f"compiling {self._what} (kept for later runs)", file=sys.stderr)
        for _ in range(2):
            try:
                function = self._make()
            except RuntimeError:  # numba finds no folder it can write to
                break
            signature = tuple(function.typeof_pyval(a) for a in arguments)
            try:
                function.compile(signature)
            except Exception:
                self._remove()
            if signature in function.overloads:  # compiled, if perhaps not written
                return function
        return self._unkept

    def _files(self) -> list[Path]:
        return list(self._path.parent.glob(f"__pycache__/{self._path.stem}*"))

    def _remove(self) -> None:
        for file in self._files():
            with contextlib.suppress(OSError):
                file.unlink()


def _digest(*parts: str) -> str:
    versions = (importlib.metadata.version("jevons"), *map(_text, _SOURCES), sys.version)
    return hashlib.sha256("\0".join((*parts, *versions)).encode()).hexdigest()[:24]


def _module_file(digest: str, text: str) -> Path | None:
    """File that stands for the generated module; None where none can be written."""
    name = f"kernel_{digest}.py"
    path = cache_folder() / name
    return path if path.exists() else write_kept(name, text)


def _with_global(function: Any, **replaced: Any) -> Any:
    """The same function with some of its globals replaced (by their compiled versions)."""
    import types

    return types.FunctionType(function.__code__, {**function.__globals__, **replaced}, function.__name__)


@functools.cache
def _wide_vectors() -> Any:
    """A call that frees its function: vectors of 512 bits where there are any, arguments without aliases."""
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def prefer_wide_vectors(typing: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            function = builder.function
            set.add(function.attributes, '"prefer-vector-width"="512"')  # a text attribute, which `add` does not know
            for argument in function.args:
                if isinstance(argument.type, ir.PointerType):
                    argument.add_attribute("noalias")
            return context.get_dummy_value()

        return types.none(), generate

    return prefer_wide_vectors
