"""The main job: from the shipped fit to tables, pictures and a summary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons import plot
from jevons.elements import LogNormal
from jevons.errors import CalibrationError
from jevons.inference.config import ProjectionConfig, read_config, shipped_fit, shipped_profile
from jevons.inference.fit import StoredFit, notable_moves
from jevons.inference.hindcast import break_year, counterfactuals
from jevons.inference.history import History, read_history
from jevons.inference.profile import backfire_table
from jevons.inference.projection import Projection, ReboundEnsemble, project, project_rebound
from jevons.library import load
from jevons.model import Model
from jevons.rebound_meter import counterfactual, roles_of, shock
from jevons.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    import pandas as pd

BACKFIRE_HORIZON = 5.0
PARAMETER_COLUMNS = ("name", "unit", "value", "prior_median", "prior_sd_log", "moved_sd", "status", "source")


@dataclass(frozen=True)
class Report:
    """What the main job found, and where it wrote it."""

    projection: Projection
    rebound: ReboundEnsemble
    variants: pd.DataFrame
    summary: str
    files: tuple[Path, ...]


def run_projection(
    out: str | Path,
    *,
    name: str = "world",
    variant: str = "main",
    draws: int | None = None,
    extra: Sequence[Scenario] = (),
    progress: bool = True,
) -> Report:
    """Project, measure rebounds, and write tables and pictures into a folder.

    Parameters
    ----------
    out : path
        Folder; made if missing.
    name : str
        Model whose calibration has a ``[projection]`` section.
    variant : str
        Shipped fit to stand on.
    draws : int, optional
        How many of its draws; all by default.
    extra : sequence of Scenario
        Projected beside baseline and deepseek.

    Returns
    -------
    Report
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    config = read_config(name)
    if config.projection is None:
        raise CalibrationError(f"calibration of {name!r}", ["has no [projection] section"])
    plan = config.projection
    model, stored, history = load(name, fit=None), shipped_fit(name, variant), read_history(name)
    scenarios = [*(load_scenario(s) for s in plan.scenarios), *extra]
    projection = _project(model, stored, scenarios, plan, draws, progress)
    shocks = [(shock(model, kind, factor, plan.shock_date), factor) for kind, factor in plan.shocks.items()]
    shocks += [(load_scenario(s), factor) for s, factor in plan.scenario_shocks.items()]
    rebounds = project_rebound(model, stored, shocks, plan.shock_date, draws=draws, progress=progress)
    paths = {
        v: projection if v == variant else _project(model, shipped_fit(name, v), scenarios[:1], plan, draws, progress)
        for v in config.variants
    }
    variants = _variants(paths, plan)
    fitted = model.with_values(stored.values)
    switched_off = counterfactuals(
        fitted, {s: load_scenario(s).apply(fitted) for s in plan.counterfactuals}, plan.counterfactual_years
    )
    profile = shipped_profile()
    backfire = backfire_table(profile, plan.elasticity_priors, ["deepseek", "inference"], BACKFIRE_HORIZON)
    tables: Mapping[str, pd.DataFrame] = {
        "projection.csv": projection.to_frame(),
        "fit.csv": fit_table(stored),
        "parameters.csv": stored.parameters[list(PARAMETER_COLUMNS)],
        "rebound.csv": rebounds.table,
        "induced_growth.csv": rebounds.induced,
        "variants.csv": variants,
        "counterfactuals.csv": switched_off,
        "elasticity_profile.csv": profile,
        "backfire.csv": backfire,
    }
    files = []
    for name, table in tables.items():
        files.append(folder / name)
        table.to_csv(files[-1], index=False, float_format="%.6g")
    bias = float(stored.values.get(plan.bias, 0.0))
    files.append(plot.history_and_projection(projection, history, bias, folder / "history_and_projection.png"))
    files.append(plot.rebound(rebounds, folder / "rebound.png", counterfactual(roles_of(model))))
    files.append(plot.fit_residuals(stored, folder / "fit.png"))
    text = summary(
        projection, rebounds, stored, variants, switched_off, profile, backfire, history, plan.elasticity_priors
    )
    files.append(folder / "summary.txt")
    files[-1].write_text(text + "\n", encoding="utf-8")
    return Report(projection, rebounds, variants, text, tuple(files))


