"""The commands that run scenarios as experiments: experiment, experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jevons.experiments.plan import Plan
    from jevons.experiments.result import Experiment
    from jevons.model import Model

PLAN = "laboratory"
model_option = click.option("--model", help="Instead of the laboratory; laboratory_us for the United States.")
fit_option = click.option("--fit", help="Shipped fit, or a folder with a fit; the model's own by default.")
horizon_option = click.option(
    "--horizon",
    type=click.FloatRange(0, 20, min_open=True),
    default=10.0,
    show_default=True,
    help="Years after the change; the model is meant up to 2035.",
)


@click.command()
@click.argument("name", metavar="NAME|FILE")
@click.option("--draws", type=click.IntRange(1), default=500, show_default=True, help="Draws of the posterior.")
@horizon_option
@model_option
@fit_option
@click.option("--out", type=click.Path(file_okay=False), help="Write tables and a figure there.")
def experiment(name: str, draws: int, horizon: float, model: str | None, fit: str | None, out: str | None) -> None:
    """Run one scenario: its rebound, and what it changes, with bands.

    NAME is a shipped scenario (see 'jevons list'), FILE one in TOML. R is reported where an efficiency changes; other
    scenarios have no engineering saving, and the change against the base run is reported.

    Example: jevons experiment deepseek --out deepseek

    Example: jevons experiment deepseek --model laboratory_us
    """
    from jevons import plot_experiment
    from jevons.experiments.run import open_laboratory
    from jevons.scenario import load_scenario

    scenario = load_scenario(name)
    plan, fit = planned(model, fit)
    laboratory = open_laboratory(plan, fit=fit, draws=draws)
    found = laboratory.run(scenario, horizon)
    _say(found, laboratory.model, plan)
    if out is not None:
        folder = Path(out)
        _write_tables(found, plan, folder)
        plot_experiment.experiment(found, folder / "figure.png", source(plan, fit))
        click.echo(f"wrote {folder}")


@click.command()
@click.option("--draws", type=click.IntRange(1), default=200, show_default=True, help="Draws of the posterior.")
@horizon_option
@model_option
@fit_option
@click.option("--only", metavar="A,B", help="Some scenarios alone, by name.")
@click.option("--out", type=click.Path(file_okay=False), help="Write a summary, and a folder for each scenario, there.")
@click.option(
    "--docs", type=click.Path(file_okay=False), help="Write a page for each scenario there, and an index of all."
)
def experiments(
    draws: int, horizon: float, model: str | None, fit: str | None, only: str | None, out: str | None, docs: str | None
) -> None:
    """Run all shipped scenarios: one line each, sorted by rebound.

    Changes are in per cent of the base run, five years after the change. A few minutes, the first time a few more.

    Example: jevons experiments --only deepseek,krein --out experiments
    """
    from jevons.experiments.pages import HORIZON, in_order, summary_cells
    from jevons.experiments.run import open_laboratory, run_experiments
    from jevons.scenario import load_scenario

    names = chosen(only)
    plan, fit = planned(model, fit)
    laboratory = open_laboratory(plan, fit=fit, draws=draws)
    found = in_order(run_experiments(laboratory, [load_scenario(n) for n in names], horizon))
    labels = [plan.variable(n).label for n in plan.summary]
    head = ["scenario", "R", "90 % band", "P(R > 1)", *(f"{label}, %" for label in labels)]
    click.echo(columns([head, *(summary_cells(e, plan) for e in found)]))
    click.echo(f"{min(HORIZON, horizon):g} years after the change; medians over {draws} draws of {source(plan, fit)}.")
    for e in found:
        if e.failed:
            click.echo(f"{e.scenario.name}: draws that did not run and are left out: {e.failed} of {e.ran.size}")
    if out is not None:
        _write_all(found, plan, Path(out), source(plan, fit))
        click.echo(f"wrote {out}")
    if docs is not None:
        _write_docs(found, laboratory.model, plan, Path(docs), source(plan, fit), whole=only is None)
        click.echo(f"wrote {docs}")


def planned(model: str | None, fit: str | None) -> tuple[Plan, str]:
    """What is run and reported, on a model, and the variant of the fit its draws are from."""
    from dataclasses import replace

    from jevons.experiments.plan import read_plan
    from jevons.library import fitted_as

    plan = read_plan(PLAN)
    if model is not None:
        plan = replace(plan, model=model)
    return plan, fit or fitted_as(plan.model)[1]


def source(plan: Plan, fit: str) -> str:
    """What the draws are of, in words."""
    return f"the posterior of '{plan.fit}', {f'fit {fit!r}' if not Path(fit).exists() else 'a fit of one’s own'}"


def chosen(only: str | None) -> list[str]:
    """Names of the scenarios to run; all shipped ones but the one without any change by default.

    Raises
    ------
    ScenarioError
        With every name that is not shipped.
    """
    from jevons.errors import ScenarioError, nearest
    from jevons.scenario import read_scenario, shipped_scenarios

    shipped = shipped_scenarios()
    if only is None:
        return [n for n, path in shipped.items() if read_scenario(path).changes]
    names = list(dict.fromkeys(n.strip() for n in only.split(",") if n.strip()))
    mistakes = [f"{n!r} is not shipped{nearest(n, shipped)}" for n in names if n not in shipped]
    if mistakes or not names:
        raise ScenarioError("--only", mistakes or [f"found {only!r}, expected names of scenarios with commas between"])
    return names


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in columns: the first to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _say(found: Experiment, model: Model, plan: Plan) -> None:
    from jevons.experiments import pages
    from jevons.experiments.result import reported_horizons

    scenario = found.scenario
    horizons = reported_horizons(found, plan.horizons)
    click.echo(scenario.title or scenario.name)
    if scenario.claim:
        click.echo(f"Claim: {' '.join(scenario.claim.split())}")
    if scenario.source:
        click.echo(f"Source: {' '.join(scenario.source.split())}")
    click.echo()
    click.echo(columns([("changes", "how", "in"), *pages.changes_rows(model, found)]))
    click.echo()
    click.echo(f"Counterfactual: {found.counterfactual}.")
    click.echo(" ".join(pages.sentences(found)))
    if found.measured:
        click.echo()
        click.echo(columns([pages.REBOUND_HEAD, *pages.rebound_rows(found, horizons)]))
    click.echo()
    click.echo(columns([pages.CHANGES_HEAD, *pages.change_rows(found, horizons)]))
    click.echo(f"Years count from {found.at:.6g}; {found.draws} draws, {found.failed} failed.")


def _write_tables(found: Experiment, plan: Plan, folder: Path) -> None:
    from jevons.experiments.result import changes_table, paths_table, rebound_table

    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "rebound.csv": rebound_table(found, plan.horizons),
        "changes.csv": changes_table(found, plan.horizons),
        "paths.csv": paths_table(found),
    }
    for file, table in tables.items():
        table.to_csv(folder / file, index=False, float_format="%.6g")


def _write_all(found: Sequence[Experiment], plan: Plan, folder: Path, drawn: str) -> None:
    """The summary, the overview, and a folder for each scenario."""
    import pandas as pd

    from jevons import plot_experiment
    from jevons.experiments.pages import HORIZON
    from jevons.experiments.result import summary_row
    from jevons.inference.threads import progress_bar

    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([summary_row(e, plan.summary, HORIZON) for e in found])
    table.to_csv(folder / "summary.csv", index=False, float_format="%.6g")
    head = plan.headline
    plot_experiment.overview(table, folder / "overview.png", head.name, head.label, drawn)
    for e in progress_bar(found, "write", "scenario", True):
        _write_tables(e, plan, folder / e.scenario.name)
        plot_experiment.experiment(e, folder / e.scenario.name / "figure.png", drawn)


def _write_docs(
    found: Sequence[Experiment], model: Model, plan: Plan, folder: Path, drawn: str, *, whole: bool
) -> None:
    """A page with its figure for each scenario, and, of all of them, the index with the overview."""
    import pandas as pd

    from jevons import plot_experiment
    from jevons.experiments import pages
    from jevons.experiments.result import summary_row
    from jevons.inference.threads import progress_bar

    folder.mkdir(parents=True, exist_ok=True)
    if whole:
        table = pd.DataFrame([summary_row(e, plan.summary, pages.HORIZON) for e in found])
        head = plan.headline
        plot_experiment.overview(table, folder / "overview.png", head.name, head.label, drawn)
        pages.write_page(pages.index(found, plan, "overview.png", drawn), folder / "index.md")
    for e in progress_bar(found, "pages", "scenario", True):
        picture = f"{e.scenario.name}.png"
        plot_experiment.experiment(e, folder / picture, drawn)
        pages.write_page(pages.page(e, model, plan, picture, drawn), folder / f"{e.scenario.name}.md")
