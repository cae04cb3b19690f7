"""A run of members over lanes: parameters, start, break points and outputs.

A quantity ``x`` of `n` stocks in all lanes is the flat array ``x[i*LANES + lane]``.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Function = Callable[..., None]
LANES: int
constants: Function
rhs: Function
observe: Function
switches: Function
unknowns: Function
initial: Function
integrate: Function  # of the module for fixed steps, or of that for steps of its own
log: Callable[[float], float]

FINISHED, DIVERGED, STEP_BUDGET, NON_FINITE_INPUT, NOT_SOLVED = 0, 1, 2, 3, 4
FIXED_POINT_ITERATIONS = 5_000
FIXED_POINT_TOLERANCE = 1e-14
STALLED_TOLERANCE = 1e-9
SAME_DATE = 1e-9


def solve_unknowns(t, p, s, tab, guesses, u, new, open_lanes, change):
    """Damped fixed point of the initial unknowns; 0 in `open_lanes` where it was found."""
    for i in range(guesses.size):
        for lane in range(LANES):
            u[i * LANES + lane] = guesses[i]
    for lane in range(LANES):
        open_lanes[lane] = 1 if guesses.size else 0
    for _ in range(FIXED_POINT_ITERATIONS):
        still_open = 0
        for lane in range(LANES):
            still_open += open_lanes[lane] == 1
        if still_open == 0:
            return
        unknowns(t, p, s, tab, u, new)
        for lane in range(LANES):
            if open_lanes[lane] != 1:
                continue
            change[lane] = 0.0
            for i in range(guesses.size):
                value = new[i * LANES + lane]
                if not value > 0.0 or not np.isfinite(value):
                    open_lanes[lane] = 2
                    break
                move = 0.5 * np.log(value / u[i * LANES + lane])
                u[i * LANES + lane] *= np.exp(move)
                change[lane] = max(change[lane], abs(move))
            if open_lanes[lane] == 1 and change[lane] < FIXED_POINT_TOLERANCE:
                open_lanes[lane] = 0
    for lane in range(LANES):
        if open_lanes[lane] == 1 and change[lane] < STALLED_TOLERANCE:
            open_lanes[lane] = 0


def start_lanes(t, p, s, tab, guesses, is_log, u, new, change, x, alive):
    """Constants, unknowns and initial state of every lane; gives codes in `alive` (0 fine)."""
    constants(p, tab)
    solve_unknowns(t, p, s, tab, guesses, u, new, alive, change)
    initial(t, p, s, tab, u, x)
    for lane in range(LANES):
        alive[lane] = NOT_SOLVED if alive[lane] else FINISHED
    for i in range(is_log.size):
        for lane in range(LANES):
            if is_log[i]:
                x[i * LANES + lane] = log(x[i * LANES + lane])


def first_bad(x, n, lane):
    """First quantity of a lane that is not finite, -1 if all are."""
    for i in range(n):
        if not np.isfinite(x[i * LANES + lane]):
            return i
    return -1


def lay_nodes(start, report, knots, dates, n_dates, nodes, node_report):
    """Nodes of every lane in rising order: start, reported dates, knots and the lane's own break points.

    A node that is a reported date holds its number in `node_report`, others -1. Break points outside the run are
    put on its ends, where they make an interval of no length.
    """
    end = report[-1]
    for lane in range(LANES):
        count = 1
        nodes[lane] = start
        node_report[lane] = -1
        for group in range(3):
            size = report.size if group == 0 else knots.size if group == 1 else n_dates
            for j in range(size):
                value = report[j] if group == 0 else knots[j] if group == 1 else dates[j * LANES + lane]
                if group:
                    value = min(max(value, start), end)
                place = count
                while place > 1 and nodes[(place - 1) * LANES + lane] > value:
                    nodes[place * LANES + lane] = nodes[(place - 1) * LANES + lane]
                    node_report[place * LANES + lane] = node_report[(place - 1) * LANES + lane]
                    place -= 1
                nodes[place * LANES + lane] = value
                node_report[place * LANES + lane] = j if group == 0 else -1
                count += 1


def switch_on(t, tolerance, dates, n_dates, s):
    """State of the switches at every lane's time."""
    for i in range(n_dates):
        for lane in range(LANES):
            s[i * LANES + lane] = 1.0 if t[lane] >= dates[i * LANES + lane] - tolerance else 0.0