def fit_table(stored: StoredFit) -> pd.DataFrame:
    """Fitted rows; a ratio or a rate has its kind and reference in the name of its series."""
    rows = stored.rows
    names = [
        r.series if r.statistic in ("annual", "at", "since") else f"{r.series}_{r.statistic}_from_{r.reference_date:g}"
        for r in rows.itertuples()
    ]
    table = rows.assign(series=names)
    return table[["series", "date", "unit", "observed", "sigma", "modelled", "z", "role"]]


def _project(
    model: Model,
    stored: StoredFit,
    scenarios: Sequence[Scenario],
    plan: ProjectionConfig,
    draws: int | None,
    progress: bool,
) -> Projection:
    return project(
        model, stored, scenarios, plan.variables, start=plan.start, end=plan.end, draws=draws, progress=progress
    )


def _variants(projections: Mapping[str, Projection], plan: ProjectionConfig) -> pd.DataFrame:
    """Break year, growth before and after, and levels under each shipped reading of the data."""
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    for name, paths in projections.items():
        energy = paths.paths[plan.scenarios[0], plan.variables[0].name]
        past = (paths.years >= plan.break_years[0]) & (paths.years <= plan.break_years[1])
        breaks = [break_year(paths.years[past].astype(float), row[past]) for row in energy]
        figures = {
            "break_year": np.array([b.year for b in breaks]),
            "growth_before_percent": np.array([100 * b.before for b in breaks]),
            "growth_after_percent": np.array([100 * b.after for b in breaks]),
            "twh_2025": energy[:, paths.years == 2025].ravel(),
            "twh_2030": energy[:, paths.years == 2030].ravel(),
            "twh_2035": energy[:, paths.years == 2035].ravel(),
        }
        rows += [(name, figure, *np.quantile(v, (0.5, 0.05, 0.95))) for figure, v in figures.items()]
    return pd.DataFrame(rows, columns=["variant", "figure", "median", "p05", "p95"])


def summary(
    projection: Projection,
    rebounds: ReboundEnsemble,
    stored: StoredFit,
    variants: pd.DataFrame,
    switched_off: pd.DataFrame,
    profile: pd.DataFrame,
    backfire: pd.DataFrame,
    history: History,
    priors: Mapping[str, LogNormal],
) -> str:
    """What a reader without mathematics should know, its uncertainty included."""

    def band(scenario: str, year: int) -> str:
        k = int(np.argmax(projection.years == year))
        median, low, high = projection.quantiles(scenario, "dc_electricity")[:, k]
        return f"{median:,.0f} TWh ({low:,.0f} to {high:,.0f})"

    def bent(name: str) -> str:
        row = variants[(variants["variant"] == name) & (variants["figure"] == "break_year")].iloc[0]
        return f"{row['median']:.1f} ({row['p05']:.1f} to {row['p95']:.1f})"

    def r(name: str, horizon: float) -> str:
        rows = rebounds.table
        row = rows[(rows["shock"] == name) & (rows["horizon_years"] == horizon)].iloc[0]
        if math.isnan(row["rebound"]):
            return "undefined"
        return f"{row['rebound']:.2f} ({row['p05']:.2f} to {row['p95']:.2f})"

    base = switched_off.set_index("scenario")
    no_ai = 1 - base.at["no_ai", "2025"] / base.at["base", "2025"]
    growth = rebounds.induced
    price = growth[(growth["shock"] == "hardware_price") & (growth["horizon_years"] == 5)].iloc[0]
    not_fitted, not_run = int(stored.meta["failed_draws"]), projection.failed + max(rebounds.failed.values())
    lines = [
        "World data-centre electricity, calendar years; ranges are 90 % bands of the fitted model",
        f"  2019       {band('baseline', 2019)}",
        f"  2025       {band('baseline', 2025)}; {_others(history, 'fit', 2025)}",
        f"  2030       {band('baseline', 2030)}; {_others(history, 'benchmark', 2030)}",
        f"  2035       {band('baseline', 2035)}; a range this wide is no forecast",
        "",
        "Why flat, and then not: consolidation and better buildings ran out, and AI came on top.",
        f"  Growth changed about {bent('main')} if the older estimates read too low, {bent('no_bias')} if not.",
        f"  Without AI, 2025 would have been {no_ai:.0%} lower.",
        "",
        "A tenfold cheaper model (DeepSeek, January 2025, spread over the industry): does it save power?",
        f"  Electricity in 2030 with it: {band('deepseek', 2030)}; without: {band('baseline', 2030)}.",
        f"  Rebound after 1 year {r('deepseek', 1)}, 5 years {r('deepseek', 5)}, 10 years {r('deepseek', 10)}.",
        "  (0: all of the possible saving is saved, 1: none of it, above 1: it burns more, as Jevons said of coal;",
        "  below 0: more than the possible is saved, because cheaper answers earn less, and less is then trained.)",
        "",
        "The kind of efficiency decides. Rebound after 5 years:",
        f"  cheaper answers (inference ×10)     {r('inference', 5)}",
        f"  cheaper training (×10)              {r('training', 5)}",
        f"  chips that draw half the power      {r('hardware', 5)}",
        f"  half the cooling and power losses   {r('facility', 5)}",
        "  chips at half the price save nothing by themselves; electricity then changes by "
        f"{price['energy_change_percent']:+.0f} % ({price['p05']:+.0f} to {price['p95']:+.0f}).",
        "",
        *_backfire_lines(profile, backfire, priors),
        "",
        f"Fit {stored.meta['variant']}: {stored.meta['rows']} rows of history, "
        f"{stored.meta['free_parameters']} free parameters, "
        f"of which data hold {stored.meta['effective_parameters']:.0f}; chi-square {stored.meta['chi2_data']:.0f}, "
        f"{stored.meta['reduced_chi2']:.2f} per degree of freedom.",
        f"Bands from {projection.draws} draws; {not_fitted} draws failed when fitted, {not_run} when run.",
        "Moved by more than one prior standard deviation:",
        *(f"  {line}" for line in notable_moves(stored.parameters)),
    ]
    return "\n".join(lines)


