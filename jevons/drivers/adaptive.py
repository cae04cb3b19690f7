"""Members integrated with steps of their own: Dormand and Prince 5(4), dense output, restart at break points.

Sources: Dormand & Prince (1980), J. Comput. Appl. Math. 6, 19-26; dense output and step control of Hairer, Nørsett &
Wanner (1993), Solving Ordinary Differential Equations I, II.4-II.6.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]
LANES: int
FINISHED: int
DIVERGED: int
STEP_BUDGET: int
rhs: Function
fail: Function
first_bad: Function
lay_nodes: Function
record: Function
switch_on: Function

NODES = np.array([1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0])
WEIGHTS = np.array(
    [
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])
DENSE = np.array(
    [
        -12715105075 / 11282082432,
        0,
        87487479700 / 32700410799,
        -10690763975 / 1880347072,
        701980252875 / 199316789632,
        -1453857185 / 822651844,
        69997945 / 29380423,
    ]
)


def first_step(n, lane, x, k1, rtol, atol, length):
    """A step in which the state moves by about a hundredth of itself."""
    size, speed = 0.0, 0.0
    for i in range(n):
        weight = atol + rtol * abs(x[i * LANES + lane])
        size += (x[i * LANES + lane] / weight) ** 2
        speed += (k1[i * LANES + lane] / weight) ** 2
    if size <= 1e-10 * n or speed <= 1e-10 * n or not np.isfinite(speed):
        return min(1e-6, length)
    return min(0.01 * np.sqrt(size / speed), length)


def dense_output(n, lane, t, h, x, z, k, report, next_report, states):
    """States of one lane at the reported dates inside the step just accepted (fourth order)."""
    reached = t[lane] + h[lane]
    while next_report[lane] < report.size and report[next_report[lane]] <= reached:
        theta = (report[next_report[lane]] - t[lane]) / h[lane]
        for i in range(n):
            m = i * LANES + lane
            moved = z[m] - x[m]
            bend = h[lane] * k[0, m] - moved
            last = 0.0
            for j in range(7):
                last += DENSE[j] * k[j, m]
            inner = moved - h[lane] * k[6, m] - bend + (1.0 - theta) * h[lane] * last
            value = x[m] + theta * (moved + (1.0 - theta) * (bend + theta * inner))
            states[next_report[lane], m] = z[m] if theta == 1.0 else value
        next_report[lane] += 1


def stages(n, t, h, step, x, p, s, tab, stage, y, k):
    """Stages 2 to 7 of Dormand and Prince; `y` holds the new state at the end."""
    for j in range(6):
        for lane in range(LANES):
            stage[lane] = t[lane] + NODES[j] * h[lane]
        for i in range(n * LANES):
            y[i] = 0.0
        for m in range(j + 1):
            weight = WEIGHTS[j, m]
            row = k[m]
            for i in range(n * LANES):
                y[i] += weight * row[i]
        for i in range(n * LANES):
            y[i] = x[i] + step[i] * y[i]
        rhs(stage, y, p, s, tab, k[j + 1])


def error_norm(n, lane, h, x, z, k, rtol, atol):
    """Root mean square of the embedded error over its tolerance."""
    total = 0.0
    for i in range(n):
        m = i * LANES + lane
        difference = 0.0
        for j in range(7):
            difference += ERROR[j] * k[j, m]
        total += (h[lane] * difference / (atol + rtol * max(abs(x[m]), abs(z[m])))) ** 2
    return np.sqrt(total / n) if n else 0.0


def integrate(
    first, n, x, p, s, tab, dates, n_dates, start, report, knots, columns, lengths, order, dt, rtol, atol, max_steps,
    out, values, codes, reached, culprit,
):  # fmt: skip
    """Integrate every lane with steps of its own; dense output at reported dates, restart at break points."""
    size = n * LANES
    k, z, step, states = np.empty((7, size)), np.empty(size), np.empty(size), np.full((report.size, size), np.nan)
    t, h, stage, middle = np.empty(LANES), np.zeros(LANES), np.empty(LANES), np.empty(LANES)
    until, last_error = np.empty(LANES), np.full(LANES, 1e-4)
    node, next_report = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    counted, wanted = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    running, fresh = np.zeros(LANES, np.bool_), np.ones(LANES, np.bool_)
    n_nodes = 2 + knots.size + n_dates
    nodes, unused = np.empty(n_nodes * LANES), np.empty(n_nodes * LANES, np.int64)
    lay_nodes(start, report[-1:], knots, dates, n_dates, nodes, unused)
    for lane in range(LANES):
        t[lane] = until[lane] = middle[lane] = nodes[lane]
        member = first + lane
        if member >= codes.size or codes[member] != FINISHED:
            continue
        if report[0] <= t[lane]:
            for i in range(n):
                states[0, i * LANES + lane] = x[i * LANES + lane]
            next_report[lane] = 1
        running[lane] = next_report[lane] < report.size
    while True:
        restart, going = False, False
        for lane in range(LANES):
            going = going or running[lane]
            if running[lane] and t[lane] >= until[lane]:
                while until[lane] <= t[lane]:
                    node[lane] += 1
                    until[lane] = nodes[node[lane] * LANES + lane]
                middle[lane] = 0.5 * (t[lane] + until[lane])
                fresh[lane] = True
                restart = True
        if not going:
            break
        if restart:
            switch_on(middle, 0.0, dates, n_dates, s)
            rhs(t, x, p, s, tab, k[0])
        for lane in range(LANES):
            left = until[lane] - t[lane]
            if running[lane] and fresh[lane]:
                h[lane] = first_step(n, lane, x, k[0], rtol, atol, left)
                fresh[lane] = False
            if h[lane] > left * (1.0 - 1e-10):
                h[lane] = left
        for i in range(n):
            for lane in range(LANES):
                step[i * LANES + lane] = h[lane]
        stages(n, t, h, step, x, p, s, tab, stage, z, k)
        for lane in range(LANES):
            if not running[lane]:
                continue
            member = first + lane
            counted[lane] += 1
            error = error_norm(n, lane, h, x, z, k, rtol, atol)
            if not error <= 1.0:
                h[lane] *= max(0.2, 0.9 * error**-0.2) if np.isfinite(error) else 0.2
                if h[lane] < 1e-14 * max(abs(t[lane]), 1e-3):
                    fail(member, DIVERGED, t[lane], max(first_bad(z, n, lane), 0), codes, reached, culprit)
                    running[lane] = False
            else:
                dense_output(n, lane, t, h, x, z, k, report, next_report, states)
                t[lane] = until[lane] if h[lane] >= until[lane] - t[lane] else t[lane] + h[lane]
                h[lane] *= min(5.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.17 * last_error[lane] ** 0.04))
                last_error[lane] = max(error, 1e-4)
                for i in range(n):
                    x[i * LANES + lane] = z[i * LANES + lane]
                    k[0, i * LANES + lane] = k[6, i * LANES + lane]
                running[lane] = next_report[lane] < report.size
            if running[lane] and counted[lane] >= max_steps:
                fail(member, STEP_BUDGET, t[lane], -1, codes, reached, culprit)
                running[lane] = False
    for r in range(report.size):
        for lane in range(LANES):
            t[lane] = report[r]
            member = min(first + lane, codes.size - 1)
            going = codes[member] == FINISHED or reached[member] >= report[r]
            wanted[lane] = r if going and r < next_report[lane] else -1
        record(t, states[r], p, s, tab, dates, n_dates, columns, wanted, first, out, values, codes, reached, culprit)
