"""JAX: the same generated source run with jax.numpy, Runge-Kutta by `lax.scan`, members by `vmap`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from equations import FIXED_POINT_ITERATIONS, FIXED_POINT_TOLERANCE, Equations, symbolic_functions
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _names() -> dict[str, Any]:
    import jax.numpy as jnp

    def interpolate(tab: Any, first: int, n: int, extrapolate: int, x: Any) -> Any:
        xs, ys = np.array(tab[first : first + n]), np.array(tab[first + n : first + 2 * n])
        if not extrapolate:
            x = jnp.clip(x, xs[0], xs[-1])
        slopes = np.diff(ys) / np.diff(xs)
        value = ys[0] + slopes[0] * (x - xs[0])
        for k in range(1, n - 1):
            value = jnp.where(x >= xs[k], ys[k] + slopes[k] * (x - xs[k]), value)
        return value

    same = ("exp", "log", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor", "where", "logical_and")
    return {
        **{name: getattr(jnp, name) for name in same},
        "logical_or": jnp.logical_or,
        "logical_not": jnp.logical_not,
        "pow": jnp.power,
        "abs": jnp.abs,
        "max": lambda *a: functools.reduce(jnp.maximum, a),
        "min": lambda *a: functools.reduce(jnp.minimum, a),
        "interpolate": interpolate,
    }


class Jax:
    """Fixed-step runs compiled by XLA; float64. The state is a tuple of scalars, so that `vmap` makes it vectors."""

    def __init__(self, equations: Equations) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.equations = equations
        self._functions = symbolic_functions(equations.source, _names())
        self.one = jax.jit(self.trajectory)
        self.many = jax.jit(jax.vmap(self.trajectory))

        def twice(row: Any) -> Any:
            values = self.trajectory(row, looped=True)
            return values, values

        self._jacobian = jax.jit(jax.jacfwd(twice, has_aux=True))

    def run(self, row: Floats) -> Floats:
        return np.asarray(self.one(row))

    def members(self, rows: Floats) -> Floats:
        """Values: members, dates, outputs."""
        return np.asarray(self.many(rows))

    def gradient(self, row: Floats) -> tuple[Floats, Floats]:
        """Values, and derivatives by the varied parameters."""
        jacobian, values = self._jacobian(row)
        return np.asarray(values), np.asarray(jacobian)

    def trajectory(self, row: Any, looped: bool = False) -> Any:
        """Reported outputs of one member: dates, outputs.

        With `looped` the stages of a step are a loop: slower for members, but XLA compiles and runs derivatives of
        it many times faster.
        """
        import jax.numpy as jnp
        from jax import lax

        e = self.equations
        p: list[Any] = [float(x) for x in e.base]
        for j, place in enumerate(e.places.tolist()):
            p[place] = row[j]
        if e.has_constants:
            self._functions["constants"](p, e.tables)
        x = self._start(p)
        lengths = np.diff(e.nodes) / e.steps[: e.nodes.size - 1]
        counts = e.steps[: e.nodes.size - 1]
        same = int(counts[0]) if (counts == counts[0]).all() else None
        step = self._looped_step if looped else self._step

        def stretch(x: Any, k: Any) -> tuple[Any, Any]:
            t0, h, count, s = (jnp.asarray(a)[k] for a in (e.nodes, lengths, e.steps, e.switches))
            bound = count if same is None else same
            x = lax.fori_loop(0, bound, lambda j, x: step(t0 + j * h, h, x, p, s), x)
            return x, x

        _, states = lax.scan(stretch, x, jnp.arange(e.nodes.size - 1))
        whole = [jnp.concatenate([jnp.asarray(a)[None], b]) for a, b in zip(x, states, strict=True)]
        return self._observe(whole, p)

    def _observe(self, states: list[Any], p: list[Any]) -> Any:
        import jax.numpy as jnp

        e = self.equations
        out: list[Any] = [None] * e.n_outputs
        at = [x[e.report] for x in states]
        switches = [e.switches[e.report, i] for i in range(e.switches.shape[1])]
        self._functions["observe"](e.nodes[e.report], at, p, switches, e.tables, out)
        return jnp.stack([jnp.broadcast_to(out[c], (e.report.size,)) for c in e.columns], axis=1)

    def _rates(self, t: Any, x: Any, p: list[Any], s: Any) -> list[Any]:
        dx: list[Any] = [None] * self.equations.n_stocks
        self._functions["rhs"](t, x, p, s, self.equations.tables, dx)
        return dx

    def _step(self, t: Any, h: Any, x: Any, p: list[Any], s: Any) -> Any:
        def moved(length: Any, k: Any) -> list[Any]:
            return [a + length * b for a, b in zip(x, k, strict=True)]

        k1 = self._rates(t, x, p, s)
        k2 = self._rates(t + 0.5 * h, moved(0.5 * h, k1), p, s)
        k3 = self._rates(t + 0.5 * h, moved(0.5 * h, k2), p, s)
        k4 = self._rates(t + h, moved(h, k3), p, s)
        total = [a + 2.0 * b + 2.0 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)]
        return tuple(moved(h / 6.0, total))

    def _looped_step(self, t: Any, h: Any, x: Any, p: list[Any], s: Any) -> Any:
        """The same with the four stages as one loop."""
        import jax.numpy as jnp
        from jax import lax

        def stage(carry: Any, numbers: Any) -> tuple[Any, None]:
            k, total = carry
            place, weight = numbers
            y = [a + h * place * b for a, b in zip(x, k, strict=True)]
            k = tuple(self._rates(t + place * h, y, p, s))
            return (k, tuple(a + weight * b for a, b in zip(total, k, strict=True))), None

        nothing = tuple(jnp.zeros_like(a) for a in x)
        numbers = (jnp.array([0.0, 0.5, 0.5, 1.0]), jnp.array([1.0, 2.0, 2.0, 1.0]))
        (_, total), _ = lax.scan(stage, (nothing, nothing), numbers)
        return tuple(a + h / 6.0 * b for a, b in zip(x, total, strict=True))

    def _start(self, p: list[Any]) -> Any:
        import jax.numpy as jnp
        from jax import lax

        e = self.equations
        s = e.switches[0]
        u: Any = [jnp.asarray(g) for g in e.guesses]
        if u:

            def iterate(carry: Any) -> Any:
                u, _, count = carry
                new: list[Any] = [None] * len(u)
                self._functions["unknowns"](e.start, p, s, e.tables, u, new)
                moves = [0.5 * jnp.log(b / a) for a, b in zip(u, new, strict=True)]
                change = functools.reduce(jnp.maximum, [jnp.abs(m) for m in moves])
                return tuple(a * jnp.exp(m) for a, m in zip(u, moves, strict=True)), change, count + 1

            def unfinished(carry: Any) -> Any:
                return (carry[1] >= FIXED_POINT_TOLERANCE) & (carry[2] < FIXED_POINT_ITERATIONS)

            u, _, _ = lax.while_loop(unfinished, iterate, (tuple(u), jnp.asarray(1.0), 0))
        x: list[Any] = [None] * e.n_stocks
        self._functions["initial"](e.start, p, s, e.tables, u, x)
        return tuple(jnp.log(a) if log else jnp.asarray(a, dtype=float) for a, log in zip(x, e.log, strict=True))
