"""The top of the report: five sentences with numbers, what is known and what is not, what would change the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jevons.html.beliefs import ELASTICITY, movements
from jevons.html.chance import cells, reliable, swings
from jevons.html.inputs import Inputs
from jevons.html.limits import doubts, fit_quality, spectrum
from jevons.html.markup import (
    band,
    bullets,
    chance,
    escape,
    fixed,
    link,
    missing,
    number,
    paragraph,
    percent,
    value,
    words,
)
from jevons.html.outlook import ALTERNATIVES, EXCEEDANCE, at, figure_name, figure_number
from jevons.html.trials import failures

if TYPE_CHECKING:
    pass

HORIZON = 5.0
BANDS = ("p05", "p95")


def warning(inputs: Inputs) -> str:
    """What must be known before the first number; empty if there is nothing."""
    told = doubts(inputs)
    if not told:
        return ""
    return paragraph(
        f"<strong>Read with care:</strong> {'; '.join(told)}. All bands and probabilities below stand on these draws. "
        "See "
        '<a href="#convergence">convergence</a>.', "warn"
    )  # fmt: skip


def answer(inputs: Inputs) -> str:
    """Five sentences."""
    sentences = [_question(inputs), _verdicts(inputs), _own_prior(inputs), _kinds(inputs), _electricity(inputs)]
    return '<ol class="answer">' + "".join(f"<li>{s}</li>" for s in sentences) + "</ol>"


def _absent(*names: str) -> str:
    listed = " and ".join(f"<code>{escape(n)}</code>" for n in names)
    return f'<span class="missing">Missing: {listed}; <code>jevons project --out out</code> makes it.</span>'


def _question(inputs: Inputs) -> str:
    frame = cells(inputs)
    good = reliable(frame) if frame is not None else None
    if frame is None or good is None or frame.empty:
        return _absent("backfire.csv")
    if good.empty:
        return (
            f"<strong>Whether a gain such as “{escape(frame['shock'].iloc[0])}” burns more than it saves has a "
            "probability for an answer, and it depends on what one believed before;</strong> in none of the "
            f"{value(len(frame), str, 'backfire.csv')} combinations are there enough draws to tell it."
        )
    low, high = good.loc[good["probability_backfire"].idxmin()], good.loc[good["probability_backfire"].idxmax()]
    shock, horizon = str(frame["shock"].iloc[0]), float(frame["horizon"].iloc[0])
    ends = [
        f"{value(r['probability_backfire'], chance, 'backfire.csv')} (elasticity: {escape(r['stance'])}, satiation: "
        f"{escape(r['satiation'])}, limits to power: {escape(r['power_limit'])})"
        for r in (low, high)
    ]
    return (
        f"<strong>Whether a gain such as “{escape(shock)}” burns more than it saves has a probability for an answer, "
        f"and it depends on what one believed before:</strong> {horizon:g} years after it, P(R&nbsp;&gt;&nbsp;1) runs "
        f"from {ends[0]} to {ends[1]} over the {value(len(good), str, 'backfire.csv')} of "
        f"{value(len(frame), str, 'backfire.csv')} combinations that can be told."
    )


def _verdicts(inputs: Inputs) -> str:
    frame = cells(inputs)
    if frame is None or "verdict" not in frame or frame["verdict"].isna().all():
        return _absent("backfire.csv (column verdict)")
    beliefs = frame.drop_duplicates(["stance", "satiation"])
    counts = beliefs["verdict"].map(words).value_counts(sort=False)
    said = ", ".join(f"“{escape(k)}” on {value(n, str, 'backfire.csv')}" for k, n in counts.items() if k)
    text = f"The data's verdict on the {value(len(beliefs), str, 'backfire.csv')} pairs of beliefs is {said}"
    good = reliable(beliefs)
    if "log_bayes_factor" in good and good["log_bayes_factor"].notna().any():
        ratio = math.exp(good["log_bayes_factor"].max() - good["log_bayes_factor"].min())
        text += f"; the best fits history better than the worst by a factor of {value(ratio, number, 'backfire.csv')}"
    return f"{text}."


def _own_prior(inputs: Inputs) -> str:
    found = inputs.output("rebound.csv", ("shock", "horizon", "rebound", *BANDS))
    row = at(found.data, shock=inputs.shock, horizon=HORIZON) if found.there else None
    if row is None or math.isnan(row["rebound"]):
        return _absent("rebound.csv")
    text = (
        f"Under the fit's own prior R after {HORIZON:g} years is {band(row, 'rebound', fixed, 'rebound.csv')}; 0 "
        "means that all of the possible saving is saved, 1 that none of it is"
    )
    above = row.get("probability_backfire", math.nan)
    if not math.isnan(above):
        text += f"; P(R&nbsp;&gt;&nbsp;1) is {value(above, chance, 'rebound.csv')}, for this prior alone"
    return f"{text}."


def _kinds(inputs: Inputs) -> str:
    found = inputs.output("rebound.csv", ("shock", "horizon", "rebound", *BANDS))
    if not found.there:
        return _absent("rebound.csv")
    frame = found.data
    rows = frame[(frame["horizon"] == HORIZON) & frame["rebound"].notna() & (frame["shock"] != inputs.shock)]
    if rows.empty:
        return _absent("rebound.csv")
    rows = rows.sort_values("rebound", kind="stable")
    said = ", ".join(
        f"{escape(r['shock']).replace('_', ' ')} {value(r['rebound'], fixed, 'rebound.csv')}"
        for r in rows.to_dict("records")
    )
    return f"The kind of efficiency decides: by median R after {HORIZON:g} years, {said}."


def _electricity(inputs: Inputs) -> str:
    found = inputs.output("projection.csv", ("scenario", "year", "variable", "median", *BANDS))
    if not found.there:
        return _absent("projection.csv")
    frame = found.data[found.data["variable"] == inputs.energy]
    base = inputs.plan.scenarios[0]
    parts = []
    for year in inputs.plan.benchmark_years:
        row = at(frame, scenario=base, year=year)
        if row is not None:
            parts.append(f"{band(row, 'median', number, 'projection.csv')} in {year}")
    text = f"World data-centre electricity in the model is {', '.join(parts)} TWh a year (median, 90&nbsp;% band)"
    return f"{text}{_above(inputs)}."


def _above(inputs: Inputs) -> str:
    found = inputs.output("exceedance.csv", EXCEEDANCE)
    column = f"above_{inputs.variant}"
    if not found.there or column not in found.data:
        return ""
    frame = found.data
    frame = frame[(frame["variable"] == inputs.energy) & (frame["statistic"] == "annual") & (frame["year"] == 2030)]
    frame = frame[frame[column].notna()]
    if frame.empty:
        return ""
    newest = [r for r in frame.to_dict("records") if "Base Case" in str(r["source"])] or frame.to_dict("records")
    row = max(newest, key=lambda r: str(r.get("published", "")))
    many = int((frame[column] > 0.5).sum())
    urls = {r.source: r.url for r in inputs.observations}
    cited = link(urls.get(row["source"], ""), str(row["source"]))
    return (
        f"; 2030 is above the {number(row['value'])} TWh of {cited} with probability "
        f"{value(row[column], chance, 'exceedance.csv')}, and more likely than not above "
        f"{value(many, str, 'exceedance.csv')} of {value(len(frame), str, 'exceedance.csv')} projections by others"
    )


def knowledge(inputs: Inputs) -> str:
    """What is known, and what is not."""
    known, unknown = [], []
    quality = fit_quality(inputs)
    if quality:
        known.append(quality)
    off = inputs.output("counterfactuals.csv", ("scenario",))
    base, without = (at(off.data, scenario=s) if off.there else None for s in ("base", "no_ai"))
    if base is not None and without is not None and "2025" in base:
        share = 1 - without["2025"] / base["2025"]
        known.append(
            "The flat decade and the growth after it come out of the structure, with no date in an equation; without "
            f"AI the model's 2025 is {value(share, percent, 'counterfactuals.csv')} lower."
        )
    found = inputs.output("rebound.csv", ("shock", "horizon", "rebound", *BANDS))
    if found.there:
        rows = found.data[(found.data["horizon"] == HORIZON) & found.data["rebound"].notna()]
        for text, chosen in (("below", rows["p95"] < 1), ("above", rows["p05"] > 1)):
            names = [str(n).replace("_", " ") for n in rows.loc[chosen, "shock"]]
            if names:
                known.append(
                    f"The whole 90&nbsp;% band of R after {HORIZON:g} years is {text} 1, under the fit's prior, for: "
                    f"{escape(', '.join(names))}."
                )
    moved = movements(inputs)
    if moved is not None:
        names = [str(n) for n in moved.loc[moved["said"] == "the prior", "name"]]
        told = f"{inputs.fit_name}/posterior.csv"
        if names:
            unknown.append(
                f"{value(len(names), str, told)} of {value(len(moved), str, told)} fitted parameters "
                'keep their prior (<a href="#unmoved">which</a>).'
            )
        row = at(moved, name=ELASTICITY)
        if row is not None:
            unknown.append(
                "The price elasticity of AI service: history measures use and prices, but never a price that changed "
                f"with all else held; {value(row['sd_u'], percent, told)} of the prior's width is left "
                '(<a href="#elasticity">profile</a>).'
            )
    directions = spectrum(inputs)
    if directions is not None:
        n, name = len(directions.names) - directions.held, f"{inputs.fit_name}/covariance.csv"
        unknown.append(
            f"{value(n, str, name)} of {len(directions.names)} directions of the parameters are held by priors alone."
        )
    beaten = inputs.made(
        "backtest", f"predictors-{inputs.variant}.csv", ("origin", "predictor", "rows", "rms_log_error")
    )
    if beaten.there:
        lost, judged = failures(beaten.data)
        unknown.append(
            "Whether the model forecasts: an extrapolation had a smaller error at "
            f"{value(len(lost), str, beaten.name)} "
            f'of {value(judged, str, beaten.name)} origins (<a href="#backtests">backtests</a>).'
        )
    unknown.append(
        "Where finance, chips and grid connections bind after the last data, regions, water, emissions, the energy "
        "of making chips, and what AI saves or burns elsewhere: the last five are not in the model at all."
    )
    return f"<h3>What is known</h3>{bullets(known) if known else missing(found)}<h3>What is not</h3>{bullets(unknown)}"


def change(inputs: Inputs) -> str:
    """What would change the answer: by how much each choice moves it, and which observations would settle it."""
    items = []
    frame = cells(inputs)
    if frame is not None:
        names = {
            "stance": "Another prior of the elasticity",
            "satiation": "Another satiation",
            "power_limit": "Limits to power lifted",
        }
        items += [
            f"{names[k]}: P(R&nbsp;&gt;&nbsp;1) changes by up to {value(x, f'{100 * x:.0f}', 'backfire.csv')} "
            "percentage points."
            for k, x in swings(frame).items() if not math.isnan(x)
        ]  # fmt: skip
    items += [
        t
        for t in (
            _spread(inputs, "families.csv", "source families"),
            _spread(inputs, "shapes.csv", "shapes of satiation"),
        )
        if t
    ]
    loops = inputs.made("ablation", "ablation.csv", ("cut", "what", "status"))
    column = f"R_{inputs.shock}"
    if loops.there and column in loops.data:
        cut = loops.data[(loops.data["status"] == "refitted") & loops.data[column].notna()]
        whole = at(loops.data, cut="none")
        if len(cut) and whole is not None:
            far = cut.loc[(cut[column] - whole[column]).abs().idxmax()]
            items.append(
                f"The loop whose absence moves R most is {escape(far['cut'])} ({escape(far['what'])}): from "
                f"{value(whole[column], fixed, loops.name)} to {value(far[column], fixed, loops.name)}."
            )
    wanted = (
        "A price change of AI service across a whole market, with use before and after: it would replace the prior "
        "of the elasticity.",
        "Use at a price ten times lower, long enough for habits to follow: it would tell satiation from elasticity.",
        "Dates at which sites that were ready got their connection: they would say whether power limits growth.",
        "Metered electricity of data centres by year, instead of two families of estimates.",
        "Another definition of R, with other services held in the engineering run.",
    )
    moves = paragraph("Within this report:") + bullets(items) if items else missing(inputs.output("backfire.csv"))
    return moves + paragraph("From outside it:") + bullets(wanted)


def _spread(inputs: Inputs, name: str, told: str) -> str:
    """By how much the medians of alternatives differ, figure by figure."""
    found = inputs.output(name, ALTERNATIVES)
    if not found.there:
        return ""
    said = []
    for key, rows in found.data.groupby("figure", sort=False):
        if not (str(key) == f"{inputs.energy}_2030" or str(key).startswith("rebound")) or rows["median"].isna().all():
            continue
        low, high = (value(x, figure_number(str(key)), name) for x in (rows["median"].min(), rows["median"].max()))
        said.append(f"{escape(figure_name(inputs, str(key)))} {low} to {high}")
    return f"Between {told} the medians differ: {'; '.join(said)}." if said else ""