def record(t, x, p, s, tab, dates, n_dates, columns, wanted, first, out, values, codes, reached, culprit):
    """Write the outputs of the lanes whose number of the reported date in `wanted` is not negative."""
    switch_on(t, SAME_DATE, dates, n_dates, s)
    observe(t, x, p, s, tab, out)
    for lane in range(LANES):
        member = first + lane
        if wanted[lane] < 0 or member >= codes.size:
            continue
        for j in range(columns.size):
            value = out[columns[j] * LANES + lane]
            if not np.isfinite(value):
                fail(member, DIVERGED, t[lane], columns[j], codes, reached, culprit)
                for m in range(columns.size):
                    values[member, wanted[lane], m] = np.nan
                break
            values[member, wanted[lane], j] = value


def fail(member, code, t, element, codes, reached, culprit):
    """Note why a member stopped, once."""
    if member < codes.size and codes[member] == FINISHED:
        codes[member] = code
        reached[member] = t
        culprit[member] = element


def run_members(
    rows, places, base, start, report, knots, columns, lengths, guesses, is_log, tab, n_dates, n_vector, n_outputs,
    order, dt, rtol, atol, max_steps, values, codes, reached, culprit,
):  # fmt: skip
    """Run members, as many lanes at a time as there are; lanes without a member repeat the last one.

    Parameters
    ----------
    rows : (members, k); places : (k,)
        Values of the parameters at `places`; all others have those of `base`.
    report, knots, columns
        Reported dates, knots of drivers inside the run, and outputs wanted.
    lengths : (steps,)
        Of the steps from node to node where each is one step of a grid; else empty.
    values : (members, dates, columns), codes, reached, culprit : (members,)
        Results; values are NaN on entry.
    """
    n, members = is_log.size, rows.shape[0]
    size = n * LANES
    p, dates = np.empty(n_vector * LANES), np.empty(max(n_dates, 1) * LANES)
    s, out = np.zeros(max(n_dates, 1) * LANES), np.empty(n_outputs * LANES)
    u, new = np.empty(max(guesses.size, 1) * LANES), np.empty(max(guesses.size, 1) * LANES)
    change, t, state = np.empty(LANES), np.empty(LANES), np.empty(LANES, np.int64)
    x = np.empty(size)
    for first in range(0, members, LANES):
        for i in range(base.size):
            for lane in range(LANES):
                p[i * LANES + lane] = base[i]
        for lane in range(LANES):
            member = min(first + lane, members - 1)
            for j in range(places.size):
                p[places[j] * LANES + lane] = rows[member, j]
        for lane in range(LANES):
            t[lane] = start
        switches(p, dates)
        switch_on(t, 0.0, dates, n_dates, s)
        start_lanes(start, p, s, tab, guesses, is_log, u, new, change, x, state)
        for lane in range(LANES):
            member = first + lane
            for j in range(places.size):
                if not np.isfinite(p[places[j] * LANES + lane]):
                    fail(member, NON_FINITE_INPUT, start, places[j], codes, reached, culprit)
            bad = first_bad(x, n, lane)
            if state[lane] != FINISHED:
                fail(member, state[lane], start, -1, codes, reached, culprit)
            elif bad >= 0:
                fail(member, DIVERGED, start, bad, codes, reached, culprit)
        integrate(
            first, n, x, p, s, tab, dates, n_dates, start, report, knots, columns, lengths, order, dt, rtol, atol,
            max_steps, out, values, codes, reached, culprit,
        )  # fmt: skip
    for member in range(members):
        if codes[member] == FINISHED:
            reached[member] = report[-1]
