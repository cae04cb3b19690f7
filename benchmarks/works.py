"""What is measured of a case: a single run, an ensemble, a gradient; ours first, then the peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import Case
from equations import equations
from measure import Peer, Ready, Result, compare, relative_error
from numpy.typing import NDArray
from ours import Ours, adaptive, euler
from peers_c import CProgram
from peers_casadi import RTOL, Casadi
from peers_jax import Jax
from peers_numba import PlainNumba
from peers_sd import PySD, Simlin

Floats = NDArray[np.float64]

THREADS = 2
SAME_METHOD = 1e-9
"""Difference allowed to a peer that takes the same steps."""
OTHER_METHOD = 1e-5
"""Difference allowed to a method with steps of its own."""
KINKED = 2e-3
"""Difference allowed to gradients of another method where a table has kinks.

The derivative of the discrete solution is off by the order of one step where a run passes a kink inside a step.
"""
DIFFERENCES = 1e-3
"""Difference allowed to finite differences."""
CHECKED = 203
"""Members whose trajectories are compared: no multiple of eight."""
STEP = 1e-7
"""Relative step of finite differences."""


def _ready(run: Callable[[], Floats], expected: Floats, limit: float, note: str = "") -> Ready:
    return Ready(run, relative_error(run(), expected), limit, note)


def single(case: Case, repetitions: int, budget: float) -> list[Result]:
    """One run from the start to the end; models loaded and code compiled before."""
    row = case.centre
    ours, by_euler, e = Ours(case), Ours(case, "Euler"), equations(case)
    expected = ours.run(row)

    def prepared(run: Callable[[Floats], Floats], limit: float, note: str) -> Ready:
        return _ready(lambda: run(row), expected, limit, note)

    def interpreted() -> Ready:
        casadi = Casadi(e)
        return prepared(casadi.run, OTHER_METHOD, f"rtol {RTOL:g}; CasADi's virtual machine")

    def compiled() -> Ready:
        casadi = Casadi(e, compiled=True)
        return prepared(casadi.run, OTHER_METHOD, f"rtol {RTOL:g}; right-hand side compiled by gcc")

    peers = [
        Peer("jevons, RK4, compiled", lambda: Ready(lambda: ours.run(row), note="`Simulation.run_vector`")),
        Peer("jevons, Euler, compiled", lambda: Ready(lambda: by_euler.run(row), note="to compare with PySD")),
        Peer("jevons, RK4, plain Python", lambda: prepared(ours.run_python, SAME_METHOD, "`Simulation.run`")),
        Peer("PySD, Euler", lambda: _ready(PySD(case).run, euler(case, row), SAME_METHOD, "checked against our Euler")),
        Peer("pysimlin, RK4", lambda: _ready(Simlin(case).run, expected, SAME_METHOD)),
        Peer(
            "scipy LSODA, plain Python",
            lambda: prepared(lambda r: adaptive(case, r), OTHER_METHOD, "`model.run`, rtol 1e-9; whole trajectory"),
        ),
        Peer("CasADi/CVODES", interpreted),
        Peer("CasADi/CVODES, gcc", compiled),
        Peer("JAX, RK4", lambda: prepared(Jax(e).run, SAME_METHOD, "")),
    ]
    return compare("single run", case.name, peers, repetitions, budget)


def ensemble(case: Case, repetitions: int, budget: float, members: int) -> list[Result]:
    """Many runs on two threads."""
    rows, few = case.rows(members), case.rows(CHECKED, seed=2)
    ours, e = Ours(case), equations(case)
    expected = ours.members(few, THREADS)

    def prepared(run: Callable[[Floats], Floats], note: str) -> Ready:
        return Ready(lambda: run(rows), relative_error(run(few), expected), SAME_METHOD, note)

    def c_program() -> Ready:
        program = CProgram(e)
        error = relative_error(program.run(few, THREADS), expected)
        note = "the limit: own time of a C program, " + " ".join(program.flags)
        return Ready(lambda: program.seconds(rows, THREADS), error, SAME_METHOD, note)

    peers = [
        Peer("jevons", lambda: Ready(lambda: ours.members(rows, THREADS))),
        Peer("C, lanes, OpenMP", c_program),
        Peer("plain numba, prange", lambda: prepared(PlainNumba(e, THREADS).run, "one member at a time")),
        Peer("JAX, vmap", lambda: prepared(Jax(e).members, "jit, float64; XLA's own threads")),
    ]
    work = f"ensemble of {members:,}, RK4, {THREADS} threads"
    results = compare(work, case.name, peers, repetitions, budget)
    for result in results:
        if result.seconds:
            result.note = "; ".join(filter(None, [f"{1e6 * result.median / members:.3g} µs a member", result.note]))
    return results


def gradient(case: Case, repetitions: int, budget: float) -> list[Result]:
    """Derivatives of all reported outputs at all dates by the varied parameters, and the values, of one run."""
    row, k = case.centre, case.centre.size
    ours, e = Ours(case), equations(case)
    _, expected = ours.gradient(row)

    def error(found: Floats) -> float:
        """Of derivatives by relative changes of parameters; relative to the largest over the dates.

        What is less than a thousandth of the largest of its output is measured against that thousandth.
        """
        size = np.abs(expected * row).max(axis=0)
        size = np.maximum(size, 1e-3 * size.max(axis=1, keepdims=True))
        return float((np.abs(found - expected) * row / size).max()) if np.isfinite(found).all() else float("inf")

    def prepared(run: Callable[[Floats], tuple[Floats, Floats]], limit: float, note: str = "") -> Ready:
        return Ready(lambda: run(row), error(run(row)[1]), limit, note)

    def casadi(compiled: bool) -> Ready:
        peer = Casadi(e, compiled)
        peer.prepare_gradient()
        note = f"{k} forward sensitivities at once, rtol {RTOL:g}"
        limit = KINKED if len(e.tables) > 1 else 10 * OTHER_METHOD
        return prepared(peer.gradient, limit, note + ("; compiled by gcc" if compiled else ""))

    def differences(row: Floats) -> tuple[Floats, Floats]:
        steps = STEP * np.abs(row)
        runs = ours.members(np.vstack([row, row + np.diag(steps)]), threads=1)
        return runs[0], np.moveaxis((runs[1:] - runs[0]), 0, -1) / steps

    peers = [
        Peer("jevons, exact", lambda: Ready(lambda: ours.gradient(row))),
        Peer(
            "finite differences, jevons",
            lambda: prepared(differences, DIFFERENCES, f"{k} further runs as members of an ensemble, one thread"),
        ),
        Peer("CasADi/CVODES", lambda: casadi(False)),
        Peer("CasADi/CVODES, gcc", lambda: casadi(True)),
        Peer("JAX, jacfwd", lambda: prepared(Jax(e).gradient, SAME_METHOD, "through RK4; stages of a step as a loop")),
    ]
    return compare(f"gradient by {k} parameters", case.name, peers, repetitions, budget)


WORKS: dict[str, Any] = {"single": single, "ensemble": ensemble, "gradient": gradient}
