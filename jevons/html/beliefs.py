"""What was believed and what is: elasticity, parameters left as they were, experiments."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.html.drawing import BLUE, COLOURS, GREEN, GREY, ORANGE, PAPER, RED, bars, canvas, density, inline, plain
from jevons.html.inputs import Inputs
from jevons.html.markup import (
    Column,
    chance,
    columns_of,
    details,
    escape,
    figure,
    fixed,
    missing,
    number,
    paragraph,
    percent,
    spread,
    table,
    value,
    words,
)
from jevons.inference.learned import KEPT_PLACE, KEPT_WIDTH, how_far

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

BANDS = ("p05", "p95")
ELASTICITY = "usage_price_elasticity"
NORMAL_95 = 1.645
END_OF_90 = 2.71
"""Rise of chi-square at the end of a 90 % profile interval."""


def movements(inputs: Inputs) -> pd.DataFrame | None:
    """Free parameters in prior standard deviations: mean, sd and quantiles of the draws; None if tables are missing."""
    import pandas as pd

    draws = inputs.fitted("posterior.csv")
    known = inputs.fitted("parameters.csv", ("name", "prior_median", "prior_sd_log", "prior"))
    if not (draws.there and known.there):
        return None
    rows = []
    for row in known.data.itertuples():
        if row.name not in draws.data or math.isnan(row.prior_sd_log) or not row.prior_sd_log > 0:
            continue
        x = draws.data[row.name].to_numpy(float)
        normal = row.prior == "Normal"
        u = (x - row.prior_median if normal else np.log(x / row.prior_median)) / row.prior_sd_log
        p05, p25, p75, p95 = np.quantile(u, (0.05, 0.25, 0.75, 0.95))
        kept = float(u.std())
        said = how_far(kept, float(u.mean()))
        rows.append((row.name, float(u.mean()), kept, float(np.median(u)), p05, p25, p75, p95, said))
    head = ["name", "mean_u", "sd_u", "median_u", "p05", "p25", "p75", "p95", "said"]
    return pd.DataFrame(rows, columns=head).sort_values("sd_u", ascending=False, kind="stable") if rows else None


def elasticity(inputs: Inputs) -> str:
    """Prior and posterior of the elasticity with its profile, and what that says."""
    draws = inputs.fitted("posterior.csv", (ELASTICITY,))
    known = inputs.fitted("parameters.csv", ("name", "prior_median", "prior_sd_log", "prior"))
    profiles = inputs.made("profiles", "profiles.csv", ("parameter", "value", "chi2", "chi2_data", "chi2_prior"))
    if not (draws.there and known.there):
        return "".join(missing(f) for f in (draws, known) if not f.there)
    row = known.data.set_index("name").loc[ELASTICITY]
    x = draws.data[ELASTICITY].to_numpy(float)
    middle, width = float(row["prior_median"]), float(row["prior_sd_log"])
    profile = profiles.data[profiles.data["parameter"] == ELASTICITY] if profiles.there else None
    picture = _elasticity_figure(x, middle, width, profile)
    kept = float(np.log(x).std()) / width
    shift = float(np.log(x / middle).mean()) / width
    said = _how_far(how_far(kept, shift), profile)
    name = f"{inputs.fit_name}/posterior.csv"
    numbers = (
        f"The median goes from {value(middle, fixed, f'{inputs.fit_name}/parameters.csv')} to "
        f"{value(float(np.median(x)), fixed(np.median(x)), name)}, and {value(kept, percent, name)} of the prior's "
        "width is left."
    )
    parts = [
        figure(
            picture, "elasticity", f"{numbers} <strong>{said}</strong>",
            f"Prior and posterior density of the price elasticity of use. {said} Below, the profile of chi-square.",
        )
    ]  # fmt: skip
    if profile is not None and len(profile):
        rise = float(profile["chi2_data"].max() - profile["chi2_data"].min())
        low, high = float(profile["value"].min()), float(profile["value"].max())
        name = profiles.name
        parts.append(
            paragraph(
                "With everything else fitted again, the chi-square of the data moves by "
                f"{value(rise, fixed(rise, 1), name)} between elasticities of {value(low, fixed, name)} and "
                f"{value(high, fixed, name)}; a rise of 2.7 would end a 90&nbsp;% interval."
            )
        )
        ends = inputs.made("profiles", "intervals.csv", ("parameter", "best", "low", "high", "status"))
        if ends.there:
            show = [Column("parameter", "", words), Column("status", "", words)]
            columns = sorted(columns_of(ends.data, show), key=lambda c: list(ends.data.columns).index(c.name))
            parts.append(
                details(
                    "Profile intervals of every parameter", table(ends.data, "90 % profile intervals", columns, "ends")
                )
            )
    else:
        parts.append(missing(profiles))
    return "".join(parts)


def _how_far(said: str, profile: pd.DataFrame | None) -> str:
    """How far energy data move the elasticity, in a sentence."""
    model = (
        "what has moved is the work of other priors and of the model's form over twenty years of falling prices, "
        "because no row of the history measures a response to price"
    )
    if said == "the prior":
        return "Energy data hardly move it: the posterior is the prior."
    flat = profile is not None and len(profile) > 1 and float(np.ptp(profile["chi2_data"])) < END_OF_90
    if said == "hardly moved" or flat:
        return f"Energy data hardly move it; {model}."
    return f"The fit moves it; {model}."


def _elasticity_figure(x: Floats, middle: float, width: float, profile: pd.DataFrame | None) -> str:
    profiled = profile is not None and len(profile) > 1
    grid = np.linspace(math.log(middle) - 3 * width, math.log(middle) + 3 * width, 240)
    with canvas(4.6 if profiled else 2.9, 2 if profiled else 1, sharex=True) as (drawn, axes):
        top = axes[0]
        prior = np.exp(-(((grid - math.log(middle)) / width) ** 2) / 2) / (width * math.sqrt(2 * math.pi))
        top.fill_between(np.exp(grid), prior, color=GREY, alpha=0.2, lw=0)
        top.plot(np.exp(grid), prior, color=GREY, lw=1.6, label="prior")
        top.plot(np.exp(grid), density(np.log(x), grid), color=BLUE, lw=2, label="posterior")
        top.set_yticks([])
        top.set_ylabel("density of ln")
        top.legend(loc="upper left")
        if profile is not None and profiled:
            low = axes[1]
            points = profile.sort_values("value")
            for column, colour, style, label in (
                ("chi2_data", GREEN, "-", "data"),
                ("chi2_prior", ORANGE, "--", "priors"),
                ("chi2", BLUE, "-", "both"),
            ):
                best = float(points["chi2"].idxmin())
                rise = points[column] - points.loc[int(best), column]
                low.plot(points["value"], rise, color=colour, ls=style, marker="o", ms=3, lw=1.5, label=label)
            low.axhline(END_OF_90, color=RED, lw=1, ls=":")
            low.annotate(
                "90 %", (0.99, END_OF_90), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9
            )
            low.set_ylabel("χ² above the best")
            low.legend(loc="upper center", ncols=3)
            low.set_ylim(top=max(4.0, 1.35 * low.get_ylim()[1]))
        last = axes[-1]
        last.set_xscale("log")
        ticks = [t for t in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5) if np.exp(grid[0]) < t < np.exp(grid[-1])]
        last.set_xticks(ticks, [f"{t:g}" for t in ticks])
        last.minorticks_off()
        last.set_xlim(np.exp(grid[0]), np.exp(grid[-1]))
        last.set_xlabel("price elasticity of use per user at the price of 2025")
        return inline(drawn, "elasticity")


def unmoved(inputs: Inputs) -> str:
    """Every parameter whose posterior is its prior."""
    found = inputs.output("unmoved.csv")
    moved = movements(inputs)
    if moved is None and not found.there:
        return missing(found) + "".join(
            missing(f) for f in (inputs.fitted("posterior.csv"), inputs.fitted("parameters.csv")) if not f.there
        )
    parts = []
    if moved is not None:
        names = [str(n) for n in moved.loc[moved["said"] == "the prior", "name"]]
        name = f"{inputs.fit_name}/posterior.csv"
        hardly = int((moved["said"] == "hardly moved").sum())
        parts.append(
            paragraph(
                f"Of {value(len(moved), str, name)} fitted parameters {value(len(names), str, name)} end where they "
                f"began: more than {percent(KEPT_WIDTH)} of the prior's width is left, and the centre moved by less "
                f"than {KEPT_PLACE:g} prior standard deviations. <strong>For each of these, energy data hardly move "
                "it</strong>, and what the model says through it is what was believed before. "
                f"{value(hardly, str, name)} more have hardly moved."
            )
        )
        if names:
            picture = _bands_figure(moved[moved["said"] == "the prior"], "unmoved")
            sees = "The bars of these parameters cover their priors: grey is the prior's 90&nbsp;% band."
            parts.append(figure(picture, "unmoved", sees, f"Posterior bands of {', '.join(names)} beside their priors"))
        rest = moved[moved["said"] != "the prior"]
        if len(rest):
            sees = "Where a bar is short or off centre, history had a say."
            picture = figure(_bands_figure(rest, "moved"), "moved", sees, "Posterior bands of the other parameters")
            parts.append(details(f"The other {len(rest)} parameters", picture))
    if found.there:
        frame = found.data
        show = [
            Column("parameter", "", words), Column("unit", "", words), Column("prior", "", words),
            Column("prior_median", "prior, centre"), Column("prior_sd", "prior, sd"),
            Column("posterior_median", "posterior"), Column("p05", "5 %"), Column("p95", "95 %"),
            Column("sd_ratio", "width left", percent), Column("shift", "shift, prior sd", fixed),
        ]  # fmt: skip
        columns = [c for c in show if c.name in frame] or columns_of(frame)
        body = table(frame, "Parameters that keep their prior, as the project lists them", columns, "unmoved")
        parts.append(details("Their priors and posteriors", body))
    else:
        parts.append(missing(found))
    return "".join(parts)


def _bands_figure(rows: pd.DataFrame, name: str) -> str:
    with canvas(0.27 * len(rows) + 0.9) as (drawn, (ax,)):
        place = np.arange(len(rows))[::-1]
        ax.barh(place, 2 * NORMAL_95, left=-NORMAL_95, height=0.75, color=GREY, alpha=0.2, lw=0)
        ax.axvline(0, color=GREY, lw=0.8)
        for y, row in zip(place, rows.to_dict("records"), strict=True):
            bars(ax, y, row, BLUE)
            ax.plot(row["median_u"], y, "o", color=PAPER, mec=BLUE, ms=5)
        ax.set_yticks(place, [plain(n) for n in rows["name"]], fontsize=9)
        ax.set_ylim(-0.7, len(rows) - 0.3)
        ax.set_xlabel("prior standard deviations from the prior's centre")
        return inline(drawn, name)


def experiments(inputs: Inputs) -> str:
    """What same-model price cuts and free-to-paid switches say, with and without."""
    found = inputs.output("evidence.csv", ("shape", "stance", "evidence", "median", *BANDS))
    world = inputs.output("evidence_world.csv", ("evidence", "quantity"))
    parts = [
        paragraph(
            "The only direct evidence on the response to price are natural experiments on one platform: the list "
            "price of an unchanged model fell, or a free offer of one became paid. Both are used and left out in "
            "turn, on top of each prior. One platform of developers is not the market; that its users stand for it "
            "is assumed."
        )
    ]
    if found.there:
        frame = found.data
        shapes = list(dict.fromkeys(frame["shape"]))
        part = frame[frame["shape"] == shapes[0]]
        picture = _experiments_figure(part)
        show = [
            Column("shape", "", words), Column("stance", "", words), Column("evidence", "", words),
            Column("median", "elasticity", fixed), Column("p05", "5 %", fixed), Column("p95", "95 %", fixed),
            Column("satiation", "satiation by", words), Column("satiation_median", "median"),
            Column("probability_above_one", "P(elasticity > 1)", chance), Column("ess", "effective draws"),
            Column("k_hat", "k̂", fixed), Column("log_evidence", "ln evidence", fixed),
        ]  # fmt: skip
        show = [c for c in show if c.name in frame]
        gone = int(part["median"].isna().sum())
        left = f" {gone} of its rows are not quoted, because their weights rest on too few draws." if gone else ""
        sees = (
            "Within a prior the experiments move the elasticity less than the priors differ (shape "
            f"“{escape(shapes[0])}”)."
            if _moves_less(part)
            else "Within a prior the experiments move the elasticity as much as the priors differ (shape "
            f"“{escape(shapes[0])}”)."
        )
        parts += [
            figure(picture, "experiments", sees + left, "Elasticity by prior and experiment, with 90 % bands"),
            table(part, f"Elasticity in 2025 with and without experiments, shape {shapes[0]}", show[1:], "evidence"),
        ]
        if len(shapes) > 1:
            rest = frame[frame["shape"] != shapes[0]]
            parts.append(details("Other shapes", table(rest, "With and without experiments", show, "evidence-shapes")))
    else:
        parts.append(missing(found))
    parts.append(_events(inputs))
    parts.append(_world(world.data) if world.there else missing(world))
    return "".join(parts)


def _events(inputs: Inputs) -> str:
    """Every experiment that was found, those not used included."""
    found = inputs.shipped("elasticity/events.csv", ("event", "experiment", "use", "date", "model", "source", "url"))
    if not found.there:
        return missing(found)
    frame = found.data
    names = ("event", "experiment", "use", "date", "model", "price_before", "price_after", "own_before", "own_after")
    text = {n for n in names if n not in frame or frame[n].dtype.kind not in "if"}
    columns = [Column(n, "used" if n == "use" else "", words if n in text else number) for n in names if n in frame]
    columns += [Column(n, "", words) for n in ("source", "note") if n in frame]
    urls = {str(r["source"]): str(r["url"]) for r in frame.to_dict("records")}
    used = int((frame["use"] == "yes").sum())
    body = table(frame, "Price changes of one unchanged model on one platform", columns, "events", links=urls)
    return details(f"The {len(frame)} experiments that were found, {used} of them used", body)


def _world(frame: pd.DataFrame) -> str:
    """What the experiments do to the fitted model: a row for each evidence, a column for each quantity."""
    import pandas as pd

    if not {"median", *BANDS} <= set(frame):
        return table(frame, "What the experiments do to the fitted model", columns_of(frame), "evidence-world")
    lines = []
    for evidence, rows in frame.groupby("evidence", sort=False):
        line = {"evidence": "without" if evidence == "none" else f"with {evidence}"}
        for row in rows.to_dict("records"):
            likely = str(row["quantity"]).startswith("probability")
            line[row["quantity"]] = chance(row["median"]) if likely else spread(row, number)
        line["effective draws"] = f"{rows['ess'].iloc[0]:.0f}" if "ess" in rows else ""
        lines.append(line)
    wide = pd.DataFrame(lines)
    caption = "What the experiments do to the fitted model; a dash where too few draws carry the weight"
    few = [c for c in wide if not re.search(r"_20\d\d$", str(c)) or str(c).endswith("_2030")]
    short = table(wide[few], caption, columns_of(wide[few]), "evidence-world")
    full = table(frame, "With 50 % bands and weights", columns_of(frame), "evidence-world-all")
    return short + details("Every quantity, with the reliability of the weights", full)


def _moves_less(frame: pd.DataFrame) -> bool:
    """Whether evidence moves the median less than stances differ."""
    within = frame.groupby("stance")["median"].agg(lambda m: m.max() - m.min()).max()
    between = frame.groupby("evidence")["median"].agg(lambda m: m.max() - m.min()).max()
    return bool(within < between)


def _experiments_figure(frame: pd.DataFrame) -> str:
    stances, kinds = list(dict.fromkeys(frame["stance"])), list(dict.fromkeys(frame["evidence"]))
    with canvas(0.27 * len(frame) + 1.3) as (drawn, (ax,)):
        place, labels, y = [], [], 0.0
        for stance in stances:
            for row in frame[frame["stance"] == stance].to_dict("records"):
                colour = COLOURS[kinds.index(row["evidence"]) % len(COLOURS)] if row["evidence"] != "none" else GREY
                if not math.isnan(row["median"]):
                    bars(ax, y, row, colour)
                    ax.plot(row["median"], y, "o", color=PAPER, mec=colour, ms=5)
                else:
                    ax.annotate("not quoted", (1.02, y), va="center", fontsize=9, color=GREY)
                place.append(y)
                told = "prior" if row["evidence"] == "none" else row["evidence"]
                labels.append(plain(f"{stance}: {told}"))
                y -= 1
            y -= 0.5
        ax.axvline(1, color=RED, lw=1, ls=":")
        ax.set_yticks(place, labels, fontsize=9.5)
        ax.set_ylim(y + 0.7, 0.7)
        ax.set_xscale("log")
        ax.set_xticks((0.25, 0.5, 1, 2, 4), ("0.25", "0.5", "1", "2", "4"))
        ax.minorticks_off()
        ax.set_xlabel("total price elasticity in 2025")
        return inline(drawn, "experiments")
