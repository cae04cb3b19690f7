"""What could have gone wrong and did: backtests, predictive checks, ablation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jevons.html.drawing import BLUE, GREY, ORANGE, PAPER, RED, bars, canvas, inline, plain
from jevons.html.inputs import Found, Inputs
from jevons.html.markup import (
    Column,
    columns_of,
    details,
    escape,
    figure,
    fixed,
    missing,
    number,
    paragraph,
    percent,
    table,
    value,
    words,
    yes,
)

if TYPE_CHECKING:
    import pandas as pd

ORIGIN = Column("origin", "known until", words)


def backtests(inputs: Inputs) -> str:
    """Fits to what was known at each origin, judged by what came, beside every baseline."""
    parts = [
        paragraph(
            "At each origin the model was fitted to what had been published by then and predicted everything that "
            "came later. Structure and priors were chosen with the whole history in view, so these are "
            "pseudo-backtests. An extrapolation with one parameter is the rival to beat."
        )
    ]
    names = [n.removeprefix("predictors-").removesuffix(".csv") for n in inputs.listed("backtest", "predictors-*.csv")]
    names = sorted(names, key=lambda n: (n != inputs.variant, n))
    if not names:
        return "".join(parts) + missing(inputs.made("backtest", f"predictors-{inputs.variant}.csv"))
    parts.append(_backtest(inputs, names[0]))
    parts += [details(f"The same with the reading “{n}”", _backtest(inputs, n)) for n in names[1:]]
    return "".join(parts)


def _backtest(inputs: Inputs, variant: str) -> str:
    needs = ("origin", "predictor", "rows", "rms_log_error")
    predictors = inputs.made("backtest", f"predictors-{variant}.csv", needs)
    rows = inputs.made(
        "backtest", f"rows-{variant}.csv", ("series", "statistic", "date", "observed", "median", "origin")
    )
    summary = inputs.made("backtest", f"summary-{variant}.csv", ("origin", "held_out", "coverage_90"))
    parts = []
    if rows.there:
        parts.append(_targets_figure(inputs, rows, variant))
    if predictors.there:
        frame = predictors.data
        lost, origins = failures(frame)
        parts.append(
            paragraph(
                f"<strong>At {value(len(lost), str, predictors.name)} of {value(origins, str, predictors.name)} "
                "origins at least one extrapolation has a smaller error than the model</strong>"
                + (f": {'; '.join(f'{escape(o)} ({escape(n)})' for o, n in lost.items())}." if lost else ".")
            )
        )
        show = [
            ORIGIN, Column("predictor", "", words), Column("rows", "", number),
            Column("rms_log_error", "RMS error of ln", fixed), Column("mean_log_error", "mean error of ln", _signed),
            Column("log_score", "log score", fixed), Column("crps_log", "CRPS of ln", fixed),
            Column("growth_error", "error of growth", _signed), Column("skill_of_model", "skill of the model", _signed),
        ]  # fmt: skip
        caption = "The model beside every baseline; skill below 0 means that the baseline was better"
        columns = [c for c in show if c.name in frame]
        body = table(frame, caption, columns, f"predictors-{variant}")
        parts.append(_side_by_side(frame, f"errors-{variant}"))
        parts.append(details("Scores and skill, and the forecasts that others published", body))
    else:
        parts.append(missing(predictors))
    if summary.there:
        frame = summary.data
        show = [
            ORIGIN, Column("fitted", "rows known"), Column("held_out", "rows to come"),
            Column("coverage_50", "inside 50 %", percent), Column("coverage_90", "inside 90 %", percent),
            Column("log_score", "log score", fixed), Column("crps_log", "CRPS of ln", fixed),
            Column("effective_parameters", "effective parameters", fixed), Column("failed_draws", "failed draws"),
        ]  # fmt: skip
        columns = [c for c in show if c.name in frame]
        parts.append(table(frame, "Coverage of what came later, all series", columns, f"coverage-{variant}"))
        rest = columns_of(frame, [ORIGIN], leave=[c.name for c in columns[1:]])
        parts.append(details("More of each origin", table(frame, "Each origin", rest, f"origins-{variant}")))
    else:
        parts.append(missing(summary))
    if not rows.there:
        parts.append(missing(rows))
    return "".join(parts)


def _side_by_side(frame: pd.DataFrame, name: str) -> str:
    """RMS errors of the model and of the extrapolations, a row for each origin."""
    import pandas as pd

    lines = []
    for origin, rows in frame[frame["predictor"].map(_plain_baseline)].groupby("origin", sort=False):
        line = {"known until": str(origin), "levels to come": number(rows["rows"].max())}
        for row in rows.to_dict("records"):
            line[str(row["predictor"]).split(" (")[0]] = fixed(row["rms_log_error"])
        best = rows.loc[rows["rms_log_error"].idxmin(), "predictor"] if rows["rms_log_error"].notna().any() else ""
        lines.append({**line, "smallest error": str(best)})
    wide = pd.DataFrame(lines)
    wide = wide[sorted(wide, key=lambda c: c == "smallest error")]
    caption = "RMS error of ln of the levels of later years; 0.10 is about 10 %"
    return table(wide, caption, columns_of(wide), name)


def _signed(x: object) -> str:
    return fixed(x, 2, sign=True)


def _plain_baseline(name: object) -> bool:
    return str(name).startswith(("model", "flat", "last growth", "12 %"))


def failures(frame: pd.DataFrame) -> tuple[dict[str, str], int]:
    """Origins where an extrapolation beats the model by RMS error, with its name; and how many origins are judged."""
    lost: dict[str, str] = {}
    judged = 0
    for origin, rows in frame.groupby("origin", sort=False):
        mine = rows.loc[rows["predictor"] == "model", "rms_log_error"]
        others = rows[rows["predictor"].map(_plain_baseline) & (rows["predictor"] != "model")].dropna(
            subset=["rms_log_error"]
        )
        if mine.empty or mine.isna().all() or others.empty:
            continue
        judged += 1
        best = others.loc[others["rms_log_error"].idxmin()]
        if best["rms_log_error"] < mine.iloc[0]:
            lost[str(origin)] = str(best["predictor"])
    return lost, judged


def _targets_figure(inputs: Inputs, found: Found, variant: str) -> str:
    """The newest level, as predicted from each origin."""
    frame = found.data
    levels = frame[(frame["series"] == inputs.energy) & (frame["statistic"] == "annual")]
    if levels.empty:
        return paragraph("No origin leaves an annual level to predict.")
    date = float(levels["date"].max())
    levels = levels[levels["date"] == date]
    newest = levels[levels["observed"] == levels["observed"].iloc[-1]].drop_duplicates("origin")
    observed = float(newest["observed"].iloc[-1])
    place = np.arange(len(newest))
    with canvas(3.2) as (drawn, (ax,)):
        for x, row in zip(place, newest.to_dict("records"), strict=True):
            bars(ax, x, row, BLUE, horizontal=False, wide=9)
            ax.plot(x, row["median"], "o", color=PAPER, mec=BLUE, ms=6)
        ax.axhline(observed, color=RED, lw=1.4, ls="--")
        ax.set_title(f"dashed: what came, {observed:g} TWh", color=RED)
        ax.set_xticks(place, [plain(o) for o in newest["origin"]])
        ax.set_ylim(0, min(float(newest["p95"].max()) * 1.08, 4 * observed))
        ax.set_xlabel("known until")
        ax.set_ylabel(f"electricity of {date:g}, TWh")
        picture = inline(drawn, f"backtest-{variant}")
    outside = int(((newest["observed"] < newest["p05"]) | (newest["observed"] > newest["p95"])).sum())
    low = int((newest["median"] < newest["observed"]).sum())
    sees = (
        f"Of {value(len(newest), str, found.name)} origins the median was below what came at "
        f"{value(low, str, found.name)}, and the 90&nbsp;% band missed it at {value(outside, str, found.name)}."
    )
    return figure(
        picture, f"backtest-{variant}", sees, f"Predictions of {date:g} from each origin with 50 and 90 % bands"
    )


def checks(inputs: Inputs) -> str:
    """Posterior predictive checks, Theil's decomposition and autocorrelation of residuals."""
    rows = inputs.fitted("checks-rows.csv", ("series", "statistic", "date", "observed", "z", "inside_50", "inside_90"))
    shares = inputs.fitted("checks-theil.csv", ("series", "n", "bias", "variance", "covariance"))
    lags = inputs.fitted("checks-autocorrelation.csv", ("series", "n", "autocorrelation"))
    parts = []
    if rows.there:
        frame = rows.data
        inside = [float((frame[k].map(yes) == "yes").mean()) for k in ("inside_50", "inside_90")]
        parts.append(
            paragraph(
                f"Of {value(len(frame), str, rows.name)} fitted rows {value(inside[0], percent, rows.name)} lie "
                f"inside their 50&nbsp;% bands and {value(inside[1], percent, rows.name)} inside their 90&nbsp;% "
                "bands. Shares well above 50 and 90 say that errors are stated too wide or parameters are too many; "
                "the same data are used twice, so this flatters the model."
            )
        )
        sees = "Each dot is a fitted row: error of the median over the standard deviation of its prediction."
        parts.append(figure(_residuals_figure(frame), "residuals", sees, "Standardised errors by series"))
        show = [
            Column("series", "", words),
            Column("statistic", "", words),
            Column("date", "", lambda x: f"{float(x):g}"),
        ]
        show += [Column(k, "", number) for k in ("observed", "median", "p05", "p95", "z")]
        columns = [c for c in [*show, Column("inside_90", "", yes)] if c.name in frame]
        parts.append(
            details(f"All {len(frame)} rows", table(frame, "Fitted rows and their predictions", columns, "rows"))
        )
    else:
        parts.append(missing(rows))
    if shares.there:
        frame = shares.data
        weak = int((frame["n"] < 8).sum())
        show = [Column("series", "", words), Column("statistic", "", words), Column("n", "n")]
        show += [Column(k, k, percent) for k in ("bias", "variance", "covariance")]
        columns = [
            c for c in [*show, Column("mse", "mean square", number), Column("mape", "MAPE", percent)] if c.name in frame
        ]
        caption = f"Theil's decomposition of the error; in {weak} of {len(frame)} series n is below 8: weak evidence"
        parts.append(table(frame, caption, columns, "theil"))
    else:
        parts.append(missing(shares))
    if lags.there:
        frame = lags.data
        show = [Column("series", "", words), Column("statistic", "", words), Column("n"), Column("lag")]
        show += [
            Column("autocorrelation", "", _signed),
            Column("bound", "±", fixed),
            Column("enough", "enough rows", yes),
        ]
        columns = [c for c in [*show, Column("white", "white", yes)] if c.name in frame]
        beyond = frame[frame["autocorrelation"].abs() > frame["bound"]]["series"] if "bound" in frame else []
        told = f"Beyond its bound: {', '.join(map(str, beyond))}." if len(beyond) else "None is beyond its bound."
        if len(beyond):
            told += " Errors of neighbouring years are alike there, so its rows say less than their number."
        parts.append(paragraph(escape(told)))
        parts.append(table(frame, "Autocorrelation of standardised residuals", columns, "autocorrelation"))
    else:
        parts.append(missing(lags))
    return "".join(parts)


