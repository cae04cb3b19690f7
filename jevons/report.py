"""The main job: from the shipped fits to tables, pictures and a summary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons import plot, plot_elasticity, plot_evidence
from jevons.errors import CalibrationError
from jevons.inference.backfire import backfire_table, fitted_priors, rebounds_by_limit
from jevons.inference.config import (
    CalibrationConfig,
    ProjectionConfig,
    read_config,
    shipped_fit,
    shipped_fits,
    shipped_table,
)
from jevons.inference.evidence import EVIDENCE, chosen, evidence_posterior, read_experiments
from jevons.inference.families import AVERAGED, exceedance_table, family_table, figures_of
from jevons.inference.fit import summarise
from jevons.inference.hindcast import counterfactuals
from jevons.inference.history import History
from jevons.inference.learned import experiments_table, moved_table
from jevons.inference.profiles import profile_likelihood
from jevons.inference.projection import Projection, ReboundEnsemble, measured_rebounds, project, project_rebound
from jevons.inference.satiation import SHAPES, read_stances
from jevons.inference.stored import StoredFit
from jevons.inference.unknowns import Prior
from jevons.library import load
from jevons.model import Model
from jevons.problems import CONFIG
from jevons.rebound.meter import HORIZONS, ReboundMeter, counterfactual, roles_of, shock
from jevons.scenario import Scenario, load_scenario
from jevons.summary import Findings, summary
from jevons.units import factor_between, parse_unit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

HORIZON = 5.0
RESOLUTION = 0.5
SIDE_DRAWS = 400
"""Draws, at most, for gains besides the scenarios', and for rebounds of the other readings: one Monte Carlo error is
then below 2.5 percentage points."""
EVIDENCE_DRAWS = 2000
ELASTICITY_VARIABLE = "demand_elasticity"
STANCE = "central"
ELASTICITY, SATIATION = SHAPES["power"]
SATIATIONS = {"weak": "enthusiast", "central": "central", "strong": "sceptic"}
"""Speeds of satiation, and whose stance they are."""
ELASTICITY_PICTURE, UNMOVED_PICTURE = "elasticity.png", "unmoved.png"
LIMITS = ("as fitted", "lifted")
NEED_BELIEFS = ("backfire.csv", "evidence_world.csv")
"""Tables that weigh draws by beliefs about elasticity and satiation: none where either is held."""
OF_THE_WORLD = ("shapes.csv",)
"""Shipped tables that are of the world's data."""
PARAMETER_COLUMNS = ("name", "unit", "value", "prior_median", "prior_sd_log", "moved_sd", "status", "source")


@dataclass(frozen=True)
class Report:
    """What the main job found, and where it wrote it."""

    projection: Projection
    rebound: ReboundEnsemble
    families: pd.DataFrame
    summary: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Job:
    name: str
    variant: str
    config: CalibrationConfig
    plan: ProjectionConfig
    model: Model
    stored: StoredFit
    history: History
    draws: int | None
    progress: bool
    own: bool

    @property
    def held(self) -> dict[str, float]:
        """Elasticity and satiation, where they are not free."""
        names = [n for n in (ELASTICITY, SATIATION) if n not in self.stored.names]
        return {n: self.stored.values.get(n, self.model.parameters[n].value) for n in names}

    def taken(self, stored: StoredFit, most: int | None = None) -> int:
        """How many draws of a fit; more than the chosen fit has are asked for, so that it says so."""
        if stored is self.stored and most is None:
            return len(stored.sample) if self.draws is None else self.draws
        return min(x for x in (len(stored.sample), self.draws, most) if x is not None)

    def project(self, stored: StoredFit, scenarios: Sequence[Scenario]) -> Projection:
        plan = self.plan
        return project(
            self.model, stored, scenarios, plan.variables, start=plan.start, end=plan.end, draws=self.taken(stored),
            progress=self.progress,
        )  # fmt: skip


