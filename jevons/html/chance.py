"""The answer as a probability: definition of R, and the table of P(R > 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.html.inputs import Inputs
from jevons.html.markup import (
    NONE,
    band,
    bullets,
    columns_of,
    details,
    escape,
    fixed,
    frame_table,
    missing,
    paragraph,
    percent,
    slug,
    table,
    value,
    words,
    yes,
)
from jevons.html.markup import chance as in_percent
from jevons.inference.backfire import AS_FITTED, DECIDES, SMALLEST_ESS
from jevons.rebound.meter import SMALLEST_SAVING

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

CELL = ("shock", "horizon", "stance", "satiation", "power_limit", "probability_backfire")
HORIZON = 5.0


def definition(inputs: Inputs) -> str:
    """What R is, with its counterfactual."""
    parts = [
        paragraph(
            "R compares three runs of the same model with the same parameters: without the gain, with it, and an "
            "<em>engineering</em> run in which the gain only saves."
        ),
        '<p class="formula">R(t) = 1 − (E<sub>base</sub> − E<sub>with gain</sub>) / '
        "(E<sub>base</sub> − E<sub>engineering</sub>)</p>",
        bullets(
            (
                "R below 0: more than the engineering saving is saved.",
                "R = 0: all of it is saved. R = 1: none of it.",
                "R above 1: the gain burns more than it saves, as Jevons said of coal. This report calls it backfire.",
            )
        ),
    ]
    found = inputs.output("rebound.csv", ("shock", "horizon", "rebound"))
    if found.there and "counterfactual" in found.data:
        rows = found.data[["shock", "counterfactual"]].drop_duplicates()
        said = list(dict.fromkeys(str(x) for x in rows["counterfactual"] if isinstance(x, str)))
        which = [", ".join(str(x) for x in rows.loc[rows["counterfactual"] == s, "shock"]) for s in said]
        parts.append(paragraph("The counterfactual, as each row of the table states it:"))
        parts.append(bullets(f"<strong>{escape(w)}</strong>: {escape(s)}." for w, s in zip(which, said, strict=True)))
    else:
        parts.append(missing(found))
    parts.append(
        paragraph(
            "Another counterfactual gives another R. R is undefined where the engineering saving is below "
            f"{percent(SMALLEST_SAVING)} of the base, and for a fall in the price of chips, which saves no energy by "
            "itself."
        )
    )
    return "".join(parts)


def cells(inputs: Inputs) -> pd.DataFrame | None:
    """Rows of the table of P(R > 1) for the report's shock, at its horizon; None if there is no table.

    The cells in which both beliefs are as fitted are not among them: see `as_fitted`.
    """
    rows = _of_shock(inputs)
    return None if rows is None else rows[rows["stance"] != AS_FITTED]


def as_fitted(inputs: Inputs) -> pd.DataFrame | None:
    """The cells with the fit's own priors, one for each power limit."""
    rows = _of_shock(inputs)
    return None if rows is None else rows[rows["stance"] == AS_FITTED]


def _of_shock(inputs: Inputs) -> pd.DataFrame | None:
    found = inputs.output("backfire.csv", CELL)
    if not found.there:
        return None
    frame = found.data
    rows = frame[frame["shock"] == (inputs.shock if inputs.shock in set(frame["shock"]) else frame["shock"].iloc[0])]
    horizons = sorted(set(rows["horizon"]), key=lambda h: abs(h - HORIZON))
    return rows[rows["horizon"] == horizons[0]]


