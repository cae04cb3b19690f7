"""The main job's findings in words."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jevons.inference.backfire import AS_FITTED
from jevons.inference.families import AVERAGED
from jevons.inference.fit import notable_moves
from jevons.inference.history import History
from jevons.inference.projection import Projection, ReboundEnsemble
from jevons.inference.stored import StoredFit

if TYPE_CHECKING:
    import pandas as pd

ELASTICITY = "usage_price_elasticity"
WIDTH = 116


@dataclass(frozen=True)
class Findings:
    """What the main job found.

    Attributes
    ----------
    tables : mapping of file name to pandas.DataFrame
    moved : pandas.DataFrame
        See `moved_table`.
    averaged : tuple of str
        Readings of the sources that were averaged.
    missing : tuple of str
        Shipped fits and tables that were not found.
    own : bool
        Whether the fit is of one's own data: then nothing is said of the world's.
    held : mapping of str to float
        Elasticity and satiation, where they are not free: no draw can then be weighed by beliefs about them.
    unconverged : tuple of str
        Other fits shown whose posterior has not converged.
    """

    projection: Projection
    rebounds: ReboundEnsemble
    stored: StoredFit
    history: History
    tables: Mapping[str, pd.DataFrame]
    moved: pd.DataFrame
    averaged: tuple[str, ...]
    missing: tuple[str, ...]
    own: bool = False
    held: Mapping[str, float] = field(default_factory=dict)
    unconverged: tuple[str, ...] = ()


def summary(found: Findings) -> str:
    """What a reader without mathematics should know, its uncertainty included."""
    parts = (
        _levels, _others, _causes, _rebounds, _held, _backfire, _experiments, _readings, _shapes, _unknown, _origin
    )  # fmt: skip
    return "\n\n".join("\n".join(lines) for lines in (part(found) for part in parts) if lines)


def _spread(row: Any, digits: int = 0, middle: str = "median") -> str:
    """A median with its 50 and 90 % bands."""
    if math.isnan(row[middle]):
        return "undefined in most draws"

    def text(x: float) -> str:
        return f"{x:,.0f}" if digits == 0 else f"{x:.{digits}f}"

    half, most = (f"{text(row[a])} to {text(row[b])}" for a, b in (("p25", "p75"), ("p05", "p95")))
    return f"{text(row[middle])} (50 %: {half}; 90 %: {most})"


def _levels(found: Findings) -> list[str]:
    table = found.tables["projection.csv"]
    rows = table[table["variable"] == "dc_electricity"].set_index(["scenario", "year"])
    what = "Data-centre electricity" if found.own else "World data-centre electricity"
    lines = [f"{what} in TWh a year: median of the model's draws, 50 and 90 % bands"]
    lines += [
        f"  {year}  {_spread(rows.loc[('baseline', year)])}{_known(found.history, year)}"
        for year in (2019, 2025, 2030, 2035)
    ]
    lines.append(f"  2030, with DeepSeek's gains spread over the industry: {_spread(rows.loc[('deepseek', 2030)])}")
    lines.append("  A band as wide as that of 2035 is no forecast.")
    return lines


def _known(history: History, year: int) -> str:
    """What the IEA last said of a year that is past."""
    rows = [
        r
        for r in history.select("fit", series="dc_electricity")
        if r.statistic == "annual" and r.date == year and r.source.startswith("IEA")
    ]
    return f"; IEA {max(rows, key=lambda r: r.known).value:,.0f}" if rows else ""


def _others(found: Findings) -> list[str]:
    table = found.tables["exceedance.csv"]
    rows = table[(table["variable"] == "dc_electricity") & (table["statistic"] == "annual") & (table["year"] == 2030)]
    if rows.empty:
        return []
    own = f"above_{found.stored.meta['variant']}"
    mean = f"above_{AVERAGED}"
    both = mean in rows
    lines = [
        f"Chance that 2030 is above what others published (exceedance.csv), in this fit{' and averaged' * both}:",
        f"  {'TWh':>6} {own[6:]:>6}" + f" {AVERAGED:>9}" * both + "   source",
    ]
    for row in rows.to_dict("records"):
        averaged = f" {row[mean]:9.0%}" if both else ""
        lines.append(f"  {row['value']:6,.0f} {row[own]:6.0%}{averaged}   {_shortened(row['source'])}")
    return lines


def _shortened(source: str, most: int = 88) -> str:
    return source if len(source) <= most else source[: most - 1].rstrip() + "…"


def _causes(found: Findings) -> list[str]:
    base = found.tables["counterfactuals.csv"].set_index("scenario")
    no_ai = 1 - base.at["no_ai", "2025"] / base.at["base", "2025"]
    table = found.tables["families.csv"]
    bent = table[table["figure"] == "break_year"].set_index("reading")
    own = str(found.stored.meta["variant"])
    why = "n the model consolidation and better buildings ran out, and AI came on top."
    return [
        f"I{why}" if found.own else f"Why flat, and then not: i{why}",
        f"  Growth changed in {_spread(bent.loc[own], 1)}.",
        f"  Without AI, 2025 would have been {no_ai:.0%} lower at the best fit.",
    ]


def _rebounds(found: Findings) -> list[str]:
    table = found.rebounds.table
    lines = [
        "Rebound R: 0, all of the possible saving is saved; 1, none; above 1, it burns more. Below 0, more than the",
        "possible is saved, because cheaper answers earn less, and less is then trained.",
        f"  {'gain':15} {'years':>5} {'median':>7}   {'50 % band':15} {'90 % band':15} {'P(R > 1)':>8}",
    ]
    for name in dict.fromkeys(table["shock"]):
        rows = table[(table["shock"] == name) & table["rebound"].notna()]
        chosen = rows if name == "deepseek" else rows[rows["horizon_years"] == 5]
        for row in chosen.to_dict("records"):
            label = f"{name} ×{row['factor']:g}"
            half, most = (f"{row[a]:.2f} to {row[b]:.2f}" for a, b in (("p25", "p75"), ("p05", "p95")))
            cell = f"{row['rebound']:7.2f}   {half:15} {most:15}"
            undefined = f"   undefined in {row['undefined_share']:.0%}" if row["undefined_share"] > 0.005 else ""
            lines.append(f"  {label:15} {row['horizon_years']:5g} {cell} {row['probability_backfire']:8.0%}{undefined}")
    growth = found.rebounds.induced
    price = growth[(growth["shock"] == "hardware_price") & (growth["horizon_years"] == 5)]
    if len(price):
        row = price.iloc[0]
        lines.append(
            "  chips at half the price save nothing by themselves: after 5 years electricity changes by "
            f"{row['energy_change_percent']:+.0f} % ({row['p05']:+.0f} to {row['p95']:+.0f})."
        )
    if not found.held:
        lines.append(
            "  These chances are of the fit's prior of the elasticity and its satiation; other beliefs give others."
        )
    return lines


def _held(found: Findings) -> list[str]:
    """What is left out where elasticity or satiation is held."""
    if not found.held:
        return []
    names = [f"{name.replace('_', ' ')} at {value:.3g}" for name, value in found.held.items()]
    said = (
        f"This fit holds the {' and the '.join(names)} (calibration.toml), so the chances above are of that alone, "
        "narrower than what is known, and no draw can be weighed by other beliefs: P(R > 1) by belief (backfire.csv) "
        "and what price experiments would change (evidence_world.csv) are left out"
    )
    picture = ", as is elasticity.png" if ELASTICITY in found.held else ""
    return textwrap.wrap(f"{said}{picture}.", WIDTH, subsequent_indent="  ")


def _backfire(found: Findings) -> list[str]:
    if "backfire.csv" not in found.tables:
        return []
    table = found.tables["backfire.csv"]
    rows = table[(table["horizon_years"] == 5) & (table["stance"] != AS_FITTED)]
    limits = list(dict.fromkeys(rows["power_limit"]))
    stances, speeds = (list(dict.fromkeys(rows[k])) for k in ("stance", "satiation"))
    lines = [
        "P(R > 1) of DeepSeek after 5 years is no one number. By belief about the elasticity (rows) and how fast it",
        "satiates (columns), with limits to power " + " / ".join(limits) + ":",
        "  " + " " * 12 + "".join(f"{s:>18}" for s in speeds),
    ]
    cells = rows[rows["shock"] == "deepseek"].set_index(["stance", "satiation", "power_limit"])
    for stance in stances:
        shown = [" / ".join(_chance(cells.loc[(stance, speed, limit)]) for limit in limits) for speed in speeds]
        lines.append(f"  {stance:12}" + "".join(f"{x:>18}" for x in shown))
    known = rows[rows["reliable"]].drop_duplicates(["stance", "satiation"])
    told = known[known["verdict"] != "none"]
    if len(known):
        but = "; ".join(f"{r.stance} with {r.satiation} satiation {r.verdict}" for r in told.itertuples())
        said = (
            "The data's verdict on these beliefs, by Bayes factors against the fit's prior: none (below 3)"
            + (f", but {but}" if but else "")
            + "."
        )
        lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="  ")
    if not rows["reliable"].all():
        lines.append("  ?: too few of the fit's draws lie there to tell the chance or a verdict.")
    return lines


def _chance(row: Any) -> str:
    value = row["probability_backfire"]
    return "?" if math.isnan(value) else f"{value:.0%}"


def _experiments(found: Findings) -> list[str]:
    if "evidence_world.csv" not in found.tables:
        return []
    table = found.tables["evidence_world.csv"].set_index(["evidence", "quantity"])
    lines = [
        "What price experiments on one platform of developers would change (evidence.csv, evidence_world.csv), if they",
        "are read as the file says: elasticity in 2025, satiation, P(R > 1) of DeepSeek after 5 years, TWh in 2030:",
    ]
    for evidence in dict.fromkeys(table.index.get_level_values("evidence")):
        row = {q: table.loc[(evidence, q)] for q in table.loc[evidence].index}
        label = "without" if evidence == "none" else f"with {evidence}"
        if not row["total_elasticity"]["reliable"]:
            size = row["total_elasticity"]["ess"]
            lines.append(f"  {label:18} not reliable: {size:.0f} effective draws")
            continue
        eta, speed, energy = (row[q] for q in ("total_elasticity", "satiation", "dc_electricity_2030"))
        lines.append(
            f"  {label:18} {eta['median']:.2f} ({eta['p05']:.2f} to {eta['p95']:.2f}), "
            f"{speed['median']:.3f} ({speed['p05']:.3f} to {speed['p95']:.3f}), "
            f"{row['probability_backfire']['median']:.0%}, "
            f"{energy['median']:,.0f} ({energy['p05']:,.0f} to {energy['p95']:,.0f})"
        )
    return lines


def _readings(found: Findings) -> list[str]:
    if not found.averaged:
        return []
    table = found.tables["families.csv"].set_index(["reading", "figure"])
    lines = [
        "Readings of the sources. They fit different data, so no likelihood compares them; averaged are, with equal",
        f"weights, {', '.join(found.averaged)}.",
        f"  {'':10} {'TWh 2025':>18} {'TWh 2030':>22} {'break':>22} {'DeepSeek R, 5 years':>22}",
    ]
    for reading in dict.fromkeys(table.index.get_level_values("reading")):
        cells = [
            _range(table.loc[(reading, figure)], digits)
            for figure, digits in (("dc_electricity_2025", 0), ("dc_electricity_2030", 0), ("break_year", 1),
                                   ("rebound_deepseek_5yr", 2))
        ]  # fmt: skip
        lines.append(f"  {reading:10} {cells[0]:>18} {cells[1]:>22} {cells[2]:>22} {cells[3]:>22}")
    return lines


def _range(row: Any, digits: int) -> str:
    thousands = "," if row["median"] < 2000 and digits == 0 else ""
    median, low, high = (f"{row[k]:{thousands}.{digits}f}" for k in ("median", "p05", "p95"))
    return f"{median} ({low}-{high})"


def _shapes(found: Findings) -> list[str]:
    if "shapes.csv" not in found.tables:
        return []
    table = found.tables["shapes.csv"]
    lines = ["Other shapes of satiation (shapes.csv): DeepSeek's R after 5 years, TWh in 2030, the data's verdict"]
    for shape in dict.fromkeys(table["shape"]):
        rows = table[table["shape"] == shape].set_index("figure")
        rebound, energy = _range(rows.loc["rebound_deepseek_5yr"], 2), _range(rows.loc["dc_electricity_2030"], 0)
        lines.append(f"  {shape:18} {rebound:>20} {energy:>22}   {rows['verdict'].iloc[0]}")
    return lines


def _unknown(found: Findings) -> list[str]:
    unmoved = found.tables["unmoved.csv"]
    kept = unmoved["parameter"].str.replace("_", " ").tolist()
    told = [
        _elasticity(found),
        f"{len(kept)} of {len(found.stored.names)} free parameters keep their prior (unmoved.csv)"
        + (f": {', '.join(kept)}." if kept else "."),
    ]
    lines = ["What is not identified:"]
    for text in told:
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
    moves = notable_moves(found.stored.parameters)
    if moves:
        lines += ["  The best fit moved these by more than one prior standard deviation:", *(f"    {m}" for m in moves)]
    return lines


def _elasticity(found: Findings) -> str:
    if ELASTICITY in found.held:
        return "The price elasticity of use, and all else that the fit holds."
    row = found.moved.set_index("parameter").loc[ELASTICITY]
    said = {
        "the prior": "keeps its prior",
        "hardly moved": "is hardly moved by the data",
        "moved": "is moved by the data, but stays wide",
    }[row["said"]]
    return (
        f"The price elasticity of use {said}: {row['posterior_median']:.2f} ({row['p05']:.2f} to {row['p95']:.2f}), "
        f"its width {row['sd_ratio']:.0%} of the prior's."
    )


def _origin(found: Findings) -> list[str]:
    meta = found.stored.meta
    posterior = meta["posterior"]
    converged = "converged" if posterior["converged"] else "NOT CONVERGED: every figure above is provisional"
    not_run = found.projection.failed + max(found.rebounds.failed.values())
    lines = [
        f"Fit {meta['variant']}: {meta['rows']} rows of history, {meta['free_parameters']} free parameters, of which "
        f"data hold {meta['effective_parameters']:.0f}; chi-square {meta['chi2_data']:.0f}.",
        f"Posterior by {posterior['method']}, {converged}; {found.projection.draws} draws, {not_run} failed when run.",
    ]
    if "largest_r_hat" in posterior:
        lines[-1] += f" Largest R-hat {posterior['largest_r_hat']:.3f}."
    if found.own:
        lines.append(
            "Left out, as they are of the world's data: other readings of the sources, other shapes of satiation."
        )
    if found.unconverged:
        lines.append(f"Not converged, and so provisional: {', '.join(found.unconverged)}.")
    if found.missing:
        lines.append(f"Not shipped, and so left out: {', '.join(found.missing)}.")
    return lines