def _residuals_figure(frame: pd.DataFrame) -> str:
    series = list(dict.fromkeys(frame["series"]))
    with canvas(0.23 * len(series) + 0.8) as (drawn, (ax,)):
        ax.axvspan(-1.645, 1.645, color=GREY, alpha=0.18, lw=0)
        ax.axvline(0, color=GREY, lw=0.8)
        place = {name: len(series) - 1 - k for k, name in enumerate(series)}
        ax.plot(frame["z"], [place[n] for n in frame["series"]], "o", color=BLUE, ms=4.5, alpha=0.75, ls="")
        ax.set_yticks(list(place.values()), [plain(n) for n in place], fontsize=8.5)
        ax.set_ylim(-0.7, len(series) - 0.3)
        ax.set_xlabel("(median − observed) / sd; shaded: 90 %")
        return inline(drawn, "residuals")


def ablation(inputs: Inputs) -> str:
    """What each loop is for: fit, electricity and rebound without it."""
    found = inputs.made("ablation", "ablation.csv", ("cut", "what", "status"))
    if not found.there:
        return missing(found)
    frame = found.data
    outcomes = [c.removesuffix("_held") for c in frame if c.endswith("_held") and c.removesuffix("_held") in frame]
    outcomes = [c for c in outcomes if c not in ("d_data",)]
    parts = [
        paragraph(
            "Each loop was switched off in turn and everything else fitted again. A rise of the data's chi-square "
            "says how much the data need the loop; one that moves electricity or R while chi-square stays is "
            "believed, not observed."
        )
    ]
    whole = frame[frame["cut"] == "none"]
    cut = frame[frame["status"] == "refitted"]
    if len(whole) and len(cut) and "d_data" in frame and outcomes:
        parts.append(_ablation_figure(cut, whole.iloc[0].to_dict(), outcomes))
        quiet = cut[cut["d_data"] < 1]
        mover = max(outcomes, key=lambda c: c.startswith("R_"))
        far = quiet[(quiet[mover] - float(whole[mover].iloc[0])).abs() > 0.1 * abs(float(whole[mover].iloc[0]))]
        if len(far):
            told = ", ".join(f"{r.cut} ({r.what})" for r in far.itertuples())
            parts.append(
                paragraph(
                    f"Not needed by the data (chi-square rises by less than 1), and yet {escape(mover)} changes by "
                    f"more than a tenth without it: <strong>{escape(told)}</strong>."
                )
            )
    show = [
        Column("cut", "", words), Column("what", "", words), Column("status", "", words),
        Column("d_data", "Δχ² data", _one), Column("d_prior", "Δχ² priors", _one),
        *(Column(c, c.replace("_", " "), number) for c in outcomes),
    ]  # fmt: skip
    columns = [c for c in show if c.name in frame]
    parts.append(table(frame, "Loops switched off, everything else fitted again", columns, "ablation"))
    held = [Column("cut", "", words), Column("how", "", words), Column("d_data_held", "Δχ² data", _one)]
    held += [Column(f"{c}_held", c.replace("_", " "), number) for c in outcomes]
    columns = [c for c in held if c.name in frame]
    parts.append(
        details("How, and without fitting again", table(frame, "Loops switched off, nothing refitted", columns, "held"))
    )
    return "".join(parts)