def reliable(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells whose weights can be trusted and whose probability is a number."""
    good = frame["probability_backfire"].notna()
    return frame[good & (frame["reliable"].map(yes) == "yes")] if "reliable" in frame else frame[good]


def chances(inputs: Inputs) -> str:
    """P(R > 1) over elasticity prior, satiation and power limit, with the data's verdict on each cell."""
    found = inputs.output("backfire.csv", CELL)
    main, own = cells(inputs), as_fitted(inputs)
    if main is None or own is None or main.empty:
        return missing(found)
    shock, horizon = str(main["shock"].iloc[0]), float(main["horizon"].iloc[0])
    parts = [
        paragraph(
            "Each cell is one combination of three things that energy data do not settle: what one believed of the "
            "price elasticity before looking (columns), how strongly the response to price satiates, and whether the "
            "limits to power hold (rows). In the cell: P(R&nbsp;&gt;&nbsp;1), the median of R with its 90&nbsp;% "
            "band, and the data's verdict. There is no average over cells: nothing but belief could weigh them."
        ),
        _grid(main, f"P(R > 1) {horizon:g} years after {shock}", f"backfire-{shock}-{horizon:g}"),
        _drivers(main),
        _own(own),
        paragraph(
            "The verdict is a Bayes factor of the cell's beliefs against the fit's own priors, on the same data; "
            f"“none” means below a factor of {math.exp(DECIDES):.0f} either way "
            '(<a href="https://doi.org/10.1080/01621459.1995.10476572" rel="noreferrer">Kass and Raftery 1995</a>). '
            f"A cell is not quoted where its weights rest on fewer than {SMALLEST_ESS:.0f} effective draws or have too "
            'heavy a tail (<a href="https://jmlr.org/papers/v25/19-556.html" rel="noreferrer">Vehtari et al. 2024</a>).'
        ),
    ]
    others = [
        _grid(rows[rows["stance"] != AS_FITTED], f"P(R > 1) {after:g} years after {name}", f"backfire-{name}-{after:g}")
        for (name, after), rows in found.data.groupby(["shock", "horizon"], sort=False)
        if (str(name), float(after)) != (shock, horizon)
    ]
    if others:
        parts.append(details(f"The same for other gains and horizons ({len(others)} tables)", "".join(others)))
    parts.append(details("All columns of every cell", table(found.data, "All cells", columns_of(found.data), "cells")))
    return "".join(parts)


def _own(rows: pd.DataFrame) -> str:
    """The cells of the fit's own priors, in a sentence."""
    told = [
        f"{value(r['probability_backfire'], in_percent, 'backfire.csv')} with limits to power "
        f"{escape(r['power_limit'])}"
        for r in rows.to_dict("records") if r["probability_backfire"] == r["probability_backfire"]
    ]  # fmt: skip
    return paragraph(f"Under the fit's own priors P(R&nbsp;&gt;&nbsp;1) is {' and '.join(told)}.") if told else ""


def _grid(rows: pd.DataFrame, caption: str, name: str) -> str:
    stances = list(dict.fromkeys(rows["stance"]))
    heads = "".join(f'<th scope="col">{escape(s)}</th>' for s in stances)
    lines = []
    for (satiation, limit), part in rows.groupby(["satiation", "power_limit"], sort=False):
        head = f"satiation {escape(satiation)}<br><small>limits to power {escape(limit)}</small>"
        found = {r["stance"]: r for r in part.to_dict("records")}
        inner = "".join(_cell(found.get(s)) for s in stances)
        lines.append(f'<tr><th scope="row">{head}</th>{inner}</tr>')
    corner = '<td class="corner">elasticity as believed by</td>'
    inside = f"<thead><tr>{corner}{heads}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return frame_table(caption, inside, f"table-{slug(name)}")


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return f"<td>{NONE}</td>"
    chance = float(row["probability_backfire"])
    if ("reliable" in row and yes(row["reliable"]) != "yes") or math.isnan(chance):
        why = (
            f"{float(row['ess']):.0f} effective draws, k̂ = {fixed(row['k_hat'])}" if "k_hat" in row else "too few draws"
        )
        return f'<td class="chance">not quoted<br><small>{escape(why)}</small></td>'
    lines = [f"<strong>{value(chance, in_percent, 'backfire.csv')}</strong>"]
    if all(k in row for k in ("rebound", "p05", "p95")):
        lines.append(f"<small>R {band(row, 'rebound', fixed, 'backfire.csv')}</small>")
    verdict, factor = words(row.get("verdict")), row.get("log_bayes_factor")
    if verdict:
        told = "" if factor is None or math.isnan(factor) else f", ln BF {fixed(factor, 1, sign=True)}"
        lines.append(f"<small>verdict: {escape(verdict + told)}</small>")
    return f'<td class="chance" style="--p:{100 * min(max(chance, 0.0), 1.0):.0f}%">{"<br>".join(lines)}</td>'


def swings(frame: pd.DataFrame) -> dict[str, float]:
    """Largest change of P(R > 1) when one of the three changes and the other two stay."""
    good, found = reliable(frame), {}
    for name in ("stance", "satiation", "power_limit"):
        others = [n for n in ("stance", "satiation", "power_limit") if n != name]
        spread = good.groupby(others, sort=False)["probability_backfire"].agg(lambda p: p.max() - p.min())
        found[name] = float(spread.max()) if len(spread) else math.nan
    return found


def _drivers(frame: pd.DataFrame) -> str:
    names = {"stance": "the prior of the elasticity", "satiation": "satiation", "power_limit": "the power limit"}
    said = [
        f"{names[k]} moves it by up to {value(x, f'{100 * x:.0f}', 'backfire.csv')} percentage points"
        for k, x in sorted(swings(frame).items(), key=lambda item: -item[1] if item[1] == item[1] else 0.0)
        if not math.isnan(x)
    ]
    return paragraph(f"With the other two held, {'; '.join(said)}.") if said else ""
