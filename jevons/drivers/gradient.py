"""One member with the derivatives of its outputs along directions: discretise, then differentiate.

Values are computed once; directions lie in lanes, `LANES` a block: the direction of a quantity ``x`` of `n` stocks
is ``xd[block, i*LANES + lane]``. Dates that move with a parameter move the nodes of the time grid.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]
LANES: int
constants_tangent: Function
rhs_tangent: Function
observe_tangent: Function
switches_tangent: Function
unknowns_tangent: Function
initial_tangent: Function

FINISHED, DIVERGED, NON_FINITE_INPUT, NOT_SOLVED = 0, 1, 3, 4
FIXED_POINT_ITERATIONS = 5_000
FIXED_POINT_TOLERANCE = 1e-14
STALLED_TOLERANCE = 1e-9
SAME_DATE = 1e-9
EULER, MIDPOINT = 1, 2


def first_not_finite(x):
    """First element that is not finite, -1 if all are."""
    for i in range(x.size):
        if not np.isfinite(x[i]):
            return i
    return -1


def solve_unknowns_tangent(t, p, s, tab, guesses, u, new, pd, ud, newd):
    """Damped fixed point of the initial unknowns and of its derivative; whether it was found."""
    n = guesses.size
    for i in range(n):
        u[i] = guesses[i]
    change = np.inf
    for _ in range(FIXED_POINT_ITERATIONS if n else 0):
        unknowns_tangent(t, p, s, tab, u, new, pd, ud, newd)
        change = 0.0
        for i in range(n):
            if not new[i] > 0.0 or not np.isfinite(new[i]):
                return False
            mean = np.sqrt(u[i] * new[i])
            change = max(change, abs(np.log(mean / u[i])))
            largest, moved = 0.0, 0.0
            for block in range(ud.shape[0]):
                for lane in range(LANES):
                    k = i * LANES + lane
                    mean_d = 0.5 * (ud[block, k] * new[i] + u[i] * newd[block, k]) / mean
                    moved = max(moved, abs(mean_d - ud[block, k]))
                    largest = max(largest, abs(mean_d))
                    ud[block, k] = mean_d
            u[i] = mean
            if moved > 0.0:
                change = max(change, moved / largest)
        if change < FIXED_POINT_TOLERANCE:
            return True
    return n == 0 or change < STALLED_TOLERANCE


def lay_moving_nodes(start, report, knots, dates, dates_d, nodes, nodes_d, node_report, place_of):
    """Nodes in rising order with their directions; break points outside the run are put on its ends and held.

    A break point on a reported date comes after it, at no distance: moving it later lengthens that interval.
    """
    end = report[-1]
    nodes[0] = start
    node_report[0] = -1
    origin = np.empty(nodes.size, np.int64)
    origin[0] = -1
    count = 1
    for group in range(3):
        size = report.size if group == 0 else knots.size if group == 1 else dates.size
        for j in range(size):
            value = report[j] if group == 0 else knots[j] if group == 1 else dates[j]
            held = group < 2 or not start < value < end
            if group:
                value = min(max(value, start), end)
            place = count
            while place > 1 and nodes[place - 1] > value:
                nodes[place] = nodes[place - 1]
                node_report[place] = node_report[place - 1]
                origin[place] = origin[place - 1]
                place -= 1
            nodes[place] = value
            node_report[place] = j if group == 0 else -1
            origin[place] = -1 if held else j
            count += 1
    for j in range(dates.size):
        place_of[j] = 0 if dates[j] <= start else nodes.size
    for place in range(nodes.size):
        if origin[place] >= 0:
            place_of[origin[place]] = place
        for block in range(nodes_d.shape[0]):
            for lane in range(LANES):
                date = origin[place] * LANES + lane
                nodes_d[block, place * LANES + lane] = dates_d[block, date] if origin[place] >= 0 else 0.0


def advance(x, xd, h, hd, moving, k, kd, factor, y, yd):
    """``y = x + factor h k`` and its direction."""
    for i in range(x.size):
        y[i] = x[i] + factor * h * k[i]
    for block in range(xd.shape[0]):
        for m in range(xd.shape[1]):
            yd[block, m] = xd[block, m] + factor * h * kd[block, m]
        if moving:
            for i in range(x.size):
                for lane in range(LANES):
                    yd[block, i * LANES + lane] += factor * hd[block, lane] * k[i]


def run_gradient(
    p, pd, x_seed, start, report, knots, columns, lengths, guesses, is_log, tab, n_dates, n_outputs, order, dt,
    values, gradients,
):  # fmt: skip
    """Run one member with directions.

    Parameters
    ----------
    p : (n_vector,), pd : (blocks, n_vector*LANES)
        Parameters and their directions; the constants behind them are computed here.
    x_seed : (blocks, n*LANES)
        Directions of the initial values, natural units.
    values : (dates, columns), gradients : (dates, columns, blocks*LANES)

    Returns
    -------
    code, reached, culprit
    """
    n, blocks, n_u = is_log.size, pd.shape[0], max(guesses.size, 1)
    x, y, total = np.empty(n), np.empty(n), np.empty(n)
    xd, yd, total_d = x_seed.copy(), np.empty_like(x_seed), np.empty_like(x_seed)
    k, kd = np.empty(n), np.empty_like(x_seed)
    dates, dates_d = np.empty(n_dates), np.zeros((blocks, n_dates * LANES))
    s, out, outd = np.zeros(n_dates), np.empty(n_outputs), np.zeros((blocks, n_outputs * LANES))
    u, new = np.empty(n_u), np.empty(n_u)
    ud, newd = np.zeros((blocks, n_u * LANES)), np.zeros((blocks, n_u * LANES))
    td, hd, stage_d = np.zeros((blocks, LANES)), np.zeros((blocks, LANES)), np.zeros((blocks, LANES))
    n_nodes = 1 + report.size + knots.size + n_dates
    nodes, nodes_d = np.empty(n_nodes), np.zeros((blocks, n_nodes * LANES))
    node_report, place_of = np.empty(n_nodes, np.int64), np.empty(n_dates, np.int64)

    switches_tangent(p, dates, pd, dates_d)
    for i in range(n_dates):
        s[i] = 1.0 if start >= dates[i] else 0.0
    constants_tangent(p, tab, pd)
    if not solve_unknowns_tangent(start, p, s, tab, guesses, u, new, pd, ud, newd):
        return NOT_SOLVED, start, -1
    initial_tangent(start, p, s, tab, u, x, pd, ud, yd)
    for i in range(n):
        for block in range(blocks):
            for lane in range(LANES):
                m = i * LANES + lane
                xd[block, m] += yd[block, m]
                if is_log[i]:
                    xd[block, m] /= x[i]
        if is_log[i]:
            x[i] = np.log(x[i])

    lay_moving_nodes(start, report, knots, dates, dates_d, nodes, nodes_d, node_report, place_of)
    taken = 0
    for node in range(n_nodes):
        bad = first_not_finite(x)
        if bad >= 0:
            return DIVERGED, nodes[node], bad
        r = node_report[node]
        if r >= 0:
            for i in range(n_dates):
                s[i] = 1.0 if nodes[node] >= dates[i] - SAME_DATE else 0.0
            for block in range(blocks):
                for lane in range(LANES):
                    td[block, lane] = 0.0
            observe_tangent(nodes[node], x, p, s, tab, out, td, xd, pd, outd)
            for j in range(columns.size):
                values[r, j] = out[columns[j]]
                if not np.isfinite(values[r, j]):
                    return DIVERGED, nodes[node], columns[j]
                for block in range(blocks):
                    for lane in range(LANES):
                        gradients[r, j, block * LANES + lane] = outd[block, columns[j] * LANES + lane]
        if node == n_nodes - 1:
            break
        length = nodes[node + 1] - nodes[node]
        steps = max(1, int(np.ceil(length / dt - 1e-6)))
        h = length / steps
        if lengths.size and length > 0.0:
            steps, h = 1, lengths[taken]
            taken += 1
        moving = False
        for block in range(blocks):
            for lane in range(LANES):
                first, last = nodes_d[block, node * LANES + lane], nodes_d[block, (node + 1) * LANES + lane]
                hd[block, lane] = (last - first) / steps
                moving = moving or hd[block, lane] != 0.0
        for i in range(n_dates):
            s[i] = 1.0 if place_of[i] <= node else 0.0
        for j in range(steps):
            t = nodes[node] + j * h
            for block in range(blocks):
                for lane in range(LANES):
                    td[block, lane] = nodes_d[block, node * LANES + lane] + j * hd[block, lane]
            rhs_tangent(t, x, p, s, tab, k, td, xd, pd, kd)
            if order == EULER:
                advance(x, xd, h, hd, moving, k, kd, 1.0, x, xd)
                continue
            if order == MIDPOINT:
                advance(x, xd, h, hd, moving, k, kd, 0.5, y, yd)
                for block in range(blocks):
                    for lane in range(LANES):
                        stage_d[block, lane] = td[block, lane] + 0.5 * hd[block, lane]
                rhs_tangent(t + 0.5 * h, y, p, s, tab, k, stage_d, yd, pd, kd)
                advance(x, xd, h, hd, moving, k, kd, 1.0, x, xd)
                continue
            advance(x, xd, h, hd, moving, k, kd, 1.0 / 6.0, total, total_d)
            for stage in range(3):
                part = 0.5 if stage < 2 else 1.0
                advance(x, xd, h, hd, moving, k, kd, part, y, yd)
                for block in range(blocks):
                    for lane in range(LANES):
                        stage_d[block, lane] = td[block, lane] + part * hd[block, lane]
                rhs_tangent(t + part * h, y, p, s, tab, k, stage_d, yd, pd, kd)
                weight = 1.0 / 3.0 if stage < 2 else 1.0 / 6.0
                advance(total, total_d, h, hd, moving, k, kd, weight, total, total_d)
            advance(total, total_d, 0.0, hd, False, k, kd, 0.0, x, xd)
    return FINISHED, report[-1], -1
