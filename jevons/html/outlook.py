"""Projection, rebound by kind of gain, readings of the sources, shapes of satiation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jevons.html.drawing import BLUE, COLOURS, GREY, PAPER, RED, VIOLET, bars, canvas, inline, plain
from jevons.html.inputs import Inputs
from jevons.html.markup import (
    SPACE,
    Column,
    bullets,
    chance,
    columns_of,
    details,
    escape,
    figure,
    fixed,
    link,
    linked,
    missing,
    number,
    paragraph,
    percent,
    spread,
    table,
    value,
    words,
)

if TYPE_CHECKING:
    import pandas as pd

BANDS = ("p05", "p95")
EXCEEDANCE = ("variable", "statistic", "year", "source", "value")
ALTERNATIVES = ("figure", "median", *BANDS)


def projection(inputs: Inputs) -> str:
    """History, fit and projection; the chance of exceeding what others project."""
    found = inputs.output("projection.csv", ("scenario", "year", "variable", "unit", "median", *BANDS))
    above = inputs.output("exceedance.csv", EXCEEDANCE)
    if not found.there:
        return missing(found) + (missing(above) if not above.there else "")
    frame = found.data[found.data["variable"] == inputs.energy].dropna(subset=["median", *BANDS])
    if frame.empty:
        return paragraph(f"Missing: <code>projection.csv</code> has no {escape(inputs.energy)}.", "missing")
    scenarios = list(dict.fromkeys(frame["scenario"]))
    unit = str(frame["unit"].iloc[0]).split("/")[0]
    picture = _projection_figure(inputs, frame, scenarios, unit)
    last = frame[(frame["scenario"] == scenarios[0]) & (frame["year"] == frame["year"].max())].iloc[0]
    ratio = float(last["p95"] / last["p05"])
    sees = (
        f"The 90&nbsp;% band of {int(last['year'])} spans a factor of "
        f"{value(ratio, fixed(ratio, 1), 'projection.csv')}: it says what the model allows and is no forecast. Filled "
        "marks were fitted, open ones are projections of others."
    )
    parts = [figure(picture, "projection", sees, f"World electricity by year with bands, in {unit} a year")]
    years = [y for y in (*inputs.plan.benchmark_years, 2026) if y in set(frame["year"])]
    shown = frame[frame["year"].isin(years)].sort_values(["year", "scenario"], kind="stable")
    columns = [Column("year", "", _year), Column("scenario", "", words), Column("median"), *_band_columns(shown)]
    parts.append(table(shown, f"Electricity, {unit} in the calendar year", columns, "projection"))
    if above.there:
        parts.append(_exceedance(inputs, above.data))
    else:
        parts.append(missing(above))
    everything = [Column("year", "", _year), Column("scenario", "", words), Column("variable", "", words)]
    yearly = found.data[found.data["year"] % 5 == 0]
    body = table(yearly, "Projection", columns_of(yearly, everything), "all")
    parts.append(details("Every projected quantity, every fifth year", body))
    return "".join(parts)


def _year(x: Any) -> str:
    return f"{float(x):g}"


def _band_columns(frame: pd.DataFrame) -> list[Column]:
    names = {"p05": "5 %", "p25": "25 %", "p75": "75 %", "p95": "95 %"}
    return [Column(k, head) for k, head in names.items() if k in frame]


def _exceedance(inputs: Inputs, frame: pd.DataFrame) -> str:
    """The chance of exceeding each benchmark: annual totals first, the rest folded."""
    columns = [
        Column("source", "who projects", words), Column("published", "", words), Column("year", "", _year),
        Column("value"), Column("unit", "", words),
        Column(f"above_{inputs.variant}", f"P(above), {inputs.variant}", chance),
        Column("above_averaged", "P(above), readings averaged", chance),
    ]  # fmt: skip
    columns = [c for c in columns if c.name in frame]
    urls = {r.source: r.url for r in inputs.observations}
    main = (frame["variable"] == inputs.energy) & (frame["statistic"] == "annual")
    caption = "Chance that electricity is above what others project"
    parts = [table(frame[main], caption, columns, "exceedance", links=urls)]
    if not main.all():
        show = [Column("source", "who projects", words), Column("variable", "", words), Column("statistic", "", words)]
        body = table(frame[~main], "Other benchmarks", [*show, *columns[1:]], "exceedance-others", links=urls)
        parts.append(details("Benchmarks of AI electricity and of growth", body))
    readings = [c for c in frame if str(c).startswith("above_")]
    show = [*columns[:4], *(Column(c, str(c).removeprefix("above_"), chance) for c in readings)]
    show += [Column(c, "", words) for c in ("definition", "note") if c in frame]
    parts.append(
        details(
            "By reading of the sources, with definitions", table(frame, caption, show, "exceedance-all", links=urls)
        )
    )
    return "".join(parts)


def _projection_figure(inputs: Inputs, frame: pd.DataFrame, scenarios: Sequence[str], unit: str) -> str:
    rows = [
        r for r in inputs.observations
        if r.series == inputs.energy and r.statistic == "annual" and r.role in ("fit", "benchmark") and r.variable
    ]  # fmt: skip
    with canvas(4.4) as (drawn, (ax,)):
        base = frame[frame["scenario"] == scenarios[0]].sort_values("year")
        ax.fill_between(base["year"], base["p05"], base["p95"], color=BLUE, alpha=0.16, lw=0, label="90 %")
        if {"p25", "p75"} <= set(base):
            ax.fill_between(base["year"], base["p25"], base["p75"], color=BLUE, alpha=0.28, lw=0, label="50 %")
        for scenario, colour, style in zip(scenarios, COLOURS, ("-", "--", ":", "-.", "--", ":"), strict=False):
            path = frame[frame["scenario"] == scenario].sort_values("year")
            ax.plot(path["year"], path["median"], color=colour, ls=style, lw=1.8, label=plain(f"{scenario}, median"))
        top = float(base["p95"].max())
        families = sorted({r.family for r in rows if r.role == "fit"})
        for family, marker in zip(families, "os^v<>", strict=False):
            points = [r for r in rows if r.role == "fit" and r.family == family]
            ax.plot(
                [r.date for r in points], [r.value for r in points], marker, color=RED, ms=4, ls="",
                label=plain(f"observed, {family}"),
            )  # fmt: skip
        others = [r for r in rows if r.role == "benchmark" and r.value <= 1.05 * top]
        ax.plot(
            [r.date for r in others], [r.value for r in others], "D", color=VIOLET, mfc=PAPER, ms=4, ls="",
            label="projections of others",
        )  # fmt: skip
        ax.set_ylim(0, 1.05 * top)
        ax.set_ylabel(f"{unit} in the year")
        ax.legend(loc="upper left")
        return inline(drawn, "projection")


def rebound(inputs: Inputs) -> str:
    """Rebound R at every horizon by kind of gain."""
    found = inputs.output("rebound.csv", ("shock", "horizon", "rebound", *BANDS))
    if not found.there:
        return missing(found)
    frame = found.data[found.data["rebound"].notna()]
    shocks = list(dict.fromkeys(frame["shock"]))
    picture = _rebound_figure(frame, shocks)
    sees = (
        "Above the dotted line, R&nbsp;=&nbsp;1, a gain burns more than it saves; bars are 50 and 90&nbsp;% bands, "
        "cut at −1.5 and 2.5."
    )
    show = [
        Column("shock", "", words), Column("factor"), Column("horizon", "years"), Column("rebound", "R, median", fixed),
        *(Column(c.name, c.head, fixed) for c in _band_columns(frame)),
        Column("probability_backfire", "P(R > 1)", chance), Column("undefined_share", "undefined", percent),
    ]  # fmt: skip
    parts = [
        figure(picture, "rebound", sees, f"Rebound by horizon of {', '.join(map(str, shocks))}"),
        _by_horizon(found.data),
        details(
            "With 50 % bands and the share of draws in which R is undefined",
            table(found.data, "Rebound by kind of gain", [c for c in show if c.name in found.data], "rebound"),
        ),
        paragraph(
            "These bands hold for the prior of the fit alone. How they change with the prior is in "
            '<a href="#chances">the table of P(R&nbsp;&gt;&nbsp;1)</a>.'
        ),
    ]
    induced = inputs.output("induced_growth.csv", ("shock", "horizon", "energy_change_percent"))
    if induced.there:
        show = [Column("shock", "", words), Column("factor"), Column("horizon", "years")]
        show += [Column("energy_change_percent", "change, %", _signed), Column("p05", "5 %", _signed)]
        show = [c for c in [*show, Column("p95", "95 %", _signed)] if c.name in induced.data]
        tabled = table(induced.data, "Change of electricity against no gain, in per cent", show, "induced")
        parts.append(details("What each gain does to electricity, including those for which R is undefined", tabled))
    off = inputs.output("counterfactuals.csv", ("scenario",))
    if off.there:
        columns = columns_of(off.data, [Column("scenario", "", words)])
        body = table(off.data, "Electricity at the best fit", columns, "counterfactuals")
        parts.append(details("Parts of history switched off", body))
    return "".join(parts)


def _by_horizon(frame: pd.DataFrame) -> str:
    """A row for each gain, a column for each horizon: R with its band, and P(R > 1)."""
    import pandas as pd

    lines = []
    for shock, rows in frame.groupby("shock", sort=False):
        factor = f" ×{rows['factor'].iloc[0]:g}" if "factor" in rows else ""
        line = {"gain": f"{shock}{factor}"}
        for row in rows.sort_values("horizon").to_dict("records"):
            told = spread({**row, "median": row["rebound"]}, fixed)
            above = float(row.get("probability_backfire", math.nan))
            line[f"{row['horizon']:g} yr"] = told if math.isnan(above) else f"{told}; P:{SPACE}{chance(above)}"
        lines.append(line)
    wide = pd.DataFrame(lines)
    caption = "Rebound R: median (90 % band), and P(R > 1), by years after the gain; a dash where R is undefined"
    return table(wide, caption, columns_of(wide), "rebound-by-horizon")


def _signed(x: Any) -> str:
    return fixed(x, 1, sign=True)


def _rebound_figure(frame: pd.DataFrame, shocks: Sequence[str]) -> str:
    horizons = sorted(set(frame["horizon"]))
    with canvas(4.2) as (drawn, (ax,)):
        for i, (shock, colour) in enumerate(zip(shocks, COLOURS * 3, strict=False)):
            rows = frame[frame["shock"] == shock]
            shift = (i - (len(shocks) - 1) / 2) * 0.75 / len(shocks)
            for row in rows.to_dict("records"):
                bars(ax, horizons.index(row["horizon"]) + shift, row, colour, horizontal=False)
            x = [horizons.index(h) + shift for h in rows["horizon"]]
            ax.plot(x, rows["rebound"], "o", color=PAPER, mec=colour, ms=5, ls="")
            ax.plot([], [], "o", color=colour, ms=5, label=plain(shock))
        ax.axhline(0, color=GREY, lw=0.8)
        ax.axhline(1, color=RED, lw=1.2, ls=":")
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -1.5), min(max(high, 1.2), 2.5))
        ax.set_xticks(range(len(horizons)), [f"{h:g} yr" for h in horizons])
        ax.set_xlabel("after the gain")
        ax.set_ylabel("rebound R")
        drawn.legend(loc="outside lower center", ncols=3)
        return inline(drawn, "rebound")


def families(inputs: Inputs) -> str:
    """Families of sources as alternatives, each and averaged; shapes of satiation the same way."""
    parts = [
        paragraph(
            "No likelihood compares fits to different data, so the readings of the sources stand beside each other, "
            "and the average gives those that are in it equal weights. The shapes of satiation meet the same data, "
            "so there the data have a verdict; odds are against the first shape."
        )
    ]
    provisional = inputs.unconverged()
    if provisional:
        told = ", ".join(
            f"{escape(n)} (R-hat {value(r, lambda x: fixed(x, 2), f'{n}/fit.toml')})" for n, r in provisional.items()
        )
        parts.append(paragraph(f"<strong>Not converged, and so provisional: {told}.</strong>"))
    for name, label, told, caption in (
        ("families.csv", "reading", "each reading of the sources, and their average", "By reading of the sources"),
        ("shapes.csv", "shape", "each shape in which the response to price satiates", "By shape of satiation"),
    ):
        found = inputs.output(name, (label, *ALTERNATIVES))
        if not found.there:
            parts.append(missing(found))
            continue
        parts.append(_alternatives(inputs, found.data, label, name, told))
        parts.append(_wide(inputs, found.data, label, caption, name))
        columns = columns_of(found.data, [Column(label, "", words), Column("figure", "", words)])
        parts.append(details("With 50 % bands and draws", table(found.data, caption, columns, f"{name}-all")))
    return "".join(parts)


def figure_number(name: str) -> Callable[[Any], str]:
    """How a figure that is compared between alternatives is written, by its name."""
    if "year" in name:
        return lambda x: fixed(x, 1)
    return fixed if name.startswith("rebound") else lambda x: fixed(x, 1) if "percent" in name else number(x)


def figure_name(inputs: Inputs, name: str) -> str:
    """A figure that is compared between alternatives, in words."""
    unit = next(v.unit for v in inputs.plan.variables if v.name == inputs.energy).split("/")[0]
    if name.startswith(f"{inputs.energy}_"):
        return f"electricity in {name.removeprefix(f'{inputs.energy}_')}, {unit}"
    rebound = re.fullmatch(r"rebound_(.+)_([\d.]+)yr", name)
    if rebound:
        return f"R of {rebound[1]} after {rebound[2]} years"
    return name.replace("_percent", ", % a year").replace("_", " ")


def _wide(inputs: Inputs, frame: pd.DataFrame, label: str, caption: str, name: str) -> str:
    """A row for each alternative, a column for each figure: median and 90 % band."""
    import pandas as pd

    lines = []
    for alternative, rows in frame.groupby(label, sort=False):
        line = {label: str(alternative)}
        for row in rows.to_dict("records"):
            figured = str(row["figure"])
            line[figure_name(inputs, figured)] = spread(row, figure_number(figured))
        if "posterior_odds" in rows:
            line["posterior odds"] = number(rows["posterior_odds"].iloc[0])
        if "verdict" in rows:
            line["verdict"] = words(rows["verdict"].iloc[0])
        lines.append(line)
    wide = pd.DataFrame(lines)
    return table(wide, f"{caption}: median (90 % band)", columns_of(wide), name)


def _alternatives(inputs: Inputs, frame: pd.DataFrame, label: str, name: str, told: str) -> str:
    """Medians and bands of the energy of 2030 and of the rebound, by alternative."""
    wanted = [
        f for f in dict.fromkeys(map(str, frame["figure"])) if f == f"{inputs.energy}_2030" or f.startswith("rebound")
    ]
    groups = [(f, frame[(frame["figure"] == f) & frame["median"].notna()]) for f in wanted[:3]]
    groups = [(f, rows) for f, rows in groups if len(rows)]
    if not groups:
        return ""
    height = sum(0.3 * len(rows) + 0.75 for _, rows in groups) + 0.2
    ident = name.removesuffix(".csv")
    with canvas(height, len(groups), height_ratios=[len(rows) + 2 for _, rows in groups]) as (drawn, axes):
        for ax, (title, rows) in zip(axes, groups, strict=True):
            place = np.arange(len(rows))[::-1]
            for y, row, colour in zip(place, rows.to_dict("records"), COLOURS * len(rows), strict=False):
                bars(ax, y, row, colour)
                ax.plot(row["median"], y, "o", color=PAPER, mec=colour, ms=5)
            ax.set_yticks(place, [plain(x) for x in rows[label]])
            ax.set_ylim(-0.7, len(rows) - 0.3)
            ax.set_title(plain(figure_name(inputs, title)))
        picture = inline(drawn, ident)
    sees = (
        f"Bars are 50 and 90&nbsp;% bands of {told}; where they part, the alternative matters more than its own band."
    )
    return figure(picture, ident, sees, f"Medians and bands for {told}")


def sources(inputs: Inputs) -> str:
    """Every source with its address, and every parameter with what its prior rests on."""
    parts = []
    rows = inputs.observations
    if rows:
        urls: dict[str, str] = {}
        for row in rows:
            urls.setdefault(row.source, row.url)
        told = {
            "fit": "fitted", "hold-out": "kept to compare", "benchmark": "projections of others",
        }  # fmt: skip
        for role, label in told.items():
            names = sorted({r.source for r in rows if r.role == role})
            items = [link(urls[n], n) if urls[n] else linked(n) for n in names]
            if items:
                parts.append(details(f"Sources {label} ({len(items)})", bullets(items)))
    forecasts = inputs.shipped("forecasts.csv", ("published", "source", "url"))
    if forecasts.there:
        cited = dict(zip(forecasts.data["source"].map(str), forecasts.data["url"].map(str), strict=True))
        body = bullets(link(url, name) for name, url in sorted(cited.items()))
        parts.append(details(f"Forecasts that backtests are compared with ({len(cited)})", body))
    known = inputs.fitted("parameters.csv", ("name", "unit", "value", "source", "status"))
    if known.there:
        show = [
            Column("name", "", words), Column("unit", "", words), Column("value", "value", number),
            Column("prior_median", "prior, centre"), Column("prior_sd_log", "prior, sd"),
            Column("moved_sd", "moved, prior sd", fixed), Column("posterior_sd", "sd left", fixed),
            Column("status", "", words), Column("source", "", words),
        ]  # fmt: skip
        columns = [c for c in show if c.name in known.data]
        body = table(known.data, "Every parameter; an empty “moved” means that it was held", columns, "parameters")
        parts.append(details(f"All {len(known.data)} parameters with their sources", body))
    else:
        parts.append(missing(known))
    return "".join(parts)


def at(frame: pd.DataFrame, **wanted: Any) -> Mapping[str, Any] | None:
    """The first row that has these values; None if there is none."""
    for name, x in wanted.items():
        if name not in frame:
            return None
        frame = frame[frame[name] == x]
    return frame.iloc[0].to_dict() if len(frame) else None