def run_projection(
    out: str | Path,
    *,
    name: str = "world",
    variant: str = "main",
    draws: int | None = None,
    extra: Sequence[Scenario] = (),
    backfire_fit: str | None = None,
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
        Shipped fit to stand on, or a folder that ``jevons fit`` wrote. What needs draws of the elasticity is left out
        where the folder's calibration holds it, and what is of the world's data always; files of those names in
        `out`, from an earlier run, are removed.
    draws : int, optional
        How many of its draws; all by default.
    extra : sequence of Scenario
        Projected beside the scenarios of the calibration.
    backfire_fit : str, optional
        Shipped fit whose draws are weighted for the table of P(R > 1); `variant` by default. One with wider priors of
        elasticity and satiation reaches further.

    Returns
    -------
    Report
    """
    stored = shipped_fit(name, variant)
    kept = Path(variant) / CONFIG
    config = read_config(kept if kept.exists() else name)
    if config.projection is None:
        raise CalibrationError(f"calibration of {name!r}", ["has no [projection] section"])
    plan = config.projection
    own = kept.exists()
    history = config.read_history()
    if own:  # other readings of the world's sources say nothing of it
        history = _in_units(history, plan)
        variant = str(stored.meta["variant"]) or "main"
        plan = dataclasses.replace(plan, families=(variant,))
        config = dataclasses.replace(config, variants={variant: config.variant(variant)}, projection=plan)
        name = config.model
    job = _Job(name, variant, config, plan, load(name, fit=None), stored, history, draws, progress, own)
    findings = _findings(job, extra, backfire_fit)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for file in (*NEED_BELIEFS, *OF_THE_WORLD, ELASTICITY_PICTURE, UNMOVED_PICTURE) if own else ():
        (folder / file).unlink(missing_ok=True)  # of an earlier run, and so of another fit
    for file, table in findings.tables.items():
        files.append(folder / file)
        table.to_csv(files[-1], index=False, float_format="%.6g")
    files += _pictures(job, findings, folder)
    text = summary(findings)
    files.append(folder / "summary.txt")
    files[-1].write_text(text + "\n", encoding="utf-8")
    return Report(findings.projection, findings.rebounds, findings.tables["families.csv"], text, tuple(files))


def _findings(job: _Job, extra: Sequence[Scenario], backfire_fit: str | None) -> Findings:
    plan, model, stored = job.plan, job.model, job.stored
    scenarios = [*(load_scenario(s) for s in plan.scenarios), *extra]
    projection = job.project(stored, scenarios)
    gains = [load_scenario(s) for s in plan.scenario_shocks]
    shocks = [(shock(model, kind, factor, plan.shock_date), factor) for kind, factor in plan.shocks.items()]
    shocks += list(zip(gains, plan.scenario_shocks.values(), strict=True))
    side = job.taken(stored, SIDE_DRAWS)
    counts = dict.fromkeys(plan.shocks, side) | {s.name: job.taken(stored) for s in gains}
    horizons = np.union1d(np.arange(RESOLUTION, max(HORIZONS) + RESOLUTION / 2, RESOLUTION), HORIZONS)
    meter = ReboundMeter(model, [s for s, _ in shocks], plan.shock_date, horizons.tolist())
    rebounds = project_rebound(
        model, stored, shocks, plan.shock_date, draws=counts, meter=meter, progress=job.progress
    )  # fmt: skip
    readings, missing = _readings(job)
    projections = {
        r: projection if r == job.variant else job.project(fit, scenarios[:1]) for r, fit in readings.items()
    }
    averaged = [] if job.own else [r for r in plan.families if r in readings]
    families = family_table(_family_figures(job, readings, projections, rebounds, meter), averaged)
    totals = [v.name for v in plan.variables if v.kind == "total"]
    fitted = model.with_values(stored.values)
    switched_off = {s: load_scenario(s).apply(fitted) for s in plan.counterfactuals}
    priors = fitted_priors(job.config, model, stored)
    moved = moved_table(stored, priors)
    above = exceedance_table(projections, plan.scenarios[0], totals, job.history, averaged)
    tables: dict[str, pd.DataFrame] = {
        "projection.csv": projection.to_frame(),
        "exceedance.csv": above if averaged else above.drop(columns=f"above_{AVERAGED}"),
        "rebound.csv": rebounds.table,
        "induced_growth.csv": rebounds.induced,
        "families.csv": families,
        "counterfactuals.csv": counterfactuals(fitted, switched_off, plan.counterfactual_years),
        "fit.csv": fit_table(stored),
        "parameters.csv": parameters(stored),
        "unmoved.csv": moved[moved["said"] == "the prior"].drop(columns="said"),
    }
    if not job.held:
        found = (_backfire(job, rebounds, meter, priors, backfire_fit), _experiments(job, projection, rebounds))
        tables |= dict(zip(NEED_BELIEFS, found, strict=True))
    for file in ("evidence.csv",) if job.own else ("evidence.csv", *OF_THE_WORLD):
        try:
            tables[file] = shipped_table("evidence", file)
        except CalibrationError:
            missing.append(file)
    provisional = [r for r, fit in readings.items() if r != job.variant and not fit.meta["posterior"]["converged"]]
    if "shapes.csv" in tables:
        provisional += [s for s in dict.fromkeys(tables["shapes.csv"]["shape"]) if _provisional(f"{job.name}_{s}")]
    return Findings(projection, rebounds, stored, job.history, tables, moved, tuple(averaged), tuple(missing),
                    job.own, job.held, tuple(provisional))  # fmt: skip


def _provisional(model: str) -> bool:
    """Whether a model has a shipped main fit whose posterior has not converged."""
    return f"{model}-main" in shipped_fits() and not shipped_fit(model).meta["posterior"]["converged"]


def _in_units(history: History, plan: ProjectionConfig) -> History:
    """One's own annual figures in the units that are projected; those of another dimension stay as they are."""
    units = {v.name: v.unit for v in plan.variables}
    rows = []
    for row in history:
        unit = units.get(row.variable, units.get(row.series, row.unit))
        factor = factor_between(parse_unit(row.unit), parse_unit(unit)) if row.statistic == "annual" else None
        if factor is not None and row.unit != unit:
            scaled = {k: factor * getattr(row, k) for k in ("value", "low", "high")}
            row = dataclasses.replace(row, unit=unit, **scaled)
        rows.append(row)
    return History(rows, history.name)


def _readings(job: _Job) -> tuple[dict[str, StoredFit], list[str]]:
    """Fits of every reading of the sources, the chosen one first, and the names of those that are not shipped."""
    shipped = shipped_fits()
    wanted = [v for v in dict.fromkeys([*job.plan.families, *job.config.variants]) if v != job.variant]
    found = {v: shipped_fit(job.name, v) for v in wanted if f"{job.name}-{v}" in shipped}
    return {job.variant: job.stored, **found}, [v for v in wanted if v not in found]


def _family_figures(
    job: _Job,
    readings: Mapping[str, StoredFit],
    projections: Mapping[str, Projection],
    rebounds: ReboundEnsemble,
    meter: ReboundMeter,
) -> dict[str, dict[str, Floats]]:
    figures = {}
    for reading, stored in readings.items():
        measured = {}
        for gain in job.plan.scenario_shocks:
            label = f"rebound_{gain}_{HORIZON:g}yr"
            if reading == job.variant:
                measured[label] = rebounds.over_all(gain, [HORIZON])[:, 0]
            else:
                samples = stored.draws(job.taken(stored, SIDE_DRAWS))
                measured[label] = measured_rebounds(meter, gain, samples, HORIZON)
        figures[reading] = figures_of(projections[reading], job.plan, measured)
    return figures


def _backfire(
    job: _Job,
    rebounds: ReboundEnsemble,
    meter: ReboundMeter,
    priors: Mapping[str, Prior],
    backfire_fit: str | None,
) -> pd.DataFrame:
    """P(R > 1) by stance, satiation and power limit, from the draws of the fit or of one with wider priors."""
    plan, model, stored = job.plan, job.model, job.stored
    if backfire_fit is not None and backfire_fit != job.variant:
        stored = shipped_fit(job.name, backfire_fit)
        stored.require(model)
        priors = fitted_priors(job.config, model, stored)
    samples = stored.draws(job.taken(stored))
    gains, known = tuple(plan.scenario_shocks), read_stances()
    paths: dict[tuple[str, str], Floats] = {}
    for limit, changes in zip(LIMITS, ({}, plan.power_limit), strict=True):
        if not changes and stored is job.stored:
            found = {g: rebounds.over_all(g, HORIZONS) for g in gains}
        else:
            found = rebounds_by_limit(meter, samples, gains, HORIZONS, changes)
        paths |= {(gain, limit): values for gain, values in found.items()}
    names = (ELASTICITY, SATIATION)
    return backfire_table(
        dict(sorted(paths.items())),
        HORIZONS,
        {n: np.array([s[n] for s in samples]) for n in names},
        {n: priors[n] for n in names},
        {n: {ELASTICITY: known[n].usage()} for n in sorted(known, key=lambda n: known[n].usage().median)},
        {speed: {SATIATION: known[whose].satiation} for speed, whose in SATIATIONS.items()},
    )


def _experiments(job: _Job, projection: Projection, rebounds: ReboundEnsemble) -> pd.DataFrame:
    """What the experiments with prices would make of the fit's posterior."""
    samples, base = job.stored.draws(job.taken(job.stored)), job.plan.scenarios[0]
    sample = {n: np.array([s[n] for s in samples]) for n in (ELASTICITY, SATIATION)}
    energy = next(v.name for v in job.plan.variables if v.kind == "total")
    totals = {
        f"{energy}_{y}": projection.over_all(projection.in_year(base, energy, y)) for y in job.plan.benchmark_years
    }
    year = int(job.plan.shock_date)
    total = projection.over_all(projection.in_year(base, ELASTICITY_VARIABLE, year))
    rebound = rebounds.over_all(next(iter(job.plan.scenario_shocks)), [HORIZON])[:, 0]
    return experiments_table(sample, read_experiments(), total, {**sample, **totals}, rebound)


def _pictures(job: _Job, findings: Findings, folder: Path) -> list[Path]:
    free = job.plan.bias in job.stored.names
    bias = None if job.own and not free else float(job.stored.values.get(job.plan.bias, 0.0))
    experiments = read_experiments()
    posteriors = {
        e: [evidence_posterior(STANCE, chosen(e, experiments), shape, EVIDENCE_DRAWS) for shape in SHAPES]
        for e in EVIDENCE
    }
    profiles = _profiles(job)
    unmoved = list(findings.tables["unmoved.csv"]["parameter"])
    history = folder / "history_and_projection.png"
    pictures = [
        plot.history_and_projection(findings.projection, job.history, bias, history, own=job.own),
        plot.rebound(findings.rebounds, folder / "rebound.png", counterfactual(roles_of(job.model))),
        plot.fit_residuals(job.stored, folder / "fit.png"),
        plot_evidence.plot_evidence(posteriors, folder / "evidence.png"),
    ]
    if ELASTICITY in job.stored.names:
        picture = folder / ELASTICITY_PICTURE
        pictures.append(plot_elasticity.elasticity(job.stored, findings.moved, profiles, ELASTICITY, picture))
    if unmoved or not job.own:
        picture = folder / UNMOVED_PICTURE
        pictures.append(plot_elasticity.unmoved(job.stored, findings.moved, profiles, unmoved, picture))
    return pictures


def _profiles(job: _Job) -> pd.DataFrame:
    """Profile likelihoods: those shipped for the main fit, else that of the elasticity, computed if it is free."""
    import pandas as pd

    if ELASTICITY not in job.stored.names:
        return pd.DataFrame(columns=["parameter", "value", "chi2", "chi2_data", "chi2_prior"])
    if job.variant == "main" and not job.own:
        try:
            return shipped_table("profiles", "profiles.csv")
        except CalibrationError:
            pass
    calibration = job.config.calibration(job.model, job.config.read_history(), str(job.stored.meta["variant"]))
    found = profile_likelihood(summarise(calibration, job.stored.centre, (), 0), ELASTICITY)
    parts = {"chi2": found.chi2, "chi2_data": found.chi2_data, "chi2_prior": found.chi2_prior}
    return pd.DataFrame({"parameter": ELASTICITY, "value": found.values, **parts})


def fit_table(stored: StoredFit) -> pd.DataFrame:
    """Fitted rows; a ratio or a rate has its kind and reference in the name of its series."""
    rows = stored.rows
    names = [
        r.series if r.statistic in ("annual", "at", "since") else f"{r.series}_{r.statistic}_from_{r.reference_date:g}"
        for r in rows.itertuples()
    ]
    table = rows.assign(series=names)
    return table[["series", "date", "unit", "observed", "sigma", "modelled", "z", "role"]]


def parameters(stored: StoredFit) -> pd.DataFrame:
    """All parameters, and quantiles of the posterior of those that were fitted."""
    table = stored.parameters[list(PARAMETER_COLUMNS)].copy()
    quantiles = dict(zip(stored.names, np.quantile(stored.sample, (0.5, 0.05, 0.95), axis=0).T, strict=True))
    for k, column in enumerate(("posterior_median", "posterior_p05", "posterior_p95")):
        table[column] = [quantiles[n][k] if n in quantiles else np.nan for n in table["name"]]
    return table
