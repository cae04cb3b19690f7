"""Members integrated with steps of equal length between nodes: Euler, midpoint rule and classical Runge-Kutta."""
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]
LANES: int
FINISHED: int
DIVERGED: int
rhs: Function
fail: Function
first_bad: Function
lay_nodes: Function
record: Function
switch_on: Function
EULER, MIDPOINT = 1, 2


def integrate(
    first, n, x, p, s, tab, dates, n_dates, start, report, knots, columns, lengths, order, dt, rtol, atol, max_steps,
    out, values, codes, reached, culprit,
):  # fmt: skip
    """Integrate all lanes with steps of equal length between nodes; one of each of the `lengths`, if there are any."""
    size = n * LANES
    y, k1, k2, k3, k4 = np.empty(size), np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    t, h, stage, middle = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    steps, wanted = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    step, active = np.empty(size), np.empty(size, np.bool_)  # of every stock's lane: such loops become vectors
    n_nodes = 1 + report.size + knots.size + n_dates
    nodes, node_report = np.empty(n_nodes * LANES), np.empty(n_nodes * LANES, np.int64)
    lay_nodes(start, report, knots, dates, n_dates, nodes, node_report)
    taken = 0
    for node in range(n_nodes):
        here = node * LANES
        asked = False
        for lane in range(LANES):
            t[lane] = nodes[here + lane]
            member = first + lane
            bad = first_bad(x, n, lane)
            if bad >= 0:
                fail(member, DIVERGED, t[lane], bad, codes, reached, culprit)
            going = member < codes.size and codes[member] == FINISHED
            wanted[lane] = node_report[here + lane] if going else -1
            asked = asked or wanted[lane] >= 0
        if asked:
            record(t, x, p, s, tab, dates, n_dates, columns, wanted, first, out, values, codes, reached, culprit)
        if node == n_nodes - 1:
            return
        most = 0
        for lane in range(LANES):
            length = nodes[here + LANES + lane] - nodes[here + lane]
            steps[lane] = max(1, int(np.ceil(length / dt - 1e-6))) if length > 0.0 else 0
            most = max(most, steps[lane])
            h[lane] = length / steps[lane] if steps[lane] else 0.0
            if lengths.size and length > 0.0:
                steps[lane], h[lane] = 1, lengths[taken]
            middle[lane] = nodes[here + lane] + 0.5 * length
        taken += most > 0
        switch_on(middle, 0.0, dates, n_dates, s)
        for i in range(n):
            for lane in range(LANES):
                step[i * LANES + lane] = h[lane]
                active[i * LANES + lane] = steps[lane] > 0
        even = True
        for lane in range(LANES):
            even = even and steps[lane] == most
        for j in range(most):
            for lane in range(LANES):
                t[lane] = nodes[here + lane] + min(j, steps[lane]) * h[lane]
            if not even:
                for i in range(n):
                    for lane in range(LANES):
                        active[i * LANES + lane] = j < steps[lane]
            rhs(t, x, p, s, tab, k1)
            if order == EULER:
                for k in range(size):
                    x[k] = x[k] + step[k] * k1[k] if active[k] else x[k]
                continue
            # The stages are written out: choosing arrays in a loop costs atomic reference counts each time.
            for lane in range(LANES):
                stage[lane] = t[lane] + 0.5 * h[lane]
            for k in range(size):
                y[k] = x[k] + 0.5 * step[k] * k1[k]
            rhs(stage, y, p, s, tab, k2)
            if order == MIDPOINT:
                for k in range(size):
                    x[k] = x[k] + step[k] * k2[k] if active[k] else x[k]
                continue
            for k in range(size):
                y[k] = x[k] + 0.5 * step[k] * k2[k]
            rhs(stage, y, p, s, tab, k3)
            for lane in range(LANES):
                stage[lane] = t[lane] + h[lane]
            for k in range(size):
                y[k] = x[k] + step[k] * k3[k]
            rhs(stage, y, p, s, tab, k4)
            for k in range(size):
                slope = (k1[k] + 2.0 * k2[k] + 2.0 * k3[k] + k4[k]) / 6.0
                x[k] = x[k] + step[k] * slope if active[k] else x[k]