def _others(history: History, role: str, year: int) -> str:
    """What the best-known sources say of world electricity in a year: the newest row of each."""
    rows = [
        r
        for r in history.select(role, series="dc_electricity")
        if r.variable == "dc_electricity" and r.statistic == "annual" and r.date == year
    ]
    said = []
    for name, case in (("IEA", "Base Case"), ("Gartner", ""), ("Goldman Sachs", "")):
        found = [r for r in rows if r.source.startswith(name) and (role == "fit" or case in r.source)]
        if found:
            said.append(f"{name} {max(found, key=lambda r: r.known).value:,.0f}")
    return ", ".join(said) or "no other figure"


def _backfire_lines(profile: pd.DataFrame, backfire: pd.DataFrame, priors: Mapping[str, LogNormal]) -> list[str]:
    """The table of P(R > 1): never one number, because the data choose no cell."""
    inner = profile[profile["usage_price_elasticity"].between(0.5, 1.7) & (profile["satiation"] == 0.05)]
    spread = inner["chi2_data"].max() - inner["chi2_data"].min()
    names = list(dict.fromkeys(backfire["prior"]))
    medians = ", ".join(f"{priors[n].median:.2f}" for n in names)
    lines = [
        f"Does it burn more after {backfire['horizon_years'].iloc[0]:g} years? It hangs on how use responds to price, "
        "and how fast that satiates,",
        "and history cannot tell: the model meets it as well with an elasticity of 0.5 as with 1.7 "
        f"(chi-square moves by {spread:.1f}).",
        "The bands above hold for the fit's prior; here is the chance of R > 1 for three priors of the elasticity in",
        f'2025 (medians {medians}) and three speeds of satiation. "not in range": R stays below 1 at every',
        "elasticity computed, and the chance shown is an upper bound, that of an elasticity beyond them.",
        f"  {'gain':10} {'satiation':>9} {'R > 1 above elasticity':>23} " + " ".join(f"{n:>11}" for n in names),
    ]
    for (shock_name, satiation), cell in backfire.groupby(["shock", "satiation"], sort=False):
        crossing = cell["crossing_elasticity"].iloc[0]
        crossed = not bool(cell["is_upper_bound"].iloc[0])
        edge = f"{crossing:.2f}" if crossed else "not in range"
        chances = [f"{p:.0%}" if crossed else f"<{max(p, 0.01):.0%}" for p in cell["probability"]]
        row = " ".join(f"{c:>11}" for c in chances)
        lines.append(f"  {shock_name:10} {satiation:9g} {edge:>23} {row}")
    return lines