def _one(x: object) -> str:
    return fixed(x, 1, sign=True)


def _ablation_figure(cut: pd.DataFrame, whole: dict[str, object], outcomes: list[str]) -> str:
    shown = sorted(outcomes, key=lambda name: name.startswith("R_"))[:2]
    place = np.arange(len(cut))[::-1]
    with canvas((0.22 * len(cut) + 0.75) * len(shown), len(shown)) as (drawn, axes):
        needed = (cut["d_data"] >= 1).to_numpy()
        for ax, name in zip(axes, shown, strict=True):
            base = float(str(whole[name]))
            ax.axvline(base, color=GREY, lw=1)
            ax.hlines(place, base, cut[name], color=GREY, lw=1.2, alpha=0.6)
            for colour, chosen, label in ((BLUE, needed, "χ² rises by 1 or more"), (ORANGE, ~needed, "χ² does not")):
                ax.plot(cut[name][chosen], place[chosen], "o", color=colour, ms=5.5, ls="", label=label)
            ax.set_yticks(place, [plain(c) for c in cut["cut"]], fontsize=8.5)
            ax.set_ylim(-0.7, len(cut) - 0.3)
            ax.set_title(plain(name.replace("_", " ")))
        drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        picture = inline(drawn, "ablation")
    sees = (
        "Orange: the data do as well without the loop, so what it does to the answer is an assumption. The line is "
        "the model as it is."
    )
    return figure(picture, "ablation", sees, f"Change of {', '.join(shown)} when each loop is switched off")
